"""Reading and writing files so that neither a link, a pipe nor a crash can spoil them (faults F35, F45)."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from ms_release.errors import DamagedError, MachineError


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all: temporary file, fsync, rename.

    Makes missing directories (0700). Raises MachineError when the target is a link or no regular
    file, or the disk fails.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _replaceable(path):
            raise MachineError(f"{path} is a link or no regular file", remedy="Remove it, or name another file.")
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)  # 0600, O_EXCL, O_NOFOLLOW
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        _sync_directory(path.parent)
    except OSError as error:
        raise MachineError(
            f"cannot write {path} ({len(data)} bytes): {error.strerror}", remedy="Make room or correct the rights."
        ) from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, with the usual rights. Raises MachineError when something is, or by the disk.

    What could not be written whole is taken away again.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
        except BaseException:
            os.unlink(path)
            raise
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}", remedy="Name another file.") from error


def _replaceable(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_limited(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file, at most `max_bytes`; never a link, never a pipe that would wait for ever.

    Raises MachineError when it cannot be read, DamagedError when it is larger.
    """
    try:
        # O_NONBLOCK: opening a FIFO must not hang before we can see that it is one.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise MachineError(f"{path} is no regular file", remedy="Name a regular file.")
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise MachineError(f"cannot read {path}: {error.strerror}", remedy="Check the path and its rights.") from error
    if len(data) > max_bytes:
        raise DamagedError(f"{path} is larger than {max_bytes} bytes", remedy="Check that it is the right file.")
    return data
