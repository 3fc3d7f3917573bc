"""What a release costs in requests, as the forge counts them for the operator."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from scenarios.stage import BETA, COMPONENTS, FIRST, Stage

PLAN, RELEASE, QUIET_POLLS = 8, 40, 3
Requests = list[dict[str, Any]]


def api(requests: Requests) -> int:
    """Requests of the API itself: neither polls nor bytes of files."""
    return sum(request["kind"] in ("rest", "graphql") for request in requests)


def downloads(requests: Requests) -> int:
    """Files fetched; the storage that the forge redirects to is a part of the same download."""
    return sum(r["kind"] == "asset" and not r["path"].startswith("/_storage/") for r in requests)


def test_planning(stage: Stage) -> None:
    since = len(stage.store.requests())
    first = stage.type("alice", "plan", *BETA)
    assert first.exit == 0, first.errors
    asked = stage.asked_by("alice", since)
    assert api(asked) <= PLAN, Counter((r["method"], r["path"]) for r in asked)
    assert downloads(asked) == len(COMPONENTS)
    assert {r["method"] for r in asked if r["kind"] == "rest"} == {"GET"}

    again = stage.type("alice", "plan", *BETA)
    asked = stage.asked_by("alice", since)[len(asked) :]
    assert api(asked) <= PLAN
    assert downloads(asked) == 0, "candidate.json is fetched once"
    other = stage.type("erin", "plan", *BETA)
    documents = [verb.document for verb in (first, again, other)]
    assert len({document["digest"] for document in documents}) == 1
    assert documents[0]["tag"] == FIRST
    assert stage.performed() == []


def test_a_release_whose_candidates_are_ready(stage: Stage) -> None:
    since = len(stage.store.requests())
    prepared = stage.type("alice", "prepare", *BETA, "--watch")
    assert prepared.exit == 0, prepared.errors
    publishing = stage.begin("alice", "publish", *BETA, "--watch")
    run = stage.until(stage.waiting)
    path = f"/repos/midi-studio/distribution/actions/runs/{run['id']}"

    def quiet() -> Requests:
        """What the operator asked since the last answer that said something new."""
        asked = stage.asked_by("alice", since)
        news = [at for at, request in enumerate(asked) if request["status"] != 304]
        return asked[news[-1] + 1 :]

    stage.until(lambda: len(quiet()) >= QUIET_POLLS)
    assert {(r["kind"], r["method"], r["path"]) for r in quiet()} == {("poll", "GET", path)}
    with stage.approving():
        ended = publishing.end()
    assert ended.exit == 0, ended.errors
    assert stage.published() == [FIRST]

    asked = stage.asked_by("alice", since)
    assert api(asked) <= RELEASE, Counter((r["method"], r["path"]) for r in asked if r["kind"] != "poll")
    polls = [r for r in asked if re.search(r"/(actions/runs/\d+|check-runs)\Z", r["path"])]
    assert {r["status"] for r in polls} == {200, 304}
