"""Hostile zip archives (faults F39). The program reads no tar: what is one, or another format, is refused as no zip."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from hostile.json_classes import NAMES
from hostile.sample import Kind, Sample
from ms_release.adapters import archives

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
REGULAR = (stat.S_IFREG | 0o644) << 16


def pack(
    *members: tuple[str, bytes], method: int = zipfile.ZIP_STORED, mode: int = REGULAR, extra: bytes = b""
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.extra, info.compress_type = mode, extra, method
            made.writestr(info, data)
    return buffer.getvalue()


def patch(raw: bytes, signature: bytes, offset: int, value: bytes, nth: int = 0) -> bytes:
    """Other bytes at an offset of the nth header of a kind."""
    at = -1
    for _ in range(nth + 1):
        at = raw.index(signature, at + 1)
    return raw[: at + offset] + value + raw[at + offset + len(value) :]


def both(raw: bytes, local: int, central: int, value: bytes) -> bytes:
    """The same lie in the entry and in the directory."""
    return patch(patch(raw, LOCAL, local, value), CENTRAL, central, value)


def hand_made(entries: list[tuple[bytes, bytes, bytes]], *, gap: bytes = b"", twice: bool = False) -> bytes:
    """A zip from (name, deflated data, plain data); with bytes between the entries, or every record twice."""
    body, directory = b"", b""
    for name, packed, plain in entries:
        facts = struct.pack("<3H3I2H", 8, 0, 33, zlib.crc32(plain), len(packed), len(plain), len(name), 0)
        where = len(body)
        body += LOCAL + struct.pack("<2H", 20, 0) + facts + name + packed + gap
        record = CENTRAL + struct.pack("<3H", 20, 20, 0) + facts + struct.pack("<3H2I", 0, 0, 0, 0, where) + name
        directory += record * (2 if twice else 1)
    count = len(entries) * (2 if twice else 1)
    return body + directory + END + struct.pack("<4H2IH", 0, 0, count, count, len(directory), len(body), 0)


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zeros(count: int) -> tuple[bytes, int]:
    """So many zeros, deflated without ever being in memory, and their CRC."""
    packer, crc, out = zlib.compressobj(9, zlib.DEFLATED, -15), 0, b""
    block = bytes(1 << 20)
    for _ in range(count >> 20):
        out += packer.compress(block)
        crc = zlib.crc32(block, crc)
    return out + packer.flush(), crc


def bomb(mebibytes: int, claimed: int | None = None) -> bytes:
    """A small zip that unpacks to many zeros; `claimed` is the size that it admits to."""
    packed, crc = zeros(mebibytes << 20)
    size = (mebibytes << 20) if claimed is None else claimed
    facts = struct.pack("<3H3I2H", 8, 0, 33, crc, len(packed), size, 1, 0)
    body = LOCAL + struct.pack("<2H", 20, 0) + facts + b"a" + packed
    directory = CENTRAL + struct.pack("<3H", 20, 20, 0) + facts + struct.pack("<3H2I", 0, 0, 0, 0, 0) + b"a"
    return body + directory + END + struct.pack("<4H2IH", 0, 0, 1, 1, len(directory), len(body), 0)


def overlapping(count: int) -> bytes:
    """Many directory entries for one and the same file: the non-recursive bomb."""
    raw = pack(("a", b"x" * 1000))
    at = raw.index(CENTRAL)
    record = raw[at : raw.index(END)]
    directory = b"".join(patch(record, CENTRAL, 46, bytes([97 + n % 26])) for n in range(count))
    end = struct.pack("<4H2IH", 0, 0, count, count, len(directory), at, 0)
    return raw[:at] + directory + END + end


def second_directory(raw: bytes) -> bytes:
    """A ZIP64 end that names another directory than the usual one."""
    at = raw.index(END)
    where, size = raw.index(CENTRAL), at - raw.index(CENTRAL)
    end64 = b"PK\x06\x06" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, 1, 1, size, where)
    return raw[:at] + end64 + b"PK\x06\x07" + struct.pack("<IQI", 0, at, 1) + raw[at:]


def samples() -> Iterator[Sample]:
    good = pack(("a.bin", b"one"), ("dir/b.bin", bytes(100)))
    yield Sample("as it should be", good, 0)
    yield Sample("deflated", pack(("a", b"x" * 5000), method=zipfile.ZIP_DEFLATED), 0)
    yield Sample("with a folder", pack(("dist/", b""), ("dist/a", b"1")), 0)
    yield Sample("holds nothing", pack(), 0)
    for name, value in NAMES.items():
        if name not in ("NUL", "folder") and value:
            yield Sample(f"name: {name}", pack((value, b"x")), 7)
            yield Sample(f"part of a path: {name}", pack((f"a/{value}/b", b"x")), 7)
    for name, kind in {"symlink": stat.S_IFLNK, "device": stat.S_IFCHR, "block device": stat.S_IFBLK,
                       "pipe": stat.S_IFIFO,
                       "socket": stat.S_IFSOCK, "folder with bytes": stat.S_IFDIR}.items():  # fmt: skip
        yield Sample(name, pack(("a", b"/etc/passwd"), mode=(kind | 0o777) << 16), 7)
    packed = pack(("a", b"x" * 500), ("b", b"y"), method=zipfile.ZIP_DEFLATED)
    three = pack(("a", b"one"), ("b", b"two"), ("c", b"three"))
    ten = struct.pack("<I", 10)
    refused = {
        "empty file": b"", "no zip": b"hello" * 20, "end alone, cut": END, "gzip": b"\x1f\x8b\x08" + bytes(50),
        "RAR": b"Rar!\x1a\x07\x01\x00" + bytes(40), "7z": b"7z\xbc\xaf\x27\x1c" + bytes(40),
        "ELF": b"\x7fELF" + bytes(60),
        "slip deep": pack(("a/../../../../tmp/x", b"x")), "too deep": pack(("/".join("a" * 9), b"x")),
        "name with NUL": both(pack(("axb", b"x")), 31, 47, b"\0"), "no name": pack(("", b"x")),
        "same name twice": hand_made([(b"a", deflated(b"1"), b"1"), (b"a", deflated(b"2"), b"2")]),
        "same but for case": pack(("a", b"1"), ("A", b"2")), "file and folder": pack(("a", b"1"), ("a/b", b"2")),
        "file and folder by case": pack(("A", b"1"), ("a/b", b"2")),
        "bytes before": b"#!/bin/sh\n" + good, "bytes behind": good + b"x", "second zip behind": good + three,
        "comment": good[:-2] + b"\x01\x00x", "comment promised": good[:-2] + b"\x05\x00",
        "end within a comment": good[:-2] + b"\x16\x00" + END + bytes(18),
        "bytes between entries": hand_made([(b"a", deflated(b"1"), b"1"), (b"b", deflated(b"2"), b"2")], gap=b"hidden"),
        "directory says it twice": hand_made([(b"a", deflated(b"1"), b"1")], twice=True),
        "entry the directory hides": patch(three, END, 8, b"\2\0\2\0"),
        "second directory": second_directory(pack(("a", b"x"))),
        "other local name": patch(good, LOCAL, 30, b"z"), "other local size": patch(good, LOCAL, 22, ten),
        "other local packed size": patch(good, LOCAL, 18, ten), "other local CRC": patch(good, LOCAL, 14, ten),
        "other local method": patch(good, LOCAL, 8, b"\x08\0"), "other local flags": patch(good, LOCAL, 6, b"\x01\0"),
        "longer local name": patch(good, LOCAL, 26, b"\xff\xff"), "longer local extra": patch(good, LOCAL, 28,
                                                                                              b"\xff\xff"),
        "other size": both(good, 22, 24, ten), "other packed size": both(good, 18, 20, ten), "other CRC": both(good,
                                                                                                               14, 16,
                                                                                                               ten),
        "admits ten bytes": both(pack(("a", bytes(100_000)), method=zipfile.ZIP_DEFLATED), 22, 24, ten),
        "encrypted": both(good, 6, 8, b"\x01\0"), "strongly encrypted": both(good, 6, 8, b"\x41\0"),
        "patched data": both(good, 6, 8, b"\x20\0"),
        "packed as bzip2": both(good, 8, 10, b"\x0c\0"), "packed as LZMA": both(good, 8, 10, b"\x0e\0"),
        "packed as zstd": both(good, 8, 10, b"\x5d\0"), "packed as nothing known": both(good, 8, 10, b"\xff\xff"),
        "overlap": patch(good, CENTRAL, 42, bytes(4), nth=1), "offset behind the end": patch(good, CENTRAL, 42,
                                                                                             b"\xff\xff\xff\x7f"),
        "offset in the directory": patch(good, CENTRAL, 42, struct.pack("<I", good.index(CENTRAL))),
        "1,000 entries in one": overlapping(1000), "60,000 entries in one": overlapping(60_000),
        "1,001 files": pack(*((f"f{n}", b"") for n in range(1001))), "directory too long": patch(good, END, 12,
                                                                                                 b"\xff\xff\xff\x7f"),
        "directory elsewhere": patch(good, END, 16, bytes(4)), "directory cut": patch(good, END, 12, ten),
        "fewer than counted": patch(good, END, 8, b"\x09\0\x09\0"), "second disk": patch(good, END, 4, b"\1\0"),
        "large comment in the directory": patch(good, CENTRAL, 32, b"\xff\xff"),
        "bomb of 256 MiB": bomb(256), "bomb that admits ten bytes": bomb(128, 10),
        "bomb that claims 4 GiB": bomb(1, 2**32 - 2),
        "damaged stream": packed[:32] + b"\xff" * 4 + packed[36:],
        "damaged extra": patch(pack(("a", b"x"), extra=b"\1\0\4\0abcd"), CENTRAL, 49, b"\xff\xff"),
        "ZIP64 sizes": both(good, 22, 24, b"\xff\xff\xff\xff"), "bidi in the name": pack(("a\u202egpj.exe", b"x")),
        "name in code page 437": both(pack(("abc", b"x")), 31, 47, b"\x82"),
    }  # fmt: skip
    for name, data in refused.items():
        yield Sample(name, data, 7)
    for part in range(1, 60):
        yield Sample(f"cut off after {part}/60", good[: len(good) * part // 60], 7)
    for kind in (
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.REGTYPE,
        tarfile.DIRTYPE,
    ):
        for name in ("a", "../../x", "/etc/x"):
            yield Sample(f"tar, type {kind.decode()}, {name}", _tar(name, kind), 7)


def _tar(name: str, kind: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        made.addfile(info)
    return buffer.getvalue()


def read(data: bytes) -> None:
    """As `promote` reads a bundle; the file lies in the working directory."""
    path = Path("x.zip")
    path.write_bytes(data)
    archives.list_zip(path)
    archives.hash_zip(path)


CLASSES = {"archives": Kind(read, samples)}
