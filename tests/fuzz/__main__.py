"""`./dev fuzz`: mutated hostile input for every parser; only documented exceptions may come out, soon and small.

The same seed gives the same inputs. A finding is written to a file together with the command that repeats it.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fuzz.mutate import mutate
from fuzz.targets import TARGETS, Target
from hostile.memory import fresh_peak, peak

SECONDS = 1.0
MEMORY = 64 << 20
_CEILING = 2 << 30


class TooSlow(BaseException):
    """The input took longer than the cap. Not an Exception: no parser may swallow it."""


@dataclass(frozen=True)
class Finding:
    """One input that a parser did not take as documented."""

    target: str
    number: int
    data: bytes
    why: str


def attempt(target: Target, data: bytes) -> str:
    """Why this input is a finding, or ""."""
    before = fresh_peak()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of this process, whatever else the machine does
    try:
        target.run(data)
    except target.documented:
        pass
    except TooSlow:
        return f"more than {SECONDS:g} s"
    except MemoryError:
        return "out of memory"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = peak() - before
    return f"{grown >> 20} MiB of memory" if grown > MEMORY else ""


def fuzz(name: str, seed: int, more: Callable[[int], bool], first: int = 0) -> tuple[int, list[Finding]]:
    """Inputs until `more` says stop, or three findings; how many there were, and the findings."""
    target, findings, number = TARGETS[name], list[Finding](), first
    while more(number) and len(findings) < 3:
        data = mutate(target, random.Random(f"{seed} {name} {number}"))
        if why := attempt(target, data):
            findings.append(Finding(name, number, data, why))
        number += 1
    return number - first, findings


def limited() -> None:
    """The caps of this process: an alarm that no parser can catch, and a ceiling for what memory is left."""

    def late(number: int, frame: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGPROF, late)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (_CEILING, resource.getrlimit(resource.RLIMIT_AS)[1]))


def keep(finding: Finding, folder: Path, seed: int) -> str:
    """Write the input down; the sentence that tells of it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{finding.target.replace(' ', '-')}-{zlib.crc32(finding.data):08x}"
    file.write_bytes(finding.data)
    again = f"./dev fuzz --target '{finding.target}' --seed {seed} --input {finding.number}"
    return f"FOUND {finding.target}: {finding.why}\n  {file} ({len(finding.data)} bytes)\n  again: {again}"


def main(arguments: list[str]) -> int:
    """Run; exit code 1 when something was found."""
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=60, help="in all, split over the targets (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same inputs (default: 1)")
    parser.add_argument("--target", choices=sorted(TARGETS), action="append", help="only this one; may be repeated")
    parser.add_argument("--count", type=int, metavar="N", help="N inputs for each target, however long it takes")
    parser.add_argument("--input", type=int, metavar="N", help="only input N of the target: repeats a finding")
    parser.add_argument("--out", type=Path, default=Path(".ms/fuzz"), metavar="DIR", help="where findings are written")
    chosen = parser.parse_args(arguments)
    wanted = chosen.target or sorted(TARGETS)
    limited()
    total = found = 0
    for name in wanted:
        if chosen.input is not None:
            count, findings = fuzz(name, chosen.seed, lambda n: n == chosen.input, chosen.input)
        elif chosen.count is not None:
            count, findings = fuzz(name, chosen.seed, lambda n: n < chosen.count)
        else:
            until = time.monotonic() + chosen.seconds / len(wanted)
            count, findings = fuzz(name, chosen.seed, lambda _, until=until: time.monotonic() < until)
        total, found = total + count, found + len(findings)
        print(f"{name}: {count:,} inputs, {len(findings)} findings")
        for finding in findings:
            print(keep(finding, chosen.out, chosen.seed))
    print(f"seed {chosen.seed}: {len(wanted)} targets, {total:,} inputs, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
