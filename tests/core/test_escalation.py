"""SPEC 8: which finding goes to whom, once each; and the issue that keeps it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.world import CONFIG
from ms_release.config import Roles
from ms_release.core.escalation import ROUTES, Escalation, escalate, lines
from ms_release.core.model import Finding

PEOPLE = Roles("o/maintainers", "o/managers", owner="o/owners", integrator="ian", builder="bea", verifier="vic")
STAFFED = replace(CONFIG, roles=PEOPLE)


def finding(code: str, outcome: str = "FAIL", subject: str = "core", **more: str) -> Finding:
    return Finding(code, subject, outcome, "it is so", "Mend it.", **more)  # type: ignore[arg-type]


def one(code: str, outcome: str = "FAIL") -> tuple[str, str] | None:
    """Role and people of a finding, None when it stays with the operator."""
    found = escalate([finding(code, outcome)], STAFFED)
    return (found[0].role, found[0].who) if found else None


@pytest.mark.parametrize(
    ("code", "role", "who"),
    [
        ("FLAKY", "Verifier / Observer", "vic, o/maintainers"),
        ("PERMISSION", "Integrator / Owner", "ian, o/owners"),
        ("TOKEN", "Integrator / Owner", "ian, o/owners"),
        ("ENVIRONMENT", "Integrator / Owner", "ian, o/owners"),
        ("VERSION_SKEW", "Builder", "bea"),
        ("SIZE_REGRESSION", "Owner", "o/owners"),
        ("LICENCE", "Owner", "o/owners"),
        ("APPROVAL", "release managers", "o/managers"),
    ],
)
def test_each_row_of_the_table(code: str, role: str, who: str) -> None:
    assert one(code) == (role, who)


@pytest.mark.parametrize("code", ["PIN_GREEN", "TAG_FREE", "EVIDENCE", "CONFIG"])
def test_what_the_operator_settles_is_not_escalated_unless_it_could_not_be_read(code: str) -> None:
    assert one(code) is None
    assert one(code, "UNKNOWN") == ("Integrator / Owner", "ian, o/owners")


def test_what_passes_or_is_waived_is_nobodys() -> None:
    fine = [finding("FLAKY", "PASS"), finding("FLAKY", "NOT_APPLICABLE"), finding("SELF_APPROVAL", waived_by="dana")]
    assert escalate(fine, STAFFED) == ()


def test_without_people_of_their_own_the_maintainers_have_every_role() -> None:
    (found,) = escalate([finding("FLAKY")], CONFIG)
    assert found.who == CONFIG.roles.maintainers


def test_the_same_finding_twice_is_one() -> None:
    twice = [finding("FLAKY"), finding("FLAKY"), finding("FLAKY", subject="loader"), finding("TOKEN")]
    assert [(e.code, e.subject) for e in escalate(twice, CONFIG)] == [
        ("FLAKY", "core"), ("FLAKY", "loader"), ("TOKEN", "core"),
    ]  # fmt: skip


def issue(**changes: str) -> Escalation:
    (found,) = escalate([replace(finding("FLAKY"), **changes)], CONFIG)
    return found


def test_an_issue_is_found_again_by_code_and_subject_alone() -> None:
    first = issue()
    assert first.marker in first.body
    assert issue(message="another day, another rate").marker == first.marker
    assert issue(subject="loader").marker != first.marker
    assert issue(code="TOKEN").marker != first.marker


def test_foreign_text_in_an_issue_calls_nobody_and_closes_nothing() -> None:
    body = issue(message="@everyone closes #1 <!-- x --> <img src=y>", remedy="![a](http://b)").body
    assert "@everyone" not in body
    assert "#1" not in body
    assert (body.count("<"), body.count("<!--")) == (1, 1), "only our own mark"
    assert len(issue(subject="a" * 300).title) == 120


def test_the_operator_reads_one_line_for_each_kind() -> None:
    many = [finding("PERMISSION", subject=f"r{n}") for n in range(8)] + [finding("FLAKY")]
    assert list(lines(escalate(many, STAFFED))) == [
        "Integrator / Owner (ian, o/owners): PERMISSION r0, r1, r2, r3, r4 and 3 more",
        "Verifier / Observer (vic, o/maintainers): FLAKY core",
    ]


def test_no_code_has_two_rows() -> None:
    codes = [code for route in ROUTES for code in route.codes]
    assert sorted(set(codes)) == sorted(codes)
