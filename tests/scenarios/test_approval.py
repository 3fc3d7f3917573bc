"""No approval, no publication: waiting, rejected, or given by somebody who asked for the release."""

from __future__ import annotations

import pytest

from scenarios.stage import BETA, FIRST, HOME, Stage

PLAN = f".ms/content-{FIRST}.plan.json"


def ready_to_approve(stage: Stage) -> None:
    """Alice's plan, merged by her, its run started."""
    prepared = stage.type("alice", "prepare", *BETA, "--watch")
    assert prepared.exit == 0, prepared.errors
    assert stage.type("alice", "publish", *BETA).exit == 4
    stage.until(stage.waiting)


def dispatches(stage: Stage) -> int:
    return sum(key.startswith(f"dispatch {HOME}") for key in stage.performed())


def nothing_is_out(stage: Stage) -> bool:
    return not stage.published() and FIRST not in stage.tags() and not stage.store.find("release", HOME)


def test_it_waits_and_the_same_command_later_goes_on(stage: Stage) -> None:
    ready_to_approve(stage)
    waiting = stage.type("alice", "publish", *BETA)
    assert waiting.exit == 4
    assert "approval" in waiting.document["error"]["cause"]
    assert nothing_is_out(stage)
    assert dispatches(stage) == 1
    assert stage.review("bob").status_code == 200
    done = stage.type("alice", "publish", *BETA, "--watch")
    assert done.exit == 0, done.errors
    assert stage.published() == stage.tags() == [FIRST]
    assert dispatches(stage) == 1
    checked = stage.type("carol", "content", "verify", FIRST)
    assert checked.exit == 0, checked.errors


def test_rejected_it_stays_rejected_and_its_version_is_burned(stage: Stage) -> None:
    planned = stage.type("alice", "plan", *BETA)
    assert planned.document["plan"] == PLAN
    publishing = stage.begin("alice", "publish", "--plan", PLAN, "--watch")
    stage.until(stage.waiting)
    assert stage.review("bob", "rejected", "not on a Friday").status_code == 200
    ended = publishing.end()
    assert ended.exit == 3, ended.errors
    assert "rejected by @bob: not on a Friday" in ended.document["error"]["cause"]
    stage.settle()
    for _ in range(2):
        again = stage.type("alice", "publish", "--plan", PLAN, "--watch")
        assert again.exit == 3
        assert "rejected by @bob" in again.document["error"]["cause"]
        selecting = stage.type("alice", "publish", *BETA)
        assert selecting.exit == 3, "a new plan is a new decision"
        assert "rejected by @bob" in selecting.document["error"]["cause"]
    assert nothing_is_out(stage)
    assert dispatches(stage) == 1
    following = stage.type("alice", "plan", *BETA)
    assert following.exit == 0, following.errors
    assert following.document["tag"] == "v0.1.0-beta.2"


@pytest.fixture
def shared_stage(stage: Stage) -> Stage:
    """A world in which a maintainer is a listed reviewer too: the forge's own rule looks at the dispatcher only."""
    environment = stage.store.get("environment", f"{HOME}:release")
    assert environment is not None
    environment["reviewers"].append({"type": "User", "name": "alice"})
    stage.store.put("environment", f"{HOME}:release", environment, HOME)
    return stage


def test_approve_refuses_whoever_requested_the_release(shared_stage: Stage) -> None:
    stage = shared_stage
    ready_to_approve(stage)
    before = stage.performed()
    refused = stage.type("alice", "content", "approve", FIRST, typed=f"{FIRST}\n")
    assert refused.exit == 5
    assert "@alice" in refused.document["error"]["cause"]
    assert stage.performed() == before
    assert nothing_is_out(stage)


def test_an_approval_by_the_planner_on_the_web_page_is_refused_by_promote(shared_stage: Stage) -> None:
    stage = shared_stage
    prepared = stage.type("alice", "prepare", *BETA, "--watch")
    assert prepared.exit == 0, prepared.errors
    publishing = stage.begin("erin", "publish", *BETA, "--watch")
    run = stage.until(stage.waiting)
    assert run["triggering_actor"] == "erin"
    taken = stage.review("alice")
    assert taken.status_code == 200, taken.text
    ended = publishing.end()
    assert ended.exit == 3, ended.errors
    assert "ended with failure" in ended.document["error"]["cause"]
    stage.settle()
    job = next(job for job in stage.store.find("job", HOME, run_id=run["id"]) if job["key"] == "promote")
    log = stage.forge.blob(job["log"]).read_text()
    assert "@alice merged its pull request: nobody approves a release that they requested" in log
    assert nothing_is_out(stage)
