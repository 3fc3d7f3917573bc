"""The faults that a forge is to show: which request is hit by which, how often each was, kept with the world.

A fault counts the requests that match it from the moment it is added, and hits from the `nth` on, `times` in a row. A
request is hit by one fault at most, the oldest that is due; those after it do not count that request.
"""

from __future__ import annotations

import shlex
import threading
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import Any

from ms_release.forge.store import Store

KINDS = (
    "fail_before", "commit_then_502", "commit_then_drop", "drop_before", "truncate", "delay", "stale", "primary_limit",
    "secondary_limit", "sso", "sso_partial", "expired_token",
)  # fmt: skip
_DOCUMENT = "fault"


@dataclass(frozen=True)
class Fault:
    """One fault, and which requests it hits. Raises ValueError for a kind or a number that there is not."""

    kind: str
    method: str = "*"
    path: str = "*"
    """A glob over the path as the request log has it (`/repos/o/n/git/refs`, `/graphql`)."""
    query: str = "*"
    """A glob over the query string; for GraphQL over `query` or `mutation`."""
    actor: str = "*"
    """A glob over the login that asks ("" = nobody)."""
    nth: int = 1
    times: int = 1
    seconds: float = 0
    """How long a delay is, and how long a limit asks to wait; 0 = as the kind does by itself."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind}; there are {', '.join(KINDS)}")
        for name, least in (("nth", 1), ("times", 1), ("seconds", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float) if name == "seconds" else int):
                raise ValueError(f"{name} is not a number")
            if not least <= value < 1e9:
                raise ValueError(f"{name} is less than {least} or far too much")
        for name in ("method", "path", "query", "actor"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} is not text")

    @classmethod
    def of_body(cls, body: dict[str, Any]) -> Fault:
        """From a JSON or TOML object; raises ValueError for a key that there is not."""
        unknown = sorted(set(body) - {field.name for field in fields(cls)})
        if unknown or "kind" not in body:
            raise ValueError(f"a fault has no {unknown[0]}" if unknown else "a fault needs a kind")
        return cls(**body)

    @classmethod
    def of_words(cls, text: str) -> Fault:
        """From `KIND [METHOD] [PATH] [NTH]`, with `key=value` for the rest; raises ValueError."""
        body: dict[str, Any] = {}
        plain = ["kind", "method", "path", "nth"]
        for word in shlex.split(text):
            key, given, value = word.partition("=")
            if not given or "/" in key:
                if word.isdecimal():
                    plain = ["nth"]
                if not plain:
                    raise ValueError(f"{word} is one word too many: KIND [METHOD] [PATH] [NTH] [KEY=VALUE]…")
                key, value = plain.pop(0), word
            body[key] = _number(key, value)
        return cls.of_body(body)

    def matches(self, method: str, path: str, query: str, actor: str) -> bool:
        """Whether it is meant for such a request."""
        asked = ((method, self.method), (path, self.path), (query, self.query), (actor, self.actor))
        return all(fnmatchcase(value, pattern) for value, pattern in asked)


def _number(key: str, value: str) -> Any:
    if key not in ("nth", "times", "seconds"):
        return value
    try:
        return float(value) if key == "seconds" else int(value)
    except ValueError:
        raise ValueError(f"{key} is not a number: {value}") from None


class Faults:
    """All faults of one world. Safe to share between threads; they and their counts survive a restart."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept = {body["number"]: body for body in store.find(_DOCUMENT)}

    def add(self, fault: Fault) -> int:
        """Add a fault; returns its number."""
        with self._lock:
            number = self._store.next_id(_DOCUMENT)
            self._kept[number] = self._put({"number": number, **asdict(fault), "seen": 0, "fired": 0})
        return number

    def fired(self, number: int) -> int:
        """How many requests this fault has hit; raises KeyError for a number never given or cleared."""
        with self._lock:
            return int(self._kept[number]["fired"])

    def remove(self, number: int) -> None:
        """Remove a fault; removing what is not there is no error."""
        with self._lock:
            self._store.delete(_DOCUMENT, number)
            self._kept = {other: body for other, body in self._kept.items() if other != number}

    def clear(self) -> None:
        """Remove all faults."""
        for body in self.all():
            self.remove(body["number"])

    def all(self) -> list[dict[str, Any]]:
        """Every fault with its number, the requests it has `seen` (that matched) and those it hit (`fired`)."""
        with self._lock:
            return [dict(body) for body in self._kept.values()]

    @property
    def waiting(self) -> bool:
        """Whether there is any fault; in the usual case a request costs no more than this question."""
        return bool(self._kept)

    def hit(self, method: str, path: str, query: str, actor: str) -> Fault | None:
        """Count one request; the fault that it is hit by, if any."""
        with self._lock:
            for number, body in self._kept.items():
                fault = _fault(body)
                if not fault.matches(method, path, query, actor):
                    continue
                seen = body["seen"] + 1
                due = fault.nth <= seen < fault.nth + fault.times
                self._kept[number] = self._put({**body, "seen": seen, "fired": body["fired"] + due})
                if due:
                    return fault
        return None

    def _put(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._store.put(_DOCUMENT, body["number"], body)


def _fault(body: dict[str, Any]) -> Fault:
    return Fault(**{field.name: body[field.name] for field in fields(Fault)})
