"""A foreign forge on loopback that answers exactly what a test scripted, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ms_release.adapters.http import Client

TOKEN = "ghp_canary/token+WITH=odd~chars"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: datetime | None = None


Reply = Callable[[BaseHTTPRequestHandler], None]


def say(status: int = 200, body: Any = b"", headers: dict[str, str] | None = None, length: int | None = None) -> Reply:
    """An answer; anything but bytes becomes JSON. `length` lies about the size."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        given = {"content-type": "application/json", "content-length": str(len(raw) if length is None else length)}
        for name, value in {**given, **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(raw)
        if length is not None:
            handler.close_connection = True

    return reply


def drop(handler: BaseHTTPRequestHandler) -> None:
    """Read the request, then cut the connection hard without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True


@dataclass
class Peer:
    """Plays `script` in order; a request beyond its end answers 500 and fails the test by being counted."""

    url: str = ""
    script: list[Reply] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    time: Time | None = None


@contextmanager
def serving() -> Iterator[Peer]:
    peer = Peer()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                at = peer.time.now() if peer.time else None
                peer.asked.append(Asked(self.command, self.path, headers, body, at))
                reply = peer.script.pop(0) if peer.script else say(500, {"message": "off script"})
            reply(self)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            return

    server = Server(("127.0.0.1", 0), Handler)
    peer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Time:
    """A clock that moves only by sleeping (and by `step` at each look at it)."""

    passed: float = 0.0
    step: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        self.passed += self.step
        return START + timedelta(seconds=self.passed)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds


@contextmanager
def connected(
    peer: Peer, time: Time | None = None, *, etags: Path | None = None, token: str = TOKEN
) -> Iterator[Client]:
    time = time or Time()
    peer.time = time
    with Client(
        api_url=f"{peer.url}/api/v3", graphql_url=f"{peer.url}/api/graphql", token=token, clock=time.now,
        sleep=time.sleep, etags=etags,
    ) as client:  # fmt: skip
        yield client
