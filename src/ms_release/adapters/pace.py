"""How fast the forge may be asked, and how long to wait when it says stop: pure functions of a time handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIRST_PAUSE = 60.0
"""Seconds to wait when the forge limits without saying for how long; doubles each time (github-facts G43)."""


@dataclass(slots=True)
class Bucket:
    """Token bucket for writes (SPEC 10): `burst` at once, then `per_minute`. The client locks around it."""

    per_minute: float = 60.0
    burst: int = 30
    _due: float = 0.0

    def take(self, now: float) -> float:
        """Reserve one write at `now` (seconds); the seconds to wait before it may be sent."""
        interval = 60.0 / self.per_minute
        self._due = max(self._due, now) + interval
        return max(0.0, self._due - now - self.burst * interval)


def is_limited(status: int, headers: Mapping[str, str], documentation_url: str) -> bool:
    """Whether an answer is a rate limit and not a refusal (github-facts G43: 403 or 429, with or without headers).

    A secondary limit without headers is known by the page that its body points to.
    """
    if status == 429:
        return True
    if status != 403:
        return False
    return "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0" or "rate-limit" in documentation_url


def pause(headers: Mapping[str, str], now: float, nth: int) -> float:
    """Seconds to wait after the `nth` limited answer in a row (from 1): as told, else a minute, doubling."""
    told = _retry_after(headers.get("retry-after", ""), now)
    if told is None and headers.get("x-ratelimit-remaining") == "0":
        told = _until_reset(headers.get("x-ratelimit-reset", ""), now)
    return max(1.0, told) if told is not None else FIRST_PAUSE * 2.0 ** min(nth - 1, 20)


def _retry_after(value: str, now: float) -> float | None:
    if value.isdecimal() and len(value) <= 9:
        return float(value)
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError):
        return None


def _until_reset(value: str, now: float) -> float | None:
    """None when the reset is already over and yet we are limited: then the clocks differ and only a pause helps."""
    if not value.isdecimal() or len(value) > 12:
        return None
    left = float(value) - now
    return left + 1.0 if left > 0 else None
