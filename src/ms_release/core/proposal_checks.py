"""Which checks a repository is proposed to stand on, and how its commit is proposed to be chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from msgspec import Struct

from ms_release.config import CheckRule
from ms_release.core.observation import Check, Commit
from ms_release.core.proposal_facts import RepoSeen
from ms_release.core.selection import ACTIONS, judge
from ms_release.core.spec import Spec

NO_CHECK = CheckRule("ci", ACTIONS)
"""Stands where a repository has no check: a configuration without one is refused, and this one blocks."""
SURE = 2
"""How often a commit stayed while others moved, until we believe that it is carried on purpose."""
_BRANCH_EVENTS = {"push", "merge_group"}


class Note(Struct, frozen=True):
    """Why a key has its value; `check` = we are not sure, somebody must look."""

    key: str
    text: str
    check: bool = False


def propose_checks(repo: RepoSeen) -> tuple[tuple[CheckRule, ...], tuple[Note, ...]]:
    """The checks that are required where protection says so, else those that most commits have."""
    commits = [c for c in repo.commits or () if c.checks is not None and _of_branch(c.checks)]
    seen = Counter(rule for c in commits for rule in {_rule(check) for check in _of_branch(c.checks or ())})
    green = Counter(rule for c in commits for rule in _green(c))
    if not seen:
        return _unseen(repo)
    required = set(repo.required or ())
    named = [rule for rule in _ordered(seen) if rule.name in required]
    rules = named or _usual(seen, green, len(commits))
    notes = [_why(repo, rule, seen[rule], len(commits), required=bool(named)) for rule in rules]
    if not named:
        why = "no rule of the branch that this token sees names one" if not required else "the required ones never ran"
        notes.append(Note("checks", f"chosen because most commits have them: {why}", check=True))
    twins = sorted({r.name for r in rules if [q.name for q in rules].count(r.name) > 1})
    notes += [Note("checks", f"several apps report {name}; keep the one that counts", check=True) for name in twins]
    never = sorted(required - {rule.name for rule in seen})
    notes += [
        Note("checks", f"{name} is required on {repo.branch}, but was not seen on its last commits", check=True)
        for name in never
    ]
    if others := [f"{rule.name} ({rule.app})" for rule in _ordered(seen) if rule not in rules]:
        notes.append(Note("checks", f"also seen, and not needed: {', '.join(others)}"))
    return tuple(rules), tuple(notes)


def propose_select(
    repo: RepoSeen, id: str, rules: tuple[CheckRule, ...], specs: tuple[Spec, ...]
) -> tuple[str, tuple[Note, ...]]:
    """`carry` for what stayed where it was while others moved, `latest-green` for an often red branch, else `head`.

    `specs` are the newest ones, newest first.
    """
    pins = [{r.id: r.sha for r in spec.repos} for spec in specs]
    moves = [(new, old) for new, old in pairwise(pins) if id in new and id in old and new != old]
    stayed = [new[id] == old[id] for new, old in moves]
    if stayed and stayed[0] and repo.head not in ("", pins[0][id]):
        text = f"it stayed at {pins[0][id][:7]} while others moved, in {sum(stayed)} of the last {len(stayed)} releases"
        return "carry", (Note("select", text, check=sum(stayed) < SURE),)
    judged = [judge(c, rules)[0] for c in repo.commits or () if c.checks]
    red = sum(1 for verdict in judged if verdict.startswith("red"))
    if red * 3 > len(judged):
        return "latest-green", (Note("select", f"{red} of the last {len(judged)} commits are red", check=True),)
    return "head", (Note("select", "the newest commit, which must be green; carry and latest-green are the others"),)


def _of_branch(checks: Iterable[Check]) -> list[Check]:
    """Checks of the branch itself: candidates and publications that ran on the same commit are none of its gates."""
    return [c for c in checks if c.event in _BRANCH_EVENTS or (c.event is None and c.app != ACTIONS)]


def _rule(check: Check) -> CheckRule:
    return CheckRule(check.name, check.app)


def _green(commit: Commit) -> set[CheckRule]:
    return {_rule(c) for c in _of_branch(commit.checks or ()) if c.conclusion == "success"}


def _ordered(seen: Counter[CheckRule]) -> list[CheckRule]:
    return sorted(seen, key=lambda rule: (-seen[rule], rule.name, rule.app))


def _usual(seen: Counter[CheckRule], green: Counter[CheckRule], commits: int) -> list[CheckRule]:
    most = [rule for rule in _ordered(seen) if seen[rule] * 2 >= commits]
    return [rule for rule in most if green[rule]] or most or _ordered(seen)[:1]


def _why(repo: RepoSeen, rule: CheckRule, count: int, commits: int, *, required: bool) -> Note:
    rank = f"required on {repo.branch}, " if required else ""
    counted = f"{count} of the last {commits} commits that have checks" if commits > 1 else "the last commit"
    return Note("checks", f"{rule.name}: {rank}seen on {counted}, reported by {rule.app or 'an unknown app'}")


def _unseen(repo: RepoSeen) -> tuple[tuple[CheckRule, ...], tuple[Note, ...]]:
    """No check was seen: what protection requires, else the jobs of the workflows that pushes start, else nothing."""
    why = "this token may not read checks" if repo.commits is None else "no check was seen on the last commits"
    if repo.required:
        rules = tuple(CheckRule(name, ACTIONS) for name in sorted(repo.required))
        return rules, (Note("checks", f"required on {repo.branch}; {why}, so the app is a guess", check=True),)
    for workflow in repo.workflows or ():
        jobs = sorted({job.name for job in workflow.jobs if job.name})
        if jobs and {"push", "pull_request"} & set(workflow.events) and not workflow.push_tags:
            rules = tuple(CheckRule(name, ACTIONS) for name in jobs)
            return rules, (Note("checks", f"{why}; these are the jobs of {workflow.file}", check=True),)
    text = f"{why}, and no workflow says more: name the check that must be green"
    return (NO_CHECK,), (Note("checks", text, check=True),)


def has_gate(repo: RepoSeen) -> bool:
    """Whether anything at all says if a commit of it is good."""
    return propose_checks(repo)[0] != (NO_CHECK,)
