"""What `publish` wants next: the approved run, the published release as planned, and its evidence merged."""

from __future__ import annotations

from ms_release.core import ledger, train, verify
from ms_release.core.action import Act, Ask, Blocked, DispatchWorkflow, Done, Next, Wait, watch_run
from ms_release.core.change import next_change
from ms_release.core.observation import Observation, Release, Run
from ms_release.core.prepare import blocking_gate, next_prepare
from ms_release.core.train import Train


def next_publish(goal: Train, facts: Observation) -> Next:
    """Decide from the facts alone. A release that is out is only compared and recorded, whatever has moved since."""
    released = published(goal, facts)
    if released is not None:
        return _next_evidence(goal, facts, released) if facts.published is not None else Ask("published")
    prepared = next_prepare(goal, facts)
    if not isinstance(prepared, Done):
        return prepared
    seal = train.seal(goal, facts, prepared.release_commit)
    assert seal is not None
    if facts.runs is None:
        return Ask("runs")
    runs = train.publish_runs(goal, facts, seal)
    if not runs or _may_dispatch_again(runs[0], facts):
        if not facts.protection_read:
            return Ask("protection")
        # its own tag may stand already: `_dispatch` compares it
        if blocked := blocking_gate(goal, facts, frozenset({"TAG_FREE"})):
            return blocked
        return _dispatch(goal, facts, prepared.release_commit, seal)
    return _next_run(goal, facts, runs[0])


def published(goal: Train, facts: Observation) -> Release | None:
    """The published release of this tag, if there is one."""
    return next((r for r in facts.home.releases if r.tag == goal.plan.tag and not r.draft), None)


def _dispatch(goal: Train, facts: Observation, release_commit: str, seal: str) -> Next:
    plan = goal.plan
    at = facts.home.tags.get(plan.tag)
    if at not in (None, release_commit):
        return Blocked(
            f"tag {plan.tag} is at {at[:7]}, the release is {release_commit[:7]}",
            "Tags never move: plan a higher version.",
            stale=True,
        )
    inputs = {"tag": plan.tag, "plan": goal.file.digest, "seal": seal}
    title = train.run_title(plan, goal.file.digest, seal)
    return Act((DispatchWorkflow(plan.home, goal.product.workflow, plan.branch, inputs, title),))


def _may_dispatch_again(run: Run, facts: Observation) -> bool:
    """A run that failed before this command looked: the operator types the command again once the cause is mended."""
    ended_badly = run.status == "completed" and run.conclusion != "success"
    ours = run.id in facts.seen_alive or run.title in facts.dispatched
    return ended_badly and not ours and not _rejected(facts)


def _rejected(facts: Observation) -> bool:
    return any(a.state == "rejected" for a in facts.approvals or ())


def _next_run(goal: Train, facts: Observation, run: Run) -> Next:
    plan, again = goal.plan, f"ms release {goal.plan.product} publish --channel {goal.plan.channel} --auto --watch"
    if run.status == "waiting":
        who = (
            f"release managers ({', '.join(facts.home.environment.reviewers)})"
            if facts.home.environment
            else "release managers"
        )
        return Wait(
            "approval",
            f"the approval of {plan.tag} in environment {goal.product.environment}: {run.url}",
            who,
            (watch_run(plan.home, run),),
        )
    if run.status != "completed":
        watch = watch_run(plan.home, run, until=("waiting", "completed"))
        return Wait("run", f"the publishing run {run.url}", "the forge's runners", (watch,))
    for review in facts.approvals or ():
        if review.state == "rejected":
            words = f": {review.comment}" if review.comment else ""
            return Blocked(
                f"{plan.tag} was rejected by @{review.user}{words}",
                "Nothing was published. A new approval needs a new plan.",
            )
    if run.conclusion == "success":
        return Blocked(f"the run succeeded, but no release {plan.tag} is visible", f"Look at {run.url}.", again)
    return Blocked(
        f"the publishing run ended with {run.conclusion}",
        f"Look at {run.url}; once mended, the same command starts it again.",
        again,
    )


def _next_evidence(goal: Train, facts: Observation, released: Release) -> Next:
    problems = verify.compare_release(goal, facts, released)
    if problems:
        return Blocked(
            f"what is published as {goal.plan.tag} is not what was planned: {problems[0]}",
            "Tell the release managers now.",
            f"ms release {goal.plan.product} verify {goal.plan.tag}",
        )
    assert facts.evidence_change is not None
    if facts.runs is None:
        return Ask("runs")
    entry = ledger.make_entry(goal, facts, released)
    if isinstance(entry, Blocked):
        return entry
    change = ledger.evidence_change(goal, entry)
    answer = next_change(change, facts.evidence_change, facts.home.head)
    if isinstance(answer, Done):
        return Done(f"{goal.plan.tag} is published, compared and recorded")
    return answer
