"""What the world looks like after an effect: each rule adds what a look does not show, and hides nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.memory import keys
from core.world import (
    absent,
    asset,
    check,
    merged,
    observation,
    opened,
    planned,
    prepared,
    publish_run,
    pushed,
    ready,
    sha,
    sha256,
    under_way,
)
from ms_release.core import action, train
from ms_release.core.action import Act, Action, Wait
from ms_release.core.foretell import Outcome, assume, foretell
from ms_release.core.observation import Observation, Release
from ms_release.core.predict import predict
from ms_release.core.prepare import next_prepare

GOAL = planned()
TAG, HOME = GOAL.plan.tag, GOAL.plan.home
CHANGE = train.release_change(GOAL)
BRANCH = CHANGE.branch
FACTS = under_way(GOAL)
OUTCOME = Outcome(55, sha("outcome"), "https://forge.example/55")

CREATE = action.CreateBranch(HOME, BRANCH, sha("home"))
COMMIT = action.CommitFiles(HOME, BRANCH, sha("home"), "title", CHANGE.files)
OPEN = action.OpenPullRequest(HOME, BRANCH, "main", "title", "body")
UPDATE = action.UpdatePullRequest(HOME, BRANCH, 7, sha("head"))
MERGE = action.MergePullRequest(HOME, BRANCH, 7, sha("head"), "title")
TAGGED = action.CreateTag(HOME, TAG, sha("merge"))
DRAFT = action.CreateDraft(HOME, TAG, sha("merge"), TAG, "body", True)
UPLOAD = action.UploadAsset(HOME, TAG, 55, "a.bin", 4, sha256("a"))
DELETE = action.DeleteAsset(HOME, TAG, 9, "a.bin")
PUBLISH = action.PublishRelease(HOME, TAG, 55, True)
DISPATCH = action.DispatchWorkflow("studio/core", "build.yml", "main", {}, "Candidate rc-1")
PUBLISHING = action.DispatchWorkflow(HOME, "publish.yml", "main", {}, "Publish")
CLOSE = action.ClosePullRequest(HOME, BRANCH, 7)
CANCEL = action.CancelRun(HOME, 900, TAG)
REVIEW = action.ReviewDeployment(HOME, 5, TAG, "release", "approved", "")

ENDED = publish_run(GOAL, prepared(GOAL))


def after(facts: Observation, *actions: Action, outcome: Outcome = OUTCOME) -> Observation:
    for each in actions:
        facts = foretell(facts, each, outcome)
    return facts


def change_of(facts: Observation) -> Any:
    return facts.release_change


def test_branch_commit_and_pull_request_appear_one_after_the_other() -> None:
    facts = after(FACTS, CREATE)
    assert change_of(facts) == replace(absent(CHANGE), branch=sha("home"))
    facts = after(facts, COMMIT)
    assert change_of(facts) == replace(pushed(CHANGE), branch=sha("outcome"))
    pull = change_of(after(facts, OPEN)).pull
    assert (pull.number, pull.state, pull.author, pull.head_sha, pull.checks) == (
        55,
        "OPEN",
        "alice",
        sha("outcome"),
        (),
    )
    assert set(pull.paths) == set(CHANGE.wanted)
    assert facts.evidence_change == FACTS.evidence_change


def test_a_merge_brings_the_files_to_the_base() -> None:
    found = change_of(after(under_way(GOAL, opened(CHANGE)), MERGE))
    assert (found.pull.state, found.pull.merge_commit, found.pull.merged_by) == ("MERGED", sha("outcome"), "alice")
    assert found.on_base == CHANGE.wanted


def test_an_updated_pull_request_waits_for_the_checks_of_its_new_head() -> None:
    behind = replace(opened(CHANGE, check(5, "validate", event="pull_request")), behind=True)
    found = after(under_way(GOAL, behind), UPDATE)
    assert (change_of(found).behind, change_of(found).pull.checks) == (False, ())
    seen = under_way(GOAL, replace(behind, behind=False, pull=replace(behind.pull, head_sha=sha("new"))))
    assert after(seen, UPDATE) == seen


@pytest.mark.parametrize(
    ("facts", "done"),
    [
        pytest.param(under_way(GOAL, pushed(CHANGE)), CREATE, id="a branch that is there"),
        pytest.param(under_way(GOAL, pushed(CHANGE)), COMMIT, id="files that are there"),
        pytest.param(under_way(GOAL, opened(CHANGE)), OPEN, id="a pull request that is there"),
        pytest.param(under_way(GOAL, merged(CHANGE)), MERGE, id="a merge that is seen"),
        pytest.param(FACTS, MERGE, id="a merge of nothing"),
        pytest.param(FACTS.with_home(tags={TAG: sha("elsewhere")}), TAGGED, id="a tag that is there"),
        pytest.param(
            FACTS.with_home(releases=(Release(3, TAG, True, True, (), "body"),)), DRAFT, id="our draft, by its body"
        ),
        pytest.param(
            FACTS.with_home(releases=(Release(55, TAG, True, True, (), "other"),)), DRAFT, id="our draft, by its number"
        ),
        pytest.param(
            FACTS.with_home(releases=(Release(55, TAG, True, True, (asset("a.bin", 4, sha256("a")),)),)),
            UPLOAD,
            id="an asset that is there",
        ),
        pytest.param(
            FACTS.with_home(releases=(Release(55, TAG, False, True),)), UPLOAD, id="a release that is out gets no asset"
        ),
        pytest.param(
            FACTS.with_home(releases=(Release(55, "v9.0.0", True, True),)), UPLOAD, id="another draft gets no asset"
        ),
        pytest.param(
            FACTS.with_home(releases=(Release(54, TAG, True, True),)), PUBLISH, id="another draft is not published"
        ),
        pytest.param(FACTS, REVIEW, id="a review"),
        pytest.param(under_way(GOAL, merged(CHANGE)), CLOSE, id="a merged pull request is not closed"),
        pytest.param(FACTS, CLOSE, id="no pull request to close"),
        pytest.param(FACTS, CANCEL, id="runs that were not read"),
        pytest.param(replace(FACTS, runs=(ENDED,)), CANCEL, id="a run that has ended"),
        pytest.param(observation(), CREATE, id="no change in sight"),
        pytest.param(FACTS, replace(CREATE, branch="somebody/else"), id="another branch"),
    ],
)
def test_what_a_look_shows_already_is_left_as_it_is(facts: Observation, done: Action) -> None:
    assert after(facts, done) == facts


def test_somebody_elses_commit_on_our_branch_is_not_mistaken_for_ours() -> None:
    foreign = replace(pushed(CHANGE), branch=sha("foreign"), on_branch=dict.fromkeys(CHANGE.wanted, "f" * 40))
    assert after(under_way(GOAL, foreign), CREATE, COMMIT) == under_way(GOAL, foreign)


def test_the_life_of_a_draft() -> None:
    facts = after(FACTS, TAGGED, DRAFT, UPLOAD)
    assert facts.home.tags == {TAG: sha("merge")}
    (release,) = facts.home.releases
    assert (release.id, release.tag, release.draft, release.prerelease, release.body) == (55, TAG, True, True, "body")
    assert [(a.name, a.size, a.digest) for a in release.assets] == [("a.bin", 4, f"sha256:{sha256('a')}")]
    (public,) = after(facts, PUBLISH).home.releases
    assert public == replace(release, draft=False)


def test_a_deleted_asset_is_gone_and_its_successor_stays() -> None:
    broken = Release(55, TAG, True, True, (asset("a.bin", -1, sha256("?"), 9), asset("b.bin", 1, sha256("b"), 10)))
    facts = FACTS.with_home(releases=(broken, Release(56, "v9.0.0", True, True, (asset("x", 1, sha256("x"), 9),))))
    found = after(facts, DELETE, UPLOAD)
    assert [(a.id, a.name) for a in found.home.releases[0].assets] == [(10, "b.bin"), (55, "a.bin")]
    assert found.home.releases[1] == facts.home.releases[1]
    assert after(found, DELETE, UPLOAD) == found


@pytest.mark.parametrize("done", [DISPATCH, PUBLISHING], ids=["candidate", "publish"])
def test_a_dispatched_run_is_alive_and_listed_once_where_runs_are_known(done: action.DispatchWorkflow) -> None:
    facts = after(replace(FACTS, runs=(), candidate_runs={}), done, done)
    listed = facts.candidate_runs["core"] if done is DISPATCH and facts.candidate_runs else facts.runs or ()
    assert [(r.id, r.title, r.status, r.conclusion, r.actor, r.url) for r in listed] == [
        (55, done.title, "queued", None, "alice", OUTCOME.url)
    ]
    assert facts.seen_alive == {55}
    blind = after(replace(FACTS, runs=None, candidate_runs=None), done)
    assert (blind.runs, blind.candidate_runs, blind.seen_alive) == (None, None, {55})


def test_the_forges_own_words_about_a_run_count_more_than_ours() -> None:
    facts = after(replace(FACTS, runs=()), PUBLISHING)
    ended = replace((facts.runs or ())[0], status="completed", conclusion="failure")
    assert after(replace(FACTS, runs=(ended,)), PUBLISHING).runs == (ended,)


ACTIONS = (CREATE, COMMIT, OPEN, UPDATE, MERGE, TAGGED, DRAFT, UPLOAD, DELETE, PUBLISH, DISPATCH, PUBLISHING, REVIEW)
ACTIONS += (CLOSE, CANCEL)
STAGES = [replace(prepared(GOAL), runs=(replace(ENDED, status="waiting"),))]
STAGES += [under_way(GOAL, stage) for stage in (absent(CHANGE), pushed(CHANGE), opened(CHANGE), merged(CHANGE))]


@given(st.sampled_from(STAGES), st.lists(st.sampled_from(ACTIONS), max_size=8))
def test_folding_the_same_effects_again_changes_nothing(facts: Observation, done: list[Action]) -> None:
    once = after(facts, *done)
    assert after(once, *done, *done) == after(once, *done)


def test_a_closed_pull_request_and_a_run_that_is_told_to_end() -> None:
    found = change_of(after(under_way(GOAL, opened(CHANGE)), CLOSE))
    assert found.pull.state == "CLOSED"
    runs = (replace(ENDED, status="in_progress", conclusion=None), replace(ENDED, id=901, status="waiting"))
    told = after(replace(FACTS, runs=runs), CANCEL).runs or ()
    assert [r.status for r in told] == ["cancelling", "waiting"], "it may still publish: nobody may think it has ended"


# --- assumed waits and the prediction


def test_waits_may_be_assumed_to_end_well() -> None:
    built = assume(FACTS, Wait("candidates", "", ""), GOAL)
    assert built.ready["loader"] == FACTS.ready["loader"]
    assert built.ready["core"] is not None
    assert built.ready["core"].release.tag == f"rc-{sha('core-1')}"
    spoiled = replace(FACTS, ready={**FACTS.ready, "loader": ready("loader", sha("loader-1"), problems=("torn",))})
    mended = assume(spoiled, Wait("candidates", "", ""), GOAL).ready["loader"]
    assert mended is not None
    assert mended.problems == ()
    green = assume(under_way(GOAL, opened(CHANGE)), Wait("checks", "", ""), GOAL)
    assert [(c.name, c.app, c.conclusion) for c in change_of(green).pull.checks] == [
        ("validate", "github-actions", "success")
    ]


def test_the_whole_of_a_release_is_predicted_in_order() -> None:
    found = keys(predict(GOAL, observation()))
    assert [key.split()[0] for key in found] == [
        *(
            "create-branch",
            "commit",
            "open-pull",
            "dispatch",
            "merge-pull",
            "dispatch",
            "review",
            "create-tag",
            "create-draft",
        ),
        *("upload",) * 5,
        *("publish", "create-branch", "commit", "open-pull", "merge-pull"),
    ]
    assert len(set(found)) == len(found)


def test_a_prediction_ends_where_a_gate_blocks() -> None:
    assert predict(GOAL, observation().with_home(audit=None)) == ()


def test_a_branch_that_fell_behind_is_updated_once_in_a_dry_run() -> None:
    facts = replace(prepared(GOAL), release_change=replace(opened(CHANGE, check(5, "validate")), behind=True))
    first = next_prepare(GOAL, facts)
    assert first == Act((UPDATE,))
    second = next_prepare(GOAL, after(facts, UPDATE))
    assert isinstance(second, Wait)
    assert second.awaited == "checks"
