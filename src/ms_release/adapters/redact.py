"""One redactor in front of every sink: no secret leaves the program in any form it may take on the way (faults F46)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus

MASK = "***"
# A line break, real or escaped.
_BREAK = re.compile(r"(?:[\r\n]|(?:\\+|(?:%5[Cc])+)[rn]|\\x0[ad]|%0[AaDd])++")
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
        self._pattern = None

    def text(self, text: str) -> str:
        """The text without the secrets."""
        pattern = self._compiled()
        if pattern is None:
            return text
        breaks = [found.span() for found in _BREAK.finditer(text)]
        if not breaks:
            return pattern.sub(MASK, text)
        spans = [found.span() for found in pattern.finditer(_BREAK.sub("", text))]
        return _masked(text, breaks, spans) if spans else text

    def sees(self, data: bytes) -> bool:
        """Whether bytes hold a secret."""
        pattern = self._compiled()
        return pattern is not None and pattern.search(_BREAK.sub("", data.decode("latin-1"))) is not None

    def _compiled(self) -> re.Pattern[str] | None:
        """Made when it is first needed: most commands that hold a key never say anything of its length."""
        if self._pattern is None and self._forms:
            self._pattern = re.compile("|".join(sorted(self._forms, key=lambda form: (-len(form), form))))
        return self._pattern


def _masked(text: str, breaks: list[tuple[int, int]], spans: list[tuple[int, int]]) -> str:
    """The text with the mask over spans of what it is without its line breaks."""
    parts: list[str] = []
    removed = at = nth = 0

    def place(flat: int, *, last: bool) -> int:
        nonlocal removed, nth
        # a break right before the first character does not belong to a secret, nor one right behind the last
        while nth < len(breaks) and (breaks[nth][0] - removed < flat if last else breaks[nth][0] - removed <= flat):
            removed += breaks[nth][1] - breaks[nth][0]
            nth += 1
        return flat + removed

    for first, end in spans:
        start = place(first, last=False)
        parts += [text[at:start], MASK]
        at = place(end, last=True)
    return "".join((*parts, text[at:]))


def _forms(secret: str) -> set[str]:
    """Patterns: each character in any of its spellings, so that no mixture of them gets past."""
    raw, flat = secret.encode(), _BREAK.sub("", secret)
    aligned = {form for offset in range(3) if (form := _base64(raw, offset))}
    return {"".join(map(_character, flat)), raw.hex(), raw.hex().upper()} | aligned


def _character(char: str) -> str:
    """A character as itself, URL-encoded, or escaped as JSON, Markdown and HTML do it."""
    if char.isascii() and char.isalnum():
        return char
    exact = {char, json.dumps(char, ensure_ascii=False)[1:-1], f"\\{char}", escape(char)}
    any_case = {quote(char, safe=""), quote_plus(char), json.dumps(char)[1:-1], f"\\u{ord(char):04x}"} - exact
    forms = [*(re.escape(form) for form in exact), *(f"(?i:{re.escape(form)})" for form in any_case)]
    return f"(?:{'|'.join(sorted(forms, key=lambda form: (-len(form), form)))})"


def _base64(raw: bytes, offset: int) -> str:
    """What every base64 text holding `raw` at this alignment has in common: the characters no neighbour can change."""
    first = (0, 2, 3)[offset]
    whole = base64.b64encode(bytes(offset) + raw)
    core = whole[first : (offset + len(raw)) * 8 // 6].decode()
    both = {"+": "[+-]", "/": r"(?:\\?/|_)"}
    return "".join(both.get(char, char) for char in core) if len(core) >= SHORTEST else ""
