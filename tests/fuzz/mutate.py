"""Mutations of good input: bytes flipped, cut, repeated, spliced; where it is JSON, values swapped for odd ones."""

from __future__ import annotations

import json
import random
from typing import Any

from fuzz.targets import Target

WORDS = (
    b"\0", b"\n", b"\r", b"\x1b]8;;http://x\x07", b"\xe2\x80\xae", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80",
    b"\\ud800",
    b"9007199254740993", b"-1", b"1e999", b"NaN", b"null", b"../../x", b"::error::", b"##[", b"%0A", b"{}", b"[]",
    b"9" * 5000, b"[" * 2000, b"(" * 2000, b"A" * 5000, b" " * 3000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**53, -(2**63), 2**64, 10**400, "", "x", "\u202e", "\x1b[2J", "../..", "v1.0.0\n",
    [],
    {}, [[]], {"a": 1}, "A" * 3000, "\x00", "-x", "--upload-pack=x", "MERGED", "OPEN", "é" * 50, [None], "http://[",
    "a" * 40,
)  # fmt: skip


def mutate(target: Target, chance: random.Random) -> bytes:
    """One input: a seed changed one to six times."""
    data = chance.choice(target.seeds)
    if target.structured and chance.random() < 0.6:
        value = json.loads(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            value = _swap(value, chance)
        try:
            data = json.dumps(value, ensure_ascii=chance.random() < 0.7).encode("utf-8", "surrogatepass")
        except ValueError:
            data = b"1"
        if chance.random() < 0.7:
            return data
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        data = _scramble(data, target, chance)
    return data


def _scramble(data: bytes, target: Target, chance: random.Random) -> bytes:
    at, length = chance.randint(0, len(data)), chance.choice((1, 1, 2, 4, 16, 64))
    match chance.randrange(7):
        case 0:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case 1:
            return data[:at] + data[at + length :]
        case 2:
            return data[:at] + chance.choice((*WORDS, *target.words, *target.words)) + data[at:]
        case 3:
            return data[:at] + data[at : at + length] * chance.choice((2, 3, 50)) + data[at + length :]
        case 4:
            other = chance.choice(target.seeds)
            start = chance.randint(0, len(other))
            return data[:at] + other[start:]
        case 5:
            return data[:at]
        case _:
            return data[:at] + chance.choice((*WORDS, *target.words)) + data[at + length :]


def _swap(value: Any, chance: random.Random) -> Any:
    """The same tree with one node changed, moved, doubled or gone."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        match chance.randrange(12):
            case 0:
                return {name: item for name, item in value.items() if name != key}
            case 1:
                return {**value, key + chance.choice(("", "x", "\u200b", "\x00")): chance.choice(VALUES)}
            case 2:
                return {**value, key: value[chance.choice(sorted(value))]}
            case _:
                return {**value, key: _swap(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        match chance.randrange(10):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value + [value[at]] * chance.choice((1, 2, 30))
            case _:
                return [*value[:at], _swap(value[at], chance), *value[at + 1 :]]
    if isinstance(value, str) and chance.random() < 0.5:
        at = chance.randint(0, len(value))
        return value[:at] + chance.choice(("", "\n", "\x1b", "\u202e", "/", "..", "x", "\ud800", "é")) + value[at:]
    return chance.choice(VALUES)
