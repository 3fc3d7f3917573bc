"""Pull requests as GraphQL nodes."""

from __future__ import annotations

from typing import Any

from ms_release.forge import git, pulls
from ms_release.forge.graphql.git import make_commit
from ms_release.forge.graphql.page import GraphRefusal, Node, connection
from ms_release.forge.graphql.world import Resolvers, World

_ORDERS = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at"}


def _state(body: Node) -> str:
    return "MERGED" if body["merged"] else str(body["state"]).upper()


def _make_pull(world: World, body: Node) -> Node:
    return {
        "_body": body,
        "_id": ("PR", body["id"]),
        "databaseId": body["id"],
        "number": body["number"],
        "title": body["title"],
        "body": body["body"] or "",
        "url": f"{world.base}/{body['repo']}/pull/{body['number']}",
        "state": _state(body),
        "isDraft": body["draft"],
        "merged": body["merged"],
        "mergedAt": body["merged_at"],
        "closed": body["state"] == "closed",
        "closedAt": body["closed_at"],
        "createdAt": body["created_at"],
        "updatedAt": body["updated_at"],
        "headRefName": body["head_ref"],
        "headRefOid": body["head_sha"],
        "baseRefName": body["base_ref"],
        "baseRefOid": body["base_sha"],
    }


def _pull_requests(
    repo: Node,
    world: World,
    states: list[str] | None = None,
    head_ref_name: str | None = None,
    base_ref_name: str | None = None,
    **args: Any,
) -> Node:
    _require_read(world, repo["_repo"])
    bodies = [
        body
        for body in world.forge.store.find("pull", repo=repo["_repo"])
        if (states is None or _state(body) in states)
        and head_ref_name in (None, body["head_ref"])
        and base_ref_name in (None, body["base_ref"])
    ]
    order = args.get("order_by") or {"field": "CREATED_AT", "direction": "ASC"}
    field = _ORDERS.get(order["field"], "created_at")
    bodies.sort(key=lambda body: (body[field], body["number"]), reverse=order["direction"] == "DESC")
    return connection(bodies, lambda body: _make_pull(world, body), args)


def _pull_request(repo: Node, world: World, number: int) -> Node:
    _require_read(world, repo["_repo"])
    body = world.forge.store.get("pull", f"{repo['_repo']}#{number}")
    if body is None:
        raise GraphRefusal("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
    return _make_pull(world, body)


def _require_read(world: World, repo: str) -> None:
    if not world.may(repo, "pull_requests", "read"):
        raise world.forbid("PullRequests")


def _merge_commit(pull: Node, world: World) -> Node | None:
    body = pull["_body"]
    return make_commit(world, body["repo"], body["merge_commit_sha"]) if body["merged"] else None


def _mergeable(pull: Node, world: World) -> str:
    if pull["state"] != "OPEN":
        return "UNKNOWN"
    found = pulls.mergeability(world.forge, world.identity, pull["_body"])
    return "MERGEABLE" if found.mergeable else "CONFLICTING"


def _merge_state(pull: Node, world: World) -> str:
    if pull["state"] != "OPEN":
        return "UNKNOWN"
    return pulls.mergeability(world.forge, world.identity, pull["_body"]).state.upper()


def _associated(commit: Node, world: World, **page: Any) -> Node:
    """The merged pull request that brought a commit; for one that is not on the default branch also the open ones."""
    repo, oid = commit["_repo"], commit["oid"]
    _require_read(world, repo)
    git_dir = world.forge.git_dir(repo)
    default = git.read_ref(git_dir, f"refs/heads/{world.repo_body(repo)['default_branch']}")
    landed = default is not None and git.is_ancestor(git_dir, oid, default)
    found = [
        body
        for body in world.forge.store.find("pull", repo=repo)
        if (body["merged"] or (body["state"] == "open" and not landed)) and oid in _brought(world, body)
    ]
    return connection(found, lambda body: _make_pull(world, body), page)


def _brought(world: World, body: Node) -> set[str]:
    """The commits that a pull request consists of, and those that its merge made."""
    git_dir = world.forge.git_dir(body["repo"])
    tips = {body["head_sha"], body["merge_commit_sha"]} if body["merged"] else {body["head_sha"]}
    known = [tip for tip in tips if tip and git.read_commit(git_dir, tip)]
    return {c.sha for tip in known for c in git.commits_between(git_dir, body["base_sha"], tip)}


def _files(pull: Node, world: World, **page: Any) -> Node:
    """What the head changes since it left the base."""
    body = pull["_body"]
    git_dir = world.forge.git_dir(body["repo"])
    fork = git.merge_base(git_dir, body["base_sha"], body["head_sha"])
    changes = git.diff(git_dir, fork, body["head_sha"]) if fork else ()
    return connection(
        list(changes),
        lambda change: {"path": change.path, "additions": change.additions, "deletions": change.deletions},
        page,
    )


RESOLVERS: Resolvers = {
    "Repository": {"pullRequests": _pull_requests, "pullRequest": _pull_request},
    "Commit": {"associatedPullRequests": _associated},
    "PullRequest": {
        "author": lambda p, w: w.user(p["_body"]["user"]),
        "files": _files,
        "mergedBy": lambda p, w: w.user(p["_body"]["merged_by"]),
        "mergeCommit": _merge_commit,
        "mergeable": _mergeable,
        "mergeStateStatus": _merge_state,
    },
}
