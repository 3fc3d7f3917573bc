"""Check suites, check runs, workflow runs and statuses of a commit as GraphQL nodes."""

from __future__ import annotations

from typing import Any

from ms_release.forge.checks import app_id, latest_runs, latest_statuses, seen
from ms_release.forge.graphql.git import find_ref, make_commit
from ms_release.forge.graphql.page import Node, connection
from ms_release.forge.graphql.world import Resolvers, World

_WORST_FIRST = ("ERROR", "FAILURE", "PENDING", "EXPECTED", "SUCCESS")


def _upper(text: str | None) -> str | None:
    return text.upper() if text else None


def _suites(commit: Node, world: World, filter_by: dict[str, Any] | None = None, **page: Any) -> Node:
    repo, wanted = commit["_repo"], filter_by or {}
    if not world.may(repo, "checks", "read"):
        raise world.forbid("CheckSuites")
    suites = world.grouped("check_suite", repo, "head_sha").get(commit["oid"], [])
    if wanted.get("appId") is not None:
        suites = [suite for suite in suites if app_id(world.forge, suite["app"]) == wanted["appId"]]
    if wanted.get("checkName") is not None:
        runs = world.grouped("check_run", repo, "suite_id")
        suites = [s for s in suites if any(run["name"] == wanted["checkName"] for run in runs.get(s["id"], []))]
    return connection(suites, _make_suite, page)


def _make_suite(body: Node) -> Node:
    return {
        "_body": body,
        "_id": ("CS", body["id"]),
        "databaseId": body["id"],
        "status": _upper(body["status"]),
        "conclusion": _upper(body["conclusion"]),
        "createdAt": body["created_at"],
    }


def _suite_branch(suite: Node, world: World) -> Node | None:
    repo, branch = suite["_body"]["repo"], suite["_body"]["head_branch"]
    if (repo, branch) not in world.branches:
        world.branches[repo, branch] = find_ref(world, repo, f"refs/heads/{branch}") if branch else None
    return world.branches[repo, branch]


def _workflow_run(suite: Node, world: World) -> Node | None:
    body = suite["_body"]
    runs = world.grouped("run", body["repo"], "id").get(body["run_id"], []) if body["run_id"] else []
    return _make_run(world, runs[0]) if runs else None


def _make_run(world: World, body: Node) -> Node:
    return {
        "_body": body,
        "_id": ("WFR", body["id"]),
        "databaseId": body["id"],
        "event": body["event"],
        "runNumber": body["run_number"],
        "createdAt": body["created_at"],
        "updatedAt": body["updated_at"],
        "url": f"{world.base}/{body['repo']}/actions/runs/{body['id']}",
    }


def _workflow(run: Node, world: World) -> Node | None:
    repo = run["_body"]["repo"]
    found = world.grouped("workflow", repo, "id").get(run["_body"]["workflow_id"], [])
    if not found:
        return None
    body = found[0]
    file = body["path"].rpartition("/")[2]
    head = {"_id": ("W", body["id"]), "databaseId": body["id"], "name": body["name"], "state": body["state"].upper()}
    return {**head, "url": f"{world.base}/{repo}/actions/workflows/{file}"}


def _check_runs(suite: Node, world: World, filter_by: dict[str, Any] | None = None, **page: Any) -> Node:
    body, wanted = suite["_body"], filter_by or {}
    runs = world.grouped("check_run", body["repo"], "suite_id").get(body["id"], [])
    if wanted.get("checkType") == "LATEST":
        runs = list({run["name"]: run for run in runs}.values())
    statuses = [s for s in (wanted.get("status"), *(wanted.get("statuses") or ())) if s]
    conclusions = wanted.get("conclusions") or ()
    shown = [
        run
        for run in runs
        if wanted.get("checkName") in (None, run["name"])
        and (not statuses or run["status"].upper() in statuses)
        and (not conclusions or _upper(run["conclusion"]) in conclusions)
        and wanted.get("appId") in (None, app_id(world.forge, run["app"]))
    ]
    return connection(shown, lambda run: _make_check_run(world, run), page)


def _make_check_run(world: World, body: Node) -> Node:
    repo = body["repo"]
    url = f"{world.base}/{repo}/runs/{body['id']}"
    job = f"{world.base}/{repo}/actions/runs/{body['run_id']}/job/{body['job_id']}" if body["run_id"] else None
    return {
        "_body": body,
        "_id": ("CR", body["id"]),
        "databaseId": body["id"],
        "name": body["name"],
        "status": _upper(body["status"]),
        "conclusion": _upper(body["conclusion"]),
        "startedAt": body["started_at"],
        "completedAt": body["completed_at"],
        "detailsUrl": job or url,
        "url": url,
    }


def _status(commit: Node, world: World) -> Node | None:
    bodies = world.grouped("status", commit["_repo"], "sha").get(commit["oid"], [])
    latest = list({body["context"]: body for body in bodies}.values())
    if not latest:
        return None
    contexts = [_make_context(body) for body in latest]
    states = {context["state"] for context in contexts}
    worst = next(state for state in _WORST_FIRST if state in states)
    # a combined status has no ERROR of its own: GitHub shows it as FAILURE
    state = "FAILURE" if worst == "ERROR" else worst
    return {"_id": ("SE", commit["oid"]), "state": state, "contexts": contexts}


def rollup(commit: Node, world: World) -> Node | None:
    """All checks and statuses of a commit as one list and one state; None where there are none.

    It needs to see the checks: a token that may not makes the whole field fail (github-facts G20).
    """
    repo, oid = commit["_repo"], commit["oid"]
    if not world.may(repo, "checks", "read"):
        raise world.forbid("StatusCheckRollup")
    runs = latest_runs(world.forge, repo, oid)
    statuses = latest_statuses(world.forge, repo, oid)
    shown = [{**_make_check_run(world, run), "__typename": "CheckRun"} for run in runs]
    shown += [{**_make_context(status), "__typename": "StatusContext"} for status in statuses]
    if not shown:
        return None
    states = {fact.state.upper() for fact in seen(world.forge, repo, oid)}
    worst = next(state for state in _WORST_FIRST if state in states)
    return {"_id": ("SCR", oid), "commit": commit, "_contexts": shown, "state": worst}


def _suite_of_run(run: Node, world: World) -> Node:
    body = run["_body"]
    return _make_suite(world.grouped("check_suite", body["repo"], "id")[body["suite_id"]][0])


def _make_context(body: Node) -> Node:
    return {
        "_body": body,
        "_id": ("SC", body["id"]),
        "context": body["context"],
        "state": body["state"].upper(),
        "description": body.get("description"),
        "targetUrl": body.get("target_url"),
        "createdAt": body["created_at"],
        "_creator": body["creator"],
    }


RESOLVERS: Resolvers = {
    "Commit": {"checkSuites": _suites, "status": _status, "statusCheckRollup": rollup},
    "StatusCheckRollup": {
        "contexts": lambda r, _world, **page: connection(r["_contexts"], lambda context: context, page),
    },
    "CheckRun": {"checkSuite": _suite_of_run},
    "CheckSuite": {
        "app": lambda s, w: w.app(s["_body"]["app"]),
        "branch": _suite_branch,
        "commit": lambda s, w: make_commit(w, s["_body"]["repo"], s["_body"]["head_sha"]),
        "workflowRun": _workflow_run,
        "checkRuns": _check_runs,
    },
    "WorkflowRun": {"workflow": _workflow},
    "StatusContext": {"creator": lambda s, w: w.user(s["_creator"])},
}
