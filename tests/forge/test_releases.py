"""Releases and assets behave as GitHub's do: drafts, tags, names, latest, permissions (github-facts G31–G38)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forge.small_world import CLOSED, OPEN, Small, add_commits, small_world
from ms_release.forge import git
from ms_release.forge.releases import asset_name

RELEASES = f"/repos/{OPEN}/releases"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Small]:
    with small_world(tmp_path) as small:
        yield small


def make(world: Small, tag: str = "v1.0.0", token: str = "carol-token", **more: Any) -> dict[str, Any]:
    answer = world.rest("POST", RELEASES, token, json={"tag_name": tag, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def upload(world: Small, release: dict[str, Any], name: str, data: bytes, token: str = "carol-token") -> httpx.Response:
    with world.client(token) as client:
        address = release["upload_url"].partition("{")[0]
        kind = {"content-type": "application/x-thing"}
        return client.post(address, params={"name": name}, content=data, headers=kind)


def errors(answer: httpx.Response) -> list[tuple[str | None, str | None]]:
    assert answer.status_code == 422, answer.text
    return [(error.get("field"), error.get("code")) for error in answer.json()["errors"]]


def tag_of(world: Small, tag: str) -> str | None:
    return git.read_ref(world.forge.git_dir(OPEN), f"refs/tags/{tag}")


# ---- drafts and tags


@pytest.mark.parametrize(
    ("token", "in_list", "by_id"),
    [("carol-token", 1, 200), ("job-token", 1, 200), ("rita-token", 0, 404), (None, 0, 404)],
)
def test_g31_drafts_only_in_lists_and_only_with_push_access(
    world: Small, token: str | None, in_list: int, by_id: int
) -> None:
    draft = make(world, draft=True)
    assert len(world.rest("GET", RELEASES, token).json()) == in_list
    assert world.rest("GET", f"{RELEASES}/{draft['id']}", token).status_code == by_id
    assert world.rest("GET", f"{RELEASES}/tags/v1.0.0", token).status_code == 404


def test_g33_a_draft_makes_no_tag(world: Small) -> None:
    draft = make(world, draft=True)
    assert tag_of(world, "v1.0.0") is None
    assert "/releases/tag/untagged-" in draft["html_url"]
    assert draft["published_at"] is None
    assert draft["tarball_url"] is None


def test_g32_several_drafts_share_a_tag_but_one_is_published(world: Small) -> None:
    first, second = make(world, draft=True), make(world, draft=True)
    assert world.rest("PATCH", f"{RELEASES}/{first['id']}", json={"draft": False}).status_code == 200
    refused = world.rest("PATCH", f"{RELEASES}/{second['id']}", json={"draft": False})
    assert errors(refused) == [("tag_name", "already_exists")]
    assert errors(world.rest("POST", RELEASES, json={"tag_name": "v1.0.0"})) == [("tag_name", "already_exists")]


def test_g33_publishing_resolves_a_branch_at_that_moment(world: Small) -> None:
    draft = make(world, draft=True, target_commitish="main")
    moved = add_commits(world.forge, OPEN, 1)
    answer = world.rest("PATCH", f"{RELEASES}/{draft['id']}", json={"draft": False}).json()
    assert tag_of(world, "v1.0.0") == moved != world.heads[OPEN]
    assert answer["html_url"].endswith("/releases/tag/v1.0.0")
    assert world.rest("GET", f"{RELEASES}/tags/v1.0.0").json()["id"] == draft["id"]
    assert world.verbs() == ["create_release", "update_release", "create_tag", "publish_release"]


def test_g33_an_existing_tag_is_used_and_the_target_ignored(world: Small) -> None:
    git_dir = world.forge.git_dir(OPEN)
    old = git.log(git_dir, "main", 3)[-1].sha
    git.update_ref(git_dir, "refs/tags/v2.0.0", old, None)
    made = make(world, "v2.0.0", target_commitish="no-such-thing")
    assert tag_of(world, "v2.0.0") == old
    assert made["created_at"] == "2026-01-02T00:00:00Z"
    assert "create_tag" not in world.verbs()


@pytest.mark.parametrize("draft", [True, False])
@pytest.mark.parametrize("target", ["no-such-branch", "0" * 40, "v9", "refs/heads/main"])
def test_unknown_target_is_refused(world: Small, target: str, draft: bool) -> None:
    wish = {"tag_name": "v3.0.0", "target_commitish": target, "draft": draft}
    assert errors(world.rest("POST", RELEASES, json=wish)) == [("target_commitish", "invalid")]
    assert world.forge.store.find("release") == []
    assert tag_of(world, "v3.0.0") is None


@pytest.mark.parametrize("tag", ["", "a b", "v1..2", ".x", "v1.lock", "-x", "a~1"])
def test_malformed_tag_is_refused(world: Small, tag: str) -> None:
    assert errors(world.rest("POST", RELEASES, json={"tag_name": tag})) == [("tag_name", "custom")]


def test_g35_a_body_has_at_most_125_000_characters(world: Small) -> None:
    assert len(make(world, "v1.0.0", body="x" * 125_000)["body"]) == 125_000
    long = {"tag_name": "v1.0.1", "body": "x" * 125_001}
    assert errors(world.rest("POST", RELEASES, json=long)) == [("body", "custom")]


def test_g38_tag_rules_refuse_publication_and_leave_the_draft(world: Small) -> None:
    ruleset = {
        "id": 5,
        "name": "tags",
        "repo": OPEN,
        "target": "tag",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}},
        "rules": [{"type": "creation"}],
        "bypass_actors": [{"actor_type": "RepositoryRole", "actor_id": 5, "bypass_mode": "always"}],
    }
    world.forge.store.put("ruleset", 5, ruleset, repo=OPEN)
    draft = make(world, draft=True)
    refused = world.rest("PATCH", f"{RELEASES}/{draft['id']}", json={"draft": False})
    assert errors(refused) == [("pre_receive", "custom")]
    assert "creations being restricted" in refused.json()["errors"][0]["message"]
    assert tag_of(world, "v1.0.0") is None
    assert world.rest("GET", f"{RELEASES}/{draft['id']}").json()["draft"] is True
    assert world.rest("PATCH", f"{RELEASES}/{draft['id']}", "dana-token", json={"draft": False}).status_code == 200


# ---- latest


def test_g38_latest_is_the_one_marked_last(world: Small) -> None:
    make(world, "v1.0.0")
    make(world, "v2.0.0")
    make(world, "v3.0.0-beta.1", prerelease=True)
    make(world, "v1.0.1", make_latest="false")
    make(world, "v4.0.0", draft=True)
    latest = f"{RELEASES}/latest"
    assert world.rest("GET", latest).json()["tag_name"] == "v2.0.0"
    old = world.rest("GET", f"{RELEASES}/tags/v1.0.0").json()
    assert world.rest("PATCH", f"{RELEASES}/{old['id']}", json={"make_latest": "true"}).status_code == 200
    assert world.rest("GET", latest).json()["tag_name"] == "v1.0.0"
    make(world, "v2.1.0")
    assert world.rest("GET", latest).json()["tag_name"] == "v2.1.0"


def test_no_latest_without_a_full_release(world: Small) -> None:
    make(world, "v1.0.0-beta.1", prerelease=True)
    assert world.rest("GET", f"{RELEASES}/latest").status_code == 404
    refused = world.rest("POST", RELEASES, json={"tag_name": "v1.0.0", "make_latest": "yes"})
    assert errors(refused) == [("make_latest", "invalid")]


# ---- permissions


@pytest.mark.parametrize(
    ("token", "repo", "status"),
    [
        ("rita-token", OPEN, 403),
        ("fine-token", OPEN, 201),
        ("job-token", OPEN, 201),
        ("job-token", CLOSED, 404),
        (None, OPEN, 401),
        (None, CLOSED, 404),
    ],
)
def test_who_may_create(world: Small, token: str | None, repo: str, status: int) -> None:
    answer = world.rest("POST", f"/repos/{repo}/releases", token, json={"tag_name": "v1.0.0"})
    assert answer.status_code == status, answer.text


def test_read_only_job_token_is_refused_in_githubs_words(world: Small) -> None:
    body = world.forge.store.get("token", "job-token")
    assert body is not None
    world.forge.store.put("token", "job-token", {**body, "permissions": {"contents": "read"}})
    answer = world.rest("POST", RELEASES, "job-token", json={"tag_name": "v1.0.0"})
    assert (answer.status_code, answer.json()["message"]) == (403, "Resource not accessible by integration")


# ---- assets


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("core-1.2.3_x86+a@b.tar.gz", "core-1.2.3_x86+a@b.tar.gz"),
        ("two words (1).zip", "two.words.1.zip"),
        ("a..b", "a.b"),
        (".hidden", "default.hidden"),
        ("trailing.", "default.trailing"),
        ("crème brûlée.txt", "creme.brulee.txt"),
        ("日本.bin", "default.bin"),
    ],
)
def test_g35_names_are_made_plain(given: str, kept: str) -> None:
    assert asset_name(given) == kept


def test_upload_and_download_are_the_same_bytes(world: Small) -> None:
    data = bytes(range(256)) * 9000
    release = make(world, draft=True)
    asset = upload(world, release, "the file.bin", data).json()
    assert (asset["name"], asset["size"], asset["state"]) == ("the.file.bin", len(data), "uploaded")
    assert asset["digest"] == "sha256:" + hashlib.sha256(data).hexdigest()
    assert asset["content_type"] == "application/x-thing"
    with world.client() as client:
        answer = client.get(asset["url"], headers={"accept": "application/octet-stream"})
    assert answer.status_code == 302
    bare = world.bare(answer.headers["location"])
    assert bare.content == data
    assert "/_storage/" in answer.headers["location"]
    assert world.rest("GET", f"{RELEASES}/{release['id']}").json()["assets"] == [asset]
    part = world.bare(answer.headers["location"], headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])


def test_storage_address_cannot_be_made_up_and_expires(world: Small) -> None:
    asset = upload(world, make(world), "a.bin", b"secret").json()
    with world.client() as client:
        place = client.get(asset["url"], headers={"accept": "application/octet-stream"}).headers["location"]
    other = place[:-1] + ("0" if place[-1] != "0" else "1")
    assert world.bare(other).status_code == 403
    number, until, seal = place.rpartition("/")[2].split("-")
    assert world.bare(f"{world.url}/_storage/{number}-{int(until) + 1}-{seal}").status_code == 403
    later = world.forge.clock
    world.forge.clock = lambda: later().replace(year=later().year + 1)
    assert world.bare(place).status_code == 403


@pytest.mark.parametrize("name", ["a b.bin", "a.b.bin", "a  b.bin"])
def test_g35_a_taken_name_is_refused(world: Small, name: str) -> None:
    release = make(world)
    assert upload(world, release, "a b.bin", b"1").status_code == 201
    assert errors(upload(world, release, name, b"2")) == [("name", "already_exists")]
    assert [asset["size"] for asset in world.rest("GET", f"{RELEASES}/{release['id']}/assets").json()] == [1]
    kept = [file.name for file in (world.forge.root / "blobs").iterdir()]
    assert len(kept) == 1


def test_empty_upload_is_refused(world: Small) -> None:
    assert upload(world, make(world), "a.bin", b"").status_code == 400


def test_browser_downloads(world: Small) -> None:
    draft = make(world, draft=True)
    asset = upload(world, draft, "a.bin", b"abc").json()
    assert world.bare(asset["browser_download_url"]).status_code == 404
    world.rest("PATCH", f"{RELEASES}/{draft['id']}", json={"draft": False})
    shown = world.rest("GET", f"{RELEASES}/latest").json()["assets"][0]
    assert shown["browser_download_url"] == f"{world.url}/{OPEN}/releases/download/v1.0.0/a.bin"
    for address in (shown["browser_download_url"], f"{world.url}/{OPEN}/releases/latest/download/a.bin"):
        assert world.bare(address, follow_redirects=True).content == b"abc"
    assert world.bare(f"{world.url}/{OPEN}/releases/download/v1.0.0/b.bin").status_code == 404


def test_private_assets_are_not_for_browsers(world: Small) -> None:
    path = f"/repos/{CLOSED}/releases"
    release = world.rest("POST", path, json={"tag_name": "team/v1"}).json()
    asset = upload(world, release, "a.bin", b"abc").json()
    with world.client() as client:
        assert client.get(asset["browser_download_url"]).status_code == 404
        answer = client.get(asset["url"], headers={"accept": "application/octet-stream"}, follow_redirects=True)
    assert answer.content == b"abc"
    assert world.rest("GET", path + "/tags/team/v1").json()["id"] == release["id"]


def test_rename_and_delete_assets(world: Small) -> None:
    release = make(world)
    first, second = (upload(world, release, name, b"x").json() for name in ("a.bin", "b.bin"))
    path = f"{RELEASES}/assets"
    assert errors(world.rest("PATCH", f"{path}/{first['id']}", json={"name": "b.bin"})) == [("name", "already_exists")]
    renamed = world.rest("PATCH", f"{path}/{first['id']}", json={"name": "c.bin", "label": "C"}).json()
    assert (renamed["name"], renamed["label"]) == ("c.bin", "C")
    assert world.rest("DELETE", f"{path}/{second['id']}", "rita-token").status_code == 403
    assert world.rest("DELETE", f"{path}/{second['id']}").status_code == 204
    assert world.rest("GET", f"{path}/{second['id']}").status_code == 404
    assert len(list((world.forge.root / "blobs").iterdir())) == 1


def test_immutable_release_is_closed(world: Small) -> None:
    release = make(world)
    asset = upload(world, release, "a.bin", b"x").json()
    body = world.forge.store.get("release", release["id"])
    assert body is not None
    world.forge.store.put("release", release["id"], {**body, "immutable": True}, repo=OPEN)
    assert upload(world, release, "b.bin", b"x").status_code == 422
    assert world.rest("DELETE", f"{RELEASES}/assets/{asset['id']}").status_code == 422
    assert world.rest("PATCH", f"{RELEASES}/{release['id']}", json={"draft": True}).status_code == 422
    assert world.rest("PATCH", f"{RELEASES}/{release['id']}", json={"body": "still editable"}).status_code == 200


def test_delete_release_keeps_its_tag(world: Small) -> None:
    release = make(world)
    upload(world, release, "a.bin", b"x")
    assert world.rest("DELETE", f"{RELEASES}/{release['id']}").status_code == 204
    assert tag_of(world, "v1.0.0") == world.heads[OPEN]
    assert list((world.forge.root / "blobs").iterdir()) == []
    assert world.rest("GET", f"{RELEASES}/{release['id']}").status_code == 404
    assert world.verbs()[-1] == "delete_release"


def test_releases_of_another_repository_are_unknown(world: Small) -> None:
    release = make(world)
    asset = upload(world, release, "a.bin", b"x").json()
    assert world.rest("GET", f"/repos/{CLOSED}/releases/{release['id']}").status_code == 404
    assert world.rest("GET", f"/repos/{CLOSED}/releases/assets/{asset['id']}").status_code == 404
