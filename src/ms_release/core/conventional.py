"""Reads one commit message by Conventional Commits 1.0.0: the one grammar behind version bumps and release notes."""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["breaking", "feat", "fix", "other"]

# Types are compared without case (rule 15); the scope may hold anything but brackets.
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?:\([^()\r\n]*\))?(!)?: +\S")
# Upper case only; with the hyphen it is the same footer (rules 12, 15, 16).
_BREAKING = re.compile(r"^BREAKING[ -]CHANGE: +\S", re.MULTILINE)


def classify(subject: str, body: str = "") -> Kind:
    """What a commit changes for its users. A breaking mark anywhere wins over the type; no known type is `other`."""
    header = _HEADER.match(subject)
    if (header and header[2]) or _BREAKING.search(subject) or _BREAKING.search(body.replace("\r\n", "\n")):
        return "breaking"
    kind = header[1].lower() if header else ""
    if kind == "feat":
        return "feat"
    return "fix" if kind == "fix" else "other"
