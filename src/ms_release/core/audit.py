"""What past releases must still be: the ledger's chain unbroken, and everything it records still published (F29).

One release against its plan is `core.verify`; here is what only all entries together can tell, or an entry whose
release is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ms_release.core import strict_json
from ms_release.core.ledger import Link, Recorded, read_recorded
from ms_release.core.observation import Home
from ms_release.core.version import parse_tag
from ms_release.errors import DamagedError


class Trace(Struct, frozen=True):
    """What the forge tells of a change: the thing, when (ISO 8601, UTC), by whom ("" where it does not say)."""

    what: str
    when: str
    who: str


def audit(home: Home, texts: Mapping[str, str], kept: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The problems of each recorded release, by tag; `texts` are all ledger entries of the home branch, by tag.

    `kept` are those that this machine has seen to be right. A tag whose entry is gone, and that one of them is of or
    that a later entry names, is among those judged.
    """
    found: dict[str, list[str]] = {tag: [] for tag in texts}
    for tag, text in texts.items():
        entry = _entry(tag, text)
        if entry is None:
            found[tag].append("its ledger entry is damaged")
            continue
        found[tag] += _gone(home, entry)
        if entry.previous is not None:
            before = entry.previous.tag
            found.setdefault(before, []).extend(_link(entry.previous, tag, texts))
    for tag, seen in kept.items():
        found.setdefault(tag, []).extend(_rewritten(seen, texts.get(tag)))
    return {tag: tuple(problems) for tag, problems in found.items()}


def _entry(tag: str, text: str) -> Recorded | None:
    """The entry in the file of a tag; None for one that cannot be read, or is that of another tag."""
    try:
        entry = read_recorded(text, tag)
    except DamagedError:
        return None
    return entry if entry.tag == tag else None


def _gone(home: Home, entry: Recorded) -> Iterator[str]:
    if any(r.tag == entry.tag and not r.draft for r in home.releases):
        return  # that it is the same one is compared with its plan
    yield "it is recorded in the ledger, and its release is gone"
    at = home.tags.get(entry.tag)
    if at != entry.commit:
        yield f"tag {entry.tag} is at {at[:12] if at else 'no commit'}, the ledger says {entry.commit[:12]}"


def _link(previous: Link, by: str, texts: Mapping[str, str]) -> Iterator[str]:
    text = texts.get(previous.tag)
    if text is None:
        yield f"its ledger entry is gone: that of {by} names it"
    elif (actual := hashlib.sha256(text.encode()).hexdigest()) != previous.sha256:
        yield (
            f"its ledger entry was changed after {by} was recorded: it has the digest {actual[:12]}, "
            f"that of {by} names {previous.sha256[:12]}"
        )


def _rewritten(seen: str, now_is: str | None) -> Iterator[str]:
    was = hashlib.sha256(seen.encode()).hexdigest()[:12]
    if now_is is None:
        yield f"its ledger entry is gone: this machine has seen it, with the digest {was}"
    elif now_is != seen:
        changed = hashlib.sha256(now_is.encode()).hexdigest()[:12]
        yield f"its ledger entry was rewritten: this machine has seen the digest {was}, now it is {changed}"


def compare_entry(recorded: str, made: bytes) -> str:
    """How a recorded entry differs from the one that the forge's facts give; "" when it is the same, byte for byte."""
    if recorded.encode() == made:
        return ""
    was, now_is = _document(recorded), _document(made.decode())
    fields = sorted(name for name in {*was, *now_is} if was.get(name) != now_is.get(name))
    return f"its ledger entry says something else than the forge: {', '.join(fields) or 'other bytes'}"


def _document(text: str) -> dict[str, Any]:
    try:
        document = strict_json.parse(text.encode())
    except (DamagedError, UnicodeEncodeError):
        return {}
    return document if isinstance(document, dict) else {}


def in_order(tags: set[str]) -> tuple[str, ...]:
    """Version tags, lowest first."""
    return tuple(v.tag for v in sorted(v for v in map(parse_tag, tags) if v is not None))
