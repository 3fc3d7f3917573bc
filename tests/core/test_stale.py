"""Every fact a plan stands on: moved → named as "was A, is B"; newer commits in a component move nothing (SPEC 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import (
    CONFIG,
    ENVIRONMENT,
    PENDING,
    PRODUCT,
    RED,
    RULES,
    absent,
    all_ready,
    check,
    commit,
    component,
    merged,
    observation,
    planned,
    ready,
    sha,
)
from ms_release.config import CandidateRule
from ms_release.core import stale, train
from ms_release.core.candidate_identity import question
from ms_release.core.model import Evidence, Pin
from ms_release.core.observation import Observation
from ms_release.core.plan import Plan, make_file
from ms_release.core.train import Train

FACTS = all_ready(planned(), observation())
GOAL = planned(FACTS)
CORE_SHA, LOADER_SHA = sha("core-1"), sha("loader-1")


def moved(facts: Observation, plan: Plan = GOAL.plan) -> list[str]:
    return [str(m) for m in stale.moved_facts(plan, CONFIG, facts)]


def with_core(*commits: Any, **changes: Any) -> Observation:
    return replace(FACTS, repos={**FACTS.repos, "core": component("core", *commits, **changes)})


def with_ready(**found: Any) -> Observation:
    return replace(FACTS, ready={**FACTS.ready, **found})


def home(**changes: Any) -> Observation:
    return FACTS.with_home(**changes)


def environment(**changes: Any) -> Observation:
    return home(environment=replace(ENVIRONMENT, **changes))


def rules(**changes: Any) -> Observation:
    return home(rules=replace(RULES, **changes))


TAG = GOAL.plan.tag
READY = FACTS.ready["core"]
assert READY is not None

GREEN_WAS = f"the checks of core {CORE_SHA[:7]}: was green"
CONFIGURATION = f"the configuration on the protected branch: was {GOAL.plan.config[:7]}"
REVIEWERS = "protection (reviewers): was studio/release-managers"
MOVES: dict[str, tuple[Observation, str]] = {
    "abandoned": (home(abandoned=(TAG,)), f"the release {TAG}: was wanted, is abandoned"),
    "being abandoned": (home(abandoning=(TAG,)), f"the release {TAG}: was wanted, is being abandoned"),
    "tag taken": (home(tags={TAG: sha("x")}), f"tag {TAG}: was free, is at {sha('x')[:7]}"),
    "configuration": (home(config_blob="f" * 40), f"{CONFIGURATION}, is fffffff"),
    "no configuration": (home(config_blob=None), f"{CONFIGURATION}, is absent"),
    "off the branch": (
        with_core(commit("core-2"), others={CORE_SHA: commit("core-1")}, reachable={CORE_SHA: False}),
        f"core {CORE_SHA[:7]} on main: was reachable, is not reachable",
    ),
    "branch unread": (
        with_core(commit("core-2"), others={CORE_SHA: commit("core-1")}),
        f"core {CORE_SHA[:7]} on main: was reachable, is not readable",
    ),
    "red": (with_core(commit("core-1", RED)), f"{GREEN_WAS}, is red: test concluded failure"),
    "rerun": (with_core(commit("core-1", PENDING)), f"{GREEN_WAS}, is pending: test is in progress"),
    "checks gone": (with_core(commit("core-1", ())), f"{GREEN_WAS}, is missing: no check test by github-actions"),
    "checks unread": (with_core(commit("core-1", None)), f"{GREEN_WAS}, is unknown: its checks could not be read"),
    "commit unread": (
        with_core(commit("core-2"), reachable={CORE_SHA: True}),
        f"{GREEN_WAS}, is unknown: the commit could not be read",
    ),
    "other evidence": (
        with_core(commit("core-1", (check(9), check(2, "scan", "scanner")))),
        f"check test of core {CORE_SHA[:7]}: was run 1, is run 9",
    ),
    "second evidence": (
        with_core(commit("core-1", (check(1), check(8, "scan", "scanner")))),
        f"check scan of core {CORE_SHA[:7]}: was run 2, is run 8",
    ),
    "candidate gone": (with_ready(core=None), f"candidate rc-{CORE_SHA} of core: was release 504, is gone"),
    "candidate replaced": (
        with_ready(core=replace(READY, release=replace(READY.release, id=999))),
        f"candidate rc-{CORE_SHA} of core: was release 504, is release 999",
    ),
    "candidate changed": (
        with_ready(core=replace(READY, digest="e" * 64)),
        f"candidate rc-{CORE_SHA} of core: was digest {READY.digest[:12]}, is digest eeeeeeeeeeee",
    ),
    "candidate broken": (
        with_ready(core=replace(READY, problems=("firmware.hex is missing",))),
        f"candidate rc-{CORE_SHA} of core: was complete, is firmware.hex is missing",
    ),
    "other check required": (rules(checks=("lint",)), "protection (checks): was validate, is lint"),
    "check not required": (rules(checks=()), "protection (checks): was validate, is none"),
    "not strict": (rules(strict=False), "protection (checks): was validate, is none"),
    "no pull request": (rules(pull_request=False), "protection (checks): was validate, is none"),
    "other reviewers": (environment(reviewers=("carol",)), f"{REVIEWERS}, is carol"),
    "self-review": (environment(prevent_self_review=False), "protection (prevent self review): was True, is False"),
    "any branch": (environment(branches=()), "protection (branches): was main, is none"),
    "branches unread": (environment(branches=None), "protection (branches): was main, is none"),
    "environment gone": (home(environment=None), "the protection of the release: was readable, is not readable"),
    "rules unread": (home(rules=None), "the protection of the release: was readable, is not readable"),
}  # fmt: skip


def test_nothing_has_moved_in_the_facts_a_plan_was_made_from() -> None:
    assert moved(FACTS) == []


@pytest.mark.parametrize("name", MOVES)
def test_a_moved_fact_is_named(name: str) -> None:
    facts, words = MOVES[name]
    assert moved(facts) == [words]


@given(st.sets(st.sampled_from(("configuration", "candidate gone", "self-review", "red")), min_size=1))
def test_every_moved_fact_is_named_not_only_the_first(names: set[str]) -> None:
    facts = FACTS
    parts: dict[str, Callable[[Observation], Observation]] = {
        "configuration": lambda f: f.with_home(config_blob="f" * 40),
        "candidate gone": lambda f: replace(f, ready={**f.ready, "core": None}),
        "self-review": lambda f: f.with_home(environment=replace(ENVIRONMENT, prevent_self_review=False)),
        "red": lambda f: replace(f, repos={**f.repos, "core": component("core", commit("core-1", RED))}),
    }
    for name in names:
        facts = parts[name](facts)
    assert sorted(moved(facts)) == sorted(MOVES[name][1] for name in names)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(with_core(commit("core-3", RED), commit("core-2"), commit("core-1")), id="newer commits"),
        pytest.param(home(head=sha("moved")), id="home branch moved"),
        pytest.param(replace(home(environment=None, rules=None), protection_read=False), id="protection not asked for"),
        pytest.param(rules(strict=None), id="strictness hidden from this reader"),
        pytest.param(home(audit=None), id="audit record"),
        pytest.param(replace(FACTS, now="2027-01-01T00:00:00Z", viewer="bob"), id="another time and viewer"),
    ],
)
def test_what_moves_no_plan(facts: Observation) -> None:
    assert moved(facts) == []


@pytest.mark.parametrize(
    "found", [None, ready("core", CORE_SHA, problems=("half",)), ready("core", CORE_SHA)], ids=["none", "half", "built"]
)
def test_a_candidate_that_was_to_be_built_may_be_in_any_state(found: Any) -> None:
    goal = planned()
    assert [c.state for c in goal.plan.candidates] == ["ready", "build"]
    assert moved(with_ready(core=found), goal.plan) == []


def carried(pin: Pin, **changes: Any) -> Plan:
    pins = tuple(replace(p, **changes) if p.repo == pin.repo else p for p in GOAL.plan.pins)
    return replace(GOAL.plan, pins=pins)


CARRIED = carried(GOAL.plan.pins[1], select="carry")
PROMOTED = carried(GOAL.plan.pins[1], evidence=tuple(replace(e, source="v0.0.1") for e in GOAL.plan.pins[1].evidence))


@pytest.mark.parametrize("plan", [CARRIED, PROMOTED], ids=["carried", "promoted"])
@pytest.mark.parametrize("checks", [(), None, (check(1),)], ids=["gone", "unread", "kept in part"])
def test_a_pin_of_an_earlier_plan_does_not_need_its_checks_any_more(plan: Plan, checks: Any) -> None:
    assert moved(with_core(commit("core-1", checks)), plan) == []


@pytest.mark.parametrize("plan", [CARRIED, PROMOTED], ids=["carried", "promoted"])
@pytest.mark.parametrize("name", ["red", "rerun", "other evidence", "off the branch", "commit unread"])
def test_a_pin_of_an_earlier_plan_moves_like_any_other_while_its_checks_are_kept(plan: Plan, name: str) -> None:
    facts, words = MOVES[name]
    assert moved(facts, plan) == [words]


def test_protection_is_unknown_while_a_part_is() -> None:
    assert stale.protection(home(rules=None)) is None
    assert stale.protection(home(environment=None)) is None
    assert stale.protection(FACTS) == GOAL.plan.protection


def test_evidence_that_the_plan_did_not_have_is_a_moved_fact() -> None:
    plan = carried(GOAL.plan.pins[1], evidence=(Evidence("test", "github-actions", 1, 71),))
    assert moved(FACTS, plan) == [f"check scan of core {CORE_SHA[:7]}: was run None, is run 2"]


def test_the_ending_says_what_moved_and_how_much_more() -> None:
    two = stale.moved_facts(GOAL.plan, CONFIG, home(config_blob=None, environment=None))
    ending = stale.blocked(GOAL.plan, two)
    assert ending.stale
    assert ending.cause == f"the plan of v0.1.0-beta.1 is stale: {two[0]} (and 1 more)"
    assert ending.next_command == "ms release content plan --channel beta --auto"
    assert stale.blocked(GOAL.plan, two[:1]).cause == f"the plan of v0.1.0-beta.1 is stale: {two[0]}"


@pytest.mark.parametrize(
    ("changes", "remedy", "following"),
    [
        ({"abandoned": (TAG,)}, "Plan again.", "ms release content plan --channel beta --auto"),
        ({"abandoning": (TAG,)}, "Finish that, then plan again.", f"ms release content cancel {TAG}"),
        ({"config_blob": None}, "Plan again.", "ms release content plan --channel beta --auto"),
    ],
)
def test_the_ending_says_what_to_type_next(changes: Any, remedy: str, following: str) -> None:
    ending = stale.blocked(GOAL.plan, stale.moved_facts(GOAL.plan, CONFIG, home(**changes)))
    assert ending.remedy == f"Nothing of it was published. {remedy}"
    assert ending.next_command == following


def test_the_tag_may_stand_at_the_merge_of_its_own_plan_and_nowhere_else() -> None:
    change = train.release_change(GOAL)
    facts = replace(home(tags={TAG: sha("merge")}), release_change=merged(change))
    assert moved(facts) == []
    words = f"tag {TAG}: was free, is at {sha('merge')[:7]}"
    assert moved(replace(facts, release_change=merged(change, merge_commit=sha("y")))) == [words]
    assert moved(replace(facts, release_change=merged(change, merge_commit=None))) == [words]
    assert moved(replace(facts, release_change=absent(change))) == [words]


def test_a_plan_read_back_from_its_file_stands_on_the_same_facts() -> None:
    again = Train(CONFIG, PRODUCT, make_file(GOAL.plan, created_at="x", created_by="y"))
    assert moved(FACTS, again.plan) == []


# --- candidates that are found by identity


@pytest.mark.parametrize(
    ("state", "digest", "read", "expected"),
    [
        ("build", "1", True, ["the recipe of core: was {tag}, is {other}"]),
        ("build", "0", True, []),
        ("build", "1", False, []),
        ("ready", "1", True, []),
    ],
    ids=["changed", "as planned", "not read", "built already"],
)
def test_a_recipe_counts_until_its_candidate_is_built(state: str, digest: str, read: bool, expected: list[str]) -> None:
    repo = CONFIG.repo("core")
    rule = CandidateRule("build.yml", "draft", recipe=("build.py",))
    ruled = replace(repo, candidate=rule)
    config = replace(CONFIG, repos=tuple(ruled if r.id == "core" else r for r in CONFIG.repos))
    pins = {p.repo: p for p in GOAL.plan.pins}
    tag, other = (question(config, ruled, pins, (("build.py", d * 64),)).tag for d in "01")
    ours = replace(GOAL.plan.candidates[1], tag=tag, state=state)
    plan = replace(GOAL.plan, candidates=(GOAL.plan.candidates[0], ours))
    facts = replace(FACTS, recipes={"core": (("build.py", digest * 64),)} if read else {})
    found = [str(m) for m in stale.moved_facts(plan, config, facts)]
    assert found == [line.format(tag=tag, other=other) for line in expected]
