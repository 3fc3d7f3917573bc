"""The small model: true in every state that can be reached, able to be false, and a model of what really happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import RUN_ALL
from model.explicit import MANAGER, Release, Rules, State
from model.explore import Seen, explore, first_forbidden, stuck
from model.traces import PEOPLE, deeds, translate
from ms_release.forge.world import EXAMPLE, add_later_work
from scenarios.stage import BETA, FIRST, HOME, Saved, Stage, staging

SECOND = "v0.1.0-beta.2"
Tally = Callable[[str, int], None]


WHOLE = [
    pytest.param(Rules(accidents=1), 100_000, id="two versions of a channel"),
    pytest.param(Rules(one_channel=False, accidents=0), 100_000, id="two channels"),
]
SMALL = [pytest.param(Rules(accidents=0), 20_000, id="two versions of a channel, no accidents")]


@pytest.mark.parametrize(("rules", "least"), WHOLE if RUN_ALL else SMALL)
def test_in_every_state_the_rules_hold_and_an_end_can_be_reached(rules: Rules, least: int, tally: Tally) -> None:
    found = explore(rules)
    tally("model states explored", len(found.before))
    tally("model transitions explored", found.transitions)
    assert found.violations[:3] == []
    assert len(found.before) > least
    assert stuck(found) == set()


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        pytest.param(Rules(accidents=0, approver_is_checked=False), "a requester approved", id="approver"),
        pytest.param(Rules(False, 0, evidence_is_checked=False), "evidence of the last", id="evidence"),
        pytest.param(Rules(accidents=0, one_run_at_a_time=False), "two publishing runs at a time", id="runs"),
        pytest.param(Rules(accidents=0, rejection_is_final=False), "what was rejected", id="rejection"),
    ],
)  # fmt: skip
def test_without_a_rule_something_goes_wrong_and_is_found(rules: Rules, words: str) -> None:
    found = explore(rules, stop=True)
    assert [text for text, _ in found.violations if words in text] != []


def test_if_a_failed_run_were_never_started_again_a_release_could_be_stuck() -> None:
    alone = State(releases=(Release(), Release(change="closed")))
    assert stuck(explore(Rules(accidents=1), alone)) == set()
    found = explore(Rules(accidents=1, failed_run_is_started_again=False), alone)
    ends = stuck(found)
    assert alone not in ends
    assert any(release.last == "failed" and release.out for state in ends for release in state.releases)


# --- traces

TAGS = (FIRST, SECOND)


def whole(operator: int = 1, release: int = 0, files: int = 7) -> list[Seen]:
    """One release from its branch to its record, by one operator."""
    change = [Seen(operator, verb, release) for verb in ("branch", "commit", "open", "merge", "dispatch")]
    out = [Seen(MANAGER, "review", release), Seen(0, "tag", release), Seen(0, "draft", release)]
    out += [Seen(0, "upload", release)] * files + [Seen(0, "publish", release)]
    evidence = [Seen(operator, f"evidence-{verb}", release) for verb in ("branch", "commit", "open", "merge")]
    return [*change, *out, *evidence]


def test_the_model_allows_two_releases_one_after_the_other() -> None:
    assert first_forbidden([*whole(1, 0), *whole(2, 1)], Rules()) is None


def moved(trace: list[Seen], verb: str, to: str) -> list[Seen]:
    """The trace with one step before another."""
    step = next(each for each in trace if each.verb == verb)
    rest = [each for each in trace if each is not step]
    at = next(number for number, each in enumerate(rest) if each.verb == to)
    return [*rest[:at], step, *rest[at:]]


@pytest.mark.parametrize(
    ("trace", "number"),
    [
        pytest.param(moved(whole(), "review", "merge"), 3, id="approved before it was merged"),
        pytest.param(moved(whole(), "publish", "tag"), 6, id="published before its tag stands"),
        pytest.param(moved(whole(), "tag", "review"), 5, id="tagged before it was approved"),
        pytest.param([each for each in whole() if each.verb != "review"], 5, id="published without an approval"),
        pytest.param([s._replace(actor=1) if s.verb == "review" else s for s in whole()], 5, id="by its operator"),
        pytest.param([*whole()[:5], *whole()[4:]], 5, id="started twice by one operator"),
        pytest.param([*whole()[:1], *whole()], 1, id="the branch twice"),
        pytest.param([*whole()[:-1], *whole(2, 1)], 19, id="the next one begun before the record is merged"),
        pytest.param([*whole()[:-4], *whole()[-5:]], 16, id="published twice"),
        pytest.param([*whole()[:3], Seen(0, "close", 0), *whole()[3:]], 4, id="merged after it was closed"),
        pytest.param([*whole()[:5], Seen(MANAGER, "reject", 0), *whole()[5:]], 6, id="approved after it was rejected"),
    ],
)  # fmt: skip
def test_the_model_refuses_what_must_not_happen(trace: list[Seen], number: int) -> None:
    accidents = sum(each.verb == "close" for each in trace)
    assert first_forbidden(trace, Rules(accidents=accidents)) == number


def release_by(stage: Stage, operator: str) -> None:
    with stage.approving():
        done = stage.type(operator, "publish", *BETA, "--watch")
    assert done.exit == 0, done.errors + stage.failures()
    stage.settle()


def trace_of(stage: Stage) -> list[Seen]:
    return translate(deeds(stage.store, HOME, stage.start_of_effects), TAGS, PEOPLE)


def test_two_real_releases_are_a_path_of_the_model(saved: Saved, tmp_path: Path, tally: Tally) -> None:
    with staging(saved.ready(), tmp_path, direct=True) as stage:
        release_by(stage, "alice")
        first = trace_of(stage)
        stage.settle()
        between = len(stage.store.effects())
        add_later_work(EXAMPLE, stage.forge)
        stage.start_of_effects = len(stage.store.effects())
        assert stage.start_of_effects > between
        release_by(stage, "erin")
        trace = [*first, *trace_of(stage)]
    tally("effects of real runs held against the model", len(trace))
    assert {each.verb for each in trace} == {each.verb for each in whole()} | {"candidate"}
    assert [each.release for each in trace if each.verb == "publish"] == [0, 1]
    assert first_forbidden(trace, Rules()) is None
    assert first_forbidden([each for each in trace if each.verb != "review"], Rules()) is not None


def test_a_real_rejection_and_what_follows_are_a_path_of_the_model(saved: Saved, tmp_path: Path, tally: Tally) -> None:
    with staging(saved.ready(), tmp_path, direct=True) as stage:
        assert stage.type("erin", "prepare", *BETA, "--watch").exit == 0
        publishing = stage.begin("alice", "publish", *BETA, "--watch")
        assert stage.review("bob", "rejected", "no").status_code == 200
        assert publishing.end().exit == 3
        stage.settle()
        planned = stage.type("alice", "plan", *BETA)
        assert planned.document["tag"] == SECOND
        with stage.approving():
            done = stage.type("erin", "publish", "--plan", planned.document["plan"], "--watch")
        assert done.exit == 0, done.errors + stage.failures()
        trace = trace_of(stage)
    tally("effects of real runs held against the model", len(trace))
    assert [(each.verb, each.release) for each in trace if each.verb in ("reject", "review", "publish")] == [
        ("reject", 0), ("review", 1), ("publish", 1),
    ]  # fmt: skip
    assert first_forbidden(trace, Rules()) is None
