"""REST: workflows, their runs and jobs, read; what changes them is in run_commands.py, artifacts in artifacts.py."""

from __future__ import annotations

import hashlib
import io
import zipfile
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, web
from ms_release.forge.engine import run_states
from ms_release.forge.errors import not_found
from ms_release.forge.rest import artifacts, run_commands, run_shapes

Body = dict[str, Any]
MAX_LISTED = 1000
ALWAYS = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


def _repo(request: Request) -> str:
    """The repository in the path, once the asker may read its runs; recovery of an earlier forge's runs comes first."""
    forge, repo = web.forge_of(request), web.repo_name(request)
    auth.require(forge, web.identity_of(request), repo, "actions", "read")
    forge.engine.recover()
    return repo


def _find(request: Request, kind: str) -> Body:
    """The run or job in the path, of this repository. Raises Refusal 404."""
    repo = _repo(request)
    body = web.forge_of(request).store.get(kind, web.path_int(request, f"{kind}_id"))
    if body is None or body["repo"] != repo:
        raise not_found()
    return body


def _list_workflows(request: Request) -> Response:
    repo, forge = _repo(request), web.forge_of(request)
    with forge.store.writing():
        known = run_states.know_workflows(forge, repo)
    return web.counted(request, "workflows", known, lambda body: run_shapes.workflow(request, body))


def _get_workflow(request: Request) -> Response:
    repo, forge = _repo(request), web.forge_of(request)
    return JSONResponse(
        run_shapes.workflow(request, forge.engine.find_workflow(repo, request.path_params["workflow_id"]))
    )


def _list_runs(request: Request) -> Response:
    repo, forge = _repo(request), web.forge_of(request)
    equal: Body = {}
    if "workflow_id" in request.path_params:
        equal["workflow_id"] = forge.engine.find_workflow(repo, request.path_params["workflow_id"])["id"]
    query = request.query_params
    names = {"actor": "actor", "branch": "head_branch", "event": "event", "head_sha": "head_sha"}
    equal |= {field: query[name] for name, field in names.items() if query.get(name)}
    if query.get("check_suite_id", "").isdecimal():
        equal["check_suite_id"] = int(query["check_suite_id"])
    runs = list(reversed(forge.store.find("run", repo, **equal)))
    if wanted := query.get("status"):
        runs = [run for run in runs if wanted in (run["status"], run["conclusion"])]
    first, last = _created(query.get("created", ""))
    runs = [run for run in runs if first <= datetime.fromisoformat(run["created_at"]) <= last]
    return web.counted(request, "workflow_runs", runs[:MAX_LISTED], lambda body: run_shapes.run(request, body))


def _created(text: str) -> tuple[datetime, datetime]:
    """The span of a `created` filter: a day or time, `>=T`, `>T`, `<=T`, `<T` or `A..B`; everything if unreadable."""
    try:
        if ".." in text:
            first, last = text.split("..", 1)
            return (_times(first)[0] if first != "*" else ALWAYS[0]), (_times(last)[1] if last != "*" else ALWAYS[1])
        if text.startswith(">"):
            return _times(text.lstrip(">="))[0], ALWAYS[1]
        if text.startswith("<"):
            return ALWAYS[0], _times(text.lstrip("<="))[1]
        return _times(text) if text else ALWAYS
    except ValueError:
        return ALWAYS


def _times(text: str) -> tuple[datetime, datetime]:
    """The first and last moment of a day, or one moment twice."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment, moment.replace(hour=23, minute=59, second=59) if len(text) == 10 else moment


def _get_run(request: Request) -> Response:
    return JSONResponse(run_shapes.run(request, _find(request, "run")))


def _attempt(request: Request) -> Body:
    """The run as it was in the attempt of the path. Raises Refusal 404."""
    run, number = _find(request, "run"), web.path_int(request, "attempt")
    if number == run["run_attempt"]:
        return run
    old = web.forge_of(request).store.get("run_attempt", f"{run['id']}/{number}")
    if old is None:
        raise not_found()
    return old


def _get_attempt(request: Request) -> Response:
    return JSONResponse(run_shapes.run(request, _attempt(request)))


def _list_jobs(request: Request) -> Response:
    forge, run = web.forge_of(request), _find(request, "run")
    if request.query_params.get("filter") == "all":
        jobs = forge.store.find("job", run["repo"], run_id=run["id"])
    else:
        jobs = run_states.jobs_of(forge, run)
    return web.counted(request, "jobs", jobs, lambda body: run_shapes.job(request, body))


def _list_attempt_jobs(request: Request) -> Response:
    jobs = run_states.jobs_of(web.forge_of(request), _attempt(request))
    return web.counted(request, "jobs", jobs, lambda body: run_shapes.job(request, body))


def _get_job(request: Request) -> Response:
    return JSONResponse(run_shapes.job(request, _find(request, "job")))


def _job_log(request: Request) -> Response:
    """302 to the text; the second address holds a key and needs no token, as GitHub's does."""
    forge, key = web.forge_of(request), request.query_params.get("key")
    job = forge.store.get("job", web.path_int(request, "job_id")) if key else _find(request, "job")
    if job is None or not job["log"] or (key and key != job["log"]):
        raise not_found()
    if not key:
        path = web.url(request, f"/repos/{job['repo']}/actions/jobs/{job['id']}/logs")
        return RedirectResponse(f"{path}?key={job['log']}", 302)
    return Response(forge.blob(job["log"]).read_bytes(), media_type="text/plain; charset=utf-8")


def _run_logs(request: Request) -> Response:
    """302 to a zip with one text per finished job, as with one job's log."""
    forge, key = web.forge_of(request), request.query_params.get("key")
    run = forge.store.get("run", web.path_int(request, "run_id")) if key else _find(request, "run")
    logs = "".join(job["log"] or "" for job in run_states.jobs_of(forge, run)) if run else ""
    digest = hashlib.sha256(logs.encode()).hexdigest()
    if run is None or not logs or (key and key != digest):
        raise not_found()
    if not key:
        return RedirectResponse(
            web.url(request, f"/repos/{run['repo']}/actions/runs/{run['id']}/logs?key={digest}"), 302
        )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for index, job in enumerate(run_states.jobs_of(forge, run)):
            if job["log"]:
                name = job["name"].replace("/", "").replace(":", "")
                bundle.writestr(f"{index}_{name}.txt", forge.blob(job["log"]).read_bytes())
    return Response(file.getvalue(), media_type="application/zip")


_RUN = "/repos/{owner}/{repo}/actions/runs/{run_id}"
_WORKFLOW = "/repos/{owner}/{repo}/actions/workflows"

routes = [
    Route(_WORKFLOW, _list_workflows),
    Route(_WORKFLOW + "/{workflow_id}", _get_workflow),
    Route(_WORKFLOW + "/{workflow_id}/runs", _list_runs),
    Route("/repos/{owner}/{repo}/actions/runs", _list_runs),
    Route(_RUN, _get_run),
    Route(_RUN + "/jobs", _list_jobs),
    Route(_RUN + "/logs", _run_logs),
    Route(_RUN + "/attempts/{attempt}", _get_attempt),
    Route(_RUN + "/attempts/{attempt}/jobs", _list_attempt_jobs),
    Route("/repos/{owner}/{repo}/actions/jobs/{job_id}", _get_job),
    Route("/repos/{owner}/{repo}/actions/jobs/{job_id}/logs", _job_log),
    *run_commands.routes,
    *artifacts.routes,
]
