"""Where the announcement stands in a release's body: between two marks, and nothing around them is ours."""

from __future__ import annotations

import re

BEGIN, END = "<!-- ms-release announce -->", "<!-- /ms-release announce -->"
_MARK = re.compile(r"<!--\s*(?:/\s*)?ms-release\s+announce\b[^<>]*>?", re.IGNORECASE)


def split(body: str) -> tuple[str, str] | None:
    """What stands before and behind the block, where it is or where it will be; None for broken marks."""
    marks = [found[0] for found in _MARK.finditer(body)]
    if not marks:
        return f"{body}\n" if body and not body.endswith("\n") else body, "\n"
    if marks != [BEGIN, END]:
        return None
    return body[: body.index(BEGIN)], body[body.index(END) + len(END) :]


def announced(body: str) -> str:
    """The block in a body, its marks included; "" where there is none, or none that is whole."""
    parts = split(body)
    return body[len(parts[0]) : len(body) - len(parts[1])] if parts and BEGIN in body else ""


def unannounced(body: str) -> str:
    """The body as it was before it was announced; one with broken marks as it is."""
    parts = split(body)
    return "".join(parts) if parts and BEGIN in body else body
