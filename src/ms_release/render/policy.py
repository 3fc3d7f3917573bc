"""The policy audit and the changes of `policy apply` as plain text that reads well at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ms_release.core.policy.base import Verdict
from ms_release.core.policy.edit import Edit, Repair
from ms_release.core.policy.record import Verdicts
from ms_release.core.sanitize import terminal_line

_MARKS = {"PASS": "ok", "FAIL": "NO", "UNKNOWN": "??", "NOT_APPLICABLE": "--"}
_WIDTH = 80
_CODE = 22


def audit_text(verdicts: Verdicts, *, every: bool) -> str:
    """One table per repository that has something to say; `every` shows what holds as well."""
    tables = [_table(slug, found, every) for slug, found in verdicts.items()]
    clean = sum(1 for found in verdicts.values() if not any(v.blocks for v in found))
    return "\n".join(
        (*("\n".join(table) for table in tables if table), f"{clean} of {len(verdicts)} repositories are clean")
    )


def _table(slug: str, verdicts: Sequence[Verdict], every: bool) -> list[str]:
    asked = [v for v in verdicts if v.outcome != "NOT_APPLICABLE"]
    shown = verdicts if every else [v for v in asked if v.outcome != "PASS"]
    if not shown:
        return []
    held = sum(1 for verdict in asked if verdict.outcome == "PASS")
    lines = [f"{terminal_line(slug)}: {held} of {len(asked)} rules hold"]
    unread: dict[str, list[str]] = {}
    for verdict in shown:
        if verdict.outcome == "UNKNOWN" and verdict.permission and not every:
            unread.setdefault(verdict.permission, []).append(verdict.code)
        else:
            lines += _row(verdict)
    for needed, codes in unread.items():
        lines += _wrapped("  ??  ", f"not read for want of {needed}: {', '.join(codes)}")
    return [*lines, ""]


def _row(verdict: Verdict) -> list[str]:
    head = f"  {_MARKS[verdict.outcome]}  {verdict.code:{_CODE}}  "
    lines = _wrapped(head, verdict.is_ or "nothing")
    if verdict.outcome in ("PASS", "NOT_APPLICABLE"):
        return lines
    indent = " " * 6
    lines += _wrapped(f"{indent}should be ", verdict.should)
    lines += _wrapped(f"{indent}read from ", verdict.source)
    if verdict.permission:
        lines += _wrapped(f"{indent}needs ", verdict.permission)
    if verdict.waived_by:
        lines += _wrapped(f"{indent}waived by ", f"@{verdict.waived_by}: {verdict.reason}")
    return lines


def _wrapped(head: str, text: str) -> list[str]:
    """A head and its text, continued below itself."""
    return textwrap.wrap(
        terminal_line(text), _WIDTH, initial_indent=head, subsequent_indent=" " * min(len(head), 16),
        break_on_hyphens=False,
    ) or [head.rstrip()]  # fmt: skip


def repair_text(repair: Repair) -> str:
    """The changes that are due: which layer, and each rule's "was → will be"; then what others must do."""
    lines: list[str] = []
    for slug in dict.fromkeys(edit.slug for edit in repair.edits):
        lines.append(terminal_line(slug))
        for edit in (one for one in repair.edits if one.slug == slug):
            lines += _wrapped("  ", _layer(edit))
            for reason in edit.reasons:
                lines += _wrapped(f"    {reason.code:{_CODE}}  ", f"{reason.was} → {reason.will}")
        lines.append("")
    for one in repair.cannot:
        lines += _wrapped("  --  ", f"{one.code} of {one.slug}: {one.why}; {one.who} must act")
    return "\n".join(lines) or "nothing to change"


def _layer(edit: Edit) -> str:
    return f"take away {edit.layer}" if edit.method == "DELETE" else edit.layer


def sentence(edit: Edit) -> str:
    """A change as it is being made."""
    verb = {"POST": "make", "DELETE": "take away"}.get(edit.method, "change")
    return f"{verb} {edit.layer} of {edit.slug}"
