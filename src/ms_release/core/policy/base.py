"""What a rule of the policy is asked and answers: subjects, verdicts, and the words to make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from ms_release.config import Config, Product, Repo
from ms_release.core.model import Outcome
from ms_release.core.policy.facts import ADMINISTRATION, RepoFacts

EVERYWHERE, AT_HOME = "every repository", "home repositories"


class Verdict(Struct, frozen=True, rename={"is_": "is"}, omit_defaults=True):
    """One rule's answer about one repository. `permission`: what the token lacks where the outcome is UNKNOWN."""

    code: str
    outcome: Outcome
    is_: str
    should: str
    source: str = ""
    permission: str = ""
    waived_by: str = ""
    reason: str = ""

    @property
    def blocks(self) -> bool:
        """Whether a release may not go on. UNKNOWN blocks as FAIL does (SPEC 1.6); only FAIL can be waived."""
        return self.outcome == "UNKNOWN" or (self.outcome == "FAIL" and not self.waived_by)


class Subject(Struct, frozen=True):
    """One repository, what is configured about it, and what it is like."""

    config: Config
    repo: Repo
    facts: RepoFacts

    @property
    def products(self) -> tuple[Product, ...]:
        """The products that are released from it."""
        return tuple(p for p in self.config.products if p.home == self.repo.id)

    @property
    def owner(self) -> str:
        """The organisation or person it belongs to."""
        return self.repo.slug.partition("/")[0]

    @property
    def is_home(self) -> bool:
        """Whether products are released from it, or plans are kept in it."""
        return bool(self.products) or self.repo.slug == self.config.config.home


Judge = Callable[[Subject], Iterator[Verdict]]


class Rule(Struct, frozen=True):
    """A rule: what it is called, the question it asks, which repositories it asks, and who answers."""

    code: str
    question: str
    where: str
    judge: Judge


def passed(code: str, is_: str, should: str, source: str) -> Verdict:
    """The rule holds."""
    return Verdict(code, "PASS", is_, should, source)


def failed(code: str, is_: str, should: str, source: str) -> Verdict:
    """The rule does not hold."""
    return Verdict(code, "FAIL", is_, should, source)


def unknown(code: str, should: str, source: str, permission: str = ADMINISTRATION, is_: str = "not read") -> Verdict:
    """Nobody knows, for want of a permission."""
    return Verdict(code, "UNKNOWN", is_, should, source, permission)


def decided(code: str, value: bool | None, words: tuple[str, str, str], source: str, permission: str) -> Verdict:
    """A switch: whether it is as it should be (None = not read). `words`: what it is when right, when wrong, should."""
    right, wrong, should = words
    if value is None:
        return unknown(code, should, source, permission)
    return passed(code, right, should, source) if value else failed(code, wrong, should, source)


def worst(verdicts: Iterable[Verdict]) -> Outcome:
    """What several verdicts come to: FAIL before UNKNOWN before PASS; waived ones do not count."""
    blocking = {verdict.outcome for verdict in verdicts if verdict.blocks}
    return "FAIL" if "FAIL" in blocking else "UNKNOWN" if blocking else "PASS"
