"""Repositories, organisations, teams, environments and branch protection as GraphQL nodes."""

from __future__ import annotations

from typing import Any

from ms_release.forge.auth import ACTIONS_APP
from ms_release.forge.graphql.git import find_object, find_ref, list_refs
from ms_release.forge.graphql.page import GraphRefusal, Node, connection
from ms_release.forge.graphql.world import Resolvers, World


def _repository(world: World, owner: str, name: str) -> Node:
    return world.repository(f"{owner}/{name}")


def _viewer(world: World) -> Node:
    found = world.user(world.identity.login)
    if found is None:
        raise GraphRefusal("NOT_FOUND", f"Could not resolve to a User with the login of '{world.identity.login}'.")
    return found


def _default_branch(repo: Node, world: World) -> Node | None:
    branch = world.repo_body(repo["_repo"])["default_branch"]
    return find_ref(world, repo["_repo"], f"refs/heads/{branch}")


# ---- organisations and teams


def _organization(world: World, login: str) -> Node:
    body = world.forge.store.get("org", login)
    if body is None:
        raise GraphRefusal("NOT_FOUND", f"Could not resolve to an Organization with the login of '{login}'.")
    return make_organization(world, body)


def make_organization(world: World, body: Node) -> Node:
    """An organisation as a node."""
    head = {"__typename": "Organization", "_id": ("O", body["id"]), "databaseId": body["id"], "login": body["login"]}
    return {**head, "name": body.get("name"), "url": f"{world.base}/{body['login']}"}


def owner_of(repo: Node, world: World) -> Node:
    """The organisation or person that a repository belongs to."""
    owner = repo["_owner"]
    body = world.forge.store.get("org", owner)
    found = make_organization(world, body) if body else world.user(owner)
    if found is None:
        raise GraphRefusal("NOT_FOUND", f"Could not resolve to a User with the login of '{owner}'.")
    return found


def _team(organization: Node, world: World, slug: str) -> Node | None:
    return find_team(world, f"{organization['login']}/{slug}")


def find_team(world: World, name: str) -> Node | None:
    """The team "org/slug" as a node; only people of the organisation's teams, and apps, may see one."""
    body = world.forge.store.get("team", name)
    if body is None or not _sees_teams(world, body["org"]):
        return None
    head = {"__typename": "Team", "_id": ("T", body["id"]), "databaseId": body["id"], "_body": body}
    url = f"{world.base}/orgs/{body['org']}/teams/{body['slug']}"
    return {**head, "slug": body["slug"], "name": body["name"], "url": url}


def _sees_teams(world: World, org: str) -> bool:
    """Repository tokens of jobs see no team; owners do, and who is in a team or has access to a repository there."""
    identity = world.identity
    if identity.kind == "workflow":
        return False
    if identity.kind == "installation":
        return (identity.permissions or {}).get("members", "none") != "none"
    if identity.login in (world.forge.store.get("org", org) or {}).get("owners", ()):
        return True
    if any(identity.login in team["members"] for team in world.forge.store.find("team", org=org)):
        return True
    repos = (repo for repo in world.forge.store.find("repo") if repo["full_name"].startswith(f"{org}/"))
    return any(identity.login in repo["access"] for repo in repos)


def _members(team: Node, world: World, **page: Any) -> Node:
    return connection(team["_body"]["members"], world.user, page)


def _team_organization(team: Node, world: World) -> Node:
    return _organization(world, team["_body"]["org"])


# ---- environments


def _environment(repo: Node, world: World, name: str) -> Node | None:
    full = repo["_repo"]
    if not world.may(full, "actions", "read"):
        raise world.forbid("Environment")
    body = world.forge.store.get("environment", f"{full}:{name}")
    if body is None:
        return None
    head = {"_id": ("EN", body["id"]), "databaseId": body["id"], "name": body["name"]}
    return {**head, "_rules": list(_environment_rules(body))}


def _environment_rules(body: Node) -> list[Node]:
    number = int(body["id"]) * 10
    plain: Node = {"timeout": 0, "preventSelfReview": None, "_reviewers": []}
    rules: list[Node] = []
    if body["wait_timer"]:
        rules.append({**plain, "databaseId": number, "type": "WAIT_TIMER", "timeout": body["wait_timer"]})
    if body["reviewers"]:
        review = {"preventSelfReview": body["prevent_self_review"], "_reviewers": body["reviewers"]}
        rules.append({**plain, "databaseId": number + 1, "type": "REQUIRED_REVIEWERS", **review})
    if body["branch_policy"]:
        rules.append({**plain, "databaseId": number + 2, "type": "BRANCH_POLICY"})
    return rules


def _protection_rules(environment: Node, _world: World, **page: Any) -> Node:
    return connection(environment["_rules"], lambda rule: rule, page)


def _reviewers(rule: Node, world: World, **page: Any) -> Node:
    def make(reviewer: Node) -> Node | None:
        return find_team(world, reviewer["name"]) if reviewer["type"] == "Team" else world.user(reviewer["name"])

    return connection(rule["_reviewers"], make, page)


# ---- branch protection


def _protection(ref: Node, world: World) -> Node | None:
    """The classic rule of a branch that exactly carries one, or None."""
    if ref["prefix"] != "refs/heads/":
        return None
    return world.forge.store.get("protection", f"{ref['_repo']}:{ref['name']}")


def _branch_protection_rule(ref: Node, world: World) -> Node | None:
    """Only administrators see it; for everybody else GitHub answers null, as if the branch were open."""
    body = _protection(ref, world)
    if body is None or not world.may(ref["_repo"], "administration", "read"):
        return None
    repo = world.repo_body(ref["_repo"])
    checks, reviews = body.get("required_status_checks"), body.get("required_pull_request_reviews")
    return {
        "_id": ("BPR", f"{repo['id']}:{ref['name']}"),
        "_body": body,
        "_org": ref["_repo"].partition("/")[0],
        "databaseId": None,
        "pattern": ref["name"],
        "isAdminEnforced": bool(body.get("enforce_admins")),
        "requiresStatusChecks": checks is not None,
        "requiresStrictStatusChecks": bool(checks and checks.get("strict")),
        "requiredStatusCheckContexts": _contexts(body),
        "requiresApprovingReviews": reviews is not None,
        "requiredApprovingReviewCount": reviews.get("required_approving_review_count", 0) if reviews else None,
        "requiresCodeOwnerReviews": bool(reviews and reviews.get("require_code_owner_reviews")),
        "dismissesStaleReviews": bool(reviews and reviews.get("dismiss_stale_reviews")),
        "requireLastPushApproval": bool(reviews and reviews.get("require_last_push_approval")),
        "restrictsReviewDismissals": bool(reviews and reviews.get("dismissal_restrictions")),
        "restrictsPushes": body.get("restrictions") is not None,
        "requiresConversationResolution": bool(body.get("required_conversation_resolution")),
        "requiresLinearHistory": bool(body.get("required_linear_history")),
        "requiresCommitSignatures": bool(body.get("required_signatures")),
        "requiresDeployments": False,
        "blocksCreations": bool(body.get("block_creations")),
        "lockBranch": bool(body.get("lock_branch")),
        "lockAllowsFetchAndMerge": bool(body.get("allow_fork_syncing")),
        "allowsForcePushes": bool(body.get("allow_force_pushes")),
        "allowsDeletions": bool(body.get("allow_deletions")),
    }


def _checks(body: Node) -> list[Node]:
    required = body.get("required_status_checks") or {}
    named = {check["context"]: check for check in required.get("checks") or ()}
    plain = [context for context in required.get("contexts") or () if context not in named]
    return [*named.values(), *({"context": context, "app_id": None} for context in plain)]


def _contexts(body: Node) -> list[str]:
    return [check["context"] for check in _checks(body)]


def _required_checks(rule: Node, world: World) -> list[Node]:
    known = [world.app(slug) for slug in (ACTIONS_APP, *(app["slug"] for app in world.forge.store.find("app")))]
    apps = {app["databaseId"]: app for app in known if app is not None}
    return [{"context": check["context"], "app": apps.get(check.get("app_id"))} for check in _checks(rule["_body"])]


def _ref_update_rule(ref: Node, world: World) -> Node | None:
    """What binds this asker when pushing: nothing for readers, and nothing for administrators a rule exempts."""
    body, repo = _protection(ref, world), ref["_repo"]
    exempt = world.role(repo) == "admin" and body is not None and not body.get("enforce_admins")
    if body is None or exempt or not world.may(repo, "contents", "write"):
        return None
    reviews, limits = body.get("required_pull_request_reviews"), body.get("restrictions")
    teams = [f"{repo.partition('/')[0]}/{slug}" for slug in (limits or {}).get("teams", ())]
    login = world.identity.login
    in_team = any(login in team["members"] for name in teams if (team := world.forge.store.get("team", name)))
    return {
        "pattern": ref["name"],
        "allowsDeletions": bool(body.get("allow_deletions")),
        "allowsForcePushes": bool(body.get("allow_force_pushes")),
        "blocksCreations": bool(body.get("block_creations")),
        "requiredApprovingReviewCount": reviews.get("required_approving_review_count", 0) if reviews else None,
        "requiredStatusCheckContexts": _contexts(body),
        "requiresCodeOwnerReviews": bool(reviews and reviews.get("require_code_owner_reviews")),
        "requiresConversationResolution": bool(body.get("required_conversation_resolution")),
        "requiresLinearHistory": bool(body.get("required_linear_history")),
        "requiresSignatures": bool(body.get("required_signatures")),
        "viewerAllowedToDismissReviews": False,
        "viewerCanPush": limits is None or in_team or login in limits.get("users", ()),
    }


RESOLVERS: Resolvers = {
    "Query": {"repository": _repository, "viewer": _viewer, "organization": _organization},
    "Repository": {
        "owner": owner_of,
        "isEmpty": lambda r, w: _default_branch(r, w) is None,
        "defaultBranchRef": _default_branch,
        "ref": lambda r, w, **args: find_ref(w, r["_repo"], args["qualified_name"]),
        "refs": lambda r, w, **args: list_refs(w, r["_repo"], args),
        "object": lambda r, w, oid=None, expression=None: find_object(w, r["_repo"], oid, expression),
        "environment": _environment,
    },
    "Organization": {"team": _team},
    "Team": {"members": _members, "organization": _team_organization},
    "Environment": {"protectionRules": _protection_rules},
    "DeploymentProtectionRule": {"reviewers": _reviewers},
    "Ref": {"branchProtectionRule": _branch_protection_rule, "refUpdateRule": _ref_update_rule},
    "BranchProtectionRule": {"requiredStatusChecks": _required_checks},
}
