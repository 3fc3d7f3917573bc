"""The findings of `preflight` as plain text at 80 columns: what fails first, each with what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ms_release.core.model import Finding
from ms_release.core.sanitize import terminal_line

WIDTH = 80
_MARKS = {"PASS": "ok", "FAIL": "NO", "UNKNOWN": "??", "NOT_APPLICABLE": "--"}


def preflight_text(findings: Sequence[Finding]) -> str:
    """All findings, those that block first; several subjects that pass the same question share a line."""
    return "\n".join((*_each(f for f in findings if f.outcome != "PASS"), *_passed(findings)))


def _each(findings: Iterator[Finding]) -> Iterator[str]:
    for finding in sorted(findings, key=lambda f: not f.blocks):
        waived = f" (waived by @{finding.waived_by})" if finding.waived_by else ""
        yield from _wrapped(
            f"  {_MARKS[finding.outcome]}  {finding.code} {finding.subject}: {finding.message}{waived}", 6
        )
        if finding.blocks and finding.remedy:
            yield from _wrapped(f"      Fix: {finding.remedy}", 11)


def _passed(findings: Sequence[Finding]) -> Iterator[str]:
    passed: dict[str, list[str]] = {}
    for finding in findings:
        if finding.outcome == "PASS":
            passed.setdefault(finding.code, []).append(finding.subject)
    for code, subjects in passed.items():
        text = ", ".join(subjects)
        yield from _wrapped(f"  ok  {code}: {text if len(text) < WIDTH else f'{len(subjects)} of {len(subjects)}'}", 6)


def _wrapped(text: str, indent: int) -> list[str]:
    line = terminal_line(text)
    first, rest = " " * (len(line) - len(line.lstrip())), " " * indent
    return textwrap.wrap(
        line.lstrip(), WIDTH, initial_indent=first, subsequent_indent=rest,
        break_on_hyphens=False,
    )  # fmt: skip
