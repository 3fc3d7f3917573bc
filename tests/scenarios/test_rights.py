"""The table of rights is neither too short nor too long: a release with exactly these, and with one of them less."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ms_release.core.rights import RIGHTS
from scenarios.stage import BETA, FIRST, Saved, Stage, staging


def rights(*verbs: str) -> dict[str, str]:
    """The permissions that these verbs need, each at its higher level."""
    return {r.permission: r.level for r in sorted(RIGHTS, key=lambda r: r.level) if r.verb in verbs}


OPERATOR, REVIEWER = rights("plan", "prepare", "publish"), rights("plan", "approve")


@pytest.fixture
def stage(saved: Saved, tmp_path: Path) -> Iterator[Stage]:
    with staging(saved.ready(), tmp_path, direct=True) as stage:
        yield stage


def limit(stage: Stage, who: str, permissions: dict[str, str]) -> None:
    """Give somebody's token these permissions and no others."""
    body = stage.store.get("token", f"{who}-token")
    assert body is not None
    granted = {"metadata": "read", **permissions}
    stage.store.put("token", f"{who}-token", {**body, "kind": "fine-grained", "permissions": granted})


def missing(stage: Stage, who: str) -> set[str]:
    """The rights that `preflight` says somebody lacks."""
    looked = stage.type(who, "preflight")
    assert looked.exit == 5
    found = (g for g in looked.document["gates"] if (g["code"], g["outcome"]) == ("PERMISSION", "FAIL"))
    return {gate["subject"].partition(" ")[2] for gate in found}


def until_it_waits(stage: Stage) -> None:
    """Publish as far as it goes without an approval."""
    while stage.waiting() is None:
        assert stage.type("alice", "publish", *BETA).exit == 4
        stage.settle()


def test_a_release_with_exactly_these_rights(stage: Stage, tally: Callable[[str, int], None]) -> None:
    limit(stage, "alice", OPERATOR)
    limit(stage, "bob", REVIEWER)
    looked = stage.type("alice", "preflight")
    assert looked.exit == 0, looked.document
    assert stage.performed() == [], "it asks, and changes nothing"
    until_it_waits(stage)
    approved = stage.type("bob", "content", "approve", FIRST, typed=f"{FIRST}\n")
    assert approved.exit == 0, approved
    ended = stage.type("alice", "publish", *BETA, "--watch")
    assert (ended.exit, stage.published()) == (0, [FIRST]), ended
    tally("rights that a release needs, and passes with exactly them", len({*OPERATOR, *REVIEWER}))


@pytest.mark.parametrize("name", ["contents", "pull_requests", "actions"])
def test_one_right_less_is_named_before_and_ends_the_release(stage: Stage, name: str) -> None:
    limit(stage, "alice", {**OPERATOR, name: "read"})
    assert missing(stage, "alice") == {f"{name}: write"}
    assert stage.performed() == []
    ended = stage.type("alice", "publish", *BETA, "--watch")
    # without contents the rules of the home branch are not shown, and what is unknown blocks
    assert (ended.exit, stage.published()) == (3 if name == "contents" else 5, []), ended


def test_a_reviewer_without_the_right_to_review(stage: Stage) -> None:
    limit(stage, "bob", {**REVIEWER, "deployments": "read"})
    until_it_waits(stage)
    assert "deployments: write" in missing(stage, "bob")
    refused = stage.type("bob", "content", "approve", FIRST, typed=f"{FIRST}\n")
    assert (refused.exit, stage.published()) == (5, [])
