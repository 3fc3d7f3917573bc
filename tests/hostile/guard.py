"""A process that cannot write outside some directories: an audit hook, which nothing can take off again."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.startfile"}


class Forbidden(BaseException):
    """Not an Exception: no parser may swallow it."""


def forbid(*allowed: Path, programs: bool, network: bool) -> None:
    """From now on only write below `allowed`; start programs and talk to others only where that is said."""
    roots = [os.path.realpath(folder) for folder in allowed]

    def check(path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor that is open already
        place = os.path.realpath(os.fsdecode(path))
        if place != os.devnull and not any(place == root or place.startswith(root + os.sep) for root in roots):
            raise Forbidden(f"writes to {place}")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            if flags & _WRITING or (isinstance(mode, str) and set(mode) & set("wax+")):
                check(path)
        elif event in _CHANGES:
            for path in arguments[:2]:
                check(path)
        elif event in _PROGRAMS and not programs:
            raise Forbidden(f"starts {arguments[0]!r}")
        elif event == "socket.connect" and not network:
            raise Forbidden(f"connects to {arguments[1]!r}")

    sys.dont_write_bytecode = True
    sys.addaudithook(hook)
