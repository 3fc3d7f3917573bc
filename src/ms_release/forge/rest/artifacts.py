"""REST: artifacts of runs. Jobs hand theirs in by an address of the forge's own; GitHub has a service for that."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, web
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.rest import run_shapes
from ms_release.forge.state import Forge

Body = dict[str, Any]
_NAME = re.compile(r'[^"<>:|*?\r\n\\/\x00]{1,256}')


def _readable(request: Request, run_id: int | None) -> tuple[Forge, str]:
    """Forge and repository for somebody who may read runs; a job may always read what its own run made."""
    forge, repo, identity = web.forge_of(request), web.repo_name(request), web.identity_of(request)
    if run_id is None or identity.run_id != run_id:
        auth.require(forge, identity, repo, "actions", "read")
    return forge, repo


def _named(request: Request, found: list[Body]) -> Response:
    name = request.query_params.get("name")
    shown = [artifact for artifact in reversed(found) if name in (None, artifact["name"])]
    return web.counted(request, "artifacts", shown, lambda body: run_shapes.artifact(request, body))


def _list(request: Request) -> Response:
    forge, repo = _readable(request, None)
    return _named(request, forge.store.find("artifact", repo))


def _list_of_run(request: Request) -> Response:
    run_id = web.path_int(request, "run_id")
    forge, repo = _readable(request, run_id)
    run = forge.store.get("run", run_id)
    if run is None or run["repo"] != repo:
        raise not_found()
    return _named(request, forge.store.find("artifact", repo, run_id=run_id))


def _find(request: Request) -> tuple[Forge, Body]:
    forge = web.forge_of(request)
    body = forge.store.get("artifact", web.path_int(request, "artifact_id"))
    _, repo = _readable(request, body["run_id"] if body else None)
    if body is None or body["repo"] != repo:
        raise not_found()
    return forge, body


def _get(request: Request) -> Response:
    return JSONResponse(run_shapes.artifact(request, _find(request)[1]))


def _delete(request: Request) -> Response:
    forge, body = _find(request)
    identity = web.identity_of(request)
    auth.require(forge, identity, body["repo"], "actions", "write")
    with forge.store.writing():
        forge.store.delete("artifact", body["id"])
        subject = f"{body['repo']} {body['name']}"
        forge.store.log_effect(forge.now(), identity.login, "delete_artifact", subject, {"run_id": body["run_id"]})
    forge.blob(body["blob"]).unlink(missing_ok=True)
    return web.no_content()


def _download(request: Request) -> Response:
    """302 to the bytes; the second address holds a key and needs no token, as GitHub's does."""
    key, forge = request.query_params.get("key"), web.forge_of(request)
    if not key:
        _, body = _find(request)
        path = web.url(request, f"/repos/{body['repo']}/actions/artifacts/{body['id']}/zip")
        return RedirectResponse(f"{path}?key={body['blob']}", 302)
    found = forge.store.get("artifact", web.path_int(request, "artifact_id"))
    if found is None or not secrets.compare_digest(found["blob"].encode(), key.encode()):
        raise not_found()
    return FileResponse(forge.blob(found["blob"]), media_type="application/zip", filename=f"{found['name']}.zip")


def _upload(request: Request) -> Response:
    """A job hands in a zip for its own run: `POST …/actions/artifacts/{run}/zip?name=…&overwrite=true|false`."""
    forge, repo, identity = web.forge_of(request), web.repo_name(request), web.identity_of(request)
    run_id, name = web.path_int(request, "artifact_id"), request.query_params.get("name", "")
    if identity.kind != "workflow" or identity.run_id != run_id or identity.repos != (repo,):
        raise not_found()
    if not _NAME.fullmatch(name):
        raise Refusal(400, f"The artifact name is not valid: {name}")
    blob, digest = secrets.token_hex(16), hashlib.sha256()
    file = web.body_file(request)
    while block := file.read(1 << 20):
        digest.update(block)
    file.seek(0)
    with forge.blob(blob).open("xb") as target:
        shutil.copyfileobj(file, target)
    token = forge.store.get("token", identity.token) or {}
    with forge.store.writing():
        _make_room(forge, repo, run_id, name, request.query_params.get("overwrite") == "true")
        body: Body = {
            "id": forge.store.next_id("artifact"), "repo": repo, "run_id": run_id, "job_id": token.get("job_id"),
            "name": name, "size": os.path.getsize(forge.blob(blob)), "digest": f"sha256:{digest.hexdigest()}",
            "expired": False, "created_at": forge.now(), "blob": blob,
        }  # fmt: skip
        forge.store.put("artifact", body["id"], body, repo)
        detail = {"run_id": run_id, "digest": body["digest"]}
        forge.store.log_effect(forge.now(), identity.login, "upload_artifact", f"{repo} {name}", detail)
    return JSONResponse(run_shapes.artifact(request, body), 201)


def _make_room(forge: Forge, repo: str, run_id: int, name: str, overwrite: bool) -> None:
    """A name is taken once in a run, unless the job overwrites it or the run has started a new attempt since."""
    run = forge.store.get("run", run_id) or {"run_started_at": ""}
    for old in forge.store.find("artifact", repo, run_id=run_id, name=name):
        maker = forge.store.get("job", old.get("job_id") or 0)
        if not overwrite and (maker is None or maker["run_attempt"] == run["run_attempt"]):
            raise Refusal(409, f"Conflict: an artifact with this name already exists on the workflow run: {name}")
        forge.store.delete("artifact", old["id"])


routes = [
    Route("/repos/{owner}/{repo}/actions/artifacts", _list),
    Route("/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts", _list_of_run),
    Route("/repos/{owner}/{repo}/actions/artifacts/{artifact_id}", _get),
    Route("/repos/{owner}/{repo}/actions/artifacts/{artifact_id}", _delete, methods=["DELETE"]),
    Route("/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/zip", _download),
    Route("/repos/{owner}/{repo}/actions/artifacts/{artifact_id}/zip", _upload, methods=["POST"]),
]
