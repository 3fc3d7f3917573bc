"""Editing a release: only its body is said, only over the body that was seen, and never twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.peer import Reply, connected, drop, say, serving
from forge.rest_world import World, served
from ms_release.adapters.github_write import GitHubWriter
from ms_release.adapters.http import Client
from ms_release.core.action import EditRelease
from ms_release.core.model import digest
from ms_release.errors import BlockedError, CredentialError, MsError, OvertakenError, UnknownOutcomeError
from ms_release.render.text import sentence

EDIT = EditRelease("o/home", "v1.0.0", 7, digest("old"), "new")


def seen(body: str | None) -> Reply:
    return say(200, {"id": 7, "tag_name": "v1.0.0", "draft": False, "prerelease": False, "assets": [], "body": body})


@pytest.mark.parametrize(("expected", "there"), [("old", "old"), ("", None), ("", ""), ("é\r\n", "é\r\n")])
def test_the_body_alone_is_written_over_the_one_that_was_seen(expected: str, there: str | None) -> None:
    with serving() as peer:
        peer.script = [seen(there), say(200, {})]
        with connected(peer) as client:
            edit = EditRelease("o/home", "v1.0.0", 7, digest(expected), "new")
            assert GitHubWriter(client).perform(edit).id == 7
        asked = [(each.method, each.path) for each in peer.asked]
        assert asked == [(method, "/api/v3/repos/o/home/releases/7") for method in ("GET", "PATCH")]
        assert json.loads(peer.asked[1].body) == {"body": "new"}


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param([seen("old, and more")], OvertakenError, id="edited meanwhile"),
        pytest.param([seen(None)], OvertakenError, id="emptied meanwhile"),
        pytest.param([say(404, {"message": "no"})], CredentialError, id="gone, or no right to see it"),
        pytest.param([seen("old"), say(403, {"message": "no"})], CredentialError, id="no right to write it"),
        pytest.param([seen("old"), say(422, {"message": "no"})], BlockedError, id="refused"),
        pytest.param([seen("old"), drop], UnknownOutcomeError, id="answer lost"),
    ],
)
def test_what_it_means_when_it_cannot(script: list[Reply], kind: type[MsError]) -> None:
    with serving() as peer:
        peer.script = list(script)
        with connected(peer) as client, pytest.raises(kind) as refused:
            GitHubWriter(client).perform(EDIT)
        assert type(refused.value) is kind
        assert len(peer.asked) == len(script)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path) as world:
        yield world


def test_which_release_is_the_latest_does_not_change(world: World) -> None:
    """Neither by editing an older one, nor by editing the latest."""
    api = world.api()
    made = [
        api.post("releases", {"tag_name": tag, "target_commitish": world.tip(), "body": "old"}).json()
        for tag in ("v1.0.0", "v2.0.0")
    ]
    url = f"{world.server.url}/api"
    for release in made:
        edit = EditRelease("octo/shut", release["tag_name"], release["id"], digest("old"), "new")
        with Client(
            api_url=f"{url}/v3", graphql_url=f"{url}/graphql", token="carol-token", clock=lambda: datetime.now(UTC),
            sleep=lambda _: None,
        ) as client:  # fmt: skip
            GitHubWriter(client).perform(edit)
            with pytest.raises(OvertakenError):
                GitHubWriter(client).perform(edit)
        assert api.get("releases/latest").json()["tag_name"] == "v2.0.0"
        after = api.get(f"releases/{release['id']}").json()
        kept = release.keys() - {"body", "updated_at"}
        assert ({name: after[name] for name in kept}, after["body"]) == ({n: release[n] for n in kept}, "new")


def test_in_words() -> None:
    assert sentence(EDIT) == "edit the text of the release v1.0.0"
