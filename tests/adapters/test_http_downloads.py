"""Downloads from a foreign forge: the token stays at home, sizes are capped, a broken stream is told (faults F40)."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.peer import TOKEN, Peer, Time, connected, drop, say, serving
from ms_release.adapters.http import Overloaded, Refused
from ms_release.errors import ForgeError, IntegrityError

DATA = bytes(range(256)) * 1000
BYTES = {"content-type": "application/octet-stream"}


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as peer:
        yield peer


def test_bytes_are_hashed_on_the_way(peer: Peer) -> None:
    peer.script = [say(200, DATA, BYTES)]
    sink = io.BytesIO()
    with connected(peer) as client:
        found = client.download("/repos/o/r/releases/assets/1", sink, max_bytes=len(DATA))
        assert client.counts == {"asset": 1}
    assert found == (hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert sink.getvalue() == DATA
    assert peer.asked[0].headers["accept"] == "application/octet-stream"
    assert peer.asked[0].headers["accept-encoding"] == "identity"
    assert peer.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_the_token_is_not_forwarded_to_another_port_nor_taken_up_again_on_return(peer: Peer) -> None:
    with serving() as other, connected(peer) as client:
        peer.script = [say(302, headers={"location": f"{other.url}/blob?sig=1"}), say(200, DATA, BYTES)]
        other.script = [say(307, headers={"location": f"{peer.url}/api/v3/back"})]
        client.download("/repos/o/r/releases/assets/1", io.BytesIO(), max_bytes=len(DATA))
    assert other.asked[0].path == "/blob?sig=1"
    assert [("authorization" in asked.headers) for asked in peer.asked] == [True, False]
    seen_by_other = "".join(f"{name}:{value}" for name, value in other.asked[0].headers.items())
    assert TOKEN not in seen_by_other
    assert "x-github-api-version" not in other.asked[0].headers


def test_an_address_of_another_host_never_gets_the_token(peer: Peer) -> None:
    with serving() as other, connected(peer) as client:
        other.script = [say(200, b"abc", BYTES)]
        client.download(f"{other.url}/file", io.BytesIO(), max_bytes=3)
    assert "authorization" not in other.asked[0].headers


@pytest.mark.parametrize("url", ["http://example.org/x", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_only_https_or_loopback_is_followed(peer: Peer, url: str) -> None:
    peer.script = [say(302, headers={"location": url})]
    with connected(peer) as client:
        with pytest.raises(ForgeError, match="may not be used"):
            client.download("/x", io.BytesIO(), max_bytes=1)
        with pytest.raises(ForgeError):
            client.download(url, io.BytesIO(), max_bytes=1)
    assert len(peer.asked) == 1


@pytest.mark.parametrize("length", [None, 1 << 40], ids=["true length", "endless"])
def test_more_than_expected_is_refused_and_not_stored(peer: Peer, length: int | None) -> None:
    peer.script = [say(200, DATA, BYTES, length=length)]
    sink = io.BytesIO()
    with connected(peer) as client, pytest.raises(IntegrityError):
        client.download("/x", sink, max_bytes=1000)
    assert len(sink.getvalue()) <= 1000


def test_a_broken_stream_is_told_and_not_begun_again(peer: Peer) -> None:
    peer.script = [say(200, DATA, BYTES, length=len(DATA) + 1)]
    with connected(peer) as client, pytest.raises(ForgeError, match=f"broke off after {len(DATA)} bytes"):
        client.download("/x", io.BytesIO(), max_bytes=len(DATA) + 1)
    assert len(peer.asked) == 1


def test_a_crawling_stream_is_given_up(peer: Peer) -> None:
    peer.script = [say(200, DATA, BYTES)]
    with connected(peer, Time(step=400.0)) as client, pytest.raises(ForgeError, match="ReadTimeout"):
        client.download("/x", io.BytesIO(), max_bytes=len(DATA))


@pytest.mark.parametrize("fault", [say(502), drop])
def test_before_the_first_byte_a_download_may_begin_again(peer: Peer, fault: Any) -> None:
    peer.script = [fault, say(200, b"abc", BYTES), fault, fault, fault]
    with connected(peer) as client:
        assert client.download("/x", io.BytesIO(), max_bytes=3)[1] == 3
        with pytest.raises(Overloaded):
            client.download("/x", io.BytesIO(), max_bytes=3)


def test_packed_bytes_are_not_the_bytes(peer: Peer) -> None:
    peer.script = [say(200, gzip.compress(DATA), {**BYTES, "content-encoding": "gzip"})]
    with connected(peer) as client, pytest.raises(ForgeError, match="packed"):
        client.download("/x", io.BytesIO(), max_bytes=len(DATA))


@pytest.mark.parametrize("status", [202, 204, 206])
def test_another_success_is_no_file(peer: Peer, status: int) -> None:
    peer.script = [say(status, b"" if status == 204 else b"ab", BYTES)]
    with connected(peer) as client, pytest.raises(ForgeError, match=f"its status is {status}"):
        client.download("/x", io.BytesIO(), max_bytes=10)


def test_a_missing_file_is_a_refusal(peer: Peer) -> None:
    peer.script = [say(404, {"message": "Not Found"})]
    with connected(peer) as client, pytest.raises(Refused):
        client.download("/x", io.BytesIO(), max_bytes=10)
