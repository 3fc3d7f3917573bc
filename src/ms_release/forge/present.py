"""JSON of the resources that many answers contain: people, apps, repositories, commits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ms_release.forge import git
from ms_release.forge.auth import ACTIONS_APP
from ms_release.forge.checks import app_id
from ms_release.forge.state import Forge
from ms_release.forge.web import Links

Json = dict[str, Any]

_START = "2020-01-01T00:00:00Z"
_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPO_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def node_id(kind: str, number: int | str) -> str:
    """A GraphQL node id: opaque to clients, readable to us."""
    return f"{kind}_{number}"


def simple_user(forge: Forge, links: Links, login: str) -> Json:
    """A user, bot or organisation wherever an answer names one."""
    org = forge.store.get("org", login)
    found = org or forge.store.get("user", login) or {"login": login, "id": app_number(forge, login), "type": "Bot"}
    api = f"{links.rest}/users/{login}"
    return {
        "login": found["login"],
        "id": found["id"],
        "node_id": node_id("U", found["id"]),
        "avatar_url": f"{links.web}/avatars/{found['id']}",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{links.web}/{login}",
        **{name: api + tail for name, tail in _USER_LINKS.items()},
        "type": "Organization" if org else found["type"],
        "site_admin": bool(found.get("site_admin", False)),
    }


def app_number(forge: Forge, login: str) -> int:
    """The user number of an app's bot; people who are gone are the ghost, as on GitHub."""
    slug = login.removesuffix("[bot]")
    if slug == ACTIONS_APP:
        return 41898282
    return app_id(forge, slug) or 10137


def integration(forge: Forge, links: Links, slug: str) -> Json:
    """An app, as check runs name it."""
    body = forge.store.get("app", slug) or {"name": "GitHub Actions", "org": "github", "permissions": {}}
    number = app_id(forge, slug)
    return {
        "id": number,
        "slug": slug,
        "node_id": node_id("A", number),
        "owner": simple_user(forge, links, body["org"]),
        "name": body["name"],
        "description": "",
        "external_url": links.web,
        "html_url": f"{links.web}/apps/{slug}",
        "created_at": _START,
        "updated_at": _START,
        "permissions": {"metadata": "read", **body["permissions"]},
        "events": [],
    }


def minimal_repository(forge: Forge, links: Links, repo: Mapping[str, Any]) -> Json:
    """A repository wherever an answer names one."""
    name: str = repo["full_name"]
    owner, short = name.split("/")
    api = f"{links.rest}/repos/{name}"
    return {
        "id": repo["id"],
        "node_id": node_id("R", repo["id"]),
        "name": short,
        "full_name": name,
        "private": repo["private"],
        "owner": simple_user(forge, links, owner),
        "html_url": f"{links.web}/{name}",
        "description": None,
        "fork": False,
        "url": api,
        **{field: api + tail for field, tail in _REPO_LINKS.items()},
    }


def listed_repository(forge: Forge, links: Links, repo: Mapping[str, Any], role: str, newer: bool) -> Json:
    """A repository in lists of an owner's; `newer`: as version 2026-03-10 of the API shows it."""
    name, private = repo["full_name"], repo["private"]
    roles = ("pull", "triage", "push", "maintain", "admin")
    have = ("read", "triage", "write", "maintain", "admin").index(role)
    host = links.web.split("://")[1]
    switches = {"has_issues": True, "has_projects": False, "has_wiki": False, "has_pages": False}
    counts = ("forks_count", "stargazers_count", "watchers_count", "open_issues_count", "forks", "open_issues")
    return {
        **minimal_repository(forge, links, repo),
        "git_url": f"git://{host}/{name}.git",
        "ssh_url": f"git@{host}:{name}.git",
        "clone_url": f"{links.web}/{name}.git",
        "svn_url": f"{links.web}/{name}",
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        **dict.fromkeys((*counts, "watchers", "size"), 0),
        "default_branch": repo["default_branch"],
        "is_template": False,
        "topics": [],
        **switches,
        **({} if newer else {"has_downloads": True}),
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "visibility": "private" if private else "public",
        "pushed_at": _START,
        "created_at": _START,
        "updated_at": _START,
        "permissions": {word: at <= have for at, word in enumerate(roles)},
        "delete_branch_on_merge": False,
        "allow_forking": False,
        "web_commit_signoff_required": False,
    }


def repository(forge: Forge, links: Links, repo: Mapping[str, Any], role: str, newer: bool) -> Json:
    """A repository inside a pull request, and in the list of an installation's."""
    return {
        **listed_repository(forge, links, repo, role, newer),
        "allow_rebase_merge": True,
        "allow_squash_merge": True,
        "allow_merge_commit": True,
        "allow_auto_merge": bool(repo.get("allow_auto_merge")),
    }


def full_repository(forge: Forge, links: Links, repo: Mapping[str, Any], role: str, newer: bool) -> Json:
    """A repository on its own."""
    return {**repository(forge, links, repo, role, newer), "network_count": 0, "subscribers_count": 0}


def verification(signature: str, payload: str | None = None) -> Json:
    """The `verification` of a commit or tag. The forge knows nobody's keys, so nothing is ever verified by it."""
    return {
        "verified": False,
        "reason": "unknown_key" if signature else "unsigned",
        "signature": signature or None,
        "payload": payload if signature else None,
        "verified_at": None,
    }


def _who(person: git.Person) -> Json:
    return {"name": person.name, "email": person.email, "date": person.date}


def git_commit(links: Links, repo: str, commit: git.Commit) -> Json:
    """A git commit object (`GET git/commits/{sha}`)."""
    api = f"{links.rest}/repos/{repo}/git"
    return {
        "sha": commit.sha,
        "node_id": node_id("C", commit.sha),
        "url": f"{api}/commits/{commit.sha}",
        "html_url": f"{links.web}/{repo}/commit/{commit.sha}",
        "author": _who(commit.author),
        "committer": _who(commit.committer),
        "tree": {"sha": commit.tree, "url": f"{api}/trees/{commit.tree}"},
        "message": commit.message.rstrip("\n"),
        "parents": [
            {"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{links.web}/{repo}/commit/{sha}"}
            for sha in commit.parents
        ],
        "verification": verification(commit.signature),
    }


def commit(forge: Forge, links: Links, repo: str, found: git.Commit) -> Json:
    """A commit as lists, comparisons and `GET commits/{ref}` show it."""
    api = f"{links.rest}/repos/{repo}"
    inner = git_commit(links, repo, found)
    html = inner["html_url"]
    return {
        "url": f"{api}/commits/{found.sha}",
        "sha": found.sha,
        "node_id": inner["node_id"],
        "html_url": html,
        "comments_url": f"{api}/commits/{found.sha}/comments",
        "commit": {
            "url": inner["url"],
            "author": inner["author"],
            "committer": inner["committer"],
            "message": inner["message"],
            "comment_count": 0,
            "tree": inner["tree"],
            "verification": inner["verification"],
        },
        "author": _account(forge, links, found.author.email),
        "committer": _account(forge, links, found.committer.email),
        "parents": [
            {"sha": sha, "url": f"{api}/commits/{sha}", "html_url": f"{links.web}/{repo}/commit/{sha}"}
            for sha in found.parents
        ],
    }


def _account(forge: Forge, links: Links, email: str) -> Json | None:
    """The account that an address made by the forge belongs to (`1+login@users.noreply…`), else nobody's."""
    local, _, domain = email.partition("@")
    login = local.partition("+")[2]
    if domain != "users.noreply.github.com" or not login:
        return None
    return simple_user(forge, links, login)


def file_change(links: Links, repo: str, change: git.FileChange, sha: str) -> Json:
    """A changed file (`diff-entry`), as seen at commit `sha`."""
    body = {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{links.web}/{repo}/blob/{sha}/{change.path}",
        "raw_url": f"{links.web}/{repo}/raw/{sha}/{change.path}",
        "contents_url": f"{links.rest}/repos/{repo}/contents/{change.path}?ref={sha}",
    }
    return body if change.previous is None else {**body, "previous_filename": change.previous}


def seconds(time: str) -> int:
    """GitHub's time as seconds since 1970."""
    return int(datetime.fromisoformat(time).timestamp())
