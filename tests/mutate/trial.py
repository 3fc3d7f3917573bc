"""One mutant at a time, each in a process of its own, forked before anything of the program is imported."""

from __future__ import annotations

import importlib.abc
import importlib.util
import marshal
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

# Of the processor's time, so that a busy machine kills nobody; every test of core takes a tenth of it.
SECONDS = 120
KILLED, SURVIVED, ENDLESS = "killed", "survived", "killed because it did not end"


@dataclass(frozen=True)
class Trial:
    """A module's changed code, and the test files that are run against it: those about it, then the others."""

    module: str
    file: str
    code: bytes
    tests: tuple[tuple[str, ...], ...]


class _Loader(importlib.abc.Loader):
    """Gives one module other code than its file's."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(marshal.loads(self._trial.code), module.__dict__)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self._trial.module:
            return None
        return importlib.util.spec_from_file_location(name, self._trial.file, loader=_Loader(self._trial))


def warm_up() -> None:
    """Import what every trial needs, and nothing of the program."""
    import hypothesis.strategies
    import msgspec
    import pytest

    assert all((hypothesis.strategies, msgspec, pytest))
    assert not [name for name in sys.modules if name.startswith("ms_release")]


def run_all(trials: Sequence[Trial], jobs: int, logs: Path) -> Iterator[tuple[int, str]]:
    """Run the trials, so many at a time; yields each one's number and outcome as it ends."""
    waiting, running = list(enumerate(trials)), dict[int, tuple[int, int]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            number, trial = waiting.pop(0)
            pid, over = _begin(trial, logs / f"{number}.log")
            running[over] = number, pid
        for over in select.select(list(running), [], [])[0]:
            number, pid = running.pop(over)
            os.close(over)
            yield number, _outcome(os.waitpid(pid, 0)[1])


def _begin(trial: Trial, log: Path) -> tuple[int, int]:
    """The process, and a pipe that ends when it does: other children of ours are not waited for."""
    sys.stdout.flush()
    over, held = os.pipe()
    pid = os.fork()
    if pid:
        os.close(held)
        return pid, over
    code = 70
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 5))
        with log.open("wb", buffering=0) as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        code = _run(trial)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _run(trial: Trial) -> int:
    import pytest

    sys.meta_path.insert(0, _Finder(trial))
    os.environ.pop("MS_TEST_ALL", None)
    quiet = ("-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore")
    return next((code for files in trial.tests if files and (code := int(pytest.main([*quiet, *files])))), 0)


def _outcome(status: int) -> str:
    """0 = every test passed; 5 = there was none, which is a mistake of ours and not a death."""
    if os.WIFSIGNALED(status):
        return ENDLESS if os.WTERMSIG(status) == signal.SIGXCPU else KILLED
    code = os.WEXITSTATUS(status)
    if code in (4, 5):
        raise RuntimeError("pytest found no tests to run")
    return KILLED if code else SURVIVED
