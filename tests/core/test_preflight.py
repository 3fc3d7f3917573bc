"""Every question of `preflight` with facts that pass, that fail and that are not known; and how the command ends."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.world import CONFIG, NOW, PRODUCT, observation
from ms_release.core.model import Finding
from ms_release.core.preflight import QUESTIONS, evaluate, exit_code, moment
from ms_release.core.preflight_facts import Answer, Facts, Machine, Token, WorkflowSeen
from ms_release.core.preflight_setup import is_public_key
from ms_release.core.rights import RIGHTS, Need, declared, needs
from ms_release.core.workflow import Workflow, parse
from ms_release.render.preflight import preflight_text

PUBLISH = b"""
on: { workflow_dispatch: { inputs: { tag: { required: true }, plan: {}, seal: {} } } }
jobs: { promote: { environment: release, runs-on: x, steps: [{ run: "true" }] } }
"""
CI = b"""
on: [push, pull_request]
jobs: { validate: { runs-on: x, steps: [{ run: "true" }] } }
"""
HOME = CONFIG.home(PRODUCT)
MACHINE = Machine((2, 43, 0), 1.5, {"/tmp": (1 << 40, 1 << 20)})
TOKEN = Token("classic", "alice", "2027-01-01 00:00:00 UTC", {"core": 5000, "graphql": 5000}, {}, True)


def workflow(data: bytes = PUBLISH) -> Workflow:
    return parse(data, "publish.yml")


def seen(data: bytes = PUBLISH, **changes: Any) -> WorkflowSeen:
    found = WorkflowSeen(HOME.slug, "publish.yml", "active", ("tag", "plan", "seal"), workflow(data))
    return replace(found, **changes)


def facts(**changes: Any) -> Facts:
    answers = tuple(Answer(need, True) for need in needs(CONFIG, PRODUCT, reviewer=False))
    usual: dict[str, Any] = {
        "config": CONFIG, "product": PRODUCT, "config_blob": observation().home.config_blob, "now": NOW,
        "token": TOKEN, "answers": answers, "workflows": (seen(),), "ci": (workflow(CI),), "home": observation(),
        "members": {}, "machine": MACHINE,
    }  # fmt: skip
    return Facts(**{**usual, **changes})


def outcomes(made: Facts, code: str) -> list[str]:
    return [f.outcome for f in evaluate(made) if f.code == code]


def test_when_everything_is_well_nothing_blocks() -> None:
    found = evaluate(facts())
    assert [f for f in found if f.blocks] == []
    assert exit_code(found) == 0


def need(permission: str, slug: str = HOME.slug) -> Need:
    return next(n for n in needs(CONFIG, PRODUCT, reviewer=True) if (n.right.permission, n.slug) == (permission, slug))


def lacks(permission: str, allowed: bool | None, sso: str = "") -> Facts:
    return facts(answers=(Answer(need(permission), allowed, "", sso),))


def with_token(**changes: Any) -> Facts:
    return facts(token=replace(TOKEN, **changes))


def reviewed_by(*who: str, members: dict[str, Any] | None = None) -> Facts:
    home = observation()
    assert home.home.environment is not None
    environment = replace(home.home.environment, reviewers=who)
    return facts(home=home.with_home(environment=environment), members=members or {})


@pytest.mark.parametrize(
    ("made", "code", "outcome"),
    [
        (facts(machine=replace(MACHINE, git=None)), "GIT", "FAIL"),
        (facts(machine=replace(MACHINE, git=(2, 29, 9))), "GIT", "FAIL"),
        (facts(machine=replace(MACHINE, git=(2, 30))), "GIT", "PASS"),
        (facts(machine=replace(MACHINE, skew=86_400.0)), "CLOCK", "FAIL"),
        (facts(machine=replace(MACHINE, skew=-86_400.0)), "CLOCK", "FAIL"),
        (facts(machine=replace(MACHINE, skew=-299.0)), "CLOCK", "PASS"),
        (facts(machine=replace(MACHINE, disk={"/tmp": (1, 2)})), "DISK", "FAIL"),
        (with_token(expires=""), "TOKEN", "PASS"),
        (with_token(expires="2026-01-10 12:00:00 UTC"), "TOKEN", "FAIL"),
        (with_token(expires="2026-01-01 12:00:00 UTC"), "TOKEN", "FAIL"),
        (with_token(expires="soon"), "TOKEN", "UNKNOWN"),
        (with_token(left={"core": 3}), "RATE", "FAIL"),
        (with_token(left={}), "RATE", "NOT_APPLICABLE"),
        (with_token(may_push=False), "MERGE", "FAIL"),
        (with_token(may_push=None), "MERGE", "NOT_APPLICABLE"),
        (with_token(may_push=False, kind="app"), "MERGE", "PASS"),
        (with_token(kind="workflow"), "CI_FOR_PULLS", "FAIL"),
        (facts(ci=None), "CI_FOR_PULLS", "UNKNOWN"),
        (facts(ci=()), "CI_FOR_PULLS", "FAIL"),
        (facts(ci=(workflow(CI.replace(b"validate", b"lint")),)), "CI_FOR_PULLS", "FAIL"),
        (lacks("contents", False), "PERMISSION", "FAIL"),
        (lacks("contents", None), "PERMISSION", "UNKNOWN"),
        (lacks("workflows", None), "PERMISSION", "NOT_APPLICABLE"),
        (lacks("workflows", False), "PERMISSION", "FAIL"),
        (lacks("contents", None, "https://github.com/sso"), "SSO", "FAIL"),
        (facts(home=None), "ENVIRONMENT", "UNKNOWN"),
        (facts(workflows=(seen(state=None, parsed=None),)), "WORKFLOW", "UNKNOWN"),
        (facts(workflows=(seen(state="", parsed=None),)), "WORKFLOW", "FAIL"),
        (facts(workflows=(seen(state="disabled_inactivity"),)), "WORKFLOW", "FAIL"),
        (facts(workflows=(seen(PUBLISH.replace(b"release", b"relaese")),)), "PUBLISHING_JOB", "FAIL"),
        (facts(workflows=(seen(parsed=None),)), "PUBLISHING_JOB", "NOT_APPLICABLE"),
        (reviewed_by("bob"), "REVIEWERS", "PASS"),
        (reviewed_by("alice"), "REVIEWERS", "FAIL"),
        (reviewed_by("o/team", members={"o/team": ()}), "REVIEWERS", "FAIL"),
        (reviewed_by("o/team", members={"o/team": ("alice",)}), "REVIEWERS", "FAIL"),
        (reviewed_by("o/team", members={"o/team": ("alice", "bob")}), "REVIEWERS", "PASS"),
        (reviewed_by("o/team", "bob", members={"o/team": None}), "REVIEWERS", "PASS"),
        (reviewed_by("o/team", members={"o/team": None}), "REVIEWERS", "NOT_APPLICABLE"),
    ],
)  # fmt: skip
def test_one_fact_that_is_otherwise(made: Facts, code: str, outcome: str) -> None:
    assert outcome in outcomes(made, code)
    if outcome in ("FAIL", "UNKNOWN"):
        assert all(f.remedy for f in evaluate(made) if f.code == code and f.blocks), "every failure has its fix"


@pytest.mark.parametrize(
    ("key", "good"), [("A" * 43 + "=", True), ("", False), ("A" * 42, False), ("no key", False), ("AAAA", False)]
)
def test_a_public_key(key: str, good: bool) -> None:
    assert is_public_key(key) == good
    policy = replace(CONFIG.policy, manifest_key=key)
    made = facts(config=replace(CONFIG, policy=policy))
    assert outcomes(made, "SIGNING_KEY")[0] == ("PASS" if good else "FAIL")


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 0), (["PERMISSION"], 5), (["ENVIRONMENT"], 3), (["DISK"], 6), (["DISK", "AUDIT"], 3), (["GIT", "SSO"], 5)],
)
def test_how_it_ends(codes: list[str], code: int) -> None:
    assert exit_code(tuple(Finding(one, "x", "FAIL") for one in codes)) == code
    assert exit_code(tuple(Finding(one, "x", "NOT_APPLICABLE") for one in codes)) == 0


def test_the_end_of_a_token_in_both_forms() -> None:
    assert moment("2026-12-01 08:00:00 UTC") == moment("2026-12-01 10:00:00 +0200")
    assert moment("tomorrow") is None


@pytest.mark.parametrize("right", RIGHTS, ids=lambda r: f"{r.permission} {r.level} {r.where}")
def test_a_token_that_says_what_it_may(right: Any) -> None:
    wanted, name = Need(right, "o/r"), right.permission

    def told(private: bool = True, role: str = "write", scopes: str | None = None, **granted: str) -> bool | None:
        return declared(wanted, granted=granted if scopes is None else None, scopes=scopes, role=role, private=private)

    assert told(**{name: right.level})
    assert told(**{name: "write"})
    assert not told()
    assert told(private=False) == (right.level == "read"), "what is public is everybody's to read"
    assert (told(**{name: "read"}), right.level) in ((True, "read"), (False, "write"))
    assert told(scopes="repo, workflow")
    assert told(scopes="repo") == (name != "workflows")
    assert not told(scopes="read:org")
    personal = name in ("pull_requests", "deployments", "workflows")
    assert told(scopes="repo, workflow", role="read") == (right.level == "read" or personal)
    assert told(scopes="public_repo, workflow", private=False)


def test_a_token_that_says_nothing_is_unknown() -> None:
    assert all(declared(Need(r, "o/r"), granted=None, scopes=None, role="admin", private=True) is None for r in RIGHTS)


def test_each_permission_is_needed_once_and_at_its_higher_level() -> None:
    wanted = needs(CONFIG, PRODUCT, reviewer=True)
    assert len({(n.right.permission, n.slug) for n in wanted}) == len(wanted)
    at_home = {n.right.permission: n.right.level for n in wanted if n.slug == HOME.slug}
    assert at_home == {
        "contents": "write", "pull_requests": "write", "actions": "write", "checks": "read", "workflows": "write",
        "deployments": "write",
    }  # fmt: skip
    assert "deployments" not in {n.right.permission for n in needs(CONFIG, PRODUCT, reviewer=False)}


def test_every_question_has_something_to_say() -> None:
    assert all(list(question.judge(facts())) for question in QUESTIONS)


def test_hostile_text_is_shown_harmless_and_within_eighty_columns() -> None:
    odd = Finding("WORKFLOW", "o/r \x1b[31m\u202e", "FAIL", "word " * 60, "fix " * 40)
    text = preflight_text([odd, Finding("GIT", "git", "PASS")])
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
