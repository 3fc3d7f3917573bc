"""What `prepare` wants next: candidates and the release pull request side by side, merged only when all is built."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.world import (
    CONFIG,
    PRODUCT,
    RED,
    RULES,
    absent,
    all_ready,
    check,
    commit,
    component,
    merged,
    observation,
    opened,
    planned,
    prepared,
    pushed,
    ready,
    sha,
    under_way,
)
from ms_release.core import train
from ms_release.core.action import (
    Act,
    Ask,
    Blocked,
    CommitFiles,
    CreateBranch,
    DispatchWorkflow,
    Done,
    MergePullRequest,
    Next,
    OpenPullRequest,
    Wait,
    Watch,
)
from ms_release.core.observation import Observation, Release, Run
from ms_release.core.plan import make_file
from ms_release.core.prepare import next_prepare
from ms_release.core.train import Train
from ms_release.errors import DamagedError

GOAL = planned()
CHANGE = train.release_change(GOAL)
TAG = GOAL.plan.tag
RC = f"rc-{sha('core-1')}"
VALIDATE = check(5, "validate", event="pull_request")
START = under_way(GOAL)
DISPATCH = DispatchWorkflow("studio/core", "build.yml", "main", {"sha": sha("core-1"), "tag": RC}, f"Candidate {RC}")


def run(
    id: int = 30, status: str = "in_progress", conclusion: str | None = None, title: str = f"Candidate {RC}"
) -> Run:
    url = f"https://forge.example/runs/{id}"
    return Run(id, title, status, conclusion, "workflow_dispatch", "", 1, "alice", "alice", url)


def step(facts: Observation, goal: Train = GOAL) -> Next:
    found = next_prepare(goal, facts)
    assert next_prepare(goal, facts) == found
    return found


def building(facts: Observation, *runs: Run, alive: frozenset[int] = frozenset()) -> Observation:
    return replace(facts, candidate_runs={"core": runs}, seen_alive=alive)


def kinds(found: Next) -> list[type]:
    assert isinstance(found, Act), found
    return [type(a) for a in found.actions]


def test_from_nothing_candidates_and_pull_request_start_together() -> None:
    found = step(START)
    assert kinds(found) == [CreateBranch, CommitFiles, OpenPullRequest, DispatchWorkflow]
    assert isinstance(found, Act)
    assert found.actions[-1] == DISPATCH


def test_every_missing_candidate_is_dispatched_at_once() -> None:
    goal = planned(observation(ready={"loader": None, "core": None}))
    found = step(
        under_way(goal, merged(train.release_change(goal)), observation(ready={"loader": None, "core": None})), goal
    )
    assert isinstance(found, Act)
    assert [a.key for a in found.actions] == [
        f"dispatch studio/loader candidate.yml rc-{sha('loader-1')}",
        f"dispatch studio/core build.yml {RC}",
    ]


def test_candidate_runs_are_asked_for_only_while_a_candidate_is_missing() -> None:
    blind = replace(START, candidate_runs=None)
    assert step(blind) == Ask("candidate runs")
    assert kinds(step(all_ready(GOAL, blind))) == [CreateBranch, CommitFiles, OpenPullRequest]


def test_a_candidate_that_is_being_built_is_awaited() -> None:
    facts = building(under_way(GOAL, opened(CHANGE, VALIDATE)), run(), run(20, "completed", "failure"))
    assert step(facts) == Wait(
        "candidates",
        "the candidates of core",
        "the forge's runners",
        (Watch("run", "studio/core", "30", until=("completed",)),),
    )


def test_the_pull_request_is_opened_while_a_candidate_is_built() -> None:
    assert kinds(step(building(START, run()))) == [CreateBranch, CommitFiles, OpenPullRequest]


@pytest.mark.parametrize("alive", [frozenset(), frozenset({30})], ids=["found running", "dispatched by us"])
def test_green_checks_do_not_merge_before_all_candidates_are_ready(alive: frozenset[int]) -> None:
    found = step(building(under_way(GOAL, opened(CHANGE, VALIDATE)), run(), alive=alive))
    assert isinstance(found, Wait)
    assert found.awaited == "candidates"
    dispatched = step(building(under_way(GOAL, opened(CHANGE, VALIDATE))))
    assert kinds(dispatched) == [DispatchWorkflow]


def test_ready_candidates_and_green_checks_merge() -> None:
    facts = all_ready(GOAL, under_way(GOAL, opened(CHANGE, VALIDATE)))
    assert kinds(step(facts)) == [MergePullRequest]


@pytest.mark.parametrize("facts", [START, under_way(GOAL, opened(CHANGE, VALIDATE))], ids=["opening", "merging"])
def test_the_rules_are_read_again_before_every_effect(facts: Observation) -> None:
    unread = replace(all_ready(GOAL, facts).with_home(rules=None, environment=None), protection_read=False)
    assert step(unread) == Ask("protection")


@pytest.mark.parametrize(
    ("known", "alive", "words"),
    [
        pytest.param(run(30, "completed", "failure"), {30}, "its run ended with failure", id="failed"),
        pytest.param(run(30, "completed", "cancelled"), {30}, "its run ended with cancelled", id="cancelled"),
        pytest.param(run(30, "completed", "success"), {30}, "the release is missing or incomplete", id="built nothing"),
    ],
)
def test_a_candidate_run_that_failed_before_our_eyes_blocks(known: Run, alive: set[int], words: str) -> None:
    found = step(building(START, known, alive=frozenset(alive)))
    assert isinstance(found, Blocked)
    assert words in found.cause
    assert known.url in found.remedy


@pytest.mark.parametrize(
    "known", [run(30, "completed", "failure"), run(30, "completed", "success"), run(title="Candidate rc-other")]
)
def test_a_candidate_run_that_failed_before_we_looked_is_started_again(known: Run) -> None:
    facts = building(under_way(GOAL, pushed(CHANGE)), known, alive=frozenset({29}))
    assert step(facts) == Act((*_open(), DISPATCH))


def _open() -> tuple[OpenPullRequest, ...]:
    return (OpenPullRequest("studio/distribution", CHANGE.branch, "main", CHANGE.title, CHANGE.body),)


def test_only_the_newest_run_counts() -> None:
    failed_then_running = building(
        under_way(GOAL, pushed(CHANGE)), run(20, "completed", "failure"), run(40), alive=frozenset({20})
    )
    assert kinds(step(failed_then_running)) == [OpenPullRequest]
    ran_then_failed = building(START, run(20), run(40, "completed", "failure"), alive=frozenset({40}))
    assert isinstance(step(ran_then_failed), Blocked)


def test_a_broken_candidate_is_built_again() -> None:
    broken = {
        "loader": START.ready["loader"],
        "core": ready("core", sha("core-1"), problems=("firmware.hex is missing",)),
    }
    for change in (opened(CHANGE, VALIDATE), merged(CHANGE)):
        facts = replace(under_way(GOAL, change), ready=broken)
        assert step(facts) == Act((DISPATCH,))
    awaited = step(building(facts, run()))
    assert isinstance(awaited, Wait)
    assert awaited.reason == "the candidates of core"


def test_checks_are_awaited_once_all_candidates_are_ready_without_reading_the_rules_yet() -> None:
    unread = replace(under_way(GOAL, opened(CHANGE)).with_home(rules=None, environment=None), protection_read=False)
    found = step(all_ready(GOAL, unread))
    assert isinstance(found, Wait)
    assert found.awaited == "checks"


def test_merged_and_built_is_done() -> None:
    found = step(prepared(GOAL))
    assert isinstance(found, Done)
    assert found.release_commit == sha("merge")


def test_merged_and_not_built_is_not() -> None:
    assert step(under_way(GOAL, merged(CHANGE))) == Act((DISPATCH,))


# --- what stops it


def test_a_stale_plan_goes_no_further_in_any_stage() -> None:
    for change in (absent(CHANGE), pushed(CHANGE), opened(CHANGE, VALIDATE), merged(CHANGE)):
        found = step(all_ready(GOAL, under_way(GOAL, change)).with_home(config_blob="f" * 40))
        assert isinstance(found, Blocked)
        assert found.stale
        assert "is stale: the configuration on the protected branch: was " in found.cause


def test_somebody_elses_branch_stops_it_before_a_candidate_is_dispatched() -> None:
    found = step(under_way(GOAL, replace(pushed(CHANGE), on_branch=dict.fromkeys(CHANGE.wanted, "f" * 40))))
    assert isinstance(found, Blocked)
    assert "somebody else's release has this version" in found.cause


def test_a_taken_tag_makes_the_plan_stale_until_it_is_merged() -> None:
    found = step(START.with_home(tags={TAG: sha("x")}))
    assert isinstance(found, Blocked)
    assert found.stale
    assert f"tag {TAG}: was free, is at {sha('x')[:7]}" in found.cause
    assert isinstance(step(prepared(GOAL).with_home(tags={TAG: sha("merge")})), Done)


@pytest.mark.parametrize(
    ("home", "code"),
    [
        pytest.param({"rules": replace(RULES, blocks_force_push=False)}, "HOME_PROTECTED", id="force push"),
        pytest.param({"audit": None}, "AUDIT", id="audit"),
        pytest.param(
            {"releases": (Release(1, "v0.0.1", False, False),), "plans": ("v0.0.1",)}, "EVIDENCE", id="evidence open"
        ),
    ],
)
def test_gates_are_asked_again_until_the_plan_is_merged(home: Any, code: str) -> None:
    found = step(START.with_home(**home))
    assert isinstance(found, Blocked)
    assert [f.code for f in found.findings] == [code]
    first = found.findings[0]
    assert (found.cause, found.remedy) == (f"{first.code} {first.subject}: {first.message}", first.remedy)
    assert isinstance(step(prepared(GOAL).with_home(**home)), Done)


def test_a_red_pin_is_a_moved_fact() -> None:
    repos = {**START.repos, "core": component("core", commit("core-1", RED))}
    found = step(replace(START, repos=repos))
    assert isinstance(found, Blocked)
    assert "red: test concluded failure" in found.cause


def test_notes_that_the_plan_did_not_promise_are_never_committed() -> None:
    other = replace(GOAL.plan, notes="other words")
    with pytest.raises(DamagedError, match=r"notes of .* are not what the plan promised"):
        step(START, Train(CONFIG, PRODUCT, make_file(other, created_at="x", created_by="alice")))


def test_the_pull_request_brings_plan_spec_and_notes_and_nothing_else() -> None:
    assert list(CHANGE.wanted) == [f"release-plans/{TAG}.json", f"release-specs/{TAG}.json", f"release-notes/{TAG}.md"]
    assert CHANGE.files[0].data == GOAL.file.data
    assert GOAL.file.digest in CHANGE.body
