"""Versions, tags and the rules by which the next one follows from those that exist (SPEC 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from ms_release.core.conventional import classify
from ms_release.core.sanitize import commit_subject
from ms_release.errors import UsageError

Channel = Literal["stable", "beta"]
Bump = Literal["major", "minor", "patch"]

# 15 digits at most: every part is then exact in JSON readers that know only doubles.
_PART = r"(0|[1-9][0-9]{0,14})"
_TAG = re.compile(rf"v{_PART}\.{_PART}\.{_PART}(?:-beta\.([1-9][0-9]{{0,14}}))?\Z", re.ASCII)


class Version(Struct, frozen=True):
    """A SemVer version of one of the two channels, ordered by SemVer precedence: a beta is below its base."""

    major: int
    minor: int
    patch: int
    beta: int | None = None

    @property
    def tag(self) -> str:
        """`vX.Y.Z` or `vX.Y.Z-beta.N`."""
        text = f"v{self.major}.{self.minor}.{self.patch}"
        return text if self.beta is None else f"{text}-beta.{self.beta}"

    @property
    def channel(self) -> Channel:
        """The channel that the form of the version belongs to."""
        return "stable" if self.beta is None else "beta"

    @property
    def base(self) -> Version:
        """The stable version that a beta leads to; a stable version is its own."""
        return Version(self.major, self.minor, self.patch)

    def bumped(self, bump: Bump) -> Version:
        """The next stable version of that size."""
        if bump == "major":
            return Version(self.major + 1, 0, 0)
        if bump == "minor":
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)

    def __lt__(self, other: Version) -> bool:
        return self._rank() < other._rank()

    def __le__(self, other: Version) -> bool:
        return self._rank() <= other._rank()

    def __gt__(self, other: Version) -> bool:
        return self._rank() > other._rank()

    def __ge__(self, other: Version) -> bool:
        return self._rank() >= other._rank()

    def _rank(self) -> tuple[int, int, int, bool, int]:
        return self.major, self.minor, self.patch, self.beta is None, self.beta or 0


NONE_YET = Version(0, 0, 0)
FIRST = Version(0, 1, 0)


def parse_tag(text: str) -> Version | None:
    """The version that a tag names, or None for every other tag (`rc-…`, other grammars, leading zeros, a newline)."""
    found = _TAG.match(text)
    if found is None:
        return None
    major, minor, patch, beta = found.groups()
    return Version(int(major), int(minor), int(patch), None if beta is None else int(beta))


class History(Struct, frozen=True):
    """`taken` = tags ∪ releases ∪ plans on the default branch, `published` = releases that are out; no drafts."""

    taken: frozenset[Version] = frozenset()
    published: tuple[Version, ...] = ()

    @property
    def last_stable(self) -> Version | None:
        """The highest stable version that is taken."""
        return max((v for v in self.taken if v.beta is None), default=None)

    @property
    def highest_base(self) -> Version | None:
        """The highest base that any taken beta has."""
        return max((v.base for v in self.taken if v.beta is not None), default=None)

    def next_beta(self, base: Version) -> Version:
        """The beta that follows the highest one of this base; the first is 1."""
        highest = max((v.beta for v in self.taken if v.beta is not None and v.base == base), default=0)
        return Version(base.major, base.minor, base.patch, highest + 1)


def make_history(taken: Iterable[str], published: Iterable[str]) -> History:
    """A history from tag names; names that are no version (`rc-…`) do not count (SPEC 2)."""
    return History(
        frozenset(v for tag in taken if (v := parse_tag(tag))), tuple(v for tag in published if (v := parse_tag(tag)))
    )


def next_version(history: History, channel: Channel, bump: Bump) -> Version:
    """The version that a release of this channel gets.

    Without any history it is 0.1.0 or its first beta, whatever the bump. While there are betas but no stable version
    yet, the first stable version is not below the line that the betas announced.
    """
    base = FIRST if not history.taken else (history.last_stable or NONE_YET).bumped(bump)
    announced = history.highest_base
    if announced is not None and (channel == "beta" or history.last_stable is None):
        base = max(base, announced)
    return base if channel == "stable" else history.next_beta(base)


def check_explicit(history: History, channel: Channel, version: Version) -> None:
    """Whether a version that somebody typed follows the rules of SPEC 2; raises UsageError that says which one not."""
    if version.channel != channel:
        wanted = "vX.Y.Z" if channel == "stable" else "vX.Y.Z-beta.N"
        raise UsageError(
            f"{version.tag} is not a version of the channel {channel}", remedy=f"A {channel} tag looks like {wanted}."
        )
    if version in history.taken:
        raise UsageError(f"{version.tag} is taken", remedy="Tags never move: choose a higher version.")
    last = history.last_stable or NONE_YET
    if version.base <= last:
        which = "the last stable version " if history.last_stable else ""
        raise UsageError(f"{version.tag} is not above {which}{last.tag}", remedy=f"Choose a version above {last.tag}.")
    if channel == "stable":
        return
    announced = history.highest_base
    if announced is not None and version.base < announced:
        raise UsageError(
            f"{version.tag} is below the highest beta line {announced.tag}",
            remedy=f"Choose {history.next_beta(announced).tag} or a higher base.",
        )
    following = history.next_beta(version.base)
    if version != following:
        raise UsageError(f"{version.tag} does not follow its predecessor", remedy=f"The next one is {following.tag}.")


def previous(history: History, channel: Channel) -> Version | None:
    """The newest published version of the channel, else of the other one: what a release is compared with."""
    own = [v for v in history.published if v.channel == channel]
    return max(own or history.published, default=None)


def infer_bump(messages: Iterable[tuple[str, str]], current: Version | None) -> tuple[Bump, str]:
    """The bump that commits (subject, body) call for, and why. `current` is the last stable version, None before it.

    Breaking is major, feat is minor, anything else patch; before 1.0.0 breaking is minor (SPEC 2, SemVer 4).
    The reason quotes the first commit that decides, cleaned.
    """
    found: dict[str, list[str]] = {"breaking": [], "feat": [], "fix": [], "other": []}
    for subject, body in messages:
        found[classify(subject, body)].append(subject)
    if breaking := found["breaking"]:
        reason = f"{_count(breaking, 'breaking change')}, first “{commit_subject(breaking[0])}”"
        if current is None or current.major == 0:
            return "minor", f"{reason}; before 1.0.0 that is minor"
        return "major", reason
    if features := found["feat"]:
        return "minor", f"{_count(features, 'feature')}, first “{commit_subject(features[0])}”"
    if fixes := found["fix"]:
        return "patch", f"{_count(fixes, 'fix', 'fixes')} and no feature, first “{commit_subject(fixes[0])}”"
    if others := found["other"]:
        return "patch", f"{_count(others, 'commit')}, none of them a feature or a breaking change"
    return "patch", "no commits since the last stable version"


def _count(items: list[str], one: str, many: str = "") -> str:
    return f"{len(items)} {one if len(items) == 1 else many or one + 's'}"
