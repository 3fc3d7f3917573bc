"""A model of two operators and two releases, small enough that every state it can reach is visited.

It says in sixty rules what `core` says in two thousand lines: who may do what next, and what the forge refuses. The
operators decide on what they see and act later, when it may have changed; they die between any two steps, with or
without the effect of the last one. Traces of real runs are held against it, so that it is a model of this program.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MANAGER = 3  # approves and requests nothing; operators are 1 and 2


class Release(NamedTuple):
    """One release. `who` are the operators that planned, opened or merged it, as bits.

    `change` and `evidence` say how far each pull request is: none, branch, commit, open, green, red, merged, closed.
    `out` says what of the publication stands: tag, draft, full draft, published. `by` is who approved what is out.
    """

    change: str = "none"
    who: int = 0
    built: bool = False
    stale: bool = False
    last: str = ""
    out: str = ""
    by: int = 0
    evidence: str = "none"


class Run(NamedTuple):
    """A publishing run that has not ended: queued, waiting for its approval, or promoting behind it."""

    release: int
    status: str
    dispatcher: int
    approver: int = 0


class Pending(NamedTuple):
    """What an operator has decided and not done yet."""

    release: int
    verb: str


class State(NamedTuple):
    """The whole world. The forge's concurrency group lets one run of the workflow go on and one wait behind it."""

    releases: tuple[Release, Release] = (Release(), Release())
    active: Run | None = None
    queued: Run | None = None
    operators: tuple[Pending | None, Pending | None] = (None, None)
    accidents: int = 0


class Rules(NamedTuple):
    """What is modelled, and the rules that a test switches off to see that they matter.

    `one_channel`: the second release is the next version of the same channel, and begins when the first one has ended.
    `accidents`: how many facts may move, checks turn red and runs die.
    """

    one_channel: bool = True
    accidents: int = 2
    approver_is_checked: bool = True
    evidence_is_checked: bool = True
    one_run_at_a_time: bool = True
    failed_run_is_started_again: bool = True
    rejection_is_final: bool = True


class Step(NamedTuple):
    """A transition. `verb` is "" for what no effect log shows."""

    actor: int
    verb: str
    release: int
    to: State


UNMERGED = ("open", "green", "red")
NEXT_OF = {"none": "branch", "branch": "commit", "commit": "open"}
OUT = ("", "tag", "draft", "full", "published")


def with_release(state: State, number: int, **changes: object) -> State:
    """The state with one release changed."""
    releases = list(state.releases)
    releases[number] = releases[number]._replace(**changes)
    return state._replace(releases=(releases[0], releases[1]))


def is_done(release: Release) -> bool:
    """Whether a release is published and recorded."""
    return release.out == "published" and release.evidence == "merged"


def is_dead(release: Release) -> bool:
    """Whether a release can never be published by its operators."""
    return release.out != "published" and (release.stale or release.change == "closed" or release.last == "rejected")


def is_end(state: State) -> bool:
    """Whether every release has come to an end."""
    return all(is_done(r) or is_dead(r) for r in state.releases)


# --- what operators decide


def due(state: State, number: int, rules: Rules) -> Iterator[str]:
    """What an operator who looks now may decide to do about a release."""
    release, other = state.releases[number], state.releases[1 - number]
    live = [run for run in (state.active, state.queued) if run is not None and run.release == number]
    over = release.out == "published" or release.last == "rejected"
    # two operators can start the run at once: the oldest counts, the others are ended, one at work is left alone
    if any(run.status != "promoting" for run in (live if over else live[1:])):
        yield "cancel-run"
    if release.out == "published":
        if release.evidence in NEXT_OF:
            yield f"evidence-{NEXT_OF[release.evidence]}"
        elif release.evidence == "open":
            yield "evidence-merge"
        return
    if is_dead(release):
        return
    if rules.evidence_is_checked and other.out == "published" and other.evidence != "merged":
        return
    if rules.one_channel and number == 1 and not (is_done(other) or is_dead(other)):
        return
    if not release.built:
        yield "candidate"
    if release.change in NEXT_OF:
        yield NEXT_OF[release.change]
    elif release.change == "green" and release.built:
        yield "merge"
    elif release.change == "merged" and release.built and not live and _may_dispatch(release, rules):
        yield "dispatch"


def _may_dispatch(release: Release, rules: Rules) -> bool:
    return release.last == "" or (release.last == "failed" and rules.failed_run_is_started_again)


# --- what the forge does with it


def perform(state: State, operator: int, todo: Pending, rules: Rules) -> State | None:
    """The world after an operator's effect, or None where the forge refuses it."""
    number, verb = todo
    release = state.releases[number]
    if verb.startswith("evidence-"):
        return _change(state, number, "evidence", verb.removeprefix("evidence-"))
    if verb == "candidate":
        return state
    if verb == "dispatch":
        return _dispatch(state, Run(number, "queued", operator), rules)
    after = _change(state, number, "change", verb)
    if after is None or verb == "branch":
        return after
    return with_release(after, number, who=release.who | operator)


def _change(state: State, number: int, field: str, verb: str) -> State | None:
    at = getattr(state.releases[number], field)
    if verb == "merge":
        return (
            with_release(state, number, **{field: "merged"}) if at in ("green", "open")[field != "change" :] else None
        )
    if verb == "open" and at == "closed":
        return with_release(state, number, **{field: "open"})
    return with_release(state, number, **{field: verb}) if NEXT_OF.get(at) == verb else None


def _dispatch(state: State, run: Run, rules: Rules) -> State:
    """A new run is queued; the group cancels the one that was queued before it."""
    old = state.queued
    if old is not None:
        state = _ended(state, old.release, "failed")
    return state._replace(queued=run)


def _ended(state: State, number: int, how: str) -> State:
    """A run has ended; a rejection stays, whatever else ends."""
    return state if state.releases[number].last == "rejected" else with_release(state, number, last=how)


# --- every step


def steps(state: State, rules: Rules) -> Iterator[Step]:
    """Every transition out of a state."""
    for step in _steps(state, rules):
        yield Step(step.actor, step.verb, step.release, tidied(step.to))


def tidied(state: State) -> State:
    """The same state without what no rule can read any more: it keeps the number of states small, and loses none.

    A decision that the forge will refuse whatever happens is as good as none: its operator looks again.
    """
    first, second = (None if todo and _is_vain(state, todo) else todo for todo in state.operators)
    if (first, second) != state.operators:
        state = state._replace(operators=(first, second))
    for number, release in enumerate(state.releases):
        if release.out == "published" and (release.last or (release.who and is_done(release))):
            state = with_release(state, number, last="", who=0 if is_done(release) else release.who)
    return state


def representative(state: State) -> State:
    """One of the two states that differ only in which operator is which: the other one need not be visited."""
    return min(state, _swapped(state), key=_order)


def _swapped(state: State) -> State:
    """The same state with the names of the two operators exchanged: what holds for one holds for the other."""
    other = (0, 2, 1, MANAGER)
    first, second = (r._replace(who=(0, 2, 1, 3)[r.who], by=other[r.by]) for r in state.releases)
    active, queued = (
        run and run._replace(dispatcher=other[run.dispatcher], approver=other[run.approver])
        for run in (state.active, state.queued)
    )
    return State((first, second), active, queued, (state.operators[1], state.operators[0]), state.accidents)


def _order(state: State) -> tuple[object, ...]:
    runs = [(0, 0) if run is None else (run.dispatcher, run.approver) for run in (state.active, state.queued)]
    first, second = state.operators
    return (*(r.who for r in state.releases), *(r.by for r in state.releases), *runs, first or (), second or ())


def _is_vain(state: State, todo: Pending) -> bool:
    release = state.releases[todo.release]
    verb, at = todo.verb, release.change
    if verb == "dispatch":
        return False
    if verb == "cancel-run":
        return all(run is None or run.release != todo.release for run in (state.active, state.queued))
    if at == "closed":
        return verb not in ("open", "merge")
    order = ("none", "branch", "commit", "open", "merged")
    return order.index("open" if at in UNMERGED else at) >= order.index("merged" if verb == "merge" else verb)


def _steps(state: State, rules: Rules) -> Iterator[Step]:
    for operator in (1, 2):
        yield from _operator(state, operator, rules)
    for number in (0, 1):
        yield from _nature(state, number, rules)
    if (run := state.queued) is not None and (state.active is None or not rules.one_run_at_a_time):
        # the assembling job looks at every fact once more
        begun = state._replace(queued=None)
        if state.releases[run.release].stale or not state.releases[run.release].built:
            yield Step(0, "", run.release, _ended(begun, run.release, "failed"))
        else:
            yield Step(0, "", run.release, begun._replace(active=run._replace(status="waiting")))
    if state.active is not None:
        yield from _active(state, state.active, rules)


def _operator(state: State, operator: int, rules: Rules) -> Iterator[Step]:
    todo = state.operators[operator - 1]
    if todo is None:
        for number, release in enumerate(state.releases):
            if release.change in UNMERGED:  # the base has moved: a new head, whose checks begin again
                yield Step(operator, "update", number, with_release(state, number, change="open"))
            if release.evidence == "open":
                yield Step(operator, "evidence-update", number, state)
            for verb in due(state, number, rules):
                if verb == "candidate" or verb.startswith("evidence-"):
                    # one changes nothing that is modelled; the other is due whenever the forge would take it
                    after = perform(state, operator, Pending(number, verb), rules)
                    assert after is not None
                    yield Step(operator, verb, number, after)
                    continue
                yield Step(operator, "", number, _thinking(state, operator, Pending(number, verb)))
        return
    idle = _thinking(state, operator, None)
    yield Step(operator, "", todo.release, idle)  # killed before the effect
    if todo.verb == "cancel-run":  # runs have no numbers here: it may hit either, which is more than really happens
        for field in ("active", "queued"):
            run: Run | None = getattr(idle, field)
            if run is not None and run.release == todo.release:
                ended = _ended(idle._replace(**{field: None}), todo.release, "failed")  # type: ignore[arg-type]
                yield Step(operator, todo.verb, todo.release, ended)
        return
    after = perform(idle, operator, todo, rules)
    if after is not None:  # done; whether its answer arrives makes no difference to somebody who looks again
        yield Step(operator, todo.verb, todo.release, after)


def _thinking(state: State, operator: int, todo: Pending | None) -> State:
    first, second = state.operators
    return state._replace(operators=(todo, second) if operator == 1 else (first, todo))


def _nature(state: State, number: int, rules: Rules) -> Iterator[Step]:
    """Checks, builds, and people who close a pull request or make a fact move."""
    release = state.releases[number]
    if not release.built and (release.change != "none" or release.who):
        yield Step(0, "", number, with_release(state, number, built=True))
    if release.change in ("open", "red"):
        yield Step(0, "", number, with_release(state, number, change="green"))
    if state.accidents >= rules.accidents:
        return
    state = state._replace(accidents=state.accidents + 1)
    if release.change in ("open", "green"):
        yield Step(0, "", number, with_release(state, number, change="red"))
    if release.change in UNMERGED:
        yield Step(0, "close", number, with_release(state, number, change="closed"))
    if release.change != "none" and not release.stale and release.out != "published":
        yield Step(0, "", number, with_release(state, number, stale=True))


def _active(state: State, run: Run, rules: Rules) -> Iterator[Step]:
    """Approval, rejection, the checks behind the environment, and publication step by step; a run may die anywhere."""
    number = run.release
    release, over = state.releases[number], state._replace(active=None)
    if run.status == "waiting":
        for approver in (1, 2, MANAGER):
            if approver != run.dispatcher:  # all that the forge's own rule looks at
                # the plan is merged: between the review and the check of the approver nothing changes that it reads
                requested = approver in (1, 2) and release.who & approver and rules.approver_is_checked
                refused = requested or (release.last == "rejected" and rules.rejection_is_final)
                promoting = state._replace(active=run._replace(status="promoting", approver=approver))
                yield Step(approver, "review", number, _ended(over, number, "failed") if refused else promoting)
        yield Step(MANAGER, "reject", number, with_release(over, number, last="rejected"))
    else:
        yield from _promote(state, run, over)
    if state.accidents < rules.accidents:
        yield Step(0, "", number, _ended(over._replace(accidents=state.accidents + 1), number, "failed"))


def _promote(state: State, run: Run, over: State) -> Iterator[Step]:
    number, out = run.release, state.releases[run.release].out
    match out:
        case "":
            yield Step(0, "tag", number, with_release(state, number, out="tag"))
        case "tag":
            yield Step(0, "draft", number, with_release(state, number, out="draft"))
        case "draft":
            yield Step(0, "upload", number, state)  # one of many
            yield Step(0, "upload", number, with_release(state, number, out="full"))
        case "full":
            yield Step(0, "publish", number, with_release(state, number, out="published", by=run.approver))
        case _:
            yield Step(0, "", number, _ended(over, number, "succeeded"))
