"""The example organisation is what it claims: it builds byte for byte, its rules hold, its workflows are pinned."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ms_release import config
from ms_release.core.gates import read_audit
from ms_release.forge import git, world
from ms_release.forge.serve import Server
from ms_release.forge.state import Forge
from ms_release.forge.world.history import files_of

ROOT = Path(__file__).parents[2]
EXAMPLE = world.EXAMPLE.parent
COMPONENTS = {
    "loader": {"midi-studio-loader.pyz"},
    "bridge": {"oc-bridge.pyz", "oc-bridge-default.toml"},
    "core": {"midi-studio-default-firmware.hex", "midi-studio-bitwig-firmware.hex"},
    "plugin-bitwig": {"midi_studio.bwextension"},
}
LATER = {"loader-address": "loader", "core-loop": "core", "core-page": "core", "plugin-loop": "plugin-bitwig"}
WORKFLOWS = sorted(EXAMPLE.glob("*/.github/workflows/*.yml"))
PINS = {
    "actions/checkout": "3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f # v7.0.0",
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c # v8.0.1",
}


def python(folder: Path, *args: str) -> str:
    """Run Python as a job would, leaving nothing behind in the package."""
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *args], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write(files: dict[str, bytes], folder: Path) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


# ---- what it builds


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_passes_its_tests_and_builds_the_same_bytes_twice(tmp_path: Path, name: str) -> None:
    copy = write(files_of(EXAMPLE / name), tmp_path / "elsewhere")
    for file in copy.rglob("*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    python(copy, "-m", "unittest", "discover", "-s", "tests")
    python(EXAMPLE / name, "build.py", str(tmp_path / "one"))
    python(copy, "build.py", str(tmp_path / "two"))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert set(digests(tmp_path / "one")) == COMPONENTS[name]


@pytest.mark.parametrize("change", LATER)
def test_later_work_passes_the_tests_and_changes_what_is_built(tmp_path: Path, change: str) -> None:
    name = LATER[change]
    python(EXAMPLE / name, "build.py", str(tmp_path / "before"))
    copy = write({**files_of(EXAMPLE / name), **files_of(EXAMPLE / "later" / change)}, tmp_path / "copy")
    python(copy, "-m", "unittest", "discover", "-s", "tests")
    python(copy, "build.py", str(tmp_path / "after"))
    before, after = digests(tmp_path / "before"), digests(tmp_path / "after")
    assert before.keys() == after.keys()
    assert before != after


def test_the_parts_fit_together(tmp_path: Path) -> None:
    """The loader flashes what core generates; the bridge decodes what it encodes, with the configuration it ships."""
    for name in COMPONENTS:
        python(EXAMPLE / name, "build.py", str(tmp_path))
    for firmware in sorted(tmp_path.glob("*.hex")):
        device = tmp_path / f"{firmware.stem}.bin"
        said = python(tmp_path, "midi-studio-loader.pyz", "flash", str(firmware), "--to", str(device))
        assert said.startswith(f"{device.stat().st_size} bytes")
    event = '{"type": "control", "channel": 16, "controller": 20, "value": 0}\n'
    frames = subprocess.run(
        [sys.executable, "oc-bridge.pyz", "encode"], cwd=tmp_path, input=event.encode(), capture_output=True, check=True
    ).stdout
    back = subprocess.run(
        [sys.executable, "oc-bridge.pyz", "--config", "oc-bridge-default.toml", "decode"],
        cwd=tmp_path, input=frames, capture_output=True, check=True,
    )  # fmt: skip
    assert back.stdout.decode() == event
    with zipfile.ZipFile(tmp_path / "midi_studio.bwextension") as archive:
        mapping = json.loads(archive.read("mapping.json"))
    layout = (EXAMPLE / "core/controls/bitwig.toml").read_text()
    assert {int(cc) for cc in re.findall(r"cc = (\d+)", layout)} == {int(number) for number in mapping["controls"]}
    assert set(re.findall(r"channel = (\d+)", layout)) == {str(mapping["channel"])}


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("release-specs/v1.0.0.json", '{"tag": "v1.0.0"}', None),
        ("release-plans/v1.0.0-beta.1.json", '{"plan": {"tag": "v1.0.0-beta.1"}}', None),
        ("release-specs/v1.0.0.json", "{", "is not JSON"),
        ("release-specs/v1.0.0.json", '{"tag": "v1.0.1"}', "tells of v1.0.1"),
        ("release-plans/v1.0.0.json", '{"tag": "v1.0.0"}', "names no tag"),
        ("release-plans/v1.0.0.json", '{"plan": []}', "names no tag"),
        ("release-specs/latest.json", '{"tag": "latest"}', "is not a release tag"),
    ],
)
def test_the_home_repository_checks_its_records(tmp_path: Path, path: str, text: str, words: str | None) -> None:
    copy = write({**files_of(EXAMPLE / "distribution"), path: text.encode()}, tmp_path)
    done = subprocess.run([sys.executable, "tools/validate.py"], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == (1 if words else 0)
    assert (words or "well formed") in done.stdout


# ---- its workflows


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: f"{file.parts[-4]}/{file.name}")
def test_workflows_keep_the_rules(file: Path) -> None:
    text = file.read_text()
    workflow = YAML(typ="safe").load(text)
    uses = re.findall(r"uses: (\S+?)@(.+)", text)
    assert len(uses) == text.count("uses:") > 0
    for action, pin in uses:
        assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin)
        assert PINS.get(action, pin) == pin
    for step in steps(workflow):
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        writes = name in ("publish", "promote")
        assert job.get("permissions", workflow["permissions"])["contents"] == ("write" if writes else "read")
        assert job["timeout-minutes"] <= 20
    cancel = workflow["concurrency"]["cancel-in-progress"]
    assert cancel == ("${{ github.event_name == 'pull_request' }}" if file.name == "ci.yml" else False)


def test_all_five_workflow_sets_are_there() -> None:
    names = {f"{file.parts[-4]}/{file.name}" for file in WORKFLOWS}
    assert names == {
        *(f"{name}/{file}" for name in COMPONENTS for file in ("ci.yml", "candidate.yml")),
        "distribution/ci.yml",
        "distribution/publish.yml",
    }


def test_workflows_say_what_the_program_relies_on() -> None:
    """Names, inputs and titles by which a run is started, found again and approved."""
    publish = YAML(typ="safe").load((EXAMPLE / "distribution/.github/workflows/publish.yml").read_text())
    assert list(publish["on"]["workflow_dispatch"]["inputs"]) == ["tag", "plan", "seal"]
    expected = "Publish ${{ inputs.tag }} · plan ${{ inputs.plan }} · seal ${{ inputs.seal }}"
    assert (publish["run-name"], publish["concurrency"]["group"]) == (expected, "publish")
    assert {name: job.get("environment") for name, job in publish["jobs"].items()} == {
        "assemble": None, "promote": "release"
    }  # fmt: skip
    assert publish["jobs"]["promote"]["needs"] == "assemble"
    for name in COMPONENTS:
        candidate = YAML(typ="safe").load((EXAMPLE / name / ".github/workflows/candidate.yml").read_text())
        assert list(candidate["on"]) == ["workflow_dispatch"]
        assert list(candidate["on"]["workflow_dispatch"]["inputs"]) == ["sha", "tag"]
        assert candidate["run-name"] == "Candidate ${{ inputs.tag }}"
        visibility = "draft" if name == "core" else "prerelease"
        assert candidate["jobs"]["publish"]["steps"][-1]["run"].endswith(f"--visibility {visibility}")


def test_secrets_reach_only_the_steps_that_need_them() -> None:
    for file in WORKFLOWS:
        for step in steps(YAML(typ="safe").load(file.read_text())):
            wanted = set(re.findall(r"secrets\.(\w+)", json.dumps(step)))
            assert wanted <= {"MS_CANDIDATES_TOKEN" if "assemble" in step.get("run", "") else "MS_MANIFEST_KEY"}
            assert not wanted or step["run"].startswith("ms-release content ")


# ---- the organisation


def test_the_reference_configuration_is_complete() -> None:
    loaded = config.parse((ROOT / "ms-release.example.toml").read_text("utf-8"))
    (product,) = loaded.products
    assert [repo.slug for repo in loaded.components(product)] == [
        "petitechose-midi-studio/loader", "open-control/bridge", "petitechose-midi-studio/core",
        "petitechose-midi-studio/plugin-bitwig",
    ]  # fmt: skip
    # What the organisation really published (upstream 2.3).
    assert (len(product.assets), len(product.install_sets)) == (7, 8)


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """The whole organisation, its checks really run, being served."""
    root = tmp_path_factory.mktemp("organisation") / "world"
    world.build(world.EXAMPLE, root)
    server = Server(root)
    server.start()
    yield server.forge
    server.stop()
    shutil.rmtree(root)


def green(forge: Forge, repo: str, sha: str) -> bool:
    checks = forge.store.find("check_run", repo, head_sha=sha)
    return bool(checks) and {check["conclusion"] for check in checks} == {"success"}


def test_every_tip_is_green_and_one_commit_of_core_is_red(organisation: Forge) -> None:
    red = []
    for repo in organisation.store.find("repo"):
        name = repo["full_name"]
        commits = git.log(organisation.git_dir(name), "main", 100)
        assert green(organisation, name, commits[0].sha)
        red += [(name, c.message.strip()) for c in commits if not green(organisation, name, c.sha)]
        assert {c.message.partition(":")[0] for c in commits} <= {"feat", "fix", "test", "chore"}
    assert red == [("midi-studio/core", "feat: add a layout for Bitwig")]


def test_its_configuration_and_audit_are_good(organisation: Forge) -> None:
    home = organisation.git_dir("midi-studio/distribution")
    loaded = config.parse((git.read_file(home, "main", "ms-release.toml") or b"").decode())
    (product,) = loaded.products
    built = {"loader": "loader", "oc-bridge": "bridge", "core": "core", "plugin-bitwig": "plugin-bitwig"}
    known = {f"{id}/{file}" for id, name in built.items() for file in COMPONENTS[name]}
    assert {source for asset in product.assets for source in asset.sources} == known
    record = read_audit(git.read_file(home, "main", "release/policy-audit.json"))
    assert record is not None
    assert set(record["repos"]) == {repo.slug for repo in loaded.repos}
    assert {entry["outcome"] for entries in record["repos"].values() for entry in entries} == {"PASS"}
    assert datetime.now(UTC) - datetime.fromisoformat(record["audited_at"]) < timedelta(hours=1)
    for repo in loaded.repos:
        rules = organisation.store.get("protection", f"{repo.slug}:main") or {}
        wanted = [{"context": rule.name, "app_id": 15368} for rule in repo.checks]
        assert rules["required_status_checks"] == {"strict": True, "checks": wanted}


def test_no_file_of_a_repository_holds_the_private_key(organisation: Forge) -> None:
    secret = (organisation.store.get("secret", "midi-studio/distribution:release:MS_MANIFEST_KEY") or {})["value"]
    for repo in organisation.store.find("repo"):
        git_dir = organisation.git_dir(repo["full_name"])
        names = git.run(git_dir, "ls-tree", "-r", "--name-only", "main").decode().split()
        assert [name for name in names if secret.encode() in (git.read_file(git_dir, "main", name) or b"")] == []


def test_later_work_lands_green(organisation: Forge) -> None:
    pushes = world.add_later_work(world.EXAMPLE, organisation)
    assert sorted(push.repo for push in pushes) == [
        "midi-studio/core", "midi-studio/core", "midi-studio/loader", "midi-studio/plugin-bitwig",
    ]  # fmt: skip
    assert all(green(organisation, push.repo, push.after) for push in pushes)
