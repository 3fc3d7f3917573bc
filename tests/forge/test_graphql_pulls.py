"""Pull requests through GraphQL, as other clients use it: opening, looking at the checks, merging."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge.rest_world import World, served

OPEN = """mutation($input: CreatePullRequestInput!) {createPullRequest(input: $input) {pullRequest {id number state
    headRefOid isCrossRepository headRepositoryOwner {login} headRepository {name} additions changedFiles}}}"""
MERGE = """mutation($input: MergePullRequestInput!) {mergePullRequest(input: $input) {actor {login}
    pullRequest {state merged mergeCommit {oid}}}}"""
LOOK = """query($id: ID!) {node(id: $id) {... on PullRequest {mergeStateStatus reviewDecision
    commits(last: 1) {totalCount nodes {commit {oid}}}
    statusCheckRollup {state contexts(first: 10) {totalCount nodes {__typename
        ... on CheckRun {name conclusion isRequired(pullRequestId: $id)}
        ... on StatusContext {context state isRequired(pullRequestId: $id)}}}}}}}"""
REPOSITORY = '{repository(owner: "octo", name: "shut") {id}}'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "forge") as found:
        yield found


def ask(world: World, query: str, who: str = "carol", **variables: Any) -> dict[str, Any]:
    body = {"query": query, "variables": variables}
    answer: dict[str, Any] = world.client(f"{who}-token").post(f"{world.server.url}/api/graphql", json=body).json()
    return answer


def wish(world: World, **more: Any) -> dict[str, Any]:
    repository = ask(world, REPOSITORY)["data"]["repository"]["id"]
    return {"repositoryId": repository, "headRefName": "topic", "baseRefName": "main", "title": "Topic", **more}


def opened(world: World) -> dict[str, Any]:
    answer = ask(world, OPEN, input=wish(world))
    assert "errors" not in answer, answer
    found: dict[str, Any] = answer["data"]["createPullRequest"]["pullRequest"]
    return found


def error(answer: dict[str, Any]) -> tuple[str, str]:
    [entry] = answer["errors"]
    return entry["type"], entry["message"]


def test_a_pull_request_is_opened_checked_and_merged(world: World) -> None:
    head = world.branch("topic")
    world.protect()
    made = opened(world)
    assert (made["number"], made["state"], made["headRefOid"], made["isCrossRepository"]) == (1, "OPEN", head, False)
    assert (made["headRepositoryOwner"]["login"], made["headRepository"]["name"]) == ("octo", "shut")
    assert (made["additions"], made["changedFiles"]) == (1, 1)
    merge = {"pullRequestId": made["id"], "mergeMethod": "SQUASH"}
    expected = ("UNPROCESSABLE", 'Required status check "ci" is expected.')
    assert error(ask(world, MERGE, input=merge)) == expected
    assert ask(world, LOOK, id=made["id"])["data"]["node"]["statusCheckRollup"] is None
    world.check(head)
    world.api().post(f"statuses/{head}", {"state": "pending", "context": "other"})
    seen = ask(world, LOOK, id=made["id"])["data"]["node"]
    assert (seen["mergeStateStatus"], seen["reviewDecision"]) == ("UNSTABLE", None)
    assert seen["commits"] == {"totalCount": 1, "nodes": [{"commit": {"oid": head}}]}
    assert seen["statusCheckRollup"] == {
        "state": "PENDING",
        "contexts": {
            "totalCount": 2,
            "nodes": [
                {"__typename": "CheckRun", "name": "ci", "conclusion": "SUCCESS", "isRequired": True},
                {"__typename": "StatusContext", "context": "other", "state": "PENDING", "isRequired": False},
            ],
        },
    }
    stale = {**merge, "expectedHeadOid": world.tip()}
    moved = ("UNPROCESSABLE", "Head branch was modified. Review and try the merge again.")
    assert error(ask(world, MERGE, input=stale)) == moved
    done = ask(world, MERGE, "mia", input={**merge, "expectedHeadOid": head})["data"]["mergePullRequest"]
    assert (done["actor"]["login"], done["pullRequest"]["state"]) == ("mia", "MERGED")
    assert done["pullRequest"]["mergeCommit"]["oid"] == world.tip()
    assert [e["verb"] for e in world.effects()] == ["open_pull", "create_status", "merge_pull", "update_ref"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "A pull request already exists for octo:topic."),
        ({"headRefName": "absent"}, "Head ref must be a branch"),
        ({"baseRefName": "absent"}, "Base ref must be a branch"),
        ({"headRefName": "main"}, "No commits between main and main"),
    ],
)
def test_opening_is_refused_in_words(world: World, more: dict[str, str], message: str) -> None:
    world.branch("topic")
    opened(world)
    assert error(ask(world, OPEN, input=wish(world, **more))) == ("UNPROCESSABLE", message)
    assert len(world.effects("open_pull")) == 1


def test_readers_open_and_do_not_merge_and_strangers_see_nothing(world: World) -> None:
    world.branch("topic")
    number = opened(world)["id"]
    assert error(ask(world, MERGE, "rita", input={"pullRequestId": number}))[0] == "FORBIDDEN"
    assert error(ask(world, MERGE, "eve", input={"pullRequestId": number}))[0] == "NOT_FOUND"
    assert error(ask(world, LOOK, "eve", id=number))[0] == "NOT_FOUND"
    assert error(ask(world, LOOK, id="PR_77"))[0] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("reviews", "decision"),
    [([], "REVIEW_REQUIRED"), (["APPROVE"], "APPROVED"), (["REQUEST_CHANGES"], "CHANGES_REQUESTED")],
)
def test_the_decision_of_reviews(world: World, reviews: list[str], decision: str) -> None:
    world.branch("topic")
    number = opened(world)["id"]
    world.protect(required_pull_request_reviews={"required_approving_review_count": 1})
    for event in reviews:
        world.api("mia").post("pulls/1/reviews", {"event": event})
    assert ask(world, LOOK, id=number)["data"]["node"]["reviewDecision"] == decision
