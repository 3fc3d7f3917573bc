"""Who may approve what: never the requester, and nothing but exactly this plan and seal (SPEC 1, 7)."""

from __future__ import annotations

from collections.abc import Iterator

from ms_release.config import Config
from ms_release.core import stale, train, verify
from ms_release.core.action import Ask, Blocked, Done, Next, Wait, watch_run
from ms_release.core.change import next_change
from ms_release.core.observation import Observation, Run
from ms_release.core.train import Train


def requesters(goal: Train, facts: Observation, run: Run) -> dict[str, str]:
    """Logins that asked for this release, with the role they had. A bot's dispatch counts for the planner behind it."""
    asked: list[tuple[str | None, str]] = [
        (goal.file.created_by, "planned it"),
        (run.actor, "dispatched it"),
        (run.triggering_actor, "dispatched it"),
    ]
    pull = facts.release_change.pull if facts.release_change else None
    if pull is not None:
        asked += [(pull.author, "opened its pull request"), (pull.merged_by, "merged its pull request")]
    return {login: role for login, role in asked if login and not login.endswith("[bot]")}


def refusal(goal: Train, facts: Observation, run: Run, login: str, config: Config) -> str:
    """Why this person may not approve this run; "" if they may. Only a live SELF_APPROVAL waiver lifts it."""
    role = requesters(goal, facts, run).get(login)
    if role is None or any(w.covers("SELF_APPROVAL", goal.product.environment, facts.now) for w in config.waivers):
        return ""
    return f"@{login} {role}: nobody approves a release that they requested"


def check_approvals(goal: Train, facts: Observation, run: Run) -> Iterator[str]:
    """What is wrong with the approvals of the run that is about to publish; nothing = go on.

    Read by `promote` behind the environment, because the forge's own self-review rule looks at the dispatcher only
    (github-facts G28).
    """
    if facts.approvals is None:
        yield "the approvals of this run could not be read"
        return
    pull = facts.release_change.pull if facts.release_change else None
    if pull is None or not pull.merged_by:
        yield "who opened and merged the release pull request could not be read"
        return
    if rejected := [review.user for review in facts.approvals if review.state == "rejected"]:
        yield f"{goal.plan.tag} was rejected by @{rejected[0]}: a new approval needs a new plan"
    approved = [a for a in facts.approvals if a.state == "approved" and a.environment == goal.product.environment]
    if not approved:
        yield f"nobody approved environment {goal.product.environment} for this run"
    for approval in approved:
        if problem := refusal(goal, facts, run, approval.user, goal.config):
            yield problem


def comment(goal: Train, seal: str) -> str:
    """The words of the review: what exactly is approved."""
    return f"{goal.plan.tag} · plan {goal.file.digest} · seal {seal}"


def is_given(goal: Train, facts: Observation) -> bool:
    """Whether the viewer approved the run that has published exactly this plan: there is nothing left to approve."""
    run = current_run(goal, facts)
    if run is None or run.status != "completed" or run.conclusion != "success":
        return False
    mine = (a for a in facts.approvals or () if a.user == facts.viewer and a.environment == goal.product.environment)
    return any(a.state == "approved" for a in mine)


def next_review(goal: Train, facts: Observation) -> Next:
    """Done when a run of exactly this plan and seal waits for its review; Wait while it is on the way there.

    Done as well when the viewer's approval was taken and only its answer lost: the same command again is no failure.
    """
    if not facts.protection_read:
        return Ask("protection")
    if facts.runs is None:
        return Ask("runs")
    if is_given(goal, facts):
        return Done(f"{goal.plan.tag} is already approved by @{facts.viewer}")
    if moved := stale.moved_facts(goal.plan, goal.config, facts):
        return stale.blocked(goal.plan, moved)
    assert facts.release_change is not None
    merged = next_change(train.release_change(goal), facts.release_change, facts.home.head)
    if isinstance(merged, Blocked):
        return merged
    run = current_run(goal, facts)
    rejected = any(review.state == "rejected" for review in facts.approvals or ())
    if run is None or run.status == "completed" or rejected:
        return Blocked(f"nothing of {goal.plan.tag} waits for an approval", "See where it stands.", "ms release status")
    if run.status != "waiting":
        watch = watch_run(goal.plan.home, run, until=("waiting", "completed"))
        return Wait("run", f"{run.url} to reach its environment", "the forge's runners", (watch,))
    return Done(run.url)


def current_run(goal: Train, facts: Observation) -> Run | None:
    """The run that publishes this plan, under the seal recomputed from what is on the forge now.

    Once one has succeeded it is that one: whatever still waits beside it publishes nothing any more.
    """
    commit = verify.release_commit(facts)
    seal = train.seal(goal, facts, commit) if commit else None
    runs = train.publish_runs(goal, facts, seal) if seal else ()
    return next((run for run in runs if run.conclusion == "success"), next(iter(runs), None))
