"""Whatever operators, approvers, runners and attackers do in whatever order: nothing unsafe has happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from conftest import RUN_ALL
from model import attacks
from model.actors import Decisions
from model.attacks import ATTACKS
from model.explicit import MANAGER, Rules
from model.explore import first_forbidden
from model.story import Move, Pick, Story, all_honest, wander
from model.traces import translate
from ms_release.core.action import Act, Next, PublishRelease, ReviewDeployment
from ms_release.core.observation import Observation
from ms_release.core.promote import Promotion, next_promote
from ms_release.core.publish import next_publish
from ms_release.core.train import Train, release_marker
from ms_release.core.version import parse_tag

Tally = Callable[[str, int], None]
numbers = st.integers(0, 2**40)


class Machine(RuleBasedStateMachine):
    """One story, told by Hypothesis: stretches of honest moves with single moves and attacks between them."""

    decisions = Decisions()
    one_run_at_a_time = True

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(self.decisions, one_run_at_a_time=self.one_run_at_a_time)

    @rule(seed=st.integers(0, 10**6), moves=st.integers(1, 60))
    def stretch(self, seed: int, moves: int) -> None:
        wander(self.story, seed, moves)

    @rule(move=st.sampled_from(list(dict.fromkeys(all_honest()))), number=numbers)
    def move(self, move: Move, number: int) -> None:
        move(self.story, Pick(number))

    @rule(attack=st.sampled_from(ATTACKS), number=numbers)
    def attack(self, attack: Move, number: int) -> None:
        attack(self.story, Pick(number))

    @invariant()
    def nothing_is_wrong(self) -> None:
        self.story.check()
        assert self.story.wrong == []


def test_no_sequence_of_moves_does_what_must_not_happen() -> None:
    run_state_machine_as_test(Machine, settings=settings(stateful_step_count=30))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.04], ids=["no attacks", "few attacks", "many attacks"])
def test_no_long_story_does_what_must_not_happen(rate: float, tally: Tally) -> None:
    seen, moves = Counter[str](), 0
    for seed in range(60 if RUN_ALL else 16):
        story = Story()
        moves += wander(story, seed, 350, ATTACKS, rate)
        assert story.wrong == [], f"seed {seed}"
        seen += story.seen
    tally("model moves of people and attackers", moves)
    for name in ("releases published", "releases recorded", "effects of operators"):
        tally(f"model: {name}", seen[name])
        assert rate > 0.01 or seen[name] > 0


# --- the machine can fail: with one decision left out, something is wrong


def nothing(*_: Any) -> tuple[()]:
    return ()


def hasty(promotion: Promotion, facts: Observation) -> Next:
    """Publishes a draft as soon as some files are in it."""
    plan, marker = promotion.goal.plan, release_marker(promotion.goal.file.digest, promotion.seal)
    for release in facts.home.releases:
        if release.draft and release.tag == plan.tag and marker in release.body and len(release.assets) > 2:
            return Act((PublishRelease(plan.home, plan.tag, release.id, plan.prerelease),))
    return next_promote(promotion, facts)


def forgetful(goal: Train, facts: Observation) -> Next:
    """Does not care whether the evidence of the last release is merged."""
    begun = facts.release_change is not None and facts.release_change.pull is not None
    return next_publish(goal, facts if begun else facts.with_home(ledger=facts.home.plans))


@pytest.mark.parametrize(
    ("broken", "one_run", "attack", "words"),
    [
        pytest.param({"check_approvals": nothing}, True, Story.review_by_hand, "did not request it", id="approvals"),
        pytest.param({"compare_origin": nothing}, True, attacks.dist, "no sealed candidate", id="origin of the bytes"),
        pytest.param({"compare_metadata": nothing}, True, attacks.dist, "no sealed candidate", id="other files"),
        pytest.param({"check_seal": nothing}, True, attacks.dist, "another plan or seal", id="seal"),
        pytest.param({"moved_facts": nothing}, True, attacks.rerun_in_time, "pin was not green", id="stale facts"),
        pytest.param({"next_promote": hasty}, True, attacks.assets, "not exactly what was sealed", id="comparison"),
        pytest.param({"next_publish": forgetful}, True, attacks.type_in_time, "evidence of another", id="evidence"),
        pytest.param({}, False, Story.type, "two runs publish", id="one run at a time"),
    ],
)
def test_with_one_decision_left_out_it_happens_and_is_seen(
    broken: dict[str, Any], one_run: bool, attack: Move, words: str
) -> None:
    for seed in range(120):
        story = Story(Decisions(**broken), one_run_at_a_time=one_run)
        wander(story, seed, 300, (attack,), 0.3 if attack is attacks.type_in_time else 0.05)
        if any(words in each for each in story.wrong):
            return
    pytest.fail(f"nobody has noticed that {words!r}")


def test_hypothesis_finds_it_too() -> None:
    class Broken(Machine):
        decisions = Decisions(compare_origin=nothing, check_approvals=nothing, check_seal=nothing)
        one_run_at_a_time = False

    quick = settings(max_examples=200, stateful_step_count=30, print_blob=False, phases=[Phase.generate])
    with pytest.raises(AssertionError, match="wrong"):
        run_state_machine_as_test(Broken, settings=quick)  # type: ignore[no-untyped-call]


# --- and what happens in a story is a path of the small model

PEOPLE = {"alice": 1, "erin": 2, "bob": MANAGER, "dana": MANAGER}


def trace_of(story: Story) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Effects in order with the tags in order of their plans, up to the third plan: the model knows two."""
    deeds, tags = [], list[str]()
    for who, what in story.forge.performed:
        key = what.key
        verb = key.partition(" ")[0]
        if verb == "create-branch" and " release/" in key:
            tags.append(key.partition(" release/")[2])
            if len(tags) > 2:
                return deeds, tuple(tags[:2])
        if isinstance(what, ReviewDeployment):
            publishing = story.forge.publishing(what.run_id)
            assert publishing is not None
            verb = "reject" if what.state == "rejected" else "review"
            key = f"{verb} {what.repo} {publishing.inputs['tag']} release"
        deeds.append((who, key))
    return deeds, tuple(tags)


@pytest.mark.parametrize("seed", range(12))
def test_a_story_without_attacks_is_a_path_of_the_model(seed: int, tally: Tally) -> None:
    story = Story()
    wander(story, seed, 300)
    deeds, tags = trace_of(story)
    versions = [parse_tag(tag) for tag in tags]
    one_channel = len({version.channel for version in versions if version}) == 1
    trace = translate(deeds, (*tags, "", ""), PEOPLE)
    tally("effects of stories held against the model", len(trace))
    at = first_forbidden(trace, Rules(one_channel=one_channel, accidents=2))
    assert at is None, [f"{who} {key}" for who, key in deeds[: at + 1]]
