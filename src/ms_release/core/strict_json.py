"""JSON that cannot be read in two ways: strict reading with limits first, one canonical and one pretty writing."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any, NoReturn

from ms_release.errors import DamagedError

# The largest integer that every JSON reader keeps exactly (RFC 7493).
MAX_INT = 2**53 - 1
_BOM = b"\xef\xbb\xbf"
# Strings are passed over whole, closed or not (possessive: linear time); what is left are the marks that count.
_MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{\]},]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(data: bytes, *, max_bytes: int = 1 << 20, max_depth: int = 32, max_items: int = 200_000) -> Any:
    """Read a document from outside. Sizes are checked before anything is built.

    Raises DamagedError on: more bytes, nesting or items (members and elements together) than allowed, a byte order
    mark, other than UTF-8, duplicate keys, NaN and infinities (also by overflow), integers outside ±(2^53-1), lone
    surrogates, and whatever is not JSON (faults F38).
    """
    if len(data) > max_bytes:
        _refuse(f"it has {len(data)} bytes, more than {max_bytes}")
    if data.startswith(_BOM):
        _refuse("it starts with a byte order mark")
    _check_extent(data, max_depth, max_items)
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_real
        )
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        _refuse("it is not valid Unicode")
    except json.JSONDecodeError as error:
        _refuse(f"{error.msg}, line {error.lineno} column {error.colno}")
    return value


def canonical(value: object) -> bytes:
    """The one way to write a value, after RFC 8785: keys in UTF-16 order, no spaces, UTF-8; tuples count as arrays.

    Raises DamagedError on floats (their text is not the same everywhere), large integers and anything not JSON.
    """
    return _encode(_plain(value, sort=True), separators=(",", ":"))


def digest(value: object) -> str:
    """SHA-256 of the canonical form, 64 hex digits. Raises DamagedError as `canonical` does."""
    return hashlib.sha256(canonical(value)).hexdigest()


def pretty(value: object) -> bytes:
    """The form for files that people read: two spaces, keys in the order given, a newline at the end.

    Raises DamagedError as `canonical` does, so that what is written can be read and digested.
    """
    return _encode(_plain(value, sort=False), indent=2) + b"\n"


def _check_extent(data: bytes, max_depth: int, max_items: int) -> None:
    depth = items = texts = 0
    for mark in _MARKS.finditer(data):
        byte = data[mark.start()]
        if byte in b"[{":
            depth += 1
            items += 1
        elif byte in b"]}":
            depth -= 1
        elif byte in b",":
            items += 1
        else:
            texts += 1
        if depth > max_depth:
            _refuse(f"it is nested deeper than {max_depth}")
        if depth < 0:
            _refuse("it closes what it never opened")
        # an item is at most a key and a value
        if items > max_items or texts > 2 * max_items + 2:
            _refuse(f"it holds more than {max_items} items")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            _refuse(f"the key {key[:80]!a} occurs twice in one object")
        result[key] = value
    return result


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a JSON value")


def _integer(text: str) -> int:
    if len(text) > 17 or abs(number := int(text)) > MAX_INT:
        _refuse("an integer is outside ±(2^53-1)")
    return number


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse("a number is too large")
    return number


def _plain(value: object, *, sort: bool) -> object:
    match value:
        case None | bool() | str():
            return value
        case int():
            if abs(value) > MAX_INT:
                _refuse("an integer is outside ±(2^53-1)")
            return int(value)
        case list() | tuple():
            return [_plain(item, sort=sort) for item in value]
        case dict():
            if not all(isinstance(key, str) for key in value):
                _refuse("a key is not text")
            try:
                keys = sorted(value, key=lambda key: key.encode("utf-16-be")) if sort else list(value)
            except UnicodeError:
                _refuse("it is not valid Unicode")
            return {key: _plain(value[key], sort=sort) for key in keys}
    return _refuse(f"a {type(value).__name__} has no exact JSON form")


def _encode(value: object, **layout: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, **layout).encode("utf-8")
    except UnicodeError:
        _refuse("it is not valid Unicode")


def _refuse(reason: str) -> NoReturn:
    raise DamagedError(f"the JSON document is refused: {reason}", remedy="Get the file again from where it was made.")
