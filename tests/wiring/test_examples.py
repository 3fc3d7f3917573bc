"""`wire` in four repositories: every job of what it writes is green on the embedded forge, really run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forge.running import REPO, World, serving
from wiring.repos import ALL, EXAMPLES, configuration, files_below

FOLDER = ".github/workflows/"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path / "forge") as world:
        yield world


def wire(config: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ms_release", "release", "wire", str(folder), "--config", str(config), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def push(world: World, folder: Path) -> str:
    """Everything in the checkout, as one commit on main."""
    files = {path.removeprefix(FOLDER): data for path, data in files_below(folder).items()}
    return world.push(dict(files))


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", ALL)
def test_every_job_is_green(world: World, tmp_path: Path, name: str, tally: Callable[[str, int], None]) -> None:
    example = ALL[name]
    folder, config = tmp_path / "checkout", tmp_path / "ms-release.toml"
    shutil.copytree(EXAMPLES / name, folder)
    config.write_text(configuration(example, world.server.url))
    written = wire(config, folder, "--repo", name)
    assert (written.returncode, written.stderr.count("note:")) == (0, 0), written.stderr
    sha = push(world, folder)
    world.settle()
    assert [job["key"] for job in world.store.find("job", REPO)] == list(example.gates)
    body = {"ref": "main", "inputs": {"sha": sha, "tag": f"rc-{sha}"}}
    assert world.ask("POST", "/actions/workflows/candidate.yml/dispatches", json=body).status_code == 204
    world.settle()
    jobs = world.store.find("job", REPO)
    assert {job["conclusion"] for job in jobs} == {"success"}, [world.log(j["key"], j["run_id"]) for j in jobs]
    assert world.ends() == ["success", "success"]
    (release,) = world.store.find("release", REPO)
    assert (release["tag_name"], release["draft"], release["prerelease"]) == (f"rc-{sha}", False, True)
    checked = wire(config, folder, "--repo", name, "--check")
    assert checked.returncode == 0, checked.stdout
    tally("wired repositories whose jobs are all green", 1)
    tally("jobs of wired repositories, really run and green", len(jobs))


def test_a_gate_that_fails_is_red_alone(world: World, tmp_path: Path) -> None:
    """The shell of the gates is real: each of them can fail, and none takes another one along."""
    folder, config = tmp_path / "checkout", tmp_path / "ms-release.toml"
    shutil.copytree(EXAMPLES / "pnpm", folder)
    config.write_text(configuration(ALL["pnpm"], world.server.url))
    assert wire(config, folder, "--repo", "pnpm").returncode == 0
    (folder / "src/messages.txt").write_text("hello=Hello\nbye=Good bye \nbye=again\n")
    push(world, folder)
    world.settle()
    ends = {job["key"]: job["conclusion"] for job in world.store.find("job", REPO)}
    assert [gate for gate, end in ends.items() if end != "success"] == ["lint", "test", "sentinels"]
    assert len(ends) == 6
