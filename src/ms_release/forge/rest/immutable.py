"""REST: whether the releases of a repository are immutable, which only administrators may know or change (G37)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, web
from ms_release.forge.errors import not_found


def _repo(request: Request, level: str) -> dict[str, Any]:
    body = web.repo_of(request)
    if not auth.allowed(web.forge_of(request), web.identity_of(request), body["full_name"], "administration", level):
        raise not_found()
    return body


def _get(request: Request) -> Response:
    if not _repo(request, "read").get("immutable_releases"):
        raise not_found()
    return JSONResponse({"enabled": True, "enforced_by_owner": False})


def _put(request: Request) -> Response:
    return _switch(request, True)


def _delete(request: Request) -> Response:
    return _switch(request, False)


def _switch(request: Request, on: bool) -> Response:
    """For releases published from now on; those that are out stay what they are."""
    forge, body = web.forge_of(request), _repo(request, "write")
    with forge.store.writing():
        forge.store.put("repo", body["full_name"], {**body, "immutable_releases": on}, body["full_name"])
        login = web.identity_of(request).login
        forge.store.log_effect(forge.now(), login, "set_immutable_releases", body["full_name"], {"enabled": on})
    return web.no_content()


_PATH = "/repos/{owner}/{repo}/immutable-releases"

routes = [
    Route(_PATH, _get),
    Route(_PATH, _put, methods=["PUT"]),
    Route(_PATH, _delete, methods=["DELETE"]),
]
