"""Who may approve: never somebody who asked for this release, and only a live waiver lifts that (SPEC 1.3, 1.5, 7)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import (
    APPROVED,
    CONFIG,
    merged,
    planned,
    prepared,
    publish_run,
    ready,
    seal_of,
    sha,
    under_way,
    with_waivers,
)
from ms_release.core import approval, train
from ms_release.core.action import Ask, Blocked, Done, Wait, Watch
from ms_release.core.model import Waiver
from ms_release.core.observation import Observation

GOAL = planned(created_by="alice")
CHANGE = train.release_change(GOAL)
FACTS = replace(prepared(GOAL), release_change=merged(CHANGE, author="carol", merged_by="erin"), approvals=(APPROVED,))
RUN = publish_run(GOAL, FACTS, actor="frank", triggering_actor="grace", status="waiting", conclusion=None)


def refused(login: str, **changes: Any) -> str:
    return approval.refusal(GOAL, FACTS, replace(RUN, **changes), login, CONFIG)


@pytest.mark.parametrize(
    ("login", "role"),
    [
        ("alice", "planned it"),
        ("carol", "opened its pull request"),
        ("erin", "merged its pull request"),
        ("frank", "dispatched it"),
        ("grace", "dispatched it"),
    ],
)
def test_a_requester_may_not_approve(login: str, role: str) -> None:
    assert refused(login) == f"@{login} {role}: nobody approves a release that they requested"


def test_anybody_else_may() -> None:
    assert refused("bob") == ""


def test_behind_a_bot_stands_the_person_who_planned() -> None:
    by_bot = {"actor": "release-app[bot]", "triggering_actor": "release-app[bot]"}
    assert refused("alice", **by_bot).startswith("@alice planned it")
    assert approval.requesters(GOAL, FACTS, replace(RUN, **by_bot)).keys() == {"alice", "carol", "erin"}


def test_unknown_people_are_nobody() -> None:
    nobody = replace(RUN, actor="", triggering_actor="")
    facts = replace(FACTS, release_change=merged(CHANGE, author="", merged_by=None))
    assert approval.requesters(GOAL, facts, nobody) == {"alice": "planned it"}


def test_before_there_is_a_pull_request_the_planner_and_the_dispatcher_count() -> None:
    for change in (None, under_way(GOAL).release_change):
        facts = replace(FACTS, release_change=change)
        assert set(approval.requesters(GOAL, facts, RUN)) == {"alice", "frank", "grace"}


WAIVER = Waiver("SELF_APPROVAL", "release", "one person", "dana", "2026-01-10")


@pytest.mark.parametrize(
    ("waiver", "lifted"),
    [
        pytest.param(WAIVER, True, id="live"),
        pytest.param(replace(WAIVER, subject="*"), True, id="any subject"),
        pytest.param(replace(WAIVER, expires="2026-01-09"), False, id="expired"),
        pytest.param(replace(WAIVER, subject="app-release"), False, id="other environment"),
        pytest.param(replace(WAIVER, code="ENVIRONMENT"), False, id="other code"),
    ],
)
def test_only_a_live_waiver_of_self_approval_lifts_it(waiver: Waiver, lifted: bool) -> None:
    assert (approval.refusal(GOAL, FACTS, RUN, "alice", with_waivers(waiver)) == "") is lifted


def problems(facts: Observation = FACTS, goal: Any = GOAL, run: Any = RUN) -> list[str]:
    return list(approval.check_approvals(goal, facts, run))


def test_an_approval_by_somebody_else_is_enough() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("approvals", "words"),
    [
        pytest.param(None, ["the approvals of this run could not be read"], id="unread"),
        pytest.param((), ["nobody approved environment release for this run"], id="none"),
        pytest.param(
            (replace(APPROVED, state="rejected"),),
            [
                "v0.1.0-beta.1 was rejected by @bob: a new approval needs a new plan",
                "nobody approved environment release for this run",
            ],
            id="rejected",
        ),
        pytest.param(
            (replace(APPROVED, user="ivan", state="rejected"), APPROVED),
            ["v0.1.0-beta.1 was rejected by @ivan: a new approval needs a new plan"],
            id="another run of it was rejected",
        ),
        pytest.param(
            (replace(APPROVED, environment="staging"),),
            ["nobody approved environment release for this run"],
            id="another environment",
        ),
        pytest.param(
            (replace(APPROVED, user="erin"),),
            ["@erin merged its pull request: nobody approves a release that they requested"],
            id="by the merger",
        ),
        pytest.param(
            (APPROVED, replace(APPROVED, user="alice")),
            ["@alice planned it: nobody approves a release that they requested"],
            id="one of two is a requester",
        ),
    ],
)
def test_what_is_wrong_with_approvals(approvals: Any, words: list[str]) -> None:
    assert problems(replace(FACTS, approvals=approvals)) == words


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(None, id="change unread"),
        pytest.param(under_way(GOAL).release_change, id="no pull request"),
        pytest.param(merged(CHANGE, merged_by=None), id="merger unknown"),
    ],
)
def test_requesters_that_could_not_be_read_block(change: Any) -> None:
    assert problems(replace(FACTS, release_change=change)) == [
        "who opened and merged the release pull request could not be read"
    ]


def test_while_the_requesters_are_unknown_nothing_else_is_said() -> None:
    unread = replace(FACTS, release_change=None, approvals=())
    assert problems(unread) == ["who opened and merged the release pull request could not be read"]
    assert problems(replace(FACTS, release_change=None, approvals=None)) == [
        "the approvals of this run could not be read"
    ]


def test_a_waiver_in_the_configuration_of_the_release_counts_for_its_approvals() -> None:
    facts = replace(FACTS, approvals=(replace(APPROVED, user="alice"),))
    assert problems(facts, replace(GOAL, config=with_waivers(WAIVER))) == []
    assert problems(facts) != []


@given(st.lists(st.sampled_from(("alice", "bob", "carol", "erin", "frank", "grace", "ivan")), min_size=1, max_size=4))
def test_one_requester_among_the_approvers_is_one_too_many(users: list[str]) -> None:
    facts = replace(FACTS, approvals=tuple(replace(APPROVED, user=user) for user in users))
    assert len(problems(facts)) == sum(user not in ("bob", "ivan") for user in users)


def test_the_comment_says_exactly_what_is_approved() -> None:
    seal = seal_of(GOAL, FACTS)
    assert approval.comment(GOAL, seal) == f"v0.1.0-beta.1 · plan {GOAL.file.digest} · seal {seal}"


WAITING = replace(FACTS, runs=(RUN,))


def test_a_run_of_this_plan_and_seal_that_waits_can_be_reviewed() -> None:
    assert approval.next_review(GOAL, WAITING) == Done(RUN.url)
    assert approval.next_review(GOAL, replace(WAITING, runs=None)) == Ask("runs")
    unread = replace(WAITING.with_home(rules=None, environment=None), protection_read=False)
    assert approval.next_review(GOAL, unread) == Ask("protection")


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_a_run_that_is_on_its_way_to_its_environment_is_awaited(status: str) -> None:
    found = approval.next_review(GOAL, replace(WAITING, runs=(replace(RUN, status=status),)))
    assert isinstance(found, Wait)
    assert found.watch == (Watch("run", "studio/distribution", "900", until=("waiting", "completed")),)


SEALLESS = replace(RUN, id=970, title=train.run_title(GOAL.plan, GOAL.file.digest, str(None)))
FOREIGN = replace(RUN, id=960, title=train.run_title(GOAL.plan, GOAL.file.digest, "0" * 64))


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(FACTS, runs=()), id="no run"),
        pytest.param(replace(FACTS, runs=(FOREIGN,)), id="another seal"),
        pytest.param(replace(FACTS, runs=(RUN, publish_run(GOAL, FACTS, id=950))), id="a newer one has ended"),
        pytest.param(replace(WAITING, release_change=under_way(GOAL).release_change), id="not merged"),
        pytest.param(
            replace(WAITING, runs=(SEALLESS,), release_change=under_way(GOAL).release_change),
            id="not merged, and a run that names no seal",
        ),
        pytest.param(replace(WAITING, ready={**WAITING.ready, "core": None}), id="a candidate is gone"),
        pytest.param(
            replace(WAITING, ready={**WAITING.ready, "core": ready("core", sha("core-1"), digest="0" * 64)}),
            id="other bytes",
        ),
    ],
)
def test_nothing_else_can_be_reviewed(facts: Observation) -> None:
    found = approval.next_review(GOAL, facts)
    assert isinstance(found, Blocked)
    assert found.cause == "nothing of v0.1.0-beta.1 waits for an approval"


def test_an_approval_counts_as_given_only_once_its_run_has_ended_well() -> None:
    mine = replace(FACTS, viewer=APPROVED.user, approvals=(APPROVED,))
    ended = {"status": "completed", "conclusion": "success"}
    for changes, counts in (
        (ended, True),
        ({**ended, "status": "in_progress"}, False),
        ({**ended, "conclusion": "failure"}, False),
    ):
        assert approval.is_given(GOAL, replace(mine, runs=(replace(RUN, **changes),))) is counts
    assert not approval.is_given(GOAL, replace(mine, runs=()))


def test_a_plan_that_was_edited_on_the_home_branch_is_not_reviewed() -> None:
    """Approving it would approve bytes that the publishing job then refuses."""
    edited = {**CHANGE.wanted, GOAL.plan.path: "0" * 40}
    found = approval.next_review(GOAL, replace(WAITING, release_change=replace(merged(CHANGE), on_base=edited)))
    assert isinstance(found, Blocked)
    assert found.cause.startswith("main does not hold what pull request #7 of release/v0.1.0-beta.1 was to bring")


def test_a_stale_plan_is_not_reviewed() -> None:
    found = approval.next_review(GOAL, WAITING.with_home(config_blob="f" * 40))
    assert isinstance(found, Blocked)
    assert found.stale


SUCCEEDED = replace(RUN, status="completed", conclusion="success")
MINE = replace(FACTS, viewer="bob", runs=(SUCCEEDED,))


def test_an_approval_that_is_given_already_is_no_failure() -> None:
    assert approval.next_review(GOAL, MINE) == Done("v0.1.0-beta.1 is already approved by @bob")
    assert approval.is_given(GOAL, MINE)
    # what has moved since it was published changes nothing of that
    assert isinstance(approval.next_review(GOAL, MINE.with_home(config_blob="f" * 40)), Done)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(replace(MINE, viewer="ivan"), id="somebody else's"),
        pytest.param(replace(MINE, approvals=(replace(APPROVED, state="rejected"),)), id="rejected"),
        pytest.param(replace(MINE, approvals=(replace(APPROVED, environment="staging"),)), id="another environment"),
        pytest.param(replace(MINE, approvals=None), id="unread"),
        pytest.param(replace(MINE, runs=(replace(SUCCEEDED, conclusion="failure"),)), id="its run failed"),
        pytest.param(replace(MINE, runs=(replace(SUCCEEDED, title=FOREIGN.title),)), id="another seal"),
        pytest.param(replace(MINE, runs=()), id="no run"),
    ],
)
def test_what_is_no_given_approval(facts: Observation) -> None:
    assert not approval.is_given(GOAL, facts)
    found = approval.next_review(GOAL, facts)
    assert isinstance(found, Blocked)
    assert found.cause == "nothing of v0.1.0-beta.1 waits for an approval"


@pytest.mark.parametrize("status", ["queued", "in_progress", "waiting"])
def test_a_run_that_is_started_again_needs_its_own_approval(status: str) -> None:
    """The forge lists the reviews of all its attempts."""
    facts = replace(MINE, runs=(replace(RUN, status=status),))
    assert not approval.is_given(GOAL, facts)
