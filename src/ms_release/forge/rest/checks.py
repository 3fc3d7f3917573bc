"""REST: check runs and suites (apps only write them), and commit statuses."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, checks, git, present, web
from ms_release.forge.errors import Refusal, invalid, not_found
from ms_release.forge.present import Json
from ms_release.forge.web import Links

_CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required")
_STATES = ("error", "failure", "pending", "success")


def _sha_of(request: Request) -> tuple[str, str]:
    """Repository and commit of an address `commits/{ref}/…`."""
    forge, name = web.forge_of(request), web.repo_name(request)
    sha = git.commit_of(forge.git_dir(name), request.path_params["ref"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {request.path_params['ref']}")
    return name, sha


def _read(request: Request, permission: str = "checks") -> str:
    name = web.repo_name(request)
    auth.require(web.forge_of(request), web.identity_of(request), name, permission, "read")
    return name


def check_run(forge: Any, links: Links, run: Json) -> Json:
    """A check run."""
    repo, number = run["repo"], run["id"]
    api = f"{links.rest}/repos/{repo}/check-runs/{number}"
    job = f"{links.web}/{repo}/actions/runs/{run.get('run_id')}/job/{run.get('job_id')}"
    html = job if run.get("job_id") else f"{links.web}/{repo}/runs/{number}"
    output = run.get("output") or {}
    return {
        "id": number,
        "head_sha": run["head_sha"],
        "node_id": present.node_id("CR", number),
        "external_id": run.get("external_id", ""),
        "url": api,
        "html_url": html,
        "details_url": run.get("details_url") or html,
        "status": run["status"],
        "conclusion": run["conclusion"],
        "started_at": run["started_at"],
        "completed_at": run["completed_at"],
        "output": {
            **{name: output.get(name) for name in ("title", "summary", "text")},
            "annotations_count": 0,
            "annotations_url": f"{api}/annotations",
        },
        "name": run["name"],
        "check_suite": {"id": run["suite_id"]},
        "app": present.integration(forge, links, run["app"]),
        "pull_requests": _pull_requests(forge, links, repo, run["head_sha"]),
    }


def _pull_requests(forge: Any, links: Links, repo: str, sha: str) -> list[Json]:
    body = forge.store.get("repo", repo) or {"id": 0}
    side = {"id": body["id"], "url": f"{links.rest}/repos/{repo}", "name": repo.partition("/")[2]}
    return [
        {
            "id": pull["id"],
            "number": pull["number"],
            "url": f"{links.rest}/repos/{repo}/pulls/{pull['number']}",
            "head": {"ref": pull["head_ref"], "sha": pull["head_sha"], "repo": side},
            "base": {"ref": pull["base_ref"], "sha": pull["base_sha"], "repo": side},
        }
        for pull in forge.store.find("pull", repo, state="open", head_sha=sha)
    ]


def check_suite(forge: Any, links: Links, suite: Json) -> Json:
    """A check suite."""
    repo = suite["repo"]
    api = f"{links.rest}/repos/{repo}/check-suites/{suite['id']}"
    head = git.read_commit(forge.git_dir(repo), suite["head_sha"])
    assert head is not None
    return {
        "id": suite["id"],
        "node_id": present.node_id("CS", suite["id"]),
        "head_branch": suite["head_branch"],
        "head_sha": suite["head_sha"],
        "status": suite["status"],
        "conclusion": suite["conclusion"],
        "url": api,
        "before": head.parents[0] if head.parents else git.ZERO,
        "after": suite["head_sha"],
        "pull_requests": _pull_requests(forge, links, repo, suite["head_sha"]),
        "app": present.integration(forge, links, suite["app"]),
        "repository": present.minimal_repository(forge, links, forge.store.get("repo", repo) or {}),
        "created_at": suite["created_at"],
        "updated_at": suite["created_at"],
        "head_commit": {
            "id": head.sha,
            "tree_id": head.tree,
            "message": head.message.rstrip("\n"),
            "timestamp": head.committer.date,
            "author": {"name": head.author.name, "email": head.author.email},
            "committer": {"name": head.committer.name, "email": head.committer.email},
        },
        "latest_check_runs_count": len(forge.store.find("check_run", repo, suite_id=suite["id"])),
        "check_runs_url": f"{api}/check-runs",
    }


def list_for_ref(request: Request) -> Response:
    """GET commits/{ref}/check-runs with check_name, status, app_id, filter=latest|all"""
    _read(request)
    name, sha = _sha_of(request)
    return _runs(request, web.forge_of(request).store.find("check_run", name, head_sha=sha))


def list_for_suite(request: Request) -> Response:
    """GET check-suites/{id}/check-runs, the same filters"""
    name, number = _read(request), web.path_int(request, "id")
    return _runs(request, web.forge_of(request).store.find("check_run", name, suite_id=number))


def _runs(request: Request, runs: list[Json]) -> Response:
    forge, links, asked = web.forge_of(request), web.links_of(request), request.query_params
    if asked.get("filter", "latest") == "latest":
        runs = list({(run["suite_id"], run["name"]): run for run in runs}.values())
    if "check_name" in asked:
        runs = [run for run in runs if run["name"] == asked["check_name"]]
    if "status" in asked:
        runs = [run for run in runs if run["status"] == asked["status"]]
    if "app_id" in asked:
        runs = [run for run in runs if str(checks.app_id(forge, run["app"])) == asked["app_id"]]
    runs.sort(key=lambda run: int(run["id"]), reverse=True)
    return web.counted(request, "check_runs", runs, lambda run: check_run(forge, links, run))


def _one(request: Request, kind: str, permission: str = "checks") -> Json:
    name = _read(request, permission)
    body = web.forge_of(request).store.get(kind, web.path_int(request, "id"))
    if body is None or body["repo"] != name:
        raise not_found()
    return body


def get_run(request: Request) -> Response:
    """GET check-runs/{id}"""
    return JSONResponse(check_run(web.forge_of(request), web.links_of(request), _one(request, "check_run")))


def get_suite(request: Request) -> Response:
    """GET check-suites/{id}"""
    return JSONResponse(check_suite(web.forge_of(request), web.links_of(request), _one(request, "check_suite")))


def list_suites(request: Request) -> Response:
    """GET commits/{ref}/check-suites"""
    forge, links, asked = web.forge_of(request), web.links_of(request), request.query_params
    _read(request)
    name, sha = _sha_of(request)
    found = forge.store.find("check_suite", name, head_sha=sha)
    if "app_id" in asked:
        found = [suite for suite in found if str(checks.app_id(forge, suite["app"])) == asked["app_id"]]
    return web.counted(request, "check_suites", found, lambda suite: check_suite(forge, links, suite))


def _app_of(request: Request) -> str:
    """The app that writes a check run; nobody else may (G16)."""
    who = web.identity_of(request)
    auth.require_login(who)
    name = web.repo_name(request)
    if who.app is None:
        raise Refusal(403, "You must authenticate via a GitHub App.")
    auth.require(web.forge_of(request), who, name, "checks", "write")
    return who.app


def create_run(request: Request) -> Response:
    """POST check-runs, by an app"""
    forge, who, app = web.forge_of(request), web.identity_of(request), _app_of(request)
    name, body = web.repo_name(request), web.json_body(request)
    sha, title = str(web.field(body, "head_sha", str)), str(web.field(body, "name", str))
    if git.read_commit(forge.git_dir(name), sha) is None:
        raise Refusal(422, f"No commit found for SHA: {sha}")
    with forge.store.writing():
        now = forge.now()
        suites = forge.store.find("check_suite", name, head_sha=sha, app=app, run_id=None)
        suite = suites[-1] if suites else _new_suite(forge, name, sha, app)
        run: Json = {
            "id": forge.store.next_id("check_run"),
            "repo": name,
            "suite_id": suite["id"],
            "name": title,
            "head_sha": sha,
            "app": app,
            "status": "queued",
            "conclusion": None,
            "started_at": now,
            "completed_at": None,
            "run_id": None,
            "job_id": None,
        }
        _apply(forge, run, body)
        subject = f"{name} {sha}"
        detail = {"name": title, "status": run["status"], "conclusion": run["conclusion"]}
        forge.store.log_effect(now, who.login, "create_check_run", subject, detail)
    return JSONResponse(check_run(forge, web.links_of(request), run), 201)


def update_run(request: Request) -> Response:
    """PATCH check-runs/{id}, by the app that made it"""
    forge, who, app = web.forge_of(request), web.identity_of(request), _app_of(request)
    body = web.json_body(request)
    with forge.store.writing():
        run = _one(request, "check_run")
        if run["app"] != app:
            raise Refusal(403, f"Invalid app_id `{checks.app_id(forge, app)}` - check run can only be modified by the GitHub App that created it.")  # fmt: skip  # noqa: E501
        _apply(forge, run, body)
        detail = {"name": run["name"], "status": run["status"], "conclusion": run["conclusion"]}
        forge.store.log_effect(forge.now(), who.login, "update_check_run", f"{run['repo']} {run['head_sha']}", detail)
    return JSONResponse(check_run(forge, web.links_of(request), run))


def _new_suite(forge: Any, name: str, sha: str, app: str) -> Json:
    heads = git.list_refs(forge.git_dir(name), "refs/heads/")
    suite = {
        "id": forge.store.next_id("check_suite"),
        "repo": name,
        "head_sha": sha,
        "head_branch": next((ref.removeprefix("refs/heads/") for ref, at in heads if at == sha), None),
        "app": app,
        "run_id": None,
        "event": None,
        "status": "queued",
        "conclusion": None,
        "created_at": forge.now(),
    }
    return dict(forge.store.put("check_suite", suite["id"], suite, name))


def _apply(forge: Any, run: Json, body: Json) -> None:
    """Put what a request says into a check run, and what follows from it into its suite."""
    conclusion = web.field(body, "conclusion", str, None)
    if conclusion is not None and conclusion not in _CONCLUSIONS:
        raise invalid("CheckRun", "conclusion", "invalid")
    status = web.field(body, "status", str, "completed" if conclusion else run["status"])
    if status == "completed" and conclusion is None and run["conclusion"] is None:
        raise Refusal(422, 'Invalid request.\n\n"conclusion" wasn\'t supplied.')
    run["status"] = status
    if status == "completed":
        run["conclusion"] = conclusion or run["conclusion"]
        run["completed_at"] = web.field(body, "completed_at", str, forge.now())
    else:
        run |= {"conclusion": None, "completed_at": None}
    for name in ("name", "started_at", "details_url", "external_id"):
        run[name] = web.field(body, name, str, run.get(name, "" if name == "external_id" else None))
    output = web.field(body, "output", dict, None)
    if output is not None:
        run["output"] = {name: web.field(output, name, str, None) for name in ("title", "summary", "text")}
    forge.store.put("check_run", run["id"], run, run["repo"])
    _settle(forge, run["suite_id"], run["repo"])


def _settle(forge: Any, suite_id: int, repo: str) -> None:
    newest = {run["name"]: run for run in forge.store.find("check_run", repo, suite_id=suite_id)}.values()
    suite = forge.store.get("check_suite", suite_id)
    if any(run["status"] != "completed" for run in newest):
        suite |= {"status": "in_progress", "conclusion": None}
    else:
        bad = [run["conclusion"] for run in newest if checks.run_state(run) == "failure"]
        suite |= {"status": "completed", "conclusion": bad[0] if bad else "success"}
    forge.store.put("check_suite", suite_id, suite, repo)


# ---- statuses


def _status_body(request: Request, status: Json) -> Json:
    forge, links = web.forge_of(request), web.links_of(request)
    creator = present.simple_user(forge, links, status["creator"])
    return {**_plain_status(links, status), "avatar_url": creator["avatar_url"], "creator": creator}


def _plain_status(links: Links, status: Json) -> Json:
    return {
        "url": f"{links.rest}/repos/{status['repo']}/statuses/{status['sha']}",
        "avatar_url": None,
        "id": status["id"],
        "node_id": present.node_id("SC", status["id"]),
        "state": status["state"],
        "description": status.get("description"),
        "target_url": status.get("target_url"),
        "context": status["context"],
        "created_at": status["created_at"],
        "updated_at": status["created_at"],
    }


def combined(request: Request) -> Response:
    """GET commits/{ref}/status: pending when there are no statuses at all (G16)"""
    forge, links = web.forge_of(request), web.links_of(request)
    _read(request, "statuses")
    name, sha = _sha_of(request)
    found = checks.latest_statuses(forge, name, sha)
    part, headers = web.page(request, found)
    body = {
        "state": checks.combined_state(found),
        "statuses": [_plain_status(links, status) for status in part],
        "sha": sha,
        "total_count": len(found),
        "repository": present.minimal_repository(forge, links, web.repo_of(request)),
        "commit_url": f"{links.rest}/repos/{name}/commits/{sha}",
        "url": f"{links.rest}/repos/{name}/commits/{sha}/status",
    }
    return JSONResponse(body, headers=headers)


def list_statuses(request: Request) -> Response:
    """GET commits/{ref}/statuses, newest first"""
    _read(request, "statuses")
    name, sha = _sha_of(request)
    found = web.forge_of(request).store.find("status", name, sha=sha)
    return web.listing(request, found[::-1], lambda status: _status_body(request, status))


def create_status(request: Request) -> Response:
    """POST statuses/{sha}"""
    forge, who, name = web.forge_of(request), web.identity_of(request), web.repo_name(request)
    auth.require(forge, who, name, "statuses", "write")
    body, sha = web.json_body(request), request.path_params["sha"]
    if git.read_commit(forge.git_dir(name), sha) is None:
        raise Refusal(422, f"No commit found for SHA: {sha}")
    state, context = web.field(body, "state", str), web.field(body, "context", str, "default")
    if state not in _STATES:
        raise invalid("Status", "state", "custom", value=state)
    with forge.store.writing():
        status: Json = {"id": forge.store.next_id("status"), "repo": name, "sha": sha, "context": context}
        status |= {"state": state, "creator": who.login, "created_at": forge.now()}
        status |= {key: web.field(body, key, str, None) for key in ("description", "target_url")}
        forge.store.put("status", status["id"], status, name)
        detail = {"context": context, "state": state}
        forge.store.log_effect(forge.now(), who.login, "create_status", f"{name} {sha}", detail)
    return JSONResponse(_status_body(request, status), 201)


_REPO = "/repos/{owner}/{repo}"

routes = [
    Route(_REPO + "/commits/{ref:path}/check-runs", list_for_ref),
    Route(_REPO + "/commits/{ref:path}/check-suites", list_suites),
    Route(_REPO + "/commits/{ref:path}/status", combined),
    Route(_REPO + "/commits/{ref:path}/statuses", list_statuses),
    Route(_REPO + "/statuses/{sha}", create_status, methods=["POST"]),
    Route(_REPO + "/check-runs", create_run, methods=["POST"]),
    Route(_REPO + "/check-runs/{id}", get_run),
    Route(_REPO + "/check-runs/{id}", update_run, methods=["PATCH"]),
    Route(_REPO + "/check-suites/{id}", get_suite),
    Route(_REPO + "/check-suites/{id}/check-runs", list_for_suite),
]
