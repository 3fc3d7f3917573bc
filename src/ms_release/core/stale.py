"""Whether a plan still describes the world: each fact it stands on, compared with what is there now (SPEC 5)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ms_release.config import Config
from ms_release.core.action import Blocked
from ms_release.core.candidate_identity import question
from ms_release.core.model import CandidatePin, Pin
from ms_release.core.observation import Observation
from ms_release.core.plan import Plan, Protection
from ms_release.core.selection import judge


class Moved(Struct, frozen=True):
    """A fact that was `was` when the plan was made and is `now_is` now. `finish` brings to its end what changes it."""

    fact: str
    was: str
    now_is: str
    finish: str = ""

    def __str__(self) -> str:
        return f"{self.fact}: was {self.was}, is {self.now_is}"


def moved_facts(plan: Plan, config: Config, facts: Observation) -> tuple[Moved, ...]:
    """Every fact of the plan that has changed. Newer commits in a component are no such fact."""
    return (
        *_abandoned(plan, facts),
        *_tag(plan, facts),
        *_configuration(plan, facts),
        *(m for pin in plan.pins for m in _pin(pin, config, facts)),
        *(m for candidate in plan.candidates for m in _candidate(candidate, facts)),
        *_recipes(plan, config, facts),
        *_protection(plan, facts),
    )


def blocked(plan: Plan, moved: tuple[Moved, ...]) -> Blocked:
    """The ending for a stale plan."""
    return Blocked(
        f"the plan of {plan.tag} is stale: {moved[0]}" + (f" (and {len(moved) - 1} more)" if len(moved) > 1 else ""),
        f"Nothing of it was published. {'Finish that, then plan again' if moved[0].finish else 'Plan again'}.",
        moved[0].finish or f"ms release {plan.product} plan --channel {plan.channel} --auto",
        stale=True,
    )


def _abandoned(plan: Plan, facts: Observation) -> Iterator[Moved]:
    if given_up := facts.home.given_up(plan.tag):
        unfinished = f"ms release {plan.product} cancel {plan.tag}" if given_up == "being abandoned" else ""
        yield Moved(f"the release {plan.tag}", "wanted", given_up, unfinished)


def _tag(plan: Plan, facts: Observation) -> Iterator[Moved]:
    """The tag is made by `promote`, at the commit that merged the plan and nowhere else."""
    at = facts.home.tags.get(plan.tag)
    pull = facts.release_change.pull if facts.release_change else None
    if at is not None and (pull is None or at != pull.merge_commit):
        yield Moved(f"tag {plan.tag}", "free", f"at {at[:7]}")


def _configuration(plan: Plan, facts: Observation) -> Iterator[Moved]:
    if facts.home.config_blob != plan.config:
        yield Moved(
            "the configuration on the protected branch", plan.config[:7], (facts.home.config_blob or "absent")[:7]
        )


def _pin(pin: Pin, config: Config, facts: Observation) -> Iterator[Moved]:
    repo = facts.repos[pin.repo]
    contained = repo.contains(pin.sha)
    if contained is not True:
        state = "not readable" if contained is None else "not reachable"
        yield Moved(f"{pin.repo} {pin.sha[:7]} on {pin.ref}", "reachable", state)
    commit = repo.commit(pin.sha)
    problem, evidence = (
        judge(commit, config.repo(pin.repo).checks) if commit else ("unknown: the commit could not be read", ())
    )
    if pin.stands_on_evidence and commit is not None and problem.startswith(("missing", "unknown")):
        return  # the forge no longer keeps its checks: the evidence of the previous published plan counts
    if problem:
        yield Moved(f"the checks of {pin.repo} {pin.sha[:7]}", "green", problem)
        return
    was = {e.check: e.check_run_id for e in pin.evidence}
    for item in evidence:
        if was.get(item.check) != item.check_run_id:
            yield Moved(
                f"check {item.check} of {pin.repo} {pin.sha[:7]}",
                f"run {was.get(item.check)}",
                f"run {item.check_run_id}",
            )


def _candidate(candidate: CandidatePin, facts: Observation) -> Iterator[Moved]:
    if candidate.state == "build":
        return
    ready = facts.ready.get(candidate.repo)
    name = f"candidate {candidate.tag} of {candidate.repo}"
    if ready is None:
        yield Moved(name, f"release {candidate.release_id}", "gone")
    elif ready.release.id != candidate.release_id:
        yield Moved(name, f"release {candidate.release_id}", f"release {ready.release.id}")
    elif ready.digest != candidate.digest:
        yield Moved(name, f"digest {candidate.digest[:12]}", f"digest {ready.digest[:12]}")
    elif ready.problems:
        yield Moved(name, "complete", ready.problems[0])


def _recipes(plan: Plan, config: Config, facts: Observation) -> Iterator[Moved]:
    """A candidate that is still to be built is built as its branch says today: under another recipe it is another."""
    pins = {pin.repo: pin for pin in plan.pins}
    for candidate in plan.candidates:
        if candidate.state == "ready" or candidate.repo not in facts.recipes:
            continue
        now = question(config, config.repo(candidate.repo), pins, facts.recipes[candidate.repo]).tag
        if now != candidate.tag:
            yield Moved(f"the recipe of {candidate.repo}", candidate.tag, now)


def protection(facts: Observation) -> Protection | None:
    """What protects the release now; None when part of it was not read."""
    rules, environment = facts.home.rules, facts.home.environment
    if rules is None or environment is None:
        return None
    return Protection(
        tuple(sorted(rules.checks)) if rules.pull_request and rules.strict is not False else (),
        environment.reviewers,
        bool(environment.prevent_self_review),
        environment.branches or (),
    )


def _protection(plan: Plan, facts: Observation) -> Iterator[Moved]:
    if not facts.protection_read:
        return  # asked for before the effects that depend on it
    now = protection(facts)
    if now is None:
        yield Moved("the protection of the release", "readable", "not readable")
        return
    for field in Protection.__struct_fields__:
        was, is_ = getattr(plan.protection, field), getattr(now, field)
        if was != is_:
            yield Moved(f"protection ({field.replace('_', ' ')})", _text(was), _text(is_))


def _text(value: object) -> str:
    return ", ".join(value) or "none" if isinstance(value, tuple) else str(value)
