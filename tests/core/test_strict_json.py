"""Strict JSON: what is refused (faults F38), and that what is written is read back and has one digest."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release.core import strict_json
from ms_release.errors import DamagedError

text = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5), max_leaves=20
)


@given(values)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert strict_json.parse(strict_json.canonical(value)) == value
    pretty = strict_json.pretty(value)
    assert strict_json.parse(pretty) == value
    assert pretty.endswith(b"\n")


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return tuple(shuffled(item) for item in value) if isinstance(value, list) else value


@given(values)
def test_digest_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    assert strict_json.digest(value) == strict_json.digest(shuffled(value))
    assert strict_json.digest(value) == hashlib.sha256(strict_json.canonical(value)).hexdigest()


@given(st.binary(max_size=200) | values.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = strict_json.parse(data)
    except DamagedError:
        return
    assert json.loads(data) == value


def test_canonical_form() -> None:
    # The order of RFC 8785 section 3.2.3: UTF-16 code units, where U+1F600 comes before U+FB33.
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "ö": 7}
    expected = '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"\U0001f600":5,"\ufb33":3}'
    assert strict_json.canonical(value).decode() == expected
    assert strict_json.canonical({"b": (1, None, True), "a": '\x00\x1f\x7f"\\/\n'}) == (
        b'{"a":"\\u0000\\u001f\x7f\\"\\\\/\\n","b":[1,null,true]}'
    )


def test_pretty_form() -> None:
    assert strict_json.pretty({"b": [1], "a": "é"}) == '{\n  "b": [\n    1\n  ],\n  "a": "é"\n}\n'.encode()


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), {"a": [0.5]}, 2**53, -(2**53), b"x", {1, 2}, {1: 2}, object(), "\ud800", {"\udfff": 1}]
)
def test_values_without_one_exact_form_are_refused(value: object) -> None:
    for write in (strict_json.canonical, strict_json.pretty):
        with pytest.raises(DamagedError):
            write(value)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "line 1"),
        (b'{"a":1,"a":2}', "occurs twice"),
        (b'{"a":{"b":1,"\\u0062":2}}', "occurs twice"),
        (b"NaN", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"-Infinity", "Infinity"),
        (b"1e999", "too large"),
        (b"9007199254740992", "outside"),
        (b"-9007199254740992", "outside"),
        (b"1" * 5000, "outside"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b'"\xff"', "Unicode"),
        (b'"\xed\xa0\x80"', "Unicode"),
        (b'"\\ud800"', "Unicode"),
        (b'{"\\uDC00":1}', "Unicode"),
        (b'"\\ud800\\u0041"', "Unicode"),
        (b"\xff\xfe{\x00}\x00", "Unicode"),
        (b"[1,]", "line 1"),
        (b"{'a':1}", "line 1"),
        (b"{} {}", "line 1"),
        (b"[01]", "line 1"),
        (b'"a\nb"', "line 1"),
        (b"// x\n1", "line 1"),
        (b"[" * 33 + b"]" * 33, "deeper than 32"),
        (b"[" * 100_000, "deeper than 32"),
        (b'{"a":' * 50_000, "deeper than 32"),
    ],
)
def test_documents_that_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(DamagedError, match=why):
        strict_json.parse(data)


@pytest.mark.parametrize(
    "data", [b"9007199254740991", b'"\\ud83d\\ude00"', b"[" * 32 + b"]" * 32, b'"[[[{{{,,,\\"[[["']
)
def test_documents_at_the_edge_are_read(data: bytes) -> None:
    assert strict_json.parse(data, max_items=32) == json.loads(data)


def test_limits_are_checked_before_anything_is_built() -> None:
    with pytest.raises(DamagedError, match="more than 10"):
        strict_json.parse(b" " * 11, max_bytes=10)
    with pytest.raises(DamagedError, match="more than 3 items"):
        strict_json.parse(b"[1,2,3,4,", max_items=3)
    with pytest.raises(DamagedError, match="more than 1000 items"):
        strict_json.parse(b"[" + b"0," * 500_000 + b"0]", max_bytes=1 << 21, max_items=1000)


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"\\", b'"\\', b'\\"['])
def test_the_scan_takes_linear_time(piece: bytes) -> None:
    data = b'"' + piece * 200_000
    started = time.process_time()
    with pytest.raises(DamagedError):
        strict_json.parse(data)
    assert time.process_time() - started < 2


def test_errors_show_no_control_characters() -> None:
    with pytest.raises(DamagedError) as caught:
        strict_json.parse(b'{"\\u001b[2J":1,"\\u001b[2J":2}')
    assert caught.value.cause.isprintable()
