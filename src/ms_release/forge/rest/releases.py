"""REST: releases, and (from rest/assets.py) their assets, as GitHub answers them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, releases, web
from ms_release.forge.errors import not_found
from ms_release.forge.rest import assets, immutable
from ms_release.forge.rest.assets import asker_of, present_release

_FIELDS: dict[str, type] = {
    "tag_name": str,
    "target_commitish": str,
    "name": str,
    "body": str,
    "draft": bool,
    "prerelease": bool,
    "make_latest": str,
}


def _list(request: Request) -> Response:
    return web.listing(request, releases.visible(asker_of(request)), lambda body: present_release(request, body))


def _get(request: Request) -> Response:
    found = releases.find(asker_of(request), web.path_int(request, "id"))
    return JSONResponse(present_release(request, found))


def _by_tag(request: Request) -> Response:
    found = releases.published(asker_of(request), request.path_params["tag"])
    if found is None:
        raise not_found()
    return JSONResponse(present_release(request, found))


def _latest(request: Request) -> Response:
    asker = asker_of(request)
    found = releases.latest(asker.forge, asker.repo)
    if found is None:
        raise not_found()
    return JSONResponse(present_release(request, found))


def _create(request: Request) -> Response:
    asker = _writer(request)
    body = web.json_body(request)
    web.field(body, "tag_name", str)
    made = releases.create(asker, _wish(body))
    shown = present_release(request, made)
    return JSONResponse(shown, 201, headers={"location": shown["url"]})


def _update(request: Request) -> Response:
    asker = _writer(request)
    found = releases.find(asker, web.path_int(request, "id"))
    return JSONResponse(present_release(request, releases.update(asker, found, _wish(web.json_body(request)))))


def _delete(request: Request) -> Response:
    asker = _writer(request)
    releases.delete(asker, releases.find(asker, web.path_int(request, "id")))
    return web.no_content()


def _writer(request: Request) -> releases.Asker:
    asker = asker_of(request)
    auth.require(asker.forge, asker.identity, asker.repo, "contents", "write")
    return asker


def _wish(body: dict[str, Any]) -> dict[str, Any]:
    """The fields that a release has, each of its type; others are ignored, as GitHub does."""
    return {name: web.field(body, name, kind, None) for name, kind in _FIELDS.items() if name in body}


_BASE = "/repos/{owner}/{repo}/releases"

routes = [
    Route(_BASE, _list, methods=["GET"]),
    Route(_BASE, _create, methods=["POST"]),
    Route(_BASE + "/latest", _latest, methods=["GET"]),
    Route(_BASE + "/tags/{tag:path}", _by_tag, methods=["GET"]),
    Route(_BASE + "/{id}", _get, methods=["GET"]),
    Route(_BASE + "/{id}", _update, methods=["PATCH"]),
    Route(_BASE + "/{id}", _delete, methods=["DELETE"]),
    *assets.routes,
    *immutable.routes,
]
upload_routes = assets.upload_routes
download_routes = assets.download_routes
