"""YAML of other people that cannot exhaust its reader or be read in two ways: limits while it is read, plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from ms_release.core.sanitize import terminal_line
from ms_release.errors import DamagedError

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_VALUES = 6_000
MAX_TEXT = 4 * MAX_BYTES
_TRUE, _FALSE, _NULL = {"true", "True", "TRUE"}, {"false", "False", "FALSE"}, {"", "~", "null", "Null", "NULL"}

Value = str | bool | list[Any] | dict[str, Any] | None


def load(data: bytes, file: str) -> Value:
    """The one document in a file; scalars stay the text that they are written as, but for true, false and null.

    So `on` is no boolean, and 1.10 not 1.1. Raises DamagedError for what is no YAML, other than UTF-8, larger than
    64 KiB, deeper than 32, of more than 6,000 values or 256 KiB of text (what is behind an alias counts each time), and
    for duplicate keys (without regard to case, as GitHub compares them), tags, merge keys and keys that are no text.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(data) > MAX_BYTES:
        _refuse(file, f"it has {len(data)} bytes, more than {MAX_BYTES}")
    try:
        text = data.decode("utf-8")
        reader = _Reader(file, YAML(typ="safe", pure=True).parse(text))
        return reader.document()
    except UnicodeDecodeError:
        _refuse(file, "it is not UTF-8 text")
    except (YAMLError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        # beside its own errors the library raises whatever its readers of single values stumble over
        _refuse(file, terminal_line(" ".join(str(error).split())[:300]) or type(error).__name__)


class _Reader:
    """Builds values from the library's events, so that a limit ends the reading where it is passed."""

    def __init__(self, file: str, events: Iterator[Any]) -> None:
        self._file = file
        self._events = events
        self._left = MAX_VALUES
        self._text_left = MAX_TEXT
        self._anchors: dict[str, tuple[Value, int, int]] = {}

    def document(self) -> Value:
        """The value of the only document; None for an empty file."""
        value: Value = None
        for number, event in enumerate(self._named("StreamStart", "DocumentStart", "DocumentEnd", "StreamEnd")):
            if event == "DocumentStart":
                if number > 1:
                    _refuse(self._file, "it holds more than one document")
                value = self._value(next(self._events), 0)
        return value

    def _named(self, *expected: str) -> Iterator[str]:
        for event in self._events:
            name = type(event).__name__.removesuffix("Event")
            if name not in expected:
                _refuse(self._file, f"{name} stands where none is expected")
            yield name

    def _value(self, event: Any, depth: int) -> Value:
        if depth > MAX_DEPTH:
            _refuse(self._file, f"it is nested deeper than {MAX_DEPTH}")
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(str(event.anchor))
        if event.tag is not None:
            _refuse(self._file, f"it holds a tag, line {event.start_mark.line + 1}")
        before, text_before = self._left, self._text_left
        value: Value
        self._count(1, len(event.value) if kind == "ScalarEvent" else 0)
        if kind == "ScalarEvent":
            value = _scalar(event)
            self._check_unicode(event)
        elif kind == "SequenceStartEvent":
            value = [self._value(item, depth + 1) for item in self._until("SequenceEndEvent")]
        else:
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[str(event.anchor)] = (value, before - self._left, text_before - self._text_left)
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        seen: set[str] = set()
        for event in self._until("MappingEndEvent"):
            line = event.start_mark.line + 1
            if type(event).__name__ != "ScalarEvent" or event.tag is not None or event.anchor is not None:
                _refuse(self._file, f"a key is no plain text, line {line}")
            self._check_unicode(event)
            key = str(event.value)
            if key == "<<":
                _refuse(self._file, f"it holds a merge key, line {line}")
            if key.casefold() in seen:
                _refuse(self._file, f"the key {key[:80]!a} occurs twice, line {line}")
            seen.add(key.casefold())
            self._count(1, len(key))
            result[key] = self._value(next(self._events), depth + 1)
        return result

    def _check_unicode(self, event: Any) -> None:
        """An escape can make half of a character, which no file can hold."""
        if any("\ud800" <= char <= "\udfff" for char in event.value):
            _refuse(self._file, f"it holds half a character, line {event.start_mark.line + 1}")

    def _until(self, end: str) -> Iterator[Any]:
        for event in self._events:
            if type(event).__name__ == end:
                return
            yield event

    def _alias(self, name: str) -> Value:
        """What an anchor holds; one that is not complete yet (it would hold itself) names nothing."""
        if name not in self._anchors:
            _refuse(self._file, f"the alias {name[:80]!a} names nothing")
        value, values, text = self._anchors[name]
        self._count(values, text)
        return value

    def _count(self, values: int, text: int) -> None:
        self._left -= values
        self._text_left -= text
        if self._left < 0 or self._text_left < 0:
            _refuse(self._file, f"it holds more than {MAX_VALUES} values or {MAX_TEXT} characters")


def _scalar(event: Any) -> Value:
    text = str(event.value)
    if not event.implicit[0]:  # quoted, or a block
        return text
    return True if text in _TRUE else False if text in _FALSE else None if text in _NULL else text


def _refuse(file: str, why: str) -> NoReturn:
    raise DamagedError(f"{file} is refused: {why}", remedy="Correct the file; it is YAML.") from None
