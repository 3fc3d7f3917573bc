"""REST: classic branch protection."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import git, present, web
from ms_release.forge.errors import Refusal
from ms_release.forge.present import Json
from ms_release.forge.rest import people, rulesets, settings

_SWITCHES = (
    "required_linear_history",
    "allow_force_pushes",
    "allow_deletions",
    "block_creations",
    "required_conversation_resolution",
    "lock_branch",
    "allow_fork_syncing",
)
_ASKED = ("required_status_checks", "enforce_admins", "required_pull_request_reviews", "restrictions")


def _branch(request: Request, level: str) -> tuple[str, str]:
    name, branch = rulesets.administer(request, level), request.path_params["branch"]
    if git.read_ref(web.forge_of(request).git_dir(name), f"refs/heads/{branch}") is None:
        raise Refusal(404, "Branch not found")
    return name, branch


def get_protection(request: Request) -> Response:
    """GET branches/{branch}/protection: needs administration:read, else 404 (G39)"""
    name, branch = _branch(request, "read")
    body = web.forge_of(request).store.get("protection", f"{name}:{branch}")
    if body is None:
        raise Refusal(404, "Branch not protected")
    return JSONResponse(_present_classic(request, name, branch, body))


def put_protection(request: Request) -> Response:
    """PUT branches/{branch}/protection: replaces all of it"""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, branch = _branch(request, "write")
    asked = web.json_body(request)
    missing = [key for key in _ASKED if key not in asked]
    if missing:
        raise Refusal(422, "Invalid request.\n\n" + ", ".join(f'"{key}"' for key in missing) + " weren't supplied.")
    body = {
        "required_status_checks": _checks(web.field(asked, "required_status_checks", dict, None)),
        "enforce_admins": bool(web.field(asked, "enforce_admins", bool, False)),
        "required_pull_request_reviews": _reviews(web.field(asked, "required_pull_request_reviews", dict, None)),
        "restrictions": _restrictions(web.field(asked, "restrictions", dict, None)),
        **{switch: bool(web.field(asked, switch, bool, False)) for switch in _SWITCHES},
    }
    with forge.store.writing():
        forge.store.put("protection", f"{name}:{branch}", body, name)
        forge.store.log_effect(forge.now(), who.login, "protect_branch", f"{name} refs/heads/{branch}", body)
    return JSONResponse(_present_classic(request, name, branch, body))


def delete_protection(request: Request) -> Response:
    """DELETE branches/{branch}/protection"""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, branch = _branch(request, "write")
    with forge.store.writing():
        if forge.store.get("protection", f"{name}:{branch}") is None:
            raise Refusal(404, "Branch not protected")
        forge.store.delete("protection", f"{name}:{branch}")
        forge.store.log_effect(forge.now(), who.login, "unprotect_branch", f"{name} refs/heads/{branch}")
    return web.no_content()


def _checks(asked: Json | None) -> Json | None:
    if asked is None:
        return None
    listed = [
        {"context": web.field(check, "context", str), "app_id": web.field(check, "app_id", int, None)}
        for check in web.list_of(asked, "checks", dict, [])
    ]
    names = {check["context"] for check in listed}
    listed += [
        {"context": str(name), "app_id": None} for name in web.list_of(asked, "contexts", str, []) if name not in names
    ]
    # -1 is GitHub's way to write "any app"
    checks = [{**check, "app_id": None if check["app_id"] == -1 else check["app_id"]} for check in listed]
    return {"strict": bool(asked.get("strict")), "checks": checks}


def _reviews(asked: Json | None) -> Json | None:
    if asked is None:
        return None
    web.field(asked, "required_approving_review_count", int, 0)
    bypass = web.field(asked, "bypass_pull_request_allowances", dict, None)
    return asked if bypass is None else {**asked, "bypass_pull_request_allowances": _restrictions(bypass)}


def _restrictions(asked: Json | None) -> Json | None:
    if asked is None:
        return None
    return {key: web.list_of(asked, key, str, []) for key in ("users", "teams", "apps")}


def _present_classic(request: Request, name: str, branch: str, body: Json) -> Json:
    api = web.url(request, f"/repos/{name}/branches/{branch}/protection")
    shown: Json = {
        "url": api,
        "required_signatures": {"url": f"{api}/required_signatures", "enabled": False},
        "enforce_admins": {"url": f"{api}/enforce_admins", "enabled": body["enforce_admins"]},
        **{switch: {"enabled": bool(body.get(switch))} for switch in _SWITCHES},
    }
    checks, reviews, limits = (body.get(key) for key in (_ASKED[0], _ASKED[2], _ASKED[3]))
    if checks is not None:
        where = f"{api}/required_status_checks"
        shown["required_status_checks"] = {
            "url": where,
            "contexts_url": f"{where}/contexts",
            "strict": checks["strict"],
            "contexts": [check["context"] for check in checks["checks"]],
            "checks": [{"context": check["context"], "app_id": check.get("app_id")} for check in checks["checks"]],
        }
    if reviews is not None:
        shown["required_pull_request_reviews"] = {
            "url": f"{api}/required_pull_request_reviews",
            "dismiss_stale_reviews": bool(reviews.get("dismiss_stale_reviews")),
            "require_code_owner_reviews": bool(reviews.get("require_code_owner_reviews")),
            "require_last_push_approval": bool(reviews.get("require_last_push_approval")),
            "required_approving_review_count": int(reviews.get("required_approving_review_count") or 0),
        }
        bypass = reviews.get("bypass_pull_request_allowances")
        if bypass is not None:
            shown["required_pull_request_reviews"]["bypass_pull_request_allowances"] = _actors(request, name, bypass)
    if limits is not None:
        shown["restrictions"] = {
            "url": f"{api}/restrictions",
            **{f"{kind}_url": f"{api}/restrictions/{kind}" for kind in ("users", "teams", "apps")},
            **_actors(request, name, limits),
        }
    return shown


def _actors(request: Request, name: str, limits: Json) -> Json:
    forge, links, org = web.forge_of(request), web.links_of(request), name.partition("/")[0]
    teams = [team for slug in limits["teams"] if (team := forge.store.get("team", f"{org}/{slug}"))]
    return {
        "users": [present.simple_user(forge, links, login) for login in limits["users"]],
        "teams": [people.team(links, team) for team in teams],
        "apps": [present.integration(forge, links, slug) for slug in limits["apps"]],
    }


_CLASSIC = "/repos/{owner}/{repo}/branches/{branch:path}/protection"

routes = [
    Route(_CLASSIC, get_protection),
    Route(_CLASSIC, put_protection, methods=["PUT"]),
    Route(_CLASSIC, delete_protection, methods=["DELETE"]),
    *rulesets.routes,
    *settings.routes,
    *people.routes,
]
