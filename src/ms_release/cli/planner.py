"""From an intent to a plan: the looks at the forge, in the order in which one answer tells what to ask next."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from ms_release.cli.common import Session, read_named
from ms_release.config import Config, Product
from ms_release.core import planning, spec, unfinished
from ms_release.core.action import Ask
from ms_release.core.ledger import read_candidates
from ms_release.core.model import Pin
from ms_release.core.observation import CandidateQuestion, Observation
from ms_release.core.plan import MAX_BYTES, PlanFile, ledger_path, make_file, parse_file, plan_path, spec_path
from ms_release.core.planning import Draft, Intent, Parts, Previous
from ms_release.core.plausible import blocking, implausible
from ms_release.core.train import Train, candidate_questions
from ms_release.errors import BlockedError, DamagedError, StalePlanError, UsageError
from ms_release.ports import Reader

NOTES_LIMIT = 100_000


@dataclass(frozen=True)
class Planned:
    """A plan that was made, with its gates and the facts it was made from."""

    goal: Train
    draft: Draft
    facts: Observation


@dataclass(frozen=True)
class Continued:
    """A plan that is already on its way, with the facts of the moment where they were read."""

    goal: Train
    facts: Observation | None


@dataclass(frozen=True)
class Nothing:
    """The newest release is exactly what would be released now."""

    tag: str


class Planner:
    """Makes one plan from one intent; `refs` puts other branches in the place of the configured ones.

    `replan`: past a release that can never be published any more, make a new one instead of stopping.
    """

    def __init__(self, session: Session, intent: Intent, refs: dict[str, str], *, replan: bool) -> None:
        self._session = session
        self._replan = replan
        self._config: Config = _with_refs(session.config, session.product, refs)
        self._product: Product = self._config.product(session.product.id)
        self._intent = intent
        _refuse_unknown(intent.explicit, self._product)
        self._reader: Reader = session.reader

    def plan(self) -> Planned | Continued | Nothing:
        """Continue, find nothing to do, or make a new plan, in this order."""
        facts = self._reader.survey(self._config, self._product)
        before_tag = self._intent.source or planning.previous_tag(facts, self._intent.channel)
        if unrecorded := unfinished.unrecorded_tags(facts):
            return Continued(self._train(self._reader.read_plans(facts, unrecorded[:1]), unrecorded[0]), None)
        open_tags = unfinished.open_tags(facts)
        plans = self._reader.read_plans(facts, open_tags)
        facts = facts.with_home(held=tuple(plans))
        if self._intent.auto and (found := self._unfinished(plans)) is not None:
            return found
        before = self._previous(facts, before_tag)
        source = before if self._intent.source else None
        facts = self._reader.add_commits(facts, self._wanted_commits(before))
        pins = planning.select_pins(self._config, self._product, self._intent, facts, before)
        facts = self._reader.add_recipes(facts, self._config, pins)
        questions = self._questions(facts, pins, before)
        facts = self._reader.add_candidates(facts, questions)
        if self._intent.auto and (tag := self._released(facts, pins, before)) is not None:
            return Nothing(tag)
        facts = self._reader.add_protection(facts, self._product)
        tags = {id: asked.tag for id, asked in questions.items()}
        if self._intent.rollback:  # what is taken back is the newest release, whatever it is taken back to
            before = self._previous(facts, planning.previous_tag(facts, self._intent.channel))
        parts = Parts(pins, before, self._session.config_blob, tags, source)
        draft = planning.make_draft(self._config, self._product, self._intent, facts, parts)
        created_at = facts.now[:19] + "Z"
        file = make_file(draft.plan, created_at=created_at, created_by=facts.viewer)
        return Planned(Train(self._session.config, self._session.product, file), draft, facts)

    def _questions(
        self, facts: Observation, pins: tuple[Pin, ...], before: Previous | None
    ) -> dict[str, CandidateQuestion]:
        """The candidates to look for. A promotion wants those of its beta, however they would be built today."""
        questions = candidate_questions(self._config, pins, facts)
        if self._intent.source is None or before is None:
            return questions
        return {id: replace(asked, tag=before.tags.get(id, asked.tag)) for id, asked in questions.items()}

    def _released(self, facts: Observation, pins: tuple[Pin, ...], before: Previous | None) -> str | None:
        """The newest release of this channel, if it is exactly what would be released now."""
        if self._intent.source is not None:  # a promotion is compared with what stands in its own channel
            before = self._previous(facts, planning.previous_tag(facts, self._intent.channel))
        if before is None or not planning.is_released(pins, before, self._intent.channel, facts):
            return None
        return before.tag

    def _unfinished(self, plans: dict[str, str]) -> Continued | None:
        """The oldest release of this channel that is under way and can still be published.

        Where there is only one that cannot, `plan` goes past its version; the other verbs stop and say why, because a
        new plan is a new decision. Raises StalePlanError then.
        """
        dead: dict[str, str] = {}
        for tag in plans:
            goal = self._train(plans, tag)
            if goal.plan.channel != self._intent.channel or goal.plan.product != self._product.id:
                continue
            facts = self._reader.look(goal)
            if goal.plan.tag in facts.home.plans:
                facts = self._reader.answer(facts, goal, Ask("runs"))
            why = unfinished.why_dead(goal, facts)
            if not why:
                return Continued(goal, facts)
            dead[tag] = why
        for tag, why in dead.items():
            cause = f"{tag} cannot be published any more ({why})"
            if not self._replan:
                again = f"ms release {self._product.id} plan --channel {self._intent.channel} --auto"
                raise StalePlanError(
                    cause, remedy="Nothing of it is published; its version is burned. Plan again.", next_command=again
                )
            self._session.output.say(f"{cause}: its version is burned")
        return None

    def _train(self, plans: dict[str, str], tag: str) -> Train:
        if tag not in plans:
            raise BlockedError(
                f"the plan of {tag} cannot be read", remedy="Look at release-plans/ in the home repository."
            )
        file = parse_file(plans[tag].encode(), plan_path(tag))
        return Train(self._session.config, self._session.product, file)

    def _previous(self, facts: Observation, tag: str | None) -> Previous | None:
        """The pins of the release before: from its plan, or from the spec of a release that was made without one."""
        if tag is None:
            return None
        if self._intent.source and not any(r.tag == tag and not r.draft for r in facts.home.releases):
            what = "release" if self._intent.rollback else "beta"
            raise UsageError(f"{tag} is no published {what}", remedy=f"Name a {what} that is out.")
        texts = self._reader.add_texts(facts, (plan_path(tag), spec_path(tag), ledger_path(tag))).home.texts
        plan_text, spec_text, entry = (texts.get(path(tag)) for path in (plan_path, spec_path, ledger_path))
        if plan_text is not None:
            plan = parse_file(plan_text.encode(), plan_path(tag)).plan
            pins = tuple(_from_plan(p, tag) for p in plan.pins)
            tags = {candidate.repo: candidate.tag for candidate in plan.candidates}
            return Previous(tag, pins, read_candidates(entry, ledger_path(tag)) if entry else {}, tags)
        if spec_text is None:
            raise BlockedError(
                f"neither plan nor spec of the previous release {tag} can be read",
                remedy="Restore release-specs/ in the home repository.",
            )
        pins = tuple(
            Pin(r.id, self._config.repo(r.id).slug, r.url, r.ref, r.sha, "explicit", f"from the spec of {tag}")
            for r in spec.parse_spec(spec_text.encode()).repos
            if r.id in self._product.repos
        )
        return Previous(tag, pins)

    def _wanted_commits(self, before: Previous | None) -> dict[str, str]:
        carried = {p.repo: p.sha for p in before.pins if p.repo in self._product.repos} if before else {}
        select = {r.id: r.select for r in self._config.components(self._product)}
        needed = {id: sha for id, sha in carried.items() if select[id] == "carry" or self._intent.source}
        return {**needed, **{id: sha for id, sha in self._intent.explicit.items() if id in self._product.repos}}


def _from_plan(pin: Pin, tag: str) -> Pin:
    """A pin of an earlier plan; its evidence says where it comes from once the forge no longer keeps the checks."""
    evidence = tuple(e if e.source != "forge" else replace(e, source=tag) for e in pin.evidence)
    return replace(pin, evidence=evidence)


def _refuse_unknown(ids: Iterable[str], product: Product) -> None:
    unknown = sorted(set(ids) - set(product.repos))
    if unknown:
        known = ", ".join(product.repos)
        raise UsageError(f"{unknown[0]!a} is not a repository of {product.id}", remedy=f"Known: {known}.")


def _with_refs(config: Config, product: Product, refs: dict[str, str]) -> Config:
    _refuse_unknown(refs, product)
    repos = tuple(replace(r, branch=refs[r.id]) if r.id in refs else r for r in config.repos)
    return replace(config, repos=repos)


def parse_pairs(pairs: tuple[str, ...], option: str) -> dict[str, str]:
    """`ID=VALUE` options as a table. Raises UsageError for another shape or an id given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        id, equals, value = pair.partition("=")
        if not equals or not id or not value or id in found:
            raise UsageError(
                f"{option} {pair!a} is not ID=VALUE, or its id occurs twice",
                remedy=f"Write {option} core=…, once per id.",
            )
        found[id] = value
    return found


def parse_shas(pairs: tuple[str, ...]) -> dict[str, str]:
    """`--repo ID=SHA`: full commit ids only, so that what is meant cannot change."""
    found = parse_pairs(pairs, "--repo")
    for id, sha in found.items():
        if not re.fullmatch(r"[0-9a-f]{40}", sha):
            raise UsageError(
                f"--repo {id}={sha!a} is not a full commit id",
                remedy="Give all 40 hexadecimal digits, in lower case.",
            )
    return found


def read_notes(file: str | None) -> str:
    """The operator's own notes. Raises UsageError when they are not a readable text."""
    if file is None:
        return ""
    try:
        return read_named(Path(file), NOTES_LIMIT, what="notes file", remedy="Name a Markdown file.").decode()
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text", remedy="Name a Markdown file.") from None


def read_plan(file: str, session: Session, notes: str) -> Train:
    """A plan file of the operator. Raises DamagedError, UsageError for another product's, BlockedError for another
    configuration's.
    """
    another = f"ms release {session.product.id} plan --channel beta --auto"
    data = read_named(Path(file), MAX_BYTES, what="plan", remedy="Make one with `plan`.", next_command=another)
    try:
        plan_file: PlanFile = parse_file(data, file)
    except DamagedError as error:
        error.next_command = another
        raise
    plan = plan_file.plan
    if plan.product != session.product.id:
        raise UsageError(f"{file} is a plan of {plan.product}", remedy=f"Use it with that product: {plan.product}.")
    again = f"ms release {plan.product} plan --channel {plan.channel} --auto"
    if plan.config != session.config_blob:
        raise BlockedError(
            f"{file} was made under another configuration ({plan.config[:7]}, here {session.config_blob[:7]})",
            remedy="Use the configuration of the home branch, and plan again if it changed.",
            next_command=again,
        )
    for problem in implausible(plan, session.config, session.product):
        raise DamagedError(f"{file} was not made by `plan`: {problem}", remedy="Make a new plan.", next_command=again)
    if gate := blocking(plan):
        cause = f"{file} is blocked: {gate.code} {gate.subject} was {gate.outcome} when it was planned"
        raise BlockedError(cause, remedy="Correct that, then plan again.", next_command=again)
    if notes and notes != plan.notes:
        raise UsageError(
            f"{file} was made without these notes",
            remedy="Notes are part of a plan: plan again with --notes-file.",
        )
    return Train(session.config, session.product, plan_file)
