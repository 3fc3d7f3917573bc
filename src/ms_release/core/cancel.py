"""What `cancel` wants next: the plan marked as abandoned, its pull request closed, its runs ended; nothing is deleted.

The mark is a file on the default branch, `release/abandoned/<tag>.json`, brought there by a pull request of its own.
Its branch `abandon/<tag>` counts from the moment it exists, so that no run can publish while the mark is on its way.
"""

from __future__ import annotations

from msgspec.structs import replace

from ms_release.core import sanitize, strict_json
from ms_release.core.action import (
    Act,
    Action,
    Ask,
    Blocked,
    CancelRun,
    ClosePullRequest,
    Done,
    MergePullRequest,
    Next,
    Wait,
    Watch,
    watch_run,
)
from ms_release.core.change import Change, next_change
from ms_release.core.foretell import assume
from ms_release.core.model import File
from ms_release.core.observation import Observation, Run
from ms_release.core.plan import Plan
from ms_release.core.publish import published
from ms_release.core.train import Train

SCHEMA = "ms-abandoned/v1"


def mark_path(tag: str) -> str:
    """Where the home repository keeps the mark of an abandoned plan."""
    return f"release/abandoned/{tag}.json"


def mark_branch(tag: str) -> str:
    """The branch of the pull request that brings the mark."""
    return f"abandon/{tag}"


def mark_change(goal: Train, reason: str) -> Change:
    """The pull request that marks a plan. Its file says nothing of who and why, so anybody can finish it."""
    plan = goal.plan
    mark = {"schema": SCHEMA, "product": plan.product, "tag": plan.tag, "plan": goal.file.digest}
    lines = [
        f"Nothing of **{plan.tag}** will be published; its version is burned.",
        f"plan `{goal.file.digest}`",
        *([f"Reason: {sanitize.markdown(reason)}"] if reason else []),
    ]
    return Change(
        plan.home,
        plan.branch,
        mark_branch(plan.tag),
        (File(mark_path(plan.tag), strict_json.pretty(mark)),),
        f"chore(release): abandon {plan.tag}",
        "\n\n".join(lines) + "\n",
        goal.config.home(goal.product).checks,
    )


def next_cancel(goal: Train, facts: Observation, reason: str = "") -> Next:
    """Decide from the facts alone. The mark is begun first and merged last, when no run can publish any more."""
    plan = goal.plan
    assert facts.release_change is not None
    assert facts.mark_change is not None
    if published(goal, facts) is not None:
        return _too_late(plan, facts)
    pull = facts.release_change.pull
    if pull is not None and pull.state == "MERGED" and facts.runs is None:
        return Ask("runs")
    marking = _next_mark(goal, facts, reason)
    if isinstance(marking, Blocked):
        return marking
    alive = [run for run in facts.runs or () if goal.file.digest in run.title and run.status != "completed"]
    due: list[Action] = [a for a in _actions(marking) if not isinstance(a, MergePullRequest)]
    if pull is not None and pull.state == "OPEN":
        due.append(ClosePullRequest(plan.home, plan.release_branch, pull.number))
    due += [CancelRun(plan.home, run.id, plan.tag) for run in alive if run.status != "cancelling"]
    if due:
        return Act(tuple(due))
    if alive:
        return Wait("run", f"the end of {alive[0].url}", "the forge's runners", tuple(_ends(plan, alive)))
    return marking


def _next_mark(goal: Train, facts: Observation, reason: str) -> Next:
    plan, mark = goal.plan, facts.mark_change
    assert mark is not None
    if plan.tag in facts.home.abandoned:
        return _done(plan, facts)
    if mark.pull is not None and mark.pull.state == "CLOSED":
        return Blocked(
            f"pull request #{mark.pull.number}, which marks {plan.tag} as abandoned, was closed without merging",
            f"Reopen it ({mark.pull.url}), or delete {mark.name} to go on with the release.",
            f"ms release {plan.product} cancel {plan.tag} --yes",
        )
    answer = next_change(mark_change(goal, reason), mark, facts.home.head)
    return _done(plan, facts) if isinstance(answer, Done) else answer


def _done(plan: Plan, facts: Observation) -> Done:
    drafts = ", ".join(str(r.id) for r in facts.home.releases if r.draft and r.tag == plan.tag)
    kept = f"; its draft release ({drafts}) is nobody's any more" if drafts else ""
    return Done(f"{plan.tag} is abandoned, its version is burned{kept}")


def _actions(step: Next) -> tuple[Action, ...]:
    return step.actions if isinstance(step, Act) else ()


def _ends(plan: Plan, runs: list[Run]) -> list[Watch]:
    return [watch_run(plan.home, run) for run in runs]


def _too_late(plan: Plan, facts: Observation) -> Next:
    """A mark that was begun before the release came out is taken back."""
    mark = facts.mark_change
    if mark is not None and mark.pull is not None and mark.pull.state == "OPEN":
        return Act((ClosePullRequest(plan.home, mark.name, mark.pull.number),))
    return refused(plan.product, plan.tag)


def refused(product: str, tag: str) -> Blocked:
    """The answer for a release that is out."""
    return Blocked(
        f"{tag} is published, and what is published is never taken back",
        "Publish a mended version.",
        f"ms release {product} plan --channel {'beta' if '-' in tag else 'stable'} --auto",
    )


def assumed(goal: Train, facts: Observation, wait: Wait) -> Observation:
    """What a dry run takes the waits of `cancel` to bring: ended runs, green checks."""
    if wait.awaited == "checks":
        return assume(facts, wait, goal)
    ended = tuple(
        replace(run, status="completed", conclusion="cancelled") if run.status == "cancelling" else run
        for run in facts.runs or ()
    )
    return replace(facts, runs=ended)
