"""Trailers of commit messages (`Decision-ID: D-12`): what a commit says about itself in its last lines."""

from __future__ import annotations

import re

_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)[ \t]*:[ \t]*(\S.*)")


def trailers(body: str, key: str) -> tuple[str, ...]:
    """The values of one trailer, in order; `key` is compared without case, and a continued value is one line.

    Trailers are the last paragraph, if all of it is trailers, and those like it before it: whoever merges on the forge
    adds a paragraph of `Co-authored-by` below the author's own.
    """
    found: list[str] = []
    for paragraph in reversed(re.split(r"\n(?:[ \t]*\n)+", body.replace("\r\n", "\n").strip())):
        own = _parse(paragraph)
        if own is None:
            break
        found = [value for name, value in own if name.lower() == key.lower()] + found
    return tuple(found)


def _parse(paragraph: str) -> list[tuple[str, str]] | None:
    """Every trailer of a paragraph; None when a line of it is none."""
    found: list[tuple[str, str]] = []
    for line in paragraph.split("\n"):
        if line[:1] in (" ", "\t") and found and line.strip():
            name, value = found[-1]
            found[-1] = (name, f"{value} {line.strip()}")
        elif match := _TRAILER.fullmatch(line.rstrip()):
            found.append((match[1], match[2]))
        else:
            return None
    return found
