"""A directory → what `core.project` decides on; links are not followed, nothing in it is executed."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from ms_release.adapters.files import read_limited
from ms_release.core.project import MARKS, TEXTS, Found
from ms_release.errors import DamagedError

_LARGEST = 16 << 20
"""Bytes: lock files are long. Whoever parses a text has a limit of its own."""


def look(folder: Path) -> Found:
    """The marks and texts of a checkout. Raises MachineError for what cannot be read, DamagedError for what is no text.

    What lies behind a symbolic link is not there: it may point anywhere.
    """
    paths = frozenset(mark for mark in MARKS if _is_real(folder, mark))
    return Found(paths, {name: _text(folder / name) for name in TEXTS if name in paths})


def texts(folder: Path, paths: Sequence[str]) -> dict[str, str]:
    """The texts of those of these files that are there, by the same rules."""
    return {path: _text(folder / path) for path in paths if _is_real(folder, path)}


def _is_real(folder: Path, mark: str) -> bool:
    """Whether the path is a file or directory, and no part of it a link."""
    here = folder
    for part in Path(mark).parts:
        here = here / part
        try:
            mode = here.lstat().st_mode
        except OSError:
            return False
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return False
    return True


def _text(path: Path) -> str:
    try:
        return read_limited(path, _LARGEST).decode()
    except UnicodeDecodeError:
        raise DamagedError(f"{path} is not UTF-8 text", remedy="Correct the file.") from None
