"""What the forge cannot answer in time is asked in halves; an answer in part is none, and says where to go."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.peer import Peer, Reply, Time, connected, say, serving
from ms_release.adapters.asking import ask
from ms_release.adapters.http import Denied, Overloaded
from ms_release.adapters.queries import Query
from ms_release.errors import ForgeError


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as peer:
        yield peer


def question(parts: int) -> Query:
    query = Query()
    for number in range(parts):
        query.repository(f"r{number}", f"o/r{number}", "...Component name")
    return query


def aliases(asked: Any) -> list[str]:
    return re.findall(r"(r\d+): repository", json.loads(asked.body)["query"])


def answer(peer: Peer, most: int) -> Reply:
    """A forge that answers at most so many repositories at once."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        parts = aliases(peer.asked[-1])
        data = {"viewer": {"login": "a"}, **{name: {"name": name} for name in parts}}
        (say(200, {"data": data}) if len(parts) <= most else say(502, b"<html>"))(handler)

    return reply


@pytest.mark.parametrize(("parts", "most", "requests"), [(1, 1, 1), (8, 8, 1), (8, 4, 4), (5, 2, 7)])
def test_asks_in_halves_until_the_forge_can_answer(peer: Peer, parts: int, most: int, requests: int) -> None:
    peer.script = [answer(peer, most)] * 99
    with connected(peer) as client:
        found = ask(client, question(parts))
    assert found.data == {"viewer": {"login": "a"}, **{f"r{n}": {"name": f"r{n}"} for n in range(parts)}}
    assert len(peer.asked) == requests


def test_one_hiccup_is_no_reason_to_ask_for_less(peer: Peer) -> None:
    peer.script = [say(502), answer(peer, 4)]
    with connected(peer) as client:
        ask(client, question(4))
    assert [len(aliases(asked)) for asked in peer.asked] == [4, 4]


def test_what_cannot_be_halved_any_more_is_given_up(peer: Peer) -> None:
    time = Time()
    peer.script = [say(504)] * 99
    with connected(peer, time) as client, pytest.raises(Overloaded, match="failed 3 times"):
        ask(client, question(4))
    assert len(peer.asked) == 2 + 2 + 3, "whole, half, one part: the first that fails ends it"


@given(st.integers(1, 40))
def test_halves_are_complete_questions_of_their_own(parts: int) -> None:
    def leaves(query: Query) -> Iterator[Query]:
        halves = query.halves()
        yield from (leaf for half in halves for leaf in leaves(half)) if halves else (query,)

    whole, found = question(parts), list(leaves(question(parts)))
    assert len(found) == parts
    assert {name: text for leaf in found for name, text in leaf.variables.items()} == whole.variables
    for leaf in found:
        declared = set(re.findall(r"\$(v\d+): String!", leaf.text))
        used = set(re.findall(r"\$(v\d+)", leaf.text.partition("{")[2]))
        assert declared == used == set(leaf.variables)
        assert "fragment Component" in leaf.text


SAML = {"type": "FORBIDDEN", "path": ["r0"], "extensions": {"saml_failure": True}, "message": "SAML"}


@pytest.mark.parametrize("data", [None, {"r0": None, "r1": {}}])
@pytest.mark.parametrize(
    ("header", "where"),
    [
        ({"x-github-sso": "required; url=https://f.example/sso?a=1"}, "https://f.example/sso?a=1"),
        ({}, "settings/tokens"),
    ],
)
def test_single_sign_on_says_where(peer: Peer, data: Any, header: dict[str, str], where: str) -> None:
    peer.script = [say(200, {"data": data, "errors": [SAML]}, header)]
    with connected(peer) as client, pytest.raises(Denied) as denied:
        ask(client, question(2))
    assert where in denied.value.remedy


def test_a_list_in_part_says_where(peer: Peer) -> None:
    peer.script = [say(200, [1], {"x-github-sso": "partial-results; organizations=1,2"})]
    with connected(peer) as client, pytest.raises(Denied, match="only in part") as denied:
        client.get("/x")
    assert f"{peer.url}/settings/tokens" in denied.value.remedy


def test_a_part_that_was_not_answered_is_no_fact(peer: Peer) -> None:
    peer.script = [say(200, {"data": {"r0": {}, "r1": None}, "errors": [{"path": ["r1"], "message": "timeout"}]})]
    with connected(peer) as client, pytest.raises(ForgeError, match="could not answer a part"):
        ask(client, question(2))


RACE = """
import sys, threading
from datetime import UTC, datetime
import msgspec
from ms_release.adapters.http import Client

sys.setswitchinterval(1e-6)
ADDRESS = "http://127.0.0.1:9/api"
client = Client(api_url=ADDRESS, graphql_url=ADDRESS, token="t", clock=lambda: datetime.now(UTC), sleep=lambda _: None)
LEAF = {"x": 1, "y": ["a"]}
DATA = msgspec.json.encode({"a": {"a": LEAF, "b": [LEAF]}, "b": [{"a": LEAF, "b": []}]})
for _ in range(60):
    Leaf = msgspec.defstruct("Leaf", [("x", int), ("y", list[str])])
    Twig = msgspec.defstruct("Twig", [("a", Leaf), ("b", list[Leaf])])
    Tree = msgspec.defstruct("Tree", [("a", Twig), ("b", list[Twig])])
    together = threading.Barrier(8)

    def decode():
        together.wait()
        return msgspec.json.decode(DATA, type=Tree)

    assert len(client.gather([decode] * 8)) == 8
"""


def test_threads_that_decode_a_type_for_the_first_time_do_not_crash() -> None:
    """A process of its own, because without the care that is taken it ends with a segmentation fault."""
    done = subprocess.run([sys.executable, "-c", RACE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
