"""Digests of many files: right whatever their sizes, told meanwhile, and over at once when something fails."""

from __future__ import annotations

import hashlib
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from ms_release.adapters.hashing import digests
from ms_release.errors import MachineError

BLOCK = 1 << 18
ENDLESS = 1 << 40
"""Bytes of a file that nobody hashes to its end in a test."""


def sparse(path: Path, size: int) -> Path:
    """A file of zeros that takes no room."""
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)
    return path


def test_digests_of_many_files(tmp_path: Path) -> None:
    sizes = (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, *range(2, 20_000, 1_000))
    paths = [tmp_path / str(n) for n in range(len(sizes))]
    for n, (path, size) in enumerate(zip(paths, sizes, strict=True)):
        path.write_bytes(bytes([n]) * size)
    found = digests(paths)
    assert found == {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert next(iter(found)) == paths[4]
    assert digests([]) == {}
    assert digests([paths[1], paths[1]]) == {paths[1]: found[paths[1]]}


def test_what_is_told_grows_up_to_all_bytes(tmp_path: Path) -> None:
    paths = [sparse(tmp_path / str(n), 48 << 20) for n in range(4)]
    heard: list[tuple[int, int, float]] = []
    digests(paths, lambda *told: heard.append(told), pause=0.001)
    assert heard == sorted(heard)
    assert {total for _, total, _ in heard} == {4 * (48 << 20)}
    assert 0 < heard[-1][0] <= heard[-1][1]


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    paths = [sparse(tmp_path / str(n), 64 << 20) for n in range(4)]
    tracemalloc.start()
    try:
        digests(paths)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (os.cpu_count() or 1) * 4 * BLOCK


@pytest.mark.parametrize("what", ["missing", "directory"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "it"
    if what == "directory":
        path.mkdir()
    with pytest.raises(MachineError, match=f"cannot read {path}"):
        digests([sparse(tmp_path / "other", BLOCK), path])


def test_a_signal_ends_every_thread(tmp_path: Path) -> None:
    before = threading.active_count()

    def interrupt(done: int, total: int, seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        digests([sparse(tmp_path / str(n), ENDLESS) for n in range(20)], interrupt, pause=0.01)
    assert threading.active_count() == before
