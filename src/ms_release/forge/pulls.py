"""Pull requests: opening, editing, closing and merging them, and whether they can be merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ms_release.forge import auth, checks, git, protect, refs, rules
from ms_release.forge.errors import Refusal, invalid, not_found
from ms_release.forge.state import Forge

Body = dict[str, Any]

METHODS = ("merge", "squash", "rebase")


@dataclass(frozen=True)
class Mergeability:
    """Whether a pull request merges cleanly, and GitHub's word for the whole: clean, dirty, blocked, behind, …"""

    mergeable: bool
    state: str


@dataclass(frozen=True)
class MergeWish:
    """How somebody wants a pull request merged; `sha` is the head they saw (None: any), texts "" = GitHub's own."""

    method: str = "merge"
    sha: str | None = None
    title: str = ""
    message: str | None = None


def person(forge: Forge, login: str) -> git.Person:
    """A user as author of commits made by the API."""
    body = forge.store.get("user", login) or {"id": 41898282}
    return git.Person(login, f"{body['id']}+{login}@users.noreply.github.com", forge.now())


def web_flow(forge: Forge) -> git.Person:
    """The committer of merges made by the API."""
    return git.Person("GitHub", "noreply@github.com", forge.now())


def find_pull(forge: Forge, repo: str, number: int) -> Body:
    """The document of a pull request; 404 without one."""
    pull = forge.store.get("pull", f"{repo}#{number}")
    if pull is None:
        raise not_found()
    return pull


def save_pull(forge: Forge, pull: Body) -> Body:
    """Store a changed pull request."""
    pull["updated_at"] = forge.now()
    return forge.store.put("pull", f"{pull['repo']}#{pull['number']}", pull, pull["repo"])


def open_pull(forge: Forge, who: auth.Identity, repo: str, wish: Body) -> Body:
    """Open a pull request, inside `store.writing()`; call `tell_pull(…, "opened")` after the transaction.

    `wish` has title, body, head (`branch` or `owner:branch`), base and draft. Raises Refusal 422 in GitHub's words.
    """
    owner, git_dir = repo.partition("/")[0], forge.git_dir(repo)
    label, _, branch = str(wish["head"]).rpartition(":")
    base_sha = git.read_ref(git_dir, f"refs/heads/{wish['base']}")
    head_sha = git.read_ref(git_dir, f"refs/heads/{branch}") if label in ("", owner) else None
    if head_sha is None:
        raise invalid("PullRequest", "head", "invalid")
    if base_sha is None:
        raise invalid("PullRequest", "base", "invalid")
    if forge.store.find("pull", repo, state="open", head_ref=branch, base_ref=wish["base"]):
        raise _custom(f"A pull request already exists for {owner}:{branch}.")
    if git.is_ancestor(git_dir, head_sha, base_sha):
        raise _custom(f"No commits between {wish['base']} and {branch}")
    now, number = forge.now(), forge.store.next_id(f"pull:{repo}")
    pull: Body = {
        "id": forge.store.next_id("pull"),
        "number": number,
        "repo": repo,
        "title": wish["title"],
        "body": wish.get("body"),
        "state": "open",
        "head_ref": branch,
        "head_sha": head_sha,
        "base_ref": wish["base"],
        "base_sha": base_sha,
        "user": who.login,
        "created_at": now,
        "updated_at": now,
        "merged": False,
        "merged_at": None,
        "merged_by": None,
        "merge_commit_sha": None,
        "closed_at": None,
        "draft": bool(wish.get("draft")),
    }
    refs.set_pull_refs(forge, repo, pull)
    forge.store.log_effect(now, who.login, "open_pull", f"{repo}#{number}", {"head": branch, "sha": head_sha})
    return forge.store.put("pull", f"{repo}#{number}", pull, repo)


def _custom(message: str) -> Refusal:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return Refusal(422, "Validation Failed", [error])


def edit_pull(forge: Forge, who: auth.Identity, pull: Body, changes: Body) -> tuple[Body, str]:
    """Change title, body, base or state, inside `store.writing()`.

    Returns the new document and the action to hand to `tell_pull` ("closed", "reopened" or "").
    """
    repo, action = pull["repo"], ""
    subject = f"{repo}#{pull['number']}"
    if "base" in changes and git.read_ref(forge.git_dir(repo), f"refs/heads/{changes['base']}") is None:
        raise invalid("PullRequest", "base", "invalid")
    texts = {"title": "title", "body": "body", "base": "base_ref"}
    new = {texts[name]: value for name, value in changes.items() if name in texts}
    if any(pull[name] != value for name, value in new.items()):
        forge.store.log_effect(forge.now(), who.login, "edit_pull", subject, {"fields": sorted(new)})
    pull |= new
    state = changes.get("state", pull["state"])
    if state != pull["state"]:
        if pull["merged"]:
            raise _custom("state cannot be changed. The pull request is already merged.")
        if state == "open":
            pull["head_sha"] = git.read_ref(forge.git_dir(repo), f"refs/heads/{pull['head_ref']}")
            if pull["head_sha"] is None:
                raise _custom(f"state cannot be changed. The {pull['head_ref']} branch has been deleted.")
        action, verb = ("reopened", "reopen_pull") if state == "open" else ("closed", "close_pull")
        pull |= {"state": state, "closed_at": forge.now() if state == "closed" else None}
        forge.store.log_effect(forge.now(), who.login, verb, subject)
    if pull["state"] == "open":
        refs.set_pull_refs(forge, repo, pull)
    return save_pull(forge, pull), action


def mergeability(forge: Forge, who: auth.Identity, pull: Body) -> Mergeability:
    """What GitHub says about merging this open pull request, as this asker would."""
    facts, layers = _facts(forge, who, pull, "squash")
    if facts.conflict:
        return Mergeability(False, "dirty")
    if facts.draft:
        return Mergeability(True, "draft")
    violations = rules.refuse_merge([replace(layer, methods=(), linear=False) for layer in layers], facts)
    if any(violation.source != "base" for violation in violations):
        return Mergeability(True, "blocked")
    if violations:
        return Mergeability(True, "behind")
    return Mergeability(True, "clean" if all(s.state == "success" for s in facts.seen) else "unstable")


def _facts(forge: Forge, who: auth.Identity, pull: Body, method: str) -> tuple[rules.Merge, tuple[rules.Layer, ...]]:
    repo, git_dir = pull["repo"], forge.git_dir(pull["repo"])
    base = git.read_ref(git_dir, f"refs/heads/{pull['base_ref']}")
    merge = rules.Merge(
        method,
        seen=checks.seen(forge, repo, pull["head_sha"]),
        approvals=len(approvals(forge, pull)),
        behind=base is None or not git.is_ancestor(git_dir, base, pull["head_sha"]),
        conflict=refs.test_merge(forge, repo, pull) is None,
        draft=pull["draft"],
    )
    return merge, protect.layers(forge, who, repo, f"refs/heads/{pull['base_ref']}", merging=True)


def approvals(forge: Forge, pull: Body) -> set[str]:
    """Who approves the pull request: people with write access whose newest review of it says so."""
    repo = forge.store.get("repo", pull["repo"]) or {"access": {}, "team_access": {}}
    newest = {r["user"]: r["state"] for r in forge.store.find("review", pull["repo"], pull=pull["number"])}
    approving = {login for login, state in newest.items() if state == "APPROVED" and login != pull["user"]}
    return {login for login in approving if auth.login_role(forge, login, repo) in ("write", "maintain", "admin")}


def merge_pull(forge: Forge, who: auth.Identity, pull: Body, wish: MergeWish) -> tuple[Body, refs.Change]:
    """Merge, inside `store.writing()`; hand the change to `refs.tell` and the number to `tell_pull(…, "closed")` after.

    Raises Refusal 409 when the head is not `wish.sha`, 405 when rules or conflicts forbid it (G11).
    """
    if pull["state"] != "open":
        raise Refusal(405, "Pull Request is not mergeable")
    if wish.sha is not None and wish.sha != pull["head_sha"]:
        raise Refusal(409, "Head branch was modified. Review and try the merge again.")
    facts, layers = _facts(forge, who, pull, wish.method)
    violations = rules.refuse_merge(layers, facts)
    if violations:
        raise Refusal(405, rules.api_message(violations[:1]))
    repo, ref = pull["repo"], f"refs/heads/{pull['base_ref']}"
    base = git.read_ref(forge.git_dir(repo), ref)
    assert base is not None
    after = _merged_commit(forge, who, pull, wish, base)
    done = {"merged": True, "merged_at": forge.now(), "merged_by": who.login, "merge_commit_sha": after}
    pull |= {"state": "closed", "closed_at": forge.now(), "base_sha": base, **done}
    save_pull(forge, pull)
    detail = {"sha": after, "head": pull["head_sha"], "base": base, "method": wish.method}
    forge.store.log_effect(forge.now(), who.login, "merge_pull", f"{repo}#{pull['number']}", detail)
    return pull, refs.move(forge, who, repo, refs.Wish(ref, base, after), "update_ref")


def update_branch(forge: Forge, who: auth.Identity, pull: Body, expected: str | None) -> refs.Change:
    """Merge the base into the head, inside `store.writing()`; a new head commit, so checks run again (G14).

    Raises Refusal 422 when the head is not `expected`, is up to date already, or conflicts.
    """
    repo, git_dir, head = pull["repo"], forge.git_dir(pull["repo"]), pull["head_sha"]
    base = git.read_ref(git_dir, f"refs/heads/{pull['base_ref']}")
    if expected not in (None, head):
        raise Refusal(422, "expected head sha didn’t match current head ref.")
    if base is None or git.is_ancestor(git_dir, base, head):
        raise Refusal(422, "There are no new commits on the base branch.")
    tree = git.merge_trees(git_dir, head, base)
    if tree is None:
        raise Refusal(422, "merge conflict between base and head")
    text = f"Merge branch '{pull['base_ref']}' into {pull['head_ref']}"
    after = git.commit_tree(
        git_dir, tree, [head, base], text, author=person(forge, who.login), committer=web_flow(forge)
    )
    return refs.change(forge, who, repo, refs.Wish(f"refs/heads/{pull['head_ref']}", head, after), "update_pull_branch")


def _merged_commit(forge: Forge, who: auth.Identity, pull: Body, wish: MergeWish, base: str) -> str:
    git_dir, head = forge.git_dir(pull["repo"]), pull["head_sha"]
    author, committer = person(forge, who.login), web_flow(forge)
    commits = git.commits_between(git_dir, base, head)
    if wish.method == "rebase":
        tip = base
        for commit in commits:
            picked = git.pick(git_dir, commit, tip, committer) if len(commit.parents) == 1 else None
            if picked is None:
                raise Refusal(405, "This branch can't be rebased")
            tip = picked
        return tip
    tree = git.merge_trees(git_dir, base, head)
    assert tree is not None
    if wish.method == "squash":
        lines = wish.message
        if lines is None:
            lines = "\n\n".join(f"* {c.message.strip()}" for c in commits) if len(commits) > 1 else ""
        title = wish.title or f"{pull['title']} (#{pull['number']})"
        text = f"{title}\n\n{lines}".strip()
        return git.commit_tree(git_dir, tree, [base], text, author=person(forge, pull["user"]), committer=committer)
    owner = pull["repo"].partition("/")[0]
    title = wish.title or f"Merge pull request #{pull['number']} from {owner}/{pull['head_ref']}"
    text = f"{title}\n\n{pull['title'] if wish.message is None else wish.message}".strip()
    return git.commit_tree(git_dir, tree, [base, head], text, author=author, committer=committer)


def tell_pull(forge: Forge, who: auth.Identity, pull: Body, action: str) -> None:
    """Let the engine start what a changed pull request starts; call it after the transaction."""
    forge.engine.pull_changed(pull["repo"], pull["number"], action, who.login, who.by_workflow)
