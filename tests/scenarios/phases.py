"""The steps of a release from plan to verify, each with the saved world that it starts from and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scenarios.picture import take_picture
from scenarios.prefork import Typed
from scenarios.stage import BETA, FIRST, Saved, Stage, staging
from scenarios.wire import Asked, Wire, wired

NOTE = "undisturbed.json"
RETYPED = 4


@dataclass(frozen=True)
class Phase:
    """One command, and what its runs do until nothing moves any more."""

    name: str
    who: str
    arguments: tuple[str, ...]
    before: str
    """The phase whose end it starts from, or a world of `Saved`."""
    exit: int = 0
    typed: str = ""


APPROVE = Phase("approve", "bob", ("content", "approve", FIRST), "publish", typed=f"{FIRST}\n")
PUBLISH = Phase("publish", "alice", ("publish", *BETA), "prepare", exit=4)
PHASES = {
    phase.name: phase
    for phase in (
        Phase("plan", "alice", ("plan", *BETA), "ready"),
        Phase("build", "alice", ("prepare", *BETA, "--watch"), "new"),
        Phase("prepare", "alice", ("prepare", *BETA, "--watch"), "ready"),
        PUBLISH,
        APPROVE,
        Phase("record", "alice", ("publish", *BETA, "--watch"), "approve"),
        Phase("verify", "alice", ("content", "verify", FIRST), "record"),
    )
}


@dataclass
class Act:
    """A phase being played on a stage, with a wire between the forge and everybody who asks it."""

    phase: Phase
    stage: Stage
    wire: Wire
    endings: list[Typed] = field(default_factory=list)

    def type(self) -> Typed:
        """Type the command of the phase, and let its runs come to rest."""
        return self.type_as(self.phase)

    def type_as(self, phase: Phase) -> Typed:
        """Type the command of another phase."""
        command = self.stage.begin(phase.who, *phase.arguments, typed=phase.typed, url=self.wire.url)
        self.wire.introduce(f"{phase.who}-token", command)
        typed = command.end()
        self.stage.settle()
        self.endings.append(typed)
        return typed

    def reached(self) -> bool:
        """Whether the phase has come to its goal."""
        match self.phase.name:
            case "publish":
                return self.stage.waiting() is not None
            case "approve":
                return FIRST in self.stage.published()
            case _:
                return self.endings[-1].exit == self.phase.exit

    def finish(self) -> None:
        """What people do after a failure: type the same again; a run that failed must be started and approved anew."""
        for _ in range(RETYPED):
            if self.phase is APPROVE and not self.reached() and self.stage.waiting() is None:
                self.type_as(PUBLISH)
            self.type()
            if self.reached():
                return
        raise AssertionError(f"{self.phase.name} does not come to its end: {self.endings}\n{self.stage.failures()}")


class Undisturbed:
    """The worlds between the phases when nothing goes wrong, and what was asked on the way."""

    def __init__(self, saved: Saved) -> None:
        self.saved = saved

    def before(self, phase: Phase) -> Path:
        """The world in which the phase begins."""
        match phase.before:
            case "new":
                return self.saved.new()
            case "ready":
                return self.saved.ready()
            case name:
                return self._after(PHASES[name]) / "forge"

    def picture(self, phase: Phase) -> dict[str, Any]:
        """What the world looks like after the phase."""
        found: dict[str, Any] = self._note(phase)["picture"]
        return found

    def asked(self, phase: Phase) -> list[Asked]:
        """Every request of the phase, by its command and by the commands in its jobs."""
        return [Asked(**each) for each in self._note(phase)["asked"]]

    @contextmanager
    def playing(self, phase: Phase, root: Path, *, world: Path | None = None, direct: bool = True) -> Iterator[Act]:
        """The phase, about to begin, in its own or another world. `direct`: its jobs are run without act."""
        with staging(world or self.before(phase), root, direct=direct) as stage, wired(stage.server.url) as wire:
            stage.runner.url = wire.url
            stage.runner.begun = wire.introduce
            yield Act(phase, stage, wire)

    def _note(self, phase: Phase) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._after(phase) / NOTE).read_text())
        return found

    def _after(self, phase: Phase) -> Path:
        def make(root: Path) -> None:
            with self.playing(phase, root) as act:
                typed = act.type()
                assert typed.exit == phase.exit, f"{typed}\n{act.stage.failures()}"
                asked = [asdict(each) for each in act.wire.seen]
                note = {"picture": take_picture(act.stage), "asked": asked}
            (root / NOTE).write_text(json.dumps(note))

        return self.saved.once(f"after-{phase.name}", make)
