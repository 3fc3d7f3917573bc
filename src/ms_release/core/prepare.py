"""What `prepare` wants next: candidates built, and the plan merged into the home repository."""

from __future__ import annotations

from ms_release.core import gates, stale, train
from ms_release.core.action import (
    Act,
    Ask,
    Blocked,
    DispatchWorkflow,
    Done,
    MergePullRequest,
    Next,
    Wait,
    Watch,
    watch_run,
)
from ms_release.core.candidate_identity import dispatch_inputs
from ms_release.core.change import next_change
from ms_release.core.model import CandidatePin
from ms_release.core.observation import Observation, Run
from ms_release.core.train import Train


def next_prepare(goal: Train, facts: Observation) -> Next:
    """Decide from the facts alone; the same facts always give the same answer.

    Once the plan is merged, only its candidates are still looked at; `publish` looks at the rest again.
    """
    plan = goal.plan
    if moved := stale.moved_facts(plan, goal.config, facts):
        return stale.blocked(plan, moved)
    assert facts.release_change is not None
    change = next_change(train.release_change(goal), facts.release_change, facts.home.head)
    if isinstance(change, Blocked):
        return change
    candidates = _next_candidates(goal, facts)
    if isinstance(candidates, Blocked | Ask):
        return candidates
    without = frozenset() if facts.protection_read else gates.PROTECTION
    if not isinstance(change, Done) and (blocked := blocking_gate(goal, facts, without)):
        return blocked
    # the branch first: it is the lock, and from then on everybody continues this plan
    due = tuple(a for n in (change, candidates) if isinstance(n, Act) for a in n.actions)
    if candidates is not None:
        # merged only when everything is built: a candidate that cannot be built must not burn the version
        due = tuple(a for a in due if not isinstance(a, MergePullRequest))
    if due:
        return Act(due) if facts.protection_read else Ask("protection")
    if isinstance(candidates, Wait):
        return candidates
    return change


def blocking_gate(goal: Train, facts: Observation, without: frozenset[str]) -> Blocked | None:
    """The gates once more, before effects that depend on them; None when all that this look can answer pass."""
    plan = goal.plan
    subject = gates.Subject(goal.config, goal.product, plan.tag, plan.pins, plan.candidates, plan.config, facts)
    findings = tuple(f for f in gates.evaluate(subject, without=without) if f.blocks)
    if not findings:
        return None
    first = findings[0]
    return Blocked(f"{first.code} {first.subject}: {first.message}", first.remedy, findings=findings)


def _next_candidates(goal: Train, facts: Observation) -> Act | Wait | Blocked | Ask | None:
    """None when all are ready; missing ones are dispatched together and awaited together."""
    dispatches: list[DispatchWorkflow] = []
    waits: list[Watch] = []
    for candidate in goal.plan.candidates:
        ready = facts.ready.get(candidate.repo)
        if ready is not None and not ready.problems:
            continue
        if facts.candidate_runs is None:
            return Ask("candidate runs")
        answer = _next_candidate(goal, candidate, facts.candidate_runs.get(candidate.repo, ()), facts)
        if isinstance(answer, Blocked):
            return answer
        if isinstance(answer, DispatchWorkflow):
            dispatches.append(answer)
        else:
            waits.append(answer)
    if dispatches:
        return Act(tuple(dispatches))
    if waits:
        names = ", ".join(
            c.repo for c in goal.plan.candidates if (it := facts.ready.get(c.repo)) is None or it.problems
        )
        return Wait("candidates", f"the candidates of {names}", "the forge's runners", tuple(waits))
    return None


def _next_candidate(
    goal: Train, candidate: CandidatePin, known: tuple[Run, ...], facts: Observation
) -> DispatchWorkflow | Watch | Blocked:
    title = f"Candidate {candidate.tag}"
    runs = sorted((r for r in known if r.title == title), key=lambda r: -r.id)
    if runs and runs[0].status != "completed":
        return watch_run(candidate.slug, runs[0])
    if runs and (runs[0].id in facts.seen_alive or title in facts.dispatched):
        if runs[0].conclusion == "success":
            ready = facts.ready.get(candidate.repo)
            what = f": {ready.problems[0]}" if ready else ""
            problem = f"its run succeeded, but the release is missing or incomplete{what}"
        else:
            problem = f"its run ended with {runs[0].conclusion}"
        return Blocked(
            f"the candidate of {candidate.repo} could not be built: {problem}",
            f"Look at {runs[0].url}; once mended, the same command builds it again.",
        )
    pins = {p.repo: p for p in goal.plan.pins}
    inputs = dispatch_inputs(goal.config, candidate, pins)
    return DispatchWorkflow(candidate.slug, candidate.workflow, pins[candidate.repo].ref, inputs, title)
