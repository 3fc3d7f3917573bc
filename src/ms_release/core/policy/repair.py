"""How the rules of a branch are made true: in the layer that already carries them, else in classic protection where
there is one, else in rulesets of the repository. Nothing is taken away but what lets somebody past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ms_release.core.policy.base import Subject, Verdict
from ms_release.core.policy.branch import carriers, is_exact, wanted_checks, wanted_pushers
from ms_release.core.policy.drafts import ClassicDraft, Draft, RulesetDraft, let_past_in_pulls, new_ruleset
from ms_release.core.policy.edit import (
    Bodies,
    Cannot,
    Edit,
    Repair,
    classic_path,
    failing,
    reasons_of,
    ruleset_path,
    who_path,
)
from ms_release.core.policy.facts import Layer
from ms_release.core.policy.rules import BRANCH

BRANCH_RULESET, PUSH_RULESET = "release branch", "release pushes"


def branch_paths(subject: Subject, verdicts: tuple[Verdict, ...]) -> set[str]:
    """What must be read before the branch of a repository can be repaired."""
    if not failing(verdicts) & set(BRANCH):
        return set()
    slug, facts = subject.repo.slug, subject.facts
    paths = {f"/apps/{check.app}" for check in wanted_checks(subject)}
    paths |= {who_path(actor.kind, subject.owner, actor.name) for actor in wanted_pushers(subject)}
    paths |= {classic_path(slug, facts.branch)} if facts.classic else set()
    return paths | {ruleset_path(one.kind, one.owner, one.id) for one in facts.layers if one.kind != "classic"}


@dataclass
class _Bench:
    """The drafts of one repository's layers, and which rules each of them is changed for."""

    subject: Subject
    bodies: Bodies
    drafts: dict[str, Draft] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    codes: dict[str, set[str]] = field(default_factory=dict)
    cannot: list[Cannot] = field(default_factory=list)

    def path(self, layer: Layer) -> str:
        """Where a layer is read and written."""
        facts = self.subject.facts
        classic = layer.kind == "classic"
        return classic_path(facts.slug, facts.branch) if classic else ruleset_path(layer.kind, layer.owner, layer.id)

    def open(self, layer: Layer, code: str) -> Draft | None:
        """A layer to be changed for a rule; None, with a note of who must act, where this token may not."""
        path = self.path(layer)
        seen = self.bodies.get(path)
        if seen is None or (layer.kind != "classic" and "bypass_actors" not in seen):
            who, needs = f"an administrator of {self.subject.repo.slug}", "administration: write"
            if layer.kind == "organisation":
                who, needs = f"an owner of {layer.owner}", "organization_administration: write"
            why = f"{layer.source} is not this token's to change"
            self.cannot.append(Cannot(self.subject.repo.slug, code, why, who, needs))
            return None
        if path not in self.drafts:
            self.drafts[path] = ClassicDraft(seen) if layer.kind == "classic" else RulesetDraft(seen)
            self.layers[path] = layer
        self.codes.setdefault(path, set()).add(code)
        return self.drafts[path]

    def new(self, name: str, code: str) -> RulesetDraft:
        """A ruleset of our own that is to be made."""
        draft = self.drafts.setdefault(name, new_ruleset(name, "branch", f"refs/heads/{self.subject.facts.branch}"))
        self.codes.setdefault(name, set()).add(code)
        assert isinstance(draft, RulesetDraft)
        return draft

    def carrier(self, weak: Callable[[Layer], bool], code: str) -> Draft | None:
        """The layer that carries the rule in part; else classic protection, a ruleset that binds all, or a new one."""
        order = ("classic", "repository", "organisation")
        layers = sorted(self.subject.facts.layers, key=lambda layer: (order.index(layer.kind), layer.id))
        found = next((layer for layer in layers if weak(layer) and not layer.only_update), None)
        found = found or next((layer for layer in layers if layer.kind == "classic"), None)
        found = found or next((one for one in layers if one.kind == "repository" and _binds_all(one)), None)
        if found is None:
            return self.new(BRANCH_RULESET, code)
        draft = self.open(found, code)
        if draft is not None and found.kind != "classic" and found.bypass:
            draft.let_nobody_past()  # what is added would be open to them as well
        return draft

    def note(self, draft: Draft, code: str) -> None:
        """One more rule for which a draft was changed."""
        path = next(path for path, one in self.drafts.items() if one is draft)
        self.codes[path].add(code)

    def number(self, kind: str, name: str) -> int | None:
        """The forge's number of a team or App."""
        found = self.bodies.get(who_path(kind, self.subject.owner, name))
        return int(found["id"]) if found else None


def _binds_all(layer: Layer) -> bool:
    """A ruleset that a rule may be added to: it is not there for pushes only, and nobody goes past it."""
    return not layer.only_update and layer.bypass == ()


def repair_branch(subject: Subject, verdicts: tuple[Verdict, ...], bodies: Bodies) -> Repair:
    """The edits that make the branch rules true, at most one for each layer."""
    codes = failing(verdicts) & set(BRANCH)
    bench = _Bench(subject, bodies)
    _checks(bench, codes)
    _pulls(bench, codes)
    for code, what in (("NO_FORCE_PUSH", "force push"), ("NO_DELETION", "deletion")):
        if code in codes and (draft := bench.carrier(lambda _: False, code)):
            draft.forbid(what)
    if "ADMINS_INCLUDED" in codes and subject.facts.classic:
        bench.open(subject.facts.classic, "ADMINS_INCLUDED")  # a classic draft includes them
    if "NO_BYPASS" in codes:
        _bypass(bench)
    if "PUSH_LIMITED" in codes:
        _pushes(bench)
    return Repair(tuple(_edits(bench, verdicts)), tuple(dict.fromkeys(bench.cannot)))


def _checks(bench: _Bench, codes: set[str]) -> None:
    wrong = codes & {"CHECKS_REQUIRED", "CHECKS_BOUND"}
    required = {check for layer in bench.subject.facts.layers for check in layer.checks}
    draft: Draft | None = None
    for want in wanted_checks(bench.subject) if wrong else ():
        if want in required:
            continue
        named = any(check.name == want.name for check in required)
        code = "CHECKS_BOUND" if named else "CHECKS_REQUIRED"
        draft = bench.carrier(partial(_asks, want.name if named else ""), code)
        if draft is not None:
            draft.require_check(want.name, bench.number("app", want.app))
    if "CHECKS_STRICT" in codes:
        draft = draft or bench.carrier(lambda layer: bool(layer.checks), "CHECKS_STRICT")
        if draft is not None:
            draft.be_strict()
            bench.note(draft, "CHECKS_STRICT")


def _asks(name: str, layer: Layer) -> bool:
    """Whether a layer requires a check by this name; "" = any, but then none of all repositories of an organisation."""
    if name:
        return any(check.name == name for check in layer.checks)
    return bool(layer.checks) and layer.kind != "organisation"


def _pulls(bench: _Bench, codes: set[str]) -> None:
    for code in ("PULL_REQUEST_REQUIRED", "APPROVALS"):
        if code in codes and (draft := bench.carrier(lambda layer: layer.pull_request, code)):
            draft.require_pull(bench.subject.config.policy.approvals)
    if "CONVERSATIONS_RESOLVED" in codes:
        draft = bench.carrier(lambda layer: layer.pull_request, "CONVERSATIONS_RESOLVED")
        if draft is not None:
            draft.resolve_conversations()


def _bypass(bench: _Bench) -> None:
    """Each rule that somebody goes past is made firm in one layer that carries it."""
    for aspect, _, holds in carriers(bench.subject):
        carrying = [layer for layer in bench.subject.facts.layers if holds(layer)]
        if not carrying or any(layer.passes(aspect) == () for layer in carrying):
            continue
        if aspect == "force push" and carrying[0].kind == "classic":
            # who may force is told by GraphQL and set nowhere in REST: a ruleset beside it says no to them as well
            bench.new(BRANCH_RULESET, "NO_BYPASS").forbid("force push")
        elif draft := bench.open(carrying[0], "NO_BYPASS"):
            draft.let_nobody_past()


def _pushes(bench: _Bench) -> None:
    """Every layer that limits pushes gets exactly the right ones; where none is left that does, one is made."""
    subject, code = bench.subject, "PUSH_LIMITED"
    limiting = [layer for layer in subject.facts.layers if layer.pushers is not None]
    kept = [layer for layer in limiting if is_exact(subject, layer)]
    for layer in limiting:
        if layer in kept or (draft := bench.open(layer, code)) is None:
            continue
        if isinstance(draft, ClassicDraft):
            draft.limit(wanted_pushers(subject))
            kept.append(layer)
        elif isinstance(draft, RulesetDraft) and layer.only_update:
            kept += [layer] if _let_in(bench, draft) else []
        elif isinstance(draft, RulesetDraft):
            draft.drop("update")  # its other rules would be open to everybody who may push
            draft.let_nobody_past()
    if kept or any(one.code == code for one in bench.cannot):
        return
    if subject.facts.classic and isinstance(draft := bench.open(subject.facts.classic, code), ClassicDraft):
        draft.limit(wanted_pushers(subject))
    elif not subject.facts.classic:
        ours = bench.new(PUSH_RULESET, code)
        ours.rule("update")
        if not _let_in(bench, ours):
            del bench.drafts[PUSH_RULESET]


def _let_in(bench: _Bench, draft: RulesetDraft) -> bool:
    """Put the right ones into a push ruleset; whether they could be."""
    numbers = [(actor, bench.number(actor.kind, actor.name)) for actor in sorted(wanted_pushers(bench.subject))]
    if odd := [actor for actor, number in numbers if actor.kind == "user" or number is None]:
        why = f"{odd[0].text} of {bench.subject.owner} cannot be named in a ruleset"
        who = "whoever writes ms-release.toml: name a team that exists there"
        bench.cannot.append(Cannot(bench.subject.repo.slug, "PUSH_LIMITED", why, who))
        return False
    draft.body["bypass_actors"] = let_past_in_pulls((actor.kind, number or 0) for actor, number in numbers)
    return True


def _edits(bench: _Bench, verdicts: tuple[Verdict, ...]) -> list[Edit]:
    slug, found = bench.subject.repo.slug, []
    for path, draft in bench.drafts.items():
        reasons = reasons_of(verdicts, bench.codes[path])
        layer = bench.layers.get(path)
        if layer is None:
            where = f"/repos/{slug}/rulesets"
            found.append(Edit(slug, f"new ruleset “{path}”", "POST", where, draft.body, where, None, reasons))
        else:
            needs = "organization_administration: write" if layer.kind == "organisation" else "administration: write"
            found.append(Edit(slug, layer.source, "PUT", path, draft.body, path, bench.bodies[path], reasons, needs))
    return found
