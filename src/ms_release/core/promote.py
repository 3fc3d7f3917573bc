"""What `promote` wants next, behind the environment: tag, draft, assets, comparison, and publication last."""

from __future__ import annotations

from msgspec import Struct

from ms_release.core import action, train
from ms_release.core.action import Act, Blocked, Done, Next
from ms_release.core.observation import Observation, Release
from ms_release.core.train import Train


class DistFile(Struct, frozen=True):
    """A file of `dist/`, by name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


class Promotion(Struct, frozen=True):
    """An approved release whose bytes lie in `dist/`."""

    goal: Train
    release_commit: str
    seal: str
    body: str
    files: tuple[DistFile, ...]


def next_promote(promotion: Promotion, facts: Observation) -> Next:
    """Decide from the facts alone. Our draft is found by the marker in its body, never by its tag (G31, G32)."""
    plan = promotion.goal.plan
    at = facts.home.tags.get(plan.tag)
    if at is not None and at != promotion.release_commit:
        return Blocked(
            f"tag {plan.tag} is at {at[:7]}, the release is {promotion.release_commit[:7]}",
            "Tags never move: plan a higher version.",
            stale=True,
        )
    same_tag = [r for r in facts.home.releases if r.tag == plan.tag]
    marker = train.release_marker(promotion.goal.file.digest, promotion.seal)
    ours = [r for r in same_tag if marker in r.body]
    if foreign := [r for r in same_tag if marker not in r.body]:
        return Blocked(
            f"release {foreign[0].id} already uses tag {plan.tag} and is not ours",
            "Find out whose it is; ours was not published.",
        )
    if (given_up := facts.home.given_up(plan.tag)) and not any(not r.draft for r in ours):
        return Blocked(f"{plan.tag} is {given_up}", "Nothing was published. Plan again.", stale=True)
    if len(ours) > 1:
        return Blocked(f"{len(ours)} releases carry this plan and seal", "Delete the superfluous drafts by id.")
    if ours:
        return _fill(promotion, ours[0], at)
    return Act((*_tag(promotion, at), _draft(promotion), *_uploads(promotion, 0, promotion.files)))


def _tag(promotion: Promotion, at: str | None) -> tuple[action.CreateTag, ...]:
    plan = promotion.goal.plan
    return () if at else (action.CreateTag(plan.home, plan.tag, promotion.release_commit),)


def _draft(promotion: Promotion) -> action.CreateDraft:
    plan = promotion.goal.plan
    return action.CreateDraft(plan.home, plan.tag, promotion.release_commit, plan.tag, promotion.body, plan.prerelease)


def _uploads(promotion: Promotion, release_id: int, files: tuple[DistFile, ...]) -> tuple[action.UploadAsset, ...]:
    plan = promotion.goal.plan
    return tuple(action.UploadAsset(plan.home, plan.tag, release_id, f.name, f.size, f.sha256) for f in files)


def _fill(promotion: Promotion, release: Release, at: str | None) -> Next:
    plan = promotion.goal.plan
    wanted = {f.name: f for f in promotion.files}
    there = {a.name: a for a in release.assets}
    same = {
        n
        for n, a in there.items()
        if n in wanted and (a.size, a.digest) == (wanted[n].size, f"sha256:{wanted[n].sha256}")
    }
    if not release.draft:
        if same == set(wanted) == set(there):
            return Done(f"{plan.tag} is published")
        odd = min(set(there) ^ same or set(wanted) ^ same)
        return Blocked(
            f"{plan.tag} is already published, and {odd} is not what was approved", "Tell the release managers now."
        )
    if strange := sorted(set(there) - same):
        asset = there[strange[0]]
        if asset.id is None:
            return Blocked(f"asset {asset.name} of the draft has no id", "Run the job again.")
        return Act((action.DeleteAsset(plan.home, plan.tag, asset.id, asset.name),))
    missing = _uploads(promotion, release.id, tuple(f for f in promotion.files if f.name not in there))
    due: tuple[action.Action, ...] = (*_tag(promotion, at), *missing)
    if due:
        return Act(due)
    return Act((action.PublishRelease(plan.home, plan.tag, release.id, plan.prerelease),))


def release_actions(goal: Train, names: list[str]) -> tuple[action.Action, ...]:
    """What a promotion of these files does when nothing of it has happened yet, for the prediction."""
    plan = goal.plan
    return (
        action.CreateTag(plan.home, plan.tag, ""),
        action.CreateDraft(plan.home, plan.tag, "", plan.tag, "", plan.prerelease),
        *(action.UploadAsset(plan.home, plan.tag, 0, name, 0, "") for name in names),
        action.PublishRelease(plan.home, plan.tag, 0, plan.prerelease),
    )
