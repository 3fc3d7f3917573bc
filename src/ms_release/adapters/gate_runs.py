"""Running gates: each attempt in a clean clone of the commit, side by side, and nothing left behind when it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path

from ms_release.adapters import git
from ms_release.adapters.files import write_private
from ms_release.core.project import Gate
from ms_release.core.prove import Attempt
from ms_release.errors import MachineError

_MOST_LOG = 16 << 20
_KEPT = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY", "RUSTUP_HOME")
_PROC = Path("/proc")
_ROUNDS = 50  # against a process that starts others without end
_TICK = 0.1


def missing_programs(gates: Sequence[Gate]) -> dict[str, str]:
    """Programs that gates call and that are not on PATH, with the first gate that does."""
    needed = {program: gate.name for gate in reversed(gates) for program in gate.needs}
    return {program: gate for program, gate in needed.items() if shutil.which(program) is None}


class GateRuns:
    """The attempts at the gates of one commit of the repository in `source`; their logs are kept in `logs`.

    A gate sees a fresh clone, an empty environment but for PATH, and a HOME of its own, as a job does (SPEC 9). What it
    starts is ended with it, also when this program is interrupted.
    """

    def __init__(self, source: Path, sha: str, logs: Path) -> None:
        self._source, self._sha, self._logs = source, sha, logs
        self._lock = threading.Lock()
        self._running: dict[tuple[str, int], float] = {}
        self._programs: list[tuple[subprocess.Popen[bytes], Path]] = []
        self._ended: deque[Attempt] = deque()
        self._news = threading.Event()
        self._failure: BaseException | None = None
        self._stopped = False

    def running(self) -> dict[tuple[str, int], float]:
        """What runs now, and for how many seconds already."""
        with self._lock:
            return {which: time.monotonic() - since for which, since in self._running.items()}

    def run(self, gates: Sequence[Gate], repeat: int, *, fail_fast: bool) -> Generator[Attempt | None]:
        """Each attempt as it ends; None whenever nothing has for a moment.

        Gates run side by side; the attempts at one gate one after the other, so that none is the reason of another.
        `fail_fast`: the first failure ends the others. Raises MachineError when git or the disk fails; whatever ends
        this iterator ends everything that runs.
        """
        work = deque(gates)
        base = Path(tempfile.mkdtemp(prefix="ms-prove-"))
        threads = [
            threading.Thread(target=self._work, args=(work, repeat, base), daemon=True)
            for _ in range(min(os.cpu_count() or 1, len(work)))
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads) or self._ended:
                if self._ended:
                    attempt = self._ended.popleft()
                    yield attempt
                    if fail_fast and attempt.exit:
                        return
                else:
                    self._news.wait(_TICK)
                    self._news.clear()
                    yield None
            if self._failure is not None:
                raise self._failure
        finally:
            self._stop()
            for thread in threads:
                thread.join()
            shutil.rmtree(base, ignore_errors=True)

    def _work(self, work: deque[Gate], repeat: int, base: Path) -> None:
        while work:
            try:
                gate = work.popleft()
            except IndexError:
                return
            for number in range(1, repeat + 1):
                if self._stopped or self._failure is not None:
                    return
                try:
                    self._attempt(gate, number, base / f"{gate.name}-{number}")
                except BaseException as failure:  # raised again in the caller's thread
                    self._failure = self._failure or failure
                self._news.set()

    def _attempt(self, gate: Gate, number: int, place: Path) -> None:
        with self._lock:
            self._running[gate.name, number] = time.monotonic()
        try:
            for name in ("home", "tmp"):
                (place / name).mkdir(parents=True, mode=0o700)
            clone(self._source, self._sha, place / "tree")
            code = self._call(gate, place)
        finally:
            with self._lock:
                seconds = time.monotonic() - self._running.pop((gate.name, number))
        log = self._logs / f"{gate.name}-{number}.log"
        with (place / "log").open("rb") as said:
            write_private(log, said.read(_MOST_LOG))
        shutil.rmtree(place, ignore_errors=True)
        self._ended.append(Attempt(gate.name, number, None if self._stopped else code, round(seconds, 2), str(log)))

    def _call(self, gate: Gate, place: Path) -> int:
        script = "\n".join((*gate.setup, gate.command))
        home = place / "home"
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        env |= {"HOME": str(home), "TMPDIR": str(place / "tmp"), "LANG": "C.UTF-8", "CI": "true"}
        if (rustup := Path.home() / ".rustup").is_dir():  # where the toolchains are: nothing in it is a secret
            env.setdefault("RUSTUP_HOME", str(rustup))
        with (place / "log").open("wb") as log, self._lock:
            if self._stopped:
                return 1
            try:
                program = subprocess.Popen(
                    ["/bin/sh", "-e", "-c", script], cwd=place / "tree", env=env, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise MachineError(f"cannot start a shell: {error.strerror}", remedy="Check this machine.") from error
            self._programs.append((program, home))
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)  # not waited for yet: the number is still its own
        _end(program.pid, home)
        return program.wait()

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            programs = list(self._programs)
        for program, home in programs:
            if program.poll() is None:
                _end(program.pid, home)


def clone(source: Path, sha: str, place: Path) -> None:
    """A checkout of one commit in a directory of its own; nothing is written to `source`. Raises MachineError."""
    arguments = ["clone", "--quiet", "--shared", "--no-checkout", "--no-tags", "--", str(source), str(place)]
    _git(source, arguments)
    _git(place, ["checkout", "--quiet", "--detach", sha])


def _git(folder: Path, arguments: Sequence[str]) -> None:
    code, _ = git.run(folder, arguments, protocols=("file",))
    if code:
        raise MachineError(f"git {arguments[0]} failed in {folder}", remedy="Check the repository and the disk.")


def _end(group: int, home: Path) -> None:
    """Kill a process group and, where the system shows it, every process that lives in this HOME: all its children."""
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    mark = b"HOME=" + os.fsencode(home)
    for _ in range(_ROUNDS):
        found = [pid for pid in _processes() if mark in _environment(pid)]
        if not found:
            return
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _processes() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()] if _PROC.is_dir() else []


def _environment(pid: int) -> list[bytes]:
    """What a process was started with; nothing for one that is dead or not ours."""
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
