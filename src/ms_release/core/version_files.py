"""Version files read and edited in place: only the bytes of the version change, whatever the format (SPEC 6).

No format is written here. All places of the old version in the text are found, and the right one is the one whose
change makes the strictly parsed document differ at the wanted key and nowhere else; so comments, line ends, indentation
and every other "1.2.0" stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from ms_release.core import strict_json, strict_toml, yaml_text
from ms_release.core.version import parse_tag
from ms_release.errors import DamagedError, UsageError

Format = Literal["json", "toml", "yaml", "text"]
MAX_BYTES = 16 << 20
_BOM = "\ufeff"
_PYTHON_BETA = re.compile(r"(\d+\.\d+\.\d+)b(\d+)")


class Named(Struct, frozen=True):
    """The one entry of a list that has this `name` and no `source`: our own package in a lock file."""

    name: str


class Place(Struct, frozen=True):
    """Where a file says its version: the keys from the root down. `python`: it is spelled as PEP 440 wants it."""

    path: str
    format: Format
    key: tuple[str | Named, ...] = ()
    python: bool = False

    @property
    def label(self) -> str:
        """The place as people are told it."""
        inner = ".".join(step.name if isinstance(step, Named) else step or '""' for step in self.key)
        return (
            f"{self.path} ({inner})"
            if inner not in ("", "version", "package.version", "project.version")
            else self.path
        )


def places(texts: Mapping[str, str]) -> tuple[Place, ...]:
    """The places of well-known files, in their order; one that names no version is among them and reads as None.

    Raises DamagedError or UsageError for a Cargo.toml beside a Cargo.lock that cannot be read.
    """
    return tuple(place for path in texts for place in _places(path, texts))


def _places(path: str, texts: Mapping[str, str]) -> Iterator[Place]:
    folder, _, name = path.rpartition("/")
    match name:
        case "version.txt":
            yield Place(path, "text")
        case "package.json" | "tauri.conf.json":
            yield Place(path, "json", ("version",))
        case "package-lock.json":
            yield Place(path, "json", ("version",))
            yield Place(path, "json", ("packages", "", "version"))
        case "Cargo.toml":
            yield Place(path, "toml", ("package", "version"))
            yield Place(path, "toml", ("workspace", "package", "version"))
        case "Cargo.lock":
            manifest = f"{folder}/Cargo.toml" if folder else "Cargo.toml"
            crate = _at(_parse("toml", texts.get(manifest, ""), manifest), ("package", "name"))
            if isinstance(crate, str):
                yield Place(path, "toml", ("package", Named(crate), "version"))
        case "pyproject.toml":
            yield Place(path, "toml", ("project", "version"), python=True)
            yield Place(path, "toml", ("tool", "poetry", "version"), python=True)


def read(place: Place, text: str) -> str | None:
    """The version that stands there; None where there is none, or where it is taken from elsewhere.

    Raises DamagedError or UsageError for a file that cannot be read.
    """
    if place.format == "text":
        return text.removeprefix(_BOM).strip() or None
    value = _at(_parse(place.format, text, place.path), place.key)
    # Tauri may name a file instead of a version
    return value if isinstance(value, str) and not value.endswith(".json") else None


def bump(place: Place, text: str, version: str) -> str:
    """The text with `version` (like 1.2.0-beta.3) at this place, spelled as the file spells it; nothing else changes.

    Raises DamagedError where no version stands there, or where it does not stand there as text (an escape, an alias).
    """
    old = read(place, text)
    if old is None:
        raise DamagedError(f"{place.label} names no version", remedy="Take it out of the version files, or write one.")
    new = spell(place, version, old)
    if old == new:
        return text
    found = [match.start() for match in re.finditer(re.escape(old), text)]
    if place.format == "text":
        return _put(text, found[:1], old, new)
    before = _parse(place.format, text, place.path)
    at = _find(place, text, old, found)
    made = _put(text, [at], old, new) if at is not None else text
    if not _same(_parse(place.format, made, place.path), _with(before, place.key, new)):
        raise DamagedError(
            f"the version of {place.label} cannot be changed alone: it does not stand there as plain text",
            remedy="Write it as one plain string that nothing else refers to.",
        )
    return made


def spell(place: Place, version: str, like: str) -> str:
    """A version as this place writes it: PEP 440 where it is Python's, with a leading v where there was one."""
    plain = version.removeprefix("v")
    if place.python and (parsed := parse_tag(f"v{plain}")) is not None and parsed.beta is not None:
        plain = f"{parsed.base.tag.removeprefix('v')}b{parsed.beta}"
    return f"v{plain}" if like.startswith("v") else plain


def comparable(version: str) -> str:
    """A version as all places would write it: 1.2.0b3 is 1.2.0-beta.3, and a leading v is no part of it."""
    plain = version.removeprefix("v")
    found = _PYTHON_BETA.fullmatch(plain)
    return f"{found[1]}-beta.{found[2]}" if found else plain


def _find(place: Place, text: str, old: str, found: Sequence[int]) -> int | None:
    """Where the version stands: halves of the occurrences are changed, until one is left that changes the wanted key.

    A half that cannot be parsed (two keys became the same) is looked at piece by piece.
    """
    marked = _marker(text, old)

    def hits(starts: Sequence[int]) -> bool | None:
        try:
            return bool(_at(_parse(place.format, _put(text, starts, old, marked), place.path), place.key) == marked)
        except (DamagedError, UsageError):
            return None

    return _search(list(found), hits)


def _search(starts: list[int], hits: Callable[[Sequence[int]], bool | None]) -> int | None:
    answer = hits(starts) if starts else False
    if answer is False:
        return None
    if len(starts) == 1:
        return starts[0] if answer else None
    middle = len(starts) // 2
    first = _search(starts[:middle], hits)
    return first if first is not None else _search(starts[middle:], hits)


def _marker(text: str, old: str) -> str:
    """A text of digits and dots that stands nowhere in the file."""
    number = 0
    while (mark := f"{old}.{number}") in text:
        number += 1
    return mark


def _put(text: str, starts: Sequence[int], old: str, new: str) -> str:
    parts, end = [], 0
    for start in starts:
        parts += [text[end:start], new]
        end = start + len(old)
    return "".join((*parts, text[end:]))


def _parse(kind: Format, text: str, path: str) -> Any:
    plain = text.removeprefix(_BOM)
    match kind:
        case "json":
            return strict_json.parse(plain.encode(), max_bytes=MAX_BYTES, max_items=2_000_000)
        case "toml":
            return strict_toml.parse(plain, path)
        case _:
            return yaml_text.load(plain.encode(), path)


def _at(document: Any, key: Sequence[str | Named]) -> Any:
    for step in key:
        document = _step(document, step)
    return document


def _step(document: Any, step: str | Named) -> Any:
    if isinstance(step, Named):
        own = [e for e in document if _is_ours(e, step)] if isinstance(document, list) else []
        return own[0] if len(own) == 1 else None
    return document.get(step) if isinstance(document, dict) else None


def _is_ours(entry: Any, step: Named) -> bool:
    return isinstance(entry, dict) and entry.get("name") == step.name and "source" not in entry


def _with(document: Any, key: Sequence[str | Named], value: str) -> Any:
    if not key:
        return value
    step, *rest = key
    if isinstance(step, Named):
        return [_with(entry, rest, value) if _is_ours(entry, step) else entry for entry in document]
    return {**document, step: _with(document[step], rest, value)}


def _same(a: Any, b: Any) -> bool:
    """Equal in type too, and a NaN is the same as itself: an untouched value must not look changed."""
    return repr(a) == repr(b)
