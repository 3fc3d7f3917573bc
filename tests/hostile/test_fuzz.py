"""The fuzzer itself: a short run finds nothing, the same seed repeats it, and it would notice a broken parser."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from fuzz import __main__ as fuzzer
from fuzz.mutate import mutate
from fuzz.targets import TARGETS, Target

TESTS = Path(__file__).parents[1]
# The YAML library needs some ten milliseconds for one file.
SLOW = {"workflow": 60, "graphql look": 100, "graphql survey": 100}


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS), "TMPDIR": str(folder), "HOME": str(folder)}
    command = [sys.executable, "-B", "-m", "fuzz", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=250, check=False)


@pytest.mark.parametrize("half", [0, 1])
def test_a_short_run_finds_nothing(half: int, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    for count in sorted({200, *SLOW.values()}):
        names = [name for name in sorted(TARGETS)[half::2] if SLOW.get(name, 200) == count]
        if names:
            ran = run(
                "--seed",
                "7",
                "--count",
                str(count),
                *(w for name in names for w in ("--target", name)),
                folder=tmp_path,
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr
            tally("fuzz inputs", count * len(names))


@pytest.mark.parametrize("name", TARGETS)
def test_good_input_is_taken(name: str) -> None:
    """A target that refused its own seeds would test nothing but the refusal."""
    if name not in ("refusals", "links"):  # what they start from is an answer that must be refused
        for seed in TARGETS[name].seeds:
            TARGETS[name].run(seed)


def test_the_same_seed_gives_the_same_inputs() -> None:
    target = TARGETS["plan"]
    first = [mutate(target, random.Random(f"1 plan {n}")) for n in range(50)]
    assert first == [mutate(target, random.Random(f"1 plan {n}")) for n in range(50)]
    assert len(set(first)) > 45


def test_findings_are_kept_with_the_command_that_repeats_them(tmp_path: Path) -> None:
    told = fuzzer.keep(fuzzer.Finding("rest run", 12, b"x", "KeyError: x"), tmp_path / "out", 3)
    assert "./dev fuzz --target 'rest run' --seed 3 --input 12" in told
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_bytes() == b"x"
    ran = run("--target", "rest run", "--seed", "3", "--input", "12", folder=tmp_path)
    assert ran.returncode == 0
    assert re.search(r"rest run: 1 inputs, 0 findings", ran.stdout)


BROKEN = """
from fuzz import __main__ as fuzzer, targets
from fuzz.targets import Target
from ms_release.errors import DamagedError
def crash(data): raise KeyError("x")
def spin(data):
    while True: pass
def hoard(data): bytearray(100 << 20)
def refuse(data): raise DamagedError("no")
fuzzer.limited()
for run in (crash, spin, hoard, refuse):
    print(fuzzer.attempt(Target(run, (b"x",), (DamagedError,)), b"x"))
"""


def test_the_fuzzer_notices_a_crash_a_loop_and_a_hoard() -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TESTS)}
    ran = subprocess.run([sys.executable, "-B", "-c", BROKEN], env=env, capture_output=True, text=True, check=True)
    crash, loop, hoard, refusal = ran.stdout.splitlines()
    assert (crash, loop, refusal) == ("KeyError: 'x'", "more than 1 s", "")
    assert hoard.endswith("MiB of memory")


# What the fuzzer has found once, in the targets' own words: it stays found.
FOUND = [
    ("archives", b"PK\3\4\n\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0PK\1\2\n\0\n\0\0\0\0\0\0\0!\0" + bytes(32)
     + b"PK\5\6\0\0\0\0\1\0\1\0.\0\0\0\x1e\0\0\0\0\0"),
    ("config", b"a = " + b"[" * 2000),
    ("config", b"a = " + b"9" * 5000),
    ("config", b"a" + b".a" * 5000 + b" = 1"),
    ("world", b"a = " + b"[" * 2000),
    ("world", b"a = " + b"9" * 5000),
    ("etags", b'\xff{"etag":"x"}\n{}'),
    ("expressions", b"${{ " + b"(" * 2000),
    ("expressions", b"${{ " + b"!" * 2000 + b"1 }}"),
    ("expressions", b"${{ 1" + b" || 1" * 2000 + b" }}"),
    ("expressions", b"${{ fromJSON('" + b"[" * 20000 + b"') }}"),
    ("expressions", b"${{ fromJSON('1" + b"0" * 400 + b"') < 1 }}"),
    ("git", b"a\0b\0An\0a@x\0seconds\0msg\0"),
    ("git", b"a\0b\0An\0a@x\0" + b"9" * 5000 + b"\0msg\0"),
    ("graphql survey", b'{"data":{"viewer":{"login":"a"},"home":{"head":null}}}'),
    ("graphql survey", b'{"data":{"viewer":{"login":"a"},"home":{"head":{"target":{"oid":"' + b"a" * 40 + b'"}}}}}'),
    ("ledger", b'{"candidates":[{"repo":"a","sha256":"\xff"}]}'),
    ("ledger", b'{"candidates":[{"repo":{},"sha256":[]}]}'),
    ("links", b'<http://[>; rel="next"'),
    ("rest checks", b'{"check_runs":[{"id":5,"status":"completed"},{"id":5,"status":"completed","conclusion":"x"}]}'),
    ("urls", b"http://127.0.0." + b"9" * 5000 + b"/"),
    ("workflow", b"on: push\njobs: {a: {runs-on: x, needs: 5, steps: [{run: x}]}}"),
    ("workflow", b"on: push\njobs: {a: {runs-on: x, strategy: x, steps: [{run: x}]}}"),
    ("workflow", b"on: push\njobs: {a: {runs-on: x, strategy: {matrix: {a: [1], include: [1]}}, steps: [{run: x}]}}"),
    ("workflow", b"on: push\njobs: {a: &a {runs-on: x, steps: [{run: x}], x: *a}}"),
    ("workflow", b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
     b"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
     b"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\non: push\njobs: {a: {runs-on: x, env: {x: *d}, steps: [{run: *d}]}}"),
    ("workflow", b"x: " + b"[" * 2000),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data"), FOUND, ids=[f"{name}-{n}" for n, (name, _) in enumerate(FOUND)])
def test_what_was_found_stays_found(name: str, data: bytes) -> None:
    target: Target = TARGETS[name]
    with suppress(*target.documented):
        target.run(data)
