"""The loop of every verb: observe, decide, perform, observe again, until the goal stands or somebody else must act.

There is no session: whoever runs the same verb again looks at the forge and goes on from there. A dry run is the same
loop with `foretell` in the place of `perform`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from ms_release.core.action import Act, Action, Ask, Blocked, Done, Next, Wait, Watch
from ms_release.core.foretell import Outcome, foretell
from ms_release.core.observation import Observation
from ms_release.errors import BlockedError, OvertakenError, StalePlanError, WaitingError
from ms_release.ports import Clock, Progress, Writer

Decide = Callable[[Observation], Next]
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0


class Sight(Protocol):
    """How one verb looks at its goal."""

    def look(self) -> Observation:
        """The facts now."""

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        """The same facts with those that were asked for."""

    def changed(self, watch: Watch) -> bool:
        """Whether a watched resource is not any more what the decision to wait saw."""


class Operation:
    """One verb on its way to its goal. `performed` is the list of effects so far, in order."""

    def __init__(self, sight: Sight, writer: Writer, clock: Clock, progress: Progress) -> None:
        self._sight = sight
        self._writer = writer
        self._clock = clock
        self._progress = progress
        self._known: list[tuple[Action, Outcome]] = []
        self._acted_on: Observation | None = None
        self._overtaken: set[str] = set()
        self._alive: frozenset[int] = frozenset()
        self._waited: Wait | None = None
        self._pause = FIRST_PAUSE
        self.performed: list[Action] = []

    def run(self, decide: Decide, *, watch: bool) -> Done:
        """Go on until Done. `watch`: stay while others act, else end as waiting.

        Raises BlockedError (StalePlanError for a moved fact), WaitingError, and whatever the adapters raise.
        """
        while True:
            facts, step = self._decide(decide)
            match step:
                case Done():
                    return step
                case Blocked():
                    raise ending(step)
                case Wait():
                    if not watch:
                        raise ending(step)
                    self._wait(step)
                case Act():
                    self._acted_on = facts if self._perform(step) else None
                case Ask():
                    raise AssertionError(f"{step.what} was answered and is asked for again")

    def _decide(self, decide: Decide) -> tuple[Observation, Next]:
        if self._acted_on is not None:
            facts, self._acted_on = self._with_known(self._acted_on), None
            if isinstance(step := decide(facts), Wait) and _watchable(step):
                return facts, step  # the watched resources will say it if something else has happened meanwhile
        doubted: Next | None = None
        while True:
            facts, step = self._observe(decide)
            if not isinstance(step, Blocked) or step == doubted:
                return facts, step
            doubted = step  # parts of a look are younger than others: somebody may have merged in between

    def _observe(self, decide: Decide) -> tuple[Observation, Next]:
        """A look with what was asked on the way, and the step it leads to."""
        facts = self._with_known(self._sight.look())
        asked: set[str] = set()
        while isinstance(step := decide(facts), Ask) and step.what not in asked:
            asked.add(step.what)
            facts = self._with_known(self._sight.answer(facts, step))
        return facts, step

    def _with_known(self, facts: Observation) -> Observation:
        """What our own writes answered counts, even while the forge's reads lag behind them (github-facts G6)."""
        for action, outcome in self._known:
            facts = foretell(facts, action, outcome)
        every = (*(facts.runs or ()), *(r for runs in (facts.candidate_runs or {}).values() for r in runs))
        self._alive |= facts.seen_alive | {r.id for r in every if r.status != "completed"}
        return replace(facts, seen_alive=self._alive)

    def _perform(self, step: Act) -> bool:
        """All of them; False when somebody else was faster, and the next look says what is due now.

        Raises OvertakenError when that happens a second time with the same action.
        """
        for action in step.actions:
            self._progress.act(action)
            try:
                outcome = self._writer.perform(action)
            except OvertakenError:
                if action.key in self._overtaken:
                    raise
                self._overtaken.add(action.key)
                return False
            self._known.append((action, outcome))
            self.performed.append(action)
        return True

    def _wait(self, step: Wait) -> None:
        """Ask only for the watched resources, ever more slowly, until one of them has changed."""
        if step != self._waited:
            self._waited, self._pause = step, FIRST_PAUSE
        started = self._clock.now()
        while True:
            elapsed = (self._clock.now() - started).total_seconds()
            self._progress.wait(f"waiting for {step.reason} ({elapsed:.0f} s)")
            self._clock.sleep(self._pause)
            self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
            if any(self._sight.changed(watch) for watch in step.watch):
                return


def _watchable(step: Wait) -> bool:
    """Whether every watched resource is known by its number: not all forges answer a dispatch with that of its run."""
    return all(watch.id not in ("", "0") for watch in step.watch)


def ending(step: Wait | Blocked) -> WaitingError | BlockedError:
    """How a command ends that may not go on, or that does not stay while others act."""
    if isinstance(step, Wait):
        return WaitingError(
            f"waiting for {step.reason}",
            remedy=f"{step.who} must act; then run the same command again.",
            next_command=step.next_command,
            findings=step.findings,
        )
    kind = StalePlanError if step.stale else BlockedError
    return kind(step.cause, remedy=step.remedy, next_command=step.next_command, findings=step.findings)


def foresee(
    sight: Sight, decide: Decide, assume: Callable[[Observation, Wait], Observation | None]
) -> tuple[list[Action], Next]:
    """The dry run: the actions from here on, and the step it ends at. `assume` says what a wait is taken to bring."""
    facts, actions = sight.look(), list[Action]()
    step: Next | None = None
    while True:
        before, step = step, decide(facts)
        assert step != before, f"{step} changes nothing"
        if isinstance(step, Ask):
            facts = sight.answer(facts, step)
        elif isinstance(step, Act):
            for number, action in enumerate(step.actions):
                facts = foretell(facts, action, Outcome(id=-1 - len(actions) - number, sha="0" * 40))
            actions += step.actions
        elif isinstance(step, Wait) and (assumed := assume(facts, step)) is not None:
            facts = assumed
        else:
            return actions, step
