"""Writes against a foreign forge: never sent twice when the first may have arrived (faults F3, F4; facts G7, G8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.peer import TOKEN, Peer, Time, connected, drop, say, serving
from ms_release.adapters.http import Denied, Overloaded, Refused
from ms_release.errors import ForgeError, IntegrityError, MachineError, UnknownOutcomeError


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving() as peer:
        yield peer


LOST = {
    "500": say(500),
    "502": say(502),
    "503 with a wait": say(503, headers={"retry-after": "1"}),
    "504": say(504),
    "dropped": drop,
    "success, body cut": say(201, b'{"id": 1', length=900),
    "success, a page": say(200, b"<html>", {"content-type": "text/html"}),
    "success, damaged": say(201, b'{"id"'),
    "success, packed": say(201, b"junk", {"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
@pytest.mark.parametrize("how", ["POST", "PUT", "PATCH", "DELETE", "mutation", "upload"])
def test_a_write_of_unknown_outcome_is_not_sent_again(peer: Peer, tmp_path: Path, how: str, fault: Any) -> None:
    peer.script = [fault, say(201, {"id": 2, "data": {"a": 1}})]
    (tmp_path / "f").write_bytes(b"abc")
    url = f"{peer.url}/api/uploads/repos/o/r/releases/1/assets{{?name,label}}"
    with connected(peer) as client:
        send = {
            "mutation": lambda: client.mutate("mutation { a }"),
            "upload": lambda: client.upload(url, tmp_path / "f", name="f", content_type="text/plain", size=3),
        }.get(how, lambda: client.write(how, "/repos/o/r/git/refs", {"ref": "x"}))
        with pytest.raises(UnknownOutcomeError) as error:
            send()
    assert len(peer.asked) == 1
    assert "outcome is unknown" in str(error.value)
    assert TOKEN not in f"{error.value}{error.value.remedy}"


def test_a_typed_answer_that_does_not_fit_is_an_unknown_outcome(peer: Peer) -> None:
    class Ref(msgspec.Struct):
        ref: str

    peer.script = [say(201, {"ref": 7})]
    with connected(peer) as client, pytest.raises(UnknownOutcomeError):
        client.write("POST", "/x", {}, decode=Ref)


@pytest.mark.parametrize("fault", [say(502), drop])
def test_an_idempotent_write_may_be_sent_again(peer: Peer, fault: Any) -> None:
    peer.script = [fault, say(200, {"ok": 1}), fault, fault, fault]
    with connected(peer) as client:
        assert client.write("PUT", "/x", {"a": 1}, idempotent=True).json == {"ok": 1}
        with pytest.raises(Overloaded):
            client.write("PUT", "/x", {"a": 1}, idempotent=True)
    assert [asked.body for asked in peer.asked] == [b'{"a":1}'] * 5


def test_a_write_that_never_left_is_sent_again_and_then_the_forge_is_named() -> None:
    time = Time()
    with serving() as gone:
        pass
    with connected(gone, time) as client, pytest.raises(ForgeError, match="cannot reach") as error:
        client.write("POST", "/x", {})
    assert not isinstance(error.value, UnknownOutcomeError)
    assert len(time.slept) == 2


def test_success_without_a_body(peer: Peer) -> None:
    peer.script = [say(204)]
    with connected(peer) as client:
        answer = client.write("DELETE", "/x")
    assert (answer.status, answer.json) == (204, None)
    assert "content-type" not in peer.asked[0].headers


@pytest.mark.parametrize("status", [400, 404, 405, 409, 422])
def test_a_refused_write_is_for_the_caller_to_classify(peer: Peer, status: int) -> None:
    peer.script = [say(status, {"message": "Head branch was modified"})]
    with connected(peer) as client, pytest.raises(Refused) as error:
        client.write("PUT", "/repos/o/r/pulls/1/merge", {"sha": "x"})
    assert error.value.status == status
    assert len(peer.asked) == 1


def test_a_write_follows_only_redirects_that_keep_it_a_write(peer: Peer) -> None:
    moved = {"location": "/api/v3/repositories/1"}
    peer.script = [say(307, headers=moved), say(201, {"ok": 1}), say(301, headers=moved)]
    with connected(peer) as client:
        assert client.write("POST", "/x", {"a": 1}).json == {"ok": 1}
        with pytest.raises(Refused):
            client.write("POST", "/x", {"a": 1})
    assert [(asked.method, asked.body) for asked in peer.asked] == [("POST", b'{"a":1}')] * 3


def test_a_write_does_not_follow_to_another_host(peer: Peer) -> None:
    with serving() as other, connected(peer) as client:
        peer.script = [say(307, headers={"location": f"{other.url}/api/v3/x"})]
        with pytest.raises(ForgeError, match="redirects to another host"):
            client.write("POST", "/x", {"a": 1})
    assert other.asked == []


def test_a_file_is_sent_whole_with_its_size(peer: Peer, tmp_path: Path) -> None:
    data = bytes(range(256)) * 3000
    (tmp_path / "f").write_bytes(data)
    peer.script = [say(201, {"id": 9})]
    with connected(peer) as client:
        url = f"{peer.url}/api/uploads/repos/o/r/releases/1/assets{{?name,label}}"
        answer = client.upload(url, tmp_path / "f", name="a+b.zip", content_type="application/zip", size=len(data))
        assert client.counts == {"asset": 1}
    asked = peer.asked[0]
    assert answer.json == {"id": 9}
    assert asked.body == data
    assert asked.path == "/api/uploads/repos/o/r/releases/1/assets?name=a%2Bb.zip"
    assert (asked.headers["content-length"], asked.headers["content-type"]) == (str(len(data)), "application/zip")
    assert "transfer-encoding" not in asked.headers
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


def test_an_upload_to_another_host_or_of_another_size_is_not_begun(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    with serving() as other, connected(peer) as client:
        with pytest.raises(ForgeError):
            client.upload(f"{other.url}/x", path, name="f", content_type="a/b", size=3)
        with pytest.raises(IntegrityError):
            client.upload(f"{peer.url}/x", path, name="f", content_type="a/b", size=4)
        with pytest.raises(MachineError):
            client.upload(f"{peer.url}/x", tmp_path / "none", name="f", content_type="a/b", size=4)
    assert peer.asked == other.asked == []


# GraphQL


def test_a_question_gives_data_and_what_could_not_be_read(peer: Peer) -> None:
    error = {"type": "NOT_FOUND", "path": ["r1", 0, "x"], "message": "Could not resolve", "locations": []}
    peer.script = [say(200, {"data": {"r0": {"id": 1}, "r1": None}, "errors": [error]})]
    with connected(peer) as client:
        graph = client.graphql("query($a: Int) { r0 }", {"a": 1})
        assert client.counts == {"graphql": 1}
    assert graph.data == {"r0": {"id": 1}, "r1": None}
    assert [(found.type, found.path) for found in graph.errors] == [("NOT_FOUND", ("r1", 0, "x"))]
    assert json.loads(peer.asked[0].body) == {"query": "query($a: Int) { r0 }", "variables": {"a": 1}}


@pytest.mark.parametrize("fault", [say(502), say(504), drop])
def test_a_question_is_asked_again_but_not_for_ever(peer: Peer, fault: Any) -> None:
    good = say(200, {"data": {"a": 1}})
    peer.script = [fault, fault, good, fault, fault, fault, fault]
    with connected(peer) as client:
        assert client.graphql("{ a }").data == {"a": 1}
        with pytest.raises(Overloaded):
            client.graphql("{ a }")
        with pytest.raises(Overloaded):
            client.graphql("{ a }", attempts=1)
    assert len(peer.asked) == 7


@pytest.mark.parametrize("kind", ["FORBIDDEN", "INSUFFICIENT_SCOPES"])
def test_a_question_refused_as_a_whole_is_a_matter_of_rights(peer: Peer, kind: str) -> None:
    error = {"type": kind, "message": f"no {TOKEN}"}
    peer.script = [say(200, {"errors": [error]}), say(200, {"data": {"a": 1, "b": None}, "errors": [error]})]
    with connected(peer) as client:
        with pytest.raises(Denied) as denied:
            client.graphql("{ a }")
        graph = client.graphql("{ a b }")
    assert TOKEN not in str(denied.value)
    assert TOKEN not in graph.errors[0].message
    assert graph.data == {"a": 1, "b": None}


def test_single_sign_on_of_one_organisation_refuses_the_whole_answer(peer: Peer) -> None:
    error = {"type": "FORBIDDEN", "message": "SAML", "extensions": {"saml_failure": True}}
    peer.script = [say(200, {"data": {"a": 1}, "errors": [error]})]
    with connected(peer) as client, pytest.raises(Denied):
        client.graphql("{ a }")


def test_a_mutation_refused_for_its_content_is_for_the_caller(peer: Peer) -> None:
    error = {"type": "STALE_DATA", "path": ["createCommitOnBranch"], "message": "Expected branch to point to x"}
    peer.script = [say(200, {"data": {"createCommitOnBranch": None}, "errors": [error]})]
    with connected(peer) as client:
        graph = client.mutate("mutation { createCommitOnBranch }")
    assert graph.errors[0].type == "STALE_DATA"


def test_neither_data_nor_errors_is_no_answer(peer: Peer) -> None:
    peer.script = [say(200, {}), say(200, {"data": []})]
    with connected(peer) as client:
        for _ in range(2):
            with pytest.raises(ForgeError, match="cannot be used"):
                client.graphql("{ a }")
