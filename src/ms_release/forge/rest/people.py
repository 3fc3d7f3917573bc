"""REST: users, organisations, teams, and who has which role in a repository."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, present, web
from ms_release.forge.errors import not_found
from ms_release.forge.present import Json
from ms_release.forge.web import Links

_SINCE = "2020-01-01T00:00:00Z"
_LEGACY = {"read": "read", "triage": "read", "write": "write", "maintain": "write", "admin": "admin"}
_WORDS = {"pull": "read", "triage": "triage", "push": "write", "maintain": "maintain", "admin": "admin"}


def _user(request: Request, login: str) -> Json:
    forge, links = web.forge_of(request), web.links_of(request)
    known = forge.store.get("user", login) or forge.store.get("org", login)
    if known is None and not (login.endswith("[bot]") and forge.store.get("app", login.removesuffix("[bot]"))):
        raise not_found()
    nothing = ("company", "location", "email", "hireable", "bio", "twitter_username")
    counts = ("public_repos", "public_gists", "followers", "following")
    return {
        **present.simple_user(forge, links, login),
        "name": login,
        "blog": "",
        **dict.fromkeys(nothing),
        **dict.fromkeys(counts, 0),
        "created_at": _SINCE,
        "updated_at": _SINCE,
    }


def me(request: Request) -> Response:
    """GET /user; apps and workflows are no users"""
    who = web.identity_of(request)
    auth.require_login(who)
    if who.app is not None:
        raise auth.ForbiddenError("Resource not accessible by integration", "")
    counts = ("private_gists", "total_private_repos", "owned_private_repos", "disk_usage", "collaborators")
    return JSONResponse({**_user(request, who.login), **dict.fromkeys(counts, 0), "two_factor_authentication": True})


def get_user(request: Request) -> Response:
    """GET /users/{login}"""
    return JSONResponse(_user(request, request.path_params["login"]))


def _org(request: Request) -> Json:
    found = web.forge_of(request).store.get("org", request.path_params["org"])
    if found is None:
        raise not_found()
    return found


def organization(links: Links, org: Json) -> Json:
    """An organisation wherever an answer names one."""
    api = f"{links.rest}/orgs/{org['login']}"
    tails = {"members": "/members{/member}", "public_members": "/public_members{/member}"}
    return {
        "login": org["login"],
        "id": org["id"],
        "node_id": present.node_id("O", org["id"]),
        "url": api,
        **{f"{word}_url": f"{api}/{word}" for word in ("repos", "events", "hooks", "issues")},
        **{f"{word}_url": api + tail for word, tail in tails.items()},
        "avatar_url": f"{links.web}/avatars/{org['id']}",
        "description": None,
    }


def _full_organization(links: Links, org: Json) -> Json:
    return {
        **organization(links, org),
        "name": org["login"],
        "has_organization_projects": False,
        "has_repository_projects": False,
        **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
        "html_url": f"{links.web}/{org['login']}",
        "type": "Organization",
        "created_at": _SINCE,
        "updated_at": _SINCE,
        "archived_at": None,
    }


def get_org(request: Request) -> Response:
    """GET /orgs/{org}"""
    return JSONResponse(_full_organization(web.links_of(request), _org(request)))


# ---- teams


def team(links: Links, body: Json) -> Json:
    """A team wherever an answer names one."""
    api = f"{links.rest}/orgs/{body['org']}/teams/{body['slug']}"
    return {
        "id": body["id"],
        "node_id": present.node_id("T", body["id"]),
        "url": api,
        "html_url": f"{links.web}/orgs/{body['org']}/teams/{body['slug']}",
        "name": body["name"],
        "slug": body["slug"],
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "members_url": f"{api}/members{{/member}}",
        "repositories_url": f"{api}/repos",
        "type": "organization",
        "parent": None,
    }


def _team_of(request: Request) -> Json:
    """A team; only members of the organisation (anybody with a login here) may know it."""
    auth.require_login(web.identity_of(request))
    name = f"{_org(request)['login']}/{request.path_params['slug']}"
    found = web.forge_of(request).store.get("team", name)
    if found is None:
        raise not_found()
    return found


def list_teams(request: Request) -> Response:
    """GET /orgs/{org}/teams"""
    auth.require_login(web.identity_of(request))
    links = web.links_of(request)
    found = web.forge_of(request).store.find("team", org=_org(request)["login"])
    return web.listing(request, found, lambda body: team(links, body))


def get_team(request: Request) -> Response:
    """GET /orgs/{org}/teams/{slug}"""
    links, body = web.links_of(request), _team_of(request)
    more = {
        "members_count": len(body["members"]),
        "repos_count": 0,
        "created_at": _SINCE,
        "updated_at": _SINCE,
        "organization": _full_organization(links, _org(request)),
    }
    return JSONResponse({**team(links, body), **more})


def list_members(request: Request) -> Response:
    """GET /orgs/{org}/teams/{slug}/members"""
    forge, links = web.forge_of(request), web.links_of(request)
    members = _team_of(request)["members"]
    return web.listing(request, members, lambda login: present.simple_user(forge, links, login))


def get_membership(request: Request) -> Response:
    """GET /orgs/{org}/teams/{slug}/memberships/{login}"""
    body, login = _team_of(request), request.path_params["login"]
    if login not in body["members"]:
        raise not_found()
    url = web.url(request, f"/orgs/{body['org']}/teams/{body['slug']}/memberships/{login}")
    return JSONResponse({"url": url, "role": "member", "state": "active"})


# ---- collaborators


def _permissions(role: str) -> dict[str, bool]:
    return {word: auth.ROLES.index(role) >= auth.ROLES.index(needed) for word, needed in _WORDS.items()}


def _collaborators(request: Request) -> tuple[Any, Json]:
    """The repository, for somebody who may push to it."""
    forge, repo = web.forge_of(request), web.repo_of(request)
    auth.require(forge, web.identity_of(request), repo["full_name"], "metadata", "write")
    return forge, repo


def get_permission(request: Request) -> Response:
    """GET collaborators/{login}/permission: `permission` in the old words, `role_name` in the new"""
    forge, repo = web.forge_of(request), web.repo_of(request)
    auth.require_login(web.identity_of(request))
    login = request.path_params["login"]
    if forge.store.get("user", login) is None:
        raise not_found()
    role = auth.login_role(forge, login, repo) or (None if repo["private"] else "read")
    user = present.simple_user(forge, web.links_of(request), login)
    permissions = _permissions(role) if role else dict.fromkeys(_WORDS, False)
    body = {
        "permission": _LEGACY[role] if role else "none",
        "role_name": role or "none",
        "user": {**user, "permissions": permissions, "role_name": role or "none"},
    }
    return JSONResponse(body)


def list_collaborators(request: Request) -> Response:
    """GET collaborators"""
    forge, repo = _collaborators(request)
    links = web.links_of(request)
    roles = {u["login"]: auth.login_role(forge, u["login"], repo) for u in forge.store.find("user")}
    found = [(login, role) for login, role in roles.items() if role]

    def one(pair: tuple[str, str]) -> Json:
        return {
            **present.simple_user(forge, links, pair[0]),
            "permissions": _permissions(pair[1]),
            "role_name": pair[1],
        }

    return web.listing(request, found, one)


def list_repo_teams(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/teams"""
    forge, repo = _collaborators(request)
    links = web.links_of(request)
    old = {role: word for word, role in _WORDS.items()}
    found = [(body, role) for name, role in repo["team_access"].items() if (body := forge.store.get("team", name))]
    return web.listing(request, found, lambda pair: {**team(links, pair[0]), "permission": old[pair[1]]})


_TEAM = "/orgs/{org}/teams/{slug}"
_REPO = "/repos/{owner}/{repo}"

routes = [
    Route("/user", me),
    Route("/users/{login}", get_user),
    Route("/orgs/{org}", get_org),
    Route("/orgs/{org}/teams", list_teams),
    Route(_TEAM, get_team),
    Route(_TEAM + "/members", list_members),
    Route(_TEAM + "/memberships/{login}", get_membership),
    Route(_REPO + "/collaborators", list_collaborators),
    Route(_REPO + "/collaborators/{login}/permission", get_permission),
    Route(_REPO + "/teams", list_repo_teams),
]
