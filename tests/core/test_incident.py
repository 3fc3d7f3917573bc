"""The incident note: who, what and when come from the forge; causes are left to people."""

from __future__ import annotations

import hashlib

from msgspec.structs import replace

from core.world import planned, prepared, publish_run, released
from ms_release.core.incident import render
from ms_release.core.ledger import evidence_change, make_entry
from ms_release.core.plan import PlannedFile, make_file, notes_path
from ms_release.core.train import Train, render_notes

FORWARD = planned()
BACK = replace(FORWARD.plan, mode="rollback", previous="v1.1.0", source="v1.0.0", reason="rolls back: <b>@all</b> |")
BACK = replace(BACK, files=(PlannedFile(notes_path(BACK.tag), hashlib.sha256(render_notes(BACK)).hexdigest()),))
GOAL: Train = replace(FORWARD, file=make_file(BACK, created_at="2026-01-02T03:04:05Z", created_by="al|ice"))
FACTS = released(GOAL, prepared(GOAL))
RELEASE = replace(FACTS.home.releases[0], published_at="2026-01-02T05:00:00Z")
RUN = publish_run(GOAL, FACTS, created_at="2026-01-02T04:00:00Z")


def note() -> str:
    facts = replace(FACTS, runs=(RUN,))
    entry = make_entry(GOAL, facts, RELEASE)
    assert isinstance(entry, bytes)
    return render(GOAL, facts, RELEASE, entry).decode()


def test_it_tells_the_times_of_the_forge_and_who_approved() -> None:
    rows = [line for line in note().splitlines() if line.startswith("| 2026")]
    assert [row.split("|")[1].strip() for row in rows] == [
        "2026-01-02T03:04:05Z",
        "2026-01-02T04:00:00Z",
        "2026-01-02T05:00:00Z",
    ]
    assert "approved by bob" in rows[2]
    assert note().startswith("# v1.1.0 was rolled back to v1.0.0\n")


def test_what_people_wrote_is_neutral() -> None:
    assert "<b>" not in note()
    assert "@all" not in note()


def test_only_a_rollback_brings_one() -> None:
    tag = GOAL.plan.tag
    ledger, incident = f"release/ledger/{tag}.json", f"release/incidents/{tag}.md"
    assert [(f.path, f.data) for f in evidence_change(GOAL, b"a", b"b").files] == [(ledger, b"a"), (incident, b"b")]
    assert [(f.path, f.data) for f in evidence_change(FORWARD, b"a", b"").files] == [(ledger, b"a")]
