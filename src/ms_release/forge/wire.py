"""The forge's HTTP protocol, which can also cut a connection: ASGI itself has no word for that."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_open: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """As uvicorn's, and knows the open connections by their peer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the connection."""
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")[:2]
        _open[self._peer] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        _open.pop(self._peer, None)
        super().connection_lost(exc)


async def cut(scope: Scope, receive: Receive, *, flush: bool = False) -> None:
    """End the connection of a request: at once, or (`flush`) when what was sent has left.

    Does nothing when it is gone already. Returns when the server knows that it is.
    """
    transport = _open.get(tuple(scope["client"]))
    if transport is not None:
        if flush:
            transport.close()
        else:
            transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
