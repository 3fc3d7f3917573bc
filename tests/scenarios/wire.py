"""A wire between the forge and who asks it: it numbers their requests and, at one of them, kills the one who asked."""

from __future__ import annotations

import http.client
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import urlsplit

SECONDS = 60
JOB = "job"
_SHA = re.compile(r"[0-9a-f]{40}")
_STORED = re.compile(r"/_storage/.*")
_RELEASE = re.compile(r"(/releases/(?:assets/)?)\d+")  # jobs that run side by side get their numbers as it comes
_HANDED_ON = {"transfer-encoding", "connection", "content-length"}


class Victim(Protocol):
    """A process that can be killed."""

    def kill(self) -> None: ...
    def wait(self) -> int: ...


@dataclass(frozen=True, order=True)
class Asked:
    """One request, the `nth` of its kind on this wire. `who` is a login, or "job" for who asks with a job's token."""

    who: str
    method: str
    path: str
    nth: int
    write: bool

    def __str__(self) -> str:
        return f"{self.who} {self.method} {self.path} #{self.nth}"


@dataclass(frozen=True)
class Kill:
    """Where somebody dies: `when` the forge has not seen the request, has not answered it, or has answered it."""

    at: Asked
    when: str  # "before", "unanswered", "answered"


class Wire:
    """Passes everything through, until it has been told where to kill. `upstream` is the forge's address."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.seen: list[Asked] = []
        self.killed = False
        self._kill: Kill | None = None
        self._victims: dict[str, Victim] = {}
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"wire": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def aim(self, kill: Kill) -> None:
        """Kill whoever makes this request."""
        self._kill = kill

    def introduce(self, token: str, victim: Victim) -> None:
        """The process that asks with this token."""
        with self._changed:
            self._victims[token] = victim
            self._changed.notify_all()

    def count(self, token: str, method: str, path: str, write: bool) -> Kill | None:
        """Number one request; where to kill, if this is the one."""
        who = JOB if token.startswith("ghs_") else token.removesuffix("-token")
        path = _STORED.sub("/_storage/*", _RELEASE.sub(r"\1[0-9]*", _SHA.sub("?" * 40, path)))
        with self._changed:
            self._counts[who, method, path] += 1
            asked = Asked(who, method, path, self._counts[who, method, path], write)
            self.seen.append(asked)
            if self._kill is None or self._kill.at != asked:
                return None
            kill, self._kill = self._kill, None
            self.killed = True
            return kill

    def strike(self, token: str) -> None:
        """Kill the one who asks with this token."""
        with self._changed:
            assert self._changed.wait_for(lambda: token in self._victims, SECONDS), token
            victim = self._victims[token]
        victim.kill()
        victim.wait()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wire: Wire

    def setup(self) -> None:
        super().setup()
        self.forge = http.client.HTTPConnection(self.wire.upstream, timeout=SECONDS)

    def handle(self) -> None:
        with suppress(ConnectionError):  # what a killed one leaves behind
            super().handle()

    def finish(self) -> None:
        self.forge.close()
        super().finish()

    def do_GET(self) -> None:
        """Pass one request on, and its answer back, unless it is the deadly one."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        token = self.headers.get("authorization", "").rpartition(" ")[2]
        kill = self.wire.count(token, self.command, logged_path(self.path), is_write(self.command, self.path, body))
        if kill is not None and kill.when == "before":
            self.wire.strike(token)
            self.close_connection = True
            return
        try:
            answer, data = self._ask(body)
        except (http.client.HTTPException, ConnectionError):
            self.close_connection = True  # the forge has dropped the connection: so does the wire
            return
        if kill is not None and kill.when == "unanswered":
            self.wire.strike(token)
        try:
            self._pass_back(answer, data)
        except OSError:
            self.close_connection = True  # the one who asked is gone
        if kill is not None and kill.when == "answered":
            self.wire.strike(token)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names are http.server's

    def _ask(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        self.forge.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            self.forge.putheader(name, value)
        self.forge.endheaders(body)
        answer = self.forge.getresponse()
        try:
            return answer, answer.read()
        except http.client.IncompleteRead as cut:
            self.forge.close()
            self.close_connection = True
            return answer, cut.partial

    def _pass_back(self, answer: http.client.HTTPResponse, data: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _HANDED_ON:
                self.send_header(name, value)
        if answer.status not in (204, 304):
            promised = answer.getheader("content-length") if self.close_connection else None
            self.send_header("content-length", promised or str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def logged_path(target: str) -> str:
    """The path of a request as the forge's own log has it."""
    path = target.partition("?")[0]
    for prefix in ("/api/v3", "/api/uploads"):
        path = path.removeprefix(prefix)
    return path.removeprefix("/api") if path == "/api/graphql" else path


def is_write(method: str, path: str, body: bytes) -> bool:
    """Whether a request changes something."""
    if path.endswith("/graphql"):
        return body.lstrip().startswith(b'{"query":"mutation')
    return method != "GET"


@contextmanager
def wired(upstream: str) -> Iterator[Wire]:
    """A wire to the forge at this address."""
    wire = Wire(upstream)
    wire.start()
    try:
        yield wire
    finally:
        wire.stop()
