"""REST: repositories, commits, files, the git database, and who sees what."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from forge.rest_world import World, served
from ms_release.forge import git


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Shared: these tests only add, each under names of its own."""
    with served(tmp_path_factory.mktemp("forge")) as found:
        yield found


@pytest.mark.parametrize(
    ("token", "repo", "status"),
    [
        ("", "open", 200),
        ("", "shut", 404),
        ("carol", "shut", 200),
        ("eve", "shut", 404),
        ("eve", "open", 200),
        ("job", "shut", 200),
        ("job", "other", 404),
        ("job", "open", 200),
        ("app", "other", 404),
        ("narrow", "other", 404),
        ("narrow", "shut", 200),
        ("carol", "absent", 404),
        ("carol", "OPEN", 200),
    ],
)
def test_g9_404_for_those_who_may_not_know(world: World, token: str, repo: str, status: int) -> None:
    assert world.api(token, repo).get().status_code == status


@pytest.mark.parametrize(
    ("token", "repo", "status", "message"),
    [
        ("", "open", 401, "Requires authentication"),
        ("rita", "shut", 403, "Must have admin rights to Repository."),
        ("eve", "shut", 404, "Not Found"),
        ("eve", "open", 403, "Must have admin rights to Repository."),
        ("job", "open", 403, "Resource not accessible by integration"),
        ("job", "other", 404, "Not Found"),
        ("narrow", "shut", 403, "Resource not accessible by personal access token"),
    ],
)
def test_who_may_not_write(world: World, token: str, repo: str, status: int, message: str) -> None:
    body = {"ref": "refs/heads/x", "sha": world.tip(repo=f"octo/{repo}")}
    answer = world.api(token, repo).post("git/refs", body)
    assert (answer.status_code, answer.json()["message"]) == (status, message)
    assert ("x-accepted-github-permissions" in answer.headers) is (status == 403)


def test_tokens(world: World) -> None:
    for header in ("token nothing", "Bearer nothing", "Basic !!!", "Nonsense"):
        answer = world.client("").get("/user", headers={"authorization": header})
        assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")
    basic = base64.b64encode(b"anybody:carol-token").decode()
    for header in ("token carol-token", "Bearer carol-token", f"Basic {basic}"):
        answer = world.client("").get("/user", headers={"authorization": header})
        assert answer.json()["login"] == "carol"
        assert "repo" in answer.headers["x-oauth-scopes"]
    ends = {"login": "carol", "kind": "fine-grained", "repos": None, "permissions": None, "run_id": None}
    world.store.put("token", "later", {**ends, "expires_at": "2026-03-01T12:00:01Z"})
    world.store.put("token", "past", {**ends, "expires_at": "2026-03-01T12:00:00Z"})
    answer = world.client("later").get("/user")
    assert answer.headers["github-authentication-token-expiration"] == "2026-03-01 12:00:01 UTC"
    assert "x-oauth-scopes" not in answer.headers
    assert world.client("past").get("/user").status_code == 401
    assert world.client("job").get("/user").status_code == 403


def test_unknown_path_method_slash_and_version(world: World) -> None:
    api = world.api()
    for path in ("nothing", "branches/", "git/refs/heads/main"):
        assert api.get(path).status_code == 404, path
    assert api.get("", headers={"x-github-api-version": "1999-01-01"}).status_code == 400
    answer = api.get("", headers={"x-github-api-version": "2026-03-10"})
    assert answer.headers["x-github-api-version-selected"] == "2026-03-10"
    bad = api.call("POST", "git/refs", content=b"{")
    assert (bad.status_code, bad.json()["message"]) == (400, "Problems parsing JSON")


def test_g45_a_304_is_free(world: World) -> None:
    api = world.api("mia")
    first = api.get("branches/main")
    again = api.get("branches/main", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]  # G45: free
    assert api.get("branches/main", headers={"if-none-match": '"other"'}).status_code == 200
    used = api.get("/rate_limit").json()["resources"]["core"]
    assert (used["limit"], used["limit"] - used["used"]) == (5000, used["remaining"])
    assert api.get("/rate_limit").json()["resources"]["core"] == used
    assert world.api("job").get().headers["x-ratelimit-limit"] == "1000"


def test_g43_nobody_has_sixty_requests(tmp_path: Path) -> None:
    with served(tmp_path / "forge") as world:
        answers = [world.client("").get("/repos/octo/open") for _ in range(61)]
        assert [answer.status_code for answer in answers] == [200] * 60 + [403]
        assert answers[-1].headers["x-ratelimit-remaining"] == "0"
        assert "rate limit exceeded" in answers[-1].json()["message"]


def test_g39_branches_say_only_a_little_of_protection(world: World) -> None:
    world.protect(repo="octo/other")
    body = world.api("carol", "other").get("branches/main").json()
    assert body["protected"] is True
    assert body["protection"] == {
        "enabled": True,
        "required_status_checks": {
            "enforcement_level": "everyone",
            "contexts": ["ci"],
            "checks": [{"context": "ci", "app_id": None}],
        },
    }
    assert body["commit"]["sha"] == world.tip(repo="octo/other")
    assert world.api("carol", "other").get("branches?protected=false").json() == []
    assert world.api().get("branches/absent").json()["message"] == "Branch not found"
    world.branch("feature/deep")
    assert world.api().get("branches/feature/deep").json()["name"] == "feature/deep"
    assert world.api().get("branches/feature%2Fdeep").json()["name"] == "feature/deep"


def test_commits_and_pages(world: World) -> None:
    api = world.api(repo="open")
    sha = world.tip(repo="octo/open")
    answer = api.get("commits?per_page=1")
    assert [commit["sha"] for commit in answer.json()] == [sha]
    assert answer.links["next"]["url"] == f"{world.server.url}/api/v3/repos/octo/open/commits?per_page=1&page=2"
    last = world.client("carol-token").get(answer.links["last"]["url"])
    assert last.json()[0]["commit"]["message"] == "first"
    assert set(last.links) == {"prev", "first"}
    assert [c["commit"]["message"] for c in api.get("commits?path=src/a.txt").json()] == ["first"]
    counts = {
        path: len(api.get(f"commits?path={path}").json()) for path in ("/", "src/", ":(", ":!src", "../x", "/etc")
    }
    assert counts == {"/": 2, "src/": 2, ":(": 0, ":!src": 0, "../x": 0, "/etc": 0}
    one = api.get("commits/main").json()
    assert one["stats"] == {"additions": 1, "deletions": 0, "total": 1}
    assert [(f["filename"], f["status"]) for f in one["files"]] == [("src/b.txt", "added")]
    assert api.get("commits/main", headers={"accept": "application/vnd.github.sha"}).text == sha
    for bad in ("commits/nothing", "commits/--all"):
        assert api.get(bad).status_code == 422
    assert api.get("commits?sha=nothing").status_code == 404


def test_contents(world: World) -> None:
    api = world.api(repo="open")
    body = api.get("contents/src/a.txt").json()
    assert base64.b64decode(body["content"]) == b"a\n"
    assert (body["type"], body["size"], body["name"], body["path"]) == ("file", 2, "a.txt", "src/a.txt")
    assert [(i["type"], i["path"]) for i in api.get("contents").json()] == [("file", "README.md"), ("dir", "src")]
    assert [i["path"] for i in api.get("contents/src").json()] == ["src/a.txt", "src/b.txt"]
    raw = api.get("contents/src/a.txt", headers={"accept": "application/vnd.github.raw+json"})
    assert raw.content == b"a\n"
    first = api.get("commits").json()[1]["sha"]
    assert api.get(f"contents/src/b.txt?ref={first}").status_code == 404
    assert api.get("contents/README.md?ref=nothing").status_code == 404


def test_compare(world: World) -> None:
    base = world.tip(repo="octo/open")
    head = world.branch("compared", {"src/a.txt": b"a\nb\n", "new/c.txt": b"c\n"}, repo="octo/open")
    api = world.api(repo="open")
    body = api.get("compare/main...compared").json()
    assert (body["status"], body["ahead_by"], body["behind_by"], body["total_commits"]) == ("ahead", 1, 0, 1)
    assert [commit["sha"] for commit in body["commits"]] == [head]
    assert [(f["filename"], f["status"], f["additions"]) for f in body["files"]] == [
        ("new/c.txt", "added", 1),
        ("src/a.txt", "modified", 1),
    ]
    assert body["merge_base_commit"]["sha"] == base
    assert api.get("compare/compared...main").json()["status"] == "behind"
    assert api.get("compare/main...main").json()["status"] == "identical"
    assert api.get("compare/main...absent").status_code == 404
    assert api.get("compare/main..compared").status_code == 404


def test_g22_compare_stops_at_250_and_files_come_on_page_one(world: World) -> None:
    git_dir, tip = world.forge.git_dir("octo/open"), world.tip(repo="octo/open")
    person = git.Person("P", "p@example.org", "2026-01-02T00:00:00Z")
    for number in range(260):
        tip = git.commit_files(git_dir, tip, {"n.txt": f"{number}\n".encode()}, [], str(number), person)
    git.update_ref(git_dir, "refs/heads/long", tip, None)
    api = world.api(repo="open")
    whole = api.get("compare/main...long").json()
    assert (len(whole["commits"]), whole["total_commits"], len(whole["files"])) == (250, 260, 1)
    paged = [api.get(f"compare/main...long?per_page=100&page={page}").json() for page in (1, 2, 3)]
    assert [commit["commit"]["message"] for page in paged for commit in page["commits"]] == [str(n) for n in range(260)]
    assert [len(page["files"]) for page in paged] == [1, 0, 0]


def test_refs(world: World) -> None:
    api, sha = world.api(), world.tip()
    made = api.post("git/refs", {"ref": "refs/tags/v1.2", "sha": sha})
    assert (made.status_code, made.json()["object"]["sha"]) == (201, sha)
    assert made.headers["location"] == made.json()["url"]
    again = api.post("git/refs", {"ref": "refs/tags/v1.2", "sha": sha})
    assert (again.status_code, again.json()["message"]) == (422, "Reference already exists")
    api.post("git/refs", {"ref": "refs/tags/v1.2.1", "sha": sha})
    assert [r["ref"] for r in api.get("git/matching-refs/tags/v1.2").json()] == ["refs/tags/v1.2", "refs/tags/v1.2.1"]
    assert api.get("git/matching-refs/tags/v9").json() == []
    assert api.get("git/ref/tags/v1.2").json()["ref"] == "refs/tags/v1.2"
    assert api.get("git/ref/tags/v1").status_code == 404
    assert [t["name"] for t in api.get("tags").json()] == ["v1.2.1", "v1.2"]


@pytest.mark.parametrize(
    ("ref", "sha", "message"),
    [
        ("heads/x", None, "heads/x is not a valid ref name."),
        ("refs/x", None, "refs/x is not a valid ref name."),
        ("refs/heads/a..b", None, "refs/heads/a..b is not a valid ref name."),
        ("refs/heads/../../config", None, "refs/heads/../../config is not a valid ref name."),
        ("refs/heads/-x", None, "refs/heads/-x is not a valid ref name."),
        ("refs/pull/1/head", None, "refs/pull/1/head is not a valid ref name."),
        ("refs/heads/x", "1" * 40, "Object does not exist"),
        ("refs/heads/x", "main", "Object does not exist"),
        ("refs/heads/main/below", None, "Reference already exists"),
    ],
)
def test_refs_that_cannot_be(world: World, ref: str, sha: str | None, message: str) -> None:
    answer = world.api().post("git/refs", {"ref": ref, "sha": sha or world.tip()})
    assert (answer.status_code, answer.json()["message"]) == (422, message)


def test_moving_and_deleting_refs(world: World) -> None:
    api, old = world.api(), world.tip()
    new = world.branch("ahead")
    world.branch("moving", {"m.txt": b"m\n"})
    refused = api.patch("git/refs/heads/moving", {"sha": new})
    assert (refused.status_code, refused.json()["message"]) == (422, "Update is not a fast forward")
    assert api.patch("git/refs/heads/moving", {"sha": new, "force": True}).json()["object"]["sha"] == new
    assert world.tip("moving") == new
    assert api.patch("git/refs/heads/moving", {"sha": old}).status_code == 422
    absent = api.patch("git/refs/heads/absent", {"sha": new})
    assert (absent.status_code, absent.json()["message"]) == (422, "Reference does not exist")
    assert api.delete("git/refs/heads/moving").status_code == 204
    assert api.delete("git/refs/heads/moving").json()["message"] == "Reference does not exist"
    assert api.get("git/ref/heads/moving").status_code == 404
    verbs = [e["verb"] for e in world.effects() if e["subject"].endswith("/moving")]
    assert verbs == ["update_ref", "delete_ref"]


def test_g48_annotated_tags_are_peeled_in_two_steps(world: World) -> None:
    api, sha = world.api(), world.tip()
    body = {"tag": "v7", "message": "seven", "object": sha, "type": "commit"}
    made = api.post(
        "git/tags", {**body, "tagger": {"name": "T", "email": "t@x", "date": "2026-01-05T01:02:03Z"}}
    ).json()
    assert made["tagger"] == {"name": "T", "email": "t@x", "date": "2026-01-05T01:02:03Z"}
    assert made["verification"]["reason"] == "unsigned"
    assert api.get("git/ref/tags/v7").status_code == 404
    api.post("git/refs", {"ref": "refs/tags/v7", "sha": made["sha"]})
    assert api.get("git/ref/tags/v7").json()["object"] == {
        "sha": made["sha"],
        "type": "tag",
        "url": f"{world.server.url}/api/v3/repos/octo/shut/git/tags/{made['sha']}",
    }
    assert api.get(f"git/tags/{made['sha']}").json()["object"]["sha"] == sha
    assert api.get("commits/v7").json()["sha"] == sha
    assert api.get(f"git/tags/{sha}").status_code == 404
    assert api.post("git/tags", {**body, "object": "2" * 40}).status_code == 422


def test_building_a_commit_from_pieces(world: World) -> None:
    api, tip = world.api(), world.tip()
    blob = api.post("git/blobs", {"content": base64.b64encode(b"\x00x").decode(), "encoding": "base64"}).json()["sha"]
    entries = [
        {"path": "bin/tool", "mode": "100755", "type": "blob", "sha": blob},
        {"path": "src/b.txt", "mode": "100644", "type": "blob", "sha": None},
        {"path": "text.txt", "mode": "100644", "type": "blob", "content": "é\n"},
    ]
    base = api.get(f"git/commits/{tip}").json()["tree"]["sha"]
    tree = api.post("git/trees", {"base_tree": base, "tree": entries}).json()["sha"]
    made = api.post("git/commits", {"message": "pieces", "tree": tree, "parents": [tip]})
    assert made.status_code == 201
    assert made.json()["author"]["name"] == "carol"
    listed = {i["path"]: i["mode"] for i in api.get(f"git/trees/{made.json()['sha']}?recursive=1").json()["tree"]}
    assert listed == {
        "README.md": "100644", "bin": "040000", "bin/tool": "100755", "src": "040000", "src/a.txt": "100644",
        "text.txt": "100644",
    }  # fmt: skip
    assert base64.b64decode(api.get(f"git/blobs/{blob}").json()["content"]) == b"\x00x"
    git.run(world.forge.git_dir("octo/shut"), "fsck", "--strict")
    bad = api.post("git/trees", {"tree": [{"path": "../x", "mode": "100644", "content": ""}]})
    assert bad.status_code == 422


def test_people_and_teams(world: World) -> None:
    api = world.api()
    assert [m["login"] for m in api.get("/orgs/octo/teams/maintainers/members").json()] == ["mia"]
    assert api.get("/orgs/octo/teams/absent/members").status_code == 404
    assert api.get("/orgs/octo/teams/maintainers/memberships/carol").status_code == 404
    assert api.get("/orgs/octo/teams/maintainers/memberships/mia").json()["state"] == "active"
    roles = {who: api.get(f"collaborators/{who}/permission").json() for who in ("carol", "mia", "dana", "rita", "eve")}
    assert {who: (body["permission"], body["role_name"]) for who, body in roles.items()} == {
        "carol": ("write", "write"),
        "mia": ("write", "maintain"),
        "dana": ("admin", "admin"),
        "rita": ("read", "read"),
        "eve": ("none", "none"),
    }
    assert api.get("/users/octo").json()["type"] == "Organization"
    assert api.get("/users/nobody").status_code == 404
    assert {r["full_name"] for r in world.api("eve").get("/orgs/octo/repos").json()} == {"octo/open"}
    assert len(api.get("/orgs/octo/repos").json()) == 3


def test_api_host_and_enterprise_addresses(world: World) -> None:
    port = world.server.url.rpartition(":")[2]
    host = {"host": f"api.github.localhost:{port}", "authorization": "token carol-token"}
    body = world.client("").get(f"{world.server.url}/repos/octo/shut", headers=host).json()
    assert body["url"] == f"http://api.github.localhost:{port}/repos/octo/shut"
    assert body["html_url"] == f"http://github.localhost:{port}/octo/shut"
    assert world.api().get().json()["clone_url"] == f"{world.server.url}/octo/shut.git"


def test_a_client_may_take_the_forge_for_its_proxy(world: World) -> None:
    """Then the request names the whole address; so gh finds the forge without a name in DNS."""
    with httpx.Client(proxy=world.server.url, trust_env=False) as client:
        body = client.get("http://api.github.localhost/repos/octo/open").json()
    assert (body["full_name"], body["url"]) == ("octo/open", "http://api.github.localhost/repos/octo/open")


def test_requests_are_counted_by_kind(tmp_path: Path) -> None:
    with served(tmp_path / "forge") as world:
        api = world.api()
        tag = api.get("commits/main/check-runs").headers["etag"]
        api.get("commits/main/check-runs", headers={"if-none-match": tag})
        api.get("branches/main")
        counts = world.client("").get(f"{world.server.url}/_forge/requests").json()
        log = counts.pop("log")
        assert counts == {"rest": 2, "graphql": 0, "git": 0, "asset": 0, "poll": 1}
        assert [entry["actor"] for entry in log] == ["carol"] * 3
