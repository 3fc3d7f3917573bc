"""Facts about releases and their assets (github-facts G32–G38), each a test with its number, as in test_releases.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forge.broken_off import break_off
from forge.small_world import OPEN, Small, add_commits, small_world
from ms_release.forge import git

RELEASES = f"/repos/{OPEN}/releases"
NO_NEW_TAGS = {
    "id": 5, "name": "tags", "repo": OPEN, "target": "tag", "enforcement": "active", "bypass_actors": [],
    "conditions": {"ref_name": {"include": ["~ALL"], "exclude": []}}, "rules": [{"type": "creation"}],
}  # fmt: skip
WORKFLOW = ".github/workflows/ci.yml"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Small]:
    with small_world(tmp_path) as small:
        yield small


def make(world: Small, tag: str = "v1.0.0", **more: Any) -> dict[str, Any]:
    answer = world.rest("POST", RELEASES, json={"tag_name": tag, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def change(world: Small, release: dict[str, Any], token: str = "carol-token", **wish: Any) -> httpx.Response:
    return world.rest("PATCH", f"{RELEASES}/{release['id']}", token, json=wish)


def upload(world: Small, release: dict[str, Any], name: str, data: bytes = b"x") -> httpx.Response:
    with world.client() as client:
        kind = {"content-type": "application/x-thing"}
        return client.post(release["upload_url"].partition("{")[0], params={"name": name}, content=data, headers=kind)


def error(answer: httpx.Response) -> tuple[str | None, str | None, str]:
    assert answer.status_code == 422, answer.text
    [entry] = answer.json()["errors"]
    return entry.get("field"), entry["code"], entry.get("message", "")


def tag_of(world: Small, tag: str = "v1.0.0") -> str | None:
    return git.read_ref(world.forge.git_dir(OPEN), f"refs/tags/{tag}")


# ---- drafts and tags


def test_g32_drafts_of_one_tag_are_told_apart_by_number_only(world: Small) -> None:
    numbers = {make(world, draft=True)["id"] for _ in range(3)}
    listed = [r["id"] for r in world.rest("GET", RELEASES).json() if r["tag_name"] == "v1.0.0"]
    assert (set(listed), len(listed)) == (numbers, 3)


def test_g33_a_ref_made_before_decides_where_the_tag_is(world: Small) -> None:
    sha, draft = world.heads[OPEN], make(world, draft=True, target_commitish="main")
    made = world.rest("POST", f"/repos/{OPEN}/git/refs", json={"ref": "refs/tags/v1.0.0", "sha": sha})
    assert made.status_code == 201
    add_commits(world.forge, OPEN, 1)
    assert change(world, draft, draft=False).status_code == 200
    assert tag_of(world) == sha


def test_g34_a_release_of_other_workflow_files_is_refused_to_a_jobs_token(world: Small) -> None:
    git_dir, who = world.forge.git_dir(OPEN), git.Person("C", "c@example.org", "2026-01-04T00:00:00Z")
    old = git.commit_files(git_dir, world.heads[OPEN], {WORKFLOW: b"on: push\n"}, [], "ci", who)
    new = git.commit_files(git_dir, old, {WORKFLOW: b"on: release\n"}, [], "other ci", who)
    git.update_ref(git_dir, "refs/heads/main", new, world.heads[OPEN])
    wish = {"tag_name": "v1.0.0", "target_commitish": old}
    made = world.rest("POST", RELEASES, "job-token", json=wish)
    assert (made.status_code, made.json()["message"]) == (403, "Resource not accessible by integration")
    assert made.headers["x-accepted-github-permissions"] == "contents=write,workflows=write"
    assert world.forge.store.find("release") == []
    draft = world.rest("POST", RELEASES, "job-token", json={**wish, "draft": True}).json()
    assert change(world, draft, "job-token", draft=False).status_code == 403
    assert change(world, draft, draft=False).status_code == 200  # a person's classic token has the scope `workflow`
    assert world.rest("POST", RELEASES, "job-token", json={"tag_name": "v2", "target_commitish": new}).is_success


# ---- assets


def test_g35_a_broken_upload_leaves_a_starter_that_takes_the_name(world: Small) -> None:
    release = make(world, draft=True)
    host, port = world.url.removeprefix("http://").split(":")
    path = release["upload_url"].partition("{")[0].removeprefix(world.url)
    break_off((host, int(port)), f"{path}?name=a.bin", "carol-token", b"x" * 1000, 2000)

    def left() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = world.rest("GET", f"{RELEASES}/{release['id']}/assets").json()
        return found

    assert world.forge.engine.wait_for(left, 10)
    [starter] = left()
    assert (starter["name"], starter["state"], starter["size"], starter["digest"]) == ("a.bin", "starter", 0, None)
    assert error(upload(world, release, "a.bin"))[:2] == ("name", "already_exists")
    assert world.rest("DELETE", f"{RELEASES}/assets/{starter['id']}").status_code == 204
    whole = upload(world, release, "a.bin").json()
    assert (whole["state"], whole["size"]) == ("uploaded", 1)
    assert whole["digest"].startswith("sha256:")


# ---- immutable releases


def immutable(world: Small, on: bool = True) -> None:
    method = "PUT" if on else "DELETE"
    assert world.rest(method, f"/repos/{OPEN}/immutable-releases", "dana-token").status_code == 204


def test_g36_an_immutable_release_is_closed_when_it_is_published(world: Small) -> None:
    immutable(world)
    draft = make(world, draft=True)
    asset = upload(world, draft, "a.bin").json()
    assert change(world, draft, draft=False).json()["immutable"] is True
    assert upload(world, draft, "b.bin").status_code == 422
    assert world.rest("DELETE", f"{RELEASES}/assets/{asset['id']}").status_code == 422
    assert change(world, draft, draft=True).status_code == 422
    assert change(world, draft, body="still editable", name="as is the title").status_code == 200
    assert world.rest("DELETE", f"/repos/{OPEN}/git/refs/tags/v1.0.0", "dana-token").status_code == 422
    moved = {"sha": add_commits(world.forge, OPEN, 1), "force": True}
    assert world.rest("PATCH", f"/repos/{OPEN}/git/refs/tags/v1.0.0", "dana-token", json=moved).status_code == 422
    assert tag_of(world) == world.heads[OPEN]


@pytest.mark.parametrize("draft", [True, False])
def test_g36_the_tag_of_an_immutable_release_stays_burned(world: Small, draft: bool) -> None:
    immutable(world)
    release = make(world)
    assert world.rest("DELETE", f"{RELEASES}/{release['id']}").status_code == 204
    assert world.rest("DELETE", f"/repos/{OPEN}/git/refs/tags/v1.0.0").status_code == 204
    immutable(world, on=False)
    again = world.rest("POST", RELEASES, json={"tag_name": "v1.0.0", "draft": draft})
    assert error(again) == ("tag_name", "custom", "tag_name was used by an immutable release")
    make(world, "v1.0.1")


def test_g37_only_administrators_know_beforehand_that_releases_are_immutable(world: Small) -> None:
    place = f"/repos/{OPEN}/immutable-releases"
    assert world.rest("GET", place, "dana-token").status_code == 404  # not switched on
    immutable(world)
    answers = {who: world.rest("GET", place, f"{who}-token") for who in ("dana", "alice", "carol", "rita")}
    assert {who: answer.status_code for who, answer in answers.items()} == {
        "dana": 200, "alice": 404, "carol": 404, "rita": 404,
    }  # fmt: skip
    assert answers["dana"].json() == {"enabled": True, "enforced_by_owner": False}
    assert world.rest("PUT", place, "carol-token").status_code == 404
    make(world)
    assert world.rest("GET", f"{RELEASES}/latest", "rita-token").json()["immutable"] is True


# ---- latest


def test_g38_latest_goes_by_the_commits_date_and_not_by_publication(world: Small) -> None:
    old = git.log(world.forge.git_dir(OPEN), "main", 3)[-1].sha
    make(world, "v2.0.0", make_latest="legacy")
    make(world, "v1.0.1", target_commitish=old, make_latest="legacy")
    assert world.rest("GET", f"{RELEASES}/latest").json()["tag_name"] == "v2.0.0"
    make(world, "v1.0.2", target_commitish=old)  # true by default
    assert world.rest("GET", f"{RELEASES}/latest").json()["tag_name"] == "v1.0.2"


def test_g38_a_refused_tag_leaves_an_orphan_draft(world: Small) -> None:
    world.forge.store.put("ruleset", 5, NO_NEW_TAGS, repo=OPEN)
    refused = world.rest("POST", RELEASES, json={"tag_name": "v1.0.0"})
    field, code, message = error(refused)
    assert (field, code) == ("pre_receive", "custom")
    assert "creations being restricted" in message
    assert [(r["tag_name"], r["draft"]) for r in world.rest("GET", RELEASES).json()] == [("v1.0.0", True)]
    assert tag_of(world) is None
    assert "publish_release" not in world.verbs()
