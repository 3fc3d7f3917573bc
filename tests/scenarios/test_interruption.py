"""Stopped at any request and typed again, every command ends in the same world: nothing happens twice, nothing is lost.

The requests are found by playing each phase once, so a new effect is covered as soon as it is made. Each is a point for
every way in which it can go wrong; the default run tries a tenth of the points, always the same.
"""

from __future__ import annotations

import re
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import RUN_ALL
from ms_release.forge.faults import Fault
from scenarios.phases import PHASES, Act, Phase, Undisturbed
from scenarios.picture import take_picture
from scenarios.wire import JOB, Asked, Kill

KILLS = ("before", "unanswered", "answered")
WRITE_FAULTS = ("drop_before", "fail_before", "commit_then_502", "commit_then_drop", "truncate")
READ_FAULTS = ("drop_before", "fail_before", "truncate")
SHARES = {"plan": 3, "build": 20, "prepare": 5, "publish": 8, "approve": 10, "record": 6, "verify": 5}
"""In how many tests the points of a phase are tried: so many that no process has to wait for another at the end."""
POLLED = re.compile(r"/(actions/runs/\d+|check-runs)\Z")
DOCUMENTED = {0, 3, 4, 6}
PLAYS = 4
"""How often a point that was not come to is tried again."""
MADE_ANEW = ("dispatch ", "review ", "update-asset ", "delete_asset ", "upload ")
"""What a failed run makes people do again: dispatch and approve; and an asset that came only half is sent again."""

Tally = Callable[[str, int], None]


@dataclass(frozen=True)
class Point:
    """One request and what goes wrong with it: a moment of `KILLS` at which the asker dies, or a fault of the forge."""

    asked: Asked
    wrong: str

    def __str__(self) -> str:
        return f"{self.wrong} at {self.asked}"


class NotReached(Exception):
    """This time nobody asked for it, or not so often."""


def points(phase: Phase, undisturbed: Undisturbed) -> Iterator[Point]:
    """Every point of a phase."""
    for asked in undisturbed.asked(phase):
        if asked.nth > 1 and POLLED.search(asked.path):
            continue  # how often something is polled depends on the time of day
        if asked.write:
            yield from (Point(asked, wrong) for wrong in (*KILLS, *WRITE_FAULTS))
            continue
        yield Point(asked, "before")
        yield Point(asked, READ_FAULTS[zlib.crc32(str(asked).encode()) % len(READ_FAULTS)])


def chosen(phase: Phase, undisturbed: Undisturbed, share: int) -> list[Point]:
    """The points that one test tries."""
    every = [point for point in points(phase, undisturbed) if RUN_ALL or zlib.crc32(str(point).encode()) % 10 == 0]
    return every[share :: SHARES[phase.name]]


@pytest.mark.parametrize(("name", "share"), [(name, share) for name, n in SHARES.items() for share in range(n)])
def test_every_point_converges(undisturbed: Undisturbed, tmp_path: Path, tally: Tally, name: str, share: int) -> None:
    phase = PHASES[name]
    wrong: list[str] = []
    every, missed = chosen(phase, undisturbed, share), 0
    for number, point in enumerate(every):
        problems = tried(undisturbed, phase, point, tmp_path / str(number), tally)
        if problems is None:
            missed += 1
            continue
        wrong += [f"{point}: {problem}" for problem in problems]
        if not problems:
            shutil.rmtree(tmp_path / str(number))
        tally("fault points converged", not problems)
        tally("fault points tried", 1)
    if share == 0:
        tally("fault points discovered", len(list(points(phase, undisturbed))))
    tally("fault points that a repeated look did not come to this time", missed)
    assert not wrong, "\n".join(wrong)
    assert missed <= max(1, len(every) // 20)  # more of them, and something is wrong with the wire


def tried(undisturbed: Undisturbed, phase: Phase, point: Point, root: Path, tally: Tally) -> list[str] | None:
    """What is wrong after a point; None when none of a few plays comes to it: a repeated look depends on the hour."""
    for _ in range(PLAYS):
        try:
            return list(interrupt(undisturbed, phase, point, root, tally))
        except NotReached:
            shutil.rmtree(root)
    return None


REALLY_RUN = (
    ("build", "POST /repos/midi-studio/core/actions/workflows/candidate.yml/dispatches", "commit_then_drop"),
    ("build", "POST /repos/midi-studio/bridge/releases", "commit_then_drop"),
    ("build", "PATCH /repos/midi-studio/loader/releases/[0-9]*", "commit_then_502"),
    ("prepare", "POST /repos/midi-studio/distribution/pulls", "unanswered"),
    ("prepare", "PUT /repos/midi-studio/distribution/pulls/1/merge", "answered"),
    ("publish", "POST /repos/midi-studio/distribution/actions/workflows/publish.yml/dispatches", "unanswered"),
    ("approve", "POST /repos/midi-studio/distribution/git/refs", "commit_then_drop"),
    ("approve", "POST /repos/midi-studio/distribution/releases", "commit_then_drop"),
    ("approve", "POST /repos/midi-studio/distribution/releases/[0-9]*/assets", "truncate"),
    ("approve", "PATCH /repos/midi-studio/distribution/releases/[0-9]*", "fail_before"),
    ("record", "POST /repos/midi-studio/distribution/git/refs", "before"),
    ("record", "PUT /repos/midi-studio/distribution/pulls/2/merge", "commit_then_drop"),
)
"""Points at which the workflows are really run by act: a check on the direct runner. Its jobs do not use the wire."""


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("name", "request_line", "wrong"), REALLY_RUN)
def test_points_of_really_run_workflows(
    undisturbed: Undisturbed, tmp_path: Path, tally: Tally, *, name: str, request_line: str, wrong: str
) -> None:
    phase = PHASES[name]
    asked = next(a for a in undisturbed.asked(phase) if f"{a.method} {a.path}" == request_line)
    problems = list(interrupt(undisturbed, phase, Point(asked, wrong), tmp_path / "it", tally, direct=False))
    assert not problems, "\n".join(problems)
    tally("fault points on really run workflows", 1)


def interrupt(
    undisturbed: Undisturbed, phase: Phase, point: Point, root: Path, tally: Tally, *, direct: bool = True
) -> Iterator[str]:
    """Play a phase, go wrong at this point, type again; what is then not as it should be."""
    root.mkdir()
    with undisturbed.playing(phase, root, direct=direct) as act:
        fired = arm(act, point)
        ended = act.type()
        if not fired():
            if not point.asked.write and (point.asked.nth > 1 or POLLED.search(point.asked.path)):
                raise NotReached  # how often a command looks depends on how fast others are
            yield "was not reached"
        if point.wrong not in KILLS or point.asked.who != phase.who:
            yield from badly_told(ended.exit, ended.document)
        elif ended.exit != -9 and not (point.wrong == "answered" and ended.exit == phase.exit):
            # with the last answer in its hands it may have ended before it was struck
            yield f"exit {ended.exit}, not killed"
        failed = any(run["conclusion"] == "failure" for run in act.stage.store.find("run"))
        act.stage.forge.faults.clear()
        try:
            act.finish()
        except AssertionError as error:
            yield str(error)
            return
        yield from compared(take_picture(act.stage), undisturbed.picture(phase), tally, failed=failed)


def arm(act: Act, point: Point) -> Callable[[], bool]:
    """Make it go wrong at this point; returns what tells whether it has."""
    asked = point.asked
    if point.wrong in KILLS:
        act.wire.aim(Kill(asked, point.wrong))
        return lambda: act.wire.killed
    actor = "github-actions*" if asked.who == JOB else asked.who
    faults = act.stage.forge.faults
    number = faults.add(Fault(point.wrong, asked.method, asked.path, actor=actor, nth=asked.nth))
    return lambda: faults.fired(number) == 1


def badly_told(code: int, document: dict[str, Any]) -> Iterator[str]:
    """A command that was not killed ends as documented, and says why and what to do."""
    if code not in DOCUMENTED:
        yield f"exit {code}: {document}"
    elif code and not (document["error"]["cause"] and document["error"]["remedy"]):
        yield f"no cause or no remedy: {document}"


def compared(found: dict[str, Any], wanted: dict[str, Any], tally: Tally, *, failed: bool) -> Iterator[str]:
    """Whether two worlds are the same. Where a run `failed`, another one has taken its place."""
    effects, expected = Counter(found["effects"]), Counter(wanted["effects"])
    twice = {key: n for key, n in (effects - expected).items() if not (failed and key.startswith(MADE_ANEW))}
    lost = expected - effects
    tally("effects duplicated", sum(twice.values()))
    tally("effects lost", lost.total())
    if twice:
        yield f"done twice or never to be done: {twice}"
    if lost:
        yield f"lost: {dict(lost)}"
    for part, value in wanted.items():
        if part != "effects" and not (failed and part == "runs") and found[part] != value:
            yield f"{part} differ: {found[part]} instead of {value}"
