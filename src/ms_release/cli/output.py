"""What a command says: data on stdout, progress and errors on stderr, one JSON document where it was asked for.

Everything passes the redactor; text from outside is made harmless before it gets here or by `clean`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from ms_release.adapters.redact import Redactor
from ms_release.cli import following
from ms_release.core.sanitize import stop, terminal, terminal_line, workflow_command
from ms_release.errors import CredentialError, MsError

if TYPE_CHECKING:
    from ms_release.config import Config
    from ms_release.core.action import Action
    from ms_release.core.model import Finding

SCHEMA = 1
SECRETS = ("GH_TOKEN", "GITHUB_TOKEN", "MS_CANDIDATES_TOKEN", "MS_MANIFEST_KEY", "MS_CANDIDATE_KEY", "MS_APP_KEY")
"""Variables whose values leave this process in no message."""


class Output:
    """The two streams of one command."""

    def __init__(self, *, as_json: bool = False, verbose: int = 0, color: bool | None = None) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
        self.color = _wants_color(sys.stderr) if color is None else color
        self._redactor = Redactor(os.environ.get(name, "") for name in SECRETS)
        self.config: Config | None = None
        """Whose roles findings are escalated to, once it is known."""
        self._held: dict[str, Any] = {}
        self._live = False

    def hide(self, *secrets: str) -> None:
        """More texts that must never leave this process."""
        for secret in secrets:
            self._redactor.add(secret)

    def data(self, text: str) -> None:
        """The answer, for people."""
        if not self.as_json:
            self._write(sys.stdout, terminal(text))

    def document(self, body: dict[str, Any]) -> None:
        """The answer, for programs: one versioned JSON document."""
        if self.as_json:
            text = json.dumps({"schema": SCHEMA, **body}, indent=2)
            # In a workflow log `##[` starts a command wherever it stands; this way it stays the same JSON.
            self._write(sys.stdout, text.replace("##[", "##\\u005b"))

    def next(self, command: str) -> str:
        """The command to type after success, said and given back as it is typed here."""
        typed = following.here(command)
        self.data(f"next: {typed}")
        return typed

    def hold(self, body: dict[str, Any]) -> None:
        """What the document says beside the error that the command is about to end with."""
        self._held = body

    def escalate(self, findings: Sequence[Finding]) -> list[dict[str, str]]:
        """Say who must hear of these findings (SPEC 8); the same for the document."""
        if self.config is None:
            return []
        from ms_release.core.escalation import escalate, lines

        told = escalate(findings, self.config)
        for line in lines(told):
            self._write(sys.stderr, f"  to {terminal_line(line)}")
        return [
            {name: getattr(one, name) for name in ("code", "subject", "role", "who", "text", "command")} for one in told
        ]

    def say(self, text: str) -> None:
        """One line of what has happened."""
        if self.verbose >= 0:
            self._write(sys.stderr, f"  {terminal_line(text)}")

    def summary(self, text: str) -> None:
        """What the page of a workflow run shows: for whoever must approve it there. Elsewhere nothing."""
        from ms_release.render.text import fenced

        if file := os.environ.get("GITHUB_STEP_SUMMARY"):
            with open(file, "a", encoding="utf-8") as page:
                page.write(self._redactor.text(fenced(terminal(text))))

    def say_all(self, text: str) -> None:
        """Several lines for whoever looks for a bug."""
        self._write(sys.stderr, terminal(text))

    def act(self, action: Action) -> None:
        """An effect that is about to happen."""
        from ms_release.render.text import sentence

        self.say(sentence(action))

    def wait(self, text: str) -> None:
        """What is being waited for: one changing line on a terminal, nothing elsewhere but the first time."""
        if self.verbose < 0 or not sys.stderr.isatty():
            return
        width = _width()
        line = self._redactor.text(terminal_line(text))[: width - 3]
        sys.stderr.write(f"\r\x1b[2K  {line}")
        sys.stderr.flush()
        self._live = True

    def error(self, error: MsError) -> None:
        """How a command ended other than well: cause, remedy, next command."""
        word = "waiting" if error.exit_code == 4 else "interrupted" if error.exit_code > 128 else "error"
        color = "33" if error.exit_code == 4 else "31"
        cause = error.cause if not error.cause.startswith("waiting for ") else error.cause.removeprefix("waiting ")
        self._write(sys.stderr, f"{self._paint(word, color)}: {terminal_line(cause)}")
        if error.remedy:
            self._write(sys.stderr, f"  {terminal_line(error.remedy)}")
        escalations = self.escalate(escalated(error))
        following_command = following.after(error)
        self._write(sys.stderr, f"  next: {terminal_line(following_command)}")
        if self.in_actions and not self.as_json:
            self._write(sys.stdout, f"::error::{workflow_command(self._redactor.text(error.cause))}", raw=True)
        told = {
            "exit": error.exit_code,
            "kind": type(error).__name__,
            "cause": error.cause,
            "remedy": error.remedy,
            "next": following_command,
        }
        more = {"escalations": escalations} if escalations else {}
        self.document({**self._held, **more, "error": told})

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color else text

    def _write(self, stream: TextIO, text: str, *, raw: bool = False) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[2K")
            self._live = False
        text = self._redactor.text(text)
        if self.in_actions and not raw:
            text = stop(text)
        stream.write(text + "\n")
        stream.flush()


def escalated(error: MsError) -> tuple[Finding, ...]:
    """What an ending stands on; a credential that is missing or may not is a finding of its own."""
    if error.findings or not isinstance(error, CredentialError):
        return error.findings
    from ms_release.core.model import Finding

    return (Finding("PERMISSION", "token", "FAIL", error.cause, error.remedy),)


_current: Output | None = None


def current(*, as_json: bool = False) -> Output:
    """The output of the command that runs; a new one before there is any."""
    return _current or Output(as_json=as_json)


def begin(output: Output) -> Output:
    """Make this the output of the command that runs."""
    global _current  # noqa: PLW0603 - one process runs one command
    _current = output
    return output


def hashing(done: int, total: int, seconds: float) -> None:
    """How far the digests of files have come: bytes, and the rate since the beginning."""
    rate = done / seconds if seconds else 0
    current().wait(f"hashing: {done / 2**20:.0f} of {total / 2**20:.0f} MiB ({rate / 2**20:.0f} MiB/s)")


def clean(text: str) -> str:
    """Text from outside, harmless on a terminal."""
    return terminal(text)


def _wants_color(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80
