"""Pull requests as GraphQL nodes."""

from __future__ import annotations

from typing import Any

from ms_release.forge import git, present, protect, pulls
from ms_release.forge.auth import ANONYMOUS
from ms_release.forge.checks import app_id
from ms_release.forge.graphql.checks import rollup
from ms_release.forge.graphql.git import make_commit
from ms_release.forge.graphql.page import GraphRefusal, Node, connection
from ms_release.forge.graphql.repository import owner_of
from ms_release.forge.graphql.world import Resolvers, World, no_node

_ORDERS = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at"}


def _state(body: Node) -> str:
    return "MERGED" if body["merged"] else str(body["state"]).upper()


def make_pull(world: World, body: Node) -> Node:
    """A pull request as a node."""
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
        "isCrossRepository": False,
        "maintainerCanModify": False,
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
    return connection(bodies, lambda body: make_pull(world, body), args)


def _pull_request(repo: Node, world: World, number: int) -> Node:
    _require_read(world, repo["_repo"])
    body = world.forge.store.get("pull", f"{repo['_repo']}#{number}")
    if body is None:
        raise GraphRefusal("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
    return make_pull(world, body)


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
    return connection(found, lambda body: make_pull(world, body), page)


def _brought(world: World, body: Node) -> set[str]:
    """The commits that a pull request consists of, and those that its merge made."""
    git_dir = world.forge.git_dir(body["repo"])
    tips = {body["head_sha"], body["merge_commit_sha"]} if body["merged"] else {body["head_sha"]}
    known = [tip for tip in tips if tip and git.read_commit(git_dir, tip)]
    return {c.sha for tip in known for c in git.commits_between(git_dir, body["base_sha"], tip)}


def _content(pull: Node, world: World) -> tuple[tuple[git.Commit, ...], tuple[git.FileChange, ...]]:
    """The commits of a pull request, and what its head changes since it left the base."""
    body = pull["_body"]
    git_dir = world.forge.git_dir(body["repo"])
    live = git.read_ref(git_dir, f"refs/heads/{body['base_ref']}") if body["state"] == "open" else None
    base = live or body["base_sha"]  # the base that was merged into an open one's head is no change of it
    fork = git.merge_base(git_dir, base, body["head_sha"])
    changes = git.diff(git_dir, fork, body["head_sha"]) if fork else ()
    return git.commits_between(git_dir, base, body["head_sha"]), changes


def _commits(pull: Node, world: World, **page: Any) -> Node:
    body = pull["_body"]

    def make(commit: git.Commit) -> Node:
        return {"_id": ("PURC", f"{body['id']}:{commit.sha}"), "commit": make_commit(world, body["repo"], commit.sha)}

    return connection(_content(pull, world)[0], make, page)


def _rollup(pull: Node, world: World) -> Node | None:
    body = pull["_body"]
    head = make_commit(world, body["repo"], body["head_sha"])
    return rollup(head, world) if head else None


def _is_required(
    context: Node, world: World, pull_request_id: str | None = None, pull_request_number: int | None = None
) -> bool:
    """Whether the rules of the pull request's base name this check (or status), from any app or from its own."""
    repo = context["_body"]["repo"]
    found = _find(world, repo, pull_request_id, pull_request_number)
    rules = protect.layers(world.forge, ANONYMOUS, repo, f"refs/heads/{found['base_ref']}", merging=True)
    name = context.get("name") or context.get("context")
    number = app_id(world.forge, context["_body"]["app"]) if "app" in context["_body"] else None
    return any(check.context == name and check.app_id in (None, number) for layer in rules for check in layer.checks)


def _find(world: World, repo: str, node: str | None, number: int | None) -> Node:
    for body in world.forge.store.find("pull", repo):
        if number == body["number"] or node == present.node_id("PR", body["id"]):
            return body
    text = "Either `pullRequestId` or `pullRequestNumber` must name a pull request of this repository."
    raise GraphRefusal("UNPROCESSABLE", text)


def find_node(world: World, id: str) -> Node:
    """The pull request with this node id: the only kind that is asked for so (by `gh pr checks`). Raises NOT_FOUND."""
    for body in world.forge.store.find("pull"):
        if present.node_id("PR", body["id"]) == id and world.role(body["repo"]) is not None:
            return {**make_pull(world, body), "__typename": "PullRequest"}
    raise no_node(id)


def _review_decision(pull: Node, world: World) -> str | None:
    """What the rules of the base say about the reviews so far; None where they ask for none."""
    body = pull["_body"]
    needed = [
        layer.reviews
        for layer in protect.layers(world.forge, ANONYMOUS, body["repo"], f"refs/heads/{body['base_ref']}", True)
        if layer.reviews
    ]
    if not needed:
        return None
    newest = {r["user"]: r["state"] for r in world.forge.store.find("review", body["repo"], pull=body["number"])}
    if "CHANGES_REQUESTED" in newest.values():
        return "CHANGES_REQUESTED"
    return "APPROVED" if len(pulls.approvals(world.forge, body)) >= max(needed) else "REVIEW_REQUIRED"


def _files(pull: Node, world: World, **page: Any) -> Node:
    """What the head changes since it left the base."""
    changes = _content(pull, world)[1]
    return connection(
        list(changes),
        lambda change: {"path": change.path, "additions": change.additions, "deletions": change.deletions},
        page,
    )


RESOLVERS: Resolvers = {
    "Query": {"node": find_node},
    "Repository": {"pullRequests": _pull_requests, "pullRequest": _pull_request},
    "Commit": {"associatedPullRequests": _associated},
    "PullRequest": {
        "author": lambda p, w: w.user(p["_body"]["user"]),
        "additions": lambda p, w: sum(change.additions for change in _content(p, w)[1]),
        "deletions": lambda p, w: sum(change.deletions for change in _content(p, w)[1]),
        "changedFiles": lambda p, w: len(_content(p, w)[1]),
        "commits": _commits,
        "files": _files,
        "headRepository": lambda p, w: w.repository(p["_body"]["repo"]),
        "headRepositoryOwner": lambda p, w: owner_of(w.repository(p["_body"]["repo"]), w),
        "reviewDecision": _review_decision,
        "statusCheckRollup": _rollup,
        "mergedBy": lambda p, w: w.user(p["_body"]["merged_by"]),
        "mergeCommit": _merge_commit,
        "mergeable": _mergeable,
        "mergeStateStatus": _merge_state,
    },
    "CheckRun": {"isRequired": _is_required},
    "StatusContext": {"isRequired": _is_required},
}
