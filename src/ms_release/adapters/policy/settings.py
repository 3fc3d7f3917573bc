"""Settings that only REST has: environments, immutable releases, workflow permissions, organisations' bypass lists."""

from __future__ import annotations

from msgspec import Struct

from ms_release.adapters.answers import Denied, Refused
from ms_release.adapters.http import Client
from ms_release.adapters.urls import segment
from ms_release.core.policy.facts import Actor, EnvironmentFacts

_ROLES = {1: "read", 2: "maintain", 3: "triage", 4: "write", 5: "admin"}


class Settings(Struct, frozen=True):
    """What a job's own token may when its workflow says nothing."""

    token_writes: bool
    actions_approve: bool


class _Workflow(Struct):
    default_workflow_permissions: str
    can_approve_pull_request_reviews: bool


class _Enabled(Struct):
    enabled: bool = False


class _Who(Struct):
    slug: str = ""
    login: str = ""


class _Reviewer(Struct):
    type: str
    reviewer: _Who


class _Rule(Struct):
    type: str
    wait_timer: int = 0
    reviewers: list[_Reviewer] = []
    prevent_self_review: bool | None = None


class _Policy(Struct):
    protected_branches: bool


class _Environment(Struct):
    protection_rules: list[_Rule] = []
    can_admins_bypass: bool | None = None
    deployment_branch_policy: _Policy | None = None


class _Pattern(Struct):
    name: str
    type: str = "branch"


class _Bypass(Struct):
    actor_type: str
    actor_id: int | None = None
    bypass_mode: str = "always"


class _Ruleset(Struct):
    bypass_actors: list[_Bypass] | None = None


class _Team(Struct):
    slug: str
    id: int


def read_settings(client: Client, slug: str) -> Settings | None:
    """Workflow permissions, which only administrators may read; None = this token may not (github-facts G42)."""
    try:
        found: _Workflow = client.get(f"/repos/{slug}/actions/permissions/workflow", decode=_Workflow).json
    except (Denied, Refused):
        return None
    return Settings(found.default_workflow_permissions != "read", found.can_approve_pull_request_reviews)


def read_immutable(client: Client, slug: str) -> bool | None:
    """Whether new releases are immutable, for a token that administers: 404 is then "no" (github-facts G37)."""
    try:
        return bool(client.get(f"/repos/{slug}/immutable-releases", decode=_Enabled).json.enabled)
    except Denied:
        return None
    except Refused as error:
        return False if error.status == 404 else None


def read_environments(
    client: Client, slug: str, names: tuple[str, ...], *, proven: bool
) -> dict[str, EnvironmentFacts | None]:
    """Environments by name; None = there is none (believed when `proven`), left out = not read (github-facts G9)."""
    found: dict[str, EnvironmentFacts | None] = {}
    for name in names:
        try:
            found[name] = _environment(client, f"/repos/{slug}/environments/{segment(name)}", slug)
        except Denied:
            continue
        except Refused as error:
            if proven and error.status == 404:
                found[name] = None
    return found


def _environment(client: Client, path: str, slug: str) -> EnvironmentFacts:
    seen: _Environment = client.get(path, decode=_Environment).json
    reviews = [rule for rule in seen.protection_rules if rule.type == "required_reviewers"]
    timers = [rule.wait_timer for rule in seen.protection_rules if rule.type == "wait_timer"]
    return EnvironmentFacts(
        tuple(sorted(_reviewer(slug, one) for rule in reviews for one in rule.reviewers)),
        bool(reviews) and all(rule.prevent_self_review for rule in reviews),
        max(timers, default=0),
        seen.can_admins_bypass,
        _branches(client, path, seen.deployment_branch_policy),
    )


def _reviewer(slug: str, one: _Reviewer) -> str:
    return f"{slug.partition('/')[0]}/{one.reviewer.slug}" if one.type == "Team" else one.reviewer.login


def _branches(client: Client, path: str, policy: _Policy | None) -> tuple[str, ...] | None:
    """Patterns of branches (tags as `tag NAME`) that may deploy; () = all, None = not read."""
    if policy is None:
        return ()
    if policy.protected_branches:
        return ("protected branches",)
    try:
        listed = client.pages(f"{path}/deployment-branch-policies", key="branch_policies", decode=_Pattern)
    except (Denied, Refused):
        return None
    return tuple(sorted(p.name if p.type == "branch" else f"tag {p.name}" for p in listed)) or ("no branch",)


def bypass_of(client: Client, org: str, number: int, apps: dict[int, str]) -> tuple[Actor, ...] | None:
    """Who goes past a ruleset of an organisation; None for everybody who does not own it (github-facts G40)."""
    try:
        found: _Ruleset = client.get(f"/orgs/{segment(org)}/rulesets/{number}", decode=_Ruleset).json
        if found.bypass_actors is None:
            return None
        teams = {a.actor_id for a in found.bypass_actors if a.actor_type == "Team"}
        names = {t.id: t.slug for t in client.pages(f"/orgs/{segment(org)}/teams", decode=_Team)} if teams else {}
    except (Denied, Refused):
        return None
    return tuple(sorted(_actor(one, names, apps) for one in found.bypass_actors))


def _actor(one: _Bypass, teams: dict[int, str], apps: dict[int, str]) -> Actor:
    number, limited = one.actor_id or 0, one.bypass_mode == "pull_request"
    match one.actor_type:
        case "Team":
            return Actor("team", teams.get(number, f"number {number}"), limited)
        case "RepositoryRole":
            return Actor("role", _ROLES.get(number, f"number {number}"), limited)
        case "OrganizationAdmin":
            return Actor("organisation owners", "", limited)
        case "Integration":
            return Actor("app", apps.get(number, f"number {number}"), limited)
        case other:
            return Actor(other, "", limited)
