"""Every gate with facts that pass, that fail and that are not known; and what is no obstacle."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.world import (
    CONFIG,
    ENVIRONMENT,
    NOW,
    RED,
    RULES,
    TAG,
    audit,
    commit,
    component,
    observation,
    pin,
    ready,
    sha,
    subject,
)
from ms_release.core.gates import GATES, Subject, evaluate, missing_evidence
from ms_release.core.model import Evidence, Finding
from ms_release.core.observation import Observation, Release
from ms_release.errors import BlockedError


def findings(found: tuple[Finding, ...], code: str) -> list[tuple[str, str]]:
    return [(f.subject, f.outcome) for f in found if f.code == code]


def home(**changes: Any) -> Subject:
    return subject(observation().with_home(**changes))


def core(*commits: Any, **changes: Any) -> Subject:
    facts = observation()
    return subject(replace(facts, repos={**facts.repos, "core": component("core", *commits, **changes)}))


def without_core() -> Observation:
    facts = observation()
    return replace(facts, repos={"loader": facts.repos["loader"]})


def pinned(**changes: Any) -> Subject:
    return subject(pins=(pin("core", "core-1", **changes),))


def candidate(**found: Any) -> Subject:
    return subject(observation(ready={"loader": None, **found}))


def promised(**found: Any) -> Subject:
    """The same for a plan that says that the candidate is ready."""
    made = candidate(**found)
    return replace(made, candidates=tuple(replace(c, state="ready") for c in made.candidates if c.repo == "core"))


RC = Release(7, f"rc-{sha('core-1')}", False, True)
PUBLISHED = Release(1, TAG, False, True)
BROKEN = ready("core", sha("core-1"), problems=("firmware.hex is missing", "and more"))


def test_when_everything_is_well_every_gate_passes_in_the_order_of_the_table() -> None:
    found = evaluate(subject())
    assert [f.outcome for f in found if f.outcome != "PASS"] == []
    assert list(dict.fromkeys(f.code for f in found if f.code != "SELF_APPROVAL")) == [g.code for g in GATES]
    assert findings(found, "AUDIT") == [
        ("studio/distribution", "PASS"),
        ("studio/loader", "PASS"),
        ("studio/core", "PASS"),
    ]


@pytest.mark.parametrize(
    ("given_subject", "code", "where", "outcome", "words"),
    [
        pytest.param(home(config_blob="0" * 40), "CONFIG", "studio/distribution", "FAIL", "differs", id="other config"),
        pytest.param(home(config_blob=None), "CONFIG", "studio/distribution", "UNKNOWN", "holds no", id="no config"),
        pytest.param(pinned(evidence=()), "PIN_GREEN", "core", "FAIL", "no evidence for scan", id="no evidence"),
        pytest.param(
            pinned(evidence=(Evidence("test", "github-actions", 1), Evidence("scan", "impostor", 2))),
            "PIN_GREEN",
            "core",
            "FAIL",
            "no evidence for scan",
            id="evidence of another app",
        ),
        pytest.param(core(commit("core-1", RED)), "PIN_GREEN", "core", "FAIL", "red: test", id="red since"),
        pytest.param(core(commit("core-1", RED[1:])), "PIN_GREEN", "core", "FAIL", "missing", id="check vanished"),
        pytest.param(
            core(commit("core-1", None)), "PIN_GREEN", "core", "UNKNOWN", "could not be read", id="checks unread"
        ),
        pytest.param(
            core(commit("other")), "PIN_GREEN", "core", "UNKNOWN", "could not be read", id="pinned commit unread"
        ),
        pytest.param(
            subject(without_core()), "PIN_GREEN", "core", "UNKNOWN", "could not be read", id="pinned repository unread"
        ),
        pytest.param(
            core(commit("core-2"), reachable={sha("core-1"): False}),
            "PIN_ON_BRANCH",
            "core",
            "FAIL",
            "is not on main",
            id="off branch",
        ),
        pytest.param(core(commit("core-2")), "PIN_ON_BRANCH", "core", "UNKNOWN", "was not read", id="branch unread"),
        pytest.param(
            subject(without_core()), "PIN_ON_BRANCH", "core", "UNKNOWN", "was not read", id="repository unread"
        ),
        pytest.param(promised(core=BROKEN), "CANDIDATE", "core", "FAIL", "firmware.hex is missing", id="broken"),
        pytest.param(promised(core=None), "CANDIDATE", "core", "FAIL", "gone", id="gone"),
        pytest.param(
            core(commit("core-1"), releases=(RC, replace(RC, id=8))),
            "CANDIDATE",
            "core",
            "FAIL",
            "several releases share",
            id="twins",
        ),
        pytest.param(candidate(), "CANDIDATE", "core", "UNKNOWN", "could not be read", id="candidates unread"),
        pytest.param(home(tags={TAG: sha("x")}), "TAG_FREE", TAG, "FAIL", f"exists at {sha('x')[:7]}", id="tag"),
        pytest.param(home(releases=(PUBLISHED,)), "TAG_FREE", TAG, "FAIL", "is published", id="release"),
        pytest.param(
            home(rules=None), "HOME_PROTECTED", "studio/distribution", "UNKNOWN", "could not be read", id="rules unread"
        ),
        *(
            pytest.param(
                home(rules=replace(RULES, **rule)), "HOME_PROTECTED", "studio/distribution", "FAIL", words, id=words
            )
            for rule, words in (
                ({"checks": ("lint",)}, "check validate is not required"),
                ({"pull_request": False}, "a pull request is not required"),
                ({"strict": False}, "required checks are not strict"),
                ({"blocks_force_push": False}, "force pushes are allowed"),
                ({"blocks_deletion": False}, "deletion is allowed"),
            )
        ),
        pytest.param(
            home(environment=None), "ENVIRONMENT", "release", "UNKNOWN", "missing or unreadable", id="no environment"
        ),
        *(
            pytest.param(
                home(environment=replace(ENVIRONMENT, **rule)), "ENVIRONMENT", "release", outcome, words, id=words
            )
            for rule, outcome, words in (
                ({"reviewers": ()}, "FAIL", "it has no required reviewers"),
                ({"branches": ()}, "FAIL", "every branch may deploy to it"),
                ({"branches": None}, "UNKNOWN", "which branches may deploy"),
                ({"can_admins_bypass": True}, "FAIL", "administrators can bypass it"),
            )
        ),
        pytest.param(
            home(
                environment=replace(ENVIRONMENT, can_admins_bypass=None),
                audit=audit(distribution=[{"code": "X", "outcome": "PASS"}]),
            ),
            "ENVIRONMENT",
            "release",
            "UNKNOWN",
            "whether administrators can bypass it was not read",
            id="bypass not audited",
        ),
        pytest.param(
            home(environment=replace(ENVIRONMENT, can_admins_bypass=None), audit=None),
            "ENVIRONMENT",
            "release",
            "UNKNOWN",
            "whether administrators can bypass it was not read",
            id="bypass without audit",
        ),
        pytest.param(
            home(environment=replace(ENVIRONMENT, prevent_self_review=False)),
            "SELF_APPROVAL",
            "release",
            "FAIL",
            "not prevented",
            id="self-review",
        ),
        pytest.param(
            home(environment=replace(ENVIRONMENT, prevent_self_review=None)),
            "SELF_APPROVAL",
            "release",
            "UNKNOWN",
            "",
            id="self-review unread",
        ),
        pytest.param(
            home(audit=None), "AUDIT", "studio/distribution", "UNKNOWN", "missing or unreadable", id="no audit"
        ),
        pytest.param(
            home(audit=audit("2026-01-03T11:59:59Z")),
            "AUDIT",
            "studio/distribution",
            "FAIL",
            "older than 7 days",
            id="old audit",
        ),
        pytest.param(
            home(audit=audit("2026-02-01T00:00:00Z")),
            "AUDIT",
            "studio/distribution",
            "UNKNOWN",
            "future",
            id="audit of tomorrow",
        ),
        pytest.param(
            home(audit=audit(core=None)), "AUDIT", "studio/core", "UNKNOWN", "does not mention", id="not audited"
        ),
        pytest.param(
            home(audit=audit(core=[])), "AUDIT", "studio/core", "UNKNOWN", "does not mention", id="audited nothing"
        ),
        pytest.param(
            home(audit=audit(distribution=None)),
            "AUDIT",
            "studio/distribution",
            "UNKNOWN",
            "does not mention",
            id="home not audited",
        ),
        pytest.param(
            home(audit=audit(core=[{"code": "A", "outcome": "PASS"}, {"code": "B", "outcome": "FAIL"}])),
            "AUDIT",
            "studio/core",
            "FAIL",
            "B is FAIL",
            id="audited badly",
        ),
        pytest.param(
            home(audit=audit(core=[{"code": "A", "outcome": "UNKNOWN"}, {"code": "B", "outcome": "FAIL"}])),
            "AUDIT",
            "studio/core",
            "FAIL",
            "B is FAIL",
            id="audited badly and in part",
        ),
        pytest.param(
            home(audit=audit(core=[{"code": "A", "outcome": "PASS"}, {"code": "B", "outcome": "UNKNOWN"}])),
            "AUDIT",
            "studio/core",
            "UNKNOWN",
            "B is UNKNOWN",
            id="audited in part",
        ),
        pytest.param(
            home(audit=audit(core=[{"code": "A", "outcome": "pass"}])),
            "AUDIT",
            "studio/core",
            "FAIL",
            "A is pass",
            id="odd outcome",
        ),
        pytest.param(
            home(plans=("v0.0.9",), releases=(Release(1, "v0.0.9", False, False),)),
            "EVIDENCE",
            "v0.0.9",
            "FAIL",
            "not merged",
            id="evidence open",
        ),
    ],
)
def test_a_gate_says_what_is_wrong(given_subject: Subject, code: str, where: str, outcome: str, words: str) -> None:
    found = [f for f in evaluate(given_subject) if f.code == code and f.subject == where and f.outcome == outcome]
    assert [f for f in found if words in f.message and f.remedy and f.blocks] != [], findings(
        evaluate(given_subject), code
    )


@pytest.mark.parametrize(
    ("given_subject", "code"),
    [
        pytest.param(candidate(core=None), "CANDIDATE", id="a candidate still to be built"),
        pytest.param(candidate(core=BROKEN), "CANDIDATE", id="a broken candidate, to be built again"),
        pytest.param(
            promised(core=ready("core", sha("core-1"))), "CANDIDATE", id="a candidate that is ready as planned"
        ),
        pytest.param(
            core(commit("core-1"), releases=(RC, replace(RC, id=8, tag="rc-other"))),
            "CANDIDATE",
            id="one release of the tag",
        ),
        pytest.param(
            core(commit("core-1"), releases=None), "CANDIDATE", id="a list of releases that this look left out"
        ),
        pytest.param(
            home(releases=(replace(PUBLISHED, draft=True),)), "TAG_FREE", id="a draft does not take a version"
        ),
        pytest.param(home(releases=(replace(PUBLISHED, tag="v0.0.1"),)), "TAG_FREE", id="another version"),
        pytest.param(
            home(rules=replace(RULES, checks=("validate", "lint"))), "HOME_PROTECTED", id="more checks than ours"
        ),
        pytest.param(
            home(environment=replace(ENVIRONMENT, can_admins_bypass=None)), "ENVIRONMENT", id="bypass audited"
        ),
        pytest.param(home(audit=audit("2026-01-03T12:00:00Z")), "AUDIT", id="exactly seven days old"),
        pytest.param(home(audit=audit(NOW)), "AUDIT", id="audited just now"),
        pytest.param(home(audit=audit("2026-01-10T12:30:00Z")), "AUDIT", id="an auditor's clock that is ahead"),
        pytest.param(home(audit=audit("2026-01-11T12:00:00Z")), "AUDIT", id="ahead by exactly a day"),
        pytest.param(
            home(audit=audit(core=[{"code": "A", "outcome": "NOT_APPLICABLE"}])), "AUDIT", id="not applicable"
        ),
        pytest.param(home(plans=("v0.0.9",)), "EVIDENCE", id="planned and not published"),
        pytest.param(
            home(plans=("v0.0.9",), releases=(Release(1, "v0.0.9", True, False),)), "EVIDENCE", id="only a draft"
        ),
        pytest.param(
            home(releases=(Release(1, "v0.0.9", False, False),)), "EVIDENCE", id="published before there were plans"
        ),
        pytest.param(
            home(plans=("v0.0.9",), ledger=("v0.0.9",), releases=(Release(1, "v0.0.9", False, False),)),
            "EVIDENCE",
            id="recorded",
        ),
    ],
)
def test_what_is_no_obstacle(given_subject: Subject, code: str) -> None:
    assert {f.outcome for f in evaluate(given_subject) if f.code == code} == {"PASS"}


def strictness(outcome: str | None = None) -> Subject:
    """The reader may not see whether required checks are strict; the audit may have seen it."""
    entry = [{"code": "CHECKS_STRICT", "outcome": outcome}]
    return home(rules=replace(RULES, strict=None), audit=audit(distribution=entry) if outcome else audit())


@pytest.mark.parametrize(
    ("given_subject", "outcome"),
    [
        pytest.param(strictness("PASS"), "PASS", id="audited"),
        pytest.param(strictness("FAIL"), "UNKNOWN", id="audited badly"),
        pytest.param(strictness(), "UNKNOWN", id="not audited"),
        pytest.param(replace(strictness(), facts=strictness().facts.with_home(audit=None)), "UNKNOWN", id="no audit"),
    ],
)
def test_strict_checks_that_a_reader_may_not_see_count_as_audited(given_subject: Subject, outcome: str) -> None:
    assert findings(evaluate(given_subject), "HOME_PROTECTED") == [("studio/distribution", outcome)]


@pytest.mark.parametrize(("strict", "outcome"), [(False, "UNKNOWN"), (True, "PASS")], ids=["seen loose", "seen whole"])
def test_protection_that_a_reader_sees_in_part_is_never_a_failure(strict: bool, outcome: str) -> None:
    found = evaluate(home(rules=replace(RULES, strict=strict, complete=False)))
    assert findings(found, "HOME_PROTECTED") == [("studio/distribution", outcome)]


@pytest.mark.parametrize(
    ("found", "words"), [(None, "to be built"), (BROKEN, "to be built"), (ready("core", sha("core-1")), "ready")]
)
def test_a_candidate_is_ready_or_to_be_built(found: Any, words: str) -> None:
    message = next(f.message for f in evaluate(candidate(core=found)) if (f.code, f.subject) == ("CANDIDATE", "core"))
    assert message == f"rc-{sha('core-1')} is {words}"


@pytest.mark.parametrize(
    ("checks", "outcome"),
    [
        pytest.param((), "PASS", id="not kept any more"),
        pytest.param(None, "PASS", id="not asked for"),
        pytest.param(RED[1:], "PASS", id="kept in part"),
        pytest.param(RED, "FAIL", id="red"),
    ],
)
def test_a_carried_pin_stands_on_its_evidence(checks: Any, outcome: str) -> None:
    given_subject = replace(core(commit("core-1", checks)), pins=(pin(select="carry"),))
    assert findings(evaluate(given_subject), "PIN_GREEN") == [("core", outcome)]


def test_a_promoted_beta_stands_on_the_evidence_of_its_plan() -> None:
    evidence = tuple(replace(e, source="v0.1.0-beta.1") for e in pin().evidence)
    given_subject = replace(core(commit("core-1", ())), pins=(pin(evidence=evidence),))
    assert findings(evaluate(given_subject), "PIN_GREEN") == [("core", "PASS")]


@pytest.mark.parametrize("part", ["pins", "candidates"])
def test_a_gate_with_nothing_to_judge_is_an_error(part: str) -> None:
    with pytest.raises(BlockedError, match="found nothing to judge"):
        evaluate(subject(**{part: ()}))


def test_gates_whose_facts_are_read_later_can_be_left_out() -> None:
    blind = home(rules=None, environment=None)
    found = evaluate(blind, without=frozenset({"HOME_PROTECTED", "ENVIRONMENT"}))
    assert {f.code for f in found} == {g.code for g in GATES} - {"HOME_PROTECTED", "ENVIRONMENT"}
    assert not any(f.blocks for f in found)


def test_every_gate_asks_one_question_under_one_code() -> None:
    assert len({g.code for g in GATES}) == len(GATES)
    assert all(g.question.endswith("?") for g in GATES)


def test_every_unrecorded_release_is_listed_in_the_order_of_its_plan() -> None:
    releases = tuple(Release(i, f"v0.0.{i}", i == 3, False) for i in range(1, 5))
    plans = tuple(f"v0.0.{i}" for i in range(1, 6))
    facts = observation().with_home(plans=plans, releases=releases, ledger=("v0.0.2",))
    assert missing_evidence(facts) == ("v0.0.1", "v0.0.4")


def test_the_configured_checks_of_home_are_the_ones_that_must_be_required() -> None:
    other = replace(CONFIG, repos=tuple(replace(r, checks=()) if r.id == "distribution" else r for r in CONFIG.repos))
    found = evaluate(replace(home(rules=replace(RULES, checks=())), config=other))
    assert findings(found, "HOME_PROTECTED") == [("studio/distribution", "PASS")]
