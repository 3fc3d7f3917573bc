"""Which protections apply to a reference, and what is left of them for one actor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ms_release.forge import auth
from ms_release.forge.checks import app_id
from ms_release.forge.rules import Check, Layer
from ms_release.forge.state import Forge

Body = dict[str, Any]

ROLE_IDS = {2: "maintain", 4: "write", 5: "admin"}
"""Numbers of the repository roles in a ruleset's bypass list."""


def layers(forge: Forge, who: auth.Identity, repo: str, ref: str, merging: bool = False) -> tuple[Layer, ...]:
    """What classic protection and the active rulesets demand of an actor on a reference (`refs/heads/main`).

    `merging`: the change comes from a pull request, so that bypass mode `pull_request` counts.
    """
    found: list[Layer] = []
    if ref.startswith("refs/heads/"):
        classic = forge.store.get("protection", f"{repo}:{ref.removeprefix('refs/heads/')}")
        if classic is not None:
            found.append(_classic(forge, who, repo, classic))
    if ref.startswith("refs/tags/"):
        tag = ref.removeprefix("refs/tags/")
        if forge.store.find("release", repo, tag_name=tag, draft=False, immutable=True):
            found.append(Layer("immutable release", no_update=True, no_delete=True))  # no one is let past it (G36)
    for ruleset in rulesets_for(forge, repo, ref):
        modes = ("always", "exempt", "pull_request") if merging else ("always", "exempt")
        if bypass_mode(forge, who, repo, ruleset) not in modes:
            found.append(_ruleset(ruleset))
    return tuple(found)


def is_protected(forge: Forge, repo: str, branch: str) -> bool:
    """Whether anything protects a branch, by whichever layer."""
    ref = f"refs/heads/{branch}"
    return forge.store.get("protection", f"{repo}:{branch}") is not None or bool(rulesets_for(forge, repo, ref))


def rulesets_of(forge: Forge, repo: str, with_parents: bool = True) -> list[Body]:
    """The rulesets of a repository and, unless told otherwise, those of its organisation that take it in."""
    owner, name = repo.split("/")
    return [
        body
        for body in forge.store.find("ruleset")
        if body.get("repo") == repo or (with_parents and body.get("org") == owner and _takes(body, name))
    ]


def rulesets_for(forge: Forge, repo: str, ref: str) -> list[Body]:
    """The active rulesets that apply to a reference."""
    default = "refs/heads/" + str((forge.store.get("repo", repo) or {}).get("default_branch", "main"))
    target = "branch" if ref.startswith("refs/heads/") else "tag"
    return [
        body
        for body in rulesets_of(forge, repo)
        if body["enforcement"] == "active" and body["target"] == target and _covers(body, ref, default)
    ]


def bypass_mode(forge: Forge, who: auth.Identity, repo: str, ruleset: Body) -> str:
    """How an actor may bypass a ruleset: always, exempt, pull_request or never."""
    for actor in ruleset.get("bypass_actors", []):
        if _is_actor(forge, who, repo, actor):
            return str(actor["bypass_mode"])
    return "never"


def may_write(forge: Forge, who: auth.Identity, ruleset: Body) -> bool:
    """Whether somebody may change a ruleset, and so see who may bypass it (G40)."""
    if ruleset.get("repo"):
        return auth.allowed(forge, who, ruleset["repo"], "administration", "write")
    return auth.allowed_org(forge, who, ruleset["org"], "write")


def _is_actor(forge: Forge, who: auth.Identity, repo: str, actor: Mapping[str, Any]) -> bool:
    kind, number = actor["actor_type"], actor["actor_id"]
    if kind == "Integration":
        return who.app is not None and app_id(forge, who.app) == number
    if who.app is not None:
        return False
    role = auth.role(forge, who, repo)
    if kind == "OrganizationAdmin":
        return role == "admin"
    if kind == "RepositoryRole":
        needed = ROLE_IDS.get(int(number))
        return role is not None and needed is not None and auth.ROLES.index(role) >= auth.ROLES.index(needed)
    if kind == "Team":
        return any(team["id"] == number and who.login in team["members"] for team in forge.store.find("team"))
    return False


def _takes(ruleset: Body, name: str) -> bool:
    wanted = ruleset["conditions"].get("repository_name")
    if wanted is None:
        return True
    return _matches(wanted["include"], name) and not _matches(wanted["exclude"], name)


def _covers(ruleset: Body, ref: str, default: str) -> bool:
    names = ruleset["conditions"]["ref_name"]
    include = [default if name == "~DEFAULT_BRANCH" else name for name in names["include"]]
    exclude = [default if name == "~DEFAULT_BRANCH" else name for name in names["exclude"]]
    return _matches(include, ref) and not _matches(exclude, ref)


def _matches(patterns: list[str], name: str) -> bool:
    return any(pattern == "~ALL" or _pattern(pattern).fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    """A ruleset's pattern as a regular expression: `*` stops at a slash, `**/` does not (Ruby's File.fnmatch)."""
    marks = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    return re.compile("".join(marks.get(part, re.escape(part)) for part in parts))


def _classic(forge: Forge, who: auth.Identity, repo: str, body: Body) -> Layer:
    # "Rules applied to everyone including administrators": these two hold even where admins are not included.
    force = body.get("allow_force_pushes") or _is_named(forge, who, repo, body.get("bypass_force_push_allowances"))
    everyone = Layer("classic", no_force=not force, no_delete=not body.get("allow_deletions"))
    if not body["enforce_admins"] and auth.role(forge, who, repo) == "admin":
        return everyone
    checks = body["required_status_checks"] or {}
    reviews = body["required_pull_request_reviews"]
    if reviews is not None and _is_named(forge, who, repo, reviews.get("bypass_pull_request_allowances")):
        reviews = None
    return replace(
        everyone,
        checks=tuple(Check(c["context"], c.get("app_id")) for c in checks.get("checks", [])),
        strict=bool(checks.get("strict")),
        reviews=None if reviews is None else int(reviews.get("required_approving_review_count") or 0),
        no_push=not _may_push(forge, who, repo, body["restrictions"]),
        linear=bool(body.get("required_linear_history")),
    )


def _may_push(forge: Forge, who: auth.Identity, repo: str, restrictions: Body | None) -> bool:
    return restrictions is None or _is_named(forge, who, repo, restrictions)


def _is_named(forge: Forge, who: auth.Identity, repo: str, actors: Body | None) -> bool:
    """Whether somebody is among the users, teams and apps of a list."""
    if actors is None:
        return False
    if who.app is not None:
        return who.app in actors.get("apps", [])
    org = repo.partition("/")[0]
    return who.login in actors.get("users", []) or any(
        auth.in_team(forge, who.login, f"{org}/{slug}") for slug in actors.get("teams", [])
    )


def _ruleset(body: Body) -> Layer:
    rules = {rule["type"]: rule.get("parameters") or {} for rule in body["rules"]}
    checks, pull = rules.get("required_status_checks", {}), rules.get("pull_request")
    return Layer(
        "ruleset",
        checks=tuple(Check(c["context"], c.get("integration_id")) for c in checks.get("required_status_checks", [])),
        checks_on_create=not checks.get("do_not_enforce_on_create", False),
        strict=bool(checks.get("strict_required_status_checks_policy")),
        reviews=None if pull is None else int(pull.get("required_approving_review_count") or 0),
        no_force="non_fast_forward" in rules,
        no_delete="deletion" in rules,
        no_create="creation" in rules,
        no_update="update" in rules,
        linear="required_linear_history" in rules,
        methods=tuple((pull or {}).get("allowed_merge_methods") or ()),
    )
