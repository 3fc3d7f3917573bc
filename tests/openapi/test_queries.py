"""GraphQL exchanges are held to GitHub's own schema, and so is every query that the reader can send."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from ms_release.adapters import queries
from ms_release.forge.graphql.schema import SCHEMA_FILE
from openapi.queries import github, invalid, judge

QUERY = """query($n: Int!) { repository(owner: "o", name: "r") {
  databaseId url isPrivate refs(refPrefix: "refs/tags/", first: $n) { nodes { name target { __typename oid ...C } } }
} } fragment C on Commit { messageHeadline committedDate }"""


def data(target: Any = None, **repository: Any) -> dict[str, Any]:
    commit = {"__typename": "Commit", "oid": "a" * 40, "messageHeadline": "m", "committedDate": "2026-01-01T00:00:00Z"}
    nodes = [{"name": "v1", "target": target or commit}]
    found = {"databaseId": 1, "url": "http://h/o/r", "isPrivate": False, "refs": {"nodes": nodes}, **repository}
    return {"data": {"repository": found}}


def told(body: Any, query: str | None = QUERY) -> list[str]:
    return judge({"graphql": query, "body": body, "status": 200})


@pytest.mark.parametrize(
    "body",
    [
        data(),
        data({"__typename": "Tag", "oid": "b" * 40}),
        data(databaseId=None, refs=None),
        {"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "message": "no"}]},
        {"errors": [{"type": "RATE_LIMITED", "message": "later"}]},
    ],
)
def test_good_answers(body: Any) -> None:
    assert told(body) == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (data(databaseId="1"), "'1' is no Int"),
        (data(url=None), "null where URI! belongs"),
        (data(isPrivate=None), "null where Boolean! belongs"),
        (data(refs=[]), "no object where RefConnection belongs"),
        (data(refs={"nodes": {}}), "no list where [Ref] belongs"),
        (data(more=1), "more: nobody asked for it"),
        ({"data": {"repository": {"databaseId": 1}}}, "isPrivate: missing"),
        (data({"__typename": "Commit", "oid": "b" * 40}), "missing"),
        (data({"__typename": "Tag", "oid": "short"}), "'short' is no GitObjectID"),
        ({"data": None}, "neither data nor errors"),
        ({"message": "x"}, "not of data and errors"),
        ({"errors": [{"type": "X"}]}, "an error without a message"),
    ],
)
def test_bad_answers(body: Any, problem: str) -> None:
    assert any(problem in one for one in told(body)), told(body)


def test_an_enumeration() -> None:
    query = '{repository(owner: "o", name: "r") {pullRequest(number: 1) {state}}}'
    for state, good in (("OPEN", True), ("open", False)):
        assert (told({"data": {"repository": {"pullRequest": {"state": state}}}}, query) == []) is good


def test_queries_that_github_would_refuse() -> None:
    (refused,) = invalid('{repository(owner: "o", name: "r") {nope}}')
    assert refused.startswith("Cannot query field 'nope' on type 'Repository'.")
    assert invalid("{viewer {login}") != ()
    assert invalid(QUERY) == ()


def test_the_schema_of_github_knows_every_type_that_the_forge_has() -> None:
    ours = {line.split()[1] for line in SCHEMA_FILE.read_text().splitlines() if line.startswith(("type ", "enum "))}
    assert ours <= github().type_map.keys()


# ---- what the client itself sends

ADAPTERS = Path(queries.__file__).parent
SHA = "a" * 40
# function of queries.py → its arguments after the query (and after the alias, where it takes one)
PARTS: dict[str, tuple[Any, ...]] = {
    "file_of": ("x", "main:a.txt"),
    "folder_of": ("x", "main:a"),
    "newest_change": ("x", "main", "a.txt"),
    "component": ("main",),
    "pinned": ("main", SHA),
    "one_commit": ("x", "main", SHA),
    "change": ("x", "main", "release/v1.0.0", ("a.txt", "b.txt")),
    "page_of_tags": ("cursor",),
    "page_of_releases": ("cursor",),
    "head_of": ("main",),
    "release_branches": ("cursor",),
}


def parts() -> set[str]:
    """The functions that write a part of a query."""
    made = inspect.getmembers(queries, inspect.isfunction)
    return {name for name, function in made if next(iter(inspect.signature(function).parameters), "") == "query"}


def test_every_part_is_in_the_table() -> None:
    assert parts() == PARTS.keys()


@pytest.mark.parametrize("name", sorted(PARTS))
def test_github_takes_every_part(name: str) -> None:
    query = queries.Query()
    more = {"text": True} if name == "file_of" else {}
    query.repository("r0", "o/r", getattr(queries, name)(query, *PARTS[name], **more))
    assert invalid(query.text) == ()


@pytest.mark.parametrize("fragment", sorted(queries.FRAGMENTS))
def test_github_takes_every_fragment(fragment: str) -> None:
    query = queries.Query()
    spread = f"...{fragment}"
    elsewhere = {
        "Checked": f'object(expression: "main") {{ ...on Commit {{ {spread} }} }}',
        "Protected": f'ref(qualifiedName: "refs/heads/main") {{ {spread} }}',
    }
    query.repository("r0", "o/r", elsewhere.get(fragment, spread))
    assert invalid(query.text) == ()


def whole_texts() -> list[str]:
    """The operations that stand complete in the source of an adapter."""
    trees = [ast.parse(file.read_text()) for file in sorted(ADAPTERS.glob("*.py"))]
    texts = [n.value for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and re.match(r"\s*(mutation|query)\b[^{]*\{", text)]


def test_github_takes_every_whole_operation() -> None:
    assert [text for text in whole_texts() if "createCommitOnBranch" in text]
    assert {text: told for text in whole_texts() if (told := invalid(text))} == {}
