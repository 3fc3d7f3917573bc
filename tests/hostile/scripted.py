"""The real client, talking to answers in memory instead of a socket: fast enough for thousands of hostile answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from adapters.peer import Time
from hostile.seeds import NOW
from ms_release.adapters.http import Client

TOKEN = "ghp_scripted0123456789"
URL = "https://forge.example"
Handler = Callable[[httpx.Request], httpx.Response]


class Scripted(Client):
    """A client whose connection ends in a function. Its clock moves only by sleeping."""

    def __init__(self, handler: Handler, etags: Path | None = None) -> None:
        self.time = Time()
        self._wire = httpx.Client(transport=httpx.MockTransport(handler))
        super().__init__(
            api_url=f"{URL}/api/v3",
            graphql_url=f"{URL}/api/graphql",
            token=TOKEN,
            clock=self.time.now,
            sleep=self.time.sleep,
            etags=etags,
        )

    def _connection(self) -> httpx.Client:
        return self._wire


def saying(
    body: bytes, status: int = 200, headers: Mapping[str, str] | Mapping[bytes, bytes] | None = None
) -> Scripted:
    """A forge that answers the same to everything."""
    given = httpx.Headers({"content-type": "application/json", "date": NOW})
    given.update(httpx.Headers(headers))
    return Scripted(lambda request: httpx.Response(status, headers=given, stream=httpx.ByteStream(body)))
