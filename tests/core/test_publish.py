"""What `publish` wants next: the run under this seal, its approval, the comparison and the evidence."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.world import (
    APPROVED,
    ENVIRONMENT,
    RULES,
    absent,
    check,
    merged,
    opened,
    planned,
    prepared,
    publish_run,
    ready,
    released,
    seal_of,
    sha,
    under_way,
)
from ms_release.core import ledger, train
from ms_release.core.action import Act, Ask, Blocked, DispatchWorkflow, Done, Next, Wait, Watch
from ms_release.core.model import Finding
from ms_release.core.observation import Observation, Release
from ms_release.core.publish import next_publish
from ms_release.errors import StalePlanError
from ms_release.operate import ending

GOAL = planned()
TAG = GOAL.plan.tag
READY = prepared(GOAL)
SEAL = seal_of(GOAL, READY)
TITLE = f"Publish {TAG} · plan {GOAL.file.digest} · seal {SEAL}"
DISPATCH = DispatchWorkflow(
    "studio/distribution", "publish.yml", "main", {"tag": TAG, "plan": GOAL.file.digest, "seal": SEAL}, TITLE
)
OUT = released(GOAL, READY)
REJECTED = replace(APPROVED, state="rejected", comment="not on a Friday")
FAILED: dict[str, Any] = {"conclusion": "failure"}


def step(facts: Observation) -> Next:
    found = next_publish(GOAL, facts)
    assert next_publish(GOAL, facts) == found
    return found


def with_runs(*runs: Any, alive: set[int] | None = None, approvals: Any = ()) -> Observation:
    return replace(READY, runs=runs, seen_alive=frozenset(alive or ()), approvals=approvals)


@pytest.mark.parametrize(
    ("home", "code"),
    [
        pytest.param({"rules": replace(RULES, blocks_force_push=False)}, "HOME_PROTECTED", id="force push allowed"),
        pytest.param({"rules": replace(RULES, blocks_deletion=False)}, "HOME_PROTECTED", id="deletion allowed"),
        pytest.param({"audit": None}, "AUDIT", id="audit gone"),
        pytest.param({"environment": replace(ENVIRONMENT, can_admins_bypass=True)}, "ENVIRONMENT", id="admin bypass"),
    ],
)
def test_a_rule_that_was_loosened_after_the_merge_stops_the_run(home: Any, code: str) -> None:
    found = step(with_runs().with_home(**home))
    assert isinstance(found, Blocked)
    assert found.cause.startswith(code)


def test_what_is_not_prepared_is_prepared_first() -> None:
    found = step(under_way(GOAL))
    assert isinstance(found, Act)
    assert found.actions[0].key == f"create-branch studio/distribution release/{TAG}"


def test_the_seal_covers_plan_commit_and_every_candidate() -> None:
    other_digest = replace(READY, ready={**READY.ready, "core": replace(READY.ready["core"], digest="0" * 64)})
    other_plan = replace(GOAL, file=replace(GOAL.file, digest="0" * 64))
    seals = {
        SEAL,
        train.seal(GOAL, READY, sha("elsewhere")),
        train.seal(GOAL, other_digest, sha("merge")),
        train.seal(other_plan, READY, sha("merge")),
    }
    assert len(seals) == 4


@pytest.mark.parametrize("found", [None, ready("core", sha("core-1"), problems=("half",))], ids=["missing", "broken"])
def test_there_is_no_seal_before_everything_is_built(found: Any) -> None:
    assert train.seal(GOAL, replace(READY, ready={**READY.ready, "core": found}), sha("merge")) is None


def test_runs_then_protection_are_asked_for_and_then_the_run_is_started() -> None:
    unread = replace(READY, runs=None, protection_read=False).with_home(rules=None, environment=None)
    assert step(unread) == Ask("runs")
    assert step(replace(unread, runs=())) == Ask("protection")
    assert step(replace(READY, runs=())) == Act((DISPATCH,))


def test_a_rule_that_was_loosened_stops_the_dispatch() -> None:
    environment = replace(READY.home.environment, prevent_self_review=False)
    found = step(replace(READY, runs=()).with_home(environment=environment))
    assert isinstance(found, Blocked)
    assert found.stale


def test_a_tag_that_is_elsewhere_stops_the_dispatch() -> None:
    found = step(replace(READY, runs=()).with_home(tags={TAG: sha("x")}))
    assert isinstance(found, Blocked)
    assert found.stale
    assert f"tag {TAG}: was free, is at {sha('x')[:7]}" in found.cause
    assert step(replace(READY, runs=()).with_home(tags={TAG: sha("merge")})) == Act((DISPATCH,))


def test_a_run_under_another_seal_is_not_ours() -> None:
    foreign = publish_run(GOAL, READY, title=train.run_title(GOAL.plan, GOAL.file.digest, "0" * 64), status="queued")
    assert step(with_runs(foreign)) == Act((DISPATCH,))


# --- a run on its way


def test_a_waiting_run_names_who_must_approve() -> None:
    run = publish_run(GOAL, READY, status="waiting", conclusion=None)
    found = step(with_runs(run, publish_run(GOAL, READY, id=800, **FAILED)))
    assert found == Wait(
        "approval",
        f"the approval of {TAG} in environment release: https://forge.example/runs/900",
        "release managers (studio/release-managers)",
        (Watch("run", "studio/distribution", "900", until=("completed",)),),
        (Finding("APPROVAL", TAG, "FAIL", "it waits for an approval"),),
    )
    since = step(with_runs(replace(run, created_at="2026-01-02T03:04:05Z")))
    assert isinstance(since, Wait)
    assert "on 2026-02-01 the forge ends its run" in since.findings[0].message
    blind = step(replace(with_runs(run), protection_read=False).with_home(environment=None))
    assert isinstance(blind, Wait)
    assert blind.who == "release managers (studio/release-managers)", "as the plan has recorded them"


@pytest.mark.parametrize("status", ["queued", "in_progress", "pending", "requested"])
def test_an_unfinished_run_is_awaited_and_never_dispatched_twice(status: str) -> None:
    found = step(with_runs(publish_run(GOAL, READY, status=status, conclusion=None)))
    assert isinstance(found, Wait)
    assert (found.awaited, found.who) == ("run", "the forge's runners")
    assert found.watch == (Watch("run", "studio/distribution", "900", until=("waiting", "completed")),)


@pytest.mark.parametrize("conclusion", ["failure", "cancelled", "timed_out", "startup_failure"])
def test_a_run_that_failed_before_we_looked_is_started_again(conclusion: str) -> None:
    run = publish_run(GOAL, READY, conclusion=conclusion)
    assert step(with_runs(run)) == Act((DISPATCH,))
    assert step(with_runs(run, approvals=None)) == Act((DISPATCH,))
    assert step(with_runs(run, approvals=(APPROVED,))) == Act((DISPATCH,))


LONG_AGO, LATELY = "2025-12-11T12:00:00Z", "2025-12-11T12:00:01Z"


@pytest.mark.parametrize(
    ("ended", "approvals", "cause"),
    [
        ({"conclusion": "failure"}, (), "the publishing run ended with failure"),
        ({"conclusion": "failure", "created_at": LATELY}, (), "the publishing run ended with failure"),
        ({"conclusion": "failure", "created_at": LONG_AGO}, (APPROVED,), "the publishing run ended with failure"),
        ({"conclusion": "failure", "created_at": LONG_AGO}, (), f"nobody approved {TAG} within 30 days, and its run"),
        ({"conclusion": "cancelled"}, (), "somebody cancelled the publishing run https://forge.example/runs/900"),
        ({"conclusion": "timed_out"}, (APPROVED,), "the publishing run ended with timed_out"),
    ],
)
def test_a_run_that_failed_before_our_eyes_blocks(ended: Any, approvals: Any, cause: str) -> None:
    found = step(with_runs(publish_run(GOAL, READY, **ended), alive={900}, approvals=approvals))
    assert isinstance(found, Blocked)
    assert found.cause.startswith(cause)
    assert "the same command starts it again" in found.remedy
    assert found.next_command == "ms release content publish --channel beta --auto --watch"


def test_a_run_that_nobody_approved_in_time_is_started_again() -> None:
    run = publish_run(GOAL, READY, conclusion="failure", created_at=LONG_AGO)
    assert step(with_runs(run)) == Act((DISPATCH,))


@pytest.mark.parametrize("alive", [set(), {900}], ids=["seen later", "seen alive"])
def test_a_rejection_blocks_and_nothing_is_ever_dispatched_again(alive: set[int]) -> None:
    found = step(with_runs(publish_run(GOAL, READY, **FAILED), alive=alive, approvals=(REJECTED,)))
    assert isinstance(found, Blocked)
    assert found.cause == f"{TAG} was rejected by @bob: not on a Friday"
    assert "needs a new plan" in found.remedy


def test_a_rejection_without_words_is_one_too() -> None:
    found = step(with_runs(publish_run(GOAL, READY, **FAILED), approvals=(APPROVED, replace(REJECTED, comment=""))))
    assert isinstance(found, Blocked)
    assert found.cause == f"{TAG} was rejected by @bob"


def test_a_run_that_succeeded_without_a_release_blocks() -> None:
    for alive in (set(), {900}):
        found = step(with_runs(publish_run(GOAL, READY), alive=alive, approvals=(APPROVED,)))
        assert isinstance(found, Blocked)
        assert found.cause == f"the run succeeded, but no release {TAG} is visible"


def test_the_newest_run_decides() -> None:
    old, new = publish_run(GOAL, READY, id=800), publish_run(GOAL, READY, id=900, status="queued", conclusion=None)
    assert isinstance(step(with_runs(old, new)), Wait)
    assert isinstance(step(with_runs(new, old)), Wait)


# --- out


def test_a_release_that_is_out_is_compared_before_anything_else() -> None:
    assert step(replace(OUT, published=None)) == Ask("published")


def test_what_has_moved_since_does_not_matter_once_it_is_out() -> None:
    later = replace(OUT.with_home(config_blob="f" * 40, environment=None, audit=None), protection_read=True)
    found = step(later)
    assert isinstance(found, Act)
    assert found.actions[0].key == f"create-branch studio/distribution evidence/{TAG}"


def test_a_draft_or_another_tag_is_not_out() -> None:
    for other in (Release(1, TAG, True, True), Release(1, "v0.0.1", False, True)):
        assert step(replace(READY, runs=()).with_home(releases=(other,))) == Act((DISPATCH,))


def test_the_evidence_goes_through_its_own_pull_request() -> None:
    found = step(OUT)
    assert isinstance(found, Act)
    assert [a.key.split()[0] for a in found.actions] == ["create-branch", "commit", "open-pull"]
    assert step(replace(OUT, runs=None)) == Ask("runs")


def test_the_evidence_waits_for_its_checks_and_is_done_when_merged() -> None:
    entry = ledger.make_entry(GOAL, OUT, OUT.home.releases[0])
    assert isinstance(entry, bytes)
    change = ledger.evidence_change(GOAL, entry)
    waiting = step(replace(OUT, evidence_change=opened(change)))
    assert isinstance(waiting, Wait)
    assert waiting.awaited == "checks"
    due = step(replace(OUT, evidence_change=opened(change, check(6, "validate", event="pull_request"))))
    assert isinstance(due, Act)
    assert [a.key for a in due.actions] == [f"merge-pull studio/distribution evidence/{TAG}"]
    done = step(replace(OUT.with_home(ledger=(TAG,)), evidence_change=merged(change)))
    assert done == Done(f"{TAG} is published, compared and recorded")
    assert isinstance(step(replace(OUT, evidence_change=absent(change))), Act)


def test_a_release_that_differs_is_an_alarm_and_is_not_recorded() -> None:
    found = step(OUT.with_home(tags={TAG: sha("elsewhere")}))
    assert isinstance(found, Blocked)
    assert found.cause.startswith(f"what is published as {TAG} is not what was planned: tag {TAG} is at ")
    assert found.next_command == f"ms release content verify {TAG}"


def test_a_release_that_no_approved_run_published_is_an_alarm() -> None:
    found = step(replace(OUT, runs=()))
    assert isinstance(found, Blocked)
    assert "no approved run of this plan published it" in found.cause


def test_a_blocked_step_ends_as_what_it_is() -> None:
    assert type(ending(Blocked("a", "b", stale=True))) is StalePlanError
    blocked = ending(Blocked("a", "b", "c"))
    assert type(blocked).__name__ == "BlockedError"
    assert (blocked.cause, blocked.remedy, blocked.next_command) == ("a", "b", "c")
