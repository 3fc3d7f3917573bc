"""Which releases name which candidates: from plans and specs, and what may be removed because nothing does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from ms_release.core.action import Action, DeleteRelease, DeleteTag
from ms_release.core.candidate import candidate_tag
from ms_release.core.candidate_release import marker
from ms_release.core.observation import Release
from ms_release.core.plan import parse_file, plan_path
from ms_release.core.spec import parse_spec
from ms_release.errors import BlockedError, DamagedError

T = TypeVar("T")
_COMMIT = re.compile(r"rc-[0-9a-f]{40}")
_IDENTITY = re.compile(r"rc-[A-Za-z0-9][A-Za-z0-9._+-]*-[0-9a-f]{16}")

Uses = Mapping[tuple[str, str], tuple[str, ...]]
"""(repository `owner/name` in lower case, candidate tag) → tags of the releases that name it, lowest first."""


class Stored(Struct, frozen=True):
    """A candidate release as the forge lists it; `since` is when its newest part came, ISO 8601."""

    release: Release
    since: str


class Place(Struct, frozen=True):
    """The candidates of one repository: its releases, its `rc-…` tags, and the tags that are being built now."""

    slug: str
    stored: tuple[Stored, ...]
    tags: tuple[str, ...]
    building: frozenset[str]


class Judged(Struct, frozen=True):
    """A candidate with why it stays; "" = nothing names it. `release` is None for a tag that was left alone, and
    `tagged` says whether there is a tag (a draft has none)."""

    slug: str
    tag: str
    stays: str
    release: Release | None = None
    tagged: bool = True

    @property
    def removal(self) -> tuple[Action, ...]:
        """The effects that take it away: the release first, so that a tag alone is what a stopped run leaves."""
        release = (DeleteRelease(self.slug, self.tag, self.release.id),) if self.release else ()
        return (*release, *((DeleteTag(self.slug, self.tag),) if self.tagged else ()))


def is_candidate_tag(tag: str) -> bool:
    """Whether a tag is one of candidates as this program and the runbook's producers write them."""
    return _COMMIT.fullmatch(tag) is not None or _IDENTITY.fullmatch(tag) is not None


def read_uses(plans: Mapping[str, str], specs: Mapping[str, str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Who names which candidate, from the texts of plans and specs by release tag.

    A spec without candidates (schema 1 and 2) names those of its commits. Raises BlockedError for a text that cannot be
    read, because nobody knows then what it names.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for tag, text in plans.items():
        for candidate in _read(tag, "plan", partial(parse_file, text.encode(), plan_path(tag))).plan.candidates:
            found.setdefault((candidate.slug.lower(), candidate.tag), set()).add(tag)
    for tag, text in specs.items():
        parsed = _read(tag, "spec", partial(parse_spec, text.encode()))
        slugs = {r.id: urlsplit(r.url).path.strip("/").removesuffix(".git").lower() for r in parsed.repos}
        named = [(slugs[c.repo], c.tag) for c in parsed.candidates]
        for key in (*named, *((slugs[r.id], candidate_tag(r.id, r.sha, None)) for r in parsed.repos)):
            found.setdefault(key, set()).add(tag)
    return {key: tuple(sorted(tags)) for key, tags in found.items()}


def _read(tag: str, what: str, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except DamagedError as error:
        raise BlockedError(
            f"the {what} of {tag} cannot be read, so nobody knows which candidates it names: {error.cause}",
            remedy="Use the version of this program that wrote it, or restore the file from its commit.",
        ) from None


def judge(place: Place, uses: Uses, now: datetime, days: int) -> tuple[Judged, ...]:
    """Every candidate of a repository, and why it stays. Only what is complete for sure, ours and unnamed may go.

    Of several releases of one tag none is touched: which of them is meant is for people (faults F18).
    """
    judged = []
    for stored in place.stored:
        release = stored.release
        twins = sum(other.release.tag == release.tag for other in place.stored) > 1
        why = _stays(place, release.tag, uses) or ("several releases have this tag" if twins else "")
        why = why or _not_ours(release) or _too_young(stored, now, days)
        judged.append(Judged(place.slug, release.tag, why, release, release.tag in place.tags))
    released = {stored.release.tag for stored in place.stored}
    judged += [
        Judged(place.slug, tag, _stays(place, tag, uses))
        for tag in place.tags
        if tag not in released and is_candidate_tag(tag)
    ]
    return tuple(sorted(judged, key=lambda j: (bool(j.stays), j.tag, j.release.id if j.release else 0)))


def _stays(place: Place, tag: str, uses: Uses) -> str:
    if named := uses.get((place.slug.lower(), tag)):
        more = f" and {len(named) - 1} more" if len(named) > 1 else ""
        return f"named by {named[-1]}{more}"
    return "it is being built" if tag in place.building else ""


def _not_ours(release: Release) -> str:
    """The runbook's producers wrote no mark: their candidates are known by their tag and their description."""
    described = any(a.name == "candidate.json" for a in release.assets)
    known = marker(release.tag) in release.body or (described and _COMMIT.fullmatch(release.tag))
    return "" if known else "not made by this program or the runbook's"


def _too_young(stored: Stored, now: datetime, days: int) -> str:
    try:
        since = datetime.fromisoformat(stored.since)
        young = now - since < timedelta(days=days)
    except (ValueError, TypeError):
        return "its age is not known"
    return f"younger than {days} days" if young else ""


def removals(judged: Iterable[Judged]) -> tuple[Judged, ...]:
    """Those that nothing keeps."""
    return tuple(each for each in judged if not each.stays)
