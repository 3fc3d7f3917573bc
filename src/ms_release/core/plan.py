"""The plan: what a release will be, frozen, with the digest that travels to the approval and to the publishing job.

Format `ms-plan/v1` (SPEC 5): `{"schema", "digest", "created_at", "created_by", "plan"}`; the digest is the SHA-256 of
the canonical JSON of `plan` alone, so the same world gives the same digest whoever plans it, whenever.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ms_release.core import strict_json
from ms_release.core.model import CandidatePin, Pin
from ms_release.core.notes import RepoChanges
from ms_release.core.sanitize import terminal_line
from ms_release.core.version import parse_tag
from ms_release.errors import DamagedError

SCHEMA = "ms-plan/v1"
MAX_BYTES = 4 << 20


class Verdict(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A gate's outcome as the plan keeps it; `waived_by` names the approver of the waiver that covered a FAIL."""

    code: str
    subject: str
    outcome: str
    waived_by: str = ""


class PlannedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that the release pull request brings besides the plan and the spec."""

    path: str
    sha256: str


class Protection(Struct, frozen=True, forbid_unknown_fields=True):
    """What protected the release when it was planned; a loosened rule makes the plan stale."""

    checks: tuple[str, ...]
    reviewers: tuple[str, ...]
    prevent_self_review: bool
    branches: tuple[str, ...]


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a plan, without who and when. `source` is the release whose bytes are issued again."""

    product: str
    kind: Literal["content"]
    channel: Literal["stable", "beta"]
    tag: str
    mode: Literal["release", "promotion", "rollback"]
    reason: str
    previous: str | None
    home: str
    branch: str
    config: str
    pins: tuple[Pin, ...]
    candidates: tuple[CandidatePin, ...]
    changes: tuple[RepoChanges, ...]
    notes: str
    files: tuple[PlannedFile, ...]
    protection: Protection
    gates: tuple[Verdict, ...]
    source: str | None = None  # plans from before rollbacks do not say it

    @property
    def path(self) -> str:
        """Where the home repository keeps this plan."""
        return plan_path(self.tag)

    @property
    def release_branch(self) -> str:
        """The branch whose creation is the lock on this version."""
        return f"release/{self.tag}"

    @property
    def evidence_branch(self) -> str:
        """The branch of the one evidence pull request."""
        return f"evidence/{self.tag}"

    @property
    def incident_path(self) -> str:
        """Path of the incident note of a rollback, below the home repository."""
        return f"release/incidents/{self.tag}.md"

    @property
    def evidence_paths(self) -> tuple[str, ...]:
        """What the evidence pull request brings."""
        return (ledger_path(self.tag), *((self.incident_path,) if self.mode == "rollback" else ()))

    @property
    def prerelease(self) -> bool:
        """Betas are published as prereleases."""
        return self.channel == "beta"


class PlanFile(Struct, frozen=True):
    """A plan with its digest and who made it when; `data` are the exact bytes that the pull request commits."""

    plan: Plan
    digest: str
    created_at: str
    created_by: str
    data: bytes


def plan_path(tag: str) -> str:
    """Path of a plan in the home repository."""
    return f"release-plans/{tag}.json"


def spec_path(tag: str) -> str:
    """Path of a release spec in the home repository."""
    return f"release-specs/{tag}.json"


def notes_path(tag: str) -> str:
    """Path of release notes in the home repository."""
    return f"release-notes/{tag}.md"


def ledger_path(tag: str) -> str:
    """Path of a ledger entry in the home repository."""
    return f"release/ledger/{tag}.json"


def make_file(plan: Plan, *, created_at: str, created_by: str) -> PlanFile:
    """Seal a plan into its file."""
    body = msgspec.to_builtins(plan)
    digest = strict_json.digest(body)
    document = {
        "schema": SCHEMA,
        "digest": digest,
        "created_at": created_at,
        "created_by": created_by,
        "plan": body,
    }
    return PlanFile(plan, digest, created_at, created_by, strict_json.pretty(document))


def parse_file(data: bytes, where: str) -> PlanFile:
    """Read a plan file; `where` names it in errors.

    Raises DamagedError when it is not JSON, of another schema, misses or adds a field, or its digest is not that of its
    content: a plan is never edited (SPEC 1.7).
    """
    again = "Make a new plan; a plan is never edited."
    try:
        document: Any = strict_json.parse(data, max_bytes=MAX_BYTES)
    except DamagedError as error:
        raise DamagedError(f"{where} is no plan: {error.cause}", remedy=again) from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else None
        raise DamagedError(
            f"{where} is not an {SCHEMA} file but {ascii(found)[:80]}",
            remedy="Use the program version that wrote it, or plan again.",
        )
    if set(document) != {"schema", "digest", "created_at", "created_by", "plan"}:
        raise DamagedError(f"{where} has other fields than a plan file", remedy=again)
    try:
        plan = msgspec.convert(document["plan"], Plan)
        created = msgspec.convert((document["created_at"], document["created_by"]), tuple[str, str])
    except msgspec.ValidationError as error:
        raise DamagedError(f"{where} is damaged: {terminal_line(str(error)[:300])}", remedy=again) from None
    actual = strict_json.digest(document["plan"])
    if document["digest"] != actual:
        raise DamagedError(
            f"{where} was changed after it was made: its digest is {actual[:12]}, "
            f"it claims {terminal_line(str(document['digest'])[:12])}",
            remedy=again,
        )
    if parse_tag(plan.tag) is None or not all(re.fullmatch(r"[0-9a-f]{40}", p.sha) for p in plan.pins):
        raise DamagedError(f"{where} holds a malformed tag or commit", remedy=again)
    return PlanFile(plan, actual, created[0], created[1], data)


def make_seal(digest: str, release_commit: str, candidate_digests: dict[str, str]) -> str:
    """The seal: SHA-256 over plan digest, release commit and every `candidate.json` digest, by repository (SPEC 5)."""
    lines = [digest, release_commit, *(f"{repo} {candidate_digests[repo]}" for repo in sorted(candidate_digests))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
