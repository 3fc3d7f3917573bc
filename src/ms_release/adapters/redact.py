"""One redactor in front of every sink: no secret leaves the program in any form it may take on the way (faults F46)."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable
from typing import TextIO
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 6
"""Characters; a shorter "secret" would black out ordinary words and is none."""


class Redactor:
    """Replaces secrets by `***`: plain, URL-encoded, base64 in all three alignments, JSON-escaped."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def add(self, secret: str) -> None:
        """Hide one more secret from now on, also in the streams already wrapped. Shorter than 6 characters: ignored."""
        secret = secret.strip()
        if len(secret) < SHORTEST:
            return
        self._forms |= _forms(secret)
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def unfinished(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a secret."""
        best = 0
        for form in self._forms:
            for length in range(min(len(form) - 1, len(text)), best, -1):
                if text.endswith(form[:length]):
                    best = length
                    break
        return best

    def install(self, stream: TextIO) -> TextIO:
        """A stream that redacts before `stream` gets the text: `sys.stderr = redactor.install(sys.stderr)`."""
        return _Redacted(stream, self)


class _Redacted(io.TextIOBase, TextIO):
    """Holds back an ending that may be the start of a secret, so that a secret in two writes is seen as well."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor
        self._held = ""

    def write(self, text: str) -> int:
        clean = self._redactor.text(self._held + text)
        keep = self._redactor.unfinished(clean)
        self._held = clean[len(clean) - keep :]
        self._stream.write(clean[: len(clean) - keep])
        return len(text)

    def flush(self) -> None:
        # Three characters tell nothing and a prompt must appear; a longer beginning of a secret stays inside.
        if self._held and len(self._held) < 4:
            self._stream.write(self._held)
            self._held = ""
        self._stream.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in quoted}
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {secret} | quoted | lower | escaped | {form for offset in range(3) for form in _base64(raw, offset)}


def _base64(raw: bytes, offset: int) -> set[str]:
    """What every base64 text holding `raw` at this alignment has in common: the characters no neighbour can change."""
    first = (0, 2, 3)[offset]
    whole = base64.b64encode(bytes(offset) + raw)
    last = (offset + len(raw)) * 8 // 6
    core = whole[first:last].decode()
    return {core, core.replace("+", "-").replace("/", "_")} if len(core) >= SHORTEST else set()
