"""The world after an action: the dry run folds this, and a real run fills in where the forge's reads still lag.

Each rule only adds what the observation does not show yet, so it can be applied to any later look (github-facts G6: the
answer to a write is the truth for this run).
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from ms_release.core import action
from ms_release.core.action import Action, Wait
from ms_release.core.model import digest
from ms_release.core.observation import Asset, ChangeFacts, Check, Observation, Pull, Ready, Release, Run
from ms_release.core.train import Train

CHANGES = ("release_change", "evidence_change", "mark_change", "audit_change")


class Outcome(Struct, frozen=True):
    """What the forge answered to a write: the number or id it gave, a commit, an address."""

    id: int = 0
    sha: str = ""
    url: str = ""


def foretell(facts: Observation, done: Action, outcome: Outcome) -> Observation:
    """The observation with the effect of one action in it."""
    match done:
        case action.DispatchWorkflow():
            return _dispatched(facts, done, outcome)
        case (
            action.CreateBranch()
            | action.CommitFiles()
            | action.OpenPullRequest()
            | action.UpdatePullRequest()
            | action.MergePullRequest()
            | action.ClosePullRequest()
        ):
            return _changed(facts, done, outcome)
        case action.CancelRun():
            return replace(facts, runs=tuple(_cancelled(r, done.run_id) for r in facts.runs)) if facts.runs else facts
        case action.CreateTag():
            return (
                facts if done.tag in facts.home.tags else facts.with_home(tags={**facts.home.tags, done.tag: done.sha})
            )
        case action.CreateDraft():
            draft = Release(outcome.id, done.tag, True, done.prerelease, (), done.body)
            known = any(r.id == outcome.id or (r.body, r.tag) == (done.body, done.tag) for r in facts.home.releases)
            return facts if known else facts.with_home(releases=(draft, *facts.home.releases))
        case action.UploadAsset() | action.DeleteAsset() | action.PublishRelease() | action.EditRelease():
            return _released(facts, done, outcome)
        case _:
            return facts


def _dispatched(facts: Observation, done: action.DispatchWorkflow, outcome: Outcome) -> Observation:
    run = Run(
        outcome.id, done.title, "queued", None, "workflow_dispatch", "", 1, facts.viewer, facts.viewer, outcome.url
    )
    alive = facts.seen_alive | {run.id}
    owner = next((id for id, repo in facts.repos.items() if repo.slug == done.repo), None)
    nameless = frozenset() if outcome.id else frozenset({done.title})
    facts = replace(facts, seen_alive=alive, dispatched=facts.dispatched | nameless)
    if owner and facts.candidate_runs is not None:
        known = facts.candidate_runs.get(owner, ())
        return replace(facts, candidate_runs={**facts.candidate_runs, owner: _with(known, run)})
    if not owner and facts.runs is not None:
        return replace(facts, runs=_with(facts.runs, run))
    return facts


def _with(runs: tuple[Run, ...], run: Run) -> tuple[Run, ...]:
    return runs if any(r.id == run.id for r in runs) else (run, *runs)


def _cancelled(run: Run, id: int) -> Run:
    """A run that was told to end may still publish: only the forge's own word says that it has ended."""
    return replace(run, status="cancelling") if run.id == id and run.status != "completed" else run


def _changed(facts: Observation, done: Action, outcome: Outcome) -> Observation:
    for field in CHANGES:
        change: ChangeFacts | None = getattr(facts, field)
        if change is not None and change.name == getattr(done, "branch", getattr(done, "head", None)):
            return replace(facts, **{field: _change(facts, change, done, outcome)})
    return facts


def _change(facts: Observation, change: ChangeFacts, done: Action, outcome: Outcome) -> ChangeFacts:
    match done:
        case action.CreateBranch() if change.branch is None:
            return replace(change, branch=done.sha)
        case action.CommitFiles() if change.branch == done.expected_head:
            # at any other commit the branch shows our files, or somebody else's that must not be mistaken for ours
            return replace(change, branch=outcome.sha, on_branch={f.path: f.blob for f in done.files})
        case action.OpenPullRequest() if change.pull is None:
            paths, head = tuple(change.on_branch), change.branch or ""
            pull = Pull(outcome.id, outcome.url, "OPEN", facts.viewer, head, paths, checks=())
            return replace(change, pull=pull)
        case action.UpdatePullRequest() if change.pull is not None and change.pull.head_sha == done.expected_head:
            return replace(change, behind=False, pull=replace(change.pull, checks=()))
        case action.MergePullRequest() if change.pull is not None and change.pull.state != "MERGED":
            pull = replace(change.pull, state="MERGED", merge_commit=outcome.sha, merged_by=facts.viewer)
            return replace(change, pull=pull, on_base=change.on_branch)
        case action.ClosePullRequest() if change.pull is not None and change.pull.state == "OPEN":
            return replace(change, pull=replace(change.pull, state="CLOSED"))
        case _:
            return change


def _released(facts: Observation, done: Action, outcome: Outcome) -> Observation:
    return facts.with_home(releases=tuple(_release(release, done, outcome) for release in facts.home.releases))


def _release(release: Release, done: Action, outcome: Outcome) -> Release:
    match done:
        case action.UploadAsset() if release.draft and release.tag == done.tag:
            if any(a.name == done.name for a in release.assets):
                return release
            asset = Asset("", done.name, done.size, f"sha256:{done.sha256}", outcome.id)
            return replace(release, assets=(*release.assets, asset))
        case action.DeleteAsset() if release.tag == done.tag:
            return replace(release, assets=tuple(a for a in release.assets if a.id != done.asset_id))
        case action.PublishRelease() if release.id == done.release_id:
            return replace(release, draft=False)
        case action.EditRelease() if release.id == done.release_id and digest(release.body) == done.expected_body:
            # any other body is younger than the one we wrote over
            return replace(release, body=done.body)
        case _:
            return release


def assume(facts: Observation, wait: Wait, goal: Train) -> Observation:
    """The observation in which the candidates or checks that a dry run waits for have come well."""
    if wait.awaited == "candidates":
        there = {repo: ready for repo, ready in facts.ready.items() if ready and not ready.problems}
        return replace(facts, ready={c.repo: there.get(c.repo) or _built(c.tag) for c in goal.plan.candidates})
    green = tuple(
        Check(c.name, c.app, "completed", "success", 0, event="pull_request")
        for c in goal.config.home(goal.product).checks
    )
    for field in CHANGES:
        change: ChangeFacts | None = getattr(facts, field)
        if change is not None and change.pull is not None and change.pull.state == "OPEN":
            facts = replace(facts, **{field: replace(change, pull=replace(change.pull, checks=green))})
    return facts


def _built(tag: str) -> Ready:
    return Ready(Release(0, tag, False, True), "0" * 64, None)
