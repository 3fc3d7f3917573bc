"""What GitHub refuses on protected branches and tags, as pure functions over plain facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PASSING = ("success", "skipped", "neutral")
"""Conclusions that satisfy a required check (G17)."""

UNAUTHORIZED = (
    "You're not authorized to push to this branch. Visit "
    "https://docs.github.com/repositories/configuring-branches-and-merges-in-your-repository/"
    "managing-protected-branches/about-protected-branches for more information."
)


@dataclass(frozen=True)
class Check:
    """A required check; bound to one app when `app_id` is given (G18)."""

    context: str
    app_id: int | None = None


@dataclass(frozen=True)
class Seen:
    """The newest result of one check (or status, then `app_id` is None); state: success, failure or pending."""

    name: str
    app_id: int | None
    state: str
    status: bool = False


@dataclass(frozen=True)
class Layer:
    """What one protection, classic or a ruleset, still demands of one actor on one reference (G40: they add up)."""

    source: str
    checks: tuple[Check, ...] = ()
    checks_on_create: bool = False
    strict: bool = False
    reviews: int | None = None
    no_push: bool = False
    no_force: bool = False
    no_delete: bool = False
    no_create: bool = False
    no_update: bool = False
    linear: bool = False
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Push:
    """A change of a reference: what (create, update, delete), whether it drops commits, what is known of its target."""

    kind: str
    forced: bool = False
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Merge:
    """A merge of a pull request that somebody wants now."""

    method: str
    seen: tuple[Seen, ...] = ()
    approvals: int = 0
    behind: bool = False
    conflict: bool = False
    draft: bool = False


@dataclass(frozen=True)
class Violation:
    """One refusal: which layer, in GitHub's words."""

    source: str
    message: str


def conclude(check: Check, seen: Iterable[Seen]) -> str:
    """What a required check stands at: success, failure, pending or expected (nothing seen).

    A check and a status of the same name are both required (G16); a bound check counts only from its app (G18).
    """
    states = [s.state for s in seen if s.name == check.context and (check.app_id is None or (s.app_id == check.app_id))]
    if not states:
        return "expected"
    return next((state for state in ("failure", "pending") if state in states), "success")


def check_messages(checks: Sequence[Check], seen: Sequence[Seen]) -> list[str]:
    """The refusal for required checks that do not stand at success; empty when all do."""
    words = {"failure": "failing", "pending": "in progress", "expected": "expected"}
    open_ = [(check, conclude(check, seen)) for check in checks]
    open_ = [(check, state) for check, state in open_ if state != "success"]
    if not open_:
        return []
    if len(open_) == 1:
        return [f'Required status check "{open_[0][0].context}" is {words[open_[0][1]]}.']
    counts = {word: sum(state == key for _, state in open_) for key, word in words.items()}
    kinds = [(word, count) for word, count in counts.items() if count]
    of = f"{len(open_)} of {len(checks)} required status checks"
    if len(kinds) == 1:
        return [f"{of} are {kinds[0][0]}."]
    return [f"{of} have not succeeded: {' and '.join(f'{count} {word}' for word, count in kinds)}."]


def refuse_push(layers: Iterable[Layer], push: Push) -> list[Violation]:
    """Why a direct change of a reference (git push, refs API, commit API) is refused; empty when it is not."""
    return [Violation(layer.source, text) for layer in layers for text in _push_messages(layer, push)]


def _push_messages(layer: Layer, push: Push) -> list[str]:
    if push.kind == "delete":
        what = "protected ref." if layer.source == "immutable release" else "branch"
        return [f"Cannot delete this {what}"] if layer.no_delete else []
    texts: list[str] = []
    if push.kind == "create":
        if layer.no_create:
            texts.append("Cannot create ref due to creations being restricted.")
        if layer.no_push:
            texts.append(UNAUTHORIZED)
        return texts + (check_messages(layer.checks, push.seen) if layer.checks_on_create else [])
    if push.forced and layer.no_force:
        texts.append("Cannot force-push to this branch")
    if layer.no_update:
        texts.append("Cannot update this protected ref.")
    if layer.no_push:
        texts.append(UNAUTHORIZED)
    if layer.reviews is not None:
        texts.append("Changes must be made through a pull request.")
    return texts + check_messages(layer.checks, push.seen)


def refuse_merge(layers: Sequence[Layer], merge: Merge) -> list[Violation]:
    """Why a pull request cannot be merged now (each is a 405, G11); the first is the one that GitHub names."""
    if merge.draft:
        return [Violation("pull", "Pull Request is still a draft")]
    if merge.conflict:
        return [Violation("pull", "Pull Request is not mergeable")]
    found = [Violation(layer.source, text) for layer in layers for text in _merge_messages(layer, merge)]
    if merge.behind and any(layer.strict for layer in layers):
        found.append(Violation("base", "Base branch was modified. Review and try the merge again."))
    return found


def _merge_messages(layer: Layer, merge: Merge) -> list[str]:
    texts: list[str] = []
    names = {"merge": "Merge commits are", "squash": "Squash merges are", "rebase": "Rebase merges are"}
    if (layer.linear and merge.method == "merge") or (layer.methods and merge.method not in layer.methods):
        texts.append(f"{names[merge.method]} not allowed on this repository.")
    if layer.no_update or layer.no_push:
        texts.append(UNAUTHORIZED)
    if layer.reviews is not None and merge.approvals < layer.reviews:
        some = "1 approving review is" if layer.reviews == 1 else f"{layer.reviews} approving reviews are"
        texts.append(f"At least {some} required by reviewers with write access.")
    return texts + check_messages(layer.checks, merge.seen)


def api_message(violations: Sequence[Violation]) -> str:
    """Violations as the API words them."""
    if any(violation.source == "ruleset" for violation in violations):
        return "Repository rule violations found\n\n" + "".join(f"{v.message}\n\n" for v in violations)
    return " ".join(violation.message for violation in violations)


def git_message(ref: str, violations: Sequence[Violation]) -> str:
    """Violations as a pusher reads them: GH013 for rulesets, GH006 for classic protection."""
    if any(violation.source == "ruleset" for violation in violations):
        head = f"error: GH013: Repository rule violations found for {ref}."
    else:
        head = f"error: GH006: Protected branch update failed for {ref}."
    return "\n".join([head, *(f"\n- {violation.message}" for violation in violations)]) + "\n"
