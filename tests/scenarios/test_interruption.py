"""Killed at any point and typed again, a command ends in the same world, and no effect happens twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scenarios.picture import take_picture
from scenarios.proxy import Point, proxying
from scenarios.stage import BETA, Saved, Stage, end, staging

WRITES = {"prepare": 4, "publish": 5}
"""What the operator's own process changes: a test below compares."""
READS = 2
NOTE = "undisturbed.json"


def points(verb: str) -> list[Any]:
    """Around every write, and at some of the reads (numbered within so many parts of all of them)."""
    around = [Point("write", number + 1, answered) for number in range(WRITES[verb]) for answered in (False, True)]
    between = [Point("read", part + 1, bool(part % 2)) for part in range(READS)]
    return [pytest.param(verb, point, id=f"{verb}-{_name(point)}") for point in (*around, *between)]


def _name(point: Point) -> str:
    return f"{'after' if point.answered else 'before'}-{point.kind}-{point.number}"


class Undisturbed:
    """The worlds after each verb when nothing goes wrong, and what was counted on the way there."""

    def __init__(self, saved: Saved) -> None:
        self._saved = saved

    def before(self, verb: str) -> Path:
        """The world in which the verb is typed."""
        return self._saved.ready() if verb == "prepare" else self.after("prepare") / "forge"

    def after(self, verb: str) -> Path:
        """The directory of the world when the verb has ended."""

        def make(root: Path) -> None:
            with staging(self.before(verb), root) as stage, proxying(stage.server.url) as proxy:
                finish(stage, verb, proxy.url)
                note = {"picture": take_picture(stage), "counts": dict(proxy.counts)}
            (root / NOTE).write_text(json.dumps(note))

        return self._saved.once(f"after-{verb}", make)

    def note(self, verb: str) -> dict[str, Any]:
        """What the world after the verb looks like (`picture`), and how many requests led there (`counts`)."""
        found: dict[str, Any] = json.loads((self.after(verb) / NOTE).read_text())
        return found


def finish(stage: Stage, verb: str, url: str) -> None:
    """Type the verb and let it come to its end, and everything that it has set going."""
    with stage.approving():
        ended = end(stage.begin("alice", verb, *BETA, "--watch", url=url))
    assert ended.exit == 0, ended.errors + stage.failures()
    stage.settle()


@pytest.fixture(scope="session")
def undisturbed(saved: Saved) -> Undisturbed:
    return Undisturbed(saved)


def test_every_write_of_the_operator_is_a_point(undisturbed: Undisturbed) -> None:
    assert {verb: undisturbed.note(verb)["counts"]["write"] for verb in WRITES} == WRITES
    assert sum(len(points(verb)) for verb in WRITES) >= 20
    for verb in WRITES:
        assert set(undisturbed.note(verb)["picture"]["effects"].values()) == {1}


@pytest.mark.parametrize(("verb", "point"), [*points("prepare"), *points("publish")])
def test_killed_and_typed_again(undisturbed: Undisturbed, tmp_path: Path, verb: str, point: Point) -> None:
    expected = undisturbed.note(verb)
    if point.kind == "read":
        spread = point.number * expected["counts"]["read"] // (READS + 1)
        point = Point("read", spread, point.answered)
    with staging(undisturbed.before(verb), tmp_path) as stage, proxying(stage.server.url) as proxy:
        with stage.approving():
            tell = proxy.aim(point)
            running = stage.begin("alice", verb, *BETA, "--watch", url=proxy.url)
            tell(running)
            ended = end(running)
        assert ended.exit == -9, ended.errors + stage.failures()
        finish(stage, verb, proxy.url)
        assert take_picture(stage) == expected["picture"], proxy.killed_at
