"""REST: whatever JSON is sent to whichever write, the answer is a refusal or an effect, never a crash."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forge.rest_world import NOW, World, served

WORDS = [
    "main", "topic", "refs/heads/x", "refs/tags/\u00e9", "completed", "active", "branch", "", "\x00", "..", "ci",
    "0" * 40, "Team", "update", "100644", "open", "closed", "squash", "2026-01-01", "base64",
]  # fmt: skip
FIELDS = [
    "ref", "sha", "force", "title", "head", "base", "state", "body", "draft", "merge_method", "name", "head_sha",
    "status", "conclusion", "context", "object", "type", "tag", "message", "tagger", "date", "tree", "path", "mode",
    "content", "encoding", "base_tree", "parents", "author", "required_status_checks", "strict", "checks", "contexts",
    "app_id", "enforce_admins", "required_pull_request_reviews", "required_approving_review_count", "restrictions",
    "users", "teams", "apps", "enforcement", "conditions", "ref_name", "include", "exclude", "rules", "parameters",
    "bypass_actors", "actor_id", "actor_type", "bypass_mode", "event", "output", "repository_name", "target",
]  # fmt: skip
CHECKS = {"strict": True, "contexts": ["ci"], "checks": [{"context": "ci", "app_id": 1}]}
REQUIRED = {"required_status_checks": [{"context": "ci"}], "strict_required_status_checks_policy": False}
RULE = {"type": "required_status_checks", "parameters": REQUIRED}
ACTOR = {"actor_type": "Team", "actor_id": 70, "bypass_mode": "always"}
NAMES = {"ref_name": {"include": ["refs/heads/z*"], "exclude": []}}
# Valid requests ("SHA" stands for the tip of main), which random fields are put into.
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "git/refs", {"ref": "refs/heads/new", "sha": "SHA"}),
    ("PATCH", "git/refs/heads/topic", {"sha": "SHA", "force": True}),
    ("POST", "git/tags", {"tag": "t", "message": "m", "object": "SHA", "type": "commit", "tagger": {"name": "n"}}),
    ("POST", "git/trees", {"tree": [{"path": "a/b", "mode": "100644", "type": "blob", "content": "x"}]}),
    ("POST", "git/commits", {"message": "m", "tree": "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "parents": ["SHA"]}),
    ("POST", "git/blobs", {"content": "eA==", "encoding": "base64"}),
    ("POST", "pulls", {"title": "t", "head": "topic", "base": "main", "body": None, "draft": False}),
    ("PATCH", "pulls/1", {"title": "t", "state": "open"}),
    ("PUT", "pulls/1/merge", {"sha": "0" * 40, "merge_method": "squash"}),
    ("POST", "pulls/1/reviews", {"event": "COMMENT", "body": "b"}),
    ("POST", "check-runs", {"name": "n", "head_sha": "SHA", "conclusion": "success", "output": {"title": "t"}}),
    ("POST", "statuses/SHA", {"state": "success", "context": "ci"}),
    ("POST", "rulesets", {"name": "r", "enforcement": "active", "conditions": NAMES, "rules": [RULE],
                          "bypass_actors": [ACTOR]}),
    ("PUT", "branches/topic/protection", {"required_status_checks": CHECKS, "enforce_admins": False,
                                          "required_pull_request_reviews": {}, "restrictions": {"teams": ["x"]}}),
]  # fmt: skip
READS = ["branches/{}", "commits/{}", "commits?sha={}", "commits?path={}", "commits?since={}", "compare/main...{}",
         "contents/{}", "contents?ref={}", "git/ref/{}", "git/matching-refs/{}", "git/trees/{}", "git/tags/{}",
         "git/blobs/{}", "pulls?head={}", "pulls/{}", "commits/{}/check-runs", "check-runs/{}", "rulesets/{}",
         "rules/branches/{}", "commits/{}/status", "branches?page={}&per_page={}"]  # fmt: skip

scalars = st.one_of(st.none(), st.booleans(), st.integers(-3, 10**19), st.sampled_from(WORDS), st.text(max_size=5))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=25,
)
changes = st.dictionaries(st.sampled_from(FIELDS), values, max_size=4)


def deep(body: Any, path: int, value: Any) -> Any:
    """`body` with one value, chosen by `path`, replaced."""
    if isinstance(body, dict) and body:
        key = sorted(body)[path % len(body)]
        return {**body, key: deep(body[key], path // len(body), value)}
    if isinstance(body, list) and body:
        return [deep(body[0], path, value)]
    return value


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(tmp_path_factory.mktemp("forge")) as found:
        hours = itertools.count()
        found.forge.clock = lambda: NOW + timedelta(minutes=next(hours))  # no rate limit stands in the way
        found.branch("topic")
        found.api().open("topic")
        yield found


@pytest.mark.parametrize("write", WRITES, ids=lambda write: f"{write[0]} {write[1]}")
@settings(max_examples=20)
@given(changes, st.integers(0, 200), values)
def test_writes(world: World, write: tuple[str, str, dict[str, Any]], more: dict[str, Any], at: int, odd: Any) -> None:
    method, path, valid = write
    who, sha = "app" if path == "check-runs" else "dana", world.tip()
    for body in ({**valid, **more}, deep(valid, at, odd)):
        text = json.dumps(body).replace('"SHA"', f'"{sha}"')
        answer = world.api(who).call(method, path.replace("SHA", sha), content=text)
        assert answer.status_code < 500, text
    assert world.api("dana").get("branches/main").status_code == 200
    assert world.api("carol").post("git/refs", {"ref": "refs/heads/z", "sha": sha}).status_code in (201, 422)


@given(st.sampled_from(WORDS) | st.text(max_size=8))
def test_reads(world: World, word: str) -> None:
    encoded = quote(word.encode("utf-8", "surrogatepass"), safe="")
    for path in READS:
        answer = world.api("dana").get(path.replace("{}", encoded))
        assert answer.status_code < 500, path
