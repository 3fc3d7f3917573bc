"""From an intent to a plan: pins or the gravest problem, the version with its reason, candidates, and nothing to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import (
    BLOB,
    CONFIG,
    PENDING,
    PRODUCT,
    RED,
    commit,
    component,
    draft,
    observation,
    pin,
    ready,
    sha,
    tags,
)
from ms_release.core.model import Pin
from ms_release.core.observation import Observation, Release
from ms_release.core.planning import (
    Intent,
    Parts,
    Previous,
    history,
    is_released,
    make_draft,
    previous_tag,
    select_pins,
)
from ms_release.core.version import Version
from ms_release.errors import BlockedError, MsError, UsageError, WaitingError

AUTO = Intent("beta", auto=True)
STABLE = Intent("stable", auto=True)
BOTH = {"loader": sha("loader-1"), "core": sha("core-1")}


def out(*tags: str, facts: Observation | None = None, **home: Any) -> Observation:
    """These versions are published and recorded."""
    facts = facts or observation()
    releases = tuple(Release(100 + i, tag, False, "beta" in tag) for i, tag in enumerate(tags))
    return facts.with_home(**{"releases": releases, "tags": {tag: sha(tag) for tag in tags}, **home})


def with_repos(**commits: tuple[Any, ...]) -> Observation:
    facts = observation()
    return replace(facts, repos={**facts.repos, **{id: component(id, *each) for id, each in commits.items()}})


def pins(facts: Observation, intent: Intent = AUTO, before: Previous | None = None) -> tuple[Pin, ...]:
    return select_pins(CONFIG, PRODUCT, intent, facts, before)


# --- what is taken


def test_taken_are_tags_published_releases_plans_specs_and_held_branches_but_no_drafts() -> None:
    facts = observation().with_home(
        tags={"v0.1.0": sha("a"), "rc-1": sha("b"), "nightly": sha("c")},
        releases=(Release(1, "v0.2.0", False, False), Release(2, "v0.9.0", True, False)),
        plans=("v0.3.0",),
        specs=("v0.7.0", "latest"),
        held=("v0.4.0-beta.1",),
        branches=("release/v0.8.0",),
    )
    known = history(facts)
    assert known.taken == {Version(0, 1, 0), Version(0, 2, 0), Version(0, 3, 0), Version(0, 4, 0, 1), Version(0, 7, 0)}
    assert known.published == (Version(0, 2, 0),)


@pytest.mark.parametrize(
    ("tags", "channel", "before"),
    [
        ((), "beta", None),
        (("v1.0.0", "v1.1.0-beta.1"), "stable", "v1.0.0"),
        (("v1.0.0", "v1.1.0-beta.1"), "beta", "v1.1.0-beta.1"),
        (("v1.0.0",), "beta", "v1.0.0"),
    ],
)
def test_the_release_before_is_published(tags: Any, channel: Any, before: str | None) -> None:
    assert previous_tag(out(*tags, tags={"v9.0.0": sha("x")}), channel) == before


# --- pins


def test_every_component_gets_its_pin_in_the_configured_order() -> None:
    assert [(p.repo, p.select) for p in pins(observation())] == [("loader", "latest-green"), ("core", "head")]
    carried = pins(observation(), before=Previous("v0.0.1", (pin("loader", "loader-1"), pin("core", "core-0"))))
    assert [(p.repo, p.select, p.sha) for p in carried] == [
        ("loader", "carry", sha("loader-1")),
        ("core", "head", sha("core-1")),
    ]


def test_named_commits_need_no_auto() -> None:
    assert [p.select for p in pins(observation(), Intent("beta", explicit=BOTH))] == ["explicit", "explicit"]


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        pytest.param(Intent("beta"), "no commit is named for loader, core", id="neither auto nor named"),
        pytest.param(
            Intent("beta", explicit={"core": sha("core-1")}), "no commit is named for loader", id="one unnamed"
        ),
        pytest.param(
            Intent("beta", auto=True, explicit={"cor": "x"}), "'cor' is not a repository of content", id="typo"
        ),
        pytest.param(
            Intent("beta", auto=True, explicit={"distribution": "x"}),
            "'distribution' is not a repository of content",
            id="home",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(intent: Intent, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        pins(observation(), intent)


@pytest.mark.parametrize(
    ("loader", "core", "intent", "error", "causes"),
    [
        pytest.param(
            PENDING,
            RED,
            AUTO,
            BlockedError,
            ["core: the tip", "loader: no green commit yet"],
            id="blocked before waiting",
        ),
        pytest.param(RED, PENDING, AUTO, BlockedError, ["loader: none of", "core: the tip"], id="in the other order"),
        pytest.param(PENDING, PENDING, AUTO, WaitingError, ["loader: no green", "core: the tip"], id="both wait"),
        pytest.param(
            RED,
            RED,
            Intent("beta", auto=True, explicit={"core": sha("?")}),
            UsageError,
            ["core: studio/core has no", "loader: none"],
            id="usage first",
        ),
    ],
)
def test_the_gravest_problem_is_raised_with_the_causes_of_all(
    loader: Any, core: Any, intent: Intent, error: type[MsError], causes: list[str]
) -> None:
    facts = with_repos(loader=(commit("loader-1", loader),), core=(commit("core-1", core),))
    with pytest.raises(error) as caught:
        pins(facts, intent)
    assert type(caught.value) is error
    assert caught.value.cause.startswith(causes[0])
    assert f"; {causes[1]}" in caught.value.cause
    assert caught.value.remedy


def test_the_way_out_of_the_gravest_problem_is_kept() -> None:
    facts = with_repos(loader=(commit("loader-1", PENDING),), core=(commit("core-1", RED), commit("core-0")))
    with pytest.raises(BlockedError) as caught:
        pins(facts)
    assert f"--repo core={sha('core-0')}" in caught.value.remedy


def test_a_promotion_takes_the_pins_of_the_beta_as_they_are() -> None:
    before = Previous("v0.1.0-beta.1", (pin("loader", "x"), pin("core", "y")))
    assert pins(observation(), Intent("stable", source="v0.1.0-beta.1"), before) == before.pins


# --- nothing to release

DIGEST = ready("core", sha("core-1")).digest
MADE = {"core": DIGEST}
SAME = Previous("v0.1.0-beta.1", (pin("loader", "loader-1"), pin("core", "core-1")), MADE)
FACTS = observation(ready={"core": ready("core", sha("core-1")), "loader": None})


@pytest.mark.parametrize(
    ("before", "channel", "facts", "expected"),
    [
        pytest.param(SAME, "beta", FACTS, True, id="same"),
        pytest.param(None, "beta", FACTS, False, id="never released"),
        pytest.param(SAME, "stable", FACTS, False, id="other channel"),
        pytest.param(replace(SAME, tag="nightly"), "beta", FACTS, False, id="no version"),
        pytest.param(
            replace(SAME, pins=(SAME.pins[0], pin("core", "core-0"))), "beta", FACTS, False, id="other commit"
        ),
        pytest.param(replace(SAME, pins=SAME.pins[:1]), "beta", FACTS, False, id="a repository more"),
        pytest.param(
            SAME, "beta", replace(FACTS, ready={"core": ready("core", "z")}), False, id="candidate built again"
        ),
        pytest.param(SAME, "beta", replace(FACTS, ready={"core": None}), False, id="candidate gone"),
        pytest.param(replace(SAME, candidates={}), "beta", FACTS, True, id="made without candidates"),
    ],
)
def test_nothing_to_release(before: Previous | None, channel: Any, facts: Observation, expected: bool) -> None:
    found = select_pins(CONFIG, PRODUCT, AUTO, FACTS, None)
    assert is_released(found, before, channel, facts) is expected


# --- the plan


def test_the_plan_says_what_it_stands_on() -> None:
    made = draft(observation(), replace(AUTO, notes="Read this."))
    plan = made.plan
    assert made.blocking == ()
    assert (plan.product, plan.kind, plan.channel, plan.mode, plan.previous) == (
        "content",
        "content",
        "beta",
        "release",
        None,
    )
    assert (plan.home, plan.branch, plan.config, plan.notes) == ("studio/distribution", "main", BLOB, "Read this.")
    assert [(c.repo, c.state, c.tag, c.workflow) for c in plan.candidates] == [
        ("loader", "ready", f"rc-{sha('loader-1')}", "candidate.yml"),
        ("core", "build", f"rc-{sha('core-1')}", "build.yml"),
    ]
    assert plan.candidates[0].release_id == 506
    assert plan.candidates[0].digest == ready("loader", sha("loader-1")).digest
    assert (plan.protection.checks, plan.protection.reviewers) == (("validate",), ("studio/release-managers",))
    assert (plan.protection.prevent_self_review, plan.protection.branches) == (True, ("main",))
    assert [(v.code, v.subject, v.outcome) for v in plan.gates] == [
        (f.code, f.subject, f.outcome) for f in made.findings
    ]
    assert [f.path for f in plan.files] == [f"release-notes/{plan.tag}.md"]


def test_a_broken_candidate_is_planned_to_be_built() -> None:
    broken = ready("core", sha("core-1"), problems=("half",))
    made = draft(observation(ready={"loader": None, "core": broken}), AUTO)
    assert [c.state for c in made.plan.candidates] == ["build", "build"]
    assert made.plan.candidates[1].digest == ""


def test_a_plan_that_a_gate_blocks_may_be_shown() -> None:
    made = draft(observation().with_home(audit=None, environment=None), AUTO)
    assert {f.code for f in made.blocking} == {"AUDIT", "ENVIRONMENT"}
    assert made.plan.protection.reviewers == ()


@pytest.mark.parametrize(
    ("published", "intent", "subjects", "tag", "reason"),
    [
        pytest.param((), AUTO, ("fix: a",), "v0.1.0-beta.1", "3 fixes and no feature", id="first beta"),
        pytest.param((), STABLE, ("feat: a",), "v0.1.0", "1 feature", id="first stable"),
        pytest.param(("v1.0.0",), STABLE, ("fix: a",), "v1.0.1", "1 fix", id="patch"),
        pytest.param(("v1.0.0",), STABLE, ("feat: a", "fix: b"), "v1.1.0", "1 feature", id="minor"),
        pytest.param(("v1.0.0",), STABLE, ("feat!: a",), "v2.0.0", "1 breaking change", id="major"),
        pytest.param(
            ("v0.4.0",), STABLE, ("feat!: a",), "v0.5.0", "before 1.0.0 that is minor", id="breaking before 1.0.0"
        ),
        pytest.param(("v1.0.0",), replace(STABLE, bump="major"), ("fix: a",), "v2.0.0", "major, as asked", id="bump"),
        pytest.param(
            ("v1.0.0",), replace(STABLE, tag="v1.5.0"), ("fix: a",), "v1.5.0", "named on the command line", id="tag"
        ),
        pytest.param(
            ("v1.0.0", "v1.1.0-beta.1"), AUTO, ("fix: a",), "v1.1.0-beta.2", "1 fix", id="next beta of its line"
        ),
    ],
)
def test_the_version_and_its_reason(published: Any, intent: Intent, subjects: Any, tag: str, reason: str) -> None:
    changes = tuple(commit(f"core-{i}", subject=subject) for i, subject in enumerate(subjects))
    facts = out(*published, facts=with_repos(core=(*changes, commit("old"))))
    before_tag = previous_tag(facts, intent.channel)
    before = Previous(before_tag, (pin("loader", "loader-1"), pin("core", "old"))) if before_tag else None
    plan = draft(facts, intent, before).plan
    assert plan.tag == tag
    assert reason in plan.reason
    assert plan.previous == before_tag


@pytest.mark.parametrize(
    ("intent", "words"),
    [
        (replace(STABLE, tag="1.2.3"), "'1.2.3' is not a version tag"),
        (replace(STABLE, tag="v1.0.0"), "v1.0.0 is taken"),
        (replace(STABLE, tag="v0.9.0"), "v0.9.0 is not above the last stable version v1.0.0"),
        (replace(STABLE, tag="v1.1.0-beta.1"), "not a version of the channel stable"),
        (Intent("stable", source="v1.0.0"), "v1.0.0 is no published beta"),
        (Intent("stable", source="v1.1.0-beta.7"), "v1.1.0-beta.7 is no published beta"),
        (Intent("stable", source="nightly"), "nightly is no published beta"),
    ],
)
def test_a_version_that_does_not_follow_is_refused(intent: Intent, words: str) -> None:
    facts = out("v1.0.0", "v1.1.0-beta.2")
    before = Previous("v1.0.0", (pin("loader", "loader-1"), pin("core", "core-1")))
    with pytest.raises(UsageError, match=words):
        draft(facts, intent, before)


def promoted(source: str, **changes: Any) -> Any:
    both = {"core": ready("core", sha("core-1")), "loader": ready("loader", sha("loader-1"))}
    facts = out("v1.0.0", "v1.1.0-beta.2", "v0.9.0-beta.1", facts=observation(ready=both))
    digests = {repo: found.digest for repo, found in facts.ready.items() if found}
    before = Previous(source, (pin("loader", "loader-1"), pin("core", "core-1")), digests)
    return draft(facts, Intent("stable", source=source, **changes), before).plan


def test_a_promoted_beta_becomes_the_version_that_it_announced() -> None:
    plan = promoted("v1.1.0-beta.2")
    assert (plan.tag, plan.mode, plan.channel, plan.reason) == (
        "v1.1.0",
        "promotion",
        "stable",
        "promotes v1.1.0-beta.2",
    )
    assert promoted("v1.1.0-beta.2", tag="v1.2.0").tag == "v1.2.0"
    assert promoted("v1.1.0-beta.2", bump="major").tag == "v2.0.0"


@pytest.mark.parametrize("there", [None, ready("core", sha("core-1"), digest="f" * 64)], ids=["gone", "built again"])
def test_a_beta_is_promoted_with_its_own_bytes_or_not_at_all(there: Any) -> None:
    loader = ready("loader", sha("loader-1"))
    facts = out("v1.1.0-beta.2", facts=observation(ready={"core": there, "loader": loader}))
    promoted = {"core": DIGEST, "loader": loader.digest}
    before = Previous("v1.1.0-beta.2", (pin("loader", "loader-1"), pin("core", "core-1")), promoted)
    with pytest.raises(BlockedError, match="candidate of core is not the one that"):
        draft(facts, Intent("stable", source="v1.1.0-beta.2"), before)


@pytest.mark.parametrize(
    ("channel", "to", "newest", "tag"),
    [("stable", "v1.0.0", "v1.1.0", "v1.1.1"), ("beta", "v1.2.0-beta.1", "v1.2.0-beta.2", "v1.2.0-beta.3")],
)
def test_a_rollback_issues_the_old_commits_above_what_is_taken_back(
    channel: Any, to: str, newest: str, tag: str
) -> None:
    loader, core = ready("loader", sha("loader-1")), ready("core", sha("core-1"))
    facts = out(to, newest, facts=observation(ready={"core": core, "loader": loader}))
    old = (pin("loader", "loader-1"), pin("core", "core-1"))
    source = Previous(to, old, {"core": core.digest, "loader": loader.digest})
    taken_back = Previous(newest, (pin("loader", "loader-1"), pin("core", "core-2")))
    intent = Intent(channel, auto=True, source=to, rollback="it hangs")
    pins = select_pins(CONFIG, PRODUCT, intent, facts, source)
    plan = make_draft(CONFIG, PRODUCT, intent, facts, Parts(pins, taken_back, BLOB, tags(pins), source)).plan
    assert (plan.tag, plan.mode, plan.source, plan.previous) == (tag, "rollback", to, newest)
    assert plan.reason == f"rolls back to {to}: it hangs"
    assert plan.pins == old
    assert [(c.repo_id, c.from_sha, c.to_sha, c.commits, c.more) for c in plan.changes] == [
        ("loader", sha("loader-1"), sha("loader-1"), (), False),
        ("core", sha("core-2"), sha("core-1"), (), False),
    ]
    gone = out(to, newest, facts=observation(ready={"core": None, "loader": loader}))
    with pytest.raises(BlockedError, match="candidate of core is not the one that"):
        make_draft(CONFIG, PRODUCT, intent, gone, Parts(pins, taken_back, BLOB, tags(pins), source))


def test_a_beta_below_the_last_stable_is_not_promoted() -> None:
    with pytest.raises(UsageError, match=r"v0.9.0 is not above the last stable version v1.0.0"):
        promoted("v0.9.0-beta.1")


@pytest.mark.parametrize(
    ("commits", "old", "named", "more"),
    [
        pytest.param(("c", "b", "a"), "a", ["c", "b"], False, id="the whole range"),
        pytest.param(("c", "b", "a"), None, ["c", "b", "a"], False, id="never released"),
        pytest.param(("c", "b"), "a", ["c", "b"], True, id="longer than the history"),
        pytest.param(("c", "b", "a"), "c", [], False, id="unchanged"),
    ],
)
def test_changes_since_the_release_before(commits: Any, old: str | None, named: list[str], more: bool) -> None:
    facts = with_repos(core=tuple(commit(name) for name in commits))
    before = Previous("v0.0.1", (pin("loader", "loader-1"), *((pin("core", old),) if old else ())))
    change = draft(facts, AUTO, before).plan.changes[1]
    assert [c.sha for c in change.commits] == [sha(name) for name in named]
    assert (change.from_sha, change.to_sha, change.more) == (sha(old) if old else None, sha("c"), more)


def test_only_commits_up_to_the_pin_are_changes() -> None:
    facts = with_repos(core=(commit("d"), commit("c"), commit("b"), commit("a")))
    before = Previous("v0.0.1", (pin("loader", "loader-1"), pin("core", "a")))
    change = draft(facts, replace(AUTO, explicit={"core": sha("c")}), before).plan.changes[1]
    assert [c.sha for c in change.commits] == [sha("c"), sha("b")]
    first = replace(facts, repos={**facts.repos, "core": replace(facts.repos["core"], more_commits=True)})
    assert draft(first, AUTO).plan.changes[1].more


@given(st.permutations(["now", "viewer", "seen"]), st.text(max_size=5))
def test_the_same_facts_give_the_same_plan_whoever_looks_and_whenever(order: list[str], viewer: str) -> None:
    changes: dict[str, Any] = {"now": "2026-01-11T00:00:00Z", "viewer": viewer, "seen": frozenset({1})}
    facts = observation(**{"seen_alive" if k == "seen" else k: changes[k] for k in order})
    assert draft(facts, AUTO) == draft(observation(), AUTO)


def test_a_plan_without_pins_proves_nothing() -> None:
    with pytest.raises(BlockedError, match="found nothing to judge"):
        make_draft(CONFIG, PRODUCT, Intent("beta", auto=True), observation(), Parts((), None, BLOB, {}))
