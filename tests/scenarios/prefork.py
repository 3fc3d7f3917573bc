"""Commands as processes of their own, forked from an `ms` that is loaded already: a start costs milliseconds."""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

_HEADER = 8
SECONDS = 120


@dataclass(frozen=True)
class Typed:
    """What became of one command."""

    exit: int
    document: dict[str, Any]
    errors: str


class Command:
    """A running command. Its end is told by the process that forked it."""

    def __init__(self, wire: socket.socket, out: BinaryIO, errors: BinaryIO, arguments: Sequence[str]) -> None:
        self._wire = wire
        self._out, self._errors = out, errors
        self._arguments = arguments
        self.pid = int.from_bytes(_exactly(wire, _HEADER), "big")
        self._code: int | None = None
        self._waiting = threading.Lock()

    def kill(self) -> None:
        """End it with no chance to say or write anything more."""
        if self._code is None:
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def wait(self, timeout: float = SECONDS) -> int:
        """Its exit code, negative for a signal. Raises TimeoutError."""
        with self._waiting:
            if self._code is None:
                self._wire.settimeout(timeout)
                self._code = int.from_bytes(_exactly(self._wire, _HEADER), "big", signed=True)
                self._wire.close()
            return self._code

    def end(self) -> Typed:
        """Wait for its end; a command that does not end fails the test, and does not outlive it."""
        code, out, errors = self.said()
        return Typed(code, json.loads(out) if out.strip() else {}, errors)

    def said(self) -> tuple[int, str, str]:
        """The same for a command that prints text: its exit code, stdout and stderr."""
        try:
            code = self.wait()
        except TimeoutError:
            self.kill()
            self.wait()
            raise AssertionError(f"{' '.join(self._arguments)} did not end\n{self._said(self._errors)}") from None
        with self._out, self._errors:
            return code, self._said(self._out), self._said(self._errors)

    @staticmethod
    def _said(file: BinaryIO) -> str:
        file.seek(0)
        return file.read().decode()


class Prefork:
    """The loaded program. One for each process that runs tests."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="prefork-")
        self._address = Path(self._folder.name) / "socket"
        self._process = subprocess.Popen([sys.executable, "-P", __file__, str(self._address)], stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def begin(self, arguments: Sequence[str], env: Mapping[str, str], cwd: Path, typed: str = "") -> Command:
        """Begin `ms ARGUMENTS…` in this directory, with nothing but this environment."""
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(str(self._address))
        streams = [_memory(typed.encode()), _memory(), _memory()]
        order = json.dumps({"arguments": list(arguments), "env": dict(env), "cwd": str(cwd)}).encode()
        socket.send_fds(wire, [len(order).to_bytes(_HEADER, "big")], [stream.fileno() for stream in streams])
        wire.sendall(order)
        streams[0].close()
        return Command(wire, streams[1], streams[2], arguments)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._folder.cleanup()


@cache
def loaded() -> Prefork:
    """The one of this process."""
    found = Prefork()
    atexit.register(found.close)
    return found


def _memory(content: bytes = b"") -> BinaryIO:
    file = os.fdopen(os.memfd_create("stream"), "w+b")
    file.write(content)
    file.seek(0)
    return file


def _exactly(wire: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        block = wire.recv(size - len(data))
        if not block:
            raise ConnectionError("the forking process is gone")
        data += block
    return data


# ---- the other side


def _serve(address: str) -> None:
    """Fork one watcher for each order; it forks the command, and tells its number and its end."""
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        wire, _ = server.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            server.close()
            _watch(wire)
        wire.close()


def _load() -> None:
    """Import what the commands import when they run, and let the decoder look at every type."""
    import importlib
    import pkgutil

    import ms_release.adapters
    import ms_release.cli
    import ms_release.core
    from ms_release.adapters import answers

    for package in (ms_release, ms_release.adapters, ms_release.core, ms_release.cli):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in ("httpx", "httpcore", "encodings.idna", "cryptography.hazmat.primitives.asymmetric.ed25519"):
        importlib.import_module(name)
    answers.know_types()
    gc.collect()
    gc.freeze()


def _watch(wire: socket.socket) -> None:
    header, streams, _, _ = socket.recv_fds(wire, _HEADER, 3)
    order = json.loads(_exactly(wire, int.from_bytes(header, "big")))
    child = os.fork()
    if child == 0:
        wire.close()
        _become(order, streams)
    for stream in streams:
        os.close(stream)
    wire.sendall(child.to_bytes(_HEADER, "big"))
    _, status = os.waitpid(child, 0)
    wire.sendall(os.waitstatus_to_exitcode(status).to_bytes(_HEADER, "big", signed=True))
    os._exit(0)


def _become(order: dict[str, Any], streams: list[int]) -> None:
    """Be the command; never returns."""
    from ms_release.cli.main import ms

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["ms", *order["arguments"]]
    sys.stdin = open(0)  # noqa: SIM115 - for as long as the process lives
    sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
    code = 1
    try:
        ms()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
