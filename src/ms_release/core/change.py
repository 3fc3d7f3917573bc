"""Bringing files into a protected branch by pull request: the one mechanism behind the release and the evidence."""

from __future__ import annotations

from msgspec import Struct

from ms_release.config import CheckRule
from ms_release.core import action
from ms_release.core.action import Act, Blocked, Done, Next, Wait, watch_checks
from ms_release.core.model import File, Finding
from ms_release.core.observation import ChangeFacts, Pull
from ms_release.core.selection import NO_CHECKS, judge_pull


class Change(Struct, frozen=True):
    """Files on their way into `base`, through the branch whose creation is the lock.

    `replaces`: they may take the place of older ones; else a path that is there already stops it.
    """

    repo: str
    base: str
    branch: str
    files: tuple[File, ...]
    title: str
    body: str
    checks: tuple[CheckRule, ...]
    replaces: bool = False

    @property
    def wanted(self) -> dict[str, str | None]:
        """Blob ids by path when the change is in place."""
        return {file.path: file.blob for file in self.files}


def next_change(change: Change, facts: ChangeFacts, base_head: str) -> Next:
    """What the change needs next: branch, commit, pull request, checks, merge; Done carries the merge commit."""
    pull = facts.pull
    if pull is not None and pull.state == "MERGED":
        return _merged(change, facts, pull)
    if facts.on_base == change.wanted:
        if change.replaces:
            return Done(f"{change.base} holds it already")
        return Blocked(
            f"{change.base} holds the files of {change.branch}, but no merged pull request brought them",
            "Find out who committed them.",
        )
    if not change.replaces and any(facts.on_base[path] is not None for path in change.wanted):
        return Blocked(
            f"{change.base} already holds another {_first(facts.on_base)}", "Plan a higher version.", stale=True
        )
    if pull is not None:
        return _next_pull(change, facts, pull)
    return _open(change, facts, base_head)


def _merged(change: Change, facts: ChangeFacts, pull: Pull) -> Next:
    if facts.on_base != change.wanted:
        return Blocked(
            f"{change.base} does not hold what pull request #{pull.number} of {change.branch} was to bring",
            "Plan a higher version.",
            stale=True,
        )
    if pull.merge_commit is None:
        return Blocked(f"the merge commit of #{pull.number} is unknown", "Run the same command again in a moment.")
    return Done(f"{change.branch} is merged", pull.merge_commit)


def _open(change: Change, facts: ChangeFacts, base_head: str) -> Next:
    """Branch, commit and pull request, as far as they are missing. The commit compares and swaps: one operator wins."""
    actions: list[action.Action] = []
    head = facts.branch
    if head is None:
        head = base_head
        actions.append(action.CreateBranch(change.repo, change.branch, head))
    if facts.branch is None or facts.on_branch != change.wanted:
        # a branch that nobody has written to shows what its base has, or had
        untouched = change.replaces and facts.on_branch == facts.on_base
        if facts.branch is not None and any(blob is not None for blob in facts.on_branch.values()) and not untouched:
            return _held(change, facts)
        actions.append(action.CommitFiles(change.repo, change.branch, head, change.title, change.files))
    actions.append(action.OpenPullRequest(change.repo, change.branch, change.base, change.title, change.body))
    return Act(tuple(actions))


def _held(change: Change, facts: ChangeFacts) -> Blocked:
    return Blocked(
        f"{change.branch} holds another {_first(facts.on_branch)}: somebody else's release has this version",
        "See who holds it, then continue theirs or plan a higher version.",
        "ms release status",
        stale=True,
    )


def _next_pull(change: Change, facts: ChangeFacts, pull: Pull) -> Next:
    if pull.state == "CLOSED":
        return Blocked(
            f"pull request #{pull.number} of {change.branch} was closed without merging",
            f"Reopen it ({pull.url}), or plan a higher version.",
        )
    if facts.on_branch != change.wanted:
        return _held(change, facts)
    if strange := sorted(set(pull.paths) ^ set(change.wanted)):
        return Blocked(
            f"the head of #{pull.number} is not ours: it differs in {strange[0]}", "Plan a higher version.", stale=True
        )
    if facts.behind:
        return Act((action.UpdatePullRequest(change.repo, change.branch, pull.number, pull.head_sha),))
    problem = judge_pull(pull, change.checks)
    if problem.startswith(("pending", "missing")):
        reason = f"the checks of {pull.url or '#' + str(pull.number)} ({problem})"
        return Wait(
            "checks", reason, "the forge's runners", (watch_checks(change.repo, pull.head_sha, pull.checks or ()),)
        )
    if problem.startswith("unknown"):
        message = f"the checks of #{pull.number} could not be read"
        finding = Finding("PERMISSION", change.repo, "UNKNOWN", message, NO_CHECKS)
        return Blocked(message, NO_CHECKS, findings=(finding,))
    if problem:
        return Blocked(
            f"the checks of #{pull.number} failed ({problem})",
            f"Look at {pull.url}; run the check again, then the same command.",
        )
    title = f"{change.title} (#{pull.number})"
    return Act((action.MergePullRequest(change.repo, change.branch, pull.number, pull.head_sha, title),))


def _first(blobs: dict[str, str | None]) -> str:
    return next(path for path, blob in blobs.items() if blob is not None)
