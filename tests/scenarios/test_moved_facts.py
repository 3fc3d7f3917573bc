"""Every fact of a plan × every effect after it: changed in between, the same command says which fact, and does nothing.

The effects are found by playing the phases once. Where SPEC 5 says that a change does not matter, the release goes on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ms_release.core.plan import Plan
from scenarios.moves import FOREIGN_HEAD, NOT_STALE, STALE, Move
from scenarios.phases import APPROVE, PHASES, PUBLISH, Act, Phase, Undisturbed
from scenarios.stage import FIRST, Stage
from scenarios.wire import Asked, Kill

EFFECTS = {"prepare": 4, "publish": 1, "approve": 11, "record": 4}
"""The writes of each phase: a test below compares."""
BRANCH, COMMIT, PULL = 0, 1, 2
OPENED = {"open_pull", "start_run", "complete_run"}
"""What may happen before a foreign head is seen: GitHub lists the files of a pull request, not those of a branch."""
NOT_FACTS = {
    "product", "kind", "channel", "mode", "reason", "previous", "source", "home", "branch", "changes", "notes", "gates",
}  # fmt: skip
"""What a plan says that nobody else can change: its own decisions and words. Gates are asked again as such."""

Tally = Callable[[str, int], None]


class Before:
    """The worlds in which an effect is about to happen: everything before it is done, nobody is at work."""

    def __init__(self, undisturbed: Undisturbed) -> None:
        self.undisturbed = undisturbed

    def world(self, phase: Phase, number: int) -> Path:
        """The world before a phase's effect of this number."""

        def make(root: Path) -> None:
            with self.undisturbed.playing(phase, root) as act:
                act.wire.aim(Kill(self.effects(phase)[number], "before"))
                act.type()
                assert act.wire.killed

        return self.undisturbed.saved.once(f"before-{phase.name}-{number}", make) / "forge"

    def effects(self, phase: Phase) -> list[Asked]:
        """The writes of a phase, in their order."""
        return [asked for asked in self.undisturbed.asked(phase) if asked.write]


@pytest.fixture(scope="session")
def before(undisturbed: Undisturbed) -> Before:
    return Before(undisturbed)


def cells() -> list[Any]:
    every = [(name, number) for name, count in EFFECTS.items() for number in range(count)]
    table = [(move, name, number) for move in (*STALE, *NOT_STALE) for name, number in every]
    table += [(FOREIGN_HEAD, name, number) for name, number in every if name == "prepare" and number >= PULL]
    return [
        pytest.param(*cell, id=f"{cell[0].name}-{cell[1]}-{cell[2]}", marks=pytest.mark.sampled(20)) for cell in table
    ]


def test_the_table_knows_every_fact_and_every_effect(before: Before) -> None:
    facts = {field for move in STALE for field in move.fields}
    assert facts | NOT_FACTS == set(Plan.__struct_fields__)
    assert not facts & NOT_FACTS
    assert {name: len(before.effects(PHASES[name])) for name in EFFECTS} == EFFECTS


@pytest.mark.parametrize(("move", "name", "number"), cells())
def test_a_fact_that_moved_before_an_effect(
    before: Before, tmp_path: Path, tally: Tally, *, move: Move, name: str, number: int
) -> None:
    phase = PHASES[name]
    with before.undisturbed.playing(phase, tmp_path, world=before.world(phase, number)) as act:
        command = next_command(act, phase, number)
        move.apply(act.stage)
        effects = len(act.stage.store.effects())
        typed = act.type_as(command)
        done = [effect["verb"] for effect in act.stage.store.effects()[effects:]]
        if move in NOT_STALE or (name == "record" and not move.compared):
            assert typed.exit in (0, 4), typed
            tally("moved facts: not stale, the release went on", 1)
            return
        assert typed.exit == 3, typed
        told = "is not what was planned|" + move.told if name == "record" else move.told
        assert re.search(told, typed.document["error"]["cause"]), typed.document
        assert done == [] or (move is FOREIGN_HEAD and set(done) <= OPENED), done
        tally("moved facts: noticed and named", 1)


def next_command(act: Act, phase: Phase, number: int) -> Phase:
    """What is typed next. Before there is a branch the plan is a file; a job that died needs to be started anew."""
    if phase.name == "prepare" and number in (BRANCH, COMMIT):
        assert act.stage.type("alice", "plan", "--channel", "beta", "--auto").exit == 0
        return Phase("", "alice", ("prepare", "--plan", f".ms/content-{FIRST}.plan.json", "--watch"), "")
    if phase is APPROVE and act.stage.waiting() is None:
        return PUBLISH
    return phase


def test_what_is_published_stays_compared(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Once it is out, a moved fact cannot stop it; what was published is compared with the plan all the same."""
    with undisturbed.playing(PHASES["record"], tmp_path) as act:
        swap_published(act.stage)
        typed = act.type()
        assert typed.exit == 3
        assert "is not what was planned" in typed.document["error"]["cause"]


def swap_published(stage: Stage) -> None:
    release = next(r for r in stage.store.find("release") if r["tag_name"] == FIRST)
    asset = stage.store.find("asset", release_id=release["id"])[0]
    data = b"evil"
    stage.forge.blob("evil").write_bytes(data)
    swapped = {"blob": "evil", "size": len(data), "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}
    stage.store.put("asset", asset["id"], {**asset, **swapped}, asset["repo"])
