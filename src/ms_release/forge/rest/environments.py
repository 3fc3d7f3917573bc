"""REST: environments and which branches and tags may deploy to them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, web
from ms_release.forge.engine import deployments
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.rest import run_shapes
from ms_release.forge.state import Forge

Body = dict[str, Any]
MAX_REVIEWERS = 6
MAX_WAIT = 43_200  # minutes (G25)


def _repo(request: Request, permission: str, level: str) -> tuple[Forge, str]:
    forge, repo = web.forge_of(request), web.repo_name(request)
    auth.require(forge, web.identity_of(request), repo, permission, level)
    return forge, repo


def _find(request: Request, permission: str = "actions", level: str = "read") -> tuple[Forge, str, Body]:
    forge, repo = _repo(request, permission, level)
    body = deployments.find_environment(forge, repo, request.path_params["name"])
    if body is None:
        raise not_found()
    return forge, repo, body


def _list(request: Request) -> Response:
    forge, repo = _repo(request, "actions", "read")
    found = sorted(forge.store.find("environment", repo), key=lambda body: str(body["name"]))
    return web.counted(request, "environments", found, lambda body: run_shapes.environment(request, body))


def _get(request: Request) -> Response:
    return JSONResponse(run_shapes.environment(request, _find(request)[2]))


def _put(request: Request) -> Response:
    """Create or replace: what the body leaves out is reset, as on GitHub. Raises Refusal 422."""
    forge, repo = _repo(request, "administration", "write")
    wish = web.json_body(request)
    wait = web.field(wish, "wait_timer", int, 0)
    if not 0 <= wait <= MAX_WAIT:
        raise Refusal(422, f"Invalid request.\n\n{wait} must be between 0 and {MAX_WAIT}.")
    reviewers = _reviewers(forge, web.field(wish, "reviewers", list, []))
    policy = _policy(web.field(wish, "deployment_branch_policy", dict, None))
    with forge.store.writing():
        body = deployments.ensure_environment(forge, repo, request.path_params["name"])
        old = body["branch_policy"]
        if policy is not None and policy["custom_branch_policies"] and old is not None:
            policy["names"] = old.get("names", [])
        body |= {"wait_timer": wait, "reviewers": reviewers, "branch_policy": policy, "updated_at": forge.now()}
        body["prevent_self_review"] = web.field(wish, "prevent_self_review", bool, False)
        _save(request, repo, body)
    return JSONResponse(run_shapes.environment(request, body))


def _save(request: Request, repo: str, body: Body) -> None:
    forge, login = web.forge_of(request), web.identity_of(request).login
    forge.store.put("environment", f"{repo}:{body['name']}", body, repo)
    detail = {name: body[name] for name in ("wait_timer", "reviewers", "branch_policy", "prevent_self_review")}
    forge.store.log_effect(forge.now(), login, "put_environment", f"{repo} {body['name']}", detail)


def _reviewers(forge: Forge, wish: list[Any]) -> list[Body]:
    if len(wish) > MAX_REVIEWERS:
        raise Refusal(422, f"Invalid request.\n\nNo more than {MAX_REVIEWERS} items are allowed.")
    found = []
    for entry in wish:
        kind = entry.get("type") if isinstance(entry, dict) else None
        fields = {"User": "login", "Team": "slug"}
        known = forge.store.find(str(kind).lower(), id=entry["id"]) if kind in fields and "id" in entry else []
        if not known:
            raise Refusal(422, "Invalid request.\n\nReviewers must be users or teams with access to the repository.")
        name = known[0]["login"] if kind == "User" else f"{known[0]['org']}/{known[0]['slug']}"
        found.append({"type": kind, "name": name})
    return found


def _policy(wish: Body | None) -> Body | None:
    if wish is None:
        return None
    protected, custom = web.field(wish, "protected_branches", bool), web.field(wish, "custom_branch_policies", bool)
    if protected == custom:
        raise Refusal(422, "protected_branches and custom_branch_policies cannot have the same value")
    return {"protected_branches": protected, "custom_branch_policies": custom, "names": []}


def _delete(request: Request) -> Response:
    forge, repo, body = _find(request, "administration", "write")
    with forge.store.writing():
        forge.store.delete("environment", f"{repo}:{body['name']}")
        login = web.identity_of(request).login
        forge.store.log_effect(forge.now(), login, "delete_environment", f"{repo} {body['name']}")
    return web.no_content()


def _patterns(body: Body) -> list[str]:
    policy = body["branch_policy"]
    return list(policy["names"]) if policy is not None and policy["custom_branch_policies"] else []


def _list_policies(request: Request) -> Response:
    _, _, body = _find(request)
    return web.counted(request, "branch_policies", _patterns(body), lambda name: run_shapes.branch_policy(body, name))


def _add_policy(request: Request) -> Response:
    """Admit branches (or tags) by a pattern: 303 when it is there already, 404 unless the environment is custom."""
    forge, repo, body = _find(request, "administration", "write")
    wish = web.json_body(request)
    kind = web.field(wish, "type", str, "branch")
    if kind not in ("branch", "tag"):
        raise Refusal(422, f'Invalid request.\n\n{kind} is not a member of ["branch", "tag"].')
    pattern = {"branch": "refs/heads/", "tag": "refs/tags/"}[kind] + web.field(wish, "name", str)
    if body["branch_policy"] is None or not body["branch_policy"]["custom_branch_policies"]:
        raise not_found()
    if pattern in body["branch_policy"]["names"]:
        number = run_shapes.branch_policy(body, pattern)["id"]
        return RedirectResponse(f"{web.url(request, request.scope['path'])}/{number}", 303)
    body["branch_policy"]["names"].append(pattern)
    with forge.store.writing():
        _save(request, repo, body)
    return JSONResponse(run_shapes.branch_policy(body, pattern))


def _policy_of(request: Request, body: Body) -> str:
    number = web.path_int(request, "policy_id")
    for pattern in _patterns(body):
        if run_shapes.branch_policy(body, pattern)["id"] == number:
            return pattern
    raise not_found()


def _get_policy(request: Request) -> Response:
    _, _, body = _find(request)
    return JSONResponse(run_shapes.branch_policy(body, _policy_of(request, body)))


def _delete_policy(request: Request) -> Response:
    forge, repo, body = _find(request, "administration", "write")
    body["branch_policy"]["names"].remove(_policy_of(request, body))
    with forge.store.writing():
        _save(request, repo, body)
    return web.no_content()


_ENVIRONMENTS = "/repos/{owner}/{repo}/environments"
_POLICIES = _ENVIRONMENTS + "/{name}/deployment-branch-policies"

routes = [
    Route(_ENVIRONMENTS, _list),
    Route(_ENVIRONMENTS + "/{name}", _get),
    Route(_ENVIRONMENTS + "/{name}", _put, methods=["PUT"]),
    Route(_ENVIRONMENTS + "/{name}", _delete, methods=["DELETE"]),
    Route(_POLICIES, _list_policies),
    Route(_POLICIES, _add_policy, methods=["POST"]),
    Route(_POLICIES + "/{policy_id}", _get_policy),
    Route(_POLICIES + "/{policy_id}", _delete_policy, methods=["DELETE"]),
]
