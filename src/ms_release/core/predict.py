"""Every effect that a plan will have, in order, before any of it happens: the dry run."""

from __future__ import annotations

from msgspec.structs import replace

from ms_release.core import action, train
from ms_release.core.action import Act, Action, Next, Wait
from ms_release.core.foretell import Outcome, assume, foretell
from ms_release.core.ledger import evidence_change
from ms_release.core.observation import ChangeFacts, Observation
from ms_release.core.promote import release_actions
from ms_release.core.publish import next_publish
from ms_release.core.train import Train
from ms_release.core.verify import METADATA


def predict(goal: Train, facts: Observation) -> tuple[Action, ...]:
    """The actions that `prepare`, `publish`, the approver and `promote` will perform for a plan that was just made.

    Built from the same deciding functions that decide the real thing; waits are assumed to end well, and what is
    blocked ends the list.
    """
    actions: list[Action] = []
    facts = replace(untouched(goal, facts), runs=(), candidate_runs={})
    step: Next | None = None
    while True:
        before, step = step, next_publish(goal, facts)
        assert step != before, f"{step} changes nothing"
        if isinstance(step, Act):
            actions += step.actions
            for each in step.actions:
                facts = foretell(facts, each, Outcome(sha="0" * 40))
        elif isinstance(step, Wait) and step.awaited in ("candidates", "checks"):
            facts = assume(facts, step, goal)
        elif isinstance(step, Wait):
            return (*actions, *_after_dispatch(goal))
        else:
            return tuple(actions)


def untouched(goal: Train, facts: Observation) -> Observation:
    """The facts of planning, with nothing of this new release on the forge yet but, perhaps, its empty branch."""
    change = train.release_change(goal)
    nothing: dict[str, str | None] = dict.fromkeys(change.wanted)
    blank = ChangeFacts(change.branch, "0" * 40 if has_branch(goal, facts) else None, nothing, nothing, None)
    return replace(facts, release_change=blank)


def has_branch(goal: Train, facts: Observation) -> bool:
    """Whether somebody has made the branch of this release already, and was stopped before anything lay on it."""
    return goal.plan.release_branch in facts.home.branches


def _after_dispatch(goal: Train) -> tuple[Action, ...]:
    plan = goal.plan
    review = action.ReviewDeployment(plan.home, 0, plan.tag, goal.product.environment, "approved", "")
    names = sorted((*METADATA, *(a.filename for a in goal.product.assets)))
    return (review, *release_actions(goal, names), *_evidence(goal))


def _evidence(goal: Train) -> tuple[Action, ...]:
    change = evidence_change(goal, b"")
    opened = action.OpenPullRequest(change.repo, change.branch, change.base, change.title, change.body)
    return (
        action.CreateBranch(change.repo, change.branch, ""),
        action.CommitFiles(change.repo, change.branch, "", change.title, change.files),
        opened,
        action.MergePullRequest(change.repo, change.branch, 0, "", change.title),
    )


def keys(actions: tuple[Action, ...]) -> list[str]:
    """The keys of actions, as reports show and tests compare them."""
    return [each.key for each in actions]
