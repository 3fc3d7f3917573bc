"""REST: repositories, their branches, tags, commits, comparisons and files."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, git, present, protect, web
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.present import Json
from ms_release.forge.rest import git_data, versions

_MAX_COMMITS = 250
_MAX_FILES = 300
_MAX_INLINE = 1 << 20


def readable(request: Request) -> tuple[str, Any]:
    """The repository's name and git directory for a request that reads contents."""
    forge, name = web.forge_of(request), web.repo_name(request)
    auth.require(forge, web.identity_of(request), name, "contents", "read")
    return name, forge.git_dir(name)


def commit_or_404(request: Request, rev: str) -> git.Commit:
    """The commit that a name in an address means; 422 as GitHub words it for an unknown one."""
    name = web.repo_name(request)
    git_dir = web.forge_of(request).git_dir(name)
    sha = git.commit_of(git_dir, rev)
    found = git.read_commit(git_dir, sha) if sha else None
    if found is None:
        raise Refusal(422, f"No commit found for SHA: {rev}")
    return found


def get_repo(request: Request) -> Response:
    """GET /repos/{owner}/{repo}"""
    forge, repo = web.forge_of(request), web.repo_of(request)
    role = auth.role(forge, web.identity_of(request), repo["full_name"])
    newer = versions.is_newer(request)
    return JSONResponse(present.full_repository(forge, web.links_of(request), repo, role or "read", newer))


def _list(request: Request, repos: list[Json], present_one: Callable[..., Json]) -> Response:
    forge, links, newer = web.forge_of(request), web.links_of(request), versions.is_newer(request)

    def one(repo: Json) -> Json:
        role = auth.role(forge, web.identity_of(request), repo["full_name"])
        return present_one(forge, links, repo, role or "read", newer)

    return web.listing(request, repos, one)


def list_repos(request: Request) -> Response:
    """GET /orgs/{org}/repos, /users/{org}/repos"""
    forge, who, owner = web.forge_of(request), web.identity_of(request), request.path_params["org"]
    if forge.store.get("org", owner) is None and forge.store.get("user", owner) is None:
        raise not_found()
    mine = [r for r in forge.store.find("repo") if r["full_name"].startswith(f"{owner}/")]
    return _list(request, _visible(forge, who, mine), present.listed_repository)


def list_own_repos(request: Request) -> Response:
    """GET /user/repos: those in which the asker has a role of their own."""
    forge, who = web.forge_of(request), web.identity_of(request)
    auth.require_login(who)
    mine = [r for r in _visible(forge, who, forge.store.find("repo")) if auth.login_role(forge, who.login, r)]
    return _list(request, mine, present.repository)


def _visible(forge: Any, who: auth.Identity, repos: list[Json]) -> list[Json]:
    return [repo for repo in repos if auth.role(forge, who, repo["full_name"]) is not None]


def list_branches(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/branches"""
    name, git_dir = readable(request)
    forge = web.forge_of(request)
    heads = [(ref.removeprefix("refs/heads/"), sha) for ref, sha in git.list_refs(git_dir, "refs/heads/")]
    wanted = request.query_params.get("protected")
    if wanted is not None:
        heads = [head for head in heads if protect.is_protected(forge, name, head[0]) == (wanted == "true")]

    def one(head: tuple[str, str]) -> Json:
        commit = {"sha": head[1], "url": web.url(request, f"/repos/{name}/commits/{head[1]}")}
        return {"name": head[0], "commit": commit, "protected": protect.is_protected(forge, name, head[0])}

    return web.listing(request, heads, one)


def get_branch(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/branches/{branch}: of its protection only what everybody may know (G39)."""
    name, git_dir = readable(request)
    forge, links, branch = web.forge_of(request), web.links_of(request), request.path_params["branch"]
    sha = git.read_ref(git_dir, f"refs/heads/{branch}")
    commit = git.read_commit(git_dir, sha) if sha else None
    if commit is None:
        raise Refusal(404, "Branch not found")
    classic = forge.store.get("protection", f"{name}:{branch}")
    checks = (classic or {}).get("required_status_checks")
    level = "off" if not checks else "everyone" if (classic or {})["enforce_admins"] else "non_admins"
    listed = (checks or {}).get("checks", [])
    api = web.url(request, f"/repos/{name}/branches/{branch}")
    body = {
        "name": branch,
        "commit": present.commit(forge, links, name, commit),
        "_links": {"self": api, "html": f"{links.web}/{name}/tree/{branch}"},
        "protected": protect.is_protected(forge, name, branch),
        "protection": {
            "enabled": classic is not None,
            "required_status_checks": {
                "enforcement_level": level,
                "contexts": [check["context"] for check in listed],
                "checks": [{"context": check["context"], "app_id": check.get("app_id")} for check in listed],
            },
        },
        "protection_url": f"{api}/protection",
    }
    return JSONResponse(body)


def list_tags(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/tags"""
    name, git_dir = readable(request)
    links = web.links_of(request)

    def one(item: tuple[str, str]) -> Json:
        tag = item[0].removeprefix("refs/tags/")
        sha = git.commit_of(git_dir, item[1]) or item[1]
        return {
            "name": tag,
            "commit": {"sha": sha, "url": f"{links.rest}/repos/{name}/commits/{sha}"},
            "zipball_url": f"{links.rest}/repos/{name}/zipball/refs/tags/{tag}",
            "tarball_url": f"{links.rest}/repos/{name}/tarball/refs/tags/{tag}",
            "node_id": present.node_id("REF", tag),
        }

    return web.listing(request, list(reversed(git.list_refs(git_dir, "refs/tags/"))), one)


def list_commits(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/commits with sha, path, since, until"""
    name, git_dir = readable(request)
    forge, links, asked = web.forge_of(request), web.links_of(request), request.query_params
    if any(ord(letter) < 32 for value in asked.values() for letter in value):
        raise not_found()
    start = git.commit_of(git_dir, asked.get("sha") or web.repo_of(request)["default_branch"])
    if start is None:
        if git.list_refs(git_dir, "refs/heads/"):
            raise not_found()
        raise Refusal(409, "Git Repository is empty.")
    limits = tuple(f"--{key}={asked[key]}" for key in ("since", "until") if key in asked)
    shas, headers = web.page(request, git.history(git_dir, start, limits, asked.get("path", "")))
    found = [commit for sha in shas if (commit := git.read_commit(git_dir, sha))]
    return JSONResponse([present.commit(forge, links, name, commit) for commit in found], headers=headers)


def get_commit(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/commits/{ref}; only the SHA for `Accept: application/vnd.github.sha`."""
    name, git_dir = readable(request)
    commit = commit_or_404(request, request.path_params["ref"])
    if "vnd.github.sha" in request.headers.get("accept", ""):
        return PlainTextResponse(commit.sha)
    links = web.links_of(request)
    changes = git.diff(git_dir, commit.parents[0] if commit.parents else git.EMPTY_TREE, commit.sha)
    files, headers = web.page(request, changes)
    stats = {"additions": sum(c.additions for c in changes), "deletions": sum(c.deletions for c in changes)}
    body = {
        **present.commit(web.forge_of(request), links, name, commit),
        "stats": {**stats, "total": sum(stats.values())},
        "files": [present.file_change(links, name, change, commit.sha) for change in files],
    }
    return JSONResponse(body, headers=headers)


def compare(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/compare/{basehead}

    Unpaged it stops at 250 commits; paged, changed files come on page 1 only; never more than 300 of them (G22).
    """
    name, git_dir = readable(request)
    forge, links, basehead = web.forge_of(request), web.links_of(request), request.path_params["basehead"]
    base_rev, dots, head_rev = basehead.partition("...")
    base, head = git.commit_of(git_dir, base_rev.split(":")[-1]), git.commit_of(git_dir, head_rev.split(":")[-1])
    origin = git.merge_base(git_dir, base, head) if dots and base and head else None
    if base is None or head is None or origin is None:
        raise not_found()
    ahead, behind = git.commits_between(git_dir, base, head), git.commits_between(git_dir, head, base)
    paged = "page" in request.query_params or "per_page" in request.query_params
    commits, headers = web.page(request, ahead) if paged else (list(ahead[-_MAX_COMMITS:]), {})
    changes = git.diff(git_dir, origin, head)[:_MAX_FILES] if request.query_params.get("page", "1") == "1" else ()
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
    html = f"{links.web}/{name}/compare/{basehead}"
    ends = [commit for sha in (base, origin) if (commit := git.read_commit(git_dir, sha))]
    body = {
        "url": f"{links.rest}/repos/{name}/compare/{basehead}",
        "html_url": html,
        "permalink_url": f"{links.web}/{name}/compare/{base}...{head}",
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "base_commit": present.commit(forge, links, name, ends[0]),
        "merge_base_commit": present.commit(forge, links, name, ends[1]),
        "status": status.get((bool(ahead), bool(behind)), "diverged"),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [present.commit(forge, links, name, commit) for commit in commits],
        "files": [present.file_change(links, name, change, head) for change in changes],
    }
    return JSONResponse(body, headers=headers)


def get_contents(request: Request) -> Response:
    """GET /repos/{owner}/{repo}/contents/{path}; the bytes themselves for `Accept: application/vnd.github.raw`."""
    name, git_dir = readable(request)
    rev = request.query_params.get("ref") or web.repo_of(request)["default_branch"]
    if git.commit_of(git_dir, rev) is None:
        raise Refusal(404, f"No commit found for the ref {rev}")
    path = request.path_params.get("path", "").strip("/")
    entry = git.entry_at(git_dir, rev, path)
    if entry is None:
        raise not_found()
    if entry[1] == "tree":
        listed = [(item, f"{path}/{item[3]}".strip("/")) for item in git.list_dir(git_dir, rev, path)]
        return JSONResponse([_item(request, name, item, (where, rev)) for item, where in listed])
    found = git.read_object(git_dir, entry[2])
    data = found[1] if found else b""
    if "raw" in request.headers.get("accept", ""):
        return Response(data, media_type="application/vnd.github.raw+json; charset=utf-8")
    inline = {"encoding": "base64", "content": base64.encodebytes(data).decode()}
    if len(data) > _MAX_INLINE:
        inline = {"encoding": "none", "content": ""}
    return JSONResponse({**_item(request, name, entry, (path, rev)), **inline})


def _item(request: Request, name: str, entry: git.Entry, place: tuple[str, str]) -> Json:
    links, (path, rev) = web.links_of(request), place
    _, kind, sha, short = entry
    found = git.read_object(web.forge_of(request).git_dir(name), sha) if kind == "blob" else None
    api = web.url(request, f"/repos/{name}/contents/{path}") + f"?ref={rev}"
    git_url = f"{links.rest}/repos/{name}/git/{kind}s/{sha}"
    html = f"{links.web}/{name}/{kind}/{rev}/{path}"
    return {
        "type": {"tree": "dir", "commit": "submodule"}.get(kind, "symlink" if entry[0] == "120000" else "file"),
        "size": len(found[1]) if found else 0,
        "name": short,
        "path": path,
        "sha": sha,
        "url": api,
        "git_url": git_url,
        "html_url": html,
        "download_url": f"{links.web}/{name}/raw/{rev}/{path}" if kind == "blob" else None,
        "_links": {"self": api, "git": git_url, "html": html},
    }


_REPO = "/repos/{owner}/{repo}"

routes = [
    Route("/orgs/{org}/repos", list_repos),
    Route("/users/{org}/repos", list_repos),
    Route("/user/repos", list_own_repos),
    Route(_REPO, get_repo),
    Route(_REPO + "/branches", list_branches),
    Route(_REPO + "/branches/{branch:path}", get_branch),
    Route(_REPO + "/tags", list_tags),
    Route(_REPO + "/commits", list_commits),
    Route(_REPO + "/commits/{ref:path}", get_commit),
    Route(_REPO + "/compare/{basehead:path}", compare),
    Route(_REPO + "/contents", get_contents),
    Route(_REPO + "/contents/{path:path}", get_contents),
    *git_data.routes,
]
