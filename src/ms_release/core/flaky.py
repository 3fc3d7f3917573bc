"""Checks that say different things about the same commit: found in the attempts that the forge keeps (SPEC 4, 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from ms_release.core.model import Finding, Pin
from ms_release.core.observation import Check, Observation

_GOOD = {"success"}
_BAD = {"failure", "timed_out"}


class Flip(Struct, frozen=True, order=True):
    """A check that failed in `failed` of the `attempts` about one commit, and not in the others."""

    name: str
    app: str
    failed: int
    attempts: int

    @property
    def rate(self) -> float:
        """The share of attempts that failed."""
        return self.failed / self.attempts


def flips(checks: Iterable[Check]) -> tuple[Flip, ...]:
    """The checks of one commit that have both succeeded and failed; every attempt is among `checks`.

    What was cancelled, skipped or is neutral says nothing about the commit, and does not count.
    """
    verdicts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for check in checks:
        conclusion = (check.conclusion or "").lower()
        if conclusion in _GOOD | _BAD:
            verdicts[check.name, check.app].append(conclusion in _BAD)
    mixed = ((key, bad) for key, bad in verdicts.items() if any(bad) and not all(bad))
    return tuple(sorted(Flip(name, app, sum(bad), len(bad)) for (name, app), bad in mixed))


def of_pins(pins: Iterable[Pin], facts: Observation, rate: float) -> tuple[Finding, ...]:
    """The flips at pinned commits: among all attempts where those were read, else among the latest ones."""
    found: list[Finding] = []
    for pin in pins:
        repo = facts.repos.get(pin.repo)
        commit = repo.commit(pin.sha) if repo else None
        if commit is not None:
            found += findings(pin.repo, pin.sha[:7], flips(commit.attempts or commit.checks or ()), rate)
    return tuple(found)


def findings(repo: str, at: str, found: Iterable[Flip], rate: float) -> tuple[Finding, ...]:
    """The flips at the commit `at` above the configured rate, as findings about the repository's checks."""
    return tuple(
        Finding(
            "FLAKY",
            f"{repo} {flip.name}",
            "FAIL",
            f"failed in {flip.failed} of {flip.attempts} attempts at {at}",
            "Find out what differs between the attempts; a check that was repeated until it passed proves nothing.",
        )
        for flip in found
        if flip.rate > rate
    )
