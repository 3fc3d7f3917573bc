"""REST: release assets: describe, upload, download by API or browser address, rename, delete."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, present, releases, web
from ms_release.forge.errors import Refusal, invalid, not_found

Body = dict[str, Any]

_KEY = secrets.token_bytes(32)
_LIFETIME = 300
"""Seconds that a storage address works: it needs no token, so it must not live long."""


def asker_of(request: Request) -> releases.Asker:
    """Who asks for which repository; 404 when he may not see it."""
    return releases.Asker(web.forge_of(request), web.identity_of(request), web.repo_name(request))


# ---- how they look


def present_release(request: Request, body: Body) -> Body:
    """A release as GitHub shows it. A draft has no tag page yet: its addresses say `untagged-…`."""
    forge, links, repo = web.forge_of(request), web.links_of(request), body["repo"]
    api, tag = f"{links.rest}/repos/{repo}", quote(body["tag_name"], safe="/")
    base = f"{api}/releases/{body['id']}"
    return {
        "url": base,
        "assets_url": f"{base}/assets",
        "upload_url": f"{links.uploads}/repos/{repo}/releases/{body['id']}/assets{{?name,label}}",
        "html_url": f"{links.web}/{repo}/releases/tag/{releases.page_tag(body)}",
        "id": body["id"],
        "author": present.simple_user(web.forge_of(request), web.links_of(request), body["author"]),
        "node_id": present.node_id("RE", body["id"]),
        "tag_name": body["tag_name"],
        "target_commitish": body["target_commitish"],
        "name": body["name"],
        "draft": body["draft"],
        "immutable": body["immutable"],
        "prerelease": body["prerelease"],
        "created_at": body["created_at"],
        "updated_at": body.get("updated_at", body["created_at"]),
        "published_at": body["published_at"],
        "assets": [present_asset(request, asset, body) for asset in releases.assets_of(forge, body)],
        "tarball_url": None if body["draft"] else f"{api}/tarball/{tag}",
        "zipball_url": None if body["draft"] else f"{api}/zipball/{tag}",
        "body": body["body"],
    }


def present_asset(request: Request, asset: Body, release: Body) -> Body:
    """An asset as GitHub shows it."""
    links, repo = web.links_of(request), asset["repo"]
    browser = f"{links.web}/{repo}/releases/download/{releases.page_tag(release)}/{quote(asset['name'])}"
    return {
        "url": f"{links.rest}/repos/{repo}/releases/assets/{asset['id']}",
        "id": asset["id"],
        "node_id": present.node_id("RA", asset["id"]),
        "name": asset["name"],
        "label": asset.get("label", ""),
        "uploader": present.simple_user(web.forge_of(request), web.links_of(request), asset["uploader"]),
        "content_type": asset["content_type"],
        "state": asset["state"],
        "size": asset["size"],
        "digest": asset["digest"],
        "download_count": 0,
        "created_at": asset["created_at"],
        "updated_at": asset["updated_at"],
        "browser_download_url": browser,
    }


# ---- by the API


def _list(request: Request) -> Response:
    asker = asker_of(request)
    release = releases.find(asker, web.path_int(request, "id"))
    shown = releases.assets_of(asker.forge, release)
    return web.listing(request, shown, lambda asset: present_asset(request, asset, release))


def _get(request: Request) -> Response:
    """The description, or with `Accept: application/octet-stream` the way to the bytes."""
    asset, release = releases.find_asset(asker_of(request), web.path_int(request, "id"))
    if "application/octet-stream" in request.headers.get("accept", ""):
        return _to_storage(request, asset)
    return JSONResponse(present_asset(request, asset, release))


def _writer(request: Request) -> releases.Asker:
    asker = asker_of(request)
    auth.require(asker.forge, asker.identity, asker.repo, "contents", "write")
    return asker


def _rename(request: Request) -> Response:
    asker = _writer(request)
    asset, release = releases.find_asset(asker, web.path_int(request, "id"))
    body = web.json_body(request)
    wish = {name: web.field(body, name, str, None) for name in ("name", "label")}
    return JSONResponse(present_asset(request, releases.rename(asker, asset, release, wish), release))


def _delete(request: Request) -> Response:
    asker = _writer(request)
    releases.delete_asset(asker, *releases.find_asset(asker, web.path_int(request, "id")))
    return web.no_content()


def _upload(request: Request) -> Response:
    asker = _writer(request)
    release = releases.find(asker, web.path_int(request, "id"))
    name, kind = request.query_params.get("name", ""), request.headers.get("content-type", "")
    if not name:
        raise invalid("ReleaseAsset", "name", "missing_field")
    if not kind:
        raise invalid("ReleaseAsset", "content_type", "missing_field")
    size = web.body_size(request)
    if size == 0 and web.body_whole(request):
        raise Refusal(400, "Bad Content-Length: ")
    if size >= releases.SIZE_LIMIT:
        raise invalid("ReleaseAsset", "size", "custom", detail="size must be less than 2147483648")
    if not web.body_whole(request):
        releases.leave_starter(asker, release, name, kind)
        raise Refusal(400, "Bad Content-Length")
    asset = releases.upload(asker, release, name, kind, web.body_file(request))
    label = request.query_params.get("label")
    if label:
        asset = releases.rename(asker, asset, release, {"label": label})
    return JSONResponse(present_asset(request, asset, release), 201)


# ---- the bytes


def _download(request: Request) -> Response:
    """What a browser loads: public repositories only, because a token means nothing here on GitHub."""
    forge = web.forge_of(request)
    repo = web.repo_of(request)
    if repo["private"]:
        raise not_found()
    asker = releases.Asker(forge, auth.ANONYMOUS, repo["full_name"])
    tag, name = request.path_params.get("tag"), request.path_params["name"]
    release = releases.published(asker, tag) if tag is not None else releases.latest(forge, asker.repo)
    if release is None:
        raise not_found()
    found = [asset for asset in releases.assets_of(forge, release) if asset["name"] == name]
    if not found:
        raise not_found()
    return _to_storage(request, found[0])


def _to_storage(request: Request, asset: Body) -> Response:
    """302 to a short-lived address without a token, as GitHub sends one to its storage."""
    until = int(web.forge_of(request).clock().timestamp()) + _LIFETIME
    place = f"{asset['id']}-{until}"
    return RedirectResponse(f"{web.links_of(request).web}/_storage/{place}-{_sign(place)}", 302)


def _sign(place: str) -> str:
    return hmac.new(_KEY, place.encode(), hashlib.sha256).hexdigest()


def _storage(request: Request) -> Response:
    """The bytes; 403 for an address that we never gave out, or too long ago."""
    forge = web.forge_of(request)
    match = re.fullmatch(r"(\d+)-(\d+)-([0-9a-f]{64})", request.path_params["place"])
    if match is None or not hmac.compare_digest(_sign(f"{match[1]}-{match[2]}"), match[3]):
        raise Refusal(403, "AuthenticationFailed")
    if int(match[2]) < forge.clock().timestamp():
        raise Refusal(403, "AuthenticationFailed")
    asset = forge.store.get("asset", int(match[1]))
    if asset is None:
        raise not_found()
    return FileResponse(forge.blob(asset["blob"]), media_type=asset["content_type"], filename=asset["name"])


_BASE = "/repos/{owner}/{repo}/releases"

routes = [
    Route(_BASE + "/{id}/assets", _list, methods=["GET"]),
    Route(_BASE + "/assets/{id}", _get, methods=["GET"]),
    Route(_BASE + "/assets/{id}", _rename, methods=["PATCH"]),
    Route(_BASE + "/assets/{id}", _delete, methods=["DELETE"]),
]
upload_routes = [Route(_BASE + "/{id}/assets", _upload, methods=["POST"])]
download_routes = [
    Route("/{owner}/{repo}/releases/download/{tag:path}/{name}", _download, methods=["GET"]),
    Route("/{owner}/{repo}/releases/latest/download/{name}", _download, methods=["GET"]),
    Route("/_storage/{place}", _storage, methods=["GET"]),
]
