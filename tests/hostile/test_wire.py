"""Hostile answers over real sockets at the real command: redirects, bodies and lengths that lie (F40, F47)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.conftest import CONFIG
from core.world import TOML
from hostile import answer_samples
from hostile.conftest import BETA, forge_at, is_clean, type_guarded

# ---- answers over real sockets


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" " * 65536)
    except OSError:
        handler.close_connection = True


def too_long(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    for name, value in {"content-type": "application/json", "content-length": "99999999999999"}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(b"[]")
    handler.close_connection = True


def no_http(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n" * 1000)
    handler.close_connection = True


def many_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    for number in range(5000):
        handler.send_header(f"x-{number}", "y" * 200)
    handler.end_headers()
    handler.close_connection = True


def odd_length(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: -7\r\n\r\n{}")
    handler.close_connection = True


WIRE: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {
    "endless": endless, "too long": too_long, "no HTTP": no_http, "many headers": many_headers,
    "odd length": odd_length,
}  # fmt: skip
QUICK = [name for name, (_, told) in answer_samples.TRANSPORT.items() if told.get("status",
                                                                                  200) < 500 and "limit" not in name
         and told.get("status") not in (304, 429)]  # fmt: skip


@contextmanager
def answering(reply: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            reply(self)

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """The client has gone."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def played(told: dict[str, Any]) -> Callable[[BaseHTTPRequestHandler], None]:
    """One of the answers of the corpus over a socket."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        answer = answer_samples.spoken({"answers": [told]})(httpx.Request("GET", "http://x/"))
        body = answer.read() if "content-encoding" not in answer.headers else b"".join(answer.iter_raw())
        handler.send_response(answer.status_code)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


@pytest.mark.sampled(4)
@pytest.mark.parametrize("name", QUICK)
def test_answers(name: str, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    exit, told = answer_samples.TRANSPORT[name]
    folder = tmp_path / "here"
    folder.mkdir()
    with answering(played(told)) as url:
        rest = type_guarded(
            folder, forge_at(url), "candidate", "fetch", "--repo", "o/n", "--tag", "rc-1", "--out", "new"
        )
        (folder / CONFIG).write_text(TOML)
        graph = type_guarded(folder, forge_at(url), "plan", *BETA, "--out", "p")
    # A forge may answer a redirect to a repository that moved; where it leads decides.
    is_clean(rest, exit if "partial" not in name else 5)
    is_clean(graph, graph.exit)
    assert graph.exit in (exit, 6, 5)
    assert sorted(p.name for p in folder.iterdir()) == [CONFIG]
    tally("hostile samples: at the real command", 2)


@pytest.mark.parametrize("name", WIRE)
def test_bodies_and_lengths_that_lie(name: str, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    with answering(WIRE[name]) as url:
        ended = type_guarded(
            folder, forge_at(url), "candidate", "fetch", "--repo", "o/n", "--tag", "rc-1", "--out", "new"
        )
    is_clean(ended, 6)
    assert list(folder.iterdir()) == []
    tally("hostile samples: at the real command", 1)
