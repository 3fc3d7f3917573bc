"""Files and archives: nothing half-written, no link followed, nothing hostile unpacked (faults F35, F38, F39, F45)."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from ms_release.adapters import archives, files
from ms_release.errors import DamagedError, IntegrityError, MachineError


def test_a_private_file_is_whole_private_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "plan.json"
    files.write_private(path, b"one")
    files.write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["plan.json"]


@pytest.mark.parametrize("what", ["link", "dangling link", "directory", "pipe"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, what: str) -> None:
    path, other = tmp_path / "f", tmp_path / "other"
    other.write_bytes(b"mine")
    if what == "directory":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(other if what == "link" else tmp_path / "none")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(MachineError, match="link or no regular file"):
        files.write_private(path, b"x")
    with pytest.raises(MachineError):
        files.read_limited(path, 100)
    assert other.read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == before


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "f"
    files.write_private(path, b"old")
    # A real limit of the kernel in a child of our own, since it also counts for everything else that is written.
    child = os.fork()
    if child == 0:
        code = 1
        try:
            import signal

            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
            files.write_private(path, bytes(5000))
        except MachineError as error:
            code = 0 if "5000 bytes" in error.cause else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_reading_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert files.read_limited(path, 5) == b"12345"
    with pytest.raises(DamagedError, match="larger than 4 bytes"):
        files.read_limited(path, 4)
    with pytest.raises(MachineError, match="cannot read"):
        files.read_limited(tmp_path / "none", 4)


# Archives


def members(folder: Path, **contents: bytes) -> list[tuple[str, Path]]:
    folder.mkdir()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [(f"{name}.bin", folder / name) for name in contents]


def test_equal_content_makes_equal_archives(tmp_path: Path) -> None:
    first = members(tmp_path / "1", b=b"two" * 1000, a=b"one")
    second = members(tmp_path / "2", a=b"one", b=b"two" * 1000)
    os.utime(second[0][1], (1, 1))
    second[1][1].chmod(0o755)
    for name, what in (("1.zip", first), ("2.zip", second)):
        archives.reproducible_zip(tmp_path / name, what)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()
    # Pinned: an archive made on another machine or by another Python must have this digest too.
    digest = hashlib.sha256((tmp_path / "1.zip").read_bytes()).hexdigest()
    assert digest == "93945cea41386a9564cac6cfbc70941a1f66e16b3bab4cce690711e6995dfe43"
    assert archives.list_zip(tmp_path / "1.zip") == [("a.bin", 3), ("b.bin", 3000)]
    digests = {"a.bin": hashlib.sha256(b"one").hexdigest(), "b.bin": hashlib.sha256(b"two" * 1000).hexdigest()}
    assert archives.hash_zip(tmp_path / "1.zip") == digests
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.testzip() is None


def test_an_archive_is_not_written_over_something(tmp_path: Path) -> None:
    what = members(tmp_path / "1", a=b"one")
    archives.reproducible_zip(tmp_path / "1.zip", what)
    with pytest.raises(MachineError):
        archives.reproducible_zip(tmp_path / "1.zip", what)


BAD_NAMES = [
    "../x", "/x", "a/../x", "a//x", "./x", "C:x", "a\\x", ".x", "-x", "x.", "CON", "nul.txt", "a/Com1.bin", "x y",
    "\u202ex", "é", "a\n", "x" * 129, "a/" * 8 + "x", "a\x1bx",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_unsafe_names_are_refused_both_ways(tmp_path: Path, name: str) -> None:
    (tmp_path / "f").write_bytes(b"1")
    with pytest.raises(IntegrityError, match="unsafe file name") as error:
        archives.reproducible_zip(tmp_path / "made.zip", [(name, tmp_path / "f")])
    assert error.value.cause.isprintable()
    with zipfile.ZipFile(tmp_path / "given.zip", "w") as archive:
        archive.writestr("good", b"1")
        archive.writestr(name, b"1")
    with pytest.raises(IntegrityError):
        archives.hash_zip(tmp_path / "given.zip")


@pytest.mark.parametrize("names", [["a", "a"], ["a", "A"], ["a", "a/b"], ["a/B", "A/b"]])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_may_not_be_one_file(tmp_path: Path, names: list[str]) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in names:
            archive.writestr(name, b"1")
    with pytest.raises(IntegrityError, match="same file"):
        archives.list_zip(tmp_path / "x.zip")


def build(path: Path, *infos: zipfile.ZipInfo, data: bytes = b"data") -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for info in infos:
            archive.writestr(info, data)
    return path.read_bytes()


def info_of(name: str, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = method
    return info


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK, stat.S_IFDIR])
def test_only_regular_files(tmp_path: Path, kind: int) -> None:
    build(tmp_path / "x.zip", info_of("a", kind | 0o777))
    with pytest.raises(IntegrityError, match="no regular file"):
        archives.list_zip(tmp_path / "x.zip")


def test_caps_count_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    build(path, info_of("a", method=zipfile.ZIP_DEFLATED), data=bytes(50_000_000))
    assert path.stat().st_size < 100_000
    with pytest.raises(IntegrityError, match="more than 1000000 bytes"):
        archives.hash_zip(path, archives.Limits(bytes=1_000_000))
    build(path, *(info_of(f"f{n}") for n in range(11)))
    with pytest.raises(IntegrityError, match="more than 10 files"):
        archives.list_zip(path, archives.Limits(files=10))


def patched(raw: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    at = raw.index(signature) + offset
    return raw[:at] + value + raw[at + len(value) :]


def test_a_liar_about_its_size_is_caught(tmp_path: Path) -> None:
    """The directory promises 10 bytes, the stream unpacks to 50 MB."""
    path = tmp_path / "x.zip"
    raw = build(path, info_of("a", method=zipfile.ZIP_DEFLATED), data=bytes(50_000_000))
    ten = struct.pack("<L", 10)
    path.write_bytes(patched(patched(raw, b"PK\x01\x02", 24, ten), b"PK\x03\x04", 22, ten))
    with pytest.raises(IntegrityError, match="damaged"):
        archives.hash_zip(path, archives.Limits(bytes=1000))


def damage(raw: bytes, how: str) -> bytes:
    central, local = b"PK\x01\x02", b"PK\x03\x04"
    return {
        "prefix": b"#!/bin/sh\n" + raw,
        "suffix": raw + b"x",
        "comment": raw[:-2] + b"\x01\x00x",
        "comment promised": raw[:-2] + b"\x05\x00",
        "truncated": raw[:-30],
        "size too large": patched(patched(raw, central, 24, b"\x09"), local, 22, b"\x09"),
        "empty": b"",
        "no zip": b"hello" * 20,
        "other local name": patched(raw, local, 30, b"z"),
        "crc": patched(patched(raw, central, 16, b"abcd"), local, 14, b"abcd"),
        "encrypted": patched(patched(raw, central, 8, b"\x01\x00"), local, 6, b"\x01\x00"),
        "packed as bzip2": patched(patched(raw, central, 10, b"\x0c\x00"), local, 8, b"\x0c\x00"),
        "overlap": raw[: raw.rindex(central)] + patched(raw[raw.rindex(central) :], central, 42, bytes(4)),
    }[how]


HOW = ["prefix", "suffix", "comment", "comment promised", "size too large",
       "truncated", "empty", "no zip", "other local name", "crc", "encrypted",
       "packed as bzip2", "overlap"]  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_or_ambiguous_archive_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "x.zip"
    raw = build(path, info_of("a"), info_of("b"))
    archives.hash_zip(path)
    path.write_bytes(damage(raw, how))
    with pytest.raises(IntegrityError, match="not an archive to trust"):
        archives.hash_zip(path)


def test_folders_in_an_archive_are_no_files(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("dist/", b"")
        archive.writestr("dist/a", b"1")
    assert archives.list_zip(path) == [("dist/a", 1)]
    assert archives.hash_zip(path) == {"dist/a": hashlib.sha256(b"1").hexdigest()}


def test_a_missing_archive_is_this_machine(tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        archives.list_zip(tmp_path / "none.zip")
