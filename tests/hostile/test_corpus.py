"""Hostile input by class: each sample ends with its documented exit code, in time, small, and writes nowhere else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile import judge
from hostile.corpus import CLASSES
from hostile.sample import MEMORY, SECONDS, Kind, Sample
from hostile.seeds import PLAN
from ms_release.adapters.candidates import Cache
from ms_release.core.plan import parse_file
from ms_release.errors import DamagedError

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("name", CLASSES)
def test_every_sample_ends_as_documented(name: str, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(outside), "TMPDIR": str(outside), "PYTHONPATH": str(TESTS)}
    env["MALLOC_MMAP_THRESHOLD_"] = str(1 << 17)  # what was large and is given back leaves the process, always
    command = [sys.executable, "-B", "-m", "hostile.judge", name]
    ran = subprocess.run(command, cwd=inside, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    report = judge.Report(**json.loads(ran.stdout))
    assert report.wrong == []
    assert report.samples > 50
    assert report.seconds <= SECONDS
    assert report.mebibytes <= MEMORY / 2**20
    assert list(outside.iterdir()) == []
    tally(f"hostile samples: {name}", report.samples)


def judged(read: Callable[[bytes], object], exit: int = 2) -> list[str]:
    return judge.judge(Kind(read, lambda: iter([Sample("x", b"", exit)]))).wrong


def test_the_judge_notices_what_it_is_there_for() -> None:
    def refuses(data: bytes) -> None:
        raise DamagedError("no")

    def crashes(data: bytes) -> None:
        raise KeyError("x")

    def burns(data: bytes) -> None:
        until = time.process_time() + 1.1 * SECONDS
        while time.process_time() < until:
            pass
        raise DamagedError("no")

    def hoards(data: bytes) -> None:
        held = b"x" * (80 << 20)
        raise DamagedError(f"no {len(held)}")

    assert judged(refuses) == []
    assert judged(refuses, 7) == ["x: exit 2, not 7"]
    assert judged(lambda data: None) == ["x: exit 0, not 2"]
    assert judged(crashes) == ["x: exit 1 (KeyError: 'x'), not 2"]
    assert "MiB" in judged(hoards)[0]
    assert judged(burns)[0].endswith(" s")


GUARDED = """
import os, sys
from pathlib import Path
from hostile.guard import forbid
forbid(Path.cwd(), programs=False, network=False)
open("inside", "w").close()
{}
"""


@pytest.mark.parametrize(
    "deed",
    ["open('../x', 'w')", "os.mkdir('../x')", "os.rename('inside', '../x')", "os.symlink('/etc', '../x')",
     "os.open('../x', os.O_WRONLY | os.O_CREAT)", "__import__('subprocess').run(['true'])",
     "__import__('socket').create_connection(('127.0.0.1', 1))", "os.remove('../kept')"],
)  # fmt: skip
def test_the_guard_stops_what_it_is_there_for(deed: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "kept").touch()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-B", "-c", GUARDED.format(deed)]
    ran = subprocess.run(command, cwd=tmp_path / "here", env=env, capture_output=True, text=True, check=False)
    assert "Forbidden" in ran.stderr
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["here", "inside", "kept"]


# ---- a plan file, bit by bit

STARTS = PLAN.index(b'"plan":')


@pytest.mark.sampled(16)
@pytest.mark.parametrize("stripe", range(64))
def test_no_bit_of_a_plan_file_flips_unnoticed(stripe: int, tally: Callable[[str, int], None]) -> None:
    """What is left over is white space between the parts, and who made the plan when: both outside its digest."""
    good = parse_file(PLAN, "p")
    count = 0
    for position in range(stripe, len(PLAN), 64):
        for bit in range(8):
            damaged = PLAN[:position] + bytes([PLAN[position] ^ 1 << bit]) + PLAN[position + 1 :]
            count += 1
            try:
                found = parse_file(damaged, "p")
            except DamagedError:
                continue
            assert (found.plan, found.digest) == (good.plan, good.digest), position
            assert found.data == damaged
            blank = not (PLAN[position : position + 1] + damaged[position : position + 1]).strip()
            assert blank or position < STARTS, position
    tally("bits of a plan file flipped", count)


def test_a_cache_that_somebody_filled_is_no_cache(tmp_path: Path) -> None:
    """Files of another size or kind in the cache are as if nothing was stored."""
    cache = Cache(tmp_path)
    cache.put("key", b"data")
    assert cache.get("key") == b"data"
    (file,) = tmp_path.iterdir()
    file.write_bytes(bytes((1 << 20) + 1))
    assert cache.get("key") is None
    file.unlink()
    file.symlink_to("/etc/passwd")
    assert cache.get("key") is None
