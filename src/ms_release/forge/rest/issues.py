"""REST: issues, as far as programs open them and find them again; every pull request is one too, as on GitHub."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, present, web
from ms_release.forge.errors import Refusal, invalid, not_found
from ms_release.forge.present import Json
from ms_release.forge.rest import versions

_STATES = ("open", "closed", "all")


def _asked(request: Request, level: str) -> tuple[str, auth.Identity]:
    forge, who, repo = web.forge_of(request), web.identity_of(request), web.repo_name(request)
    auth.require(forge, who, repo, "issues", level)
    return repo, who


def issue(request: Request, body: Json) -> Json:
    """An issue, or a pull request as the issue that it also is."""
    forge, links = web.forge_of(request), web.links_of(request)
    repo, number = body["repo"], body["number"]
    api, pull = f"{links.rest}/repos/{repo}", "head_ref" in body
    own, html = f"{api}/issues/{number}", f"{links.web}/{repo}/{'pull' if pull else 'issues'}/{number}"
    shown = {
        "id": body["id"],
        "node_id": present.node_id("PR" if pull else "I", body["id"]),
        "url": own,
        "repository_url": api,
        "labels_url": f"{own}/labels{{/name}}",
        "comments_url": f"{own}/comments",
        "events_url": f"{own}/events",
        "html_url": html,
        "number": number,
        "title": body["title"],
        "body": body["body"],
        "user": present.simple_user(forge, links, body["user"]),
        "state": body["state"],
        "locked": False,
        "labels": [],
        **({} if versions.is_newer(request) else {"assignee": None}),
        "assignees": [],
        "milestone": None,
        "comments": 0,
        "author_association": "COLLABORATOR",
        **{name: body[name] for name in ("created_at", "updated_at", "closed_at")},
    }
    if not pull:
        return shown
    addresses = {"diff_url": f"{html}.diff", "patch_url": f"{html}.patch"}
    if body["merged_at"]:
        addresses["merged_at"] = body["merged_at"]
    return {**shown, "pull_request": {"url": f"{api}/pulls/{number}", "html_url": html, **addresses}}


def list_issues(request: Request) -> Response:
    """GET issues with state, newest first; pull requests are among them."""
    repo, _ = _asked(request, "read")
    state = request.query_params.get("state", "open")
    if state not in _STATES:
        raise invalid("Issue", "state", "invalid")
    store = web.forge_of(request).store
    found = [body for kind in ("issue", "pull") for body in store.find(kind, repo) if state in ("all", body["state"])]
    found.sort(key=lambda body: body["number"], reverse=True)
    return web.listing(request, found, lambda body: issue(request, body))


def get_issue(request: Request) -> Response:
    """GET issues/{number}"""
    repo, _ = _asked(request, "read")
    store, number = web.forge_of(request).store, web.path_int(request, "number")
    found = store.get("issue", f"{repo}#{number}") or store.get("pull", f"{repo}#{number}")
    if found is None:
        raise not_found()
    return JSONResponse(issue(request, found))


def create_issue(request: Request) -> Response:
    """POST issues with title and body; the number is of the row that pull requests are counted in too."""
    forge = web.forge_of(request)
    repo, who = _asked(request, "write")
    wish = web.json_body(request)
    title = web.field(wish, "title", (str, int), None)
    if title is None:
        raise Refusal(422, 'Invalid request.\n\n"title" wasn\'t supplied.')
    if not str(title).strip():
        raise invalid("Issue", "title", "missing_field")
    text = web.field(wish, "body", str, None)
    with forge.store.writing():
        number, now = forge.store.next_id(f"pull:{repo}"), forge.now()
        body = {
            "id": forge.store.next_id("issue"), "repo": repo, "number": number, "title": str(title), "body": text,
            "user": who.login, "state": "open", "created_at": now, "updated_at": now, "closed_at": None,
        }  # fmt: skip
        forge.store.put("issue", f"{repo}#{number}", body, repo)
        forge.store.log_effect(now, who.login, "open_issue", f"{repo}#{number}", {"title": body["title"]})
    answer = issue(request, body)
    return JSONResponse(answer, 201, {"location": answer["url"]})


_ISSUES = "/repos/{owner}/{repo}/issues"

routes = [
    Route(_ISSUES, list_issues),
    Route(_ISSUES, create_issue, methods=["POST"]),
    Route(_ISSUES + "/{number}", get_issue),
]
