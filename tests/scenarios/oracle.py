"""What must hold of a world and of every ending, whoever did what: the judge of races and of storms."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from scenarios.prefork import Typed

STANDING = ("refs", "files", "pulls", "releases")
"""The parts of a picture that stand there in the end, without how it came to be."""


def told(typed: Typed, allowed: Iterable[int]) -> Iterator[str]:
    """What is wrong with how a command ended: the code, and what it says."""
    if typed.exit not in allowed:
        yield f"exit {typed.exit}: {typed.document} {typed.errors}"
    error = typed.document.get("error", {})
    if typed.exit > 0 and not (error.get("cause") and error.get("remedy")):
        yield f"exit {typed.exit} without cause or remedy: {typed.document} {typed.errors}"
    if "Traceback" in typed.errors:
        yield f"a traceback: {typed.errors}"


def repeated(effects: Iterable[str], but: tuple[str, ...] = ()) -> dict[str, int]:
    """Effects that happened more than once, `but` for those that may."""
    return {key: n for key, n in Counter(effects).items() if n > 1 and not key.startswith(but)}


def different(
    found: dict[str, Any], wanted: dict[str, Any], parts: Iterable[str], same: tuple[str, ...] = ()
) -> Iterator[str]:
    """Which parts of two pictures differ; who of the `same` people did something makes no difference."""
    for part in parts:
        seen, expected = _without(found[part], same), _without(wanted[part], same)
        if seen != expected:
            yield f"{part} differ: {seen} instead of {expected}"


def _without(value: Any, people: tuple[str, ...]) -> Any:
    text = json.dumps(value)
    for who in people[1:]:
        text = text.replace(f'"{who}"', f'"{people[0]}"')
    return json.loads(text)
