"""Pull requests through GraphQL: opening and merging them, under the same rules as in REST."""

from __future__ import annotations

from typing import Any

from ms_release.forge import pulls, refs
from ms_release.forge.errors import Refusal
from ms_release.forge.graphql.mutations import repository_of
from ms_release.forge.graphql.page import GraphRefusal, Node
from ms_release.forge.graphql.pulls import find_node, make_pull
from ms_release.forge.graphql.world import World


def _create_pull(world: World, input: Node) -> Node:
    """Open a pull request of a branch of the same repository."""
    forge, who, repo = world.forge, world.identity, repository_of(world, input["repositoryId"])
    if not world.may(repo, "pull_requests", "write"):
        raise world.forbid("CreatePullRequest")
    wish = {"title": input["title"], "body": input.get("body"), "draft": input.get("draft")}
    wish |= {"head": input["headRefName"], "base": input["baseRefName"]}
    try:
        with forge.store.writing():
            pull = pulls.open_pull(forge, who, repo, wish)
    except Refusal as refusal:
        raise GraphRefusal("UNPROCESSABLE", _words(refusal)) from refusal
    pulls.tell_pull(forge, who, pull, "opened")
    return {"clientMutationId": input.get("clientMutationId"), "pullRequest": make_pull(world, pull)}


def _words(refusal: Refusal) -> str:
    """The reason of a 422 in a sentence: its own words, else which branch is not there."""
    entry = (refusal.errors or [{}])[0]
    return str(entry.get("message") or f"{str(entry.get('field')).capitalize()} ref must be a branch")


def _merge_pull(world: World, input: Node) -> Node:
    """Merge, if the head still is `expectedHeadOid` and the rules of the base allow it (github-facts G11)."""
    forge, who = world.forge, world.identity
    wanted = find_node(world, input["pullRequestId"])["_body"]
    repo, number = wanted["repo"], wanted["number"]
    if not world.may(repo, "contents", "write"):
        raise world.forbid("MergePullRequest")
    wish = pulls.MergeWish(
        method=input["mergeMethod"].lower(),
        sha=input.get("expectedHeadOid"),
        title=input.get("commitHeadline") or "",
        message=input.get("commitBody"),
    )
    try:
        with forge.store.writing():
            pull, done = pulls.merge_pull(forge, who, pulls.find_pull(forge, repo, number), wish)
    except Refusal as refusal:
        raise GraphRefusal("UNPROCESSABLE", refusal.message) from refusal
    refs.tell(forge, [done])
    pulls.tell_pull(forge, who, pull, "closed")
    answer = {"actor": world.user(who.login), "pullRequest": make_pull(world, pull)}
    return {"clientMutationId": input.get("clientMutationId"), **answer}


MUTATIONS: dict[str, Any] = {"createPullRequest": _create_pull, "mergePullRequest": _merge_pull}
