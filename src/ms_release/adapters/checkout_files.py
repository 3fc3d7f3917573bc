"""Files of a checkout that others wrote into: read and written below it, never through a link (fault F45)."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ms_release.errors import DamagedError, MachineError


def read_within(folder: Path, path: str, max_bytes: int) -> bytes | None:
    """The bytes of a regular file below a checkout; None when there is none.

    Raises MachineError for a link anywhere on the way (F45), DamagedError when it is larger.
    """
    try:
        with _directory(folder, path, make=False) as (handle, name):
            opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=handle)
            with os.fdopen(opened, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise MachineError(f"{path} is no regular file", remedy="Remove it.")
                data = file.read(max_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed("read", path, error) from error
    if len(data) > max_bytes:
        raise DamagedError(f"{path} is larger than {max_bytes} bytes", remedy="Check that it is the right file.")
    return data


def write_within(folder: Path, path: str, data: bytes) -> None:
    """Write a file below a checkout, whole or not at all, with the usual rights; directories are made.

    Raises MachineError for a link anywhere on the way (F45), and when the disk fails.
    """
    try:
        with _directory(folder, path, make=True) as (handle, name):
            temporary = f".{name[:64]}.{secrets.token_hex(6)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            opened = os.open(temporary, flags, 0o666, dir_fd=handle)
            try:
                with os.fdopen(opened, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, name, src_dir_fd=handle, dst_dir_fd=handle)
            except BaseException:
                os.unlink(temporary, dir_fd=handle)
                raise
            os.fsync(handle)
    except OSError as error:
        raise _failed("write", path, error) from error


@contextmanager
def _directory(folder: Path, path: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """The directory that holds a path, opened part by part from the checkout on, and the last part's name."""
    *parents, name = path.split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    handle = os.open(folder, flags)
    try:
        for part in parents:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)
            below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = below
        yield handle, name
    finally:
        os.close(handle)


def _failed(verb: str, path: str, error: OSError) -> MachineError:
    return MachineError(
        f"cannot {verb} {path}: {error.strerror}",
        remedy="No part of the path may be a link; check the rights and the room on the disk.",
    )
