"""Starting a program, and ending everything that it started, however far away that has moved."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_PROC = Path("/proc")
_ROUNDS = 50  # against a process that starts others without end


def _parents() -> dict[int, int]:
    """Every process that we can see, with its parent; the dead ones that nobody has waited for are left out."""
    if not (_PROC / "self" / "stat").exists():
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
        return {int(pid): int(parent) for pid, parent in (line.split() for line in listing.splitlines())}
    found = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (OSError, ValueError):
                continue
            if state != "Z":
                found[int(entry.name)] = int(parent)
    return found


def _below(parents: Mapping[int, int], root: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield from (pid for pid in parents if pid == root)
    for pid, parent in parents.items():
        if parent == root:
            yield from _below(parents, pid)


def _at_home(pids: Sequence[int], home: Path) -> Iterator[int]:
    """The processes whose HOME is this directory: also those that left their parents behind (Linux only)."""
    mark = b"HOME=" + os.fsencode(home)
    for pid in pids:
        try:
            if mark in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                yield pid
        except OSError:
            continue


def end_all(home: Path, root: int | None = None) -> None:
    """Kill every process that lives in `home` and, if given, `root` with all its descendants.

    act gives each step a session of its own, so neither a process group nor a session is enough. All are stopped
    before the first is killed: what is stopped starts nothing new, and keeps its children.
    """
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        parents = _parents()
        members = {*_at_home([*parents], home), *(_below(parents, root) if root else ())} - {os.getpid()}
        if members <= stopped:
            break
        _signal(members - stopped, signal.SIGSTOP)
        stopped |= members
    _signal(stopped, signal.SIGKILL)


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue


class Process:
    """One program that can be ended from another thread, even before it starts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._home = Path()
        self.killed = False

    def start(self, argv: Sequence[str], env: Mapping[str, str], folder: Path) -> subprocess.Popen[bytes] | None:
        """Start it in a folder with output and errors in one pipe and no input; None when it was killed already.

        `env["HOME"]` must be its own: that is how its children are known.
        """
        with self._lock:
            if self.killed:
                return None
            self._home = Path(env["HOME"])
            self._running = subprocess.Popen(
                argv, env=dict(env), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            return self._running

    def kill(self) -> None:
        """End it and everything it started; afterwards `killed` is true."""
        with self._lock:
            self.killed = True
            running = self._running
            if running is not None and running.returncode is None:  # not waited for: the number is still its own
                end_all(self._home, running.pid)

    def finish(self) -> None:
        """Wait for its end, and end what it left running."""
        with self._lock:
            if self._running is not None:
                end_all(self._home, None)
                self._running.wait()
