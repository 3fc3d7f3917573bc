"""The rules about home repositories: release tags, immutable releases, and the environment that waits for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ms_release.config import Product
from ms_release.core.policy.base import Subject, Verdict, decided, failed, passed, unknown
from ms_release.core.policy.facts import ACTIONS, ADMINISTRATION, ORGANISATION, EnvironmentFacts, TagRules


def tags_fixed(subject: Subject) -> Iterator[Verdict]:
    """A release tag never moves (SPEC 1.7)."""
    return _tags(subject, "TAGS_NO_UPDATE", lambda rules: rules.no_update, "moves")


def tags_kept(subject: Subject) -> Iterator[Verdict]:
    """A release tag never disappears."""
    return _tags(subject, "TAGS_NO_DELETION", lambda rules: rules.no_deletion, "is deleted")


def _tags(subject: Subject, code: str, holds: Callable[[TagRules], bool], done: str) -> Iterator[Verdict]:
    for pattern in subject.config.policy.tags:
        should = f"no tag {pattern} {done}"
        if subject.facts.tags is None:
            yield unknown(code, should, "tag rulesets", "metadata: read")
            continue
        covering = [rules for rules in subject.facts.tags if rules.covers(pattern) and holds(rules)]
        good = [rules for rules in covering if rules.bypass == ()]
        hidden = [rules for rules in covering if rules.bypass is None]
        if good:
            yield passed(code, should, should, good[0].source)
        elif hidden:
            permission = ORGANISATION if hidden[0].kind == "organisation" else "administration: write"
            yield unknown(code, should, hidden[0].source, permission)
        elif covering:
            who = ", ".join(actor.text for actor in covering[0].bypass or ())
            yield failed(code, f"{who} may go past it", should, covering[0].source)
        else:
            looked = ", ".join(rules.source for rules in subject.facts.tags) or "tag rulesets"
            yield failed(code, f"no active ruleset says so for {pattern}", should, looked)


def immutable(subject: Subject) -> Iterator[Verdict]:
    """What is published cannot be replaced (github-facts G36, G37)."""
    code, source = "IMMUTABLE_RELEASES", "repository settings"
    if not subject.config.policy.immutable_releases:
        yield Verdict(code, "NOT_APPLICABLE", "not wanted", "as it is", "configuration")
        return
    yield decided(code, subject.facts.immutable, ("on", "off", "on"), source, ADMINISTRATION)


def _each(judge: Callable[[Subject, Product, EnvironmentFacts], Iterator[Verdict]]) -> Callable[..., Iterator[Verdict]]:
    """A rule about the environment of each product, where there is one to judge: ENVIRONMENT tells of the others."""

    def every(subject: Subject) -> Iterator[Verdict]:
        for product in subject.products:
            found = subject.facts.environments.get(product.environment)
            if found is not None:
                yield from judge(subject, product, found)

    return every


def environment(subject: Subject) -> Iterator[Verdict]:
    """It exists: a workflow that names a missing one makes it, unprotected (github-facts G29)."""
    for product in subject.products:
        name = product.environment
        source, should = f"environment {name}", f"environment {name}"
        if name not in subject.facts.environments:
            yield unknown("ENVIRONMENT", should, source, ACTIONS)
        elif subject.facts.environments[name] is None:
            yield failed("ENVIRONMENT", "missing", should, source)
        else:
            yield passed("ENVIRONMENT", should, should, source)


@_each
def reviewers(subject: Subject, product: Product, found: EnvironmentFacts) -> Iterator[Verdict]:
    """The release managers, and nobody else: one approval of any reviewer suffices (github-facts G25)."""
    wanted = subject.config.roles.release_managers
    words = (wanted, ", ".join(found.reviewers) or "nobody", wanted)
    yield decided(
        "ENVIRONMENT_REVIEWERS", found.reviewers == (wanted,), words, f"environment {product.environment}", ACTIONS
    )


@_each
def self_review(_subject: Subject, product: Product, found: EnvironmentFacts) -> Iterator[Verdict]:
    """Nobody approves a run that they started; the waiver SELF_APPROVAL is for organisations of one person."""
    words = ("prevented", "allowed", "prevented")
    yield decided("SELF_APPROVAL", found.prevent_self_review, words, f"environment {product.environment}", ACTIONS)


@_each
def admin_bypass(_subject: Subject, product: Product, found: EnvironmentFacts) -> Iterator[Verdict]:
    """Administrators wait as everybody does; GitHub lets them past by default (github-facts G26)."""
    name = product.environment
    words = (f"{name}: admins may not bypass", f"{name}: admins may bypass", f"{name}: admins may not bypass")
    right = None if found.admins_bypass is None else not found.admins_bypass
    yield decided("ENVIRONMENT_NO_BYPASS", right, words, f"environment {name}", "the forge does not say")


@_each
def branches(subject: Subject, product: Product, found: EnvironmentFacts) -> Iterator[Verdict]:
    """Only the home branch deploys, named: “protected branches” admits all while none is protected (G29)."""
    wanted, source = subject.repo.branch, f"environment {product.environment}"
    right = None if found.branches is None else found.branches == (wanted,)
    words = (wanted, ", ".join(found.branches or ()) or "every branch", wanted)
    yield decided("ENVIRONMENT_BRANCHES", right, words, source, ACTIONS)


@_each
def wait_timer(subject: Subject, product: Product, found: EnvironmentFacts) -> Iterator[Verdict]:
    """At least as many minutes as the configuration wants."""
    least, code = subject.config.policy.wait_timer, "ENVIRONMENT_WAIT_TIMER"
    words = (f"{found.wait_timer} minutes", f"{found.wait_timer} minutes", f"at least {least} minutes")
    yield decided(code, found.wait_timer >= least, words, f"environment {product.environment}", ACTIONS)
