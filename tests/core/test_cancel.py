"""What `cancel` wants next, in every phase of a release; and that nobody carries an abandoned plan out any more."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.memory import Clock, Killed, MemoryForge, Quiet, keys
from core.world import (
    absent,
    all_ready,
    check,
    dist_files,
    merged,
    observation,
    opened,
    planned,
    prepared,
    publish_run,
    pushed,
    released,
    seal_of,
    sha,
    under_way,
)
from ms_release.core import planning, stale, train, unfinished
from ms_release.core.action import Act, Ask, Blocked, Done, Next, Wait, Watch
from ms_release.core.approval import next_review
from ms_release.core.cancel import assumed, mark_change, next_cancel
from ms_release.core.observation import Observation, Release, Run
from ms_release.core.prepare import next_prepare
from ms_release.core.promote import Promotion, next_promote
from ms_release.core.publish import next_publish
from ms_release.core.version import parse_tag
from ms_release.operate import Operation, foresee

GOAL = planned()
TAG, HOME = GOAL.plan.tag, GOAL.plan.home
CHANGE = train.release_change(GOAL)
MARK = mark_change(GOAL, "")
MARKING = [f"create-branch {HOME} abandon/{TAG}", f"commit {HOME} abandon/{TAG}", f"open-pull {HOME} abandon/{TAG}"]
MERGE = f"merge-pull {HOME} abandon/{TAG}"
CLOSE = f"close-pull {HOME} release/{TAG}"
STOP = f"cancel-run {HOME} {TAG}"
GREEN = check(6, "validate", event="pull_request")
READY = prepared(GOAL)
OUT = released(GOAL, READY)


def seen(facts: Observation, **changes: Any) -> Observation:
    """The look of `cancel`: no component, and the change that brings the mark."""
    return replace(facts, repos={}, ready={}, **{"mark_change": absent(MARK), **changes})


def run(**changes: Any) -> Run:
    return publish_run(GOAL, READY, **{"conclusion": None, **changes})


def acts(step: Next) -> list[str]:
    assert isinstance(step, Act), step
    return keys(step.actions)


# --- what is due, phase by phase


@pytest.mark.parametrize(
    ("facts", "due"),
    [
        pytest.param(seen(under_way(GOAL, pushed(CHANGE))), MARKING, id="only its branch"),
        pytest.param(seen(under_way(GOAL, opened(CHANGE))), [*MARKING, CLOSE], id="pull request open"),
        pytest.param(seen(under_way(GOAL, opened(CHANGE, state="CLOSED"))), MARKING, id="pull request closed"),
        pytest.param(seen(READY, runs=()), MARKING, id="merged"),
        *(
            pytest.param(seen(READY, runs=(run(status=status),)), [*MARKING, STOP], id=f"run {status}")
            for status in ("queued", "pending", "requested", "waiting", "in_progress")
        ),
        pytest.param(seen(READY, runs=(run(status="completed", conclusion="failure"),)), MARKING, id="run failed"),
        pytest.param(seen(READY, runs=(run(status="waiting", title="Publish v9.9.9"),)), MARKING, id="another's run"),
    ],
)
def test_the_mark_is_begun_before_anything_is_stopped(facts: Observation, due: list[str]) -> None:
    assert acts(next_cancel(GOAL, facts)) == due


def test_runs_are_asked_for_only_where_there_can_be_one() -> None:
    assert next_cancel(GOAL, seen(READY)) == Ask("runs")


def test_a_run_under_another_seal_is_ended_too() -> None:
    title = train.run_title(GOAL.plan, GOAL.file.digest, "0" * 64)
    both = (run(status="waiting"), run(id=901, status="pending", title=title))
    assert acts(next_cancel(GOAL, seen(READY, runs=both)))[3:] == [STOP, STOP]


def test_the_mark_is_merged_when_no_run_can_publish_any_more() -> None:
    green = opened(MARK, GREEN)
    stopping = seen(READY, runs=(run(status="cancelling"),), mark_change=green)
    assert next_cancel(GOAL, stopping) == Wait(
        "run",
        "the end of https://forge.example/runs/900",
        "the forge's runners",
        (Watch("run", HOME, "900", until=("completed",)),),
    )
    ended = seen(READY, runs=(run(status="completed", conclusion="cancelled"),), mark_change=green)
    assert acts(next_cancel(GOAL, ended)) == [MERGE]
    waiting = next_cancel(GOAL, replace(ended, mark_change=opened(MARK)))
    assert isinstance(waiting, Wait)
    assert waiting.awaited == "checks"
    red = next_cancel(GOAL, replace(ended, mark_change=opened(MARK, replace(GREEN, conclusion="failure"))))
    assert isinstance(red, Blocked)


@pytest.mark.parametrize("mark", [merged(MARK), absent(MARK)], ids=["with its branch", "branch deleted"])
def test_marked_is_done_and_a_draft_that_stays_is_named(mark: Any) -> None:
    facts = seen(READY, runs=(), mark_change=mark).with_home(abandoned=(TAG,))
    assert next_cancel(GOAL, facts) == Done(f"{TAG} is abandoned, its version is burned")
    draft = facts.with_home(releases=(Release(41, TAG, True, True), Release(42, "v9.0.0", True, False)))
    found = next_cancel(GOAL, draft)
    assert isinstance(found, Done)
    assert "(41)" in found.message


def test_what_somebody_started_again_after_the_mark_is_stopped_again() -> None:
    facts = seen(under_way(GOAL, opened(CHANGE))).with_home(abandoned=(TAG,))
    assert acts(next_cancel(GOAL, facts)) == [CLOSE]
    facts = seen(READY, runs=(run(status="waiting"),)).with_home(abandoned=(TAG,))
    assert acts(next_cancel(GOAL, facts)) == [STOP]


def test_published_is_refused_and_a_mark_that_was_begun_is_taken_back() -> None:
    begun = seen(OUT, mark_change=opened(MARK, GREEN))
    assert acts(next_cancel(GOAL, begun)) == [f"close-pull {HOME} abandon/{TAG}"]
    for mark in (absent(MARK), opened(MARK, state="CLOSED")):
        found = next_cancel(GOAL, seen(OUT, mark_change=mark))
        assert isinstance(found, Blocked)
        assert "is published" in found.cause
        assert found.next_command == "ms release content plan --channel beta --auto"


def test_a_mark_that_somebody_closed_is_a_question_for_people() -> None:
    found = next_cancel(GOAL, seen(READY, runs=(), mark_change=opened(MARK, GREEN, state="CLOSED")))
    assert isinstance(found, Blocked)
    assert "pull request #7" in found.cause
    assert f"delete abandon/{TAG}" in found.remedy


def test_the_mark_does_not_depend_on_who_and_why() -> None:
    other = mark_change(replace(GOAL, file=replace(GOAL.file, created_by="erin")), "it *burns* @alice")
    assert other.files == MARK.files
    assert "Reason: it \\*burns\\*" in other.body
    assert "@alice" not in other.body
    assert "Reason" not in MARK.body


# --- nobody goes on with it


@pytest.mark.parametrize(
    ("home", "word", "following"),
    [
        ({"abandoned": (TAG,)}, "abandoned", "ms release content plan --channel beta --auto"),
        ({"abandoning": (TAG,)}, "being abandoned", f"ms release content cancel {TAG}"),
    ],
)
def test_an_abandoned_plan_is_dead_for_every_verb(home: Any, word: str, following: str) -> None:
    fresh, ours = under_way(GOAL).with_home(**home), replace(READY, runs=()).with_home(**home)
    for found in (next_prepare(GOAL, fresh), next_publish(GOAL, ours), next_review(GOAL, ours)):
        assert isinstance(found, Blocked)
        assert found.stale
        assert found.cause.endswith(f"the release {TAG}: was wanted, is {word}")
        assert found.next_command == following
    assert unfinished.why_dead(GOAL, ours) == word
    assert stale.moved_facts(GOAL.plan, GOAL.config, ours)
    promotion = Promotion(GOAL, sha("merge"), seal_of(GOAL, READY), "body", dist_files(GOAL))
    assert isinstance(next_promote(promotion, READY), Act)
    refused = next_promote(promotion, ours)
    assert isinstance(refused, Blocked)
    assert refused.cause == f"{TAG} is {word}"


def test_another_plans_mark_does_not_matter() -> None:
    facts = replace(READY, runs=()).with_home(abandoned=("v9.0.0",), abandoning=("v9.0.1",))
    assert isinstance(next_publish(GOAL, facts), Act)
    assert unfinished.why_dead(GOAL, facts) == ""


def test_what_came_out_before_the_mark_is_compared_and_recorded_as_ever() -> None:
    facts = OUT.with_home(abandoning=(TAG,))
    assert acts(next_publish(GOAL, facts))[0] == f"create-branch {HOME} evidence/{TAG}"
    body = train.release_marker(GOAL.file.digest, seal_of(GOAL, READY))
    promotion = Promotion(GOAL, sha("merge"), seal_of(GOAL, READY), body, dist_files(GOAL))
    assert next_promote(promotion, facts) == Done(f"{TAG} is published")


@pytest.mark.parametrize("field", ["abandoned", "abandoning"])
def test_its_version_is_taken_even_when_nothing_else_of_it_is_left(field: str) -> None:
    assert parse_tag(TAG) in planning.history(observation().with_home(**{field: (TAG,)})).taken
    assert planned(observation().with_home(**{field: (TAG,)})).plan.tag == "v0.1.0-beta.2"


# --- the whole way, killed anywhere


def forge(facts: Observation) -> MemoryForge:
    return MemoryForge(GOAL, replace(facts, mark_change=absent(MARK)))


PHASES = {
    "branch": under_way(GOAL, pushed(CHANGE)),
    "open": under_way(GOAL, opened(CHANGE)),
    "merged": all_ready(GOAL, READY),
    "waiting": replace(READY, runs=(run(status="waiting"),)),
    "running": replace(READY, runs=(run(status="in_progress"),)),
}


def cancelled(world: MemoryForge) -> list[str]:
    operation = Operation(world, world, Clock(), Quiet())
    done = operation.run(lambda facts: next_cancel(GOAL, facts), watch=True)
    assert "is abandoned" in done.message
    return keys(operation.performed)


@pytest.mark.parametrize("phase", PHASES)
def test_the_dry_run_is_what_happens_and_a_second_time_nothing_does(phase: str) -> None:
    world = forge(PHASES[phase])
    foretold, end = foresee(
        world, lambda facts: next_cancel(GOAL, facts), lambda facts, wait: assumed(GOAL, facts, wait)
    )
    assert isinstance(end, Done)
    assert keys(foretold) == cancelled(world)
    assert cancelled(world) == []


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("phase", PHASES)
def test_killed_around_every_effect_and_typed_again(phase: str, done: bool) -> None:
    whole = forge(PHASES[phase])
    expected = cancelled(whole)
    for number in range(len(expected)):
        world = forge(PHASES[phase])
        world.die_at = (number, done)
        with pytest.raises(Killed):
            cancelled(world)
        world.die_at = None
        cancelled(world)
        assert sorted(set(keys(world.effects))) == sorted(expected)
        assert world.facts.home.abandoned == whole.facts.home.abandoned == (TAG,)
        assert all(r.status == "completed" for r in world.facts.runs or ())
        repeated = [key for key in keys(world.effects) if keys(world.effects).count(key) > 1]
        assert set(repeated) <= {STOP}, "only the end of a run is asked for twice: the forge says 409 then"


def test_reads_that_lag_behind_change_nothing() -> None:
    for phase, facts in PHASES.items():
        world = forge(facts)
        world.lag = 2
        assert cancelled(world) == cancelled(forge(facts)), phase
