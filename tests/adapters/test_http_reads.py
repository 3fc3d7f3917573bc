"""Reads against a foreign forge: stored answers, pages, retries, odd and hostile answers (faults F7, F8, F40, F47)."""

from __future__ import annotations

import gzip
import stat
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.peer import TOKEN, Peer, Time, connected, drop, say, serving
from ms_release.adapters import answers
from ms_release.adapters.http import Client, Denied, Overloaded, Refused
from ms_release.errors import CredentialError, ForgeError, MsError, UsageError


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as peer:
        yield peer


class Repo(msgspec.Struct):
    id: int
    name: str


def test_says_who_it_is_and_which_version_it_wants(peer: Peer) -> None:
    peer.script = [say(200, {"id": 1, "name": "core", "new": True})]
    with connected(peer) as client:
        answer = client.get("/repos/o/core", {"per_page": 3, "q": "a b&c"}, decode=Repo)
        assert answer.json == Repo(1, "core")
        assert client.counts == {"rest": 1}
    asked = peer.asked[0]
    assert asked.path == "/api/v3/repos/o/core?per_page=3&q=a+b%26c"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["x-github-api-version"] == "2026-03-10"
    assert asked.headers["accept"] == "application/vnd.github+json"


@pytest.mark.parametrize("stored", [True, False], ids=["on disk", "in memory"])
def test_a_stored_answer_is_used_only_when_the_forge_confirms_it(peer: Peer, tmp_path: Path, stored: bool) -> None:
    etags = tmp_path / "etags" if stored else None
    peer.script = [
        say(200, {"n": 1}, {"etag": '"a"'}),
        say(304, headers={"etag": '"a"'}),
        say(200, {"n": 2}, {"etag": '"b"'}),
        say(304, headers={"etag": '"b"'}),
    ]
    with connected(peer, etags=etags) as client:
        read = [client.get("/repos/o/r/actions/runs/7").json["n"] for _ in range(4)]
        assert client.counts == {"rest": 1, "poll": 3}
    assert read == [1, 1, 2, 2]
    assert [asked.headers.get("if-none-match") for asked in peer.asked] == [None, '"a"', '"a"', '"b"']


def test_the_store_is_private_belongs_to_one_token_and_survives_damage(peer: Peer, tmp_path: Path) -> None:
    etags = tmp_path / "etags"
    peer.script = [say(200, {"n": 1}, {"etag": '"a"'}), say(304), *[say(200, {"n": 2}, {"etag": '"a"'})] * 2]
    with connected(peer, etags=etags) as client:
        client.get("/x")
    with connected(peer, etags=etags) as client:
        assert client.get("/x").json == {"n": 1}
    with connected(peer, etags=etags, token="another-token") as client:
        assert client.get("/x").json == {"n": 2}
    assert "if-none-match" not in peer.asked[2].headers
    found = list(etags.iterdir())
    assert len(found) == 2
    for path in found:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert TOKEN.encode() not in path.read_bytes() + path.name.encode()
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    with connected(peer, etags=etags) as client:
        client.get("/x")
    assert "if-none-match" not in peer.asked[3].headers


def test_a_304_nobody_asked_for_is_no_answer(peer: Peer) -> None:
    peer.script = [say(304)]
    with connected(peer) as client, pytest.raises(ForgeError):
        client.get("/x")


def link(url: str) -> dict[str, str]:
    return {"link": f'<{url}&prev>; rel="prev", <{url}>; rel="next"'}


def test_pages_are_read_to_the_end_also_from_the_store(peer: Peer) -> None:
    second = f"{peer.url}/api/v3/list?page=2"
    full = [say(200, [1, 2], {"etag": '"1"', **link(second)}), say(200, [3], {"etag": '"2"'})]
    peer.script = [*full, say(304), say(304), say(304)]
    with connected(peer) as client:
        assert client.pages("/list", {"state": "all"}) == [1, 2, 3]
        assert second in client.get("/list", {"per_page": 100, "state": "all"}).headers["link"]
        assert client.pages("/list", {"state": "all"}) == [1, 2, 3]
    assert [asked.path for asked in peer.asked[:2]] == ["/api/v3/list?per_page=100&state=all", "/api/v3/list?page=2"]


def test_pages_that_are_objects_give_the_named_list(peer: Peer) -> None:
    second = f"{peer.url}/api/v3/list?page=2"
    repo = {"id": 1, "name": "a"}
    peer.script = [
        say(200, {"total_count": 2, "check_runs": [repo]}, link(second)),
        say(200, {"check_runs": [repo]}),
        say(200, {"something_else": []}),
    ]
    with connected(peer) as client:
        assert client.pages("/list", key="check_runs", decode=Repo) == [Repo(1, "a")] * 2
        with pytest.raises(ForgeError, match="not what is documented"):
            client.pages("/list", key="check_runs")


def test_a_part_of_a_list_is_no_list(peer: Peer) -> None:
    """F47: a circle, more pages than the cap, a next page on another forge."""
    first, second = (f"{peer.url}/api/v3/list?page={n}" for n in (1, 2))
    with connected(peer) as client:
        peer.script = [say(200, [1], link(second)), say(200, [2], link(first)), say(200, [3], link(second))]
        with pytest.raises(ForgeError, match="circle"):
            client.pages("/list")
        peer.script = [say(200, [1], link(first)), say(200, [2], link(second))]
        with pytest.raises(ForgeError, match="more than 2 pages"):
            client.pages("/list", cap=2)
        peer.script = [say(200, [1], link("http://127.0.0.1:1/api/v3/list?page=2"))]
        with pytest.raises(ForgeError, match="another forge"):
            client.pages("/list")
    assert len(peer.asked) == 6


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (say(200, b"<html>", {"content-type": "text/html"}), "text/html and not JSON"),
        (say(200, b'{"n": 1', {}), "damaged JSON"),
        (say(200, b'{"id": "7", "name": "x"}'), "not what is documented"),
        (say(200, b'{"id": 1.5, "name": "x"}'), "not what is documented"),
        (say(200, b'{"x":' * 100_000), "damaged JSON"),
        (say(200, b"", {}), "not JSON|damaged|documented"),
        (say(200, gzip.compress(bytes(64 << 20)), {"content-encoding": "gzip"}), "larger than"),
        (say(200, gzip.compress(b"{}")[:-4], {"content-encoding": "gzip"}), "packing is damaged"),
        (say(200, b"junk", {"content-encoding": "gzip"}), "packing is damaged"),
        (say(200, b"{}", {"content-encoding": "gzip, gzip"}), "not asked for"),
        (say(302, headers={"location": "http://127.0.0.1:1/x"}), "to another host"),
        (say(302, headers={"location": "file:///etc/passwd"}), "may not be used"),
        (say(302, headers={"location": "http://[x"}), "may not be used"),
    ],
)
def test_an_odd_answer_is_no_answer(peer: Peer, reply: Any, says: str) -> None:
    peer.script = [reply]
    with connected(peer) as client, pytest.raises(ForgeError, match=says) as error:
        client.get("/repos/o/r", decode=Repo)
    assert error.value.exit_code == 6
    assert len(peer.asked) == 1


def test_a_body_above_the_limit_is_not_kept_in_memory(peer: Peer) -> None:
    peer.script = [say(200, b'"' + b"x" * (33 << 20) + b'"')]
    with connected(peer) as client, pytest.raises(ForgeError, match="larger than 12582912 bytes"):
        client.get("/x")


def test_redirects_on_the_same_host_are_followed_five_times(peer: Peer) -> None:
    moved = say(301, headers={"location": "/api/v3/repositories/1"})
    peer.script = [moved] * 5 + [say(200, {"ok": 1})] + [moved] * 6
    with connected(peer) as client:
        assert client.get("/repos/o/old").json == {"ok": 1}
        assert "authorization" in peer.asked[5].headers
        with pytest.raises(ForgeError, match="more than 5 times"):
            client.get("/repos/o/old")


@pytest.mark.parametrize("fault", [say(502), say(503), say(500), drop, say(200, b'{"n"', length=900)])
def test_a_read_is_tried_again_a_bounded_number_of_times(peer: Peer, fault: Any) -> None:
    time = Time()
    with connected(peer, time) as client:
        peer.script = [fault, fault, say(200, {"n": 1})]
        assert client.get("/x").json == {"n": 1}
        assert time.slept == [1.0, 2.0]
        peer.script = [fault] * 3
        with pytest.raises(Overloaded, match="failed 3 times"):
            client.get("/x")
    assert len(peer.asked) == 6


def test_an_endless_slow_body_is_given_up(peer: Peer) -> None:
    """F40: each look at the clock is a quarter of a minute later, so that even a body in two reads is too slow."""
    peer.script = [say(200, b'{"n": 1}')] * 3
    with connected(peer, Time(step=40.0)) as client, pytest.raises(Overloaded, match="ReadTimeout"):
        client.get("/x")


def test_a_forge_that_is_down_is_named(peer: Peer) -> None:
    time = Time()
    with serving() as gone:
        pass
    with connected(gone, time) as client, pytest.raises(ForgeError, match=f"cannot reach {gone.url[7:]}") as error:
        client.get("/x")
    assert error.value.remedy
    assert len(time.slept) == 2


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (say(401, {"message": "Bad credentials"}), CredentialError, "refused the token: Bad credentials"),
        (say(403, {"message": "No"}), Denied, "is not allowed to this token: No"),
        (say(403, b"<html>"), Denied, "no reason given"),
        (say(403, {}, {"x-github-sso": "required; url=https://f.example/sso?a=1"}), Denied, "single sign-on"),
        (say(200, [1], {"x-github-sso": "partial-results; organizations=1,2"}), Denied, "only in part"),
        (say(404, {"message": "Not Found"}), Refused, "answered 404: Not Found"),
        (say(451, b""), Refused, "answered 451"),
    ],
)
def test_what_a_refusal_means(peer: Peer, reply: Any, kind: type[MsError], says: str) -> None:
    peer.script = [reply]
    with connected(peer) as client, pytest.raises(kind, match=says) as error:
        client.get("/x")
    assert error.value.remedy
    assert len(peer.asked) == 1


def test_a_denial_carries_what_helps(peer: Peer) -> None:
    peer.script = [
        say(403, {}, {"x-accepted-github-permissions": "contents=write; workflows=write"}),
        say(403, {}, {"x-github-sso": "required; url=https://f.example/sso?a=1"}),
    ]
    with connected(peer) as client:
        with pytest.raises(Denied) as missing:
            client.get("/x")
        with pytest.raises(Denied) as sso:
            client.get("/x")
    assert missing.value.permissions == "contents=write; workflows=write"
    assert "contents=write" in missing.value.remedy
    assert sso.value.sso_url == "https://f.example/sso?a=1"
    assert sso.value.sso_url in sso.value.remedy


def test_a_refusal_is_decided_by_code_and_field(peer: Peer) -> None:
    entry = {"resource": "Release", "code": "already_exists", "field": "tag_name", "value": 7}
    peer.script = [say(422, {"message": "Validation Failed", "errors": [entry, "text", None]})]
    with connected(peer) as client, pytest.raises(Refused) as error:
        client.get("/x")
    assert error.value.status == 422
    assert error.value.has("already_exists", "tag_name")
    assert error.value.has("already_exists")
    assert not error.value.has("already_exists", "name")
    assert not error.value.has("custom")


@pytest.mark.parametrize("status", [401, 403, 404, 422])
def test_an_echoed_token_and_control_characters_do_not_come_back(peer: Peer, status: int) -> None:
    peer.script = [say(status, {"message": f"\x1b[31m {TOKEN} \u202e"}, {"x-accepted-github-permissions": TOKEN})]
    with connected(peer) as client, pytest.raises(MsError) as error:
        client.get("/x")
    shown = f"{error.value} {error.value.remedy} {client!r} {vars(error.value)}"
    assert TOKEN not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("path", ["/repos/../../admin", "/repos/o/r\n", "/repos/./x", "/x#y", "/x y"])
def test_a_path_that_leads_elsewhere_is_not_asked(peer: Peer, path: str) -> None:
    with connected(peer) as client, pytest.raises(UsageError):
        client.get(path)
    assert peer.asked == []


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/api/v3/x", "http://example.org/x", "file:///x"])
def test_an_address_of_another_forge_is_not_asked(peer: Peer, url: str) -> None:
    with connected(peer) as client, pytest.raises(ForgeError):
        client.get(url)


@pytest.mark.parametrize("url", ["http://forge.example/api/v3", "https://u:p@forge.example", "ftp://x", ""])
def test_a_token_is_not_carried_to_an_unsafe_address(url: str) -> None:
    time = Time()
    with pytest.raises(UsageError):
        Client(api_url=url, graphql_url="https://forge.example/x", token="t", clock=time.now, sleep=time.sleep)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nx: y", "é"])
def test_text_that_is_no_token_is_refused_without_being_shown(token: str) -> None:
    time, url = Time(), "https://forge.example"
    with pytest.raises(CredentialError) as error:
        Client(api_url=url, graphql_url=url, token=token, clock=time.now, sleep=time.sleep)
    assert not token or token not in str(error.value)


def test_reads_are_gathered_in_order_and_at_most_eight_at_a_time(peer: Peer) -> None:
    together = threading.Barrier(8, timeout=10)
    threads: set[int] = set()
    peer.script = [lambda handler: say(200, {"path": handler.path})(handler)] * 16

    def ask(number: int) -> str:
        threads.add(threading.get_ident())
        together.wait()  # passes only when eight tasks are under way
        return str(client.get(f"/{number}").json["path"])

    with connected(peer) as client:
        found = client.gather([lambda n=n: ask(n) for n in range(16)])  # type: ignore[misc]
    assert found == [f"/api/v3/{n}" for n in range(16)]
    assert len(threads) == 8


def test_a_gzip_bomb_is_never_whole_in_memory() -> None:
    bomb = gzip.compress(bytes(1 << 26))
    tracemalloc.start()
    try:
        with pytest.raises(answers.BadAnswer, match="larger than 1000 bytes"):
            list(answers.unpack([bomb], "gzip", 1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_the_first_failure_of_a_gathering_is_raised(peer: Peer) -> None:
    def fail(number: int) -> int:
        raise Refused("GET x", number, "no")

    with connected(peer) as client:
        assert client.gather([]) == []
        with pytest.raises(Refused) as error:
            client.gather([lambda: 1, lambda: fail(404), lambda: 2])
    assert error.value.status == 404
