"""REST: what changes runs: dispatch, cancel, re-run, and the reviews of waiting deployments."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, present, web
from ms_release.forge.engine import deployments, run_states
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.rest import run_shapes, versions
from ms_release.forge.state import Forge

Body = dict[str, Any]


def _writer(request: Request) -> tuple[Forge, str, str]:
    """Forge, repository and login, once the asker may change runs. Raises Refusal 401, 403 or 404."""
    forge, repo, identity = web.forge_of(request), web.repo_name(request), web.identity_of(request)
    auth.require(forge, identity, repo, "actions", "write")
    return forge, repo, identity.login


def _dispatch(request: Request) -> Response:
    """204, or 200 with the run where the version or the asker wants it (G1)."""
    forge, repo, login = _writer(request)
    body = web.json_body(request)
    ref, inputs = web.field(body, "ref", str), web.field(body, "inputs", dict, {})
    details = web.field(body, "return_run_details", bool, False)
    run = forge.engine.dispatch(repo, request.path_params["workflow_id"], ref, inputs, login)
    if not details and not versions.is_newer(request):  # G1
        return web.no_content()
    path, links = f"{repo}/actions/runs/{run['id']}", web.links_of(request)
    answer = {"run_url": f"{links.rest}/repos/{path}", "html_url": f"{links.web}/{path}"}
    return JSONResponse({"workflow_run_id": run["id"], **answer})


def _cancel(request: Request) -> Response:
    forge, repo, login = _writer(request)
    force = request.scope["path"].endswith("/force-cancel")
    forge.engine.cancel(repo, web.path_int(request, "run_id"), login, force=force)
    return JSONResponse({}, 202)


def _rerun(request: Request) -> Response:
    forge, repo, login = _writer(request)
    forge.engine.rerun(repo, web.path_int(request, "run_id"), login)
    return JSONResponse({}, 201)


def _rerun_failed(request: Request) -> Response:
    forge, repo, login = _writer(request)
    forge.engine.rerun(repo, web.path_int(request, "run_id"), login, failed_only=True)
    return JSONResponse({}, 201)


def _rerun_job(request: Request) -> Response:
    forge, repo, login = _writer(request)
    job = forge.store.get("job", web.path_int(request, "job_id"))
    if job is None or job["repo"] != repo:
        raise not_found()
    forge.engine.rerun(repo, job["run_id"], login, job_id=job["id"])
    return JSONResponse({}, 201)


def _run_of(request: Request) -> tuple[Forge, Body]:
    """The run in the path for somebody who may read it."""
    forge, repo = web.forge_of(request), web.repo_name(request)
    auth.require(forge, web.identity_of(request), repo, "actions", "read")
    forge.engine.recover()
    run = forge.store.get("run", web.path_int(request, "run_id"))
    if run is None or run["repo"] != repo:
        raise not_found()
    return forge, run


def _pending(request: Request) -> Response:
    """What the run waits for, and whether the asker could let it go (G27)."""
    forge, run = _run_of(request)
    login = web.identity_of(request).login
    with forge.store.writing():
        waiting = deployments.pending(forge, run, run_states.jobs_of(forge, run))
    return JSONResponse(
        [
            {
                "environment": run_shapes.place(request, environment),
                "wait_timer": environment["wait_timer"],
                "wait_timer_started_at": jobs[0]["waiting_since"] if environment["wait_timer"] else None,
                "current_user_can_approve": deployments.may_review(forge, run["repo"], environment, run, login),
                "reviewers": run_shapes.reviewers(request, environment),
            }
            for environment, jobs in waiting
        ]
    )


def _review(request: Request) -> Response:
    """Approve or reject; a reviewer needs to read the repository only, his token `deployments: write` (G42)."""
    forge, run = _run_of(request)
    identity = web.identity_of(request)
    auth.require_login(identity)
    if identity.permissions is not None and identity.permissions.get("deployments") != "write":
        kind = "integration" if identity.app else "personal access token"
        raise auth.ForbiddenError(f"Resource not accessible by {kind}", "deployments=write")
    body = web.json_body(request)
    numbers, state = web.field(body, "environment_ids", list), web.field(body, "state", str)
    comment = web.field(body, "comment", str)
    if state not in ("approved", "rejected"):
        raise Refusal(422, f'Invalid request.\n\n{state} is not a member of ["approved", "rejected"].')
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        raise Refusal(422, "Invalid request.\n\nFor 'items', environment_ids must be integers.")
    decided = forge.engine.review(run["repo"], run["id"], numbers, state, comment, identity.login)
    return JSONResponse([run_shapes.deployment(request, run, environment) for environment in decided])


def _approvals(request: Request) -> Response:
    """Every review of the run, oldest first: what `promote` reads."""
    forge, run = _run_of(request)
    answers = []
    for approval in forge.store.find("approval", run["repo"], run_id=run["id"]):
        environment = deployments.find_environment(forge, run["repo"], approval["environment"])
        shown = [] if environment is None else [run_shapes.environment(request, environment)]
        brief = ("id", "node_id", "name", "url", "html_url", "created_at", "updated_at")
        answers.append(
            {
                "state": approval["state"],
                "comment": approval["comment"],
                "environments": [{field: one[field] for field in brief} for one in shown],
                "user": present.simple_user(forge, web.links_of(request), approval["user"]),
            }
        )
    return JSONResponse(answers)


_RUN = "/repos/{owner}/{repo}/actions/runs/{run_id}"

routes = [
    Route("/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", _dispatch, methods=["POST"]),
    Route(_RUN + "/cancel", _cancel, methods=["POST"]),
    Route(_RUN + "/force-cancel", _cancel, methods=["POST"]),
    Route(_RUN + "/rerun", _rerun, methods=["POST"]),
    Route(_RUN + "/rerun-failed-jobs", _rerun_failed, methods=["POST"]),
    Route("/repos/{owner}/{repo}/actions/jobs/{job_id}/rerun", _rerun_job, methods=["POST"]),
    Route(_RUN + "/pending_deployments", _pending),
    Route(_RUN + "/pending_deployments", _review, methods=["POST"]),
    Route(_RUN + "/approvals", _approvals),
]
