"""The loop of every verb on a forge that remembers: to the end, killed anywhere and run again, lagging, or in vain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from core.memory import Clock, Killed, MemoryForge, Quiet, keys
from core.world import NOW, absent, check, observation, opened, planned, prepared, publish_run, pushed, sha, under_way
from ms_release.core import train
from ms_release.core.action import Act, Ask, Blocked, Done, MergePullRequest, Next, Wait, Watch
from ms_release.core.foretell import assume
from ms_release.core.observation import Observation
from ms_release.core.prepare import next_prepare
from ms_release.core.publish import next_publish
from ms_release.errors import BlockedError, StalePlanError, WaitingError
from ms_release.operate import LONGEST_PAUSE, Operation, foresee

GOAL = planned()
TAG = GOAL.plan.tag
CHANGE = train.release_change(GOAL)


def prepare(facts: Observation) -> Next:
    return next_prepare(GOAL, facts)


def publish(facts: Observation) -> Next:
    return next_publish(GOAL, facts)


def fresh(**fate: str) -> MemoryForge:
    """A forge on which nothing of this release has happened."""
    facts = replace(under_way(GOAL), runs=(), candidate_runs={}, published=None)
    return MemoryForge(GOAL, facts, **fate)


def operation(forge: MemoryForge) -> Operation:
    return Operation(forge, forge, Clock(), Quiet())


WHOLE = [
    f"create-branch studio/distribution release/{TAG}",
    f"commit studio/distribution release/{TAG}",
    f"open-pull studio/distribution release/{TAG}",
    f"dispatch studio/core build.yml rc-{sha('core-1')}",
    f"merge-pull studio/distribution release/{TAG}",
    f"dispatch studio/distribution publish.yml {TAG}",
    f"create-branch studio/distribution evidence/{TAG}",
    f"commit studio/distribution evidence/{TAG}",
    f"open-pull studio/distribution evidence/{TAG}",
    f"merge-pull studio/distribution evidence/{TAG}",
]


def test_publish_goes_from_nothing_to_recorded() -> None:
    forge, clock, progress = fresh(), Clock(), Quiet()
    run = Operation(forge, forge, clock, progress)
    assert run.run(publish, watch=True) == Done(f"{TAG} is published, compared and recorded")
    assert keys(run.performed) == keys(forge.effects) == progress.acted == WHOLE
    assert any("the approval of" in text for text in progress.waited)


def test_run_again_after_success_it_does_nothing() -> None:
    forge = fresh()
    operation(forge).run(publish, watch=True)
    again = operation(forge)
    again.run(publish, watch=False)
    assert again.performed == []


def test_prepare_ends_at_the_merge() -> None:
    forge = fresh()
    done = operation(forge).run(prepare, watch=True)
    assert keys(forge.effects) == WHOLE[:5]
    assert forge.facts.release_change is not None
    assert forge.facts.release_change.pull is not None
    assert done.release_commit == forge.facts.release_change.pull.merge_commit


@pytest.mark.parametrize("done", [False, True], ids=["before it took effect", "after it took effect"])
@pytest.mark.parametrize("number", range(len(WHOLE)))
def test_killed_at_any_effect_the_same_command_ends_in_the_same_place(number: int, done: bool) -> None:
    forge = fresh()
    forge.die_at = (number, done)
    with pytest.raises(Killed):
        operation(forge).run(publish, watch=True)
    forge.die_at = None
    assert operation(forge).run(publish, watch=True) == Done(f"{TAG} is published, compared and recorded")
    assert sorted(keys(forge.effects)) == sorted(WHOLE)


@pytest.mark.parametrize("number", range(1, 5))
def test_interrupted_while_waiting_it_goes_on_where_it_was(number: int) -> None:
    forge = fresh()
    waits = 0
    while True:
        try:
            operation(forge).run(publish, watch=False)
        except WaitingError:
            waits += 1
            for run in (*(forge.facts.runs or ()), *((forge.facts.candidate_runs or {}).get("core", ()))):
                forge.changed(Watch("run", "", str(run.id), until=("completed",)))
            pull = forge.facts.release_change.pull if forge.facts.release_change else None
            evidence = forge.facts.evidence_change.pull if forge.facts.evidence_change else None
            if any(p and p.state == "OPEN" for p in (pull, evidence)):
                forge.changed(Watch("checks", "", ""))
            continue
        break
    assert waits >= number
    assert keys(forge.effects) == WHOLE


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_reads_that_lag_behind_our_writes_repeat_no_effect(lag: int) -> None:
    forge = fresh()
    forge.lag = lag
    operation(forge).run(prepare, watch=True)
    assert keys(forge.effects) == WHOLE[:5]


def test_a_run_that_ends_between_the_look_and_the_answer_has_not_failed() -> None:
    """The look has not seen what the run left behind, and the answer says that it has ended."""

    class Hasty(MemoryForge):
        def changed(self, watch: Watch) -> bool:
            return watch.kind == "run" or super().changed(watch)

        def answer(self, facts: Observation, ask: Ask) -> Observation:
            for run in (*(self.facts.runs or ()), *(self.facts.candidate_runs or {}).get("core", ())):
                self._advance(run.id)
            return super().answer(facts, ask)

    forge = Hasty(GOAL, fresh().facts)
    assert operation(forge).run(publish, watch=True) == Done(f"{TAG} is published, compared and recorded")
    assert keys(forge.effects) == WHOLE


def test_files_that_came_to_the_base_in_the_middle_of_a_look_are_not_somebody_elses() -> None:
    """One query saw the pull request open, and behind it a part of what its merge brought."""

    class Torn(MemoryForge):
        tears = 1

        def look(self) -> Observation:
            facts = super().look()
            change = facts.release_change
            if self.tears and change is not None and change.pull is not None and change.pull.state == "OPEN":
                self.tears -= 1
                path = min(change.on_base)
                torn = replace(change, on_base={**change.on_base, path: change.on_branch[path]})
                return replace(facts, release_change=torn)
            return facts

    forge = Torn(GOAL, fresh().facts)
    assert operation(forge).run(publish, watch=True) == Done(f"{TAG} is published, compared and recorded")
    assert forge.tears == 0
    assert keys(forge.effects) == WHOLE


def test_without_watch_it_says_who_must_act() -> None:
    with pytest.raises(WaitingError, match="waiting for the candidates of core") as caught:
        operation(fresh()).run(publish, watch=False)
    assert caught.value.remedy.startswith("the forge's runners must act")


# --- what does not end well


@pytest.mark.parametrize(
    ("fate", "cause", "last"),
    [
        pytest.param(
            {"candidate": "failure"},
            "the candidate of core could not be built: its run ended with failure",
            4,
            id="candidate",
        ),
        pytest.param({"checks": "failure"}, "the checks of #", 4, id="checks"),
        pytest.param({"publish": "failure"}, "the publishing run ended with failure", 6, id="publish"),
        pytest.param({"review": "rejected"}, f"{TAG} was rejected by @bob: no", 6, id="rejected"),
    ],
)
def test_what_fails_before_our_eyes_ends_the_command(fate: dict[str, str], cause: str, last: int) -> None:
    forge = fresh(**fate)
    with pytest.raises(BlockedError) as caught:
        operation(forge).run(publish, watch=True)
    assert caught.value.cause.startswith(cause)
    assert keys(forge.effects) == WHOLE[:last]


@pytest.mark.parametrize(("what", "key"), [("candidate", WHOLE[3]), ("publish", WHOLE[5])])
def test_typed_again_a_failed_run_is_started_once_more(what: str, key: str) -> None:
    forge = fresh(**{what: "failure"})
    with pytest.raises(BlockedError):
        operation(forge).run(publish, watch=True)
    forge.fate[what] = "success"
    operation(forge).run(publish, watch=True)
    assert sorted(keys(forge.effects)) == sorted([*WHOLE, key])


def test_typed_again_a_rejected_release_stays_rejected() -> None:
    forge = fresh(review="rejected")
    for _ in range(3):
        with pytest.raises(BlockedError, match="was rejected by @bob"):
            operation(forge).run(publish, watch=True)
    assert keys(forge.effects) == WHOLE[:6]


def test_a_candidate_that_cannot_be_built_does_not_burn_the_version() -> None:
    forge = fresh(candidate="failure")
    with pytest.raises(BlockedError):
        operation(forge).run(publish, watch=True)
    assert not any(isinstance(each, MergePullRequest) for each in forge.effects)


def test_a_fact_that_moves_in_the_middle_stops_before_the_next_effect() -> None:
    forge = fresh()
    forge.die_at = (4, False)
    with pytest.raises(Killed):
        operation(forge).run(publish, watch=True)
    forge.die_at = None
    forge.facts = forge.facts.with_home(config_blob="f" * 40)
    with pytest.raises(StalePlanError, match="the configuration on the protected branch: was"):
        operation(forge).run(publish, watch=True)
    assert keys(forge.effects) == WHOLE[:4]


def test_two_operators_make_one_release() -> None:
    forge = fresh()
    first, second = operation(forge), operation(forge)
    with pytest.raises(WaitingError):
        first.run(publish, watch=False)
    second.run(publish, watch=True)
    first.run(publish, watch=True)
    assert keys(forge.effects) == WHOLE


# --- the loop itself


class Script:
    """A sight that only counts: what is decided does not depend on it."""

    def __init__(self, *changes: bool) -> None:
        self.changes = list(changes)
        self.answered: list[str] = []

    def look(self) -> Observation:
        return observation()

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        self.answered.append(ask.what)
        return replace(facts, now=facts.now + "+")

    def changed(self, watch: Watch) -> bool:
        return self.changes.pop(0)


def steps(*each: Next) -> Callable[[Observation], Next]:
    left = list(each)
    return lambda facts: left.pop(0)


WAIT = Wait("run", "the run", "runners", (Watch("run", "a/b", "1", until=("completed",)),))


def loop(sight: Script, clock: Clock) -> Operation:
    return Operation(sight, fresh(), clock, Quiet())


def test_waiting_asks_ever_more_slowly_and_not_slower_than_the_longest_pause() -> None:
    clock = Clock()
    loop(Script(*[False] * 20, True), clock).run(steps(WAIT, Done("")), watch=True)
    assert clock.slept[:3] == [0.2, pytest.approx(0.3), pytest.approx(0.45)]
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == LONGEST_PAUSE


def test_another_wait_starts_fast_and_the_same_goes_on_slowly() -> None:
    clock, other = Clock(), replace(WAIT, reason="another run")
    loop(Script(*[False] * 3, True, True, True), clock).run(steps(WAIT, WAIT, other, Done("")), watch=True)
    assert clock.slept[4] > clock.slept[3]
    assert clock.slept[5] == 0.2


def test_one_of_several_watched_things_ends_the_wait() -> None:
    both = replace(WAIT, watch=(*WAIT.watch, Watch("checks", "a/b", sha("x"))))
    clock = Clock()
    loop(Script(False, False, False, True), clock).run(steps(both, Done("")), watch=True)
    assert len(clock.slept) == 2


def test_each_fact_is_asked_for_once_and_the_same_question_twice_is_a_bug() -> None:
    sight = Script()
    loop(sight, Clock()).run(steps(Ask("runs"), Ask("protection"), Done("")), watch=True)
    assert sight.answered == ["runs", "protection"]
    with pytest.raises(AssertionError, match="runs was answered"):
        loop(Script(), Clock()).run(steps(Ask("runs"), Ask("runs")), watch=True)


def test_what_was_seen_alive_stays_known_to_the_same_command() -> None:
    facts = prepared(GOAL)
    running, seen = publish_run(GOAL, facts, status="in_progress", conclusion=None), []
    looks = [
        replace(facts, runs=(running,)),
        replace(facts, runs=(replace(running, status="completed", conclusion="failure"),)),
    ]

    class Two(Script):
        def look(self) -> Observation:
            return looks.pop(0)

    def decide(facts: Observation) -> Next:
        seen.append(facts.seen_alive)
        return Done("") if not looks else WAIT

    loop(Two(True), Clock()).run(decide, watch=True)
    assert seen == [{900}, {900}]


# --- the dry run


def expect(facts: Observation, wait: Wait) -> Observation | None:
    return assume(facts, wait, GOAL) if wait.awaited in ("candidates", "checks") else None


def test_the_dry_run_tells_what_the_real_run_then_does() -> None:
    forge = fresh()
    told, ending = foresee(forge, publish, expect)
    assert forge.effects == []
    assert keys(told) == WHOLE[:6]
    assert isinstance(ending, Wait)
    operation(forge).run(publish, watch=True)
    assert keys(forge.effects)[: len(told)] == keys(told)


@pytest.mark.parametrize("number", range(1, 6))
def test_the_dry_run_of_a_release_on_its_way_tells_only_the_rest(number: int) -> None:
    forge = fresh()
    forge.die_at = (number, False)
    with pytest.raises(Killed):
        operation(forge).run(publish, watch=True)
    told, _ = foresee(forge, publish, expect)
    assert keys(told) == WHOLE[number:6]


def test_the_dry_run_ends_where_it_is_blocked() -> None:
    forge = fresh()
    forge.facts = forge.facts.with_home(config_blob=None)
    told, ending = foresee(forge, publish, expect)
    assert told == []
    assert isinstance(ending, Blocked)


def test_the_dry_run_updates_a_branch_that_fell_behind_once() -> None:
    behind = replace(opened(CHANGE, check(5, "validate", event="pull_request")), behind=True)
    forge = MemoryForge(GOAL, replace(prepared(GOAL), release_change=behind, runs=()))
    told, _ = foresee(forge, prepare, expect)
    assert [key.split()[0] for key in keys(told)] == ["update-pull", "merge-pull"]


@pytest.mark.parametrize("stage", [absent, pushed], ids=["nothing", "branch"])
def test_the_dry_run_and_the_first_step_agree(stage: Any) -> None:
    facts = replace(under_way(GOAL, stage(CHANGE)), runs=(), candidate_runs={}, now=NOW)
    told, _ = foresee(MemoryForge(GOAL, facts), prepare, expect)
    first = prepare(facts)
    assert isinstance(first, Act)
    assert keys(told)[: len(first.actions)] == keys(first.actions)
