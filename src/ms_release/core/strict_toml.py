"""TOML that cannot exhaust its reader: limits first, then the standard library's parser."""

from __future__ import annotations

import re
import tomllib
from typing import Any, NoReturn

from ms_release.core.sanitize import terminal_line
from ms_release.errors import UsageError

MAX_BYTES = 1 << 20
MAX_DEPTH = 16
# The standard parser takes memory in the square of a dotted key's length, so such keys must not reach it.
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_DEEP_KEY = re.compile(rf"(?:^|[\[{{,])[ \t]*+(?:{_PART}\.[ \t]*+){{{MAX_DEPTH}}}", re.MULTILINE)


def parse(text: str, file: str) -> dict[str, Any]:
    """The tables of a text; `file` names it in errors.

    Raises UsageError for what is no TOML, larger than 1 MiB, nested deeper than 16 in one key, or holds a number of
    thousands of digits (faults F38).
    """
    if len(text) > MAX_BYTES:
        _refuse(file, f"it is larger than {MAX_BYTES} bytes")
    if _DEEP_KEY.search(text):
        _refuse(file, f"a key has more than {MAX_DEPTH} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        _refuse(file, "it is nested too deeply")
    except ValueError as error:  # also TOMLDecodeError
        _refuse(file, terminal_line(str(error)[:300]))


def _refuse(file: str, why: str) -> NoReturn:
    raise UsageError(f"{file}: {why}", remedy="Correct the file; it is TOML.") from None
