"""Whom a finding goes to when the operator cannot settle it alone: SPEC 8 as a table, and the issue that keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from msgspec import Struct

from ms_release.config import Config
from ms_release.core.model import Finding
from ms_release.core.sanitize import markdown

MARKER = "<!-- ms-release escalation {} -->"
TITLE_LENGTH = 120
PROGRAM = "ms release"


class Route(Struct, frozen=True):
    """One row of SPEC 8: which findings go to which roles, and the verb that shows the same finding again."""

    about: str
    codes: tuple[str, ...]
    roles: tuple[str, ...]
    verb: str

    @property
    def command(self) -> str:
        """What whoever is called types to see it."""
        return " ".join((PROGRAM, self.verb))


ROUTES = (
    Route("a flaky or nondeterministic gate", ("FLAKY",), ("verifier", "observer"), "prove --repeat 5"),
    Route(
        "credentials, scopes, permissions, environments, protection",
        (
            "PERMISSION",
            "TOKEN",
            "SSO",
            "ENVIRONMENT",
            "REVIEWERS",
            "SELF_APPROVAL",
            "HOME_PROTECTED",
            "AUDIT",
            "WORKFLOW",
            "SIGNING_KEY",
            "CI_FOR_PULLS",
            "MERGE",
            "PUBLISHING_JOB",
        ),
        ("integrator", "owner"),
        "preflight",
    ),
    Route("version skew across manifests", ("VERSION_SKEW",), ("builder",), "prove"),
    Route("an artifact that grew, a licence", ("SIZE_REGRESSION", "LICENCE"), ("owner",), "candidate list"),
    Route(
        "an approval that is pending, rejected or about to expire",
        ("APPROVAL",),
        ("release_managers",),
        "status",
    ),
)
PERMISSIONS = ROUTES[1]


class Escalation(Struct, frozen=True):
    """One finding on its way to people: `role` as SPEC 8 says it, `who` the team or login that has it."""

    code: str
    subject: str
    role: str
    who: str
    text: str
    remedy: str
    command: str

    @property
    def marker(self) -> str:
        """The hidden line by which the issue of this finding is found again, whoever opened it."""
        return MARKER.format(hashlib.sha256(f"{self.code}\0{self.subject}".encode()).hexdigest()[:32])

    @property
    def title(self) -> str:
        """The issue's title."""
        title = f"Release: {self.code} {markdown(self.subject)}"
        return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"

    @property
    def body(self) -> str:
        """The issue's text. All foreign text in it is made harmless (faults F41)."""
        said = [f"**{markdown(self.text)}**", markdown(self.remedy)] if self.remedy else [f"**{markdown(self.text)}**"]
        people = f"For {self.role}: `{self.who}`. See it again: `{self.command}`."
        return "\n\n".join((*said, people, self.marker)) + "\n"


def escalate(findings: Iterable[Finding], config: Config) -> tuple[Escalation, ...]:
    """Every finding that somebody else must hear of, once. Findings that pass, or that a waiver covers, are nobody's.

    A fact that could not be read is a permission that is missing, whatever the fact is about (SPEC 1.6). A finding
    that the table does not name is the operator's own: its remedy says what to do.
    """
    found: dict[tuple[str, str], Escalation] = {}
    for finding in findings:
        if finding.outcome in ("PASS", "NOT_APPLICABLE") or finding.waived_by:
            continue
        route = next((route for route in ROUTES if finding.code in route.codes), None)
        if finding.outcome == "UNKNOWN":
            route = route or PERMISSIONS
        if route is not None:
            found.setdefault((finding.code, finding.subject), _escalation(finding, route, config))
    return tuple(found.values())


def _escalation(finding: Finding, route: Route, config: Config) -> Escalation:
    people = tuple(dict.fromkeys(config.roles.named(role) for role in route.roles))
    text = f"{finding.subject}: {finding.message}" if finding.message else finding.subject
    roles = " / ".join(role_name(role) for role in route.roles)
    return Escalation(finding.code, finding.subject, roles, ", ".join(people), text, finding.remedy, route.command)


def role_name(role: str) -> str:
    """A role as SPEC 8 writes it."""
    return "release managers" if role == "release_managers" else role.capitalize()


def lines(escalations: Iterable[Escalation]) -> Iterator[str]:
    """The escalations for people: those of one role together, at most five subjects each."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in escalations:
        groups.setdefault((one.role, one.who, one.code), []).append(one.subject)
    for (role, who, code), subjects in groups.items():
        more = f" and {len(subjects) - 5} more" if len(subjects) > 5 else ""
        yield f"{role} ({who}): {code} {', '.join(subjects[:5])}{more}"
