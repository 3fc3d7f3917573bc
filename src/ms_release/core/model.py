"""The nouns that every part shares: pins, evidence, candidates, findings, waivers, files to commit."""

from __future__ import annotations

import hashlib
from typing import Literal

from msgspec import Struct

Outcome = Literal["PASS", "FAIL", "UNKNOWN", "NOT_APPLICABLE"]
Selection = Literal["head", "latest-green", "carry", "explicit"]


class Evidence(Struct, frozen=True, forbid_unknown_fields=True):
    """One check that concluded `success` on a pinned commit; `source` is `forge` or the tag whose plan recorded it."""

    check: str
    app: str
    check_run_id: int
    run_id: int | None = None
    source: str = "forge"


class PassedOver(Struct, frozen=True, forbid_unknown_fields=True):
    """A newer commit that was not chosen, and why."""

    sha: str
    subject: str
    reason: str


class Pin(Struct, frozen=True, forbid_unknown_fields=True):
    """One repository at one commit, with the reason and the evidence for choosing it."""

    repo: str
    slug: str
    url: str
    ref: str
    sha: str
    select: Selection
    reason: str
    evidence: tuple[Evidence, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def stands_on_evidence(self) -> bool:
        """Whether an earlier published plan proved it green, so that the forge need not keep its checks (SPEC 4)."""
        return self.select == "carry" or any(e.source != "forge" for e in self.evidence)


class CandidatePin(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a plan promotes for one repository: a `ready` candidate by id and digest, or one still to `build`."""

    repo: str
    slug: str
    tag: str
    state: Literal["ready", "build"]
    workflow: str = ""
    release_id: int = 0
    digest: str = ""


class Finding(Struct, frozen=True):
    """One gate's verdict on one subject. Anything but PASS and NOT_APPLICABLE blocks unless a waiver covers it."""

    code: str
    subject: str
    outcome: Outcome
    message: str = ""
    remedy: str = ""
    waived_by: str = ""

    @property
    def blocks(self) -> bool:
        """Whether the release may not go on. UNKNOWN blocks as FAIL does (SPEC 1.6); only FAIL can be waived."""
        return self.outcome == "UNKNOWN" or (self.outcome == "FAIL" and not self.waived_by)


class Waiver(Struct, frozen=True, forbid_unknown_fields=True):
    """A dated, approved deviation from a rule (SPEC 1.5). It is dead on the day after `expires`, an ISO date."""

    code: str
    subject: str
    reason: str
    approver: str
    expires: str

    def covers(self, code: str, subject: str, now: str) -> bool:
        """Whether this waiver applies to a finding at the forge's time `now`."""
        return self.code == code and self.subject in (subject, "*") and now[:10] <= self.expires


def digest(text: str) -> str:
    """SHA-256 (hex) of a text's UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


class File(Struct, frozen=True):
    """A file that a change brings into a repository, by exact bytes."""

    path: str
    data: bytes

    @property
    def blob(self) -> str:
        """The id git gives these bytes: how "is it already there" is asked without downloading."""
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data, usedforsecurity=False).hexdigest()

    @property
    def sha256(self) -> str:
        """Digest of the bytes, as plans and ledgers record it."""
        return hashlib.sha256(self.data).hexdigest()
