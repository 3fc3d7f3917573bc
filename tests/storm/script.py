"""What happens in an episode, drawn from its seed alone: who types what, what goes wrong, and where somebody dies."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ms_release.forge.faults import KINDS, Fault
from scenarios.stage import BETA, FIRST
from scenarios.wire import JOB, Asked

STARTS = {"new": 1, "ready": 4, "prepared": 3, "waiting": 3, "published": 2}
KILLED = ("before", "unanswered", "answered")
LIMITS = ("primary_limit", "secondary_limit")
PARALLEL = 0.25

_COMMANDS: dict[str, dict[tuple[str, ...], int]] = {
    "alice": {
        ("publish", *BETA): 8,
        ("prepare", *BETA): 4,
        ("prepare", *BETA, "--watch"): 3,
        ("plan", *BETA): 2,
        ("status",): 1,
        ("content", "verify", FIRST): 1,
        ("content", "cancel", FIRST, "--yes"): 1,
    },
    "bob": {("content", "approve", FIRST): 6, ("status",): 1, ("reject",): 1},
    "carol": {("content", "verify", FIRST): 2, ("status",): 2, ("plan", *BETA): 1, ("prepare", *BETA): 1},
}
_COMMANDS["erin"] = _COMMANDS["alice"]


@dataclass(frozen=True)
class Doom:
    """Whoever asks with `who`'s token dies at their `nth` request from now; `who` is a login, or "job"."""

    who: str
    nth: int
    when: str

    def __str__(self) -> str:
        return f"{self.who} dies {self.when} request {self.nth}"


@dataclass(frozen=True)
class Move:
    """Commands that are typed one after the other, or all at once; before them, what is to go wrong."""

    commands: tuple[tuple[str, tuple[str, ...]], ...]
    faults: tuple[Fault, ...] = ()
    doom: Doom | None = None

    def __str__(self) -> str:
        typed = " & ".join(f"@{who} {' '.join(arguments)}" for who, arguments in self.commands)
        wrong = [f"{f.kind} at {f.actor} {f.method} {f.path} #{f.nth} x{f.times}" for f in self.faults]
        return "; ".join([typed, *wrong, *([str(self.doom)] if self.doom else [])])


@dataclass(frozen=True)
class Script:
    """One episode. `parallel`: commands of a move run at once, so that their order is the machine's."""

    seed: int
    start: str
    parallel: bool
    moves: tuple[Move, ...]


def write(seed: int, asked: list[Asked]) -> Script:
    """The episode of this seed; faults hit requests like those that were `asked` when nothing went wrong."""
    chance = random.Random(f"storm {seed}")
    start = chance.choices(list(STARTS), list(STARTS.values()))[0]
    parallel = chance.random() < PARALLEL
    people = chance.sample(sorted(_COMMANDS), chance.randint(1, 4))
    if not {"alice", "erin"} & set(people):
        people[0] = "alice"
    wrong = chance.choices([0, 1, 2], [10, 45, 45])[0]
    moves = []
    count = chance.randint(2, 5)
    faulty = sorted(chance.randrange(count) for _ in range(wrong))
    for number in range(count):
        who = people if parallel and chance.random() < 0.7 else [chance.choice(people)]
        commands = tuple((each, _command(chance, each)) for each in who)
        faults, doom = [], None
        for _ in range(faulty.count(number)):
            if chance.random() < 0.4 and doom is None:
                doom = _doom(chance, who)
            else:
                faults.append(_fault(chance, who, asked))
        moves.append(Move(commands, tuple(faults), doom))
    return Script(seed, start, parallel, tuple(moves))


def _command(chance: random.Random, who: str) -> tuple[str, ...]:
    table = _COMMANDS[who]
    return chance.choices(list(table), list(table.values()))[0]


def _doom(chance: random.Random, who: list[str]) -> Doom:
    victim = chance.choice([*who, JOB])
    return Doom(victim, min(int(chance.expovariate(0.2)) + 1, 60), chance.choice(KILLED))


def _fault(chance: random.Random, who: list[str], asked: list[Asked]) -> Fault:
    """At the n-th request of somebody who types now; or at one like those of the workflows' jobs, which come later."""
    kind = chance.choice(KINDS)
    seconds = 1.0 if kind in LIMITS else round(chance.uniform(0.02, 0.3), 2) if kind == "delay" else 0
    times = chance.choice([1, 1, 1, 2, 4])
    victim = chance.choice([*who, JOB])
    like = chance.choice([each for each in asked if each.who == (JOB if victim == JOB else "alice")])
    if victim == JOB:
        nth = min(int(chance.expovariate(2)) + 1, 4)
        return Fault(kind, like.method, like.path, actor="github-actions*", nth=nth, times=times, seconds=seconds)
    if chance.random() < 0.5:
        return Fault(kind, like.method, actor=victim, nth=chance.randint(1, 4), times=times, seconds=seconds)
    nth = min(int(chance.expovariate(0.2)) + 1, 40)
    return Fault(kind, actor=victim, nth=nth, times=times, seconds=seconds)
