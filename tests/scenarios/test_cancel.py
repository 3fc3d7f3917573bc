"""`cancel` in every phase of a release: nobody can publish it any more, its version is burned, nothing is deleted."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ms_release.forge import git
from scenarios.phases import APPROVE, PHASES, Act, Undisturbed
from scenarios.prefork import Command, Typed
from scenarios.stage import BETA, FIRST, HOME, Saved, Stage, staging
from scenarios.wire import Kill, wired

SECOND = "v0.1.0-beta.2"
CANCEL = ("content", "cancel", FIRST)
MARK = f"release/abandoned/{FIRST}.json"
MARKING = [f"{verb} {HOME} abandon/{FIRST}" for verb in ("create-branch", "commit", "open-pull")]
CLOSE, STOP, MERGE = f"close-pull {HOME} release/{FIRST}", f"cancel-run {HOME} {FIRST}", "merge-pull " + MARKING[0][14:]


@pytest.fixture(scope="session")
def undisturbed(saved: Saved) -> Undisturbed:
    return Undisturbed(saved)


@pytest.fixture
def world(undisturbed: Undisturbed, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The world at the beginning of a phase; its jobs are run without act."""
    with staging(undisturbed.before(PHASES[request.param]), tmp_path, direct=True) as stage:
        yield stage


def at(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", names, indirect=True)


def cancelled(stage: Stage, who: str = "alice", *more: str) -> list[str]:
    typed = stage.type(who, *CANCEL, "--yes", *more)
    assert typed.exit == 0, typed.errors
    performed: list[str] = typed.document["performed"]
    return performed


def is_burned(stage: Stage, *, next_tag: str = SECOND) -> None:
    """What has to hold after it, whenever it was typed."""
    stage.settle()
    assert git.read_file(stage.forge.git_dir(HOME), "main", MARK) is not None
    assert FIRST not in stage.published()
    assert [run["id"] for run in stage.store.find("run", HOME) if run["status"] != "completed"] == []
    assert [pull["title"] for pull in stage.store.find("pull", HOME) if pull["state"] == "open"] == []
    refused = stage.type("alice", "publish", *BETA, "--watch")
    assert refused.exit == 3, refused
    assert f"{FIRST} cannot be published any more (abandoned)" in refused.document["error"]["cause"]
    assert refused.document["error"]["next"] == "ms release content plan --channel beta --auto"
    planned = stage.type("alice", *refused.document["error"]["next"].split()[2:])
    assert (planned.exit, planned.document["tag"]) == (0, next_tag), planned.errors
    assert cancelled(stage) == []


@at("prepare")
def test_without_a_plan_there_is_nothing_to_cancel(world: Stage) -> None:
    typed = world.type("alice", *CANCEL, "--yes")
    assert (typed.exit, typed.document["nothing"]) == (0, True)
    for wrong in ("0.1.0", "v0.1.0-beta.1\n", "rc-1"):
        assert world.type("alice", "content", "cancel", wrong, "--yes").exit == 2
    assert world.performed() == []


@at("prepare")
def test_a_branch_without_a_plan_is_no_release(world: Stage) -> None:
    head = git.read_ref(world.forge.git_dir(HOME), "refs/heads/main")
    made = world.ask("alice", "POST", f"/{HOME}/git/refs", json={"ref": f"refs/heads/release/{FIRST}", "sha": head})
    assert made.status_code == 201
    typed = world.type("alice", *CANCEL, "--yes")
    assert (typed.exit, typed.document["nothing"]) == (0, True)


def test_a_plan_that_has_no_pull_request_yet(undisturbed: Undisturbed, tmp_path: Path) -> None:
    with undisturbed.playing(PHASES["prepare"], tmp_path) as act:
        (opening,) = (a for a in undisturbed.asked(act.phase) if a.write and a.path == f"/repos/{HOME}/pulls")
        act.wire.aim(Kill(opening, "before"))
        assert act.type().exit == -9
        assert cancelled(act.stage) == [*MARKING, MERGE]
        is_burned(act.stage)


@at("prepare")
def test_with_its_pull_request_open_and_by_somebody_else(world: Stage) -> None:
    started = world.type("alice", "prepare", *BETA)
    assert started.exit == 4, started
    assert cancelled(world, "erin", "--reason", "@alice *broke* it") == [*MARKING, CLOSE, MERGE]
    pull = next(p for p in world.store.find("pull", HOME) if p["head_ref"] == f"abandon/{FIRST}")
    assert "Reason: " in pull["body"]
    assert "@alice" not in pull["body"]
    for head in ("release", "abandon"):  # housekeeping must not give the version back
        assert world.ask("alice", "DELETE", f"/{HOME}/git/refs/heads/{head}/{FIRST}").status_code == 204
    planned = world.type("alice", "plan", *BETA)
    assert planned.document["tag"] == SECOND, planned.errors
    assert world.type("alice", *CANCEL, "--yes").document["nothing"] is True


@at("publish")
def test_merged(world: Stage) -> None:
    assert cancelled(world) == [*MARKING, MERGE]
    is_burned(world)


@at("approve")
def test_waiting_for_its_approval(world: Stage) -> None:
    run = world.waiting()
    assert run is not None
    assert cancelled(world) == [*MARKING, STOP, MERGE]
    assert world.performed() == [*MARKING, STOP, MERGE]
    is_burned(world)
    late = world.type("bob", *APPROVE.arguments, typed=f"{FIRST}\n")
    assert late.exit == 3, late
    assert "is abandoned" in late.document["error"]["cause"]
    # by hand, past every command: the run itself refuses, before anybody could approve it
    digest, seal = run["display_title"].split()[4], run["display_title"].split()[7]
    wish = {"ref": "main", "inputs": {"tag": FIRST, "plan": digest, "seal": seal}}
    started = world.ask("alice", "POST", f"/{HOME}/actions/workflows/publish.yml/dispatches", json=wish)
    assert started.status_code in (200, 204)
    world.settle()
    newest = max(world.store.find("run", HOME, name="Publish"), key=lambda each: int(each["id"]))
    assert (newest["status"], newest["conclusion"]) == ("completed", "failure")
    assert f"the release {FIRST}: was wanted, is abandoned" in world.failures()
    assert FIRST not in world.published()


@pytest.mark.parametrize("place", ["first file", "last file"])
def test_while_promote_is_uploading(undisturbed: Undisturbed, tmp_path: Path, place: str) -> None:
    asked = [a for a in undisturbed.asked(APPROVE) if a.who == "job" and a.write and a.path.endswith("/assets")]
    with undisturbed.playing(APPROVE, tmp_path) as act:
        canceller = Canceller(act)
        act.wire.aim(Kill(asked[0 if place == "first file" else -1], "unanswered"))
        act.stage.runner.begun = lambda token, command: act.wire.introduce(token, canceller)
        act.type()
        ended = canceller.end()
        assert ended.exit == 0, ended.errors + act.stage.failures()
        assert f"{FIRST} is being abandoned" in act.stage.failures()
        assert [r["draft"] for r in act.stage.store.find("release", HOME)] == [True]
        is_burned(act.stage)


class Canceller:
    """In the place of whom the wire would kill: the run goes on while somebody cancels it."""

    def __init__(self, act: Act) -> None:
        self._stage = act.stage
        self._command: Command | None = None

    def kill(self) -> None:
        self._command = self._stage.begin("alice", *CANCEL, "--yes")
        self._stage.until(lambda: [run for run in self._stage.store.find("run", HOME) if run["cancelled"]])

    def wait(self) -> int:
        return 0

    def end(self) -> Typed:
        assert self._command is not None
        return self._command.end()


@at("record")
def test_published_is_refused(world: Stage) -> None:
    typed = world.type("alice", *CANCEL, "--yes")
    assert typed.exit == 3
    assert f"{FIRST} is published" in typed.document["error"]["cause"]
    assert world.performed() == []
    recorded = world.type("alice", *PHASES["record"].arguments)
    assert recorded.exit == 0, recorded.errors


@at("approve")
def test_it_asks_first(world: Stage) -> None:
    silent = world.type("alice", *CANCEL)
    assert silent.exit == 2
    assert silent.document["error"]["next"] == f"ms release content cancel {FIRST} --yes"
    assert world.performed() == []
    code, said = on_a_terminal(world, "no\n")
    assert code == 2, said
    assert "close" not in said
    assert f"cancel the publishing run of {FIRST}" in said
    assert world.performed() == []
    code, said = on_a_terminal(world, f"{FIRST}\n")
    assert code == 0, said
    is_burned(world)


def on_a_terminal(stage: Stage, typed: str) -> tuple[int, str]:
    """Type the command at a terminal, and answer its question."""
    master, slave = pty.openpty()
    env: Any = stage.rehearsal.environment("alice")
    command = [sys.executable, "-P", "-m", "ms_release", "release", *CANCEL]
    with subprocess.Popen(
        command, env=env, cwd=stage.rehearsal.operator, stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        os.write(master, typed.encode())
        out, _ = running.communicate(timeout=60)
    os.close(slave)
    os.close(master)
    return running.returncode, out.decode()


def writes_of_alice(undisturbed: Undisturbed, tmp_path: Path) -> list[Any]:
    with staging(undisturbed.before(APPROVE), tmp_path, direct=True) as stage, wired(stage.server.url) as wire:
        assert stage.begin("alice", *CANCEL, "--yes", url=wire.url).end().exit == 0
        return [asked for asked in wire.seen if asked.who == "alice" and asked.write]


def test_killed_around_every_write_and_typed_again(undisturbed: Undisturbed, tmp_path: Path) -> None:
    points = writes_of_alice(undisturbed, tmp_path / "undisturbed")
    assert len(points) == len([*MARKING, STOP, MERGE])
    for number, asked in enumerate(points):
        for when in ("before", "unanswered"):
            root = tmp_path / f"{when}-{number}"
            with staging(undisturbed.before(APPROVE), root, direct=True) as stage, wired(stage.server.url) as wire:
                wire.aim(Kill(asked, when))
                command = stage.begin("alice", *CANCEL, "--yes", url=wire.url)
                wire.introduce("alice-token", command)
                assert command.end().exit == -9, asked
                if number >= 1:  # the mark's branch stands: whoever wants to publish is told to wait for the end of it
                    told = stage.type("erin", "publish", *BETA)
                    assert told.exit == 3, told
                cancelled(stage, "erin")
                assert set(stage.performed()) == {*MARKING, STOP, MERGE}
                assert git.read_file(stage.forge.git_dir(HOME), "main", MARK) is not None
                assert stage.waiting() is None
