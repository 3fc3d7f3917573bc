"""Closing a pull request, ending a run: one request each, sent again where that is harmless; what refusals mean."""

from __future__ import annotations

import json

import pytest

from adapters.peer import Reply, connected, drop, say, serving
from ms_release.adapters.github_write import GitHubWriter
from ms_release.core.action import CancelRun, ClosePullRequest
from ms_release.errors import BlockedError, CredentialError, MsError
from ms_release.render.text import sentence

CLOSE = ClosePullRequest("o/home", "release/v1.0.0", 7)
STOP = CancelRun("o/home", 42, "v1.0.0")
ENDED = say(409, {"message": "Cannot cancel a workflow run that is completed."})


@pytest.mark.parametrize(
    ("what", "script", "request_line", "number"),
    [
        pytest.param(CLOSE, [say(200, {"number": 7})], "PATCH /api/v3/repos/o/home/pulls/7", 7, id="close"),
        pytest.param(CLOSE, [drop, say(200, {})], "PATCH /api/v3/repos/o/home/pulls/7", 7, id="close, answer lost"),
        pytest.param(STOP, [say(202, {})], "POST /api/v3/repos/o/home/actions/runs/42/cancel", 42, id="cancel"),
        pytest.param(STOP, [ENDED], "POST /api/v3/repos/o/home/actions/runs/42/cancel", 42, id="it has ended"),
        pytest.param(STOP, [drop, ENDED], "POST /api/v3/repos/o/home/actions/runs/42/cancel", 42, id="cancelled twice"),
    ],
)
def test_what_is_asked(what: ClosePullRequest | CancelRun, script: list[Reply], request_line: str, number: int) -> None:
    with serving() as peer:
        peer.script = list(script)
        with connected(peer) as client:
            assert GitHubWriter(client).perform(what).id == number
        assert [f"{asked.method} {asked.path}" for asked in peer.asked] == [request_line] * len(script)
        assert peer.asked[0].body == b"" or json.loads(peer.asked[0].body) == {"state": "closed"}


@pytest.mark.parametrize(
    ("what", "status", "kind", "words"),
    [
        (CLOSE, 403, CredentialError, "this token may not close #7 of o/home"),
        (CLOSE, 404, CredentialError, "this token may not close #7 of o/home"),
        (CLOSE, 422, BlockedError, "the forge refuses to close #7 of o/home: no"),
        (STOP, 403, CredentialError, "this token may not cancel the run 42 of o/home"),
        (STOP, 404, CredentialError, "this token may not cancel the run 42 of o/home"),
    ],
)
def test_what_a_refusal_means(what: ClosePullRequest | CancelRun, status: int, kind: type[MsError], words: str) -> None:
    with serving() as peer:
        peer.script = [say(status, {"message": "no"})]
        with connected(peer) as client, pytest.raises(kind) as refused:
            GitHubWriter(client).perform(what)
        assert refused.value.cause == words
        assert len(peer.asked) == 1
    if kind is CredentialError:
        assert ("actions: write" if what is STOP else "pull_requests: write") in refused.value.remedy


def test_in_words() -> None:
    assert sentence(CLOSE) == "close the pull request of release/v1.0.0"
    assert sentence(STOP) == "cancel the publishing run of v1.0.0"
