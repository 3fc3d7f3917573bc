"""What `publish` wants next: the approved run, the published release as planned, and its evidence merged."""

from __future__ import annotations

from datetime import datetime, timedelta

from ms_release.core import incident, ledger, train, verify
from ms_release.core.action import Act, Ask, Blocked, CancelRun, DispatchWorkflow, Done, Next, Wait, watch_run
from ms_release.core.change import next_change
from ms_release.core.model import Finding
from ms_release.core.observation import Observation, Release, Run
from ms_release.core.prepare import blocking_gate, next_prepare
from ms_release.core.train import Train

APPROVAL_DAYS = 30


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
    if runs and (rejected := _rejected(goal, facts)):
        return _end_spare(goal, runs) or rejected
    if not runs or _may_dispatch_again(runs[0], facts):
        if not facts.protection_read:
            return Ask("protection")
        # its own tag may stand already: that it is the right one is a fact of the plan
        if blocked := blocking_gate(goal, facts, frozenset({"TAG_FREE"})):
            return blocked
        return _dispatch(goal, seal)
    return _end_spare(goal, runs[1:]) or _next_run(goal, facts, runs[0])


def _end_spare(goal: Train, runs: tuple[Run, ...]) -> Act | None:
    """Two operators who start the run at the same moment get two: those that do not count are ended.

    One that is at work may publish already, and is left alone: it finds the release as it should be.
    """
    spare = [run for run in runs if run.status not in ("completed", "cancelling", "in_progress")]
    return Act(tuple(CancelRun(goal.plan.home, run.id, goal.plan.tag) for run in spare)) if spare else None


def published(goal: Train, facts: Observation) -> Release | None:
    """The published release of this tag, if there is one."""
    return next((r for r in facts.home.releases if r.tag == goal.plan.tag and not r.draft), None)


def _dispatch(goal: Train, seal: str) -> Act:
    plan = goal.plan
    inputs = {"tag": plan.tag, "plan": goal.file.digest, "seal": seal}
    title = train.run_title(plan, goal.file.digest, seal)
    return Act((DispatchWorkflow(plan.home, goal.product.workflow, plan.branch, inputs, title),))


def _may_dispatch_again(run: Run, facts: Observation) -> bool:
    """A run that failed before this command looked: the operator types the command again once the cause is mended."""
    ended_badly = run.status == "completed" and run.conclusion != "success"
    ours = run.id in facts.seen_alive or run.title in facts.dispatched
    return ended_badly and not ours


def _rejected(goal: Train, facts: Observation) -> Blocked | None:
    """A review that said no ends the plan, whatever else was started of it."""
    for review in facts.approvals or ():
        if review.state == "rejected":
            words = f": {review.comment}" if review.comment else ""
            return Blocked(
                f"{goal.plan.tag} was rejected by @{review.user}{words}",
                "Nothing was published. A new approval needs a new plan.",
                f"ms release {goal.plan.product} plan --channel {goal.plan.channel} --auto",
                findings=_unapproved(goal, f"@{review.user} has rejected it{words}"),
            )
    return None


def _unapproved(goal: Train, message: str) -> tuple[Finding, ...]:
    return (Finding("APPROVAL", goal.plan.tag, "FAIL", message),)


def _deadline(run: Run) -> str:
    """The day on which the forge ends a run that nobody approved (github-facts G25)."""
    if not run.created_at:
        return "it waits for an approval"
    day = datetime.fromisoformat(run.created_at) + timedelta(days=APPROVAL_DAYS)
    return f"it waits for an approval; on {day:%Y-%m-%d} the forge ends its run"


def _next_run(goal: Train, facts: Observation, run: Run) -> Next:
    plan, again = goal.plan, f"ms release {goal.plan.product} publish --channel {goal.plan.channel} --auto --watch"
    if run.status == "waiting":
        environment = facts.home.environment
        reviewers = environment.reviewers if environment else plan.protection.reviewers
        return Wait(
            "approval",
            f"the approval of {plan.tag} in environment {goal.product.environment}: {run.url}",
            f"release managers ({', '.join(reviewers)})",
            (watch_run(plan.home, run),),
            _unapproved(goal, _deadline(run)),
        )
    if run.status != "completed":
        watch = watch_run(plan.home, run, until=("waiting", "completed"))
        return Wait("run", f"the publishing run {run.url}", "the forge's runners", (watch,))
    if run.conclusion == "success":
        return Blocked(f"the run succeeded, but no release {plan.tag} is visible", f"Look at {run.url}.", again)
    return Blocked(*_how_it_ended(goal, facts, run), again)


def _how_it_ended(goal: Train, facts: Observation, run: Run) -> tuple[str, str]:
    """Cause and remedy of a run that ended without a release and that nobody rejected."""
    mended = "the same command starts it again, for a new approval"
    if run.conclusion == "cancelled":
        return f"somebody cancelled the publishing run {run.url}", f"Ask who and why; {mended}."
    if _expired(facts, run):
        cause = f"nobody approved {goal.plan.tag} within {APPROVAL_DAYS} days, and its run ended"
        return cause, f"Ask the release managers; {mended}."
    return f"the publishing run ended with {run.conclusion}", f"Look at {run.url}; once mended, {mended}."


def _expired(facts: Observation, run: Run) -> bool:
    """A run that nobody reviewed, and that is as old as the forge lets one wait (github-facts G25)."""
    if any(review.of(run.id) for review in facts.approvals or ()) or not run.created_at:
        return False
    return datetime.fromisoformat(facts.now) - datetime.fromisoformat(run.created_at) >= timedelta(days=APPROVAL_DAYS)


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
    ours = train.by_weight(r for r in facts.runs if goal.file.digest in r.title)
    if ending := _end_spare(goal, ours):
        return ending
    if ours and ours[0].status != "completed":  # the run that has published is not over yet
        return Wait("run", f"the end of {ours[0].url}", "the forge's runners", (watch_run(goal.plan.home, ours[0]),))
    entry = ledger.make_entry(goal, facts, released)
    if isinstance(entry, Blocked):
        return entry
    note = incident.render(goal, facts, released, entry) if goal.plan.mode == "rollback" else b""
    change = ledger.evidence_change(goal, entry, note)
    answer = next_change(change, facts.evidence_change, facts.home.head)
    if isinstance(answer, Done):
        return Done(f"{goal.plan.tag} is published, compared and recorded")
    return answer
