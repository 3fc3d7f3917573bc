"""Workflows, runs, jobs, artifacts and environments in the JSON shapes of GitHub's REST description."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from starlette.requests import Request

from ms_release.forge import present, web
from ms_release.forge.engine import run_states
from ms_release.forge.engine.contexts import head_commit
from ms_release.forge.rest.people import team

Body = dict[str, Any]


def workflow(request: Request, body: Body) -> Body:
    """OpenAPI `workflow`."""
    links = web.links_of(request)
    file = body["path"].rsplit("/", 1)[1]
    branch = web.repo_of(request)["default_branch"]
    return {
        "id": body["id"],
        "node_id": present.node_id("W", body["id"]),
        "name": body["name"],
        "path": body["path"],
        "state": body["state"],
        "created_at": body.get("created_at", "2026-01-01T00:00:00Z"),
        "updated_at": body.get("updated_at", "2026-01-01T00:00:00Z"),
        "url": f"{links.rest}/repos/{body['repo']}/actions/workflows/{body['id']}",
        "html_url": f"{links.web}/{body['repo']}/blob/{branch}/{body['path']}",
        "badge_url": f"{links.web}/{body['repo']}/actions/workflows/{file}/badge.svg",
    }


def run(request: Request, body: Body) -> Body:
    """OpenAPI `workflow-run`."""
    forge, links = web.forge_of(request), web.links_of(request)
    repo = present.minimal_repository(forge, links, web.repo_of(request))
    base = f"{links.rest}/repos/{body['repo']}"
    api, attempt, suite = f"{base}/actions/runs/{body['id']}", body["run_attempt"], body["check_suite_id"]
    plain = (
        "id", "name", "head_branch", "head_sha", "path", "run_number", "run_attempt", "event", "display_title",
        "status", "conclusion", "workflow_id", "created_at", "updated_at", "run_started_at",
    )  # fmt: skip
    return {
        **{field: body[field] for field in plain},
        "node_id": present.node_id("WFR", body["id"]),
        "check_suite_id": suite,
        "check_suite_node_id": present.node_id("CS", suite),
        "referenced_workflows": [],
        "url": api,
        "html_url": f"{links.web}/{body['repo']}/actions/runs/{body['id']}",
        "pull_requests": _pulls(request, body),
        "actor": present.simple_user(forge, links, body["actor"]),
        "triggering_actor": present.simple_user(forge, links, body["triggering_actor"]),
        "jobs_url": f"{api}/jobs",
        "logs_url": f"{api}/logs",
        "check_suite_url": f"{base}/check-suites/{suite}",
        "artifacts_url": f"{api}/artifacts",
        "cancel_url": f"{api}/cancel",
        "rerun_url": f"{api}/rerun",
        "previous_attempt_url": f"{api}/attempts/{attempt - 1}" if attempt > 1 else None,
        "workflow_url": f"{base}/actions/workflows/{body['workflow_id']}",
        "head_commit": head_commit(forge.git_dir(body["repo"]), body["head_sha"]),
        "repository": repo,
        "head_repository": repo,
    }


def _pulls(request: Request, body: Body) -> list[Body]:
    forge = web.forge_of(request)
    pull = body["pull_number"] and forge.store.get("pull", f"{body['repo']}#{body['pull_number']}")
    if not pull or pull["state"] != "open":
        return []
    links, repo = web.links_of(request), web.repo_of(request)
    api = f"{links.rest}/repos/{body['repo']}"
    place = {"id": repo["id"], "url": api, "name": body["repo"].split("/")[1]}
    sides = {side: {"ref": pull[f"{side}_ref"], "sha": pull[f"{side}_sha"], "repo": place} for side in ("head", "base")}
    return [{"id": pull["id"], "number": pull["number"], "url": f"{api}/pulls/{pull['number']}", **sides}]


def job(request: Request, body: Body) -> Body:
    """OpenAPI `job`."""
    forge, links = web.forge_of(request), web.links_of(request)
    of_run = forge.store.get("run", body["run_id"]) or {}
    api = f"{links.rest}/repos/{body['repo']}"
    started = body["status"] not in ("queued", "waiting")
    created = body.get("created_at") or body["started_at"]
    plain = ("id", "run_id", "run_attempt", "status", "conclusion", "completed_at", "name", "steps")
    return {
        **{field: body[field] for field in plain},
        "run_url": f"{api}/actions/runs/{body['run_id']}",
        "node_id": present.node_id("J", body["id"]),
        "head_sha": of_run["head_sha"],
        "head_branch": of_run["head_branch"],
        "workflow_name": of_run["name"],
        "url": f"{api}/actions/jobs/{body['id']}",
        "html_url": f"{links.web}/{body['repo']}/actions/runs/{body['run_id']}/job/{body['id']}",
        "created_at": created,
        "started_at": body["started_at"] or created,
        "check_run_url": f"{api}/check-runs/{body['check_run_id']}",
        "labels": body.get("labels", ["ubuntu-latest"]),
        "runner_id": 1 if started else None,
        "runner_name": "act" if started else None,
        "runner_group_id": 1 if started else None,
        "runner_group_name": "Default" if started else None,
    }


def artifact(request: Request, body: Body) -> Body:
    """OpenAPI `artifact`."""
    forge = web.forge_of(request)
    of_run, repo = forge.store.get("run", body["run_id"]) or {}, web.repo_of(request)
    api = f"{web.links_of(request).rest}/repos/{body['repo']}/actions/artifacts/{body['id']}"
    end = datetime.fromisoformat(body["created_at"]) + timedelta(days=90)
    return {
        "id": body["id"],
        "node_id": present.node_id("AR", body["id"]),
        "name": body["name"],
        "size_in_bytes": body["size"],
        "url": api,
        "archive_download_url": f"{api}/zip",
        "expired": body["expired"],
        "created_at": body["created_at"],
        "updated_at": body["created_at"],
        "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "digest": body["digest"],
        "workflow_run": {
            "id": body["run_id"],
            "repository_id": repo["id"],
            "head_repository_id": repo["id"],
            "head_branch": of_run.get("head_branch"),
            "head_sha": of_run.get("head_sha"),
        },
    }


def place(request: Request, body: Body) -> Body:
    """An environment where another answer names one."""
    links, name = web.links_of(request), web.repo_name(request)
    filtered = quote(body["name"], safe="")
    return {
        "id": body["id"],
        "node_id": present.node_id("EN", body["id"]),
        "name": body["name"],
        "url": f"{links.rest}/repos/{name}/environments/{filtered}",
        "html_url": f"{links.web}/{name}/deployments/activity_log?environments_filter={filtered}",
    }


def reviewers(request: Request, body: Body) -> list[Body]:
    """Who may review an environment's deployments."""
    forge, links = web.forge_of(request), web.links_of(request)
    found = []
    for reviewer in body["reviewers"]:
        if reviewer["type"] == "User":
            found.append({"type": "User", "reviewer": present.simple_user(forge, links, reviewer["name"])})
        elif known := forge.store.get("team", reviewer["name"]):
            found.append({"type": "Team", "reviewer": team(links, known)})
    return found


def environment(request: Request, body: Body) -> Body:
    """OpenAPI `environment`, with `can_admins_bypass`, which GitHub sends without describing it (G26)."""
    rules: list[Body] = []
    policy = body["branch_policy"]
    if body["wait_timer"]:
        rules.append({"type": "wait_timer", "wait_timer": body["wait_timer"]})
    if body["reviewers"]:
        prevent = {"prevent_self_review": body["prevent_self_review"]}
        rules.append({"type": "required_reviewers", **prevent, "reviewers": reviewers(request, body)})
    if policy is not None:
        rules.append({"type": "branch_policy"})
        policy = {name: policy[name] for name in ("protected_branches", "custom_branch_policies")}
    for offset, rule in enumerate(rules):
        number = body["id"] * 10 + offset
        rule |= {"id": number, "node_id": present.node_id("GA", number)}
    dates = {name: body.get(name, "2026-01-01T00:00:00Z") for name in ("created_at", "updated_at")}
    bypass = {"can_admins_bypass": body["can_admins_bypass"]}
    return {
        **place(request, body), **dates, **bypass, "protection_rules": rules, "deployment_branch_policy": policy
    }  # fmt: skip


def branch_policy(body: Body, pattern: str) -> Body:
    """OpenAPI `deployment-branch-policy`; its number follows from environment and pattern."""
    number = zlib.crc32(f"{body['id']}:{pattern}".encode())
    kind = "tag" if pattern.startswith("refs/tags/") else "branch"
    name = pattern.removeprefix("refs/tags/").removeprefix("refs/heads/")
    return {"id": number, "node_id": present.node_id("GPP", number), "name": name, "type": kind}


def deployment(request: Request, of_run: Body, body: Body) -> Body:
    """OpenAPI `deployment`: what a review of this environment let through or stopped."""
    forge, links = web.forge_of(request), web.links_of(request)
    api = f"{links.rest}/repos/{of_run['repo']}"
    number = body["id"] * 1_000_000 + of_run["id"]
    return {
        "url": f"{api}/deployments/{number}",
        "id": number,
        "node_id": present.node_id("DE", number),
        "task": "deploy",
        "original_environment": body["name"],
        "environment": body["name"],
        "description": None,
        "created_at": of_run["created_at"],
        "updated_at": of_run["updated_at"],
        "statuses_url": f"{api}/deployments/{number}/statuses",
        "repository_url": api,
        "creator": present.simple_user(forge, links, of_run["triggering_actor"]),
        "sha": of_run["head_sha"],
        "ref": of_run["head_branch"],
        "payload": {},
        "transient_environment": False,
        "production_environment": False,
        "performed_via_github_app": present.integration(forge, links, run_states.APP),
    }
