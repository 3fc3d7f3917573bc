"""Visiting every state of the model, what must hold in each of them, and holding traces of real runs against it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from model.explicit import OUT, Pending, Rules, State, Step, is_end, representative, steps


class Explored(NamedTuple):
    """Every state that can be reached, with the states it can be reached from."""

    before: dict[State, list[State]]
    transitions: int
    violations: list[tuple[str, State]]


def explore(rules: Rules, start: State = State(), *, stop: bool = False) -> Explored:  # noqa: B008 (a value)
    """Visit every state that can be reached, and look at every transition; `stop` at the first thing that is wrong."""
    before: dict[State, list[State]] = {start: []}
    violations = [(text, start) for text in wrong(start)]
    waiting, transitions = deque([start]), 0
    while waiting and not (stop and violations):
        state = waiting.popleft()
        for step in steps(state, rules):
            transitions += 1
            violations += [(text, state) for text in wrong_step(state, step)]
            to = step.to if step.to in before else representative(step.to)
            known = before.get(to)
            if known is None:
                before[to] = [state]
                waiting.append(to)
                violations += [(text, to) for text in wrong(to)]
            else:
                known.append(state)
    return Explored(before, transitions, violations)


def stuck(found: Explored) -> set[State]:
    """Reached states from which no end can be reached any more."""
    alive = {state for state in found.before if is_end(state)}
    waiting = deque(alive)
    while waiting:
        for state in found.before[waiting.popleft()]:
            if state not in alive:
                alive.add(state)
                waiting.append(state)
    return set(found.before) - alive


def wrong(state: State) -> Iterator[str]:
    """What must not be so in any state."""
    run = state.active
    for number, release in enumerate(state.releases):
        requesters = [n for n in (1, 2) if release.who & n]
        if release.out and release.change != "merged":
            yield "something of a release stands whose plan is not merged"
        if release.out == "published" and (not release.by or release.by in requesters):
            yield "published without the approval of somebody who did not request it"
        if release.evidence != "none" and release.out != "published":
            yield "evidence of what is not published"
        promoting = run is not None and run.release == number and run.status == "promoting"
        if promoting and run and run.approver in (run.dispatcher, 0, *requesters):
            yield "a run promotes what a requester approved"
        if promoting and release.last == "rejected":
            yield "a run promotes what was rejected"


def wrong_step(state: State, step: Step) -> Iterator[str]:
    """What must not happen in any transition."""
    was, becomes = state.releases[step.release], step.to.releases[step.release]
    if was.out == "published" and becomes.out != "published":
        yield "what is published was taken back"
    if OUT.index(becomes.out) > OUT.index(was.out) and (state.active is None or state.active.status != "promoting"):
        yield "published by nobody's run"
    other = state.releases[1 - step.release]
    decided = Pending(step.release, "branch")
    begun = (
        step.actor in (1, 2)
        and state.operators[step.actor - 1] is None
        and step.to.operators[step.actor - 1] == decided
    )
    if begun and other.out == "published" and other.evidence != "merged":
        yield "a release is begun while the evidence of the last one is not merged"
    if state.active is not None and step.to.active is not None and step.to.active.dispatcher:
        same = state.active.release == step.to.active.release and state.active.dispatcher == step.to.active.dispatcher
        if not same or (state.active.status, step.to.active.status) == ("promoting", "waiting"):
            yield "two publishing runs at a time"


# --- holding a trace against it


class Seen(NamedTuple):
    """One effect of a real run: who did it (0 = a workflow or unknown), what, and to which release (None = any)."""

    actor: int
    verb: str
    release: int | None


def first_forbidden(trace: Iterable[Seen], rules: Rules) -> int | None:
    """The number of the first effect that no path of the model allows; None = the whole trace is one of its."""
    possible = _silent({State()}, rules)
    for number, seen in enumerate(trace):
        after = {step.to for state in possible for step in steps(state, rules) if _is(step, seen)}
        if not after:
            return number
        possible = _silent(after, rules)
    return None


def _is(step: Step, seen: Seen) -> bool:
    same_release = seen.release is None or step.release == seen.release
    return step.verb == seen.verb and same_release and (not seen.actor or step.actor == seen.actor)


def _silent(states: set[State], rules: Rules) -> set[State]:
    """These states with all that can be reached from them by what no log shows."""
    found, waiting = set(states), deque(states)
    while waiting:
        for step in steps(waiting.popleft(), rules):
            if not step.verb and step.to not in found:
                found.add(step.to)
                waiting.append(step.to)
    return found
