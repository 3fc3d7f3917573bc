"""REST: pull requests, their commits and files, reviews, and the merge button."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, git, present, pulls, refs, web
from ms_release.forge.errors import Refusal, invalid, not_found
from ms_release.forge.present import Json
from ms_release.forge.rest import versions
from ms_release.forge.web import Links

_EVENTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


def _pull_of(request: Request, permission: str = "pull_requests", level: str = "read") -> Json:
    forge, name = web.forge_of(request), web.repo_name(request)
    auth.require(forge, web.identity_of(request), name, permission, level)
    return pulls.find_pull(forge, name, web.path_int(request, "number"))


def _base_sha(forge: Any, pull: Json) -> str:
    """The base branch's tip while the pull request is open: it moves by itself."""
    live = git.read_ref(forge.git_dir(pull["repo"]), f"refs/heads/{pull['base_ref']}")
    return str(live if pull["state"] == "open" and live else pull["base_sha"])


def _addresses(links: Links, pull: Json) -> dict[str, str]:
    api, number = f"{links.rest}/repos/{pull['repo']}", pull["number"]
    html = f"{links.web}/{pull['repo']}/pull/{number}"
    own, issue = f"{api}/pulls/{number}", f"{api}/issues/{number}"
    return {
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issue,
        "commits_url": f"{own}/commits",
        "review_comments_url": f"{own}/comments",
        "review_comment_url": f"{api}/pulls/comments{{/number}}",
        "comments_url": f"{issue}/comments",
        "statuses_url": f"{api}/statuses/{pull['head_sha']}",
    }


def simple(request: Request, pull: Json) -> Json:
    """A pull request as lists show it."""
    forge, links, who = web.forge_of(request), web.links_of(request), web.identity_of(request)
    newer = versions.is_newer(request)
    repo, number = pull["repo"], pull["number"]
    own = f"{links.rest}/repos/{repo}/pulls/{number}"
    owner = repo.partition("/")[0]
    role = auth.role(forge, who, repo) or "read"
    whole = present.repository(forge, links, forge.store.get("repo", repo) or {}, role, newer)
    side = {"user": present.simple_user(forge, links, owner), "repo": whole}
    addresses = _addresses(links, pull)
    links_of = ("html", "issue", "comments", "review_comments", "review_comment", "commits", "statuses")
    return {
        "url": own,
        "id": pull["id"],
        "node_id": present.node_id("PR", pull["id"]),
        **addresses,
        "number": number,
        "state": pull["state"],
        "locked": False,
        "title": pull["title"],
        "user": present.simple_user(forge, links, pull["user"]),
        "body": pull["body"],
        "labels": [],
        "milestone": None,
        "active_lock_reason": None,
        **{name: pull[name] for name in ("created_at", "updated_at", "closed_at", "merged_at")},
        **({} if newer else _older(forge, pull)),
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "head": {"label": f"{owner}:{pull['head_ref']}", "ref": pull["head_ref"], "sha": pull["head_sha"], **side},
        "base": {
            "label": f"{owner}:{pull['base_ref']}",
            "ref": pull["base_ref"],
            "sha": _base_sha(forge, pull),
            **side,
        },
        "_links": {"self": {"href": own}, **{n: {"href": addresses[f"{n}_url"]} for n in links_of}},
        "author_association": "COLLABORATOR",
        "auto_merge": None,
        "draft": pull["draft"],
    }


def _older(forge: Any, pull: Json) -> Json:
    """What version 2026-03-10 shows no more."""
    merge = refs.test_merge(forge, pull["repo"], pull) if pull["state"] == "open" else pull["merge_commit_sha"]
    return {"merge_commit_sha": merge, "assignee": None}


def full(request: Request, pull: Json) -> Json:
    """A pull request on its own."""
    forge, links, who = web.forge_of(request), web.links_of(request), web.identity_of(request)
    commits, changes = _content(forge, pull)
    state = pulls.mergeability(forge, who, pull) if pull["state"] == "open" else pulls.Mergeability(False, "unknown")
    merged_by = pull["merged_by"]
    return {
        **simple(request, pull),
        "merged": pull["merged"],
        "mergeable": state.mergeable if pull["state"] == "open" else None,
        "rebaseable": state.mergeable,
        "mergeable_state": state.state,
        "merged_by": present.simple_user(forge, links, merged_by) if merged_by else None,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(commits),
        "additions": sum(change.additions for change in changes),
        "deletions": sum(change.deletions for change in changes),
        "changed_files": len(changes),
    }


def _content(forge: Any, pull: Json) -> tuple[tuple[git.Commit, ...], tuple[git.FileChange, ...]]:
    git_dir, base, head = forge.git_dir(pull["repo"]), _base_sha(forge, pull), pull["head_sha"]
    origin = git.merge_base(git_dir, base, head)
    return git.commits_between(git_dir, base, head), git.diff(git_dir, origin, head) if origin else ()


def list_pulls(request: Request) -> Response:
    """GET pulls with state, head (`owner:branch`), base, sort, direction"""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, asked = web.repo_name(request), request.query_params
    auth.require(forge, who, name, "pull_requests", "read")
    state, head, base = asked.get("state", "open"), asked.get("head"), asked.get("base")
    owner = name.partition("/")[0]
    found = [
        pull
        for pull in forge.store.find("pull", name)
        if state in ("all", pull["state"])
        and head in (None, "", f"{owner}:{pull['head_ref']}")
        and base in (None, "", pull["base_ref"])
    ]
    sort = "updated_at" if asked.get("sort") == "updated" else "number"
    found.sort(key=lambda pull: (pull[sort], pull["number"]), reverse=asked.get("direction", "desc") == "desc")
    return web.listing(request, found, lambda pull: simple(request, pull))


def create_pull(request: Request) -> Response:
    """POST pulls"""
    forge, who, name = web.forge_of(request), web.identity_of(request), web.repo_name(request)
    auth.require(forge, who, name, "pull_requests", "write")
    body = web.json_body(request)
    wish = {key: web.field(body, key, str) for key in ("title", "head", "base")}
    if not wish["title"].strip():
        raise invalid("PullRequest", "title", "missing_field")
    wish |= {"body": web.field(body, "body", str, None), "draft": web.field(body, "draft", bool, False)}
    with forge.store.writing():
        pull = pulls.open_pull(forge, who, name, wish)
    pulls.tell_pull(forge, who, pull, "opened")
    answer = full(request, pull)
    return JSONResponse(answer, 201, {"location": answer["url"]})


def get_pull(request: Request) -> Response:
    """GET pulls/{number}"""
    return JSONResponse(full(request, _pull_of(request)))


def update_pull(request: Request) -> Response:
    """PATCH pulls/{number}: title, body, base, state; its author, or whoever may triage."""
    forge, who = web.forge_of(request), web.identity_of(request)
    pull = _pull_of(request, level="write")
    if who.login != pull["user"] and auth.role(forge, who, pull["repo"]) == "read":
        raise auth.ForbiddenError("Must have admin rights to Repository.", "pull_requests=write")
    body = web.json_body(request)
    changes: Json = {key: web.field(body, key, str, None) for key in ("title", "body", "base", "state") if key in body}
    if changes.get("state", "open") not in ("open", "closed"):
        raise invalid("PullRequest", "state", "invalid")
    with forge.store.writing():
        pull, action = pulls.edit_pull(forge, who, pulls.find_pull(forge, pull["repo"], pull["number"]), changes)
    if action:
        pulls.tell_pull(forge, who, pull, action)
    return JSONResponse(full(request, pull))


def merge_pull(request: Request) -> Response:
    """PUT pulls/{number}/merge: 409 when the head moved, 405 when it may not be merged now (G11)."""
    forge, who = web.forge_of(request), web.identity_of(request)
    pull = _pull_of(request, "contents", "write")
    body = web.json_body(request)
    wish = pulls.MergeWish(
        method=web.field(body, "merge_method", str, "merge"),
        sha=web.field(body, "sha", str, None),
        title=web.field(body, "commit_title", str, ""),
        message=web.field(body, "commit_message", str, None),
    )
    if wish.method not in pulls.METHODS:
        raise Refusal(422, f"Invalid merge method: {wish.method}")
    with forge.store.writing():
        fresh = pulls.find_pull(forge, pull["repo"], pull["number"])
        pull, done = pulls.merge_pull(forge, who, fresh, wish)
    refs.tell(forge, [done])
    pulls.tell_pull(forge, who, pull, "closed")
    message = "Pull Request successfully merged"
    return JSONResponse({"sha": pull["merge_commit_sha"], "merged": True, "message": message})


def update_branch(request: Request) -> Response:
    """PUT pulls/{number}/update-branch: 202, or 422 when the head is not the expected one (G14)."""
    forge, who = web.forge_of(request), web.identity_of(request)
    pull = _pull_of(request, "pull_requests", "write")
    expected = web.field(web.json_body(request), "expected_head_sha", str, None)
    with forge.store.writing():
        fresh = pulls.find_pull(forge, pull["repo"], pull["number"])
        done = pulls.update_branch(forge, who, fresh, expected)
    refs.tell(forge, [done])
    number = pull["number"]
    body = {
        "message": "Updating pull request branch.",
        "url": web.url(request, f"/repos/{pull['repo']}/pulls/{number}"),
    }
    return JSONResponse(body, 202)


def is_merged(request: Request) -> Response:
    """GET pulls/{number}/merge: 204 or 404"""
    if not _pull_of(request)["merged"]:
        raise not_found()
    return web.no_content()


def list_commits(request: Request) -> Response:
    """GET pulls/{number}/commits, oldest first"""
    forge, links, pull = web.forge_of(request), web.links_of(request), _pull_of(request)
    commits, _ = _content(forge, pull)
    return web.listing(request, commits, lambda commit: present.commit(forge, links, pull["repo"], commit))


def list_files(request: Request) -> Response:
    """GET pulls/{number}/files"""
    forge, links, pull = web.forge_of(request), web.links_of(request), _pull_of(request)
    _, changes = _content(forge, pull)
    return web.listing(
        request, changes, lambda change: present.file_change(links, pull["repo"], change, pull["head_sha"])
    )


def pulls_of_commit(request: Request) -> Response:
    """GET commits/{sha}/pulls: those that brought the commit in, or open ones that contain it"""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, git_dir = web.repo_name(request), forge.git_dir(web.repo_name(request))
    auth.require(forge, who, name, "pull_requests", "read")
    sha = git.commit_of(git_dir, request.path_params["sha"])
    if sha is None:
        raise Refusal(422, f"No commit found for SHA: {request.path_params['sha']}")

    def has(pull: Json) -> bool:
        return pull["merge_commit_sha"] == sha or any(commit.sha == sha for commit in _content(forge, pull)[0])

    found = [pull for pull in forge.store.find("pull", name) if has(pull)]
    return web.listing(request, found, lambda pull: simple(request, pull))


def _review_body(request: Request, review: Json) -> Json:
    forge, links = web.forge_of(request), web.links_of(request)
    html = f"{links.web}/{review['repo']}/pull/{review['pull']}#pullrequestreview-{review['id']}"
    api = f"{links.rest}/repos/{review['repo']}/pulls/{review['pull']}"
    return {
        "id": review["id"],
        "node_id": present.node_id("PRR", review["id"]),
        "user": present.simple_user(forge, links, review["user"]),
        "body": review["body"],
        "state": review["state"],
        "html_url": html,
        "pull_request_url": api,
        "_links": {"html": {"href": html}, "pull_request": {"href": api}},
        "submitted_at": review["submitted_at"],
        "commit_id": review["commit_id"],
        "author_association": "COLLABORATOR",
    }


def list_reviews(request: Request) -> Response:
    """GET pulls/{number}/reviews"""
    forge, pull = web.forge_of(request), _pull_of(request)
    found = forge.store.find("review", pull["repo"], pull=pull["number"])
    return web.listing(request, found, lambda review: _review_body(request, review))


def create_review(request: Request) -> Response:
    """POST pulls/{number}/reviews with an event; nobody approves their own"""
    forge, who = web.forge_of(request), web.identity_of(request)
    pull, body = _pull_of(request, level="write"), web.json_body(request)
    state = _EVENTS.get(web.field(body, "event", str))
    if state is None:
        raise invalid("PullRequestReview", "event", "invalid")
    if state != "COMMENTED" and who.login == pull["user"]:
        words = {"APPROVED": "approve", "CHANGES_REQUESTED": "request changes on"}[state]
        raise Refusal(422, f"Unprocessable Entity: Can not {words} your own pull request")
    with forge.store.writing():
        review = {
            "id": forge.store.next_id("review"),
            "repo": pull["repo"],
            "pull": pull["number"],
            "user": who.login,
            "state": state,
            "body": web.field(body, "body", str, ""),
            "commit_id": pull["head_sha"],
            "submitted_at": forge.now(),
        }
        forge.store.put("review", review["id"], review, pull["repo"])
        subject = f"{pull['repo']}#{pull['number']}"
        forge.store.log_effect(forge.now(), who.login, "review_pull", subject, {"state": state})
    return JSONResponse(_review_body(request, review))


_PULLS = "/repos/{owner}/{repo}/pulls"

routes = [
    Route(_PULLS, list_pulls),
    Route(_PULLS, create_pull, methods=["POST"]),
    Route(_PULLS + "/{number}", get_pull),
    Route(_PULLS + "/{number}", update_pull, methods=["PATCH"]),
    Route(_PULLS + "/{number}/merge", is_merged),
    Route(_PULLS + "/{number}/merge", merge_pull, methods=["PUT"]),
    Route(_PULLS + "/{number}/update-branch", update_branch, methods=["PUT"]),
    Route(_PULLS + "/{number}/commits", list_commits),
    Route(_PULLS + "/{number}/files", list_files),
    Route(_PULLS + "/{number}/reviews", list_reviews),
    Route(_PULLS + "/{number}/reviews", create_review, methods=["POST"]),
    Route("/repos/{owner}/{repo}/commits/{sha:path}/pulls", pulls_of_commit),
]
