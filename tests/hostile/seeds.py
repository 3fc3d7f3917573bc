"""One good document of every format that comes from outside: what the hostile samples and the fuzzer start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core import test_candidate
from core.world import PRODUCT, TOML, dist, planned, prepared, released, sha, sha256
from ms_release.core import ledger, train
from ms_release.core.candidate import render_candidate, render_checksums

GOAL = planned()
PLAN = GOAL.file.data
SPEC_3 = train.render_spec(GOAL)
SPECS = Path(__file__).parents[1] / "data" / "distribution" / "release-specs"
SPEC_1 = (SPECS / "v0.0.1-beta.1.json").read_bytes()
SPEC_2 = (SPECS / "v0.0.1-beta.16.json").read_bytes()
MANIFEST = dist(GOAL)["manifest.json"]
CANDIDATE = render_candidate(test_candidate.GOOD)
CANDIDATE_1 = json.dumps(test_candidate.OLD).encode()
CHECKSUMS = render_checksums(test_candidate.SUMS)
ENTRY = ledger.make_entry(GOAL, released(GOAL, prepared(GOAL)), released(GOAL, prepared(GOAL)).home.releases[0])
assert isinstance(ENTRY, bytes)
LEDGER: bytes = ENTRY
CONFIGURATION = TOML.encode()
WORLD = b"""\
[world]
schema = 1

[[user]]
login = "alice"
name = "Alice"
tokens = ["alice-token"]

[[org]]
login = "o"

[[team]]
org = "o"
slug = "t"
members = ["alice"]

[[token]]
value = "less"
user = "alice"
permissions = { contents = "read" }

[[repository]]
name = "o/r"
access = { alice = "admin" }
secrets = { KEY = "x" }

[repository.protection]
enforce_admins = true
required_status_checks = { checks = [{ context = "test" }] }

[[repository.environment]]
name = "release"
reviewers = ["alice", "o/t"]

[[repository.ruleset]]
name = "tags"
target = "tag"
include = ["refs/tags/v*"]
rules = [{ type = "deletion" }]
"""
WORKFLOW = (
    Path(__file__).parents[2] / "src/ms_release/forge/example/distribution/.github/workflows/publish.yml"
).read_bytes()

# ---- what a forge says

NOW = "Sat, 10 Jan 2026 12:00:00 GMT"
RELEASE: dict[str, Any] = {
    "id": 501, "tag_name": "rc-1", "draft": False, "prerelease": True, "body": "text", "published_at": "2026-01-01",
    "assets": [
        {"id": 9, "node_id": "RA_9", "name": "candidate.json", "size": 12, "state": "uploaded",
         "digest": "sha256:" + sha256("x")},
    ],
}  # fmt: skip
RUN: dict[str, Any] = {
    "id": 900, "display_title": "publish", "status": "completed", "event": "workflow_dispatch", "head_sha": sha("home"),
    "run_attempt": 1, "html_url": "https://forge.example/runs/900", "conclusion": "success",
    "actor": {"login": "alice"}, "triggering_actor": {"login": "alice"},
}  # fmt: skip
ENVIRONMENT: dict[str, Any] = {
    "name": "release", "can_admins_bypass": False, "deployment_branch_policy": {"protected_branches": True},
    "protection_rules": [
        {"type": "required_reviewers", "prevent_self_review": True,
         "reviewers": [{"type": "Team", "reviewer": {"slug": "release-managers"}}]},
    ],
}  # fmt: skip
RULES: list[Any] = [
    {"type": "pull_request", "parameters": {}},
    {"type": "required_status_checks", "parameters": {
        "required_status_checks": [{"context": "validate"}], "strict_required_status_checks_policy": True}},
]  # fmt: skip
APPROVALS: list[Any] = [
    {"state": "approved", "comment": "", "environments": [{"name": "release", "id": 3}], "user": {"login": "bob"}}
]
CHECK_RUNS: dict[str, Any] = {
    "total_count": 1,
    "check_runs": [{"id": 5, "status": "completed", "conclusion": "success"}],
}

LAST = {"hasNextPage": False, "endCursor": None}


def commit_node(name: str, *, checks: bool = True) -> dict[str, Any]:
    node: dict[str, Any] = {
        "oid": sha(name), "messageHeadline": f"fix: {name}", "messageBody": "", "author": {"name": "Carol"},
    }  # fmt: skip
    if checks:
        runs = [{"databaseId": 1, "name": "test", "status": "COMPLETED", "conclusion": "SUCCESS"}]
        suite = {
            "app": {"slug": "github-actions"}, "branch": {"name": "main"},
            "workflowRun": {"databaseId": 71, "event": "push"}, "checkRuns": {"nodes": runs, "pageInfo": LAST},
        }  # fmt: skip
        node["checkSuites"] = {"nodes": [suite], "pageInfo": LAST}
    return node


def release_node(number: int, tag: str) -> dict[str, Any]:
    return {
        "databaseId": number, "tagName": tag, "isDraft": False, "isPrerelease": True, "publishedAt": None,
        "description": "x", "releaseAssets": {"nodes": [{"id": "RA_9", "name": "a", "size": 3}], "pageInfo": LAST},
    }  # fmt: skip


def component(name: str) -> dict[str, Any]:
    """A repository as `survey` and `look` ask for it, in one."""
    head = commit_node(name)
    target = {"oid": sha(name), "checked": {"nodes": [head]},
              "history": {"nodes": [commit_node(name, checks=False), commit_node("older", checks=False)],
                          "pageInfo": LAST}}  # fmt: skip
    return {
        "nameWithOwner": f"studio/{name}", "releases": {"nodes": [release_node(500, "rc-1")], "pageInfo": LAST},
        "ref": {"target": target, "compare": {"status": "BEHIND"}}, "commit": head,
    }  # fmt: skip


def pull_node() -> dict[str, Any]:
    return {
        "number": 7, "url": "https://forge.example/pull/7", "state": "OPEN", "author": {"login": "alice"},
        "headRefOid": sha("head"), "mergedBy": None, "mergeCommit": None, "files": {"nodes": [{"path": "a"}]},
    }  # fmt: skip


def home() -> dict[str, Any]:
    blob = {"oid": sha("blob"), "text": "{}", "isTruncated": False}
    rule = {"requiredApprovingReviewCount": 0, "requiredStatusCheckContexts": ["validate"], "allowsForcePushes": False,
            "allowsDeletions": False}  # fmt: skip
    change = {
        alias: value
        for name in ("change", "evidence")
        for alias, value in {
            name: {"target": {"oid": sha("head"), "checkSuites": {"nodes": [], "pageInfo": LAST}}},
            f"{name}_base": {"compare": {"behindBy": 0}},
            f"{name}_pulls": {"nodes": [pull_node()]},
            f"{name}_head0": blob,
            f"{name}_base0": None,
        }.items()
    }
    return {
        "nameWithOwner": "studio/distribution",
        "head": {"target": {"oid": sha("home")}, "refUpdateRule": rule},
        "config": {"oid": sha("config")}, "audit": blob,
        "plans": {"entries": [{"name": "v0.1.0-beta.1.json"}]}, "ledger": None,
        "tags": {"nodes": [{"name": "v0.0.1", "target": {"oid": sha("tag"), "target": {"oid": sha("home")}}}],
                 "pageInfo": LAST},
        "branches": {"nodes": [{"name": "v0.1.0-beta.1"}]}, "abandoned": None, "abandoning": {"nodes": []},
        "releases": {"nodes": [release_node(77, "v0.0.1")], "pageInfo": LAST},
        **change,
    }  # fmt: skip


def graph() -> dict[str, Any]:
    """The answer to `survey` and to `look` about the organisation of `core.world`."""
    parts = {f"r{number}": component(name) for number, name in enumerate(PRODUCT.repos)}
    return {"data": {"viewer": {"login": "alice"}, "home": home(), **parts}}


GRAPH = json.dumps(graph()).encode()
