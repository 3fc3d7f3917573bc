"""Back to an earlier release: its bytes under a higher version, behind the same approval, with an incident note."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ms_release.forge import git
from scenarios.moves import CORE, commit
from scenarios.phases import PHASES, Undisturbed
from scenarios.stage import BETA, FIRST, HOME, Stage, staging

SECOND, THIRD = "v0.1.0-beta.2", "v0.1.0-beta.3"
BACK = ("content", "rollback", "--to", FIRST, "--reason", "the knobs turn the wrong way")
METADATA = {"manifest.json", "manifest.json.sig", "checksums.txt"}


@pytest.fixture
def second(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[Stage]:
    """Two releases are out; the second holds another firmware."""

    def make(root: Path) -> None:
        with staging(undisturbed.before(PHASES["verify"]), root) as stage:
            text = git.read_file(stage.forge.git_dir(CORE), "main", "firmware/layout.py")
            assert text is not None
            commit(stage, CORE, "main", {"firmware/layout.py": text + b"# turned round\n", "extra.txt": b"more"})
            with stage.approving():
                done = stage.type("alice", "publish", *BETA, "--watch")
            assert done.exit == 0, f"{done.errors}\n{stage.failures()}"

    with staging(undisturbed.saved.once("second", make) / "forge", tmp_path) as stage:
        yield stage


def digests(stage: Stage, tag: str) -> dict[str, str]:
    (release,) = stage.store.find("release", HOME, tag_name=tag)
    assets = stage.store.find("asset", HOME, release_id=release["id"])
    return {a["name"]: a["digest"] for a in assets if a["name"] not in METADATA}


def test_the_old_bytes_come_out_under_a_higher_version(second: Stage) -> None:
    stage = second
    planned = stage.type("alice", *BACK, "--dry-run")
    assert planned.exit == 0, planned.errors
    assert stage.performed() == []
    waits = stage.type("alice", *BACK)
    assert waits.exit == 4, waits.errors
    with stage.approving():
        done = stage.type("alice", *BACK, "--watch")
    assert done.exit == 0, f"{done.errors}\n{stage.failures()}"
    assert done.document["tag"] == THIRD
    assert stage.published() == [FIRST, SECOND, THIRD]
    assert digests(stage, THIRD) == digests(stage, FIRST)
    note = (git.read_file(stage.forge.git_dir(HOME), "main", f"release/incidents/{THIRD}.md") or b"").decode()
    assert note.startswith(f"# {SECOND} was rolled back to {FIRST}\n")
    assert "the knobs turn the wrong way" in note
    assert "approved by bob" in note
    assert "not known" not in note
    assert stage.type("carol", "content", "verify", "--all").exit == 0
    again = stage.type("alice", *BACK)
    assert (again.exit, again.document["nothing"]) == (0, True)


def test_what_cannot_be_rolled_back_to_is_refused(second: Stage) -> None:
    stage = second
    for words, exit, told in (
        (("--to", "v9.9.9", "--reason", "x"), 2, "is no published release"),
        (("--to", "nonsense", "--reason", "x"), 2, "is not a version tag"),
        (("--to", FIRST, "--reason", " "), 2, "needs a reason"),
    ):
        typed = stage.type("alice", "content", "rollback", *words)
        assert typed.exit == exit, typed
        assert told in typed.document["error"]["cause"]
    newest = stage.type("alice", "content", "rollback", "--to", SECOND, "--reason", "x")
    assert (newest.exit, newest.document["nothing"]) == (0, True)
    assert stage.performed() == []


def test_another_release_under_way_is_in_the_way(second: Stage) -> None:
    stage = second
    commit(stage, CORE, "main", {"more.txt": b"more"})
    assert stage.type("alice", "prepare", *BETA, "--watch").exit == 0
    typed = stage.type("alice", *BACK)
    assert (typed.exit, typed.document["error"]["next"]) == (3, f"ms release content cancel {THIRD}"), typed
