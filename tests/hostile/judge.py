"""Reads every sample of one class in a process of its own, under caps, and says what went otherwise than expected.

Typed as `python -m hostile.judge CLASS`. No file may be written outside the working directory, no program started and
no address talked to; each sample has its time and its memory.
"""

from __future__ import annotations

import gc
import hashlib
import json
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from hostile.guard import forbid
from hostile.memory import fresh_peak, peak
from hostile.sample import MEMORY, SECONDS, Kind, Sample
from ms_release.errors import MsError


@dataclass
class Report:
    """How many samples there were, what was wrong, and the worst of each cap."""

    samples: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    mebibytes: float = 0.0


def judge(kind: Kind) -> Report:
    """Read all samples of a class."""
    report = Report()
    gc.collect()
    gc.freeze()  # what is here already need not be looked at again and again
    seen: set[bytes] = set()
    for sample in kind.samples():
        if hashlib.sha256(sample.data).digest() in seen:
            continue  # two ways to the same bytes are one sample
        seen.add(hashlib.sha256(sample.data).digest())
        report.samples += 1
        held, started = fresh_peak(), time.process_time()
        told = ending(kind, sample)
        took, grown = time.process_time() - started, peak() - held
        report.seconds, report.mebibytes = max(report.seconds, took), max(report.mebibytes, grown / 2**20)
        if told != str(sample.exit):
            report.wrong.append(f"{sample.name}: exit {told}, not {sample.exit}")
        if took > SECONDS:
            report.wrong.append(f"{sample.name}: {took:.2f} s")
        if grown > MEMORY:
            report.wrong.append(f"{sample.name}: {grown / 2**20:.0f} MiB")
    return report


def ending(kind: Kind, sample: Sample) -> str:
    """The exit code that this sample leads to; for what is no documented error, its name and text."""
    try:
        kind.read(sample.data)
    except MsError as error:
        if not error.cause or len(error.cause) > 1000 or "\n" in error.cause:
            return f"{error.exit_code} with the cause {error.cause[:200]!r}"
        return str(error.exit_code)
    except Exception as error:
        return f"1 ({type(error).__name__}: {str(error)[:200]})"
    return "0"


def main(name: str) -> None:
    """One class; the report as JSON."""
    from hostile.corpus import CLASSES

    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
    list(zip(range(3), CLASSES[name].samples(), strict=False))
    forbid(Path.cwd(), Path("/proc/self").resolve(), programs=False, network=False)
    report = judge(CLASSES[name])
    sys.stdout.write(json.dumps(vars(report)))


if __name__ == "__main__":
    main(sys.argv[1])
