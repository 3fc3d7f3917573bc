"""The rules about the branch that releases are made from: what all layers of protection together demand of whom.

Layers add up (github-facts G40): a rule holds where one layer carries it, several may carry a part each. It counts only
in a layer that nobody goes past; who does is told by ADMINS_INCLUDED (classic) and NO_BYPASS (lists of actors).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ms_release.core.policy.base import Subject, Verdict, failed, passed, unknown
from ms_release.core.policy.facts import ADMINISTRATION, ORGANISATION, Actor, Aspect, Layer, RequiredCheck

Holds = Callable[[Layer], bool]
NOBODY = "nobody"


def wanted_checks(subject: Subject) -> tuple[RequiredCheck, ...]:
    """What the configuration says must be green, and from which app."""
    return tuple(RequiredCheck(check.name, check.app) for check in subject.repo.checks)


def wanted_pushers(subject: Subject) -> frozenset[Actor]:
    """Who alone may push: the maintainers (in another organisation its team of the same name), and the release App."""
    who = subject.config.roles.maintainers
    maintainers = Actor("team", who.partition("/")[2]) if "/" in who else Actor("user", who)
    app = subject.config.policy.push_app
    return frozenset({maintainers, *([Actor("app", app)] if app else [])})


def carriers(subject: Subject) -> list[tuple[Aspect, str, Holds]]:
    """Each thing that is demanded, in words, and how a layer that carries it is recognised."""
    policy = subject.config.policy
    found: list[tuple[Aspect, str, Holds]] = []
    for want in wanted_checks(subject):
        found += [
            ("checks", f"check {want.name}", partial(_requires, want)),
            ("checks", f"check {want.name} by {want.app}", partial(_binds, want)),
        ]
    found += [
        ("strict", "strict checks", lambda layer: layer.strict and bool(layer.checks)),
        ("pull request", "pull request", lambda layer: layer.pull_request),
        ("conversations", "resolved conversations", lambda layer: layer.conversations),
        ("force push", "no forced push", lambda layer: layer.no_force_push),
        ("deletion", "no deletion", lambda layer: layer.no_deletion),
    ]
    if policy.approvals:
        found.append(("approvals", "approvals", lambda layer: layer.approvals >= policy.approvals))
    return found


def _requires(want: RequiredCheck, layer: Layer) -> bool:
    """The check by that name, whoever may say so."""
    return any(check.name == want.name for check in layer.checks)


def _binds(want: RequiredCheck, layer: Layer) -> bool:
    """The check from its own app: where one layer says so, that layer must be one that nobody goes past."""
    return want in layer.checks


def _sources(layers: list[Layer]) -> str:
    return ", ".join(layer.source for layer in layers)


def _all(subject: Subject) -> str:
    """Where was looked when nothing was found, with the rulesets that would say something if they were active."""
    looked = ["classic protection", *(layer.source for layer in subject.facts.layers if layer.kind != "classic")]
    return ", ".join([*looked, *(f"{name} (not active)" for name in subject.facts.inactive)])


def _simple(code: str, aspect: Aspect, words: tuple[str, str, str]) -> Callable[[Subject], Iterator[Verdict]]:
    """A rule that one layer carries or none; `words`: what is when it holds, when it does not, what should be."""

    def judge(subject: Subject) -> Iterator[Verdict]:
        holds = next(holds for name, _, holds in carriers(subject) if name == aspect)
        carrying = [layer for layer in subject.facts.layers if holds(layer)]
        if carrying:
            yield passed(code, words[0], words[2], _sources(carrying))
        elif not subject.facts.all_layers:
            yield unknown(code, words[2], "classic protection", is_="no ruleset says so, classic protection not read")
        else:
            yield failed(code, words[1], words[2], _all(subject))

    return judge


strict = _simple("CHECKS_STRICT", "strict", ("strict", "not strict", "required checks on the newest base"))
pull_request = _simple("PULL_REQUEST_REQUIRED", "pull request", ("required", "not required", "required"))
conversations = _simple(
    "CONVERSATIONS_RESOLVED", "conversations", ("must be resolved", "may stay open", "must be resolved")
)
no_force_push = _simple("NO_FORCE_PUSH", "force push", ("forbidden", "allowed", "forbidden"))
no_deletion = _simple("NO_DELETION", "deletion", ("forbidden", "allowed", "forbidden"))


def _names(checks: Iterator[RequiredCheck] | tuple[RequiredCheck, ...]) -> str:
    return ", ".join(f"{c.name} ({c.app or 'any app'})" for c in sorted(set(checks))) or "none"


def checks_required(subject: Subject) -> Iterator[Verdict]:
    """Every configured check is required, by whichever layer."""
    layers = [layer for layer in subject.facts.layers if layer.checks]
    required = tuple(check for layer in layers for check in layer.checks)
    missing = [want for want in wanted_checks(subject) if want.name not in {check.name for check in required}]
    should = _names(wanted_checks(subject))
    if not missing:
        yield passed("CHECKS_REQUIRED", _names(required), should, _sources(layers))
    elif not subject.facts.all_layers:
        yield unknown("CHECKS_REQUIRED", should, "classic protection", is_=f"rulesets require {_names(required)}")
    else:
        yield failed("CHECKS_REQUIRED", _names(required), should, _sources(layers) or _all(subject))


def checks_bound(subject: Subject) -> Iterator[Verdict]:
    """Each required check counts from its own app only, or any writer could forge it (github-facts G18)."""
    layers = [layer for layer in subject.facts.layers if layer.checks]
    required = {check for layer in layers for check in layer.checks}
    asked = [want for want in wanted_checks(subject) if want.name in {check.name for check in required}]
    shown = tuple(check for check in required if check.name in {want.name for want in asked})
    should, code = _names(wanted_checks(subject)), "CHECKS_BOUND"
    if not asked and subject.facts.all_layers:
        yield Verdict(code, "NOT_APPLICABLE", "none is required", should, _all(subject))
    elif asked and all(want in required for want in asked):
        yield passed(code, _names(shown), should, _sources(layers))
    elif not subject.facts.all_layers:
        yield unknown(code, should, "classic protection", is_=f"rulesets require {_names(shown)}")
    else:
        yield failed(code, _names(shown), should, _sources(layers))


def approvals(subject: Subject) -> Iterator[Verdict]:
    """As many approving reviews as the configuration wants."""
    least, code = subject.config.policy.approvals, "APPROVALS"
    if not least:
        yield Verdict(code, "NOT_APPLICABLE", "none is wanted", "0", "configuration")
        return
    most = max((layer.approvals for layer in subject.facts.layers), default=0)
    carrying = [layer for layer in subject.facts.layers if layer.approvals == most]
    if most >= least:
        yield passed(code, str(most), f"at least {least}", _sources(carrying))
    elif not subject.facts.all_layers:
        yield unknown(code, f"at least {least}", "classic protection", is_=f"rulesets want {most}")
    else:
        yield failed(code, str(most), f"at least {least}", _all(subject))


def admins_included(subject: Subject) -> Iterator[Verdict]:
    """Nothing that is demanded is demanded by classic protection alone while administrators are not included."""
    exempt: list[str] = []
    for aspect, what, holds in (*carriers(subject), _push_carrier(subject)):
        carrying = [layer for layer in subject.facts.layers if holds(layer)]
        lax = [layer for layer in carrying if layer.exempts_admins(aspect)]
        firm = [layer for layer in carrying if layer not in lax and (aspect == "push" or layer.passes(aspect) == ())]
        if lax and not firm:
            exempt.append(what)
    source = _all(subject)
    if exempt:
        is_ = f"administrators are exempt: {', '.join(exempt)}"
        yield failed("ADMINS_INCLUDED", is_, "administrators included", source)
    elif not subject.facts.all_layers and not _rulesets_suffice(subject):
        yield unknown("ADMINS_INCLUDED", "administrators included", "classic protection")
    else:
        yield passed("ADMINS_INCLUDED", "administrators included", "administrators included", source)


def _rulesets_suffice(subject: Subject) -> bool:
    """Whether the rulesets demand everything: then whatever classic protection adds can only be more."""
    return all(any(holds(layer) for layer in subject.facts.layers) for _, _, holds in carriers(subject))


def _push_carrier(subject: Subject) -> tuple[Aspect, str, Holds]:
    return ("push", "limited pushes", lambda layer: is_exact(subject, layer))


def no_bypass(subject: Subject) -> Iterator[Verdict]:
    """Nobody goes past everything that carries a rule, neither always nor in pull requests."""
    passing: list[tuple[str, str]] = []
    open_: list[Layer] = []
    for aspect, _, holds in carriers(subject):
        carrying = [layer for layer in subject.facts.layers if holds(layer)]
        if any(layer.passes(aspect) == () for layer in carrying):
            continue
        for layer in carrying:
            open_ += [layer] if layer not in open_ else []
            passing += [(actor.text, layer.source) for actor in layer.passes(aspect) or ()]
    if passing:
        who, where = (dict.fromkeys(column) for column in zip(*passing, strict=True))
        yield failed("NO_BYPASS", ", ".join(who), NOBODY, ", ".join(where))
    elif open_:  # nobody is known who goes past them, for want of their lists
        permission = ORGANISATION if any(layer.kind == "organisation" for layer in open_) else "administration: write"
        yield unknown("NO_BYPASS", NOBODY, _sources(open_), permission)
    elif not subject.facts.all_layers and not _rulesets_suffice(subject):
        yield unknown("NO_BYPASS", NOBODY, "classic protection")
    else:
        yield passed("NO_BYPASS", NOBODY, NOBODY, _sources(list(subject.facts.layers)) or _all(subject))


def is_exact(subject: Subject, layer: Layer) -> bool:
    """Whether a layer limits pushes to exactly the right ones.

    A ruleset does when `update` is its only rule and they go past it in pull requests only: so nobody pushes directly.
    """
    wanted = wanted_pushers(subject)
    if layer.kind == "classic":
        return layer.pushers is not None and frozenset(layer.pushers) == wanted
    through_pulls = frozenset(Actor(actor.kind, actor.name, True) for actor in wanted)
    return layer.only_update and layer.bypass is not None and frozenset(layer.bypass) == through_pulls


def push_limited(subject: Subject) -> Iterator[Verdict]:
    """Only the maintainers (and the release App) bring commits in; every layer that limits pushes says the same."""
    should = ", ".join(actor.text for actor in sorted(wanted_pushers(subject)))
    limiting = [layer for layer in subject.facts.layers if layer.pushers is not None]
    odd = [layer for layer in limiting if not is_exact(subject, layer)]
    hidden = [layer for layer in odd if layer.kind != "classic" and layer.bypass is None]
    known = [layer for layer in odd if layer not in hidden]
    if known:
        said = "; ".join(f"{_who(layer)} by {layer.source}" for layer in known)
        yield failed("PUSH_LIMITED", said, should, _sources(known))
    elif hidden:
        permission = ORGANISATION if any(layer.kind == "organisation" for layer in hidden) else "administration: write"
        yield unknown("PUSH_LIMITED", should, _sources(hidden), permission)
    elif limiting:
        yield passed("PUSH_LIMITED", should, should, _sources(limiting))
    elif not subject.facts.all_layers:
        yield unknown("PUSH_LIMITED", should, "classic protection", ADMINISTRATION)
    else:
        yield failed("PUSH_LIMITED", "anybody with write access", should, _all(subject))


def _who(layer: Layer) -> str:
    names = ", ".join(actor.text for actor in sorted(layer.pushers or ())) or NOBODY
    return names if layer.kind == "classic" or layer.only_update else f"{names}, among other rules,"
