"""What the attempts of gates prove: green, red or flaky; and the lines of a log that say why, first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from ms_release.core.model import Finding
from ms_release.core.sanitize import terminal_line

Verdict = Literal["green", "red", "flaky", "stopped"]

MOST_LINES = 30
"""Lines of one log that are shown; what a validator says is shown in full."""
_LAST = 8
_LINE = 400
_MOST_JSON = 400
_TELLING = re.compile(
    r"\b(?:error|errors|fail|failed|failure|failures|fatal|panic(?:ked)?|exception|traceback|not ok)\b"
    r"|^E\s|AssertionError|Error:|✗|✖|×",
    re.IGNORECASE,
)
_VALIDATOR = re.compile(
    r"instancePath|schemaPath|is a required property|must (?:be|have|NOT|match|contain)\b"
    r"|is not (?:of type|valid|one of)|does not match|Additional properties"
)


class Attempt(Struct, frozen=True):
    """One run of a gate's command. `exit` is None when it was ended early, `log` the file that keeps what it said."""

    gate: str
    number: int
    exit: int | None
    seconds: float
    log: str


class Proof(Struct, frozen=True):
    """What all attempts of one gate come to."""

    gate: str
    verdict: Verdict
    failed: int
    attempts: int
    seconds: float
    log: str = ""
    """That of the first attempt that failed, else of the last one."""

    @property
    def rate(self) -> float:
        """The share of attempts that failed."""
        return self.failed / self.attempts if self.attempts else 0.0


def prove(gates: Iterable[str], attempts: Sequence[Attempt]) -> tuple[Proof, ...]:
    """The verdict on each gate, in the order of the gates. A green one of which an attempt was ended was stopped."""
    return tuple(_proof(gate, [a for a in attempts if a.gate == gate]) for gate in gates)


def _proof(gate: str, begun: list[Attempt]) -> Proof:
    ended = [attempt for attempt in begun if attempt.exit is not None]
    if not ended:
        return Proof(gate, "stopped", 0, 0, 0.0)
    bad = [attempt for attempt in ended if attempt.exit]
    green: Verdict = "green" if len(ended) == len(begun) else "stopped"
    verdict: Verdict = green if not bad else "red" if len(bad) == len(ended) else "flaky"
    shown = bad[0] if bad else ended[-1]
    return Proof(gate, verdict, len(bad), len(ended), sum(a.seconds for a in ended), shown.log)


def findings(repo: str, at: str, proofs: Iterable[Proof]) -> tuple[Finding, ...]:
    """What forbids to call the commit `at` proven: a gate that is red, not always the same, or came to no end."""
    return tuple(_finding(repo, at, proof) for proof in proofs if proof.verdict != "green")


def _finding(repo: str, at: str, proof: Proof) -> Finding:
    where = f"{repo} {proof.gate}"
    if proof.verdict == "flaky":
        message = f"failed in {proof.failed} of {proof.attempts} attempts at {at}"
        return Finding("FLAKY", where, "FAIL", message, "Find out what differs between the attempts.")
    if proof.verdict == "stopped":
        return Finding("GATE", where, "UNKNOWN", f"came to no end at {at}", "Run it again.")
    return Finding("GATE", where, "FAIL", f"failed at {at}", f"Read {proof.log}, and mend it by a pull request.")


def telling(log: str) -> tuple[str, ...]:
    """The lines of a failed gate's log to read first: those that name an error, then its last ones.

    Everything that a JSON validator says comes in full: whole JSON reports, and the lines in its words.
    """
    lines = [line.rstrip() for line in log.splitlines()]
    reports = list(_reports(lines))
    inside = {at for start, end in reports for at in range(start, end)}
    said = [
        at for at, line in enumerate(lines) if at in inside or _VALIDATOR.search(line) or (line and at in _ends(lines))
    ]
    room = max(0, MOST_LINES - _LAST)
    named = [at for at, line in enumerate(lines) if _TELLING.search(line)][:room]
    chosen = sorted({*said, *named})
    return tuple(terminal_line(lines[at][:_LINE]) for at in chosen)


def _ends(lines: Sequence[str]) -> range:
    return range(max(0, len(lines) - _LAST), len(lines))


def _reports(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(first line, line after the last) of every JSON document in a log."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(lines):
        length = 0
        if lines[at].lstrip()[:1] in ("{", "["):
            text = "\n".join(lines[at : at + _MOST_JSON]).lstrip()
            try:
                value, end = decoder.raw_decode(text)
            except (ValueError, RecursionError):
                value, end = None, 0
            if value and isinstance(value, dict | list):
                length = text.count("\n", 0, end) + 1
                yield at, at + length
        at += max(1, length)
