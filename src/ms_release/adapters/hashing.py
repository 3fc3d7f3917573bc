"""SHA-256 of many and large files: a thread per core, largest first, in memory that does not grow with them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, CancelledError, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import BinaryIO

from ms_release.errors import MachineError

Told = Callable[[int, int, float], None]
"""Hears of bytes done, bytes in all, and seconds since the beginning; called by the thread that asked for digests."""


class _Tally:
    """What all threads have read together; once `over`, none of them reads on."""

    def __init__(self) -> None:
        self.bytes = 0
        self.over = False
        self._lock = Lock()

    def add(self, count: int) -> None:
        if self.over:
            raise CancelledError
        with self._lock:
            self.bytes += count


class _Counted:
    """A file as `hashlib.file_digest` reads it, block by block into the same buffer."""

    def __init__(self, file: BinaryIO, tally: _Tally) -> None:
        self._read: Callable[[bytearray], int] = file.readinto  # type: ignore[attr-defined]
        self._tally = tally

    def readable(self) -> bool:
        return True

    def readinto(self, block: bytearray) -> int:
        count = self._read(block)
        self._tally.add(count)
        return count


def digests(paths: Iterable[Path], told: Told | None = None, *, pause: float = 0.2) -> dict[Path, str]:
    """SHA-256 (hex) of files; `told` hears of it every `pause` seconds. Raises MachineError when one cannot be read.

    When one cannot, or a signal comes, the other threads end with their next block.
    """
    tally = _Tally()
    try:
        sizes = {path: path.stat().st_size for path in paths}
        largest_first = sorted(sizes, key=lambda path: -sizes[path])
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            try:
                started, running = monotonic(), [pool.submit(_digest, path, tally) for path in largest_first]
                left = set(running)
                while left:
                    done, left = wait(left, pause, FIRST_EXCEPTION)
                    for each in done:
                        each.result()
                    if told is not None and left:
                        told(tally.bytes, sum(sizes.values()), monotonic() - started)
                return {path: each.result() for path, each in zip(largest_first, running, strict=True)}
            except BaseException:
                tally.over = True
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except OSError as error:
        raise MachineError(f"cannot read {error.filename}: {error.strerror}", remedy="Check the file.") from error


def _digest(path: Path, tally: _Tally) -> str:
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(_Counted(file, tally), "sha256").hexdigest()
