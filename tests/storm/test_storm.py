"""A few episodes of the storm, always the same; with `--all` more. `./dev storm` goes on for as long as it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import RUN_ALL
from scenarios import oracle
from scenarios.phases import Undisturbed
from scenarios.prefork import Typed
from scenarios.stage import Saved
from storm.episode import play, requests
from storm.script import STARTS, write

EPISODES = range(100, 108 if RUN_ALL else 103)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(Saved(tmp_path_factory.mktemp("storm-worlds")))


@pytest.mark.parametrize("seed", EPISODES)
def test_an_episode(undisturbed: Undisturbed, tmp_path: Path, tally: Callable[[str, int], None], seed: int) -> None:
    ending = play(seed, undisturbed, tmp_path / "episode")
    tally("storm episodes", 1)
    tally("storm violations", len(ending.violations))
    assert ending.violations == [], "\n".join(ending.log)


def test_a_seed_makes_the_same_choices(undisturbed: Undisturbed) -> None:
    asked = requests(undisturbed)
    scripts = [write(seed, asked) for seed in range(300)]
    assert scripts == [write(seed, asked) for seed in range(300)]
    assert {script.start for script in scripts} == set(STARTS)
    wrong = [sum(len(move.faults) + (move.doom is not None) for move in script.moves) for script in scripts]
    assert set(wrong) == {0, 1, 2}
    assert 0.15 < sum(script.parallel for script in scripts) / len(scripts) < 0.35


GOOD = {"error": {"cause": "waiting", "remedy": "wait"}}


@pytest.mark.parametrize(
    ("typed", "problems"),
    [
        (Typed(0, {}, ""), 0),
        (Typed(4, GOOD, ""), 0),
        (Typed(1, GOOD, ""), 1),
        (Typed(4, {}, ""), 1),
        (Typed(4, {"error": {"cause": "waiting", "remedy": ""}}, ""), 1),
        (Typed(4, GOOD, "Traceback (most recent call last)"), 1),
    ],
)
def test_the_judge_of_endings(typed: Typed, problems: int) -> None:
    assert len(list(oracle.told(typed, {0, 4}))) == problems


def test_the_judge_of_worlds() -> None:
    assert oracle.repeated(["merge-pull a", "dispatch b", "merge-pull a", "dispatch b"], ("dispatch ",)) == {
        "merge-pull a": 2
    }
    mine, hers = {"pulls": ["alice", 1]}, {"pulls": ["erin", 1]}
    assert list(oracle.different(mine, hers, ["pulls"], ("alice", "erin"))) == []
    assert len(list(oracle.different(mine, hers, ["pulls"]))) == 1
