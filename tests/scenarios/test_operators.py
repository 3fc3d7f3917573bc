"""Several people at work on one release, or on two: one train, nothing twice, and everybody is told where it stands.

Both processes stand in front of the same write before either may make it; then first one wins and then the other.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import RUN_ALL
from ms_release.forge import git
from scenarios import oracle
from scenarios.barrier import Operator, at_once
from scenarios.phases import APPROVE, PHASES, PUBLISH, Phase, Undisturbed
from scenarios.picture import take_picture
from scenarios.prefork import Typed
from scenarios.stage import BETA, FIRST, HOME, Saved, Stage, staging
from scenarios.wire import Asked, Kill

Tally = Callable[[str, int], None]

STABLE = ("--channel", "stable", "--auto")
MAINTAINERS = ("alice", "erin")
PAIRS = (("alice", "alice"), ("alice", "erin"), ("erin", "alice"))
APPROVERS = (("bob", "bob"), ("bob", "dana"), ("dana", "bob"))
TWICE = ("dispatch ",)
"""A dispatch expects nothing, so two that meet are both carried out: the second run finds everything done.

They can meet there by themselves too: behind the write where they were held, both go on as fast as they can.
"""


@pytest.fixture(scope="session")
def undisturbed(saved: Saved) -> Undisturbed:
    return Undisturbed(saved)


def two_managers(stage: Stage) -> None:
    """Dana is a release manager too."""
    team = stage.store.get("team", "midi-studio/release-managers")
    assert team is not None
    stage.store.put("team", "midi-studio/release-managers", {**team, "members": ["bob", "dana"]})


def own_writes(undisturbed: Undisturbed, phase: Phase) -> list[Asked]:
    """The writes that the command of a phase makes itself."""
    return [asked for asked in undisturbed.asked(phase) if asked.write and asked.who == phase.who]


def pairs(phase: Phase, write: Asked) -> tuple[tuple[str, str], ...]:
    """Who types at once; by default one of the pairs, always the same."""
    every = APPROVERS if phase is APPROVE else PAIRS
    return every if RUN_ALL else (every[zlib.crc32(str(write).encode()) % len(every)],)


@pytest.mark.parametrize("name", ["prepare", "build", "publish", "approve", "record"])
def test_two_in_front_of_the_same_write(undisturbed: Undisturbed, tmp_path: Path, tally: Tally, name: str) -> None:
    phase, wrong = PHASES[name], list[str]()
    writes = own_writes(undisturbed, phase)
    assert writes
    for number, write in enumerate(writes):
        for pair in pairs(phase, write):
            root = tmp_path / f"{number}-{'-'.join(pair)}"
            problems = list(race(undisturbed, phase, write, pair, root, first=number == 0))
            wrong += [f"{' and '.join(pair)} at {write}: {problem}" for problem in problems]
            tally("races of two operators", 1)
    assert not wrong, "\n".join(wrong)


def race(
    undisturbed: Undisturbed, phase: Phase, write: Asked, pair: tuple[str, str], root: Path, *, first: bool
) -> Iterator[str]:
    """Somebody died before this write; two go on at once, and meet in front of it. What is then not as it should be."""
    root.mkdir()
    with undisturbed.playing(phase, root) as act:
        stage = act.stage
        two_managers(stage)
        if not first:
            act.wire.aim(Kill(write, "before"))
            assert act.type().exit == -9
        both = [Operator(f"place {n}", who, phase.arguments, phase.typed) for n, who in enumerate(pair)]
        endings, held = at_once(stage, both)
        if [each and (each.method, each.path) for each in held] != [(write.method, write.path)] * 2:
            yield f"held at {held}"
        allowed = {0, 3} if phase is APPROVE else {0, 4}  # who comes second goes on with the same plan
        for typed in endings:
            yield from oracle.told(typed, allowed)
        if phase is APPROVE:
            yield from second_approver(endings, pair)
        act.finish()
        found, wanted = take_picture(stage), undisturbed.picture(phase)
        dispatched = any("/dispatches" in asked.path for asked in own_writes(undisturbed, phase))
        if twice := oracle.repeated(stage.performed(), TWICE if dispatched else ()):
            yield f"done twice: {twice}"
        if lost := set(wanted["effects"]) - set(found["effects"]):
            yield f"lost: {lost}"
        people = ("bob", "dana") if phase is APPROVE else MAINTAINERS
        parts = oracle.STANDING if dispatched else (*oracle.STANDING, "runs", "effects")
        yield from oracle.different(found, wanted, parts, people)
        alive = [run["id"] for run in stage.store.find("run") if run["status"] != "completed"]
        if len(alive) > (phase is PUBLISH):
            yield f"runs {alive} go on"


def second_approver(endings: list[Typed], pair: tuple[str, str]) -> Iterator[str]:
    """The first review counts; the other person is told of it."""
    said = endings[1].document.get("error", {})
    if [typed.exit for typed in endings] != [0, 3] or f"was approved by @{pair[0]}" not in said["cause"]:
        yield f"the second approver: {endings}"


@pytest.mark.parametrize("world", ["new", "ready", "prepare"])
def test_four_at_the_same_moment(undisturbed: Undisturbed, saved: Saved, tmp_path: Path, world: str) -> None:
    start = undisturbed.before(Phase("", "", (), world))
    with staging(start, tmp_path, direct=True) as stage:
        typing = [Operator(f"place {n}", MAINTAINERS[n % 2], ("publish", *BETA)) for n in range(4)]
        endings, _ = at_once(stage, typing, together=True)
        problems = [problem for typed in endings for problem in oracle.told(typed, {4})]
        assert problems == []
        with stage.approving():
            endings = [stage.type(who, "publish", *BETA, "--watch") for who in MAINTAINERS]
        assert [typed.exit for typed in endings] == [0, 0], endings
        stage.settle()
        assert stage.published() == stage.tags() == [FIRST]
        assert oracle.repeated(stage.performed(), (*TWICE, "cancel-run ")) == {}
        assert [run["id"] for run in stage.store.find("run") if run["status"] != "completed"] == []
        wanted = undisturbed.picture(PHASES["record"])
        parts = oracle.STANDING if world != "new" else ("refs",)  # a plan says which candidates were there already
        assert list(oracle.different(take_picture(stage), wanted, parts, MAINTAINERS)) == []
        assert stage.type("carol", "content", "verify", FIRST).exit == 0


@pytest.mark.parametrize("winner", ["the file", "auto"])
def test_a_plan_file_against_auto(undisturbed: Undisturbed, saved: Saved, tmp_path: Path, winner: str) -> None:
    with staging(saved.ready(), tmp_path, direct=True) as stage:
        planned = stage.type("alice", "plan", *BETA).document["plan"]
        file = Operator("the file", "alice", ("prepare", "--plan", planned, "--watch"))
        auto = Operator("auto", "erin", ("prepare", *BETA, "--watch"))
        both = [file, auto] if winner == "the file" else [auto, file]
        (first, second), held = at_once(stage, both)
        assert all(held)
        assert oracle.repeated(stage.performed()) == {}
        if first.exit:  # the second has committed while the first held nothing but an empty branch
            first, second, both = second, first, both[::-1]
        assert first.exit == 0, first
        if both[1] is auto:
            assert (second.exit, second.document["tag"]) == (0, FIRST), second
            assert second.document["digest"] == first.document["digest"]
        else:
            assert (second.exit, second.document["error"]["next"]) == (3, "ms release status")
            assert f"release/{FIRST} holds another" in second.document["error"]["cause"]
            assert "held by @erin since 20" in second.document["error"]["cause"]
            assert f"plan {first.document['digest'][:12]}" in second.document["error"]["cause"]


def test_beta_and_stable_at_the_same_moment(saved: Saved, tmp_path: Path) -> None:
    with staging(saved.ready(), tmp_path, direct=True) as stage:
        beta = Operator("beta", "alice", ("prepare", *BETA, "--watch"))
        stable = Operator("stable", "erin", ("prepare", *STABLE, "--watch"))
        endings, _ = at_once(stage, [beta, stable])
        problems = [problem for typed in endings for problem in oracle.told(typed, {0, 3, 4})]
        assert problems == []
        with stage.approving():
            for _ in range(4):
                for who, channel in (("alice", BETA), ("erin", STABLE)):
                    typed = stage.type(who, "publish", *channel, "--watch")
                    assert list(oracle.told(typed, {0, 3, 4})) == []
        assert sorted(stage.published()) == sorted(stage.tags()) == ["v0.1.0", FIRST]
        assert oracle.repeated(stage.performed(), ("update-pull ", "commit ")) == {}
        for tag in ("v0.1.0", FIRST):
            assert stage.type("carol", "content", "verify", tag).exit == 0
        first, second = sorted(entries(stage), key=lambda entry: entry["previous"] is not None)
        assert (first["previous"], second["previous"]["tag"]) == (None, first["tag"])


def entries(stage: Stage) -> list[dict[str, object]]:
    """The ledger."""
    names = git.run(stage.forge.git_dir(HOME), "ls-tree", "--name-only", "main", "release/ledger/").decode().split()
    return [
        json.loads(git.read_file(stage.forge.git_dir(HOME), "main", name) or b"")
        for name in names
        if name[-5:] == ".json"
    ]


@pytest.mark.parametrize("name", ["prepare", "publish", "approve", "record"])
@pytest.mark.sampled(3)
@pytest.mark.parametrize("canceller", [0, 1], ids=["cancel first", "cancel second"])
def test_while_another_one_cancels(undisturbed: Undisturbed, tmp_path: Path, name: str, canceller: int) -> None:
    phase, wrong = PHASES[name], list[str]()
    for number, write in enumerate(own_writes(undisturbed, phase)):
        root = tmp_path / str(number)
        problems = list(against_cancel(undisturbed, phase, write, root, first=number == 0, canceller=canceller))
        wrong += [f"at {write}: {problem}" for problem in problems]
    assert not wrong, "\n".join(wrong)


def against_cancel(
    undisturbed: Undisturbed, phase: Phase, write: Asked, root: Path, *, first: bool, canceller: int
) -> Iterator[str]:
    """One goes on from before this write, another gives the release up: it is out, or given up for good."""
    root.mkdir()
    with undisturbed.playing(phase, root) as act:
        stage = act.stage
        if not first:
            act.wire.aim(Kill(write, "before"))
            assert act.type().exit == -9
        both = [Operator("goes on", phase.who, phase.arguments, phase.typed)]
        both.insert(canceller, Operator("cancels", "erin", ("content", "cancel", FIRST, "--yes")))
        endings, _ = at_once(stage, both)
        for typed in endings:
            yield from oracle.told(typed, {0, 3, 4})
        last = stage.type("erin", "content", "cancel", FIRST, "--yes")
        stage.settle()
        yield from oracle.told(last, {0, 3})
        if last.exit == 0:
            mark = git.read_file(stage.forge.git_dir(HOME), "main", f"release/abandoned/{FIRST}.json")
            if mark is None or stage.published() or stage.tags():
                yield f"given up, and yet {stage.published()} {stage.tags()} {mark!r}"
        else:
            recorded = stage.type("alice", *PHASES["record"].arguments)
            verified = stage.type("carol", "content", "verify", FIRST)
            if (recorded.exit, verified.exit, stage.published()) != (0, 0, [FIRST]):
                yield f"neither out nor given up: {last} {recorded} {verified}"
        if twice := oracle.repeated(stage.performed(), ("cancel-run ",)):
            yield f"done twice: {twice}"
        alive = [(run["name"], run["status"]) for run in stage.store.find("run") if run["status"] != "completed"]
        if alive:
            yield f"runs go on: {alive}"
