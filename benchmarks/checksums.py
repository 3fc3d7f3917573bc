"""SHA-256 of a few gigabytes in 16 files: ours beside `openssl dgst` and `sha256sum`, in turns, in one run.

The others are started for as many files at once as there are cores. `MS_BENCH_GIB` sets how much (4). The files are
generated once, are read from the page cache where memory suffices, and are deleted in the end.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ms_release.adapters.hashing import digests

FILES, ROUNDS = 16, 3
GIB = float(os.environ.get("MS_BENCH_GIB", "4"))
CORES = os.cpu_count() or 1
OTHERS = {"openssl": ["openssl", "dgst", "-sha256", "-r"], "sha256sum": ["sha256sum"]}

Hash = Callable[[list[Path]], dict[Path, str]]


def generate(folder: Path) -> list[Path]:
    """Files of different sizes, the largest three times the smallest, that hold no holes."""
    weights = [1 + 2 * n / (FILES - 1) for n in range(FILES)]
    block = random.Random(0).randbytes(1 << 20)
    paths = []
    for n, weight in enumerate(weights):
        left = int(GIB * 2**30 * weight / sum(weights))
        paths.append(folder / f"{n}.bin")
        with paths[-1].open("wb") as file:
            while left > 0:
                left -= file.write(block[:left])
    return paths


def with_program(argv: list[str]) -> Hash:
    """Hashing by a program, one process for each file."""

    def one(path: Path) -> str:
        said = subprocess.run([*argv, str(path)], check=True, capture_output=True, text=True).stdout
        return said.split()[0]

    def every(paths: list[Path]) -> dict[Path, str]:
        largest_first = sorted(paths, key=lambda path: -path.stat().st_size)
        with ThreadPoolExecutor(CORES) as pool:
            return dict(zip(largest_first, pool.map(one, largest_first), strict=True))

    return every


def main() -> None:
    """Print medians, rates and ratios; a digest that differs ends the benchmark."""
    ways: dict[str, Hash] = {"ms": digests}
    ways |= {name: with_program(argv) for name, argv in OTHERS.items() if shutil.which(argv[0])}
    times: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder:
        paths = generate(Path(folder))
        size = sum(path.stat().st_size for path in paths)
        expected = digests(paths)
        for _ in range(ROUNDS):
            for name, way in ways.items():
                start = time.perf_counter()
                found = way(paths)
                times[name].append(time.perf_counter() - start)
                if found != expected:
                    raise SystemExit(f"{name} finds other digests")
    own = statistics.median(times["ms"])
    print(f"{size / 2**30:.2f} GiB in {FILES} files, {CORES} cores, median of {ROUNDS}")
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:10} {median:7.2f} s {size / 2**20 / median:8.0f} MiB/s   ms takes {own / median:.2f} x its time")
    for name in OTHERS.keys() - ways.keys():
        print(f"{name} is not on PATH: not compared")


if __name__ == "__main__":
    main()
