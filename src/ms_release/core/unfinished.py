"""Which releases of a product are under way: what `--auto` continues before it plans anything new (SPEC 3)."""

from __future__ import annotations

from ms_release.core import stale, train
from ms_release.core.gates import missing_evidence
from ms_release.core.observation import Observation
from ms_release.core.train import Train
from ms_release.core.verify import release_commit
from ms_release.core.version import parse_tag


def open_tags(facts: Observation) -> tuple[str, ...]:
    """Tags with a plan merged or on its branch, and no published release; lowest first.

    A version below the newest published one of its channel is not under way any more: another one took its place.
    """
    published = {v for v in (parse_tag(r.tag) for r in facts.home.releases if not r.draft) if v is not None}
    known = {*facts.home.plans, *(b.removeprefix("release/") for b in facts.home.branches)}
    versions = sorted(v for v in map(parse_tag, known) if v is not None)
    return tuple(v.tag for v in versions if all(v > other for other in published if other.channel == v.channel))


def unrecorded_tags(facts: Observation) -> tuple[str, ...]:
    """Published tags whose evidence is not merged yet."""
    return missing_evidence(facts)


def why_dead(goal: Train, facts: Observation) -> str:
    """Why a plan can never be published any more, so that its version is burned; "" while it still can."""
    if given_up := facts.home.given_up(goal.plan.tag):
        return given_up
    if moved := stale.moved_facts(goal.plan, goal.config, facts):
        return f"stale: {moved[0]}"
    if (
        facts.release_change is not None
        and facts.release_change.pull is not None
        and facts.release_change.pull.state == "CLOSED"
    ):
        return f"pull request #{facts.release_change.pull.number} was closed"
    commit = release_commit(facts)
    seal = train.seal(goal, facts, commit) if commit else None
    if seal and train.publish_runs(goal, facts, seal):
        for review in facts.approvals or ():
            if review.state == "rejected":
                return f"rejected by @{review.user}"
    return ""
