"""REST: pull requests from opening to merging, and all that stands in the way of a merge (github-facts G11–G18)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from forge.rest_world import CI, World, served
from ms_release.forge import git

HEAD_MOVED = "Head branch was modified. Review and try the merge again."
BASE_MOVED = "Base branch was modified. Review and try the merge again."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "forge") as found:
        yield found


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def test_opening(world: World) -> None:
    sha, api = world.branch("topic"), world.api()
    made = api.post("pulls", {"title": "T", "body": "B", "head": "topic", "base": "main"})
    body = made.json()
    assert made.status_code == 201
    assert (body["number"], body["state"], body["head"]["sha"], body["base"]["ref"]) == (1, "open", sha, "main")
    assert (body["head"]["label"], body["mergeable"], body["mergeable_state"]) == ("octo:topic", True, "clean")
    assert (body["commits"], body["changed_files"], body["additions"]) == (1, 1, 1)
    test_merge = git.read_commit(world.forge.git_dir("octo/shut"), body["merge_commit_sha"])
    assert test_merge is not None
    assert test_merge.parents == (world.tip(), sha)
    assert [c["sha"] for c in api.get("pulls/1/commits").json()] == [sha]
    assert [f["filename"] for f in api.get("pulls/1/files").json()] == ["topic.txt"]
    assert [p["number"] for p in api.get("pulls?head=octo:topic&base=main").json()] == [1]
    assert api.get("pulls?head=octo:other").json() == api.get("pulls?state=closed").json() == []
    assert [p["number"] for p in api.get(f"commits/{sha}/pulls").json()] == [1]
    assert [(e["actor"], e["verb"], e["subject"]) for e in world.effects()] == [("carol", "open_pull", "octo/shut#1")]


@pytest.mark.parametrize(
    ("head", "base", "error"),
    [
        ("topic", "main", {"code": "custom", "message": "A pull request already exists for octo:topic."}),
        ("octo:topic", "main", {"code": "custom", "message": "A pull request already exists for octo:topic."}),
        ("same", "main", {"code": "custom", "message": "No commits between main and same"}),
        ("absent", "main", {"field": "head", "code": "invalid"}),
        ("eve:topic", "main", {"field": "head", "code": "invalid"}),
        ("topic", "absent", {"field": "base", "code": "invalid"}),
    ],
)
def test_opening_refused(world: World, head: str, base: str, error: dict[str, str]) -> None:
    world.branch("topic")
    git.update_ref(world.forge.git_dir("octo/shut"), "refs/heads/same", world.tip(), None)
    world.api().open("topic")
    answer = world.api().post("pulls", {"title": "T", "head": head, "base": base})
    assert refusal(answer) == (422, "Validation Failed")
    assert answer.json()["errors"] == [{"resource": "PullRequest", **error}]
    assert len(world.effects()) == 1


def test_editing_closing_reopening(world: World) -> None:
    world.branch("topic")
    api, number = world.api(), world.api().open("topic")
    body = api.patch(f"pulls/{number}", {"title": "New", "body": "text"}).json()
    assert (body["title"], body["body"]) == ("New", "text")
    assert refusal(world.api("rita").patch(f"pulls/{number}", {"title": "No"}))[0] == 403
    closed = api.patch(f"pulls/{number}", {"state": "closed"}).json()
    assert (closed["state"], closed["closed_at"]) == ("closed", "2026-03-01T12:00:00Z")
    assert refusal(api.put(f"pulls/{number}/merge", {})) == (405, "Pull Request is not mergeable")
    again = api.patch(f"pulls/{number}", {"state": "open"}).json()
    assert (again["state"], again["closed_at"]) == ("open", None)
    assert [e["verb"] for e in world.effects()] == ["open_pull", "edit_pull", "close_pull", "reopen_pull"]
    assert api.patch(f"pulls/{number}", {"state": "odd"}).status_code == 422
    assert api.get("pulls/99").status_code == api.get("pulls/x").status_code == 404


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_methods(world: World, method: str) -> None:
    world.branch("topic", {"one.txt": b"1\n"})
    head = world.branch("topic", {"two.txt": b"2\n"}, base="topic")
    git_dir = world.forge.git_dir("octo/shut")
    world.branch("main", {"beside.txt": b"-\n"})
    base = world.tip()
    number = world.api().open("topic")
    answer = world.api().put(f"pulls/{number}/merge", {"merge_method": method, "sha": head})
    sha = answer.json()["sha"]
    assert answer.json() == {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}
    assert world.tip() == sha
    commits = git.commits_between(git_dir, base, sha)
    merged = git.read_commit(git_dir, sha)
    assert merged is not None
    if method == "merge":
        assert merged.parents == (base, head)
        assert merged.message == f"Merge pull request #{number} from octo/topic\n\nAdd topic\n"
    else:
        assert merged.parents[0] == base or method == "rebase"
        assert len(commits) == {"squash": 1, "rebase": 2}[method]
        assert all(len(commit.parents) == 1 for commit in commits)
    for name, text in (("one.txt", b"1\n"), ("two.txt", b"2\n"), ("beside.txt", b"-\n")):
        assert git.read_file(git_dir, "main", name) == text
    pull = world.api().get(f"pulls/{number}").json()
    assert (pull["state"], pull["merged"], pull["merged_by"]["login"]) == ("closed", True, "carol")
    assert (pull["merge_commit_sha"], pull["base"]["sha"]) == (sha, base)
    assert world.tip("topic") == head
    assert world.api().get(f"pulls/{number}/merge").status_code == 204
    assert [p["number"] for p in world.api().get(f"commits/{sha}/pulls").json()] == [number]
    git.run(git_dir, "fsck", "--strict")


def test_g11_head_moved_is_409(world: World) -> None:
    old = world.branch("topic")
    number = world.api().open("topic")
    new = world.branch("later", base="topic")
    assert world.api().patch("git/refs/heads/topic", {"sha": new}).status_code == 200
    assert refusal(world.api().put(f"pulls/{number}/merge", {"sha": old})) == (409, HEAD_MOVED)
    assert world.api().put(f"pulls/{number}/merge", {"sha": new}).status_code == 200


def test_g11_conflict_is_405(world: World) -> None:
    world.branch("topic", {"src/a.txt": b"mine\n"})
    number = world.api().open("topic")
    world.branch("main", {"src/a.txt": b"yours\n"})
    pull = world.api().get(f"pulls/{number}").json()
    assert (pull["mergeable"], pull["mergeable_state"], pull["merge_commit_sha"]) == (False, "dirty", None)
    for method in ("merge", "squash", "rebase"):
        answer = world.api().put(f"pulls/{number}/merge", {"merge_method": method})
        assert refusal(answer) == (405, "Pull Request is not mergeable")


@pytest.mark.parametrize(
    ("conclusion", "message"),
    [
        ("absent", 'Required status check "ci" is expected.'),
        (None, 'Required status check "ci" is in progress.'),
        ("failure", 'Required status check "ci" is failing.'),
        ("cancelled", 'Required status check "ci" is failing.'),
        ("success", ""),
        ("skipped", ""),  # G17
        ("neutral", ""),
    ],
)
def test_g17_skipped_and_neutral_satisfy_a_required_check(world: World, conclusion: str | None, message: str) -> None:
    sha = world.branch("topic")
    number = world.api().open("topic")
    world.protect()
    if conclusion != "absent":
        world.check(sha, conclusion)
    answer = world.api("dana").put(f"pulls/{number}/merge", {})
    assert (refusal(answer) == (405, message)) if message else answer.status_code == 200


def test_g18_a_bound_check_counts_only_from_its_app(world: World) -> None:
    """A bound check counts only from its app (G18)."""
    sha = world.branch("topic")
    number = world.api().open("topic")
    world.protect(required_status_checks={"strict": False, "checks": [{"context": "ci", "app_id": CI}]})
    world.check(sha, "success", app="robot")
    world.api().post(f"statuses/{sha}", {"state": "success", "context": "ci"})
    expected = (405, 'Required status check "ci" is expected.')
    assert refusal(world.api().put(f"pulls/{number}/merge", {})) == expected
    assert world.api().get(f"pulls/{number}").json()["mergeable_state"] == "blocked"
    world.check(sha, "success")
    assert world.api().put(f"pulls/{number}/merge", {}).status_code == 200


def test_g16_check_and_status_of_one_name_are_both_required(world: World) -> None:
    sha = world.branch("topic")
    number = world.api().open("topic")
    world.protect()
    world.check(sha)
    world.api().post(f"statuses/{sha}", {"state": "pending", "context": "ci"})
    assert refusal(world.api().put(f"pulls/{number}/merge", {}))[0] == 405
    world.api().post(f"statuses/{sha}", {"state": "success", "context": "ci"})
    assert world.api().put(f"pulls/{number}/merge", {}).status_code == 200


def test_g11_a_modified_base_is_405(world: World) -> None:
    sha = world.branch("topic")
    number = world.api().open("topic")
    world.protect(required_status_checks={"strict": True, "checks": [{"context": "ci", "app_id": None}]})
    world.check(sha)
    moved = world.branch("main", {"beside.txt": b"-\n"})
    pull = world.api().get(f"pulls/{number}").json()
    assert (pull["base"]["sha"], pull["mergeable_state"]) == (moved, "behind")
    assert refusal(world.api().put(f"pulls/{number}/merge", {"sha": sha})) == (405, BASE_MOVED)


def test_g14_update_branch_makes_a_new_head(world: World) -> None:
    """The base is merged into the head: a new head SHA, compared with the expected one (G14)."""
    sha = world.branch("topic")
    number = world.api().open("topic")
    up_to_date = world.api().put(f"pulls/{number}/update-branch", {"expected_head_sha": sha})
    assert refusal(up_to_date) == (422, "There are no new commits on the base branch.")
    moved = world.branch("main", {"beside.txt": b"-\n"})
    stale = world.api().put(f"pulls/{number}/update-branch", {"expected_head_sha": moved})
    assert stale.status_code == 422
    assert world.tip("topic") == sha
    assert world.api().put(f"pulls/{number}/update-branch", {"expected_head_sha": sha}).status_code == 202
    commit = git.read_commit(world.forge.git_dir("octo/shut"), world.tip("topic"))
    assert commit is not None
    assert commit.parents == (sha, moved)
    assert world.api().get(f"pulls/{number}").json()["head"]["sha"] == commit.sha
    assert [e["subject"] for e in world.effects("update_pull_branch")] == ["octo/shut refs/heads/topic"]


def test_who_may_merge(world: World) -> None:
    sha = world.branch("topic")
    number = world.api().open("topic")
    world.protect(restrictions={"users": [], "teams": ["maintainers"], "apps": []})
    world.check(sha)
    for login in ("carol", "dana"):
        status, message = refusal(world.api(login).put(f"pulls/{number}/merge", {}))
        assert (status, message.startswith("You're not authorized to push to this branch.")) == (405, True)
    assert refusal(world.api("rita").put(f"pulls/{number}/merge", {}))[0] == 403
    assert refusal(world.api("eve").put(f"pulls/{number}/merge", {}))[0] == 404
    assert world.api("mia").put(f"pulls/{number}/merge", {}).status_code == 200


def test_admin_merges_past_rules_only_where_not_included(world: World) -> None:
    world.branch("topic")
    number = world.api().open("topic")
    world.protect(enforce_admins=False)
    assert refusal(world.api().put(f"pulls/{number}/merge", {}))[0] == 405
    assert world.api("dana").put(f"pulls/{number}/merge", {}).status_code == 200


def test_reviews(world: World) -> None:
    sha = world.branch("topic")
    number = world.api().open("topic")
    world.check(sha)
    world.protect(required_pull_request_reviews={"required_approving_review_count": 1})
    needed = (405, "At least 1 approving review is required by reviewers with write access.")
    own = world.api().post(f"pulls/{number}/reviews", {"event": "APPROVE"})
    assert refusal(own) == (422, "Unprocessable Entity: Can not approve your own pull request")
    world.api("rita").post(f"pulls/{number}/reviews", {"event": "APPROVE"})
    assert refusal(world.api().put(f"pulls/{number}/merge", {})) == needed
    world.api("mia").post(f"pulls/{number}/reviews", {"event": "APPROVE"})
    world.api("mia").post(f"pulls/{number}/reviews", {"event": "REQUEST_CHANGES", "body": "no"})
    assert refusal(world.api().put(f"pulls/{number}/merge", {})) == needed
    world.api("mia").post(f"pulls/{number}/reviews", {"event": "APPROVE"})
    assert world.api().put(f"pulls/{number}/merge", {}).status_code == 200


def test_ruleset_forbids_merge_commits_and_names_itself(world: World) -> None:
    world.branch("topic")
    number = world.api().open("topic")
    checks = {"required_status_checks": [{"context": "ci"}], "strict_required_status_checks_policy": False}
    world.ruleset([{"type": "required_status_checks", "parameters": checks}])
    text = 'Repository rule violations found\n\nRequired status check "ci" is expected.\n\n'
    assert refusal(world.api().put(f"pulls/{number}/merge", {})) == (405, text)


def test_two_merges_at_once_make_one(world: World) -> None:
    head = world.branch("topic")
    number = world.api().open("topic")
    apis = [world.api(who) for who in ("carol", "mia", "dana")] * 2
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda api: api.put(f"pulls/{number}/merge", {"sha": head}).status_code, apis))
    assert sorted(codes) == [200] + [405] * 5
    assert [e["verb"] for e in world.effects()] == ["open_pull", "merge_pull", "update_ref"]


def test_g33_refs_are_created_once_however_many_ask(world: World) -> None:
    body = {"ref": "refs/heads/release/v1", "sha": world.tip()}
    apis = [world.api(who) for who in ("carol", "mia", "dana")] * 2
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda api: api.post("git/refs", body).status_code, apis))
    assert sorted(codes) == [201] + [422] * 5
    assert len(world.effects("create_ref")) == 1
