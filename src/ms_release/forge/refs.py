"""Every change of a branch or tag goes through here: rules, the move itself, the record, and who must hear of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ms_release.forge import auth, checks, git, protect, rules
from ms_release.forge.errors import Refusal
from ms_release.forge.state import Forge

_WORKFLOWS = ".github/workflows"


@dataclass(frozen=True)
class Wish:
    """A reference shall go from `before` (None: it is not there) to `after` (None: it shall go).

    `workflows` is the tree of `.github/workflows` at `after`, where only the hook can see it.
    """

    ref: str
    before: str | None
    after: str | None
    forced: bool = False
    workflows: str | None = None

    @classmethod
    def of_hook(cls, line: str) -> Wish:
        """From one line of the pre-receive hook: `old new ref forced workflows`."""
        old, new, ref, forced, workflows = line.split()
        return cls(ref, absent(old), absent(new), forced == "1", absent(workflows))

    @property
    def kind(self) -> str:
        """create, update or delete."""
        return "create" if self.before is None else "delete" if self.after is None else "update"


@dataclass(frozen=True)
class Change:
    """A reference that has moved; `pulls` are (number, action) that `tell` passes on to the engine."""

    repo: str
    ref: str
    before: str | None
    after: str | None
    who: auth.Identity
    pulls: tuple[tuple[int, str], ...]


def absent(sha: str) -> str | None:
    """git's zeros as None."""
    return None if sha == git.ZERO else sha


def change(forge: Forge, who: auth.Identity, repo: str, wish: Wish, verb: str = "") -> Change:
    """Move a reference for somebody, inside `store.writing()`; hand the result to `tell` after the transaction.

    The effect is logged as `verb` (create_ref, update_ref or delete_ref unless told otherwise).
    Raises Refusal 422 when a protection forbids it or the reference is not at `wish.before`, ForbiddenError 403 when
    the token may not change workflow files (G34).
    """
    git_dir = forge.git_dir(repo)
    if wish.before is not None and wish.after is not None and not wish.forced:
        forced = not git.is_ancestor(git_dir, wish.before, wish.after)
        wish = Wish(wish.ref, wish.before, wish.after, forced)
    if not may_carry_workflows(forge, who, repo, wish):
        raise workflows_refused(who)
    violations = refuse(forge, who, repo, wish)
    if violations:
        raise Refusal(422, rules.api_message(violations))
    return move(forge, who, repo, wish, verb)


def workflows_refused(who: auth.Identity) -> auth.ForbiddenError:
    """The refusal of a token that may not change workflow files (G34)."""
    message = "Resource not accessible by " + ("integration" if who.app else "personal access token")
    return auth.ForbiddenError(message, "contents=write,workflows=write")


def move(forge: Forge, who: auth.Identity, repo: str, wish: Wish, verb: str = "") -> Change:
    """Move a reference whose change is already allowed (a merge), and record it."""
    try:
        git.update_ref(forge.git_dir(repo), wish.ref, wish.after, wish.before)
    except git.RefMovedError as error:
        words = {"create": "Reference already exists", "delete": "Reference does not exist"}
        raise Refusal(422, words.get(wish.kind, "Reference cannot be updated")) from error
    return note(forge, who, repo, wish, verb)


def refuse(forge: Forge, who: auth.Identity, repo: str, wish: Wish) -> list[rules.Violation]:
    """The protections that a direct change of a reference would violate."""
    found = protect.layers(forge, who, repo, wish.ref)
    needs_checks = wish.after is not None and any(layer.checks for layer in found)
    seen = checks.seen(forge, repo, wish.after) if needs_checks and wish.after else ()
    return rules.refuse_push(found, rules.Push(wish.kind, wish.forced, seen))


def refuse_push(forge: Forge, who: auth.Identity, repo: str, wishes: Iterable[Wish]) -> str:
    """What a pusher reads when something in the push is refused ("" = nothing is): then nothing of it comes in."""
    texts: list[str] = []
    for wish in wishes:
        violations = refuse(forge, who, repo, wish)
        if violations:
            texts.append(rules.git_message(wish.ref, violations))
        if not may_carry_workflows(forge, who, repo, wish):
            kind = "a GitHub App" if who.app else "a Personal Access Token"
            texts.append(
                f"refusing to allow {kind} to create or update workflow `{_WORKFLOWS}` without `workflows` permission\n"
            )
    return "".join(texts)


def may_carry_workflows(forge: Forge, who: auth.Identity, repo: str, wish: Wish) -> bool:
    """Whether the token may put these workflow files there (G34): new ones need the permission `workflows`.

    Not new are those that the reference itself, or the head of any branch, already has.
    """
    if who.permissions is None or wish.after is None:
        return True
    if not who.by_workflow and who.permissions.get("workflows") == "write":
        return True
    git_dir = forge.git_dir(repo)
    wanted = wish.workflows or _workflows_at(git_dir, wish.after)
    if wanted is None:
        return True
    heads = [sha for _, sha in git.list_refs(git_dir, "refs/heads/")]
    return any(_workflows_at(git_dir, sha) == wanted for sha in (wish.before, *heads) if sha)


def _workflows_at(git_dir: Path, sha: str) -> str | None:
    found = git.entry_at(git_dir, sha, _WORKFLOWS)
    return found[2] if found else None


def note(forge: Forge, who: auth.Identity, repo: str, wish: Wish, verb: str = "") -> Change:
    """Record a reference that has moved: the effect, and the pull requests that it moves with it.

    A pushed head branch moves the open pull requests from it, a deleted one closes them; a base branch that now
    contains a head has merged it.
    """
    now = forge.now()
    detail = {"before": wish.before, "after": wish.after}
    forge.store.log_effect(now, who.login, verb or f"{wish.kind}_ref", f"{repo} {wish.ref}", detail)
    branch = wish.ref.removeprefix("refs/heads/")
    pulls: list[tuple[int, str]] = []
    if branch != wish.ref and wish.kind != "create":
        for pull in forge.store.find("pull", repo, state="open"):
            action = _follow(forge, who, repo, pull, (branch, wish.after))
            if action:
                pull["updated_at"] = now
                forge.store.put("pull", f"{repo}#{pull['number']}", pull, repo)
                pulls.append((pull["number"], action))
    return Change(repo, wish.ref, wish.before, wish.after, who, tuple(pulls))


def _follow(forge: Forge, who: auth.Identity, repo: str, pull: dict[str, object], moved: tuple[str, str | None]) -> str:
    branch, after = moved
    now, git_dir = forge.now(), forge.git_dir(repo)
    if pull["head_ref"] == branch:
        if after is None:
            pull |= {"state": "closed", "closed_at": now}
            return "closed"
        pull["head_sha"] = after
        set_pull_refs(forge, repo, pull)
        return "synchronize"
    if pull["base_ref"] == branch and after is not None and git.is_ancestor(git_dir, str(pull["head_sha"]), after):
        merged = {"merged": True, "merged_at": now, "merged_by": who.login, "merge_commit_sha": after}
        pull |= {"state": "closed", "closed_at": now, **merged}
        return "closed"
    return ""


def set_pull_refs(forge: Forge, repo: str, pull: dict[str, object]) -> None:
    """Let `refs/pull/N/head` and, where it merges cleanly, `refs/pull/N/merge` follow the pull request."""
    git_dir, number = forge.git_dir(repo), pull["number"]
    merge = test_merge(forge, repo, pull)
    for name, sha in (("head", str(pull["head_sha"])), ("merge", merge)):
        ref = f"refs/pull/{number}/{name}"
        before = git.read_ref(git_dir, ref)
        if before != sha:
            git.update_ref(git_dir, ref, sha, before)


def test_merge(forge: Forge, repo: str, pull: dict[str, object]) -> str | None:
    """The commit that merging would make now, None on conflict: what `merge_commit_sha` is before the merge (G13)."""
    git_dir = forge.git_dir(repo)
    head, base = str(pull["head_sha"]), git.read_ref(git_dir, f"refs/heads/{pull['base_ref']}")
    if base is None:
        return None
    tree = git.merge_trees(git_dir, base, head)
    if tree is None:
        return None
    # The same two commits always give the same test merge: its date is the pull request's own.
    person = git.Person("GitHub", "noreply@github.com", str(pull["created_at"]))
    return git.commit_tree(git_dir, tree, [base, head], f"Merge {head} into {base}", author=person)


def tell(forge: Forge, changes: Sequence[Change]) -> None:
    """Let the engine start what these changes start; call it after the transaction."""
    for done in changes:
        actor, by_workflow = done.who.login, done.who.by_workflow
        forge.engine.pushed(done.repo, done.ref, done.before, done.after, actor, by_workflow)
        for number, action in done.pulls:
            forge.engine.pull_changed(done.repo, number, action, actor, by_workflow)
