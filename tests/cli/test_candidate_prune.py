"""`candidate prune` removes what nothing names and nothing else: dry, killed, repeated, and overtaken on its way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.test_candidate import CONFIG, OPEN, Producer, green
from forge.small_world import CLOSED, Small, small_world
from ms_release.forge import git
from ms_release.forge.engine.processes import Process
from ms_release.forge.engine.runner import Result, Task
from scenarios.prefork import Typed, loaded
from scenarios.wire import Asked, Kill, Victim, Wire, wired

NAMED, BUILDING, FOREIGN, OLD, DRAFT, PUBLIC, SECOND = range(7)
WHO = git.Person("Dana", "dana@example.org", "2026-01-04T00:00:00Z")
DOOMED = (OLD, DRAFT, PUBLIC, SECOND)
DELETION = Asked("", "DELETE", "", 1, True)
"""Stands for the next deletion, whatever it is."""


def spec_of(*shas: str, schema: int = 2) -> bytes:
    repos = [{"id": "open", "url": "https://github.com/o/open", "ref": "main", "sha": sha} for sha in shas[:1]]
    repos += [{**repos[0], "id": f"open{n}", "sha": sha} for n, sha in enumerate(shas[1:])]
    asset = {"id": "a", "kind": "k", "filename": "a.bin"}
    install = {"id": "s", "assets": ["a"]}
    document = {"schema": schema, "channel": "beta", "tag": "v0.0.1-beta.1", "repos": repos}
    return json.dumps({**document, "assets": [asset], "install_sets": [install]}).encode()


class Place:
    """The small world with a candidate of every fate, and whoever prunes them."""

    def __init__(self, world: Small, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.victim: Victim | None = None  # who is struck in the place of the command
        folder.mkdir()
        commits = [c.sha for c in git.log(world.forge.git_dir(OPEN), world.heads[OPEN], len(range(7)))]
        self.producers = [Producer(world, folder / str(n), sha) for n, sha in enumerate(commits)]
        self.write({"ms-release.toml": CONFIG.encode(), "release-specs/v0.0.1-beta.1.json": spec_of(commits[NAMED])})
        (folder / "ms-release.toml").write_text(CONFIG)
        for number, producer in enumerate(self.producers):
            mark = "" if number in (FOREIGN, OLD) else producer.marker
            files = {"candidate.json": b'{"schema": 1}'} if number == OLD else {"a.bin": b"a"}
            producer.prepare(mark, draft=number not in (NAMED, PUBLIC), files=files)
        git_dir = world.forge.git_dir(OPEN)
        git.update_ref(git_dir, f"refs/tags/rc-{'b' * 40}", commits[0], None)  # what a stopped prune leaves
        git.update_ref(git_dir, "refs/tags/rc-hand-made", commits[0], None)
        git.update_ref(git_dir, "refs/tags/v0.0.1", commits[0], None)

    def tag(self, number: int) -> str:
        return self.producers[number].tag

    def write(self, files: dict[str, bytes], branch: str = "main") -> None:
        """A commit in the home repository."""
        git_dir = self.world.forge.git_dir(CLOSED)
        main, ref = git.read_ref(git_dir, "refs/heads/main"), f"refs/heads/{branch}"
        old = git.read_ref(git_dir, ref)
        sha = git.commit_files(git_dir, old or main, files, [], "chore: x", WHO) if files else main
        assert sha is not None
        git.update_ref(git_dir, ref, sha, old)

    def prune(self, *words: str, wire: Wire | None = None) -> Typed:
        env = {n: v for n, v in self.producers[0].env(GH_TOKEN="carol-token").items() if n != "PYTHONPATH"}
        if wire is not None:
            env = {name: value.replace(self.world.url, wire.url) for name, value in env.items()}
        order = ["release", "candidate", "prune", "--json", *words]
        command = loaded().begin(order, env, self.folder)
        if wire is not None:
            wire.introduce("carol-token", self.victim or command)
        return command.end()

    def left(self) -> tuple[set[str], set[str]]:
        """Tags of releases and git's own tags."""
        refs = git.list_refs(self.world.forge.git_dir(OPEN), "refs/tags/")
        releases = self.world.forge.store.find("release", OPEN)
        return {r["tag_name"] for r in releases}, {name.removeprefix("refs/tags/") for name, _ in refs}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with small_world(tmp_path / "forge", commits=7) as world:
        made, over = Place(world, tmp_path / "job"), threading.Event()
        start_run(made, over)
        try:
            yield made
        finally:
            over.set()


WORKFLOW = b"""\
name: Candidate
run-name: Candidate ${{ inputs.tag }}
on:
  workflow_dispatch:
    inputs: {sha: {type: string}, tag: {type: string}}
jobs: {build: {runs-on: ubuntu-latest, steps: [{run: make}]}}
"""


def start_run(place: Place, over: threading.Event) -> None:
    """A run that builds one of the candidates, until it is over."""
    world, producer = place.world, place.producers[BUILDING]
    git_dir = world.forge.git_dir(OPEN)
    tip = git.commit_files(git_dir, world.heads[OPEN], {".github/workflows/candidate.yml": WORKFLOW}, [], "c", WHO)
    git.update_ref(git_dir, "refs/heads/main", tip, world.heads[OPEN])

    def run_job(task: Task, process: Process, progress: Callable[[list[Any]], None]) -> Result:
        over.wait(60)
        return Result("success")

    world.forge.engine.run_job = run_job
    wish = {"ref": "main", "inputs": {"sha": producer.sha, "tag": producer.tag}}
    answer = world.rest("POST", f"/repos/{OPEN}/actions/workflows/candidate.yml/dispatches", json=wish)
    assert answer.status_code in (200, 204), answer.text


def expected(place: Place) -> tuple[set[str], set[str]]:
    kept = {place.tag(n) for n in (NAMED, BUILDING, FOREIGN)}
    return kept, {place.tag(NAMED), "rc-hand-made", "v0.0.1"}


def test_dry_it_says_why_each_stays_and_changes_nothing(place: Place) -> None:
    before = place.world.verbs(), place.left()
    typed = place.prune("--older-than", "0")
    assert typed.exit == 0, typed
    assert (place.world.verbs(), place.left()) == before
    rows = {row["tag"]: row["stays"] for row in typed.document["candidates"]}
    assert rows[place.tag(NAMED)] == "named by v0.0.1-beta.1"
    assert rows[place.tag(BUILDING)] == "it is being built"
    assert "not made by" in rows[place.tag(FOREIGN)]
    assert {tag for tag, stays in rows.items() if stays is None} == {*map(place.tag, DOOMED), f"rc-{'b' * 40}"}
    young = place.prune("--older-than", "3650").document["candidates"]
    assert [row["tag"] for row in young if row["stays"] is None] == [f"rc-{'b' * 40}"]


def test_it_removes_what_nothing_names(place: Place) -> None:
    typed = place.prune("--older-than", "0", "--yes")
    assert typed.exit == 0, typed
    assert place.left() == expected(place)
    assert len(typed.document["performed"]) == len(DOOMED) + 2  # the published one has a tag, and one tag stood alone
    again = place.prune("--older-than", "0", "--yes")
    assert (again.exit, again.document["performed"]) == (0, [])
    assert place.left() == expected(place)


def test_killed_at_any_request_and_typed_again(place: Place, tally: Callable[[str, int], None]) -> None:
    """Every read, and every deletion in its turn at one of the three moments: nothing that must stay is ever gone."""
    with wired(place.world.url) as wire:
        assert place.prune("--older-than", "0", wire=wire).exit == 0
        points = [Kill(asked, "before") for asked in wire.seen]
    points += [Kill(DELETION, when) for when in ("before", "unanswered", "answered") * 4]
    killed = 0
    for point in points:
        doomed = {row["tag"] for row in place.prune("--older-than", "0").document["candidates"] if not row["stays"]}
        if not doomed:
            break
        kill = Kill(next_delete(place), point.when) if point.at is DELETION else point
        with wired(place.world.url) as wire:
            wire.aim(kill)
            place.prune("--older-than", "0", "--yes", wire=wire)
            assert wire.killed, kill
            killed += 1
        assert place.left()[0] >= expected(place)[0]
        assert place.left()[1] >= expected(place)[1]
    assert killed > len(points) - 6
    assert place.prune("--older-than", "0", "--yes").exit == 0
    assert place.left() == expected(place)
    tally("candidate prune: points killed at", killed)


def next_delete(place: Place) -> Asked:
    """The first deletion that the next run makes."""
    dry = place.prune("--older-than", "0").document["candidates"]
    first = next(row for row in dry if row["stays"] is None)
    if first["release_id"] is None:
        tag = "?" * 40 if first["tag"][3:].isalnum() else first["tag"]
        return Asked("carol", "DELETE", f"/repos/{OPEN}/git/refs/tags/rc-{tag}", 1, True)
    return Asked("carol", "DELETE", f"/repos/{OPEN}/releases/[0-9]*", 1, True)


class Meanwhile:
    """Stands in the place of the one who is killed: something else happens at that request instead."""

    def __init__(self, happen: Callable[[], None]) -> None:
        self.happen = happen

    def kill(self) -> None:
        self.happen()

    def wait(self) -> int:
        return 0


def test_a_release_that_names_one_meanwhile_keeps_it(place: Place) -> None:
    rows = place.prune("--older-than", "0").document["candidates"]
    doomed = [row for row in rows if row["stays"] is None]
    last = doomed[-1]["tag"]
    taken = spec_of(place.producers[NAMED].sha, last.removeprefix("rc-"))
    with wired(place.world.url) as wire:
        wire.aim(Kill(next_delete(place), "answered"))
        wire.introduce("carol-token", Meanwhile(lambda: place.write({"release-specs/v0.0.1-beta.2.json": taken})))
        env = {
            n: v.replace(place.world.url, wire.url) for n, v in place.producers[0].env(GH_TOKEN="carol-token").items()
        }
        order = ["release", "candidate", "prune", "--json", "--older-than", "0", "--yes"]
        typed = loaded().begin(order, {n: v for n, v in env.items() if n != "PYTHONPATH"}, place.folder).end()
        assert wire.killed
    assert typed.exit == 0, typed
    assert last in place.left()[0]
    assert not {row["tag"] for row in doomed[:-1]} & place.left()[0]
    assert f"{last} of {OPEN} stays" in typed.errors


@pytest.mark.parametrize("broken", ["spec", "plan", "empty branch", "configuration"])
def test_what_cannot_be_known_blocks(place: Place, broken: str) -> None:
    match broken:
        case "spec":
            place.write({"release-specs/v0.0.1-beta.2.json": b'{"schema": 9}'})
        case "plan":
            place.write({"release-plans/v0.0.1-beta.2.json": b"{}"})
        case "empty branch":
            place.write({}, "release/v0.0.1-beta.2")
        case _:
            (place.folder / "ms-release.toml").write_text(CONFIG + "\n# mine\n")
    before = place.left()
    typed = place.prune("--older-than", "0", "--yes")
    assert typed.exit == 3, typed
    assert place.left() == before


def test_a_token_that_may_not(place: Place) -> None:
    command = [*place.producers[0].command()[:5], "prune", "--older-than", "0", "--yes"]
    done = place.producers[0].run(command, place.producers[0].env(GH_TOKEN="rita-token"))
    assert done.returncode in (2, 5)


def test_list_says_who_uses_a_candidate(place: Place) -> None:
    for producer in place.producers:
        green(place.world, producer.sha)
    env = {n: v for n, v in place.producers[0].env(GH_TOKEN="carol-token").items() if n != "PYTHONPATH"}
    typed = loaded().begin(["release", "candidate", "list", "--json"], env, place.folder).end()
    assert typed.exit == 0, typed
    rows = {row["tag"]: row for row in typed.document["candidates"]}
    assert rows[place.tag(NAMED)]["used_by"] == ["v0.0.1-beta.1"]
    assert rows[place.tag(BUILDING)]["state"] == "building"
    assert all(rows[place.tag(n)]["used_by"] == [] for n in (BUILDING, FOREIGN, OLD))
