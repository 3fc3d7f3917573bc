"""`./dev mutate`: every rule of the deciding modules broken, one at a time; does a test notice?"""

from __future__ import annotations

import argparse
import marshal
import os
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mutate.mutants import Mutant, mutants
from mutate.trial import KILLED, SURVIVED, Trial, run_all, warm_up

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "src" / "ms_release" / "core"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
# The modules whose rules are broken, with the tests that are about them: those are run first.
FILES = {
    "gates": ("gates", "gates_waivers"),
    "plan": ("plan_file",),
    "approval": ("approval",),
    "selection": ("selection",),
    "stale": ("stale",),
    "promote": ("promote",),
    "candidate_use": ("candidate_use",),
    "candidate_identity": ("candidate_identity",),
    "provenance": ("provenance",),
}


def main() -> int:
    """0 when every mutant was killed or is listed as equivalent, else 3; 2 for tests that fail without any."""
    options = _options()
    found = [(name, mutant) for name in options.file or FILES for mutant in mutants((CORE / f"{name}.py").read_text())]
    found = [each for each in found if options.only in f"{each[0]}.py:{each[1].line} {each[1].name}"]
    if options.list:
        for name, mutant in found:
            _say(f"{name}.py:{mutant.line}  {mutant.name}")
        return 0
    os.chdir(ROOT)
    warm_up()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as logs:
        names = list(dict.fromkeys(name for name, _ in found))
        if not _baseline(Path(logs), names, own=options.own):
            return 2
        trials = [_trial(name, mutant, own=options.own) for name, mutant in found]
        outcomes = _outcomes(found, run_all(trials, options.jobs, Path(logs)))
    return _report(found, outcomes, time.monotonic() - started, complete=not options.only)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev mutate", description=__doc__)
    parser.add_argument("--file", action="append", choices=FILES, help="only this module (may be given again)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only mutants whose line of the list has this text")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default: 2)")
    parser.add_argument("--own", action="store_true", help="run only the tests that are about the module")
    parser.add_argument("--list", action="store_true", help="list the mutants and run nothing")
    return parser.parse_args()


def _tests(name: str, *, own: bool) -> tuple[tuple[str, ...], ...]:
    """The tests of this module, then those of all of core and of the safety model."""
    about = tuple(f"tests/core/test_{each}.py" for each in FILES[name])
    if own:
        return (about,)
    paths = (*ROOT.glob("tests/core/test_*.py"), *ROOT.glob("tests/model/test_safety*.py"))
    rest = sorted(str(path.relative_to(ROOT)) for path in paths)
    return (about, tuple(path for path in rest if path not in about))


def _trial(name: str, mutant: Mutant | None, *, own: bool) -> Trial:
    file = CORE / f"{name}.py"
    code = mutant.code if mutant else marshal.dumps(compile(file.read_text(), str(file), "exec", dont_inherit=True))
    return Trial(f"ms_release.core.{name}", str(file), code, _tests(name, own=own))


def _baseline(logs: Path, names: list[str], *, own: bool) -> bool:
    """Whether all tests pass when nothing is broken: otherwise every mutant would seem to be killed."""
    trials = [_trial(name, None, own=own) for name in (names if own else names[:1])]
    for number, outcome in run_all(trials, 1, logs):
        if outcome != SURVIVED:
            _say((logs / f"{number}.log").read_text()[-3000:])
            _say("mutate: the tests fail although nothing is broken. Mend that first: ./dev test tests/core")
            return False
    return True


def _outcomes(found: list[tuple[str, Mutant]], ended: Iterator[tuple[int, str]]) -> dict[int, str]:
    outcomes: dict[int, str] = {}
    for number, outcome in ended:
        outcomes[number] = outcome
        name, mutant = found[number]
        if outcome != KILLED:
            _say(f"{outcome.upper() if outcome == SURVIVED else outcome}  {name}.py:{mutant.line}  {mutant.name}")
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r{len(outcomes)}/{len(found)} ")
    return outcomes


def _report(found: list[tuple[str, Mutant]], outcomes: dict[int, str], seconds: float, *, complete: bool) -> int:
    listed = equivalent()
    survivors = [found[number] for number in sorted(outcomes) if outcomes[number] == SURVIVED]
    real = [each for each in survivors if (each[0], each[1].name) not in listed]
    _say(f"\n{'module':<12} {'mutants':>8} {'killed':>8} {'equivalent':>11} {'survived':>9}")
    for name in dict.fromkeys(name for name, _ in found):
        count = Counter(
            _kind(found[number], outcome, real) for number, outcome in outcomes.items() if found[number][0] == name
        )
        _say(f"{name:<12} {count.total():>8} {count['killed']:>8} {count['equivalent']:>11} {count['survived']:>9}")
    for name, mutant in survivors:
        if (name, mutant.name) in listed:
            _say(f"equivalent  {name}.py:{mutant.line}  {mutant.name}\n            {listed[name, mutant.name]}")
    for name, mutant in real:
        _say(f"SURVIVED    {name}.py:{mutant.line}  {mutant.name}")
    known = {(name, mutant.name) for name, mutant in survivors}
    files = {name for name, _ in found}
    idle = [each for each in listed if complete and each[0] in files and each not in known]
    for name, text in idle:
        _say(f"NOT NEEDED  the entry of {name} in {EQUIVALENT.name}: {text}")
    killed, equal = len(outcomes) - len(survivors), len(survivors) - len(real)
    _say(f"{len(outcomes)} mutants, {killed} killed, {equal} equivalent, {len(real)} survived, {seconds:.0f} s")
    return 3 if real or idle else 0


def _kind(each: tuple[str, Mutant], outcome: str, real: list[tuple[str, Mutant]]) -> str:
    if outcome != SURVIVED:
        return "killed"
    return "survived" if any(each is other for other in real) else "equivalent"


def equivalent() -> dict[tuple[str, str], str]:
    """Mutants that cannot be noticed, each with the reason."""
    document = tomllib.loads(EQUIVALENT.read_text()) if EQUIVALENT.exists() else {}
    return {(each["module"], each["mutant"]): each["reason"] for each in document.get("equivalent", ())}


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
