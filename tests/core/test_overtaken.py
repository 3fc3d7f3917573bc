"""Somebody else is faster: the loop looks again once, and of two runs of one plan everybody means the same one."""

from __future__ import annotations

from itertools import permutations

import pytest
from msgspec.structs import replace

from core.memory import Clock, MemoryForge, Quiet, keys
from core.world import APPROVED, planned, prepared, publish_run, released, seal_of, under_way
from ms_release.core import approval, ledger, train, unfinished
from ms_release.core.action import Act, Action, Blocked, CancelRun, Wait
from ms_release.core.foretell import Outcome
from ms_release.core.publish import next_publish
from ms_release.errors import OvertakenError
from ms_release.operate import Operation

GOAL = planned()
TAG = GOAL.plan.tag
READY = prepared(GOAL)
STUCK = "create-branch"


class Race(MemoryForge):
    """A forge on which somebody else makes the same effect just before us: `lag` looks do not show it yet."""

    def __init__(self, key: str, times: int) -> None:
        facts = replace(under_way(GOAL), runs=(), candidate_runs={}, published=None)
        super().__init__(GOAL, facts)
        self.key, self.times = key, times

    def perform(self, what: Action) -> Outcome:
        if what.key.startswith(self.key) and self.times:
            self.times -= 1
            if self.key != STUCK:
                super().perform(what)
            raise OvertakenError(f"{what.key}: somebody else was faster")
        return super().perform(what)


@pytest.mark.parametrize("key", ["commit", "open-pull", "merge-pull"])
def test_who_was_overtaken_looks_again_and_goes_on(key: str) -> None:
    forge = Race(f"{key} studio/distribution release/{TAG}", 1)
    operation = Operation(forge, forge, Clock(), Quiet())
    operation.run(lambda facts: next_publish(GOAL, facts), watch=True)
    assert len(keys(forge.effects)) == len(set(keys(forge.effects)))
    assert set(keys(forge.effects)) - set(keys(operation.performed)) == {f"{key} studio/distribution release/{TAG}"}


def test_twice_at_the_same_effect_is_told() -> None:
    forge = Race(STUCK, 2)
    with pytest.raises(OvertakenError):
        Operation(forge, forge, Clock(), Quiet()).run(lambda facts: next_publish(GOAL, facts), watch=True)


def run(id: int, status: str, conclusion: str | None = None) -> train.Run:
    return publish_run(GOAL, READY, id, status=status, conclusion=conclusion)


WEIGHED = [
    run(2, "waiting"),
    run(3, "pending"),
    run(9, "completed", "cancelled"),
    run(5, "completed", "success"),
    run(1, "completed", "failure"),
]


def test_the_run_that_counts_depends_on_no_order() -> None:
    for mixed in permutations(WEIGHED):
        assert list(train.by_weight(mixed)) == WEIGHED


@pytest.mark.parametrize(("status", "ended"), [("pending", True), ("queued", True), ("waiting", True),
                                               ("in_progress", False), ("cancelling", False)])  # fmt: skip
@pytest.mark.parametrize("first", ["queued", "waiting", "in_progress"])
def test_a_second_run_of_the_same_plan_is_ended(first: str, status: str, ended: bool) -> None:
    step = next_publish(GOAL, replace(READY, runs=(run(8, status), run(7, first)), approvals=()))
    if ended:
        assert step == Act((CancelRun("studio/distribution", 8, TAG),))
    else:
        assert isinstance(step, Wait)
        assert step.watch[0].id == "7"


def test_a_second_run_is_ended_once_the_release_is_out() -> None:
    out = released(GOAL, READY)
    done, late = run(7, "completed", "success"), run(8, "waiting")
    assert next_publish(GOAL, replace(out, runs=(late, done), approvals=(APPROVED,))) == Act(
        (CancelRun("studio/distribution", 8, TAG),)
    )


def test_the_ledger_names_the_run_that_counts() -> None:
    out = released(GOAL, READY)
    both = replace(out, runs=(run(8, "completed", "success"), run(7, "completed", "success")), approvals=(APPROVED,))
    release = next(r for r in both.home.releases if not r.draft)
    entry = ledger.make_entry(GOAL, both, release)
    assert isinstance(entry, bytes)
    assert b'"run_id": 7' in entry
    assert seal_of(GOAL, READY).encode() in entry


def test_the_oldest_of_two_waiting_runs_is_reviewed_also_when_the_other_one_was_ended() -> None:
    first, second = run(7, "waiting"), run(8, "completed", "cancelled")
    for beside in (second, replace(second, status="waiting", conclusion=None)):
        facts = replace(READY, runs=(beside, first))
        assert approval.current_run(GOAL, facts) == first
    assert approval.current_run(GOAL, replace(READY, runs=(first, run(6, "completed", "success")))) != first


def test_a_rejection_of_one_run_ends_the_other_too() -> None:
    no = replace(APPROVED, state="rejected", comment="")
    beside = [run(7, "completed", "failure"), run(8, "waiting")]
    facts = replace(READY, runs=tuple(beside), approvals=(no,))
    assert next_publish(GOAL, facts) == Act((CancelRun("studio/distribution", 8, TAG),))
    over = replace(facts, runs=(beside[0], run(8, "completed", "cancelled")))
    for found in (next_publish(GOAL, over), approval.next_review(GOAL, facts)):
        assert isinstance(found, Blocked)
    for each in (facts, over):
        assert unfinished.why_dead(GOAL, each) == "rejected by @bob"


def test_a_run_that_died_after_its_last_write_has_published_all_the_same() -> None:
    out = released(GOAL, READY)
    release = next(r for r in out.home.releases if not r.draft)
    died, first, spare = (
        run(7, "completed", "failure"),
        run(6, "completed", "failure"),
        run(8, "completed", "cancelled"),
    )
    facts = replace(out, runs=(first, died, spare), approvals=(replace(APPROVED, run=7), replace(APPROVED, run=6)))
    entry = ledger.make_entry(GOAL, facts, release)
    assert isinstance(entry, bytes)
    assert b'"run_id": 7' in entry
    assert b'"bob"' in entry
    foreign = replace(facts, approvals=(replace(APPROVED, run=5),))
    assert isinstance(ledger.make_entry(GOAL, foreign, release), Blocked)


def test_nothing_is_recorded_before_the_run_is_over() -> None:
    out = released(GOAL, READY)
    step = next_publish(GOAL, replace(out, runs=(run(7, "in_progress"),), approvals=None))
    assert isinstance(step, Wait)
    assert step.watch[0].id == "7"
