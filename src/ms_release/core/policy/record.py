"""The audit as a document: what `--json` prints, and `release/policy-audit.json` in the home repository (SPEC 1.6).

The record's time is the midnight before the audit: the same findings of the same day by the same person are the same
bytes, so that `policy audit --record` can be stopped and typed again; it only ever looks older than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ms_release.config import Config
from ms_release.core import strict_json
from ms_release.core.change import Change
from ms_release.core.gates import AUDIT_PATH, AUDIT_SCHEMA
from ms_release.core.model import File
from ms_release.core.policy.base import Verdict

Verdicts = Mapping[str, tuple[Verdict, ...]]
"""Repository (`owner/name`) → what the rules say about it."""


def entry(verdict: Verdict) -> dict[str, str]:
    """One verdict; what it has nothing to say about is left out."""
    values = {
        "code": verdict.code, "outcome": verdict.outcome, "is": verdict.is_, "should": verdict.should,
        "source": verdict.source, "permission": verdict.permission, "waived_by": verdict.waived_by,
        "reason": verdict.reason,
    }  # fmt: skip
    return {name: value for name, value in values.items() if value or name in ("code", "outcome", "is", "should")}


def document(verdicts: Verdicts, now: str, viewer: str) -> dict[str, Any]:
    """The audit in the schema `ms-policy-audit/v1`."""
    repos = {slug: [entry(verdict) for verdict in found] for slug, found in verdicts.items()}
    return {"schema": AUDIT_SCHEMA, "audited_at": now, "audited_by": viewer, "repos": repos}


def record(verdicts: Verdicts, now: str, viewer: str) -> File:
    """The file that the gates read."""
    return File(AUDIT_PATH, strict_json.pretty(document(verdicts, f"{now[:10]}T00:00:00+00:00", viewer)))


def record_change(config: Config, file: File, now: str) -> Change:
    """The pull request that brings the record into the home repository; its branch is named by day and bytes."""
    home = config.repo_of(config.config.home)
    return Change(
        home.slug,
        home.branch,
        f"audit/{now[:10]}-{file.sha256[:8]}",
        (file,),
        f"chore(policy): audit of {now[:10]}",
        "What the repositories' protections say about each rule, for the gates of the next seven days.\n",
        home.checks,
        replaces=True,
    )
