"""REST: settings of a repository that only administrators change: merging, and what a workflow's token may."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, present, web
from ms_release.forge.errors import Refusal
from ms_release.forge.present import Json
from ms_release.forge.rest import versions

_PERMISSIONS = ("read", "write")


def _repo(request: Request, level: str) -> Json:
    repo = web.repo_of(request)
    auth.require(web.forge_of(request), web.identity_of(request), repo["full_name"], "administration", level)
    return repo


def _save(request: Request, repo: Json, changes: Json) -> Json:
    forge, name = web.forge_of(request), repo["full_name"]
    with forge.store.writing():
        body = forge.store.put("repo", name, {**repo, **changes}, name)
        forge.store.log_effect(forge.now(), web.identity_of(request).login, "set_repository", name, changes)
    return body


def update_repo(request: Request) -> Response:
    """PATCH /repos/{owner}/{repo}: of all that GitHub has, whether pull requests may merge by themselves"""
    repo, asked = _repo(request, "write"), web.json_body(request)
    wish = web.field(asked, "allow_auto_merge", bool, None)
    body = repo if wish is None else _save(request, repo, {"allow_auto_merge": wish})
    newer = versions.is_newer(request)
    return JSONResponse(present.full_repository(web.forge_of(request), web.links_of(request), body, "admin", newer))


def get_workflow_permissions(request: Request) -> Response:
    """GET actions/permissions/workflow"""
    repo = _repo(request, "read")
    return JSONResponse(
        {
            "default_workflow_permissions": repo.get("default_workflow_permissions", "read"),
            "can_approve_pull_request_reviews": bool(repo.get("can_approve_pull_request_reviews")),
        }
    )


def put_workflow_permissions(request: Request) -> Response:
    """PUT actions/permissions/workflow: what is not given stays"""
    repo, asked = _repo(request, "write"), web.json_body(request)
    default = web.field(asked, "default_workflow_permissions", str, repo.get("default_workflow_permissions", "read"))
    if default not in _PERMISSIONS:
        raise Refusal(422, f"Invalid request.\n\n{default} is not one of {', '.join(_PERMISSIONS)}.")
    approve = web.field(asked, "can_approve_pull_request_reviews", bool, repo.get("can_approve_pull_request_reviews"))
    changes = {"default_workflow_permissions": default, "can_approve_pull_request_reviews": bool(approve)}
    _save(request, repo, changes)
    return web.no_content()


def get_app(request: Request) -> Response:
    """GET /apps/{slug}: what anybody may know of an App"""
    forge, slug = web.forge_of(request), request.path_params["slug"]
    if slug != auth.ACTIONS_APP and forge.store.get("app", slug) is None:
        raise Refusal(404, "Not Found")
    return JSONResponse(present.integration(forge, web.links_of(request), slug))


_REPO = "/repos/{owner}/{repo}"

routes = [
    Route(_REPO, update_repo, methods=["PATCH"]),
    Route(_REPO + "/actions/permissions/workflow", get_workflow_permissions),
    Route(_REPO + "/actions/permissions/workflow", put_workflow_permissions, methods=["PUT"]),
    Route("/apps/{slug}", get_app),
]
