"""Which addresses may be talked to, and which of them are one place: the rules for where a token may go."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

_PORTS = {"https": 443, "http": 80}


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: two addresses with equal origins may share a token (faults F40).

    Raises ValueError when the port is not a number.
    """
    parts = urlsplit(url)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower(), 0)


def is_loopback(host: str) -> bool:
    """Whether the host can only be this machine (the embedded forge lives there)."""
    return host in {"localhost", "::1"} or host.endswith(".localhost") or _is_127(host)


def _is_127(host: str) -> bool:
    numbers = host.split(".")
    return (
        len(numbers) == 4
        and numbers[0] == "127"
        and all(n.isdecimal() and len(n) <= 3 and int(n) < 256 for n in numbers)
    )


def refusal(url: str) -> str:
    """Why this address may not be talked to, or "" when it may: https, or http on loopback; no user name in it."""
    try:
        scheme, host, _ = origin(url)
        parts = urlsplit(url)
    except ValueError:
        return "is not an address"
    if any(ord(char) <= 32 or ord(char) >= 127 for char in url) or not host:
        return "is not an address"
    if parts.username is not None or parts.password is not None:
        return "carries a user name"
    if scheme == "https" or (scheme == "http" and is_loopback(host)):
        return ""
    return "is not https"


def segment(text: str) -> str:
    """One piece of a path, quoted: an unquoted `/` in a ref answers 404 (github-facts G46)."""
    return quote(text, safe="")
