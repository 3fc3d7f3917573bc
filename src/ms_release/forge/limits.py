"""Counts requests against GitHub's primary rate limits (github-facts G43)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from ms_release.forge.auth import Identity
from ms_release.forge.errors import Refusal

_HOUR = 3600
_PER_HOUR = {"anonymous": 60, "workflow": 1000}
_DEFAULT = 5000


@dataclass(frozen=True)
class Quota:
    """What one asker has left of one resource; `reset` in seconds since 1970."""

    resource: str
    limit: int
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        """Requests left in this hour."""
        return max(0, self.limit - self.used)

    def headers(self) -> dict[str, str]:
        """As response headers."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-reset": str(self.reset),
            "x-ratelimit-resource": self.resource,
        }

    def body(self) -> dict[str, int | str]:
        """As it stands in `GET /rate_limit`."""
        return {"limit": self.limit, "remaining": self.remaining, "reset": self.reset, "used": self.used}


class Limits:
    """Requests per asker, resource and hour; `core` and `graphql` are counted apart."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, who: Identity, resource: str, now: datetime, cost: int = 1) -> Quota:
        """Count `cost` requests (-1 gives one back: a 304 is free, G45; 0 only looks).

        Raises Refusal 403 when nothing is left.
        """
        # A workflow's limit is per repository (G43), everybody else's per token owner.
        key = ((who.repos or ("",))[0] if who.by_workflow else who.login, resource)
        seconds = int(now.timestamp())
        with self._lock:
            reset, used = self._used.get(key, (0, 0))
            if reset <= seconds:
                reset, used = seconds + _HOUR, 0
            quota = Quota(resource, _PER_HOUR.get(who.kind, _DEFAULT), used + cost, reset)
            if cost > 0 and quota.used > quota.limit:
                raise LimitError(Quota(resource, quota.limit, quota.limit, reset), who)
            self._used[key] = (reset, quota.used)
        return quota


class LimitError(Refusal):
    """403 with the quota that is used up."""

    def __init__(self, quota: Quota, who: Identity) -> None:
        super().__init__(403, f"API rate limit exceeded for {who.login or '127.0.0.1'}.")
        self.quota = quota
