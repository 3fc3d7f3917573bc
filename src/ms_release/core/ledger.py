"""The ledger: one entry per published release, each naming the digest of the entry before (append-only, SPEC 6)."""

from __future__ import annotations

import hashlib
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from ms_release.core import strict_json, train
from ms_release.core.action import Blocked
from ms_release.core.change import Change
from ms_release.core.model import File
from ms_release.core.names import is_sha, is_sha256
from ms_release.core.observation import Observation, Release, Run
from ms_release.core.plan import ledger_path
from ms_release.core.train import Train
from ms_release.core.verify import release_commit
from ms_release.core.version import parse_tag
from ms_release.errors import DamagedError

SCHEMA = "ms-ledger/v1"
T = TypeVar("T")


class _Candidate(Struct):
    repo: str
    sha256: str


class _Recorded(Struct):
    """What a later plan needs of an entry; the rest is for whoever audits it."""

    schema: Literal["ms-ledger/v1"]
    candidates: tuple[_Candidate, ...]


class RecordedAsset(Struct, frozen=True):
    """A published file as it was recorded; `size` in bytes."""

    name: str
    size: int
    sha256: str


class Link(Struct, frozen=True):
    """The entry that another one follows, by tag and by the SHA-256 of its bytes."""

    tag: str
    sha256: str


class Recorded(Struct, frozen=True):
    """What an entry says of the release itself: whatever is told about it later is told from this."""

    schema: Literal["ms-ledger/v1"]
    tag: str
    commit: str
    plan: str
    seal: str
    assets: tuple[RecordedAsset, ...]
    previous: Link | None


def previous_entry(tags: tuple[str, ...], tag: str) -> str | None:
    """The tag whose entry a new one for `tag` follows: the newest version below it that has an entry."""
    own = parse_tag(tag)
    known = [v for v in map(parse_tag, tags) if v is not None and own is not None and v < own]
    return max(known).tag if known else None


def ledger_files(before: str | None) -> tuple[str, ...]:
    """The files that must be read to write the entry that follows `before`."""
    return (ledger_path(before),) if before else ()


def evidence_change(goal: Train, entry: bytes, incident: bytes = b"") -> Change:
    """The one pull request that records a release (SPEC 5), with the incident note of a rollback."""
    plan = goal.plan
    return Change(
        plan.home,
        plan.branch,
        plan.evidence_branch,
        tuple(map(File, plan.evidence_paths, (entry, incident))),
        f"chore(release): evidence of {plan.tag}",
        f"Ledger entry of **{plan.tag}**.\n\nplan `{goal.file.digest}`\n",
        goal.config.home(goal.product).checks,
    )


def read_candidates(text: str, where: str) -> dict[str, str]:
    """The `candidate.json` digest of each repository that an entry records. Raises DamagedError when it is no entry."""
    recorded = _convert(text, _Recorded, where).candidates
    digests = {candidate.repo: candidate.sha256 for candidate in recorded}
    if len(digests) != len(recorded) or not all(map(is_sha256, digests.values())):
        raise _damaged(where)
    return digests


def read_recorded(text: str, where: str) -> Recorded:
    """The release that an entry records. Raises DamagedError when it is no entry."""
    found = _convert(text, Recorded, where)
    digests = (found.plan, found.seal, *(asset.sha256 for asset in found.assets))
    if not is_sha(found.commit) or not all(map(is_sha256, digests)):
        raise _damaged(where)
    return found


def _convert(text: str, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(strict_json.parse(text.encode()), kind)
    except (DamagedError, UnicodeEncodeError, msgspec.ValidationError):
        raise _damaged(where) from None


def _damaged(where: str) -> DamagedError:
    return DamagedError(f"{where} is no ledger entry", remedy="Restore it from the history of the branch.")


def _published_by(goal: Train, facts: Observation, seal: str) -> tuple[Run | None, list[str]]:
    """The run that published the release, and who approved it: the oldest that succeeded.

    Without one the newest that was approved: a runner can die after its last write, and then its run has failed.
    """
    ended = [run for run in train.publish_runs(goal, facts, seal) if run.status == "completed"]
    succeeded = [run for run in reversed(ended) if run.conclusion == "success"]
    for run in (*succeeded, *ended):
        found = (a for a in facts.approvals or () if a.state == "approved" and a.of(run.id))
        if approvers := sorted({a.user for a in found}):
            return run, approvers
    return None, []


def make_entry(goal: Train, facts: Observation, released: Release) -> bytes | Blocked:
    """The entry's bytes: a pure function of what stands on the forge, so that every run makes the same bytes."""
    plan = goal.plan
    commit = release_commit(facts)
    seal = train.seal(goal, facts, commit) if commit else None
    before = previous_entry(tuple(t for t in facts.home.ledger if t != plan.tag), plan.tag)
    text = facts.home.texts.get(ledger_path(before)) if before else ""
    if commit is None or seal is None or text is None:
        return Blocked("the ledger entry cannot be written: a fact is unreadable", "Run the same command again.")
    run, approvers = _published_by(goal, facts, seal)
    if run is None:
        return Blocked(
            f"{plan.tag} is published, but no approved run of this plan published it",
            "Tell the release managers now: somebody published by another way.",
        )
    entry: dict[str, Any] = {
        "schema": SCHEMA,
        "product": plan.product,
        "tag": plan.tag,
        "commit": commit,
        "release_id": released.id,
        "plan": goal.file.digest,
        "seal": seal,
        "run_id": run.id,
        "approved_by": approvers,
        "candidates": [
            {"repo": c.repo, "tag": c.tag, "sha256": ready.digest}
            for c in plan.candidates
            if (ready := facts.ready.get(c.repo)) is not None
        ],
        "assets": [
            {"name": a.name, "size": a.size, "sha256": (a.digest or "").removeprefix("sha256:")}
            for a in sorted(released.assets, key=lambda a: a.name)
        ],
        "previous": {"tag": before, "sha256": hashlib.sha256(text.encode()).hexdigest()} if before else None,
    }
    return strict_json.pretty(entry)
