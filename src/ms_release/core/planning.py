"""Making a plan: which commits, which version, which candidates, and what the gates say (SPEC 2, 4, 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ms_release.config import Config, Product, Repo
from ms_release.core import flaky, gates, stale, train
from ms_release.core.growth import growth, sizes_before, sizes_now
from ms_release.core.model import CandidatePin, Finding, Pin
from ms_release.core.notes import Change, RepoChanges
from ms_release.core.observation import Observation
from ms_release.core.plan import Plan, PlannedFile, Protection, Verdict, notes_path
from ms_release.core.selection import select
from ms_release.core.version import (
    History,
    Version,
    check_explicit,
    infer_bump,
    make_history,
    next_version,
    parse_tag,
    previous,
)
from ms_release.errors import BlockedError, MsError, UsageError, WaitingError

Channel = Literal["stable", "beta"]
Bump = Literal["major", "minor", "patch"]


class Intent(Struct, frozen=True):
    """What the operator asked for. `explicit` maps repository ids to full commit ids.

    `source` is the release whose commits and bytes are issued again: a beta that becomes stable or, where `rollback`
    says why, the one to go back to.
    """

    channel: Channel
    auto: bool = False
    bump: Bump | None = None
    tag: str | None = None
    source: str | None = None
    rollback: str = ""
    explicit: dict[str, str] = {}
    notes: str = ""


class Previous(Struct, frozen=True):
    """The published release that a new one follows, with its pins; digests and tags of the candidates it promoted."""

    tag: str
    pins: tuple[Pin, ...]
    candidates: dict[str, str] = {}
    tags: dict[str, str] = {}


class Draft(Struct, frozen=True):
    """A plan with what its gates found; it may be shown although a gate blocks, but not carried out.

    `noticed` forbids nothing: somebody should hear of it.
    """

    plan: Plan
    findings: tuple[Finding, ...]
    noticed: tuple[Finding, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that forbid the release."""
        return tuple(f for f in self.findings if f.blocks)


def history(facts: Observation) -> History:
    """Taken and published versions. Drafts and `rc-…` never count (SPEC 2).

    A version that a branch holds is taken, and one whose spec another tool has left on the home branch: the release
    pull request would have to overwrite it.
    """
    published = [r.tag for r in facts.home.releases if not r.draft]
    home = facts.home
    taken = (*home.tags, *published, *home.plans, *home.specs, *home.held, *home.abandoned, *home.abandoning)
    return make_history(taken, published)


def previous_tag(facts: Observation, channel: Channel) -> str | None:
    """The tag of the release that a new one of this channel follows."""
    found = previous(history(facts), channel)
    return found.tag if found else None


def select_pins(
    config: Config, product: Product, intent: Intent, facts: Observation, before: Previous | None
) -> tuple[Pin, ...]:
    """Choose every commit. Raises the gravest problem, with the causes of all of them."""
    unknown = sorted(set(intent.explicit) - set(product.repos))
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} is not a repository of {product.id}", remedy=f"Known: {', '.join(product.repos)}."
        )
    unnamed = [id for id in product.repos if id not in intent.explicit]
    if not intent.auto and unnamed and intent.source is None:
        raise UsageError(
            f"no commit is named for {', '.join(unnamed)}", remedy="Say --auto to select, or --repo ID=SHA for each."
        )
    if intent.source is not None:
        return before.pins if before else ()
    pins: list[Pin] = []
    problems: list[MsError] = []
    for repo in config.components(product):
        try:
            pins.append(_select(repo, facts, before, intent.explicit.get(repo.id)))
        except (BlockedError, WaitingError, UsageError) as error:
            problems.append(error)
    if problems:
        raise _gravest(problems)
    return tuple(pins)


def _select(repo: Repo, facts: Observation, before: Previous | None, explicit: str | None) -> Pin:
    carried = next((p for p in before.pins if p.repo == repo.id), None) if before else None
    return select(repo, facts.repos[repo.id], carried, explicit)


def _gravest(problems: Sequence[MsError]) -> MsError:
    order = (UsageError, BlockedError, WaitingError)
    first = min(problems, key=lambda e: order.index(type(e)) if type(e) in order else 0)
    others = [p.cause for p in problems if p is not first]
    return type(first)(
        "; ".join((first.cause, *others)),
        remedy=first.remedy,
        next_command=first.next_command,
        findings=tuple(finding for problem in problems for finding in problem.findings),
    )


def is_released(pins: tuple[Pin, ...], before: Previous | None, channel: Channel, facts: Observation) -> bool:
    """Whether the newest release of this channel has exactly these pins and candidates: then there is nothing to do."""
    version = parse_tag(before.tag) if before else None
    if before is None or version is None or version.channel != channel:
        return False
    same_pins = {p.repo: p.sha for p in before.pins} == {p.repo: p.sha for p in pins}
    found = {repo: ready.digest for repo, ready in facts.ready.items() if ready}
    return same_pins and all(found.get(repo) == digest for repo, digest in before.candidates.items())


def make_draft(config: Config, product: Product, intent: Intent, facts: Observation, parts: Parts) -> Draft:
    """Put the plan together and judge it. Raises UsageError for a tag or bump that the history does not allow."""
    home = config.home(product)
    if intent.rollback:
        changes = tuple(_reverted(pin, parts.before) for pin in parts.pins)
    else:
        changes = tuple(_changes(pin, facts, parts.before) for pin in parts.pins)
    version, reason = _version(intent, facts, changes)
    candidates = tuple(_candidate(config.repo(pin.repo), pin, facts, parts.tags[pin.repo]) for pin in parts.pins)
    if intent.source is not None:
        _check_same_bytes(candidates, parts.source)
    subject = gates.Subject(config, product, version.tag, parts.pins, candidates, parts.config_blob, facts)
    findings = gates.evaluate(subject)
    plan = Plan(
        product=product.id,
        kind=product.kind,
        channel=intent.channel,
        tag=version.tag,
        mode="rollback" if intent.rollback else "promotion" if intent.source else "release",
        reason=reason,
        previous=parts.before.tag if parts.before else None,
        source=intent.source,
        home=home.slug,
        branch=home.branch,
        config=parts.config_blob,
        pins=parts.pins,
        candidates=candidates,
        changes=changes,
        notes=intent.notes,
        files=(),
        protection=stale.protection(facts) or Protection((), (), False, ()),
        gates=tuple(Verdict(f.code, f.subject, f.outcome, f.waived_by) for f in findings),
    )
    rendered = hashlib.sha256(train.render_notes(plan)).hexdigest()
    before = sizes_before(facts, plan.previous)
    grown = growth(product, before, sizes_now(facts), config.policy.size_growth)
    noticed = (*grown, *flaky.of_pins(parts.pins, facts, config.policy.flaky_rate))
    return Draft(replace(plan, files=(PlannedFile(notes_path(plan.tag), rendered),)), findings, noticed)


class Parts(Struct, frozen=True):
    """What was settled before the plan is put together; `tags` are those of the candidates, by repository.

    `before` is the release that changes are counted from, `source` the one whose bytes are issued again.
    """

    pins: tuple[Pin, ...]
    before: Previous | None
    config_blob: str
    tags: dict[str, str]
    source: Previous | None = None


def _version(intent: Intent, facts: Observation, changes: tuple[RepoChanges, ...]) -> tuple[Version, str]:
    known = history(facts)
    if intent.tag is not None:
        version = parse_tag(intent.tag)
        if version is None:
            raise UsageError(f"{intent.tag!r} is not a version tag", remedy="Write vX.Y.Z or vX.Y.Z-beta.N.")
        check_explicit(known, intent.channel, version)
        return version, "named on the command line"
    if intent.bump is not None:
        return next_version(known, intent.channel, intent.bump), f"{intent.bump}, as asked"
    if intent.rollback:
        return next_version(known, intent.channel, "patch"), f"rolls back to {intent.source}: {intent.rollback}"
    if intent.source is not None:
        source = parse_tag(intent.source)
        if source not in known.published or source is None or source.beta is None:
            raise UsageError(f"{intent.source} is no published beta", remedy="Name a beta that is out: v1.2.0-beta.3.")
        check_explicit(known, intent.channel, source.base)
        return source.base, f"promotes {intent.source}"
    messages = [(c.subject, c.body) for change in changes for c in change.commits]
    bump, reason = infer_bump(messages, known.last_stable)
    return next_version(known, intent.channel, bump), reason


def _changes(pin: Pin, facts: Observation, before: Previous | None) -> RepoChanges:
    old = next((p.sha for p in before.pins if p.repo == pin.repo), None) if before else None
    commits, inside, complete = [], False, False
    for commit in facts.repos[pin.repo].commits:
        inside = inside or commit.sha == pin.sha
        if commit.sha == old:
            complete = True
            break
        if inside:
            commits.append(Change(commit.sha, commit.subject, commit.body, commit.author))
    more = not complete and (old is not None or facts.repos[pin.repo].more_commits) and old != pin.sha
    return RepoChanges(pin.repo, pin.url, old, pin.sha, () if old == pin.sha else tuple(commits), more)


def _reverted(pin: Pin, before: Previous | None) -> RepoChanges:
    """From the commit that is taken back to the one that was released before it: no commit is new."""
    old = next((p.sha for p in before.pins if p.repo == pin.repo), None) if before else None
    return RepoChanges(pin.repo, pin.url, old, pin.sha, (), False)


def _check_same_bytes(candidates: tuple[CandidatePin, ...], before: Previous | None) -> None:
    """A release is issued again with the bytes it was published with, or not at all (SPEC 2, 6)."""
    promoted = before.candidates if before else {}
    for candidate in candidates:
        if candidate.state != "ready" or promoted.get(candidate.repo) != candidate.digest:
            raise BlockedError(
                f"the candidate of {candidate.repo} is not the one that {before.tag if before else 'it'} promoted",
                remedy="Its bytes are gone or were built again: plan a new release of the commits that you want.",
            )


def _candidate(repo: Repo, pin: Pin, facts: Observation, tag: str) -> CandidatePin:
    assert repo.candidate is not None
    ready = facts.ready.get(pin.repo)
    if ready is not None and not ready.problems:
        return CandidatePin(pin.repo, pin.slug, tag, "ready", repo.candidate.workflow, ready.release.id, ready.digest)
    return CandidatePin(pin.repo, pin.slug, tag, "build", repo.candidate.workflow)
