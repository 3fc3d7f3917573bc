"""Zip archives: equal input gives equal bytes when made, hostile ones are refused when opened (faults F38, F39)."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ms_release.errors import IntegrityError, MachineError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}\Z")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)", re.IGNORECASE)
_WHEN = (1980, 1, 1, 0, 0, 0)
_END = b"PK\x05\x06"
_END_SIZE = 22
_END64 = b"PK\x06\x07"
_END64_REST = 16
_LONGEST = 2048
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL_SIZE = 46
_NO_CRC = 0x8
_SMALL = 64 << 20
_RATIO = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may hold at most."""

    files: int = 1000
    bytes: int = 4 * 1024**3
    depth: int = 8


def is_safe_name(name: str) -> bool:
    """Whether a file name is harmless on every system (SPEC, DESIGN: `[A-Za-z0-9][A-Za-z0-9._+-]{0,127}`)."""
    return bool(_NAME.match(name)) and not _RESERVED.match(name) and not name.endswith(".")


def reproducible_zip(path: Path, members: Sequence[tuple[str, Path]]) -> None:
    """Write a zip whose bytes depend on names and contents alone: sorted, one time, one mode (0644), no extras.

    Stored, not deflated: zlib's output differs between its versions and forks, and a second `assemble` must give the
    same archive anywhere. Raises IntegrityError for an unsafe or doubled name, MachineError when a file fails.
    """
    names = [name for name, _ in members]
    _refuse_names(names, Limits(files=max(len(names), 1)))
    try:
        with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
            for name, source in sorted(members):
                info = zipfile.ZipInfo(name, _WHEN)
                info.create_system = 3
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                info.file_size = source.stat().st_size
                with source.open("rb") as file, archive.open(info, "w") as target:
                    shutil.copyfileobj(file, target, 1 << 20)
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}", remedy="Check the files and the disk.") from error


def list_zip(path: Path, limits: Limits = Limits()) -> list[tuple[str, int]]:
    """Names and declared sizes of the files in an archive, in its order. Raises IntegrityError for a hostile one."""
    with _opened(path, limits) as archive:
        return [(info.filename, info.file_size) for info in _members(path, archive, limits)]


def hash_zip(path: Path, limits: Limits = Limits()) -> dict[str, str]:
    """SHA-256 (hex) of every file in an archive, by name; nothing is written.

    Raises IntegrityError for a hostile or damaged archive, and for a member that is not what the listing promised.
    """
    with _opened(path, limits) as archive:
        members = _members(path, archive, limits)
        try:
            return {info.filename: _hash(archive, info) for info in members}
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise _refused(path, f"damaged: {error}") from error


def _hash(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """zipfile itself never gives more than the declared size, which `_members` has capped, and compares the CRC."""
    digest, size = hashlib.sha256(), 0
    with archive.open(info) as source:
        while block := source.read(1 << 20):
            digest.update(block)
            size += len(block)
    if size != info.file_size:
        raise zipfile.BadZipFile(f"{info.filename} ends early")
    return digest.hexdigest()


def _opened(path: Path, limits: Limits) -> zipfile.ZipFile:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END_SIZE - len(_END64) - _END64_REST))
            tail = file.read()
        end = tail[-_END_SIZE:]
        # No comment and nothing after the end: what one reader lists, every reader lists.
        if len(end) != _END_SIZE or not end.startswith(_END) or end[-2:] != b"\0\0":
            raise _refused(path, "does not end where a zip ends")
        # Not the larger format: readers disagree about which of its two directories counts.
        if tail.startswith(_END64) and len(tail) > _END_SIZE:
            raise _refused(path, "has a second directory")
        # Before the directory is read: it alone could fill the memory.
        here, count = struct.unpack("<2H", end[8:12])
        length, offset = struct.unpack("<2I", end[12:20])
        if here != count or end[4:8] != bytes(4) or length + offset + _END_SIZE != size:
            raise _refused(path, "its directory is not where it says")
        if count > 2 * limits.files or length > count * (_CENTRAL_SIZE + _LONGEST):
            raise _refused(path, f"more than {limits.files} files, or a directory of other things")
        archive = zipfile.ZipFile(path)
        if len(archive.infolist()) != count:
            archive.close()
            raise _refused(path, "its directory holds another number of entries than it says")
        return archive
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _refused(path, f"damaged: {error}") from error
    except OSError as error:
        raise MachineError(f"cannot read {path}: {error.strerror}", remedy="Check the file.") from error


def _members(path: Path, archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    files = [info for info in archive.infolist() if not (info.filename.endswith("/") and info.file_size == 0)]
    try:
        _refuse_names([info.filename for info in files], limits)
    except IntegrityError as error:
        raise _refused(path, error.cause) from None
    promised = sum(info.file_size for info in files)
    if promised > limits.bytes:
        raise _refused(path, f"holds more than {limits.bytes} bytes")
    if promised > max(_SMALL, _RATIO * path.stat().st_size):
        raise _refused(path, f"is packed more than {_RATIO} times smaller")
    for info in files:
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise _refused(path, f"{info.filename} is no regular file")
        if info.orig_filename != info.filename:
            raise _refused(path, f"unsafe file name {info.orig_filename[:128]!a}")
        if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(path, f"{info.filename} is encrypted or packed in an unusual way")
    _refuse_overlap(path, archive)
    return files


def _refuse_overlap(path: Path, archive: zipfile.ZipFile) -> None:
    """Entries lie one after the other and say the same as the directory, so that every reader sees the same files.

    Entries that share bytes are how small archives become huge; bytes between them are hidden content.
    """
    end = 0
    with path.open("rb") as file:
        for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
            if info.header_offset != end:
                raise _refused(path, f"{info.filename[:128]!a} overlaps another entry or hides bytes before it")
            file.seek(end)
            head = file.read(_LOCAL.size)
            if len(head) != _LOCAL.size:
                raise _refused(path, "ends within an entry")
            sign, _, flags, method, _, _, crc, packed, size, name, extra = _LOCAL.unpack(head)
            told = (crc, packed, size) if not flags & _NO_CRC else (info.CRC, info.compress_size, info.file_size)
            if (sign, flags, method) != (b"PK\x03\x04", info.flag_bits, info.compress_type):
                raise _refused(path, f"{info.filename[:128]!a} is two different things")
            if told != (info.CRC, info.compress_size, info.file_size):
                raise _refused(path, f"{info.filename[:128]!a} has two sizes or checksums")
            if file.read(name) != info.orig_filename.encode("utf-8" if flags & 0x800 else "cp437", "replace"):
                raise _refused(path, f"{info.filename[:128]!a} has two names")
            end += _LOCAL.size + name + extra + info.compress_size
            end += _descriptor(file, end, info) if flags & _NO_CRC else 0
    if end != archive.start_dir:
        raise _refused(path, "its entries overlap its directory, or hide bytes before it")


def _descriptor(file: BinaryIO, at: int, info: zipfile.ZipInfo) -> int:
    """How many bytes repeat checksum and sizes behind an entry that was written as a stream; 0 when they do not."""
    file.seek(at)
    told = struct.pack("<3I", info.CRC, info.compress_size, info.file_size)
    behind = file.read(16)
    return 16 if behind == b"PK\x07\x08" + told else 12 if behind[:12] == told else 0


def _refuse_names(names: Sequence[str], limits: Limits) -> None:
    if len(names) > limits.files:
        raise IntegrityError(f"more than {limits.files} files")
    for name in names:
        parts = name.split("/")
        if len(parts) > limits.depth or not all(is_safe_name(part) for part in parts):
            raise IntegrityError(f"unsafe file name {name[:128]!a}")
    # Names that differ in case only are one file on some systems; a file may not also be a directory.
    folded = [name.lower() for name in names]
    folders = {name[:at] for name in folded for at, char in enumerate(name) if char == "/"}
    if len(set(folded)) != len(folded) or folders & set(folded):
        raise IntegrityError("two entries are the same file")


def _refused(path: Path, why: str) -> IntegrityError:
    return IntegrityError(f"{path.name} is not an archive to trust: {why}", remedy="Do not use it; build it again.")
