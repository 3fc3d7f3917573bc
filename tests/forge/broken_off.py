"""A client that hangs up in the middle of a request."""

from __future__ import annotations

import socket


def break_off(address: tuple[str, int], path: str, token: str, body: bytes, announced: int) -> None:
    """POST `body`, announced as longer than it is, and hang up."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {address[0]}:{address[1]}\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/octet-stream\r\ncontent-length: {announced}\r\n\r\n"
    )
    with socket.create_connection(address) as connection:
        connection.sendall(head.encode() + body)
