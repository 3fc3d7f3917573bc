"""Opens the data directory of a forge and serves it on loopback."""

from __future__ import annotations

import fcntl
import socket
import threading
import time
from pathlib import Path

import uvicorn

from ms_release.forge.app import make_app
from ms_release.forge.engine.runs import Engine
from ms_release.forge.git.objects import close_readers
from ms_release.forge.limits import Limits
from ms_release.forge.state import Forge
from ms_release.forge.store import Store
from ms_release.forge.wire import Protocol

_HOST = "127.0.0.1"
_START_SECONDS = 20


def open_forge(root: Path) -> Forge:
    """The forge whose data lies in `root` (made when it is not there yet), not yet served."""
    root = root.resolve()  # jobs run in directories of their own
    for part in ("git", "blobs"):
        (root / part).mkdir(parents=True, exist_ok=True)
    forge = Forge(root, Store(root / "forge.sqlite"))
    forge.engine = Engine(forge)
    return forge


class Server:
    """A forge being served on loopback from a thread of this process.

    The port is kept in `root/port`: a forge that is started again has the same address. Raises BlockingIOError when the
    data is being served already, another OSError when the port is taken.
    """

    def __init__(self, root: Path, port: int = 0) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._lock = (root / "lock").open("w")  # held as long as this process lives
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.forge = open_forge(root)
        kept = root / "port"
        wanted = port or (int(kept.read_text()) if kept.exists() else 0)
        # With its protocol named, asyncio switches Nagle's algorithm off: else every answer waits 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((_HOST, wanted))
        bound = int(self._socket.getsockname()[1])
        kept.write_text(f"{bound}\n")
        self.url = self.forge.url = f"http://{_HOST}:{bound}"
        app = make_app(self.forge)
        self.limits: Limits = app.state.limits
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=Protocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def start(self) -> None:
        """Serve; returns once requests are answered. Raises RuntimeError when that does not come about."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"the forge at {self.url} did not start")
            time.sleep(0.002)
        self.forge.engine.recover()

    def stop(self) -> None:
        """Stop the runs, then serving, and close the data."""
        self.forge.engine.close()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
        close_readers(self.forge.root)
        self.forge.store.close()
        self._lock.close()
