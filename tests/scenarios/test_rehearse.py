"""`rehearse`: one command, one document, a whole release; stopped or repeated, it goes on or finds nothing to do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ms_release.cli.rehearsal import KINDS, open_rehearsal
from ms_release.forge.store import Store
from scenarios.stage import FIRST, Saved

ASSETS = {
    "checksums.txt", "manifest.json", "manifest.json.sig", "midi-studio-bitwig-firmware.hex",
    "midi-studio-default-firmware.hex", "midi-studio-linux-x86_64-bundle.zip", "midi_studio.bwextension",
}  # fmt: skip


class Kept:
    """A directory in which somebody rehearses."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def rehearse(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        command = [sys.executable, "-P", "-m", "ms_release", "release", "rehearse", "--keep", str(self.root)]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.root.parent), "LANG": "C.UTF-8"}
        done = subprocess.run(
            [*command, *arguments, "--json"], env=env, cwd=self.root.parent, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def effects(self) -> list[dict[str, Any]]:
        store = Store(self.root / "forge" / "forge.sqlite")
        try:
            return store.effects()
        finally:
            store.close()

    def deeds(self) -> list[dict[str, Any]]:
        """Effects without the ends of runs: one that the stopping forge cut off ends when it is served again."""
        return [effect for effect in self.effects() if effect["verb"] != "complete_run"]


@pytest.fixture
def kept(saved: Saved, tmp_path: Path) -> Kept:
    """A place with the world in it, so that only the release itself takes its time."""
    root = tmp_path / "kept"
    shutil.copytree(saved.new(), root / "forge", ignore=shutil.ignore_patterns("port"))
    return Kept(root)


def test_a_whole_release_in_one_document_and_then_nothing_more(kept: Kept) -> None:
    code, document, errors = kept.rehearse("--yes")
    assert code == 0, errors
    assert set(document) == {
        "schema", "verbs", "predicted", "performed", "tag", "digest", "seal", "assets", "approved_by",
    }  # fmt: skip
    assert document["tag"] == FIRST
    assert Counter(document["predicted"]) == Counter(document["performed"])
    assert len(document["performed"]) == 24
    assert document["approved_by"] == ["bob"]
    assert {asset["name"] for asset in document["assets"]} == ASSETS
    for text in (document["digest"], document["seal"], *(asset["sha256"] for asset in document["assets"])):
        assert len(text) == 64
        assert int(text, 16)
    assert [(verb["verb"], verb["exit"]) for verb in document["verbs"]] == [
        ("plan", 0), ("prepare", 0), ("publish", 4), ("approve", 0), ("publish", 0), ("verify", 0),
    ]  # fmt: skip
    for verb in document["verbs"]:
        assert set(verb) == {"verb", "exit", "seconds", "requests"}
        assert set(verb["requests"]) == set(KINDS)
        assert verb["seconds"] > 0

    before = kept.deeds()
    code, document, errors = kept.rehearse("--yes")
    assert code == 0, errors
    assert document["nothing"] is True
    assert kept.deeds() == before
    with open_rehearsal(kept.root, "content", None) as world:
        verified = world.run("carol", "verify")
        assert verified.exit == 0, verified.errors
        assert [release["tag"] for release in verified.document["releases"]] == [FIRST]


def test_without_an_approval_it_waits_and_then_goes_on_to_the_end(kept: Kept) -> None:
    code, document, errors = kept.rehearse()
    assert code == 4
    assert f"next: ms release rehearse --keep {kept.root} --yes" in errors
    assert not any(effect["verb"] == "create_release" and "beta" in effect["subject"] for effect in kept.effects())
    code, document, errors = kept.rehearse("--yes")
    assert code == 0, errors
    assert Counter(document["predicted"]) == Counter(document["performed"])
    assert document["approved_by"] == ["bob"]
