"""`announce`: one block in the body of a published release, written once, whatever happens to its one request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ms_release.core.announcement import BEGIN, END
from ms_release.forge.faults import Fault
from scenarios.phases import PHASES, Undisturbed
from scenarios.stage import FIRST, HOME, Stage, staging

ANNOUNCE = ("content", "announce", FIRST)
KEY = f"edit-release {HOME} {FIRST}"
PATH = f"/repos/{HOME}/releases/[0-9]*"
PUBLISH = "ms release content publish --channel beta --auto --watch"


@pytest.fixture
def recorded(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[Stage]:
    """The first beta is published and recorded."""
    with staging(undisturbed.before(PHASES["verify"]), tmp_path, direct=True) as stage:
        yield stage


def release(stage: Stage) -> dict[str, Any]:
    (found,) = stage.store.find("release", HOME)
    return found


def edit(stage: Stage, body: str) -> None:
    """What people do on the release's page."""
    answer = stage.ask("erin", "PATCH", f"/{HOME}/releases/{release(stage)['id']}", json={"body": body})
    assert answer.status_code == 200, answer.text


def test_a_block_is_added_once_and_the_release_still_verifies(recorded: Stage) -> None:
    before = release(recorded)
    seen = recorded.type("erin", *ANNOUNCE, "--dry-run")
    assert (seen.exit, seen.document["actions"], recorded.performed()) == (0, [KEY], [])
    first = recorded.type("erin", *ANNOUNCE)
    assert (first.exit, first.document["performed"]) == (0, [KEY]), first.errors
    after = release(recorded)
    assert after["body"] == f"{before['body']}{seen.document['block']}\n"
    same = before.keys() - {"body", "updated_at"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["prerelease"], recorded.performed()) == (True, [KEY])
    again = recorded.type("erin", "content", "announce")
    assert (again.exit, again.document["tag"], again.document["performed"]) == (0, FIRST, [])
    assert (recorded.performed(), release(recorded)) == ([KEY], after)
    assert recorded.type("carol", "content", "verify", FIRST).exit == 0


def test_it_names_what_the_release_consists_of(recorded: Stage) -> None:
    block = recorded.type("erin", *ANNOUNCE, "--dry-run").document["block"]
    home = f"https://github.com/{HOME}"  # as the configuration says
    for asset in recorded.store.find("asset", HOME):
        assert f"({home}/releases/download/{FIRST}/{asset['name']}) (sha256 `{asset['digest'][7:19]}`)" in block
    commit = recorded.store.find("pull", HOME, head_ref=f"release/{FIRST}")[0]["merge_commit_sha"]
    for path in (f"release-plans/{FIRST}.json", f"release-specs/{FIRST}.json", f"release-notes/{FIRST}.md"):
        assert f"({home}/blob/{commit}/{path})" in block
    assert f"({home}/blob/main/release/ledger/{FIRST}.json)" in block
    assert recorded.ask("erin", "GET", f"/{HOME}/commits/{commit}").status_code == 200


# what the fault does → how often the release was written when the command ends the first time
FAULTS = {"fail_before": 0, "drop_before": 0, "commit_then_502": 1, "commit_then_drop": 1, "truncate": 1}


@pytest.mark.parametrize("kind", FAULTS)
def test_stopped_at_its_write_and_typed_again_it_ends_with_the_same_body(recorded: Stage, kind: str) -> None:
    wanted = f"{release(recorded)['body']}{recorded.type('erin', *ANNOUNCE, '--dry-run').document['block']}\n"
    number = recorded.forge.faults.add(Fault(kind, "PATCH", PATH, actor="erin"))
    assert recorded.type("erin", *ANNOUNCE).exit == 6
    assert (recorded.forge.faults.fired(number), recorded.performed()) == (1, [KEY] * FAULTS[kind])
    again = recorded.type("erin", *ANNOUNCE)
    assert (again.exit, again.document["performed"]) == (0, [KEY] * (1 - FAULTS[kind])), again.errors
    assert (release(recorded)["body"], recorded.performed()) == (wanted, [KEY])


def test_what_people_write_around_it_stays_and_what_they_write_within_is_replaced(recorded: Stage) -> None:
    plain = release(recorded)["body"]
    block = recorded.type("erin", *ANNOUNCE, "--dry-run").document["block"]
    edit(recorded, f"Hello\r\n{BEGIN}\nmy own words\n{END} behind\r\n{plain}\t")
    assert recorded.type("erin", *ANNOUNCE).exit == 0
    assert release(recorded)["body"] == f"Hello\r\n{block} behind\r\n{plain}\t"
    told = recorded.type("carol", "content", "verify", FIRST)
    assert (told.exit, told.document["releases"][0]["problems"]) == (
        7,
        ["its notes were edited after it was published"],
    )


@pytest.mark.parametrize("spoil", [f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}\n" * 2, "<!--ms-release announce"])
def test_broken_marks_block(recorded: Stage, spoil: str) -> None:
    body = f"{release(recorded)['body']}{spoil}"
    edit(recorded, body)
    typed = recorded.type("erin", *ANNOUNCE)
    assert (typed.exit, "marks of the announcement" in typed.document["error"]["cause"]) == (3, True), typed
    assert "delete everything" in typed.document["error"]["remedy"]
    assert release(recorded)["body"] == body


def test_a_body_that_would_be_too_long_is_refused_before_it_is_sent(recorded: Stage) -> None:
    body = release(recorded)["body"]
    edit(recorded, body + "x" * (124_990 - len(body)))
    before = len(recorded.store.requests())
    typed = recorded.type("erin", *ANNOUNCE)
    assert (typed.exit, "125000" in typed.document["error"]["cause"]) == (3, True), typed
    assert [r for r in recorded.asked_by("erin", before) if r["method"] == "PATCH"] == []


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_without_the_plan_marker_it_waits_for_whoever_puts_it_back(recorded: Stage, dry: tuple[str, ...]) -> None:
    body = release(recorded)["body"].partition("<!-- ms-release plan=")[0]
    edit(recorded, body)
    typed = recorded.type("erin", *ANNOUNCE, *dry)
    assert (typed.exit, typed.document["error"]["next"]) == (4, f"ms release content verify {FIRST}"), typed
    assert "<!-- ms-release plan=" in typed.document["error"]["cause"]
    assert release(recorded)["body"] == body


@pytest.mark.parametrize("phase", ["record", "approve"])
def test_what_is_not_published_and_recorded_waits(undisturbed: Undisturbed, tmp_path: Path, phase: str) -> None:
    with staging(undisturbed.before(PHASES[phase]), tmp_path, direct=True) as stage:
        typed = stage.type("erin", *ANNOUNCE)
        assert (typed.exit, typed.document["error"]["next"]) == (4, PUBLISH), typed
        assert stage.performed() == []
