"""Waivers that cover a failure and never what is unknown, and the audit record that gates read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import ENVIRONMENT, audit, observation, subject, with_waivers
from ms_release.core.gates import Subject, evaluate, read_audit
from ms_release.core.model import Finding, Waiver


def home(**changes: Any) -> Subject:
    return subject(observation().with_home(**changes))


def outcomes(given_subject: Subject, code: str) -> list[tuple[str, str]]:
    return [(f.subject, f.outcome) for f in evaluate(given_subject) if f.code == code]


SELF = Waiver("SELF_APPROVAL", "release", "one person", "dana", "2026-01-10")
LONE = home(environment=replace(ENVIRONMENT, prevent_self_review=False))


def waived(given_subject: Subject, *waivers: Waiver) -> Finding:
    found = evaluate(replace(given_subject, config=with_waivers(*waivers)))
    return next(f for f in found if f.code == "SELF_APPROVAL")


@pytest.mark.parametrize(
    "waiver", [SELF, replace(SELF, subject="*"), replace(SELF, expires="2030-01-01")], ids=["exact", "any", "later"]
)
def test_a_live_waiver_covers_a_failure_and_is_shown(waiver: Waiver) -> None:
    found = waived(LONE, waiver)
    assert (found.outcome, found.waived_by, found.blocks) == ("FAIL", "dana", False)
    assert "waived: one person" in found.message


@pytest.mark.parametrize(
    "waiver",
    [
        pytest.param(replace(SELF, expires="2026-01-09"), id="expired yesterday"),
        pytest.param(replace(SELF, subject="app-release"), id="other subject"),
        pytest.param(replace(SELF, code="ENVIRONMENT"), id="other code"),
    ],
)
def test_any_other_waiver_does_not(waiver: Waiver) -> None:
    found = waived(LONE, waiver)
    assert (found.waived_by, found.blocks) == ("", True)


def test_the_second_waiver_may_be_the_one_that_covers() -> None:
    assert waived(LONE, replace(SELF, subject="other", approver="x"), SELF).waived_by == "dana"


def test_what_is_not_known_cannot_be_waived() -> None:
    found = waived(home(environment=replace(ENVIRONMENT, prevent_self_review=None)), SELF)
    assert (found.outcome, found.waived_by, found.blocks) == ("UNKNOWN", "", True)


def test_a_pass_is_never_shown_as_waived() -> None:
    assert waived(subject(), SELF).waived_by == ""


@given(st.dates(), st.dates())
def test_a_waiver_is_dead_on_the_day_after_it_expires(expires: Any, today: Any) -> None:
    waiver = replace(SELF, expires=expires.isoformat())
    assert waiver.covers("SELF_APPROVAL", "release", f"{today.isoformat()}T23:59:59Z") == (today <= expires)


@pytest.mark.parametrize(
    ("outcome", "blocks"), [("PASS", False), ("NOT_APPLICABLE", False), ("FAIL", True), ("UNKNOWN", True)]
)
def test_what_blocks(outcome: Any, blocks: bool) -> None:
    assert Finding("A", "b", outcome).blocks is blocks
    assert Finding("A", "b", outcome, waived_by="dana").blocks is (outcome == "UNKNOWN")


# --- the audit record


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no fields"),
        pytest.param(audit().replace(b"ms-policy-audit/v1", b"ms-policy-audit/v2"), id="other schema"),
        pytest.param(audit("yesterday"), id="no time"),
        pytest.param(audit("2026-01-09T00:00:00"), id="a time without zone"),
        pytest.param(audit(core="bad"), id="entries are text"),
        pytest.param(audit(core=[{"code": "A"}]), id="entry without outcome"),
        pytest.param(audit(core=[{"outcome": "PASS"}]), id="entry without code"),
        pytest.param(audit(core=[{"code": "A", "outcome": True}]), id="outcome is no text"),
        pytest.param(audit(core=[None]), id="entry is null"),
        pytest.param(audit(core=7), id="entries are a number"),
        pytest.param(
            b'{"schema": "ms-policy-audit/v1", "audited_at": "2026-01-09T00:00:00Z", "repos": []}', id="repos is a list"
        ),
        pytest.param(b'{"schema": "ms-policy-audit/v1", "audited_at": 5, "repos": {}}', id="time is a number"),
    ],
)
def test_a_damaged_audit_record_is_as_good_as_none(data: bytes) -> None:
    assert read_audit(data) is None
    assert outcomes(home(audit=data), "AUDIT") == [("studio/distribution", "UNKNOWN")]


def test_a_whole_audit_record_is_read() -> None:
    record = read_audit(audit())
    assert record is not None
    assert set(record["repos"]) == {"studio/distribution", "studio/loader", "studio/core"}


def test_bypass_counts_as_audited_only_where_it_passed() -> None:
    environment = replace(ENVIRONMENT, can_admins_bypass=None)
    bad = [{"code": "ENVIRONMENT_NO_BYPASS", "outcome": "UNKNOWN"}]
    assert outcomes(home(environment=environment, audit=audit(distribution=bad)), "ENVIRONMENT") == [
        ("release", "UNKNOWN")
    ]
    elsewhere = audit(distribution=[{"code": "X", "outcome": "PASS"}])
    assert outcomes(home(environment=environment, audit=elsewhere), "ENVIRONMENT") == [("release", "UNKNOWN")]


@pytest.mark.parametrize(
    ("waivers", "entry", "outcome"),
    [
        (("core", "2026-01-10"), "FAIL", "PASS"),
        (("studio/core", "2026-01-10"), "FAIL", "PASS"),
        (("*", "2026-01-10"), "FAIL", "PASS"),
        (("loader", "2026-01-10"), "FAIL", "FAIL"),
        (("release", "2026-01-10"), "FAIL", "FAIL"),
        (("core", "2026-01-09"), "FAIL", "FAIL"),
        (("core", "2026-01-10"), "UNKNOWN", "UNKNOWN"),
    ],
)
def test_what_the_audit_found_is_waived_by_the_configuration(
    waivers: tuple[str, str], entry: str, outcome: str
) -> None:
    """A record may be older than a waiver, and a waiver that has died waives nothing that it says."""
    record = audit(
        core=[{"code": "NO_DELETION", "outcome": entry, "waived_by": "dana"}, {"code": "B", "outcome": "PASS"}]
    )
    about = home(audit=record)
    config = with_waivers(Waiver("NO_DELETION", waivers[0], "moving", "dana", waivers[1]))
    found = [f for f in evaluate(replace(about, config=config)) if (f.code, f.subject) == ("AUDIT", "studio/core")]
    assert [f.outcome for f in found] == [outcome]
    assert ("waived: NO_DELETION" in found[0].message) == (outcome == "PASS")


def test_a_waiver_of_an_environment_covers_what_was_found_at_its_home() -> None:
    about = home(audit=audit(distribution=[{"code": "SELF_APPROVAL", "outcome": "FAIL"}]))
    found = evaluate(replace(about, config=with_waivers(SELF)))
    told = {f.subject: f.message for f in found if (f.code, f.outcome) == ("AUDIT", "PASS")}
    assert told == {
        "studio/distribution": "audited on 2026-01-09; waived: SELF_APPROVAL",
        "studio/loader": "audited on 2026-01-09",
        "studio/core": "audited on 2026-01-09",
    }
