"""Hostile JSON: one good document, made odd in every place and in every way that the strict reader has a rule about."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hostile.sample import Sample

Path = tuple[str | int, ...]
# What no field of ours can be, by the type that it should have.
WRONG: dict[type, tuple[Any, ...]] = {
    str: (7, True, 1.5, [], {}, ["x"], 2**70),
    int: ("7", True, 1.5, [], {}, -1, 2**53, 2**70, -(2**63)),
    bool: (0, "true", [], {}, 2),
    list: ("x", 7, {}, {"0": 1}, [7], [None], [[]], True),
    dict: ("x", 7, [], [1], True, {"": 1}),
    type(None): (True, [], {}, 1.5, {"x": 1}),
}


def raw_samples(good: bytes, limit: int, exit: int = 2) -> Iterator[Sample]:
    """What is wrong with the bytes before anybody looks at fields."""
    text = good.decode()
    first = next(iter(json.loads(good)))
    edits = {
        "empty": b"",
        "white space": b" \n\t",
        "no JSON": b"hello",
        "HTML": b"<!doctype html><title>Sign in</title>",
        "null": b"null",
        "list": b"[" + good + b"]",
        "text": json.dumps(text).encode(),
        "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32-be"),
        "Latin-1": good.replace(b'"', b'"\xe4', 1),
        "overlong UTF-8": good.replace(b'"', b'"\xc0\xaf', 1),
        "encoded surrogate": good.replace(b'"', b'"\xed\xa0\x80', 1),
        "lone surrogate": good.replace(b'"', b'"\\ud800', 1),
        "NUL behind": good + b"\0",
        "second document": good + good,
        "comment": good + b"// x",
        "trailing comma": good.rstrip()[:-1] + b",}",
        "NaN": good.rstrip()[:-1] + b',"x":NaN}',
        "infinity": good.rstrip()[:-1] + b',"x":-Infinity}',
        "overflow": good.rstrip()[:-1] + b',"x":1e999}',
        "huge integer": good.rstrip()[:-1] + b',"x":' + b"9" * 100_000 + b"}",
        "huge fraction": good.rstrip()[:-1] + b',"x":0.' + b"9" * 100_000 + b"}",
        "key twice": b'{"%s":1,' % first.encode() + good.strip()[1:],
        "escaped key twice": b'{"\\u%04x%s":1,' % (ord(first[0]), first[1:].encode()) + good.strip()[1:],
        "deep lists": b"[" * 100_000,
        "deep objects": b'{"a":' * 100_000,
        "deep lists, closed": b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        "only closed": b"]" * (limit - 1),
        "quotes alone": b'"' * (limit - 1),
        "backslashes": b'"' + b"\\" * (limit - 2),
        "open text": b'{"' + b"x" * (limit - 3),
        "many small objects": b"[" + b'{"a":1},' * ((limit - 3) // 8) + b"1]",
        "many lists": b"[" + b"[]," * ((limit - 3) // 3) + b"1]",
        "many texts": b"[" + b'"ab",' * ((limit - 3) // 5) + b"1]",
        "many objects, just allowed": b"[" + b'{"a":1},' * min((limit - 3) // 8, 190_000) + b"1]",
        "one text, as wide as can be": '"{}\U0001f600"'.format("x" * (limit - 8)).encode(),
        "one byte too many": good + b" " * (limit + 1 - len(good)),
    }
    for name, data in edits.items():
        yield Sample(name, data, exit)
    for part in range(1, 24):
        yield Sample(f"cut off after {part}/24", good.rstrip()[: len(good.rstrip()) * part // 24], exit)


def field_samples(
    good: bytes,
    fine: Callable[[Path, str], bool],
    seal: Callable[[Any], Any] = lambda document: document,
    exit: int = 2,
) -> Iterator[Sample]:
    """Every field of another type, null, gone, and every object with a field too many.

    `fine` names what is allowed all the same; `seal` puts a digest right again.
    """
    document = json.loads(good)
    for path, value in walk(document):
        shown = ".".join(map(str, path))
        if path and not isinstance(path[-1], int):
            yield _made(f"{shown} is gone", document, path, seal, 0 if fine(path, "gone") else exit, gone=True)
        if value is not None and path:
            yield _made(f"{shown} is null", document, path, seal, 0 if fine(path, "null") else exit, None)
        for wrong in WRONG[type(value)] if path else ():
            how = "negative" if wrong == -1 else "wrong"
            how = "empty" if wrong in ([], {}) and type(wrong) is type(value) else how
            code = 0 if fine(path, how) else exit
            yield _made(f"{shown} is {str(wrong)[:30]}", document, path, seal, code, wrong)
        if isinstance(value, dict):
            more = {**value, "x\u200b": 1}
            yield _made(f"{shown} has one more", document, path, seal, 0 if fine(path, "more") else exit, more)


def walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every node; of a list the first two."""
    yield path, value
    if isinstance(value, dict):
        for key in value:
            yield from walk(value[key], (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value[:2]):
            yield from walk(item, (*path, at))


def _made(
    name: str,
    document: Any,
    path: Path,
    seal: Callable[[Any], Any],
    exit: int,
    value: Any = None,
    *,
    gone: bool = False,
) -> Sample:
    changed = copy.deepcopy(document)
    if not path:
        return Sample(name, json.dumps(seal(value)).encode(), exit)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if gone:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return Sample(name, json.dumps(seal(changed)).encode(), exit)


def replaced(good: bytes, path: Path, values: dict[str, Any], exit: int = 2, seal: Callable[[Any], Any] = lambda d: d,
             ) -> Iterator[Sample]:  # fmt: skip
    """One field with each of some values."""
    for name, value in values.items():
        shown = ".".join(map(str, path))
        yield _made(f"{shown}: {name}", json.loads(good), path, seal, exit, value)
