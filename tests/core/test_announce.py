"""The announcement: nothing around its block changes, and nothing in it is more than text and our own links."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import dist_files, planned, prepared, released, sha
from ms_release.core.action import Act, Blocked, Done, EditRelease, Next, Wait
from ms_release.core.announce import BODY_LIMIT, block, next_announce
from ms_release.core.announcement import BEGIN, END, announced
from ms_release.core.foretell import Outcome, foretell
from ms_release.core.ledger import make_entry, read_recorded
from ms_release.core.model import digest
from ms_release.core.notes import Change, RepoChanges
from ms_release.core.observation import Observation
from ms_release.core.plan import ledger_path
from ms_release.core.trailers import trailers
from ms_release.core.train import Train
from ms_release.errors import DamagedError

GOAL = planned()
TAG = GOAL.plan.tag
WHERE = ledger_path(TAG)
OUT = released(GOAL, prepared(GOAL))
RELEASE = OUT.home.releases[0]
ENTRY = make_entry(GOAL, OUT, RELEASE)
assert isinstance(ENTRY, bytes)
FACTS = OUT.with_home(texts={WHERE: ENTRY.decode()})
RECORDED = read_recorded(ENTRY.decode(), WHERE)
BLOCK = block(GOAL, RECORDED)
URL = "https://forge.example/studio/core"


def with_body(body: str) -> Observation:
    return FACTS.with_home(releases=(replace(RELEASE, body=body),))


def step(facts: Observation) -> Next:
    return next_announce(GOAL, facts)


def edited(body: str) -> str:
    """The body that follows from this one; the same when there is nothing to do."""
    found = step(with_body(body))
    if isinstance(found, Done):
        return body
    assert isinstance(found, Act), found
    (edit,) = found.actions
    assert isinstance(edit, EditRelease)
    assert (edit.key, edit.release_id, edit.expected_body) == (f"edit-release {GOAL.plan.home} {TAG}", 77, digest(body))
    return edit.body


def saying(*bodies: str, id: str = "core") -> Train:
    """The same plan, with commits that say this in their bodies."""
    commits = tuple(Change(sha(str(n)), "fix: x", body, "carol") for n, body in enumerate(bodies))
    changes = RepoChanges(id, URL, sha("old"), sha("new"), commits, False)
    return replace(GOAL, file=replace(GOAL.file, plan=replace(GOAL.plan, changes=(changes,))))


around = st.text(st.sampled_from("ab<>!-/ \r\n\té`"), max_size=40)


@given(around, around)
def test_what_is_around_the_block_stays_and_a_second_time_does_nothing(before: str, after: str) -> None:
    plain = f"{before}{RELEASE.body}{after}"
    once = edited(plain)
    assert once.startswith(plain)
    assert once.removeprefix(plain).strip("\n") == BLOCK
    assert edited(once) == once
    within = f"{before}{BEGIN}{after}{END}{RELEASE.body}"
    assert edited(within) == f"{before}{BLOCK}{RELEASE.body}"
    assert announced(edited(within)) == BLOCK
    assert announced(plain) == ""


@pytest.mark.parametrize(
    "marks",
    [
        BEGIN,
        END,
        f"{END}{BEGIN}",
        f"{BEGIN}{BEGIN}{END}",
        f"{BEGIN}{END}{BEGIN}{END}",
        f"{BEGIN}<!-- /ms-release announce",
        f"<!--MS-Release  announce-->{BEGIN}{END}",
    ],
)
def test_broken_marks_block(marks: str) -> None:
    found = step(with_body(f"{RELEASE.body}{marks}"))
    assert isinstance(found, Blocked)
    assert "marks" in found.cause
    assert found.remedy


def test_a_hostile_body_is_looked_through_at_once() -> None:
    for evil in ("<!--" + " " * 120_000, "<!-- ms-release announce " * 5_000, "<!--" * 30_000):
        assert not isinstance(step(with_body(f"{evil}{RELEASE.body}")), Done)


@pytest.mark.parametrize(
    ("facts", "words", "then"),
    [
        (FACTS.with_home(texts={}), "the ledger entry", "publish --channel beta --auto --watch"),
        (FACTS.with_home(releases=()), "the publication", "publish --channel beta --auto --watch"),
        (with_body("no marker"), "plan marker", f"verify {TAG}"),
        (with_body(RELEASE.body.replace("seal=", "seal=0")), "plan marker", f"verify {TAG}"),
        (with_body(f"{BEGIN}{RELEASE.body}{END}"), "plan marker", f"verify {TAG}"),
    ],
)
def test_what_must_come_first_is_waited_for(facts: Observation, words: str, then: str) -> None:
    found = step(facts)
    assert isinstance(found, Wait)
    assert words in found.reason
    assert found.next_command == f"ms release content {then}"


def recorded_as(**changes: Any) -> Observation:
    return FACTS.with_home(texts={WHERE: json.dumps({**json.loads(ENTRY), **changes})})


@pytest.mark.parametrize(
    ("facts", "odd"),
    [
        (recorded_as(plan="0" * 64), "the plan"),
        (recorded_as(tag="v9.0.0"), "the plan"),
        (recorded_as(assets=json.loads(ENTRY)["assets"][1:]), json.loads(ENTRY)["assets"][0]["name"]),
        (FACTS.with_home(releases=(replace(RELEASE, assets=RELEASE.assets[1:]),)), RELEASE.assets[0].name),
        (
            FACTS.with_home(
                releases=(replace(RELEASE, assets=(replace(RELEASE.assets[0], digest=None), *RELEASE.assets[1:])),)
            ),
            RELEASE.assets[0].name,
        ),
    ],
)
def test_nobody_is_led_to_what_is_not_recorded(facts: Observation, odd: str) -> None:
    found = step(facts)
    assert isinstance(found, Blocked)
    assert found.cause == f"{odd} of {TAG} is not what the ledger records"
    assert found.next_command == f"ms release content verify {TAG}"


@pytest.mark.parametrize("changes", [{"seal": "x"}, {"commit": "main"}, {"assets": [{"name": "a"}]}, {"schema": "v2"}])
def test_a_damaged_entry_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(DamagedError, match="no ledger entry"):
        step(recorded_as(**changes))


def test_an_abandoned_version_is_not_announced() -> None:
    found = step(FACTS.with_home(releases=(), abandoned=(TAG,)))
    assert isinstance(found, Blocked)
    assert found.cause == f"{TAG} is abandoned"


@pytest.mark.parametrize(("spare", "kind"), [(0, Act), (-1, Blocked)])
def test_the_limit_is_that_of_the_forge_to_the_character(spare: int, kind: type) -> None:
    fixed = len(edited(RELEASE.body)) - len(RELEASE.body)
    body = RELEASE.body.rjust(BODY_LIMIT - fixed - spare, "x")
    assert isinstance(step(with_body(body)), kind)


def test_the_block_names_artifacts_records_and_changes() -> None:
    home = "https://forge.example/studio/distribution"
    for file in dist_files(GOAL):
        assert f"- [{file.name}]({home}/releases/download/{TAG}/{file.name}) (sha256 `{file.sha256[:12]}`)" in BLOCK
    assert f"- [plan]({home}/blob/{sha('merge')}/release-plans/{TAG}.json)" in BLOCK
    assert f"- [ledger entry]({home}/blob/main/release/ledger/{TAG}.json)" in BLOCK
    assert "Decisions" not in BLOCK
    text = block(saying("why\n\nDecision-ID: D-7", "decision-id: D-7\nCapsule: c/1"), RECORDED)
    assert f"]({URL}/compare/{sha('old')}...{sha('new')})" in text
    assert "**Decisions**\n\n- D-7 (core)\n\n**Capsules**\n\n- c/1 (core)\n" in text


HOSTILE = st.text(st.sampled_from("ab<>!-[]()`@#|*_:/ \u202e\x1b&"), min_size=1, max_size=30)


@given(st.one_of(HOSTILE, st.sampled_from([BEGIN, END, "[x](http://evil.example)", "@octo/all closes #1"])))
def test_what_commits_say_shows_as_text(value: str) -> None:
    text = block(saying(f"Capsule: x{value}"), RECORDED)
    (line,) = [line for line in text.split("\n") if line.startswith("- x")]
    assert (text.count("<!--"), text.count("-->")) == (2, 2)
    for markup in ("<", "](", "@o", "#1", "://", "\u202e", "\x1b"):
        assert markup not in line.replace("\\]", "")
    assert edited(f"{RELEASE.body}\n{text}") == f"{RELEASE.body}\n{BLOCK}"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("Decision-ID: D-1", ("D-1",)),
        ("why\n\nDecision-ID: D-1\nSigned-off-by: x <y>\nDECISION-ID:D-2\n", ("D-1", "D-2")),
        ("why\r\n\r\nDecision-ID: D-1\r\n\r\nCo-authored-by: x <y>\r\n", ("D-1",)),
        ("why\n\n\n\nDecision-ID: D-1\n  and more\n", ("D-1 and more",)),
        ("Decision-ID: D-1\n\nwhy it was so", ()),
        ("see\nDecision-ID: D-1", ()),
        ("Decision-IDs: D-1", ()),
        ("Decision-ID:", ()),
        ("", ()),
    ],
)
def test_trailers_are_the_last_lines(body: str, found: tuple[str, ...]) -> None:
    assert trailers(body, "Decision-ID") == found


def test_an_edit_counts_until_somebody_else_edits() -> None:
    (edit,) = step(FACTS).actions  # type: ignore[union-attr]
    after = foretell(FACTS, edit, Outcome(77))
    assert isinstance(step(after), Done)
    later = with_body("somebody else's")
    assert foretell(later, edit, Outcome(77)) == later
    other = FACTS.with_home(releases=(replace(RELEASE, id=78),))
    assert foretell(other, edit, Outcome(77)) == other
