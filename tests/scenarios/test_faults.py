"""Whatever the forge does to one request, the command ends as documented, and typed again it ends in the same world.

A table of every kind of fault against requests of every phase. Those on its diagonal are always tried, and a sample of
the others; that what was done is not done twice at *every* request is `test_interruption`'s.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ms_release.forge.faults import KINDS, Fault
from ms_release.forge.store import Store
from scenarios.phases import APPROVE, PHASES, Undisturbed
from scenarios.picture import take_picture
from scenarios.prefork import Typed
from scenarios.stage import Saved, copy_world

HOME = "/repos/midi-studio/distribution"


@dataclass(frozen=True)
class Place:
    """A request of a phase; `nature`: "question" (GraphQL), "read", "bytes", or "write"."""

    phase: str
    method: str
    path: str
    nature: str
    query: str = "*"


PLACES = (
    Place("plan", "POST", "/graphql", "question", "query"),
    Place("plan", "GET", f"{HOME}/rules/branches/main", "read"),
    Place("plan", "GET", "/repos/midi-studio/core/releases/[0-9]*", "read"),
    Place("prepare", "POST", f"{HOME}/git/refs", "write"),
    Place("prepare", "POST", "/graphql", "write", "mutation"),
    Place("prepare", "POST", f"{HOME}/pulls", "write"),
    Place("prepare", "GET", f"{HOME}/commits/*/check-runs", "read"),
    Place("prepare", "PUT", f"{HOME}/pulls/*/merge", "write"),
    Place("publish", "POST", f"{HOME}/actions/workflows/publish.yml/dispatches", "write"),
    Place("publish", "GET", f"{HOME}/actions/workflows/publish.yml/runs", "read"),
    Place("approve", "POST", f"{HOME}/actions/runs/*/pending_deployments", "write"),
    Place("record", "POST", "/graphql", "question", "query"),
    Place("record", "POST", f"{HOME}/pulls", "write"),
    Place("verify", "POST", "/graphql", "question", "query"),
    Place("verify", "GET", f"{HOME}/releases/assets/*", "bytes"),
)
KEPT = 6
"""One case in so many is always run: the diagonals of the table."""


@dataclass(frozen=True)
class Case:
    """One cell of the table."""

    place: Place
    kind: str

    @property
    def fault(self) -> Fault:
        """Limits are short; that a long one is not waited for is a test of its own."""
        seconds = {"delay": 0.05, "primary_limit": 1, "secondary_limit": 1}.get(self.kind, 0)
        place = self.place
        who = PHASES[place.phase].who
        return Fault(self.kind, place.method, place.path, place.query, actor=who, seconds=seconds)

    @property
    def exits(self) -> set[int]:
        """How the command may end."""
        well, write = PHASES[self.place.phase].exit, self.place.nature == "write"
        match self.kind:
            case "expired_token" | "sso":
                return {5}
            case "sso_partial":
                return {well} if write or self.place.nature == "bytes" else {5}
            case "drop_before" | "fail_before" | "commit_then_502" | "commit_then_drop" | "truncate" if write:
                return {6}
            case "truncate" if self.place.nature == "bytes":
                return {well, 6}
            case "stale" if self.place.nature != "write":
                return {well, 6}
            case _:
                return {well}


def cases() -> list[Any]:
    found = []
    for row, place in enumerate(PLACES):
        for column, kind in enumerate(KINDS):
            marks = [] if (row + column) % KEPT == 0 else [pytest.mark.sampled(12)]
            name = f"{place.phase}-{place.method}-{place.path.rpartition('/')[2]}-{kind}"
            found.append(pytest.param(Case(place, kind), id=name.replace("*", "x"), marks=marks))
    return found


@pytest.fixture(scope="session")
def undisturbed(saved: Saved) -> Undisturbed:
    return Undisturbed(saved)


@pytest.mark.parametrize("case", cases())
def test_ends_as_documented_and_then_as_if_nothing_had_been(
    undisturbed: Undisturbed, tmp_path: Path, tally: Callable[[str, int], None], case: Case
) -> None:
    phase = PHASES[case.place.phase]
    with undisturbed.playing(phase, tmp_path) as act:
        faults = act.stage.forge.faults
        number = faults.add(case.fault)
        typed = act.type()
        assert faults.fired(number) == 1, "the request was not made"
        assert typed.exit in case.exits, f"{typed}\n{act.stage.failures()}"
        says_enough(typed, case.kind, phase.exit)
        faults.clear()
        # An approval that was taken cannot be given again: what it was for is out by now, and nothing waits any more.
        if typed.exit != phase.exit and not (phase is APPROVE and act.reached()):
            again = act.type()
            assert again.exit == phase.exit, f"{again}\n{act.stage.failures()}"
        assert take_picture(act.stage) == undisturbed.picture(phase)
    tally(f"faults shown: {case.kind}", 1)


def says_enough(typed: Typed, kind: str, well: int) -> None:
    """Cause and remedy; where to go, and until when."""
    if kind in ("primary_limit", "secondary_limit"):
        assert "the forge's rate limit: waiting" in typed.errors
    if typed.exit == well:
        return
    error = typed.document["error"]
    assert error["cause"]
    assert error["remedy"]
    if kind in ("sso", "sso_partial"):
        assert "://" in error["remedy"], error


LONG = (
    ("plan", "primary_limit", Place("plan", "POST", "/graphql", "question", "query"), 0),
    ("plan", "primary_limit", Place("plan", "GET", f"{HOME}/rules/*", "read"), 0),
    ("prepare", "primary_limit", Place("prepare", "POST", f"{HOME}/pulls", "write"), 0),
    ("prepare", "secondary_limit", Place("prepare", "POST", "/graphql", "write", "mutation"), 1800),
    ("publish", "secondary_limit", Place("publish", "POST", f"{HOME}/actions/*/dispatches", "write"), 1800),
)  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "place", "seconds"), LONG, ids=[f"{n}-{k}-{p.method}" for n, k, p, _ in LONG])
def test_a_long_limit_is_not_waited_for(
    undisturbed: Undisturbed, tmp_path: Path, name: str, kind: str, place: Place, seconds: float
) -> None:
    """It says until when; nothing more is asked meanwhile; then the same command goes on."""
    phase = PHASES[name]
    with undisturbed.playing(phase, tmp_path) as act:
        faults = act.stage.forge.faults
        number = faults.add(Fault(kind, place.method, place.path, place.query, actor=phase.who, seconds=seconds))
        typed = act.type()
        assert faults.fired(number) == 1
        assert typed.exit == 6, typed
        assert "rate limit is reached until 20" in typed.document["error"]["cause"]
        assert typed.document["error"]["cause"].endswith("UTC")
        last = act.stage.asked_by(phase.who)[-1]
        assert (last["method"], last["status"]) == (place.method, 200 if place.nature == "question" else 403)
        again = act.type()
        assert again.exit == phase.exit, again
        assert take_picture(act.stage) == undisturbed.picture(phase)


def test_a_rehearsal_with_faults_ends_as_one_without(saved: Saved, tmp_path: Path) -> None:
    """A command that a fault ends is typed again; every fault was met, and none stays behind."""
    kept = tmp_path / "kept"
    copy_world(saved.ready(), kept / "forge")
    words = ("commit_then_502 POST /repos/*/pulls", "expired_token GET /repos/*/runs", "never_met")
    typed = rehearse(tmp_path, kept, *words)
    assert typed.returncode == 2, typed.stderr
    assert "there is no fault never_met" in typed.stderr
    typed = rehearse(tmp_path, kept, *words[:2], "delay DELETE /nowhere")
    assert typed.returncode == 0, typed.stderr
    verbs = [line for line in typed.stdout.splitlines() if line.startswith(("@", "  exit"))]
    assert sum(line.startswith("@alice $ ms release content prepare") for line in verbs) == 2, verbs
    assert {line.split()[1] for line in verbs if line.startswith("  exit")} == {"0", "4", "5", "6"}
    assert "fault commit_then_502 POST /repos/*/pulls: met by 1 request" in typed.stdout
    assert "fault expired_token GET /repos/*/runs: met by 1 request" in typed.stdout
    assert "fault delay DELETE /nowhere: never met" in typed.stdout
    assert "exactly those that the plan foretold" in typed.stdout
    store = Store(kept / "forge" / "forge.sqlite")
    assert store.find("fault") == []
    store.close()


def rehearse(place: Path, kept: Path, *faults: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "ms_release", "release", "rehearse", "--yes", "--keep", str(kept)]
    options = [word for fault in faults for word in ("--fault", fault)]
    env = {"PATH": os.environ["PATH"], "HOME": str(place), "LANG": "C.UTF-8"}
    return subprocess.run(
        [*command, *options], env=env, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
