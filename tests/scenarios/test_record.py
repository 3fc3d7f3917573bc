"""Between published and recorded: what `verify` says meanwhile, and a runner that dies with its last write."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.phases import APPROVE, PHASES, Undisturbed
from scenarios.stage import FIRST, HOME, Saved, staging
from scenarios.wire import JOB, Kill

PUBLISH = "ms release content publish --channel beta --auto --watch"


@pytest.fixture(scope="session")
def undisturbed(saved: Saved) -> Undisturbed:
    return Undisturbed(saved)


def test_published_and_not_recorded_is_waiting_and_no_alarm(undisturbed: Undisturbed, tmp_path: Path) -> None:
    with staging(undisturbed.before(PHASES["record"]), tmp_path, direct=True) as stage:
        typed = stage.type("carol", "content", "verify", FIRST)
        assert (typed.exit, typed.document["error"]["next"]) == (4, PUBLISH), typed
        assert typed.document["releases"][0]["problems"] == ["its ledger entry is not merged"]
        assert stage.type("erin", *PUBLISH.split()[2:]).exit == 0
        assert stage.type("carol", "content", "verify", FIRST).exit == 0


@pytest.mark.parametrize("when", ["unanswered", "answered"])
def test_a_runner_that_dies_with_its_last_write_has_published(
    undisturbed: Undisturbed, tmp_path: Path, when: str
) -> None:
    (last,) = (a for a in undisturbed.asked(APPROVE) if a.who == JOB and a.method == "PATCH")
    with undisturbed.playing(APPROVE, tmp_path) as act:
        stage = act.stage
        act.wire.aim(Kill(last, when))
        assert act.type().exit == 0
        (run,) = stage.store.find("run", HOME, name="Publish")
        assert (run["conclusion"], stage.published()) == ("failure", [FIRST])
        done = stage.type("alice", *PUBLISH.split()[2:])
        assert done.exit == 0, done.errors
        assert len(stage.store.find("run", HOME, name="Publish")) == 1
        assert stage.type("carol", "content", "verify", FIRST).exit == 0
