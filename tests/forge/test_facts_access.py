"""Facts about reads, writes, rights, merging and limits (github-facts G6–G15, G39–G48), each a test with its number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forge.rest_world import CI, NOW, World, served
from ms_release.forge import git
from ms_release.forge.faults import Fault


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "forge") as found:
        yield found


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def token(world: World, name: str, kind: str = "fine-grained", login: str = "carol", **permissions: str) -> None:
    app = {"login": "github-actions[bot]"} if kind == "workflow" else {"login": login}
    limits = {"repos": ["octo/shut"], "permissions": permissions, "expires_at": None, "run_id": None}
    world.store.put("token", name, {**app, "kind": kind, **limits})


# ---- consistency


def test_g6_a_write_answers_the_truth_while_reads_lag(world: World) -> None:
    api, sha = world.api(), world.branch("ahead")
    assert api.get("git/ref/heads/new").status_code == 404
    world.forge.faults.add(Fault("stale", "GET", "/repos/octo/shut/git/ref/heads/new"))
    made = api.post("git/refs", {"ref": "refs/heads/new", "sha": sha})
    assert (made.status_code, made.json()["object"]["sha"]) == (201, sha)
    assert api.get("git/ref/heads/new").status_code == 404
    assert api.get("git/ref/heads/new").json()["object"]["sha"] == sha


def test_g7_a_502_may_have_been_done(world: World) -> None:
    world.forge.faults.add(Fault("commit_then_502", "POST", "/repos/octo/shut/releases"))
    assert world.api().post("releases", {"tag_name": "v1", "draft": True}).status_code == 502
    assert [r["tag_name"] for r in world.api().get("releases").json()] == ["v1"]


def test_g10_a_merged_pull_request_may_be_shown_open_again(world: World) -> None:
    world.branch("topic")
    number, api = world.api().open("topic"), world.api()
    assert api.get(f"pulls/{number}").json()["state"] == "open"
    merged = api.put(f"pulls/{number}/merge", {})
    assert merged.json()["merged"] is True
    world.forge.faults.add(Fault("stale", "GET", f"/repos/octo/shut/pulls/{number}"))
    assert [api.get(f"pulls/{number}").json()["state"] for _ in range(2)] == ["open", "closed"]


# ---- merging


def test_g12_a_merge_guards_the_head_and_not_the_base(world: World) -> None:
    head = world.branch("topic")
    number, seen = world.api().open("topic"), world.tip()
    moved = world.branch("main", {"beside.txt": b"-\n"})
    answer = world.api().put(f"pulls/{number}/merge", {"sha": head})
    assert answer.status_code == 200
    commit = git.read_commit(world.forge.git_dir("octo/shut"), answer.json()["sha"])
    assert commit is not None
    assert commit.parents == (moved, head) != (seen, head)


def test_g13_merge_commit_sha_is_the_test_merge_until_it_is_the_real_one(world: World) -> None:
    head = world.branch("topic")
    number, api = world.api().open("topic"), world.api()
    before = api.get(f"pulls/{number}").json()
    assert (before["mergeable"], before["merged"]) == (True, False)
    assert before["merge_commit_sha"] == git.read_ref(world.forge.git_dir("octo/shut"), f"refs/pull/{number}/merge")
    made = api.put(f"pulls/{number}/merge", {"sha": head}).json()["sha"]
    after = api.get(f"pulls/{number}").json()
    assert (after["merge_commit_sha"], after["mergeable"]) == (made, None)
    assert made != before["merge_commit_sha"]


# ---- what may be seen of protections


def test_g39_a_reader_sees_neither_strict_nor_reviews_nor_restrictions(world: World) -> None:
    world.protect(restrictions={"users": [], "teams": ["maintainers"], "apps": []})
    shown = world.api("mia").get("branches/main").json()["protection"]
    assert set(shown) == {"enabled", "required_status_checks"}
    assert set(shown["required_status_checks"]) == {"enforcement_level", "contexts", "checks"}
    assert refusal(world.api("mia").get("branches/main/protection")) == (404, "Not Found")
    assert world.api("dana").get("branches/main/protection").json()["restrictions"]["teams"]


def test_g40_classic_protection_and_rulesets_add_up(world: World) -> None:
    world.branch("topic")
    number, sha = world.api().open("topic"), world.tip("topic")
    world.protect()
    lint = {"required_status_checks": [{"context": "lint"}], "strict_required_status_checks_policy": False}
    world.ruleset([{"type": "required_status_checks", "parameters": lint}])
    world.check(sha, name="ci")
    assert "lint" in refusal(world.api().put(f"pulls/{number}/merge", {}))[1]
    world.check(sha, name="lint")
    assert world.api().put(f"pulls/{number}/merge", {}).status_code == 200


def test_g40_evaluated_and_disabled_rules_are_neither_shown_nor_kept(world: World) -> None:
    for enforcement in ("evaluate", "disabled"):
        world.ruleset([{"type": "creation"}], enforcement=enforcement)
    assert world.api("rita").get("rules/branches/main").json() == []
    assert world.api().post("git/refs", {"ref": "refs/heads/b", "sha": world.tip()}).status_code == 201
    assert {r["enforcement"] for r in world.api("rita").get("rulesets").json()} == {"evaluate", "disabled"}


# ---- tokens


def test_g41_a_token_tells_its_end_and_an_answer_what_it_needs(world: World) -> None:
    token(world, "ending", contents="read")
    body = world.store.get("token", "ending")
    assert body is not None
    world.store.put("token", "ending", {**body, "expires_at": "2026-03-01T13:00:00Z"})
    answer = world.api("ending").get()
    assert answer.headers["github-authentication-token-expiration"] == "2026-03-01 13:00:00 UTC"
    refused = world.api("ending").post("git/refs", {"ref": "refs/heads/x", "sha": world.tip()})
    assert refusal(refused) == (403, "Resource not accessible by personal access token")
    assert refused.headers["x-accepted-github-permissions"] == "contents=write"
    world.store.put("token", "ending", {**body, "expires_at": NOW.strftime("%Y-%m-%dT%H:%M:%SZ")})
    assert refusal(world.api("ending").get()) == (401, "Bad credentials")
    assert world.api("ending", "other").get().status_code == 401


def test_g41_a_fine_grained_token_is_for_its_repositories_only(world: World) -> None:
    token(world, "one", contents="write")
    assert world.api("one").get().status_code == 200
    assert world.api("one", "other").get().status_code == 404
    assert world.api("one", "open").get().status_code == 200  # public
    assert world.api("one", "open").post("git/refs", {"ref": "refs/heads/x", "sha": "0" * 40}).status_code == 403


# (method, path, body), the permission that it needs, and what the answer is once that is there
RIGHTS: list[tuple[tuple[str, str, Any], str, int]] = [
    (("PUT", "pulls/1/merge", {}), "contents=write", 200),
    (("POST", "git/refs", {"ref": "refs/heads/x", "sha": "TIP"}), "contents=write", 201),
    (("POST", "releases", {"tag_name": "v1"}), "contents=write", 201),
    (("POST", "pulls", {"title": "t", "head": "later", "base": "main"}), "pull_requests=write", 201),
    (("PUT", "pulls/1/update-branch", {}), "pull_requests=write", 422),
    (("POST", "actions/workflows/none.yml/dispatches", {"ref": "main"}), "actions=write", 404),
    (("POST", "actions/runs/7/rerun", None), "actions=write", 404),
    (("GET", "actions/runs", None), "actions=read", 200),
    (("GET", "commits/main/check-runs", None), "checks=read", 200),
    (("POST", "statuses/TIP", {"state": "success"}), "statuses=write", 201),
]


@pytest.mark.parametrize(("asked", "needs", "status"), RIGHTS)
@pytest.mark.parametrize("kind", ["fine-grained", "workflow"])
def test_g42_each_request_needs_its_permission(
    world: World, asked: tuple[str, str, Any], needs: str, status: int, kind: str
) -> None:
    method, path, body = asked
    world.branch("topic")
    world.branch("later")
    world.api().open("topic")
    permission, level = needs.split("=")
    others = ("contents", "pull_requests", "actions", "checks", "statuses", "deployments")
    token(world, "without", kind, **{name: "write" for name in others if name != permission})
    token(world, "with", kind, **{"contents": "read", permission: level})
    path, tip = path.replace("TIP", world.tip()), world.tip()
    body = {key: tip if value == "TIP" else value for key, value in body.items()} if body is not None else None
    refused = world.api("without").call(method, path, body)
    assert (refused.status_code, refused.headers["x-accepted-github-permissions"]) == (403, needs)
    never = (kind, permission) == ("fine-grained", "checks")  # such a token cannot have it (G20)
    assert world.api("with").call(method, path, body).status_code == (403 if never else status)


# ---- limits and transport


def test_g43_people_and_jobs_have_their_hourly_requests(world: World) -> None:
    limits = {who: world.api(who).get().headers["x-ratelimit-limit"] for who in ("carol", "narrow", "app", "job")}
    assert limits == {"carol": "5000", "narrow": "5000", "app": "5000", "job": "1000"}


def test_g44_errors_of_graphql_come_as_success_with_what_could_be_read(world: World) -> None:
    query = '{a: repository(owner: "octo", name: "none") {name} b: repository(owner: "octo", name: "open") {name}}'
    answer = world.client("rita-token").post(f"{world.server.url}/api/graphql", json={"query": query})
    assert answer.status_code == 200
    assert answer.json()["data"] == {"a": None, "b": {"name": "open"}}
    assert [error["type"] for error in answer.json()["errors"]] == ["NOT_FOUND"]


def test_g46_thirty_a_page_and_no_slash_at_the_end(world: World) -> None:
    for number in range(31):
        git.update_ref(world.forge.git_dir("octo/shut"), f"refs/heads/b{number}", world.tip(), None)
    first = world.api().get("branches")
    assert (len(first.json()), 'rel="next"' in first.headers["link"]) == (30, True)
    assert len(world.api().get("branches?per_page=101").json()) == 32
    assert world.api().get("branches/").status_code == 404


def test_g46_an_assets_bytes_lie_behind_a_redirect_that_needs_no_token(world: World) -> None:
    made = world.api().post("releases", {"tag_name": "v1"}).json()
    asset = world.client("carol-token").post(
        made["upload_url"].partition("{")[0], params={"name": "a"}, content=b"abc", headers={"content-type": "x/y"}
    )
    where = world.client("carol-token").get(asset.json()["url"], headers={"accept": "application/octet-stream"})
    assert where.status_code == 302
    assert httpx.get(where.headers["location"]).content == b"abc"


ERRORS: list[tuple[str, str, Any, str | None, str]] = [
    ("POST", "pulls", {"title": " ", "head": "topic", "base": "main"}, "title", "missing_field"),
    ("POST", "pulls", {"title": "t", "head": "absent", "base": "main"}, "head", "invalid"),
    ("POST", "pulls", {"title": "t", "head": "topic", "base": "main"}, None, "custom"),
    ("POST", "releases", {"tag_name": "a b"}, "tag_name", "custom"),
    ("POST", "releases", {"tag_name": "v1"}, "tag_name", "already_exists"),
    ("POST", "releases", {"tag_name": "v2", "target_commitish": "none"}, "target_commitish", "invalid"),
]


@pytest.mark.parametrize(("method", "path", "body", "field", "code"), ERRORS)
def test_g47_a_422_has_a_code_and_a_field(
    world: World, method: str, path: str, body: Any, field: str | None, code: str
) -> None:
    world.branch("topic")
    world.api().open("topic")
    world.api().post("releases", {"tag_name": "v1"})
    answer = world.api().call(method, path, body)
    assert refusal(answer) == (422, "Validation Failed")
    [error] = answer.json()["errors"]
    assert (error.get("field"), error["code"]) == (field, code)
    assert error["resource"] == {"pulls": "PullRequest", "releases": "Release"}[path]


def test_g48_matching_refs_is_a_prefix(world: World) -> None:
    for name in ("v1.2", "v1.2.1", "v1.20", "v1.1"):
        git.update_ref(world.forge.git_dir("octo/shut"), f"refs/tags/{name}", world.tip(), None)
    found = [ref["ref"] for ref in world.api().get("git/matching-refs/tags/v1.2").json()]
    assert found == ["refs/tags/v1.2", "refs/tags/v1.2.1", "refs/tags/v1.20"]


def test_g18_anyone_who_may_write_statuses_forges_an_unbound_check(world: World) -> None:
    sha = world.branch("topic")
    number = world.api().open("topic")
    world.protect()
    world.api().post(f"statuses/{sha}", {"state": "success", "context": "ci"})
    bound = {"strict": False, "checks": [{"context": "ci", "app_id": CI}]}
    assert world.api().get(f"pulls/{number}").json()["mergeable_state"] == "clean"
    world.protect(required_status_checks=bound)
    assert world.api().get(f"pulls/{number}").json()["mergeable_state"] == "blocked"
