"""Changes of settings as values: which resource, what it was, what it will be, and why; and what nobody here may do."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from msgspec import Struct

from ms_release.core.policy.base import Verdict


class Reason(Struct, frozen=True):
    """A rule that an edit makes true, in the audit's own words."""

    code: str
    was: str
    will: str


class Edit(Struct, frozen=True):
    """One write to one resource. `reads` is where it is read, `before` what it must still be there (None = absent).

    `layer` is the resource in words; `needs` the permission that the write takes.
    """

    slug: str
    layer: str
    method: Literal["PUT", "POST", "PATCH", "DELETE"]
    path: str
    body: dict[str, Any] | None
    reads: str
    before: Any
    reasons: tuple[Reason, ...]
    needs: str = "administration: write"

    @property
    def key(self) -> str:
        """The same for the same change of the same resource, whoever makes it."""
        named = f" {self.body['name']}" if self.method == "POST" and self.body else ""
        return f"{self.method.lower()} {self.path}{named}"


class Cannot(Struct, frozen=True):
    """A rule that this command cannot make true: why, who must act, and the permission that would help ("" = none)."""

    slug: str
    code: str
    why: str
    who: str
    needs: str = ""


class Repair(Struct, frozen=True):
    """What is to be done about some repositories."""

    edits: tuple[Edit, ...] = ()
    cannot: tuple[Cannot, ...] = ()

    def __add__(self, other: Repair) -> Repair:
        return Repair(self.edits + other.edits, self.cannot + other.cannot)

    def once(self) -> Repair:
        """Each resource changed once (several repositories may share an organisation's ruleset); new rulesets first.

        Of two edits of one resource the second is made of the first one's body by whoever runs the command again.
        """
        merged: dict[str, Edit] = {}
        for edit in self.edits:
            merged.setdefault(f"{edit.slug if edit.method == 'POST' else ''} {edit.key}", edit)
        ordered = sorted(merged.values(), key=lambda edit: edit.layer.startswith("new "), reverse=True)
        return Repair(tuple(ordered), tuple(dict.fromkeys(self.cannot)))


Bodies = dict[str, Any]
"""Resources as the forge answered them, by path; None = absent, or not for this token."""


def reasons_of(verdicts: tuple[Verdict, ...], codes: set[str]) -> tuple[Reason, ...]:
    """The failing verdicts of these codes, as reasons."""
    return tuple(Reason(v.code, v.is_, v.should) for v in verdicts if v.code in codes and v.outcome == "FAIL")


def failing(verdicts: tuple[Verdict, ...]) -> set[str]:
    """The codes that do not hold and that no waiver covers."""
    return {verdict.code for verdict in verdicts if verdict.outcome == "FAIL" and not verdict.waived_by}


def classic_path(slug: str, branch: str) -> str:
    """Classic protection of a branch."""
    return f"/repos/{slug}/branches/{quote(branch, safe='')}/protection"


def ruleset_path(kind: str, owner: str, number: int) -> str:
    """A ruleset, of a repository (`owner/name`) or an organisation."""
    return f"/{'orgs' if kind == 'organisation' else 'repos'}/{owner}/rulesets/{number}"


def environment_path(slug: str, name: str) -> str:
    """An environment."""
    return f"/repos/{slug}/environments/{quote(name, safe='')}"


def who_path(kind: str, org: str, name: str) -> str:
    """Where the number of a team, person or App is told."""
    if kind == "team":
        return f"/orgs/{org}/teams/{quote(name, safe='')}"
    return f"/{'apps' if kind == 'app' else 'users'}/{quote(name, safe='')}"
