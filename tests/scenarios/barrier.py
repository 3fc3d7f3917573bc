"""A wire that holds processes in front of the same write, and lets them go on in a given order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from scenarios.prefork import Typed
from scenarios.stage import Stage
from scenarios.wire import JOB, SECONDS, Asked, Kill, Wire


@dataclass(frozen=True)
class Operator:
    """Somebody who types a command, at a place of their own: one person may type at two."""

    place: str
    who: str
    arguments: tuple[str, ...]
    typed: str = ""


class Barrier:
    """Where all wait for all, except for those who have ended; then one after the other, each answered before the next.

    `together`: all at the same moment instead, in whatever order the machine makes of it.
    """

    def __init__(self, places: Sequence[str], *, together: bool = False) -> None:
        self._places = tuple(places)
        self._together = together
        self._standing: set[str] = set()
        self._through: set[str] = set()
        self._changed = threading.Condition()
        self.stood: list[str] = []
        """Who has come here."""

    def stand(self, place: str) -> None:
        """Wait for the others, and for one's turn."""
        before = () if self._together else self._places[: self._places.index(place)]
        with self._changed:
            self._standing.add(place)
            self.stood.append(place)
            self._changed.notify_all()
            everybody, earlier = set(self._places), set(before)
            passed = self._changed.wait_for(
                lambda: everybody <= self._standing | self._through and earlier <= self._through, SECONDS
            )
        assert passed, (place, self._standing, self._through)

    def pass_on(self, place: str) -> None:
        """This one has its answer, or has ended."""
        with self._changed:
            self._through.add(place)
            self._changed.notify_all()


class HeldWire(Wire):
    """The wire of one process; its `nth` write stands in front of the barrier."""

    def __init__(self, upstream: str, barrier: Barrier, place: str, nth: int) -> None:
        super().__init__(upstream)
        self._barrier = barrier
        self._place = place
        self._left = nth
        self._holding = threading.Lock()
        self.held: Asked | None = None
        """The write that has stood there."""

    def count(self, token: str, method: str, path: str, write: bool) -> Kill | None:
        """Number one request; the write that is to be held returns when its turn has come."""
        kill = super().count(token, method, path, write)
        with self._holding:
            asked = self.seen[-1]
            if self.held is not None:  # whoever asks the next thing has the answer to this one
                self._barrier.pass_on(self._place)
            elif write and asked.who != JOB:
                self._left -= 1
                if self._left == 0:
                    self.held = asked
                    self._barrier.stand(self._place)
        return kill


def at_once(
    stage: Stage, operators: Sequence[Operator], *, nth: int = 1, together: bool = False
) -> tuple[list[Typed], list[Asked | None]]:
    """All type at once and meet in front of their `nth` write; how each ended, and the write each was held at."""
    barrier = Barrier([each.place for each in operators], together=together)
    endings: dict[str, Typed] = {}

    def watch(operator: Operator, url: str) -> None:
        try:
            command = stage.begin(operator.who, *operator.arguments, typed=operator.typed, url=url)
            endings[operator.place] = command.end()
        finally:
            barrier.pass_on(operator.place)

    with ExitStack() as stack:
        wires = []
        for operator in operators:
            wire = HeldWire(stage.server.url, barrier, operator.place, nth)
            wire.start()
            stack.callback(wire.stop)
            wires.append(wire)
        threads = [
            threading.Thread(target=watch, args=(operator, wire.url), daemon=True)
            for operator, wire in zip(operators, wires, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stage.settle()
    return [endings[each.place] for each in operators], [wire.held for wire in wires]
