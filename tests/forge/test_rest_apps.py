"""REST: a GitHub App proves who it is with its key and gets short-lived, narrow tokens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from forge import app_key
from forge.app_key import KEY, OTHER, public_key
from forge.rest_world import NOW, World, served

NOW_S = int(NOW.timestamp())


def jwt(key: rsa.RSAPrivateKey = KEY, **more: Any) -> str:
    return app_key.jwt(NOW_S, key, **more)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "forge") as found:
        app = found.store.get("app", "robot")
        assert app is not None
        found.store.put("app", "robot", {**app, "public_key": public_key()})
        yield found


def test_token_for_one_repository_and_one_permission(world: World) -> None:
    app = world.client(jwt())
    assert app.get("/app").json()["slug"] == "robot"
    number = app.get("/repos/octo/shut/installation").json()["id"]
    assert app.get("/orgs/octo/installation").json()["id"] == number
    wish = {"repositories": ["shut"], "permissions": {"contents": "read"}}
    made = app.post(f"/app/installations/{number}/access_tokens", json=wish)
    assert (made.status_code, made.json()["expires_at"]) == (201, "2026-03-01T13:00:00Z")
    token = made.json()["token"]
    mine = world.api(token)
    assert mine.get("branches/main").status_code == 200
    assert mine.post("git/refs", {"ref": "refs/heads/x", "sha": world.tip()}).status_code == 403
    assert world.api(token, "other").get().status_code == 404
    assert [r["name"] for r in mine.get("/installation/repositories").json()["repositories"]] == ["shut"]
    world.forge.clock = lambda: NOW + timedelta(hours=1)
    assert mine.get().status_code == 401


def test_whole_token_writes_and_can_be_revoked(world: World) -> None:
    token = world.client(jwt()).post("/app/installations/5/access_tokens").json()["token"]
    mine = world.api(token)
    assert mine.post("git/refs", {"ref": "refs/heads/x", "sha": world.tip()}).status_code == 201
    assert [e["actor"] for e in world.effects("create_ref")] == ["robot[bot]"]
    assert mine.delete("/installation/token").status_code == 204
    assert mine.get().status_code == 401


@pytest.mark.parametrize(
    "token",
    [
        jwt(OTHER),
        jwt(iss="78"),
        jwt(alg="none"),
        jwt(exp=NOW_S - 1),
        jwt(exp=NOW_S + 3600),
        jwt(iat=NOW_S + 300),
        "a.b.c",
        jwt()[:-8] + "AAAAAAAA",
    ],
)
def test_bad_proofs(world: World, token: str) -> None:
    assert world.client(token).get("/app").status_code == 401


@pytest.mark.parametrize(
    "wish",
    [{"repositories": ["absent"]}, {"permissions": {"administration": "write"}}, {"permissions": {"checks": "admin"}}],
)
def test_no_more_than_the_installation_has(world: World, wish: dict[str, Any]) -> None:
    assert world.client(jwt()).post("/app/installations/5/access_tokens", json=wish).status_code == 422


def test_the_proof_itself_opens_nothing_else(world: World) -> None:
    assert world.api(jwt()).get().status_code == 404
    assert world.api(jwt(), "open").post("git/refs", {}).status_code in (401, 403)
    assert world.client("carol-token").get("/app").status_code == 401
