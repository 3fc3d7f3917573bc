"""Rate limits: the client waits as told, and nobody asks anything meanwhile (faults F6; github-facts G43, G44)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.peer import START, Peer, Time, connected, say, serving
from ms_release.adapters import pace
from ms_release.adapters.http import Denied
from ms_release.errors import ForgeError


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as peer:
        yield peer


RESET = str(int(START.timestamp()) + 300)
SECONDARY = {"message": "slow down", "documentation_url": "https://docs.example/rest/about-secondary-rate-limits"}
LIMITS: dict[str, tuple[Any, float]] = {
    "429 with a wait": (say(429, {}, {"retry-after": "42"}), 42),
    "403 with a wait": (say(403, {}, {"retry-after": "42"}), 42),
    "a wait until a date": (say(429, {}, {"retry-after": format_datetime(START + timedelta(seconds=90))}), 90),
    "wait before reset": (
        say(403, {}, {"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}), 7,
    ),
    "primary": (say(403, {}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET}), 301),
    "quota left: reset is not meant": (
        say(429, {}, {"x-ratelimit-remaining": "9", "x-ratelimit-reset": RESET}), 60,
    ),
    "reset already over": (say(429, {}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}), 60),
    "secondary without headers": (say(403, SECONDARY), 60),
    "429 with nothing": (say(429), 60),
    "nonsense": (say(429, {}, {"retry-after": "soon"}), 60),
}  # fmt: skip


@pytest.mark.parametrize(("limit", "seconds"), LIMITS.values(), ids=LIMITS.keys())
@pytest.mark.parametrize("how", ["read", "write", "question", "mutation"])
def test_waits_as_told_and_asks_nothing_meanwhile(peer: Peer, how: str, limit: Any, seconds: float) -> None:
    time = Time()
    told: list[tuple[str, float]] = []
    peer.script = [limit, say(200, {"data": {"a": 1}})]
    with connected(peer, time) as client:
        client.on_wait = lambda reason, wait: told.append((reason, wait))
        asks = {
            "read": lambda: client.get("/x"),
            "write": lambda: client.write("POST", "/x", {}),
            "question": lambda: client.graphql("{ a }"),
            "mutation": lambda: client.mutate("mutation { a }"),
        }
        asks[how]()
    first, second = (asked.at for asked in peer.asked)
    assert first is not None
    assert second is not None
    assert (second - first).total_seconds() == pytest.approx(seconds, abs=0.01)
    assert told == [("the forge's rate limit", pytest.approx(seconds, abs=0.01))]


def test_waits_double_when_nothing_is_said_and_end_above_the_budget(peer: Peer) -> None:
    time = Time()
    peer.script = [say(429)] * 9
    with connected(peer, time) as client, pytest.raises(ForgeError, match="until 2026-01-02 03:35 UTC"):
        client.get("/x")
    assert time.slept == pytest.approx([60, 120, 240, 480])
    assert len(peer.asked) == 5


def test_a_wait_above_the_budget_is_not_begun(peer: Peer) -> None:
    time = Time()
    peer.script = [say(403, {}, {"retry-after": "3600"})]
    with connected(peer, time) as client, pytest.raises(ForgeError, match="until 2026-01-02 04:04 UTC"):
        client.write("POST", "/x", {})
    assert time.slept == []
    assert len(peer.asked) == 1


def test_other_requests_wait_as_well(peer: Peer) -> None:
    """While one thread waits, another must not go on asking: that is what gets a token banned."""
    time = Time()
    inner: list[Any] = []
    peer.script = [say(429, {}, {"retry-after": "50"}), say(200, {"n": 1}), say(200, {"n": 2})]
    with connected(peer, time) as client:

        def hear(reason: str, seconds: float) -> None:
            if not inner:
                inner.append("asked")
                inner.append(client.get("/other").json)

        client.on_wait = hear
        client.get("/x")
    assert inner == ["asked", {"n": 1}]
    assert all(asked.at is not None and asked.at >= START + timedelta(seconds=50) for asked in peer.asked[1:])


@pytest.mark.parametrize("kind", ["RATE_LIMITED", "RATE_LIMIT"])
@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": {"a": None}}])
def test_a_limit_that_comes_as_success_is_waited_out(peer: Peer, kind: str, data: dict[str, Any]) -> None:
    time = Time()
    limited = say(
        200, {**data, "errors": [{"type": kind, "message": "API rate limit exceeded"}]},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": RESET},
    )  # fmt: skip
    peer.script = [limited, say(200, {"data": {"a": 1}}), limited, say(200, {"data": {"a": 2}})]
    with connected(peer, time) as client:
        assert client.graphql("{ a }").data == {"a": 1}
        time.passed = 0
        client._quiet_until = 0
        assert client.mutate("mutation { a }").data == {"a": 2}
    assert time.slept == pytest.approx([301, 301])


def test_a_mutation_that_was_done_in_part_is_not_repeated_for_a_limit(peer: Peer) -> None:
    error = {"type": "RATE_LIMITED", "path": ["b"], "message": "limit"}
    peer.script = [say(200, {"data": {"a": {"id": 1}, "b": None}, "errors": [error]})]
    with connected(peer) as client:
        assert client.mutate("mutation { a b }").data["a"] == {"id": 1}
    assert len(peer.asked) == 1


def test_a_refusal_is_not_mistaken_for_a_limit(peer: Peer) -> None:
    peer.script = [say(403, {"message": "rate limit, says a liar"}, {"x-ratelimit-remaining": "17"})]
    with connected(peer) as client, pytest.raises(Denied):
        client.get("/x")


def test_writes_are_paced_and_reads_are_not(peer: Peer) -> None:
    time = Time()
    peer.script = [say(200, {})] * 64
    with connected(peer, time) as client:
        for _ in range(32):
            client.get("/x")
        assert time.slept == []
        for _ in range(32):
            client.write("POST", "/x", {})
    assert time.slept == pytest.approx([1.0, 1.0])


@given(st.lists(st.floats(0, 20), max_size=300))
def test_no_window_holds_more_than_the_burst_and_the_rate(gaps: list[float]) -> None:
    """A model check: whatever the writer's rhythm, any minute holds at most 30 + 60 writes."""
    bucket, now, sent = pace.Bucket(), 0.0, []
    for gap in gaps:
        now += gap
        now += bucket.take(now)
        sent.append(now)
    for begin in sent:
        assert sum(begin <= at < begin + 60 for at in sent) <= 91


def test_the_burst_is_free_and_the_rest_waits_its_turn() -> None:
    bucket = pace.Bucket()
    waits = [bucket.take(1000.0) for _ in range(33)]
    assert waits == pytest.approx([0.0] * 30 + [1.0, 2.0, 3.0])
    assert bucket.take(2000.0) == 0.0


HEADER = st.text("0123456789-+. :,GMTFriJan", max_size=40) | st.sampled_from(["Fri, 31 Dec 9999 23:59:59 GMT", "1e9"])


@given(st.dictionaries(st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset"]), HEADER))
def test_whatever_the_headers_say_the_pause_is_a_time(headers: dict[str, str]) -> None:
    assert 1.0 <= pace.pause(headers, START.timestamp(), 1) < 1e13
