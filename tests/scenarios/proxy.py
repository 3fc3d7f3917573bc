"""A wire between operator and forge that numbers the operator's requests and, at one of them, ends the operator."""

from __future__ import annotations

import http.client
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["write", "read", "poll"]
SECONDS = 60
_POLL = re.compile(r"/(actions/runs/\d+|commits/[0-9a-f]+/check-runs)(\?|\Z)")
_OURS = {"transfer-encoding", "connection", "content-length"}


@dataclass(frozen=True)
class Point:
    """Where the operator dies: at the `number`-th write or read, before the forge sees it or once it has answered."""

    kind: Kind
    number: int
    answered: bool


def kind_of(method: str, path: str, body: bytes) -> Kind:
    """What a request is. The number of polls depends on the time of day, so they are counted apart."""
    if path.endswith("/graphql"):
        return "write" if body.lstrip().startswith(b'{"query":"mutation') else "read"
    if method == "GET":
        return "poll" if _POLL.search(path) else "read"
    return "write"


class Proxy:
    """Passes everything through, until it has been told where to kill."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.counts: Counter[Kind] = Counter()
        self.killed_at = ""
        self._deadly: Point | None = None
        self._victim: Future[subprocess.Popen[str]] = Future()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def aim(self, point: Point) -> Callable[[subprocess.Popen[str]], None]:
        """Kill at this point. Returns whom to tell the operator's process."""
        self._deadly = point
        return self._victim.set_result

    def deadly(self, kind: Kind) -> Point | None:
        """Count one request; the point, if this is the deadly one."""
        with self._lock:
            self.counts[kind] += 1
            point = self._deadly
            if point is None or (point.kind, point.number) != (kind, self.counts[kind]):
                return None
            self._deadly = None
            return point

    def kill(self, request: str) -> None:
        """End the operator, with no chance to say or write anything more."""
        self.killed_at = request
        victim = self._victim.result(SECONDS)
        victim.kill()
        victim.wait(SECONDS)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def setup(self) -> None:
        super().setup()
        self.forge = http.client.HTTPConnection(self.proxy.upstream, timeout=SECONDS)

    def handle(self) -> None:
        with suppress(ConnectionError):  # what a killed operator leaves behind
            super().handle()

    def finish(self) -> None:
        self.forge.close()
        super().finish()

    def do_GET(self) -> None:
        """Pass one request on, and its answer back, unless it is the deadly one."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        point = self.proxy.deadly(kind_of(self.command, self.path, body))
        if point is not None and not point.answered:
            self.proxy.kill(f"before {self.command} {self.path}")
            self.close_connection = True
            return
        answer, data = self._ask(body)
        if point is not None:
            self.proxy.kill(f"after {self.command} {self.path}")
        try:
            self._pass_back(answer, data)
        except OSError:
            self.close_connection = True  # the one who asked is gone

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names are http.server's

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        self.forge.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self.forge.putheader(name, value)
        self.forge.endheaders(body)
        answer = self.forge.getresponse()
        return answer, answer.read()

    def _pass_back(self, answer: http.client.HTTPResponse, data: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OURS:
                self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def proxying(upstream: str) -> Iterator[Proxy]:
    """A wire to the forge at this address."""
    proxy = Proxy(upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
