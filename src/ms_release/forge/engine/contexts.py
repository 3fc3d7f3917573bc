"""What a workflow is told about the event that started it: payloads, the `github` context, the job's environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ms_release.forge import git
from ms_release.forge.state import Forge

Body = dict[str, Any]


def _repository(forge: Forge, repo: Body) -> Body:
    owner, _, name = repo["full_name"].partition("/")
    return {
        "id": repo["id"],
        "name": name,
        "full_name": repo["full_name"],
        "private": repo["private"],
        "default_branch": repo["default_branch"],
        "owner": {"login": owner},
        "html_url": f"{forge.url}/{repo['full_name']}",
        "clone_url": f"{forge.url}/{repo['full_name']}.git",
    }


def _common(forge: Forge, repo: Body, actor: str) -> Body:
    return {"repository": _repository(forge, repo), "sender": {"login": actor}}


def head_commit(git_dir: Path, sha: str) -> Body | None:
    """A commit as webhooks and runs show it (OpenAPI simple-commit), or None when it is not there."""
    commit = git.read_commit(git_dir, sha)
    if commit is None:
        return None
    people = {
        role: {"name": person.name, "email": person.email}
        for role, person in (("author", commit.author), ("committer", commit.committer))
    }
    return {"id": sha, "tree_id": commit.tree, "message": commit.message, "timestamp": commit.committer.date, **people}


def push_event(forge: Forge, repo: Body, ref: str, change: tuple[str, str], actor: str) -> Body:
    """The payload of a push that moved `ref` from change[0] to change[1]."""
    before, after = change
    git_dir = forge.git_dir(repo["full_name"])
    return _common(forge, repo, actor) | {
        "ref": ref,
        "before": before,
        "after": after,
        "created": set(before) == {"0"},
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "pusher": {"name": actor},
        "head_commit": head_commit(git_dir, git.commit_of(git_dir, after) or after),
    }


def pull_event(forge: Forge, repo: Body, pull: Body, action: str, actor: str) -> Body:
    """The payload of a pull_request event."""
    short = _repository(forge, repo)
    shown = {key: pull.get(key) for key in ("number", "title", "body", "state", "draft", "merged", "merge_commit_sha")}
    return _common(forge, repo, actor) | {
        "action": action,
        "number": pull["number"],
        "pull_request": shown
        | {
            "html_url": f"{forge.url}/{repo['full_name']}/pull/{pull['number']}",
            "user": {"login": pull["user"]},
            "head": {"ref": pull["head_ref"], "sha": pull["head_sha"], "repo": short},
            "base": {"ref": pull["base_ref"], "sha": pull["base_sha"], "repo": short},
        },
    }


def dispatch_event(forge: Forge, repo: Body, path: str, ref: str, inputs: dict[str, str], actor: str) -> Body:
    """The payload of a workflow_dispatch."""
    return _common(forge, repo, actor) | {"inputs": inputs, "ref": ref, "workflow": path}


def github_context(forge: Forge, run: Body, payload: Body) -> Body:
    """The `github` context, as far as it is known before a job starts."""
    ref = run["ref"]
    pull = payload.get("pull_request") or {}
    return {
        "event": payload,
        "event_name": run["event"],
        "ref": ref,
        "ref_name": ref.split("/", 2)[-1],
        "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
        "head_ref": pull.get("head", {}).get("ref", ""),
        "base_ref": pull.get("base", {}).get("ref", ""),
        "sha": run["sha"],
        "repository": run["repo"],
        "repository_owner": run["repo"].split("/")[0],
        "actor": run["actor"],
        "triggering_actor": run["triggering_actor"],
        "workflow": run["name"],
        "run_id": run["id"],
        "run_number": run["run_number"],
        "run_attempt": run["run_attempt"],
        "server_url": forge.url,
        "api_url": f"{forge.url}/api/v3",
        "graphql_url": f"{forge.url}/api/graphql",
    }


def job_environment(context: Body) -> dict[str, str]:
    """The `GITHUB_*` variables of a job, from the `github` context."""
    names = (
        "ref", "ref_name", "ref_type", "head_ref", "base_ref", "sha", "repository", "repository_owner", "actor",
        "triggering_actor", "workflow", "run_id", "run_number", "run_attempt", "server_url", "api_url", "graphql_url",
        "event_name",
    )  # fmt: skip
    return {f"GITHUB_{name.upper()}": str(context[name]) for name in names}
