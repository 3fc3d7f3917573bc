"""Which commit of each repository goes into a release, and why (SPEC 4)."""

from __future__ import annotations

from ms_release.config import CheckRule, Repo
from ms_release.core.model import Evidence, Finding, PassedOver, Pin, Selection
from ms_release.core.observation import Check, Commit, Pull, RepoFacts
from ms_release.errors import BlockedError, UsageError, WaitingError

# Runs of the base repository itself; a pull request's run may come from a fork (faults F15).
ACTIONS = "github-actions"
NO_CHECKS = "Use a GitHub App with checks: read, or a classic token; a fine-grained token cannot read private checks."
"""What helps where checks are not shown (github-facts G20)."""
TRUSTED_EVENTS = frozenset({"push", "workflow_dispatch", "repository_dispatch", "schedule", "merge_group"})


def judge(commit: Commit, rules: tuple[CheckRule, ...]) -> tuple[str, tuple[Evidence, ...]]:
    """Whether a commit is green: ("", evidence), or the reason why not. A reason that starts with `pending` may pass.

    Green = every configured check, by its configured app, concluded `success` on exactly this commit in its latest
    attempt, from a trusted event. `skipped` and `neutral` are not green although GitHub lets them pass (G17).
    """
    return _judge(commit.checks, rules, TRUSTED_EVENTS)


def judge_pull(pull: Pull, rules: tuple[CheckRule, ...]) -> str:
    """The same question about the head of our own pull request, whose checks may come from `pull_request` runs."""
    return _judge(pull.checks, rules, TRUSTED_EVENTS | {"pull_request"})[0]


def _judge(
    checks: tuple[Check, ...] | None, rules: tuple[CheckRule, ...], events: frozenset[str]
) -> tuple[str, tuple[Evidence, ...]]:
    if checks is None:
        return "unknown: its checks could not be read", ()
    evidence = []
    for rule in rules:
        found = [c for c in checks if c.name == rule.name and c.app == rule.app and _is_trusted(c, events)]
        if not found:
            others = sorted({c.app for c in checks if c.name == rule.name} - {rule.app})
            seen = f" (only from {', '.join(others)})" if others else ""
            return f"missing: no check {rule.name} by {rule.app}{seen}", ()
        latest = max(found, key=lambda c: c.check_run_id)
        if latest.status.lower() != "completed":
            return f"pending: {rule.name} is {latest.status.lower().replace('_', ' ')}", ()
        if (latest.conclusion or "").lower() != "success":
            return f"red: {rule.name} concluded {(latest.conclusion or 'nothing').lower()}", ()
        evidence.append(Evidence(rule.name, rule.app, latest.check_run_id, latest.run_id))
    return "", tuple(evidence)


def _is_trusted(check: Check, events: frozenset[str]) -> bool:
    """Actions says which event a run came from; a check of its app without a run was made by somebody's token."""
    return check.app != ACTIONS if check.event is None else check.event in events


def select(repo: Repo, facts: RepoFacts, previous: Pin | None, explicit: str | None) -> Pin:
    """Choose the commit of one repository.

    Raises UsageError for an explicit commit that does not exist, BlockedError when nothing acceptable is there and
    WaitingError when a check is still running.
    """
    if explicit is not None:
        return _explicit(repo, facts, explicit)
    if facts.head is None or not facts.commits:
        raise BlockedError(
            f"{repo.id}: branch {repo.branch} of {repo.slug} could not be read",
            remedy="Check its name and your rights.",
        )
    if repo.select == "carry" and previous is not None:
        return _carry(repo, facts, previous)
    if all(commit.checks is None for commit in facts.commits):
        raise _unreadable(repo)
    if repo.select == "head":
        return _head(repo, facts)
    return _latest_green(
        repo,
        facts,
        "the newest green commit"
        if repo.select == "latest-green"
        else "the newest green commit (nothing to carry yet)",
    )


def _unreadable(repo: Repo) -> BlockedError:
    """UNKNOWN, and UNKNOWN blocks (SPEC 1.6): which commit is green cannot be told."""
    message = f"the checks of {repo.slug} could not be read"
    finding = Finding("PIN_GREEN", repo.id, "UNKNOWN", message, NO_CHECKS)
    return BlockedError(f"{repo.id}: {message}", remedy=NO_CHECKS, findings=(finding,))


def _pin(repo: Repo, commit: Commit, how: Selection, reason: str, evidence: tuple[Evidence, ...]) -> Pin:
    return Pin(repo.id, repo.slug, repo.url, repo.branch, commit.sha, how, reason, evidence)


def _head(repo: Repo, facts: RepoFacts) -> Pin:
    tip = facts.commits[0]
    problem, evidence = judge(tip, repo.checks)
    if not problem:
        return _pin(repo, tip, "head", f"the tip of {repo.branch}", evidence)
    if problem.startswith("pending"):
        raise WaitingError(
            f"{repo.id}: the tip {tip.sha[:7]} is {problem}", remedy="Wait for its checks, then run the same command."
        )
    green = next((c for c in facts.commits if not judge(c, repo.checks)[0]), None)
    newest = (
        f"The newest green commit is {green.sha[:7]} ({green.subject}): to pin it, add --repo {repo.id}={green.sha}."
        if green
        else f"None of the last {len(facts.commits)} commits is green."
    )
    raise BlockedError(f"{repo.id}: the tip {tip.sha[:7]} is not green ({problem})", remedy=newest)


def _latest_green(repo: Repo, facts: RepoFacts, reason: str) -> Pin:
    passed: list[PassedOver] = []
    for commit in facts.commits:
        problem, evidence = judge(commit, repo.checks)
        if not problem:
            pin = _pin(repo, commit, "latest-green", reason, evidence)
            return _with_passed_over(pin, passed)
        passed.append(PassedOver(commit.sha, commit.subject, problem))
    pending = next((p for p in passed if p.reason.startswith("pending")), None)
    if pending:
        raise WaitingError(
            f"{repo.id}: no green commit yet; {pending.sha[:7]} is {pending.reason}", remedy="Wait for its checks."
        )
    raise BlockedError(
        f"{repo.id}: none of the last {len(passed)} commits is green",
        remedy=f"Make {repo.branch} of {repo.slug} green.",
    )


def _carry(repo: Repo, facts: RepoFacts, previous: Pin) -> Pin:
    commit = facts.commit(previous.sha)
    evidence = tuple(previous.evidence)
    if commit is not None and commit.checks:
        problem, fresh = judge(commit, repo.checks)
        if problem and not problem.startswith("missing"):
            raise BlockedError(
                f"{repo.id}: the carried commit {previous.sha[:7]} is not green any more ({problem})",
                remedy="Name a green one with --repo.",
            )
        evidence = fresh or evidence
    if not evidence:
        raise BlockedError(
            f"{repo.id}: no evidence is left for the carried commit {previous.sha[:7]}",
            remedy="Name a green one with --repo.",
        )
    pin = Pin(
        repo.id, repo.slug, repo.url, repo.branch, previous.sha, "carry", "carried from the previous release", evidence
    )
    passed = []
    for newer in facts.commits:
        if newer.sha == previous.sha:
            break
        problem, _ = judge(newer, repo.checks)
        passed.append(PassedOver(newer.sha, newer.subject, problem or "green, but this repository carries its pin"))
    return _with_passed_over(pin, passed)


def _explicit(repo: Repo, facts: RepoFacts, sha: str) -> Pin:
    commit = facts.commit(sha)
    if commit is None:
        raise UsageError(f"{repo.id}: {repo.slug} has no commit {sha}", remedy="Give the full id of a pushed commit.")
    if facts.contains(sha) is not True:
        raise BlockedError(
            f"{repo.id}: {sha[:7]} is not on {repo.branch} of {repo.slug}",
            remedy="Merge it first, or name another commit.",
        )
    problem, evidence = judge(commit, repo.checks)
    if problem.startswith("pending"):
        raise WaitingError(f"{repo.id}: {sha[:7]} is {problem}", remedy="Wait for its checks.")
    if problem:
        raise BlockedError(
            f"{repo.id}: {sha[:7]} is not green ({problem})", remedy="Name a commit whose checks succeeded."
        )
    passed = []
    for newer in facts.commits:
        if newer.sha == sha:
            break
        passed.append(
            PassedOver(
                newer.sha, newer.subject, judge(newer, repo.checks)[0] or "green, but another commit was asked for"
            )
        )
    return _with_passed_over(_pin(repo, commit, "explicit", "named on the command line", evidence), passed)


def _with_passed_over(pin: Pin, passed: list[PassedOver]) -> Pin:
    return Pin(pin.repo, pin.slug, pin.url, pin.ref, pin.sha, pin.select, pin.reason, pin.evidence, tuple(passed))
