"""The rules as a table: layers in, verdicts out. What only one layer more, or one actor less, decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ms_release.config import Config, Waiver, parse
from ms_release.core.policy.base import worst
from ms_release.core.policy.facts import Actor, EnvironmentFacts, Layer, RepoFacts, RequiredCheck, TagRules
from ms_release.core.policy.rules import BRANCH, RULES, judge
from policy.world import WORKFLOWS

CREW = Actor("team", "crew")
IN_PULLS = Actor("team", "crew", True)
TEST = RequiredCheck("test", "github-actions")
CLASSIC = Layer(
    "classic", checks=(TEST,), strict=True, pull_request=True, conversations=True, no_force_push=True,
    no_deletion=True, pushers=(CREW,),
)  # fmt: skip
MAIN = replace(CLASSIC, kind="repository", name="main", id=1, owner="o/r", pushers=None)
PUSHES = Layer("repository", "pushes", 2, "o/r", pushers=(IN_PULLS,), only_update=True, bypass=(IN_PULLS,))
NOBODY_SEES = replace(MAIN, bypass=None)
TAGS = TagRules("repository", "tags", 3, "o/r", ("refs/tags/v*",), (), True, True, ())
ENVIRONMENT = EnvironmentFacts(("o/managers",), True, 0, False, ("main",))
FACTS = RepoFacts(
    "o/r", "main", administers=True, layers=(CLASSIC,), auto_merge=False, token_writes=False, actions_approve=False,
    tags=(TAGS,), immutable=True, environments={"release": ENVIRONMENT}, workflows=WORKFLOWS,
)  # fmt: skip
TEXT = """
[config]
schema = 1
home = "o/r"
[[repo]]
id = "r"
url = "https://forge.example/o/r"
checks = [{ name = "test", app = "github-actions" }]
candidate = { workflow = "c.yml", visibility = "draft" }
[[product]]
id = "p"
kind = "content"
repos = ["r"]
home = "r"
environment = "release"
workflow = "publish.yml"
[policy]
manifest_key = ""
%s
[roles]
maintainers = "%s"
release_managers = "o/managers"
"""


def config(policy: str = "", maintainers: str = "o/crew") -> Config:
    return parse(TEXT % (policy, maintainers))


def said(facts: RepoFacts, settings: Config | None = None) -> dict[str, str]:
    """What is not PASS, by code."""
    used = settings or config()
    found = judge(used, used.repos[0], facts, "2026-03-01T00:00:00+00:00")
    return {v.code: v.outcome for v in found if v.outcome not in ("PASS", "NOT_APPLICABLE")}


def layers(*found: Layer, **more: Any) -> RepoFacts:
    return replace(FACTS, layers=found, **more)


ROLE = Actor("role", "admin")
LINT = RequiredCheck("lint", "github-actions")
LOOSE = replace(MAIN, id=9, checks=(), strict=False, pull_request=False, conversations=False, bypass=(ROLE,))
REPO_RULES: dict[str, tuple[RepoFacts, dict[str, str]]] = {
    "classic": (layers(CLASSIC), {}),
    "rulesets": (layers(MAIN, PUSHES), {}),
    "both": (layers(CLASSIC, MAIN, PUSHES), {}),
    "one carries a part each": (
        layers(replace(CLASSIC, strict=False), replace(LOOSE, bypass=(), checks=(LINT,), strict=True)), {}
    ),
    "strict without a check": (
        layers(replace(CLASSIC, strict=False), replace(LOOSE, strict=True, bypass=())), {"CHECKS_STRICT": "FAIL"}
    ),
    "another check is firm": (
        layers(replace(CLASSIC, checks=(LINT,)), replace(LOOSE, checks=(RequiredCheck("test"),))),
        {"CHECKS_BOUND": "FAIL", "NO_BYPASS": "FAIL"},
    ),
    "its app is told where somebody goes past": (
        layers(replace(CLASSIC, checks=(RequiredCheck("test"),)), replace(LOOSE, checks=(TEST,))), {"NO_BYPASS": "FAIL"}
    ),
    "bypassed in a layer that is not needed": (layers(CLASSIC, replace(MAIN, bypass=(ROLE,))), {}),
    "admins exempt in a layer that is not needed": (layers(replace(CLASSIC, admins=False), MAIN, PUSHES), {}),
    "admins exempt, pushes limited by it alone": (
        layers(replace(CLASSIC, admins=False), MAIN), {"ADMINS_INCLUDED": "FAIL"}
    ),
    "admins push past the only layer that names the right ones": (
        layers(replace(CLASSIC, admins=False), MAIN, replace(PUSHES, bypass=(), pushers=())),
        {"ADMINS_INCLUDED": "FAIL", "PUSH_LIMITED": "FAIL"},
    ),
    "exempt in one layer, bypassed in the other": (
        layers(replace(CLASSIC, admins=False), replace(MAIN, bypass=(ROLE,)), PUSHES), {"ADMINS_INCLUDED": "FAIL"}
    ),
    "classic hidden, rulesets suffice": (layers(MAIN, PUSHES, administers=False), {}),
    "classic hidden, a ruleset lacks deletion": (
        layers(replace(MAIN, no_deletion=False), PUSHES, administers=False),
        {"NO_DELETION": "UNKNOWN", "ADMINS_INCLUDED": "UNKNOWN", "NO_BYPASS": "UNKNOWN"},
    ),
    "bypass list hidden": (layers(NOBODY_SEES, PUSHES), {"NO_BYPASS": "UNKNOWN"}),
    "bypass list hidden where another layer is firm": (layers(CLASSIC, NOBODY_SEES), {}),
    "push list hidden": (layers(MAIN, replace(PUSHES, bypass=None, pushers=())), {"PUSH_LIMITED": "UNKNOWN"}),
    "update with other rules": (
        layers(MAIN, replace(PUSHES, only_update=False, no_deletion=True)), {"PUSH_LIMITED": "FAIL"}
    ),
    "nobody may push": (layers(MAIN, replace(PUSHES, bypass=(), pushers=())), {"PUSH_LIMITED": "FAIL"}),
    "somebody hidden may push": (
        layers(replace(CLASSIC, pushers=(CREW, Actor("somebody hidden")))), {"PUSH_LIMITED": "FAIL"}
    ),
    "auto-merge unread": (replace(FACTS, auto_merge=None), {"AUTO_MERGE": "UNKNOWN"}),
    "settings unread": (
        replace(FACTS, token_writes=None, actions_approve=None),
        {"WORKFLOW_TOKEN_READ": "UNKNOWN", "ACTIONS_MAY_NOT_APPROVE": "UNKNOWN"},
    ),
    "no branch": (replace(FACTS, branch_exists=False), {"REPOSITORY": "FAIL"}),
    "no repository": (replace(FACTS, problem="it cannot be read"), {"REPOSITORY": "UNKNOWN"}),
    "tags unread": (replace(FACTS, tags=None), {"TAGS_NO_UPDATE": "UNKNOWN", "TAGS_NO_DELETION": "UNKNOWN"}),
    "tags of another pattern": (
        replace(FACTS, tags=(replace(TAGS, include=("refs/tags/rc-*",)),)),
        {"TAGS_NO_UPDATE": "FAIL", "TAGS_NO_DELETION": "FAIL"},
    ),
    "some tags left out": (
        replace(FACTS, tags=(replace(TAGS, exclude=("refs/tags/v0.*",)),)),
        {"TAGS_NO_UPDATE": "FAIL", "TAGS_NO_DELETION": "FAIL"},
    ),
    "other tags left out": (replace(FACTS, tags=(replace(TAGS, include=("~ALL",), exclude=("refs/tags/rc-*",)),)), {}),
    "any tag left out": (
        replace(FACTS, tags=(replace(TAGS, include=("~ALL",), exclude=("refs/tags/*",)),)),
        {"TAGS_NO_UPDATE": "FAIL", "TAGS_NO_DELETION": "FAIL"},
    ),
    "tag bypass unread": (
        replace(FACTS, tags=(replace(TAGS, bypass=None),)), {"TAGS_NO_UPDATE": "UNKNOWN", "TAGS_NO_DELETION": "UNKNOWN"}
    ),
    "tags may move": (replace(FACTS, tags=(replace(TAGS, no_update=False),)), {"TAGS_NO_UPDATE": "FAIL"}),
    "tags may be deleted": (replace(FACTS, tags=(replace(TAGS, no_deletion=False),)), {"TAGS_NO_DELETION": "FAIL"}),
    "somebody goes past the tags": (
        replace(FACTS, tags=(replace(TAGS, bypass=(ROLE,)),)), {"TAGS_NO_UPDATE": "FAIL", "TAGS_NO_DELETION": "FAIL"}
    ),
    "immutability unread": (replace(FACTS, immutable=None), {"IMMUTABLE_RELEASES": "UNKNOWN"}),
    "environment unread": (replace(FACTS, environments={}), {"ENVIRONMENT": "UNKNOWN"}),
    "admin bypass not told": (
        replace(FACTS, environments={"release": replace(ENVIRONMENT, admins_bypass=None)}),
        {"ENVIRONMENT_NO_BYPASS": "UNKNOWN"},
    ),
    "branches unread": (
        replace(FACTS, environments={"release": replace(ENVIRONMENT, branches=None)}),
        {"ENVIRONMENT_BRANCHES": "UNKNOWN"},
    ),
    "one reviewer more": (
        replace(FACTS, environments={"release": replace(ENVIRONMENT, reviewers=("mia", "o/managers"))}),
        {"ENVIRONMENT_REVIEWERS": "FAIL"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPO_RULES)
def test_state(name: str) -> None:
    facts, expected = REPO_RULES[name]
    assert said(facts) == expected
    used = config()
    spoken = {v.code for v in judge(used, used.repos[0], facts, "2026-03-01T00:00:00+00:00")}
    assert spoken == {"REPOSITORY"} or spoken >= set(BRANCH), "a rule that says nothing would be a rule that holds"


@pytest.mark.parametrize(
    ("policy", "facts", "expected"),
    [
        ("approvals = 2", layers(replace(CLASSIC, approvals=1)), {"APPROVALS": "FAIL"}),
        ("approvals = 2", layers(replace(CLASSIC, approvals=2)), {}),
        ("approvals = 2", layers(CLASSIC, replace(MAIN, approvals=2, bypass=(ROLE,))), {"NO_BYPASS": "FAIL"}),
        ("approvals = 1", layers(MAIN, PUSHES, administers=False),
         {"APPROVALS": "UNKNOWN", "ADMINS_INCLUDED": "UNKNOWN", "NO_BYPASS": "UNKNOWN"}),
        ("wait_timer = 10", FACTS, {"ENVIRONMENT_WAIT_TIMER": "FAIL"}),
        ("auto_merge = true", FACTS, {"AUTO_MERGE": "FAIL"}),
        ("immutable_releases = false", replace(FACTS, immutable=False), {}),
        ('tags = ["v*", "fw-*"]', FACTS, {"TAGS_NO_UPDATE": "FAIL", "TAGS_NO_DELETION": "FAIL"}),
        ('push_app = "robot"', FACTS, {"PUSH_LIMITED": "FAIL"}),
        ('push_app = "robot"', layers(replace(CLASSIC, pushers=(Actor("app", "robot"), CREW))), {}),
    ],
)  # fmt: skip
def test_what_the_configuration_wants(policy: str, facts: RepoFacts, expected: dict[str, str]) -> None:
    assert said(facts, config(policy)) == expected


def test_maintainers_may_be_one_person() -> None:
    alone = layers(replace(CLASSIC, pushers=(Actor("user", "mia"),)))
    assert said(alone, config(maintainers="mia")) == {}
    assert said(FACTS, config(maintainers="mia")) == {"PUSH_LIMITED": "FAIL"}
    assert said(FACTS, config(maintainers="elsewhere/crew")) == {}, (
        "the team of that name in the repository's own organisation"
    )


def test_every_rule_speaks() -> None:
    """A rule that says nothing about a repository would be a rule that holds."""
    used = config()
    spoken = {v.code for v in judge(used, used.repos[0], FACTS, "2026-03-01T00:00:00+00:00")}
    assert spoken == {rule.code for rule in RULES}


def test_only_failures_are_waived() -> None:
    waivers = tuple(Waiver(code, "r", "why", "olga", "2026-03-01") for code in ("SELF_APPROVAL", "IMMUTABLE_RELEASES"))
    used = replace(config(), waivers=waivers)
    facts = replace(FACTS, immutable=None, environments={"release": replace(ENVIRONMENT, prevent_self_review=False)})
    found = {v.code: v for v in judge(used, used.repos[0], facts, "2026-03-01T00:00:00+00:00")}
    assert (found["SELF_APPROVAL"].blocks, found["IMMUTABLE_RELEASES"].blocks) == (False, True)
    assert worst(found.values()) == "UNKNOWN"


PUBLISH = WORKFLOWS["publish.yml"]


@pytest.mark.parametrize(
    ("workflows", "expected"),
    [
        (WORKFLOWS, {}),
        ({**WORKFLOWS, "publish.yml": PUBLISH.replace(b"progress: false", b"progress: true")}, {"WIRE_GROUP": "FAIL"}),
        ({**WORKFLOWS, "ci.yml": b"on: push\njobs: {a: {permissions: {}, steps: [{uses: a/b@v1}]}}"},
         {"WIRE_PINS": "FAIL"}),
        ({**WORKFLOWS, "odd.yml": b"{"}, {"WIRE_FILE": "UNKNOWN"}),
        ({**WORKFLOWS, "odd.yml": None}, {"WIRE_FILE": "UNKNOWN"}),
        ({"c.yml": WORKFLOWS["c.yml"]}, {"WIRE_FILE": "FAIL"}),
        ({}, {"WIRE_FILE": "FAIL"}),
    ],
)  # fmt: skip
def test_workflow_files_are_rules_too(workflows: dict[str, bytes | None], expected: dict[str, str]) -> None:
    assert said(replace(FACTS, workflows=workflows)) == expected


def test_workflow_files_that_nobody_may_read_are_unknown() -> None:
    found = said(replace(FACTS, workflows=None))
    assert (len(found), set(found.values())) == (13, {"UNKNOWN"})


ANY = RequiredCheck("test")
OWNERS = Actor("organisation owners")
TOLD: dict[str, RepoFacts] = {
    "nothing": layers(inactive=("ruleset “old”",)),
    "hidden": layers(PUSHES, administers=False),
    "another check": layers(replace(CLASSIC, checks=(LINT,))),
    "another check in a ruleset": layers(replace(MAIN, checks=(LINT,)), PUSHES),
    "any app": layers(replace(CLASSIC, checks=(ANY, LINT)), replace(LOOSE, bypass=())),
    "any app, hidden": layers(replace(MAIN, checks=(ANY,)), PUSHES, administers=False),
    "admins": layers(replace(CLASSIC, admins=False)),
    "role past": layers(replace(MAIN, bypass=(ROLE, OWNERS)), PUSHES),
    "org hidden": layers(replace(MAIN, kind="organisation", owner="o", bypass=None), PUSHES),
    "list hidden": layers(NOBODY_SEES, PUSHES),
    "lists hidden in both": layers(
        replace(NOBODY_SEES, checks=()), replace(NOBODY_SEES, kind="organisation", owner="o", id=6), PUSHES
    ),
    "push list hidden": layers(MAIN, replace(PUSHES, bypass=None, pushers=())),
    "past pulls": layers(replace(CLASSIC, bypass=(Actor("user", "carol"),), force_bypass=(Actor("user", "eve"),))),
    "pushes contradict": layers(
        CLASSIC, replace(PUSHES, bypass=(ROLE,), pushers=(ROLE,)),
        replace(MAIN, pushers=(IN_PULLS,), bypass=(IN_PULLS,), id=5)
    ),
    "pushes hidden": layers(MAIN, replace(PUSHES, kind="organisation", owner="o", bypass=None, pushers=())),
    "rulesets": layers(replace(MAIN, approvals=1), PUSHES),
}  # fmt: skip


def words(facts: RepoFacts) -> list[str]:
    """Every verdict about the branch as one line; of those that hold, only where they stand in rulesets."""
    used = config("approvals = 1")
    found = judge(used, used.repos[0], facts, "2026-03-01T00:00:00+00:00")
    shown = [v for v in found if v.code in BRANCH and (v.outcome != "PASS" or facts is TOLD["rulesets"])]
    return [
        " | ".join((f"{v.outcome} {v.code}", v.is_, v.should, v.source, *filter(None, [v.permission]))) for v in shown
    ]


@pytest.mark.parametrize("name", TOLD)
def test_words(name: str) -> None:
    """What is, what should be, where it was read, and the permission that is missing: exactly as people read it."""
    whole = (Path(__file__).with_name("policy_words.txt")).read_text(encoding="utf-8")
    expected = whole.partition(f"# {name}\n")[2].partition("\n#")[0].splitlines()
    assert words(TOLD[name]) == expected


def test_one_check_of_two_is_bound() -> None:
    two = parse((TEXT % ("", "o/crew")).replace("checks = [", 'checks = [{ name = "lint", app = "github-actions" }, '))
    bound = layers(replace(CLASSIC, checks=(TEST, RequiredCheck("lint"))))
    assert said(bound, two) == {"CHECKS_BOUND": "FAIL"}
    assert said(layers(CLASSIC), two) == {"CHECKS_REQUIRED": "FAIL"}
    assert said(layers(replace(CLASSIC, checks=(TEST, LINT))), two) == {}


def test_no_approval_is_wanted() -> None:
    used = config()
    found = [v for v in judge(used, used.repos[0], FACTS, "2026-03-01T00:00:00+00:00") if v.code == "APPROVALS"]
    assert [v.outcome for v in found] == ["NOT_APPLICABLE"]


@pytest.mark.parametrize(
    ("kind", "permission"),
    [("repository", "administration: write"), ("organisation", "organization_administration: read")],
)
def test_whose_list_of_a_tag_ruleset_is_hidden(kind: Any, permission: str) -> None:
    used, facts = config(), replace(FACTS, tags=(replace(TAGS, kind=kind, bypass=None),))
    found = judge(used, used.repos[0], facts, "2026-03-01T00:00:00+00:00")
    assert {v.permission for v in found if v.code.startswith("TAGS")} == {permission}
