"""What was done to a release after it was published and recorded: `verify --all` says what, when, and by whom (F29)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ms_release.core.plan import ledger_path
from ms_release.forge import git
from scenarios.moves import SOMEBODY, change, commit, head
from scenarios.phases import PHASES, Undisturbed
from scenarios.stage import FIRST, HOME, Stage, staging

LATER = "2031-02-03T04:05:06Z"
LEDGER = ledger_path(FIRST)


def released(stage: Stage) -> dict[str, Any]:
    return stage.store.find("release", HOME, tag_name=FIRST)[0]


def move_tag(stage: Stage) -> None:
    git_dir = stage.forge.git_dir(HOME)
    git.update_ref(git_dir, f"refs/tags/{FIRST}", head(stage, HOME), git.read_ref(git_dir, f"refs/tags/{FIRST}"))


def swap_asset(stage: Stage) -> None:
    asset = stage.store.find("asset", HOME, release_id=released(stage)["id"], name="midi-studio-default-firmware.hex")[
        0
    ]
    stage.forge.blob("swapped").write_bytes(b"evil")
    digest = "sha256:4b88e4fc66b9c5eca8eca07b0a2a0dfa1fb0a9de0ca2b4ea6b7dd0f0bdaa1b5e"
    change(stage, "asset", asset["id"], blob="swapped", digest=digest, size=4, uploader="mallory", updated_at=LATER)


def delete(stage: Stage) -> None:
    stage.store.delete("release", released(stage)["id"])


def make_again(stage: Stage) -> None:
    old, number = released(stage), stage.store.next_id("release")
    again = {**old, "id": number, "author": "mallory", "created_at": LATER}
    stage.store.put("release", number, again, HOME)
    for asset in stage.store.find("asset", HOME, release_id=old["id"]):
        stage.store.put("asset", asset["id"], {**asset, "release_id": number}, HOME)
    stage.store.delete("release", old["id"])


def edit_notes(stage: Stage) -> None:
    old = released(stage)
    change(stage, "release", old["id"], body="Get it elsewhere.\n" + old["body"], updated_at=LATER)


def change_ledger(stage: Stage) -> None:
    text = git.read_file(stage.forge.git_dir(HOME), "main", LEDGER)
    assert text is not None
    commit(stage, HOME, "main", {LEDGER: text.replace(b'"bob"', b'"eve"')})


def drop_ledger(stage: Stage) -> None:
    git_dir, old = stage.forge.git_dir(HOME), head(stage, HOME)
    sha = git.commit_files(git_dir, old, {}, [LEDGER], "chore: tidy up", SOMEBODY)
    git.update_ref(git_dir, "refs/heads/main", sha, old)


BY_SAM = (LEDGER, "Sam Body in")
DONE: dict[str, tuple[Callable[[Stage], None], str, tuple[str, str]]] = {
    "tag moved": (move_tag, f"tag {FIRST} is at", ("the release", "")),
    "asset swapped": (swap_asset, "midi-studio-default-firmware.hex has 4 bytes", ("asset", "mallory")),
    "release deleted": (delete, "its release is gone", (LEDGER, "")),
    "release made again": (make_again, "something else than the forge: release_id", ("the release", "mallory")),
    "notes edited": (edit_notes, "its notes were edited", ("the release, last change", "")),
    "ledger line changed": (change_ledger, "something else than the forge: approved_by", BY_SAM),
    "ledger entry taken away": (drop_ledger, "taken away after #2 had brought it", BY_SAM),
}


@pytest.mark.parametrize("name", DONE)
def test_what_was_done_afterwards_is_found(undisturbed: Undisturbed, tmp_path: Path, name: str) -> None:
    do, told, (what, who) = DONE[name]
    with staging(undisturbed.before(PHASES["verify"]), tmp_path, direct=True) as stage:
        assert stage.type("carol", "content", "verify", "--all").exit == 0
        do(stage)
        typed = stage.type("carol", "content", "verify", "--all")
    assert typed.exit == 7, typed
    (row,) = typed.document["releases"]
    assert told in "; ".join(row["problems"])
    traces = [t for t in row["traces"] if t["what"].startswith(what)]
    assert traces, row
    assert any(who in t["who"] for t in traces)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", t["when"]) for t in row["traces"])


def test_what_this_machine_has_seen_cannot_be_rewritten(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Somebody with every right makes ledger and forge agree on another approver: this laptop knows better."""
    with staging(undisturbed.before(PHASES["verify"]), tmp_path, direct=True) as stage:
        assert stage.type("carol", "content", "verify").exit == 0
        change_ledger(stage)
        for review in stage.store.find("approval", HOME):
            change(stage, "approval", review["id"], user="eve")
        typed = stage.type("carol", "content", "verify")
        assert typed.exit == 7, typed
        assert "this machine has seen the digest" in typed.document["releases"][0]["problems"][0]
        assert stage.type("alice", "content", "verify").exit == 0  # she has never looked before
