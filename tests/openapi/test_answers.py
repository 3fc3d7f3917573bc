"""The judge of answers says no: to a field that is missing, of another type or not GitHub's, a status, a route."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from openapi.answers import VERSIONS, Judge, description
from openapi.deviations import CORRECTED, NOT_JSON, STATUSES, UNUSED
from openapi.served import bare, served

REF = "/repos/{owner}/{repo}/git/ref/{ref}"
CHECK = "/repos/{owner}/{repo}/commits/{ref}/status"
Json = dict[str, Any]
GOOD: Json = {
    "ref": "refs/heads/main",
    "node_id": "REF_1",
    "url": "http://127.0.0.1/api/v3/repos/o/r/git/refs/heads/main",
    "object": {"type": "commit", "sha": "a" * 40, "url": "http://127.0.0.1/api/v3/repos/o/r/git/commits/a"},
}
LIMIT = {"limit": 60, "remaining": 59, "reset": 1, "used": 1}
RATES: Json = {"resources": {"core": LIMIT, "search": LIMIT}}


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(description())


def line(body: Any, status: int = 200, route: str = REF, **more: Any) -> Json:
    return {"method": "GET", "route": route, "version": "", "status": status, "body": body, **more}


def changed(change: Callable[[Json], Any]) -> Json:
    body = copy.deepcopy(GOOD)
    change(body)
    return body


def test_a_good_answer(judge: Judge) -> None:
    assert judge.judge(line(GOOD)) == []
    assert judge.seen[f"GET {REF}"] == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (changed(lambda b: b.pop("node_id")), "the answer: 'node_id' is a required property"),
        (changed(lambda b: b["object"].pop("sha")), "object: 'sha' is a required property"),
        (changed(lambda b: b.update(ref=7)), "ref: 7 is not of type 'string'"),
        (changed(lambda b: b.update(ref=None)), "ref: None is not of type 'string'"),
        (changed(lambda b: b.update(url="no address")), "url: 'no address' is not a 'uri'"),
        (changed(lambda b: b.update(color="red")), "GitHub knows no field color"),
        (changed(lambda b: b["object"].update(color="red")), "GitHub knows no field object.color"),
        ([GOOD], "the answer: [{"),
        (None, "no JSON"),
    ],
)
def test_bad_answers(judge: Judge, body: Any, told: str) -> None:
    (problem,) = judge.judge(line(body))
    assert told in problem
    assert problem.startswith(f"GET {REF} 200")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (line(GOOD, 201), "GitHub does not document this status"),
        (line({"message": "x"}, 500), "the forge failed"),
        (line({"message": "x"}, 500, "/repos/{owner}/{repo}/commits"), "the forge failed"),
        (line({"message": 7}, 404), "message: 7 is not of type 'string'"),
        (line({"error": "x"}, 404), "GitHub knows no field error"),
        (line({"message": "x", "errors": [{"field": "f"}]}, 422), "'documentation_url' is a required property"),
        (line({"message": "x"}, 418, route=""), "GitHub does not document this status"),
        (line(GOOD, route="/repos/{owner}/{repo}/stars"), "not in the extract of GitHub's description"),
        (line({}, 204, "/repos/{owner}/{repo}/git/refs/{ref}", method="DELETE"), "a body where GitHub sends none"),
    ],
)
def test_bad_statuses_and_routes(judge: Judge, said: Json, told: str) -> None:
    assert any(told in problem for problem in judge.judge(said))


@pytest.mark.parametrize(
    "said",
    [
        line(None, 304),
        line({"message": "Not Found", "documentation_url": "x", "status": "404"}, 404),
        line({"message": "Bad credentials", "documentation_url": "x", "status": "401"}, 401, route=""),
        line(None, method="HEAD"),
        line(None, 204, "/repos/{owner}/{repo}/git/refs/{name:path}", method="DELETE"),
        line({}, 201, "/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/zip", method="POST"),
    ],
)
def test_good_ones_of_other_kinds(judge: Judge, said: Json) -> None:
    assert judge.judge(said) == []


def test_a_field_that_the_newer_version_has_no_more(judge: Judge) -> None:
    old, new = (line({**RATES, "rate": LIMIT}, route="/rate_limit", version=version) for version in VERSIONS)
    assert judge.judge(old) == []
    assert judge.judge(new) == ["GET /rate_limit 200: GitHub knows no field rate"]
    assert judge.judge({**new, "body": RATES}) == []
    assert judge.judge({**old, "body": RATES}) == ["GET /rate_limit 200: the answer: 'rate' is a required property"]


@pytest.mark.parametrize("value", ["success", "perhaps", None])
def test_an_enumeration_that_may_be_null(judge: Judge, value: str | None) -> None:
    found = judge.judge(line({"conclusion": value}, route="/repos/{owner}/{repo}/actions/jobs/{job_id}"))
    assert any(" 200: conclusion: " in problem for problem in found) == (value == "perhaps")


def test_the_extract_is_of_what_is_served() -> None:
    """After a new route: ./dev openapi."""
    assert {bare(name) for name in description()["operations"]} == {bare(name) for name in served()}


def test_every_deviation_is_of_an_operation_that_is_served() -> None:
    named = {name for name, _ in (*STATUSES, *CORRECTED)} | {*NOT_JSON, *UNUSED}
    assert named <= description()["operations"].keys()
