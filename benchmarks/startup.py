"""How long `ms release --help` takes beside a bare interpreter and, where installed, `gh`: one run, in turns."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 21
BUDGET = 6.0


def seconds(argv: list[str]) -> float:
    """Wall time of one whole process; a command that fails measures nothing, so it ends the benchmark."""
    start = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print a table of medians and ratios."""
    ms = str(Path(sys.executable).with_name("ms"))
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "ms release --help": [ms, "release", "--help"],
    }
    if gh := shutil.which("gh"):
        commands["gh --help"] = [gh, "--help"]
    times: dict[str, list[float]] = {name: [] for name in commands}
    for argv in commands.values():
        seconds(argv)
    for _ in range(ROUNDS):
        for name, argv in commands.items():
            times[name].append(seconds(argv))
    bare = statistics.median(times["python -c pass"])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:20} {median * 1000:7.1f} ms   {median / bare:5.2f} x python")
    ratio = statistics.median(times["ms release --help"]) / bare
    print(f"budget {BUDGET:.0f} x python: {'kept' if ratio <= BUDGET else 'EXCEEDED'}")
    if gh is None:
        print("gh is not on PATH: not compared")


if __name__ == "__main__":
    main()
