"""The GraphQL part of the forge: a true subset of GitHub's schema, GitHub's errors and limits, fast enough."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DefinitionNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    ObjectTypeDefinitionNode,
    UnionTypeDefinitionNode,
    parse,
    print_ast,
)

from forge.small_world import CLOSED, OPEN, Small, add_commits, small_world
from ms_release.forge import git
from ms_release.forge.graphql.schema import SCHEMA_FILE, schema

GITHUB = Path(__file__).parents[1] / "data" / "github-graphql.graphql"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Small]:
    with small_world(tmp_path) as small:
        yield small


def data(answer: dict[str, Any]) -> dict[str, Any]:
    assert "errors" not in answer, answer["errors"]
    found: dict[str, Any] = answer["data"]
    return found


def in_repository(fields: str, repo: str = OPEN) -> str:
    owner, name = repo.split("/")
    return f'{{repository(owner: "{owner}", name: "{name}") {{{fields}}}}}'


def repository(world: Small, fields: str, token: str = "carol-token", repo: str = OPEN) -> dict[str, Any]:
    found: dict[str, Any] = data(world.graphql(in_repository(fields, repo), token))["repository"]
    return found


# ---- the schema


def _definitions(file: Path) -> dict[str, DefinitionNode]:
    return {d.name.value: d for d in parse(file.read_text(), no_location=True).definitions}  # type: ignore[attr-defined]


OURS, THEIRS = _definitions(SCHEMA_FILE), _definitions(GITHUB)


def _arguments(nodes: tuple[InputValueDefinitionNode, ...]) -> dict[str, tuple[str, str]]:
    return {
        n.name.value: (print_ast(n.type), print_ast(n.default_value) if n.default_value is not None else "")
        for n in nodes
    }


def _fields(node: Any) -> dict[str, FieldDefinitionNode]:
    return {field.name.value: field for field in node.fields}


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_type_is_a_part_of_githubs(name: str) -> None:
    ours, theirs = OURS[name], THEIRS[name]
    assert type(ours) is type(theirs)
    if isinstance(ours, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        parents = [{i.name.value for i in node.interfaces or ()} for node in (ours, theirs)]  # type: ignore[attr-defined]
        assert parents[0] <= parents[1]
        for key, field in _fields(ours).items():
            model = _fields(theirs)[key]
            given, full = _arguments(field.arguments or ()), _arguments(model.arguments or ())
            assert print_ast(field.type) == print_ast(model.type), key
            assert given.items() <= full.items(), key
            needed = {n for n, (kind, default) in full.items() if kind.endswith("!") and not default}
            assert needed <= given.keys(), key
    elif isinstance(ours, InputObjectTypeDefinitionNode):
        assert _arguments(ours.fields or ()) == _arguments(theirs.fields or ())  # type: ignore[attr-defined]
    elif isinstance(ours, EnumTypeDefinitionNode):
        assert print_ast(ours) == print_ast(theirs)
    elif isinstance(ours, UnionTypeDefinitionNode):
        members = [{kind.name.value for kind in node.types} for node in (ours, theirs)]  # type: ignore[attr-defined]
        assert members[0] <= members[1]


def test_assets_have_no_number_and_no_digest() -> None:
    fields = schema().type_map["ReleaseAsset"].fields  # type: ignore[attr-defined]
    assert not {"databaseId", "digest"} & fields.keys()


# ---- errors


def test_g9_unknown_and_hidden_repositories_look_the_same(world: Small) -> None:
    query = '{a: repository(owner: "o", name: "nope") {url} b: viewer {login}}'
    answer = world.graphql(query)
    assert answer["data"] == {"a": None, "b": {"login": "carol"}}
    assert answer["errors"] == [
        {
            "type": "NOT_FOUND",
            "path": ["a"],
            "locations": [{"line": 1, "column": 2}],
            "message": "Could not resolve to a Repository with the name 'o/nope'.",
        }
    ]
    hidden = world.graphql(in_repository("url", CLOSED), "job-token")
    assert hidden["data"] == {"repository": None}
    assert hidden["errors"][0]["message"] == "Could not resolve to a Repository with the name 'o/closed'."


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ("releases {totalCount}", "MISSING_PAGINATION_BOUNDARIES"),
        ("releases(first: 101) {totalCount}", "EXCESSIVE_PAGINATION"),
        ("releases(first: 1, last: 1) {totalCount}", "EXCESSIVE_PAGINATION_BOUNDARIES"),
        ("releases(first: -1) {totalCount}", "INVALID_PAGINATION"),
        ('releases(first: 1, after: "bm9uc2Vuc2U=") {totalCount}', "INVALID_CURSOR_ARGUMENTS"),
        ("pullRequest(number: 7) {url}", "NOT_FOUND"),
    ],
)
def test_g44_pages_have_a_size_of_at_most_100(world: Small, fields: str, kind: str) -> None:
    assert [error["type"] for error in world.graphql(in_repository(fields))["errors"]] == [kind]


def test_g44_too_many_possible_nodes(world: Small) -> None:
    deep = "refs(refPrefix: \"refs/tags/\", first: 100) {nodes {target {... on Commit {history(first: 100) {nodes {checkSuites(first: %s) {totalCount}}}}}}}"  # fmt: skip  # noqa: E501
    assert "errors" not in world.graphql(in_repository(deep % 48))
    answer = world.graphql(in_repository(deep % 49))
    assert answer["errors"][0]["type"] == "MAX_NODE_LIMIT_EXCEEDED"
    assert answer["errors"][0]["message"].startswith("This query requests up to 500,100 possible nodes")
    assert "data" not in answer


def test_invalid_queries(world: Small) -> None:
    unknown = world.graphql("{viewer {nope}}")
    assert unknown["errors"][0]["message"] == "Field 'nope' doesn't exist on type 'User'"
    assert unknown["errors"][0]["extensions"]["code"] == "undefinedField"
    assert "data" not in unknown
    assert "errors" in world.graphql("{viewer {login}")
    with world.client() as client:
        assert client.post("/api/graphql", json={"query": 1}).status_code == 400
        assert client.post("/api/graphql", content=b"{").status_code == 400
    with world.client(None) as client:
        assert client.post("/api/graphql", json={"query": "{viewer {login}}"}).status_code == 401


def test_rate_limit_counts_the_price(world: Small) -> None:
    query = "{rateLimit {cost remaining limit used nodeCount resetAt}}"
    first = data(world.graphql(query))["rateLimit"]
    fields = "history(first: 100) {nodes {checkSuites(first: 10) {nodes {checkRuns(first: 10) {totalCount}}}}}"
    big = in_repository(f"defaultBranchRef {{target {{... on Commit {{{fields}}}}}}}")
    data(world.graphql(big))
    last = data(world.graphql(query))["rateLimit"]
    assert (first["limit"], first["cost"]) == (5000, 1)
    # 1 request for the history, 100 for the suites of its commits, 1000 for the runs of those: 1101 / 100
    assert first["remaining"] - last["remaining"] == 11 + 1


# ---- git


def test_history_pages_and_parents(world: Small) -> None:
    fields = """defaultBranchRef {name prefix target {oid ... on Commit {
        history(first: 2 AFTER) {totalCount pageInfo {hasNextPage endCursor}
            nodes {oid messageHeadline messageBody message committedDate author {name email user {login}}
                   parents(first: 1) {nodes {oid}} tree {oid}}}}}}"""
    tip = repository(world, fields.replace("AFTER", ""))["defaultBranchRef"]
    first = tip["target"]["history"]
    assert (tip["name"], tip["prefix"], tip["target"]["oid"]) == ("main", "refs/heads/", world.heads[OPEN])
    assert (first["totalCount"], first["pageInfo"]["hasNextPage"]) == (3, True)
    newest = first["nodes"][0]
    assert newest["messageHeadline"] == "feat: number 2"
    assert newest["messageBody"] == "Why 2."
    assert newest["message"] == "feat: number 2\n\nWhy 2."
    assert newest["author"]["user"] == {"login": "carol"}
    assert newest["parents"]["nodes"] == [{"oid": first["nodes"][1]["oid"]}]
    after = first["pageInfo"]["endCursor"]
    rest = repository(world, fields.replace("AFTER", f', after: "{after}"'))["defaultBranchRef"]["target"]["history"]
    assert [node["messageHeadline"] for node in rest["nodes"]] == ["feat: number 0"]
    assert rest["pageInfo"]["hasNextPage"] is False


def test_history_by_path_and_time(world: Small) -> None:
    fields = 'object(expression: "main") {... on Commit {%s}}'
    by_path = repository(
        world, fields % 'history(first: 5, path: "src/file1.txt") {totalCount nodes {messageHeadline}}'
    )
    assert by_path["object"]["history"] == {"totalCount": 1, "nodes": [{"messageHeadline": "feat: number 1"}]}
    since = repository(world, fields % 'history(last: 5, since: "2026-01-02T00:01:00Z") {nodes {messageHeadline}}')
    assert [n["messageHeadline"] for n in since["object"]["history"]["nodes"]] == ["feat: number 2", "feat: number 1"]


def test_objects_by_expression(world: Small) -> None:
    found = repository(
        world,
        """blob: object(expression: "main:src/file1.txt") {__typename ... on Blob {text byteSize isBinary isTruncated}}
        tree: object(expression: "HEAD:src") {... on Tree {entries {name type mode object {... on Blob {text}}}}}
        none: object(expression: "main:nope") {oid}
        bad: object(expression: "--all") {oid}
        gone: object(oid: "1111111111111111111111111111111111111111") {oid}""",
    )
    assert found["blob"]["__typename"] == "Blob"
    assert (found["blob"]["text"], found["blob"]["byteSize"], found["blob"]["isBinary"]) == ("1\n", 2, False)
    entry = {"name": "file0.txt", "type": "blob", "mode": 0o100644, "object": {"text": "0\n"}}
    assert found["tree"]["entries"][0] == entry
    assert [found["none"], found["bad"], found["gone"]] == [None, None, None]


def test_g48_refs_annotated_tags_and_comparison(world: Small) -> None:
    git_dir, head = world.forge.git_dir(OPEN), world.heads[OPEN]
    first = git.log(git_dir, "main", 3)[-1].sha
    who = git.Person("Ann", "ann@example.org", "2026-01-03T00:00:00Z")
    annotated = git.tag_object(git_dir, "v1.0.0", (head, "commit"), "Release 1", who)
    git.update_ref(git_dir, "refs/tags/v1.0.0", annotated, None)
    git.update_ref(git_dir, "refs/tags/a-light-one", first, None)
    found = repository(
        world,
        """refs(refPrefix: "refs/tags/", first: 10, orderBy: {field: TAG_COMMIT_DATE, direction: DESC}) {
            totalCount nodes {name target {__typename oid ... on Tag {name message target {oid}}}}}
        ref(qualifiedName: "refs/tags/a-light-one") {compare(headRef: "main") {status aheadBy behindBy}}
        none: ref(qualifiedName: "refs/heads/nope") {name}""",
    )
    tag = {"__typename": "Tag", "oid": annotated, "name": "v1.0.0", "message": "Release 1\n", "target": {"oid": head}}
    light = {"__typename": "Commit", "oid": first}
    assert found["refs"] == {
        "totalCount": 2,
        "nodes": [{"name": "v1.0.0", "target": tag}, {"name": "a-light-one", "target": light}],
    }
    assert found["ref"]["compare"] == {"status": "AHEAD", "aheadBy": 2, "behindBy": 0}
    assert found["none"] is None


# ---- checks


def add_check(forge: Any, repo: str, sha: str, name: str, conclusion: str | None, suite: int | None = None) -> int:
    store = forge.store
    number = suite or store.next_id("check_suite")
    status = "completed" if conclusion else "in_progress"
    common = {"repo": repo, "head_sha": sha, "app": "github-actions", "status": status, "conclusion": conclusion}
    if suite is None:
        body = {
            **common,
            "id": number,
            "head_branch": "main",
            "run_id": None,
            "event": "push",
            "created_at": forge.now(),
        }
        store.put("check_suite", number, body, repo=repo)
    run = store.next_id("check_run")
    body = {
        **common,
        "id": run,
        "suite_id": number,
        "name": name,
        "started_at": forge.now(),
        "run_id": None,
        "job_id": None,
    }
    store.put("check_run", run, {**body, "completed_at": forge.now() if conclusion else None}, repo=repo)
    return int(number)


CHECKS = """object(expression: "main") {... on Commit {checkSuites(first: 5) {nodes {status app {slug databaseId}
    branch {name} checkRuns(first: 5, filterBy: {FILTER}) {totalCount nodes {name conclusion}}}}}}"""


def test_check_runs_of_the_latest_attempt(world: Small) -> None:
    suite = add_check(world.forge, OPEN, world.heads[OPEN], "test", "failure")
    add_check(world.forge, OPEN, world.heads[OPEN], "test", "success", suite)
    add_check(world.forge, OPEN, world.heads[OPEN], "lint", None, suite)

    def runs(wanted: str) -> list[tuple[str, str | None]]:
        found = repository(world, CHECKS.replace("FILTER", wanted))["object"]["checkSuites"]["nodes"]
        assert [node["app"] for node in found] == [{"slug": "github-actions", "databaseId": 15368}]
        return [(node["name"], node["conclusion"]) for node in found[0]["checkRuns"]["nodes"]]

    assert runs("checkType: LATEST") == [("test", "SUCCESS"), ("lint", None)]
    assert runs("checkType: ALL") == [("test", "FAILURE"), ("test", "SUCCESS"), ("lint", None)]
    assert runs('checkName: "lint"') == [("lint", None)]
    assert runs("status: COMPLETED, conclusions: [FAILURE]") == [("test", "FAILURE")]


def test_g20_fine_grained_tokens_read_no_checks_of_private_repositories(world: Small) -> None:
    query = in_repository(CHECKS.replace("FILTER", "checkType: LATEST"), CLOSED)
    answer = world.graphql(query, "fine-token")
    assert answer["data"]["repository"]["object"] == {"checkSuites": None}
    assert [(e["type"], e["message"]) for e in answer["errors"]] == [
        ("FORBIDDEN", "Resource not accessible by personal access token")
    ]
    assert "errors" not in world.graphql(query)


def test_statuses_are_separate(world: Small) -> None:
    fields = 'object(expression: "main") {... on Commit {status {state contexts {context state creator {login}}}}}'
    assert repository(world, fields)["object"]["status"] is None
    for number, (context, state) in enumerate([("a", "failure"), ("a", "success"), ("b", "pending")], 1):
        body = {"id": number, "repo": OPEN, "sha": world.heads[OPEN], "context": context, "state": state}
        world.forge.store.put("status", number, {**body, "creator": "carol", "created_at": world.forge.now()}, OPEN)
    found = repository(world, fields)["object"]["status"]
    assert found["state"] == "PENDING"
    assert [(c["context"], c["state"]) for c in found["contexts"]] == [("a", "SUCCESS"), ("b", "PENDING")]


# ---- rules and people


def test_protection_is_shown_to_administrators_only(world: Small) -> None:
    rule = {
        "required_status_checks": {"strict": True, "checks": [{"context": "test", "app_id": 15368}, {"context": "x"}]},
        "enforce_admins": True,
        "required_pull_request_reviews": {"required_approving_review_count": 1},
        "restrictions": {"users": [], "teams": ["crew"], "apps": []},
        "required_conversation_resolution": True,
        "allow_force_pushes": False,
        "allow_deletions": False,
    }
    world.forge.store.put("protection", f"{OPEN}:main", rule, repo=OPEN)
    fields = """defaultBranchRef {refUpdateRule {viewerCanPush requiredStatusCheckContexts}
        branchProtectionRule {pattern isAdminEnforced requiresStrictStatusChecks restrictsPushes allowsDeletions
        requiredApprovingReviewCount requiresConversationResolution requiredStatusChecks {context app {slug}}
        pushAllowances(first: 5) {nodes {actor {... on Team {slug}}}}}}"""
    seen = repository(world, fields, "dana-token")["defaultBranchRef"]
    assert seen["branchProtectionRule"] == {
        "pattern": "main",
        "isAdminEnforced": True,
        "requiresStrictStatusChecks": True,
        "restrictsPushes": True,
        "allowsDeletions": False,
        "requiredApprovingReviewCount": 1,
        "requiresConversationResolution": True,
        "requiredStatusChecks": [{"context": "test", "app": {"slug": "github-actions"}}, {"context": "x", "app": None}],
        "pushAllowances": {"nodes": [{"actor": {"slug": "crew"}}]},
    }
    contexts = ["test", "x"]
    for token, binding in (
        ("alice-token", {"viewerCanPush": True, "requiredStatusCheckContexts": contexts}),
        ("carol-token", {"viewerCanPush": False, "requiredStatusCheckContexts": contexts}),
        ("rita-token", None),
    ):
        found = repository(world, fields, token)["defaultBranchRef"]
        assert found == {"branchProtectionRule": None, "refUpdateRule": binding}, token


def test_environment_reviewers(world: Small) -> None:
    reviewers = [{"type": "Team", "name": "o/crew"}, {"type": "User", "name": "dana"}]
    body = {"id": 4, "name": "release", "reviewers": reviewers, "prevent_self_review": True, "wait_timer": 5}
    body |= {"can_admins_bypass": False, "branch_policy": None}
    world.forge.store.put("environment", f"{OPEN}:release", body, repo=OPEN)
    fields = """environment(name: "%s") {protectionRules(first: 5) {nodes {type timeout preventSelfReview
        reviewers(first: 6) {nodes {... on User {login} ... on Team {slug organization {login}}}}}}}"""
    found = repository(world, fields % "release", "alice-token")["environment"]
    assert [(n["type"], n["timeout"]) for n in found["protectionRules"]["nodes"]] == [
        ("WAIT_TIMER", 5),
        ("REQUIRED_REVIEWERS", 0),
    ]
    rule = found["protectionRules"]["nodes"][1]
    assert rule["preventSelfReview"] is True
    assert rule["reviewers"]["nodes"] == [{"slug": "crew", "organization": {"login": "o"}}, {"login": "dana"}]
    assert repository(world, fields % "nope")["environment"] is None


def test_organisation_and_teams(world: Small) -> None:
    query = '{organization(login: "o") {login team(slug: "crew") {slug members(first: 5) {nodes {login}}}}}'
    found = data(world.graphql(query))["organization"]
    assert found == {
        "login": "o",
        "team": {"slug": "crew", "members": {"nodes": [{"login": "alice"}, {"login": "dana"}]}},
    }
    assert data(world.graphql(query, "job-token"))["organization"]["team"] is None
    assert world.graphql('{organization(login: "zz") {login}}')["errors"][0]["type"] == "NOT_FOUND"


# ---- pull requests and releases


def test_pull_requests(world: Small) -> None:
    git_dir = world.forge.git_dir(OPEN)
    who = git.Person("Carol", "1+carol@users.noreply.github.com", "2026-01-04T00:00:00Z")
    head = git.commit_files(git_dir, world.heads[OPEN], {"new.txt": b"1"}, [], "feat: new", who)
    git.update_ref(git_dir, "refs/heads/topic", head, None)
    wish = {"title": "New", "head": "topic", "base": "main"}
    number = world.rest("POST", f"/repos/{OPEN}/pulls", json=wish).json()["number"]
    fields = """pullRequests(first: 5, states: [%s], headRefName: "topic") {totalCount nodes {id number state merged
        mergeable mergeStateStatus headRefOid baseRefName author {login} mergedBy {login} mergeCommit {oid}}}"""
    found = repository(world, fields % "OPEN")["pullRequests"]["nodes"][0]
    assert (found["state"], found["mergeable"], found["mergeStateStatus"]) == ("OPEN", "MERGEABLE", "CLEAN")
    assert (found["headRefOid"], found["author"], found["mergeCommit"]) == (head, {"login": "carol"}, None)
    merged = world.rest(
        "PUT", f"/repos/{OPEN}/pulls/{number}/merge", json={"sha": head, "merge_method": "squash"}
    ).json()
    assert repository(world, fields % "OPEN, CLOSED")["pullRequests"]["totalCount"] == 0
    after = repository(world, fields % "MERGED")["pullRequests"]["nodes"][0]
    assert (after["merged"], after["mergedBy"]) == (True, {"login": "carol"})
    assert after["mergeCommit"] == {"oid": merged["sha"]}
    brought = 'object(expression: "main") {... on Commit {associatedPullRequests(first: 5) {nodes {number}}}}'
    assert repository(world, brought)["object"]["associatedPullRequests"]["nodes"] == [{"number": number}]
    older = repository(world, brought.replace('"main"', '"main~1"'))
    assert older["object"]["associatedPullRequests"]["nodes"] == []


def test_open_pull_requests_belong_to_commits_that_have_not_landed(world: Small) -> None:
    git_dir = world.forge.git_dir(OPEN)
    first, who = git.log(git_dir, "main", 3)[-1].sha, git.Person("C", "c@example.org", "2026-01-04T00:00:00Z")
    git.update_ref(git_dir, "refs/heads/dev", first, None)
    git.update_ref(git_dir, "refs/heads/topic", git.commit_files(git_dir, first, {"n": b"1"}, [], "n", who), None)
    for head, base in (("main", "dev"), ("topic", "main")):
        assert world.rest("POST", f"/repos/{OPEN}/pulls", json={"title": "t", "head": head, "base": base}).is_success
    brought = "{... on Commit {associatedPullRequests(first: 5) {nodes {headRefName}}}}"
    found = repository(world, f'a: object(expression: "main") {brought} b: object(expression: "topic") {brought}')
    assert found["a"]["associatedPullRequests"]["nodes"] == []
    assert found["b"]["associatedPullRequests"]["nodes"] == [{"headRefName": "topic"}]


def test_a_tag_means_its_published_release_before_any_draft(world: Small) -> None:
    for draft in (True, False, True):
        world.rest("POST", f"/repos/{OPEN}/releases", json={"tag_name": "v1.0.0", "draft": draft})
    assert repository(world, 'release(tagName: "v1.0.0") {isDraft}')["release"] == {"isDraft": False}


def test_releases_and_drafts(world: Small) -> None:
    for body in (
        {"tag_name": "v1.0.0"},
        {"tag_name": "rc-1", "draft": True},
        {"tag_name": "v0.9.0", "prerelease": True},
    ):
        world.rest("POST", f"/repos/{OPEN}/releases", json=body)
    fields = """releases(first: 10, orderBy: {field: CREATED_AT, direction: DESC}) {totalCount nodes {tagName isDraft
        isPrerelease isLatest publishedAt databaseId author {login} tagCommit {oid}}}
        release(tagName: "rc-1") {isDraft tagCommit {oid}} latestRelease {tagName}"""
    seen = repository(world, fields)
    assert {n["tagName"]: (n["isDraft"], n["isLatest"]) for n in seen["releases"]["nodes"]} == {
        "rc-1": (True, False),
        "v1.0.0": (False, True),
        "v0.9.0": (False, False),
    }
    assert seen["release"] == {"isDraft": True, "tagCommit": None}
    assert seen["latestRelease"] == {"tagName": "v1.0.0"}
    reader = repository(world, fields, "rita-token")
    assert (reader["releases"]["totalCount"], reader["release"]) == (2, None)


def test_release_assets(world: Small) -> None:
    release = world.rest("POST", f"/repos/{OPEN}/releases", json={"tag_name": "v1.0.0"}).json()
    with world.client() as client:
        for name in ("a.bin", "b.bin"):
            address = release["upload_url"].partition("{")[0]
            client.post(address, params={"name": name}, content=b"abc", headers={"content-type": "x/y"})
    shown = "{totalCount nodes {name size contentType downloadUrl}}"
    fields = f'release(tagName: "v1.0.0") {{releaseAssets(first: 5 NAME) {shown}}}'
    assert repository(world, fields.replace("NAME", ""))["release"]["releaseAssets"]["totalCount"] == 2
    named = repository(world, fields.replace("NAME", ', name: "b.bin"'))["release"]["releaseAssets"]["nodes"]
    download = f"{world.url}/{OPEN}/releases/download/v1.0.0/b.bin"
    assert named == [{"name": "b.bin", "size": 3, "contentType": "x/y", "downloadUrl": download}]


# ---- writes

COMMIT = """mutation($input: CreateCommitOnBranchInput!) {createCommitOnBranch(input: $input) {clientMutationId
    commit {oid message author {user {login}} parents(first: 1) {nodes {oid}}} ref {name}}}"""


def commit(world: Small, token: str = "carol-token", **more: Any) -> dict[str, Any]:
    text = base64.b64encode(b"hello\n").decode()
    wish = {
        "branch": {"repositoryNameWithOwner": OPEN, "branchName": "main"},
        "expectedHeadOid": world.heads[OPEN],
        "message": {"headline": "feat: hello", "body": "Because."},
        "fileChanges": {"additions": [{"path": "docs/hello.txt", "contents": text}]},
        "clientMutationId": "7",
        **more,
    }
    return world.graphql(COMMIT, token, input=wish)


def test_commit_on_branch(world: Small) -> None:
    made = data(commit(world))["createCommitOnBranch"]
    assert made["clientMutationId"] == "7"
    assert made["commit"]["message"] == "feat: hello\n\nBecause."
    assert made["commit"]["author"] == {"user": {"login": "carol"}}
    assert made["commit"]["parents"]["nodes"] == [{"oid": world.heads[OPEN]}]
    git_dir = world.forge.git_dir(OPEN)
    assert git.read_ref(git_dir, "refs/heads/main") == made["commit"]["oid"]
    assert git.read_file(git_dir, "main", "docs/hello.txt") == b"hello\n"
    assert git.read_file(git_dir, "main", "src/file1.txt") == b"1\n"
    assert world.verbs() == ["update_ref"]


def test_stale_head_changes_nothing(world: Small) -> None:
    moved = add_commits(world.forge, OPEN, 1)
    answer = commit(world)
    assert answer["data"] == {"createCommitOnBranch": None}
    words = f'Expected branch to point to "{world.heads[OPEN]}" but it did not.  Pull and try again.'
    assert [(e["type"], e["message"]) for e in answer["errors"]] == [("STALE_DATA", words)]
    assert git.read_ref(world.forge.git_dir(OPEN), "refs/heads/main") == moved


@pytest.mark.parametrize(
    ("more", "token", "kind"),
    [
        ({"fileChanges": {"deletions": [{"path": "nope.txt"}]}}, "carol-token", "UNPROCESSABLE"),
        ({"fileChanges": {"additions": [{"path": "../x", "contents": ""}]}}, "carol-token", "UNPROCESSABLE"),
        ({"fileChanges": {"additions": [{"path": "x", "contents": "&"}]}}, "carol-token", "UNPROCESSABLE"),
        ({"branch": {"repositoryNameWithOwner": OPEN, "branchName": "nope"}}, "carol-token", "NOT_FOUND"),
        ({"branch": {"repositoryNameWithOwner": "o/nope", "branchName": "main"}}, "carol-token", "NOT_FOUND"),
        ({"branch": {"branchName": "main"}}, "carol-token", "UNPROCESSABLE"),
        ({}, "rita-token", "FORBIDDEN"),
        ({"branch": {"repositoryNameWithOwner": CLOSED, "branchName": "main"}}, "job-token", "NOT_FOUND"),
        (
            {"fileChanges": {"additions": [{"path": ".github/workflows/x.yml", "contents": "b246IHB1c2g="}]}},
            "job-token",
            "FORBIDDEN",
        ),
    ],
)
def test_refused_commits(world: Small, more: dict[str, Any], token: str, kind: str) -> None:
    assert [error["type"] for error in commit(world, token, **more)["errors"]] == [kind]
    assert git.read_ref(world.forge.git_dir(OPEN), "refs/heads/main") == world.heads[OPEN]


def test_protected_branch_refuses_commits(world: Small) -> None:
    classic = {
        "required_status_checks": None,
        "enforce_admins": False,
        "required_pull_request_reviews": {"required_approving_review_count": 0},
        "restrictions": None,
    }
    world.forge.store.put("protection", f"{OPEN}:main", classic, repo=OPEN)
    error = commit(world)["errors"][0]
    assert (error["type"], error["message"]) == (
        "BRANCH_PROTECTION_RULE_VIOLATION",
        "Changes must be made through a pull request.",
    )
    assert "errors" not in commit(world, "dana-token")


REFS = """mutation($repository: ID!, $name: String!, $oid: GitObjectID!) {
    createRef(input: {repositoryId: $repository, name: $name, oid: $oid}) {ref {id name prefix}}}"""


def test_create_and_delete_refs(world: Small) -> None:
    owner = repository(world, "id")["id"]
    wish = {"repository": owner, "name": "refs/heads/release/v1", "oid": world.heads[OPEN]}
    made = data(world.graphql(REFS, **wish))["createRef"]["ref"]
    assert (made["name"], made["prefix"]) == ("release/v1", "refs/heads/")
    again = world.graphql(REFS, **wish)["errors"][0]
    assert again["message"] == 'A ref named "refs/heads/release/v1" already exists in the repository.'
    assert world.graphql(REFS, "rita-token", **{**wish, "name": "refs/heads/b"})["errors"][0]["type"] == "FORBIDDEN"
    assert world.graphql(REFS, **{**wish, "name": "v1"})["errors"][0]["type"] == "UNPROCESSABLE"
    assert world.graphql(REFS, **{**wish, "oid": "1" * 40})["errors"][0]["type"] == "NOT_FOUND"
    delete = "mutation($id: ID!) {deleteRef(input: {refId: $id}) {clientMutationId}}"
    data(world.graphql(delete, id=made["id"]))
    assert git.read_ref(world.forge.git_dir(OPEN), "refs/heads/release/v1") is None
    assert world.graphql(delete, id=made["id"])["errors"][0]["type"] == "NOT_FOUND"
    assert world.graphql(delete, id="REF_!")["errors"][0]["type"] == "NOT_FOUND"
    assert world.verbs() == ["create_ref", "delete_ref"]


# ---- speed


def train_query(names: list[str]) -> str:
    fields = """databaseId nameWithOwner viewerPermission defaultBranchRef {name target {oid ... on Commit {
        history(first: 20) {pageInfo {hasNextPage endCursor} nodes {oid messageHeadline committedDate
            parents(first: 2) {nodes {oid}} checkSuites(first: 20) {pageInfo {hasNextPage} nodes {databaseId status
            conclusion app {slug databaseId} branch {name} workflowRun {databaseId event}
            checkRuns(first: 20, filterBy: {checkType: LATEST}) {totalCount pageInfo {hasNextPage}
                nodes {databaseId name status conclusion startedAt completedAt detailsUrl}}}}}}}}}"""
    aliases = (f'r{n}: repository(owner: "o", name: "{name}") {{{fields}}}' for n, name in enumerate(names))
    return f"{{{' '.join(aliases)}}}"


def test_a_train_of_five_repositories_is_one_quick_query(tmp_path: Path) -> None:
    with small_world(tmp_path, commits=25) as world:
        names = ["open", "closed"]
        body = world.forge.store.get("repo", CLOSED)
        assert body is not None
        for number in range(3):
            name = f"o/r{number}"
            world.forge.store.put("repo", name, {**body, "id": 2000 + number, "full_name": name})
            git.init_bare(world.forge.git_dir(name))
            add_commits(world.forge, name, 25)
            names.append(f"r{number}")
        with world.forge.store.writing():
            for name in names:
                for found in git.log(world.forge.git_dir(f"o/{name}"), "main", 20):
                    for suite in ("ci", "docs"):
                        number = add_check(world.forge, f"o/{name}", found.sha, f"{suite} / one", "success")
                        for job in ("two", "three"):
                            add_check(world.forge, f"o/{name}", found.sha, f"{suite} / {job}", "success", number)
        one, five = (min(_seconds(world, names[:n]) for _ in range(5)) for n in (1, len(names)))
        assert five < 3 * len(names) * one, f"{len(names)} repositories cost {five / one:.1f} times as much as one"


def _seconds(world: Small, names: list[str]) -> float:
    with world.client() as client:
        client.get("/_forge/health")
        start = time.perf_counter()
        answer = client.post("/api/graphql", json={"query": train_query(names)})
        took = time.perf_counter() - start
    found = data(answer.json())
    runs = [
        run
        for repo in found.values()
        for node in repo["defaultBranchRef"]["target"]["history"]["nodes"]
        for suite in node["checkSuites"]["nodes"]
        for run in suite["checkRuns"]["nodes"]
    ]
    assert len(runs) == len(names) * 20 * 6
    return took
