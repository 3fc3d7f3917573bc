"""REST: what a GitHub App asks about itself, and its installation tokens."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import app_tokens, auth, present, web
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.present import Json
from ms_release.forge.rest import versions

_SINCE = "2020-01-01T00:00:00Z"


def _app(request: Request) -> Json:
    """The app that asks with its JSON web token."""
    who = web.identity_of(request)
    found = web.forge_of(request).store.get("app", who.login) if who.kind == "app" else None
    if found is None:
        raise Refusal(401, "A JSON web token could not be decoded")
    return found


def _installation(request: Request, app: Json) -> Json:
    forge, links, number = web.forge_of(request), web.links_of(request), app["installation_id"]
    org = forge.store.get("org", app["org"]) or {"id": 0}
    return {
        "id": number,
        "account": present.simple_user(forge, links, app["org"]),
        "repository_selection": "all",
        "access_tokens_url": f"{links.rest}/app/installations/{number}/access_tokens",
        "repositories_url": f"{links.rest}/installation/repositories",
        "html_url": f"{links.web}/organizations/{app['org']}/settings/installations/{number}",
        "app_id": app["id"],
        "app_slug": app["slug"],
        "target_id": org["id"],
        "target_type": "Organization",
        "permissions": app["permissions"],
        "events": [],
        "created_at": _SINCE,
        "updated_at": _SINCE,
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
    }


def get_app(request: Request) -> Response:
    """GET /app"""
    app = _app(request)
    return JSONResponse(present.integration(web.forge_of(request), web.links_of(request), app["slug"]))


def list_installations(request: Request) -> Response:
    """GET /app/installations"""
    return web.listing(request, [_app(request)], lambda app: _installation(request, app))


def get_installation(request: Request) -> Response:
    """GET /app/installations/{id}, /orgs/{org}/installation, /repos/{owner}/{repo}/installation"""
    app, place = _app(request), request.path_params
    org = place.get("owner", place.get("org", app["org"]))
    if org != app["org"] or place.get("id", str(app["installation_id"])) != str(app["installation_id"]):
        raise not_found()
    if "repo" in place and auth.repo_body(web.forge_of(request), f"{org}/{place['repo']}") is None:
        raise not_found()
    return JSONResponse(_installation(request, app))


def create_token(request: Request) -> Response:
    """POST /app/installations/{id}/access_tokens with repositories and permissions, each optional"""
    forge, app = web.forge_of(request), _app(request)
    if request.path_params["id"] != str(app["installation_id"]):
        raise not_found()
    asked = web.json_body(request)
    names, wanted = web.field(asked, "repositories", list, None), web.field(asked, "permissions", dict, None)
    with forge.store.writing():
        token, body = app_tokens.new_installation_token(forge, app, names, wanted)
    selection = "all" if names is None else "selected"
    answer = {"token": token, **{key: body[key] for key in ("expires_at", "permissions")}}
    return JSONResponse({**answer, "repository_selection": selection}, 201)


def revoke_token(request: Request) -> Response:
    """DELETE /installation/token"""
    who = web.identity_of(request)
    if who.kind != "installation":
        raise auth.ForbiddenError("Resource not accessible by personal access token", "")
    web.forge_of(request).store.delete("token", who.token)
    return web.no_content()


def list_repositories(request: Request) -> Response:
    """GET /installation/repositories"""
    forge, links, who = web.forge_of(request), web.links_of(request), web.identity_of(request)
    if who.kind != "installation":
        raise auth.ForbiddenError("Resource not accessible by personal access token", "")
    found = [body for name in who.repos or () if (body := forge.store.get("repo", name))]
    newer = versions.is_newer(request)
    return web.counted(
        request, "repositories", found, lambda repo: present.repository(forge, links, repo, "read", newer)
    )


routes = [
    Route("/app", get_app),
    Route("/app/installations", list_installations),
    Route("/app/installations/{id}", get_installation),
    Route("/app/installations/{id}/access_tokens", create_token, methods=["POST"]),
    Route("/orgs/{org}/installation", get_installation),
    Route("/repos/{owner}/{repo}/installation", get_installation),
    Route("/installation/token", revoke_token, methods=["DELETE"]),
    Route("/installation/repositories", list_repositories),
]
