"""One redactor in front of every sink: no secret leaves the program in any form it may take on the way (faults F46)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_BREAK = r"(?:[\r\n]|\\[rn]|\\x0[ad]|%0[AaDd])*+"
SHORTEST = 6
"""Characters; a shorter "secret" would black out ordinary words and is none."""


class Redactor:
    """Replaces secrets by `***`: plain, URL-encoded, JSON-escaped, hexadecimal, base64 in all three alignments.

    Each form is also found when it is split over lines, and each line of a secret of several lines (a PEM key) by
    itself.
    """

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
        lines = [line.strip() for line in secret.splitlines() if not line.startswith("-----")]
        for part in {secret, *(line for line in lines if len(line) >= SHORTEST)}:
            self._forms |= _forms(part)
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(_pattern, longest_first)))

    def sees(self, data: bytes) -> bool:
        """Whether bytes hold a secret in one piece: fast, for answers of megabytes."""
        return any(form.encode() in data for form in self._forms)

    def text(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), form) for form in quoted}
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    slashed = {form.replace("/", "\\/") for form in escaped}  # as some writers of JSON escape it
    hexes = {raw.hex(), raw.hex().upper()}
    aligned = {form for offset in range(3) for form in _base64(raw, offset)}
    return {secret} | quoted | lower | escaped | slashed | hexes | aligned


def _pattern(form: str) -> str:
    """The form, also with line breaks in it, real or escaped."""
    return _BREAK.join(map(re.escape, form))


def _base64(raw: bytes, offset: int) -> set[str]:
    """What every base64 text holding `raw` at this alignment has in common: the characters no neighbour can change."""
    first = (0, 2, 3)[offset]
    whole = base64.b64encode(bytes(offset) + raw)
    last = (offset + len(raw)) * 8 // 6
    core = whole[first:last].decode()
    return {core, core.replace("+", "-").replace("/", "_")} if len(core) >= SHORTEST else set()
