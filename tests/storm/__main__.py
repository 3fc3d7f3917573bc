"""`./dev storm`: random operators and random faults on the embedded forge, until the time is over.

Each episode is drawn from its seed: the world it starts in, who types what, what goes wrong and where somebody dies.
The same seed makes the same choices. In most episodes one command follows another; in those that say `at once` the
order of their requests is the machine's, so repeating one may need some tries.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from queue import Empty
from typing import Any

from scenarios.phases import PHASES, Undisturbed
from scenarios.stage import Saved
from storm.crowd import work
from storm.episode import Ending, play

TOLD_EVERY = 10.0


def storm(base: Path, seed: int, seconds: float, jobs: int) -> tuple[list[Ending], float]:
    """Play for so long; every ending, and how long it took."""
    context, started = multiprocessing.get_context("spawn"), time.monotonic()
    told: Any = context.Queue()
    workers = [context.Process(target=work, args=(base, seed + n, jobs, seconds, told)) for n in range(jobs)]
    for worker in workers:
        worker.start()
    endings: list[Ending] = []
    left, next_line = jobs, started + TOLD_EVERY
    while left and any(worker.is_alive() for worker in workers):
        try:
            ending = told.get(timeout=1)
        except Empty:
            ending = ...
        if ending is None:
            left -= 1
        elif ending is not ...:
            endings.append(ending)
            if ending.violations:
                tell(ending)
        if time.monotonic() >= next_line:
            next_line += TOLD_EVERY
            _say(f"{time.monotonic() - started:4.0f} s: {summary(endings)}")
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a process of the storm died: see above")
    return endings, time.monotonic() - started


def summary(endings: list[Ending]) -> str:
    """Counts in one line."""
    outcomes = Counter(each.outcome for each in endings)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    return (
        f"{len(endings)} episodes ({told}), {sum(each.commands for each in endings):,} commands, "
        f"{sum(each.fired for each in endings):,} faults, {sum(each.killed for each in endings):,} deaths, "
        f"{sum(each.parallel for each in endings)} at once, violations: {violations(endings)}"
    )


def violations(endings: list[Ending]) -> int:
    """How many rules were broken in all."""
    return sum(len(each.violations) for each in endings)


def tell(ending: Ending) -> None:
    """An episode with what happened in it, what was wrong, and how to see it again."""
    _say(f"VIOLATION in episode {ending.seed}{' (at once)' if ending.parallel else ''}")
    for line in ending.log:
        _say(f"  {line}")
    for line in ending.violations:
        _say(f"  WRONG: {line}")
    _say(f"  again: ./dev storm --episode {ending.seed}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run; exit code 1 when a rule was broken."""
    parser = argparse.ArgumentParser(prog="./dev storm", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="for how long (default: 300)")
    parser.add_argument("--seed", type=int, help="the first episode's seed; those after it count up (default: random)")
    parser.add_argument("--jobs", type=int, default=2, help="episodes side by side (default: 2)")
    parser.add_argument("--episode", type=int, metavar="SEED", help="only this one, and all that happens in it")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="storm-") as place:
        base = Path(place)
        if chosen.episode is not None:
            ending = play(chosen.episode, Undisturbed(Saved(base)), base / "episode")
            _say("\n".join(ending.log))
            _say("\n".join(f"WRONG: {line}" for line in ending.violations))
            _say(f"episode {ending.seed}: {ending.outcome}, violations: {len(ending.violations)}")
            return int(bool(ending.violations))
        seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(10**9)
        _say(f"seed {seed}: ./dev storm --seconds {chosen.seconds:g} --seed {seed} --jobs {chosen.jobs}")
        Undisturbed(Saved(base)).picture(PHASES["verify"])
        endings, seconds = storm(base, seed, chosen.seconds, chosen.jobs)
        _say(f"{seconds:.0f} s, seed {seed}: {summary(endings)}")
        _say(f"violations: {violations(endings)}")
        return int(violations(endings) > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
