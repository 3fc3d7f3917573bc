"""Rulesets as GraphQL nodes: which rules bind a reference, and who is let past them (github-facts G40)."""

from __future__ import annotations

from typing import Any

from ms_release.forge import auth, protect
from ms_release.forge.graphql.page import Node, connection
from ms_release.forge.graphql.repository import find_team, make_organization
from ms_release.forge.graphql.world import Resolvers, World

_PULL = {
    "dismissStaleReviewsOnPush": ("dismiss_stale_reviews_on_push", False),
    "requireCodeOwnerReview": ("require_code_owner_review", False),
    "requireLastPushApproval": ("require_last_push_approval", False),
    "requiredApprovingReviewCount": ("required_approving_review_count", 0),
    "requiredReviewThreadResolution": ("required_review_thread_resolution", False),
}
_ROLE_NAMES = {1: "read", 2: "maintain", 3: "triage", 4: "write", 5: "admin"}


def _ruleset(repo: str, body: Node) -> Node:
    return {
        "__typename": "RepositoryRuleset",
        "_id": ("RRS", body["id"]),
        "_repo": repo,
        "_body": body,
        "databaseId": body["id"],
        "name": body["name"],
        "enforcement": body["enforcement"].upper(),
        "target": body["target"].upper(),
    }


def _rules_of_ref(ref: Node, world: World, **page: Any) -> Node:
    """What the active rulesets of repository and organisation demand of one branch or tag."""
    forge, repo = world.forge, ref["_repo"]
    found = protect.rulesets_for(forge, repo, f"{ref['prefix']}{ref['name']}")
    pairs = [(_ruleset(repo, body), rule) for body in found for rule in body["rules"]]
    return connection(pairs, lambda pair: _rule(*pair), page)


def _rule(ruleset: Node, rule: Node) -> Node:
    given = rule.get("parameters") or {}
    return {
        "_id": ("RRU", f"{ruleset['databaseId']}:{rule['type']}"),
        "type": rule["type"].upper(),
        "parameters": _parameters(rule["type"], given),
        "repositoryRuleset": ruleset,
    }


def _parameters(kind: str, given: Node) -> Node | None:
    if kind == "pull_request":
        values = {name: given.get(key, default) for name, (key, default) in _PULL.items()}
        methods = given.get("allowed_merge_methods") or ["merge", "squash", "rebase"]
        return {"__typename": "PullRequestParameters", "allowedMergeMethods": methods, **values}
    if kind == "required_status_checks":
        checks = [
            {"context": check["context"], "integrationId": check.get("integration_id")}
            for check in given.get("required_status_checks", ())
        ]
        return {
            "__typename": "RequiredStatusChecksParameters",
            "doNotEnforceOnCreate": bool(given.get("do_not_enforce_on_create")),
            "requiredStatusChecks": checks,
            "strictRequiredStatusChecksPolicy": bool(given.get("strict_required_status_checks_policy")),
        }
    return None


def _rulesets(
    repo: Node, world: World, include_parents: bool = True, targets: list[str] | None = None, **page: Any
) -> Node:
    full = repo["_repo"]
    found = protect.rulesets_of(world.forge, full, include_parents)
    chosen = [body for body in found if targets is None or body["target"].upper() in targets]
    return connection(chosen, lambda body: _ruleset(full, body), page)


def _rules(ruleset: Node, _world: World, type: str | None = None, **page: Any) -> Node:
    chosen = [rule for rule in ruleset["_body"]["rules"] if type in (None, rule["type"].upper())]
    return connection(chosen, lambda rule: _rule(ruleset, rule), page)


def _conditions(ruleset: Node, _world: World) -> Node:
    given = ruleset["_body"]["conditions"]
    names = given.get("repository_name")
    return {"refName": given.get("ref_name"), "repositoryName": names and {"protected": False, **names}}


def _source(ruleset: Node, world: World) -> Node:
    body = ruleset["_body"]
    if body.get("repo"):
        return {**world.repository(body["repo"]), "__typename": "Repository"}
    return make_organization(world, world.forge.store.get("org", body["org"]) or {"id": 0, "login": body["org"]})


def _bypass_actors(ruleset: Node, world: World, **page: Any) -> Node | None:
    """Null for everybody who may not write the ruleset (G40)."""
    if not protect.may_write(world.forge, world.identity, ruleset["_body"]):
        return None
    return connection(ruleset["_body"]["bypass_actors"], lambda actor: _bypass_actor(ruleset, world, actor), page)


def _bypass_actor(ruleset: Node, world: World, actor: Node) -> Node:
    kind, number = actor["actor_type"], actor.get("actor_id")
    role = number if kind == "RepositoryRole" else None
    mode = {"always": "ALWAYS", "pull_request": "PULL_REQUEST"}.get(actor["bypass_mode"])
    return {
        "_id": ("RBA", f"{ruleset['databaseId']}:{kind}:{number}"),
        "actor": _actor(world, kind, number),
        "bypassMode": mode,  # GitHub's schema has no word for `exempt`
        "deployKey": kind == "DeployKey",
        "enterpriseOwner": False,
        "organizationAdmin": kind == "OrganizationAdmin",
        "repositoryRoleDatabaseId": role,
        "repositoryRoleName": _ROLE_NAMES.get(role) if role else None,
        "repositoryRuleset": ruleset,
    }


def _actor(world: World, kind: str, number: int | None) -> Node | None:
    if kind == "Team":
        body = next(iter(world.forge.store.find("team", id=number)), None)
        return find_team(world, f"{body['org']}/{body['slug']}") if body else None
    if kind == "Integration":
        body = next(iter(world.forge.store.find("app", id=number)), None)
        return world.app(body["slug"]) if body else None
    return None


def _allowances(key: str, within: str = "") -> Any:
    def resolve(rule: Node, world: World, **page: Any) -> Node:
        holder = rule["_body"].get(within) or {} if within else rule["_body"]
        limits = holder.get(key) or {}
        actors = [
            *(world.user(login) for login in limits.get("users", ())),
            *(find_team(world, f"{rule['_org']}/{slug}") for slug in limits.get("teams", ())),
            *(world.app(slug) for slug in limits.get("apps", ())),
        ]  # None: one that the asker may not see is there all the same
        numbered = list(enumerate(actors))
        return connection(numbered, lambda pair: {"_id": ("PA", f"{key}:{pair[0]}"), "actor": pair[1]}, page)

    return resolve


RESOLVERS: Resolvers = {
    "Ref": {"rules": _rules_of_ref},
    "Repository": {
        "rulesets": _rulesets,
        "autoMergeAllowed": lambda repo, world: bool(world.repo_body(repo["_repo"]).get("allow_auto_merge")),
        "viewerCanAdminister": lambda repo, world: (
            world.role(repo["_repo"]) == "admin"
            and auth.allowed(world.forge, world.identity, repo["_repo"], "administration", "read")
        ),
    },
    "RepositoryRuleset": {
        "rules": _rules,
        "conditions": _conditions,
        "source": _source,
        "bypassActors": _bypass_actors,
    },
    "BranchProtectionRule": {
        "pushAllowances": _allowances("restrictions"),
        "bypassPullRequestAllowances": _allowances("bypass_pull_request_allowances", "required_pull_request_reviews"),
        "bypassForcePushAllowances": _allowances("bypass_force_push_allowances"),
    },
}
