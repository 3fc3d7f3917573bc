"""What the runbook says about failing, done: each failure with its exit code, its cause, and a next command that helps.

Workflows are really run. A failure that the runbook names and nobody shows here is a failure of the last test.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ms_release.forge import git
from ms_release.render.runbook import FAILURES
from scenarios.phases import APPROVE, PHASES, Undisturbed
from scenarios.prefork import Typed
from scenarios.stage import BETA, FIRST, HOME, Saved, Stage, broken, staging
from scenarios.web import WEB
from scenarios.wire import Kill

SECOND = "v0.1.0-beta.2"
PUBLISH = "ms release content publish --channel beta --auto --watch"
PREPARE = "ms release content prepare --channel beta --auto --watch"
PLAN = "ms release content plan --channel beta --auto"
KEY = f"{HOME}:release:MS_MANIFEST_KEY"

shown: dict[str, str] = {
    "a check of a component failed": "core/test_selection.py",
    "a command was killed, or the machine died": "scenarios/test_interruption.py",
    "published is not what was planned": "core/test_verify_release.py",
    "a fact could not be read": "core/test_gates.py",
    "the forge is down or its limit is reached": "forge/test_faults.py",
}
"""Failures of the runbook, and the test that shows each: the others add themselves below."""


def shows(row: str) -> Callable[[Any], Any]:
    """Says which row of the runbook a test is about."""

    def note(test: Any) -> Any:
        shown[row] = test.__name__
        return test

    return note


@pytest.fixture(scope="session")
def undisturbed(saved: Saved) -> Undisturbed:
    return Undisturbed(saved)


@pytest.fixture
def prepared(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[Stage]:
    """Merged, and not started."""
    with staging(undisturbed.before(PHASES["publish"]), tmp_path) as stage:
        yield stage


@pytest.fixture
def waiting(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[Stage]:
    """In front of the environment."""
    with staging(undisturbed.before(APPROVE), tmp_path, direct=True) as stage:
        yield stage


def told(typed: Typed, exit: int, cause: str, next: str) -> None:
    """How a command ended: the code, the cause, who acts, and what to type."""
    error = typed.document.get("error", {})
    assert (typed.exit, error.get("next")) == (exit, next), f"{typed.document}\n{typed.errors}"
    assert re.search(cause, error["cause"]), error["cause"]
    assert error["remedy"]


def type_next(stage: Stage, typed: Typed, who: str = "alice") -> Typed:
    """Type exactly what the error says."""
    return stage.type(who, *typed.document["error"]["next"].split()[2:])


def comes_out(stage: Stage, typed: Typed, tag: str = FIRST) -> None:
    """Type what the error says, have it approved, and look at the result from outside."""
    with stage.approving():
        done = type_next(stage, typed)
    assert done.exit == 0, f"{done.errors}\n{stage.failures()}"
    assert tag in stage.published()
    verified = stage.type("carol", "content", "verify", tag)
    assert verified.exit == 0, verified.errors


def commit(stage: Stage, branch: str, path: str, data: bytes, who: str = "carol") -> None:
    """Somebody's commit on a branch of the home repository, past the rules."""
    git_dir, ref = stage.forge.git_dir(HOME), f"refs/heads/{branch}"
    old = git.read_ref(git_dir, ref)
    assert old is not None
    person = git.Person(who, f"{who}@example.org", stage.forge.now())
    new = git.commit_files(git_dir, old, {path: data}, [], "chore: by hand", person)
    git.update_ref(git_dir, ref, new, old)


def push(stage: Stage, branch: str, path: str, data: bytes) -> None:
    """Carol's push to a branch that no rule protects."""
    git_dir = stage.forge.git_dir(HOME)
    old = git.read_ref(git_dir, f"refs/heads/{branch}")
    change = {"additions": [{"path": path, "contents": base64.b64encode(data).decode()}]}
    wish = {
        "branch": {"repositoryNameWithOwner": HOME, "branchName": branch}, "expectedHeadOid": old,
        "message": {"headline": "chore: by hand"}, "fileChanges": change,
    }  # fmt: skip
    text = "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }"
    answer = WEB.post(
        f"{stage.server.url}/api/graphql",
        json={"query": text, "variables": {"input": wish}},
        headers={"authorization": "Bearer carol-token"},
    ).json()
    assert "errors" not in answer, answer
    stage.settle()


# --- before the publishing run


@shows("a candidate could not be built")
def test_a_candidate_that_cannot_be_built(new_stage: Stage) -> None:
    stage = new_stage
    with broken(stage, "build", "midi-studio/core"):
        failed = stage.type("alice", "prepare", *BETA, "--watch")
    told(failed, 3, "the candidate of core could not be built: its run ended with failure", PREPARE)
    assert "merge-pull" not in " ".join(stage.performed()), "the version is not burned"
    done = type_next(stage, failed, "erin")
    assert done.exit == 0, done.errors
    assert (done.document["tag"], FIRST in stage.published()) == (FIRST, False)


@shows("a check of the release pull request failed")
def test_a_red_check_of_the_release_pull_request(stage: Stage) -> None:
    with broken(stage, "validate"):
        failed = stage.type("alice", "publish", *BETA, "--watch")
    told(failed, 3, r"the checks of #\d+ failed \(red: validate", PUBLISH)
    assert type_next(stage, failed).exit == 3, "the same as long as it is red"
    red = next(run for run in stage.store.find("run", HOME, event="pull_request") if run["conclusion"] == "failure")
    again = stage.ask("alice", "POST", f"/{HOME}/actions/runs/{red['id']}/rerun-failed-jobs")
    assert again.status_code == 201, again.text
    stage.settle()
    comes_out(stage, failed)


@shows("the forge refuses to merge")
def test_a_merge_that_a_rule_refuses(stage: Stage) -> None:
    assert stage.type("alice", "prepare", *BETA).exit == 4
    stage.settle()
    protection = stage.store.get("protection", f"{HOME}:main")
    assert protection is not None
    protection["required_pull_request_reviews"]["required_approving_review_count"] = 1
    stage.store.put("protection", f"{HOME}:main", protection, HOME)
    refused = stage.type("alice", "prepare", *BETA, "--watch")
    assert refused.exit == 4, refused
    assert re.search(r"#\d+ cannot be merged yet: .*review", refused.document["error"]["cause"])
    (pull,) = stage.store.find("pull", HOME, state="open")
    seen = stage.ask("erin", "POST", f"/{HOME}/pulls/{pull['number']}/reviews", json={"event": "APPROVE"})
    assert seen.status_code == 200, seen.text
    done = stage.type("alice", "prepare", *BETA, "--watch")
    assert done.exit == 0, done.errors


@shows("somebody pushed to the release branch")
def test_a_head_that_is_not_ours(stage: Stage) -> None:
    assert stage.type("alice", "prepare", *BETA).exit == 4
    stage.settle()
    push(stage, f"release/{FIRST}", "README.md", b"mine\n")
    refused = stage.type("alice", "prepare", *BETA, "--watch")
    told(refused, 3, r"the head of #\d+ is not ours: it differs in README.md", "ms release status")
    assert not any(key.startswith("merge-pull") for key in stage.performed())
    assert stage.type("alice", "content", "cancel", FIRST, "--yes").exit == 0
    assert stage.type("alice", *PLAN.split()[2:]).document["tag"] == SECOND


@shows("somebody else holds the version")
def test_a_version_that_somebody_else_holds(stage: Stage) -> None:
    planned = stage.type("alice", "plan", *BETA)
    assert stage.type("erin", "prepare", *BETA).exit == 4
    plan = Path(stage.rehearsal.operator / planned.document["plan"])
    mine = plan.read_text().replace('"created_by": "alice"', '"created_by": "carol"')
    plan.write_text(mine)
    refused = stage.type("alice", "prepare", "--plan", planned.document["plan"])
    told(refused, 3, f"release/{FIRST} holds another .*somebody else's release", "ms release status")
    rows = type_next(stage, refused).document["releases"]
    assert [(row["tag"], row["who"] != "") for row in rows] == [(FIRST, True)]


# --- the publishing run


@shows("the publishing run failed")
def test_a_run_that_fails_before_the_approval(prepared: Stage) -> None:
    stage = prepared
    with broken(stage, "assemble"):
        failed = stage.type("alice", "publish", *BETA, "--watch")
    told(failed, 3, "the publishing run ended with failure", PUBLISH)
    assert "actions/runs/" in failed.document["error"]["remedy"]
    assert stage.tags() == []
    comes_out(stage, failed)
    assert len(stage.store.find("run", HOME, name="Publish")) == 2


@shows("the signing key is missing or another one")
def test_a_run_without_its_key_fails_after_the_approval(waiting: Stage) -> None:
    stage = waiting
    key = stage.store.get("secret", KEY)
    assert key is not None
    stage.store.delete("secret", KEY)
    with stage.approving():
        failed = stage.type("alice", "publish", *BETA, "--watch")
    told(failed, 3, "the publishing run ended with failure", PUBLISH)
    stage.settle()
    assert "there is no signing key" in stage.failures()
    assert stage.tags() == []
    stage.store.put("secret", KEY, key, HOME)
    comes_out(stage, failed)


FILES = 7


@shows("the runner died while it published")
@pytest.mark.parametrize("k", [0, 3, FILES, *(pytest.param(n, marks=pytest.mark.sampled(4)) for n in (1, 2, 4, 5, 6))])
def test_a_runner_that_dies_after_k_files(undisturbed: Undisturbed, tmp_path: Path, k: int) -> None:
    asked = [a for a in undisturbed.asked(APPROVE) if a.who == "job" and a.write]
    uploads = [a for a in asked if a.method == "POST" and a.path.endswith("/assets")]
    assert len(uploads) == FILES
    (publishing,) = (a for a in asked if a.method == "PATCH")
    with undisturbed.playing(APPROVE, tmp_path) as act:
        stage = act.stage
        act.wire.aim(Kill(uploads[k] if k < FILES else publishing, "before"))
        assert act.type().exit == 0, "the approval was given"
        assert act.wire.killed
        assert stage.published() == [], "never a release with files missing"
        (draft,) = stage.store.find("release", HOME)
        assert len(stage.store.find("asset", HOME, release_id=draft["id"])) == k
        # this command did not see it fail: it starts a run again, and that needs a new approval
        with stage.approving():
            done = stage.type("alice", *PUBLISH.split()[2:])
        assert done.exit == 0, f"{done.errors}\n{stage.failures()}"
        (release,) = stage.store.find("release", HOME)
        assert (release["id"], release["draft"]) == (draft["id"], False), "the same draft was completed"
        uploaded = [key for key in stage.performed() if key.startswith("upload ")]
        assert len(uploaded) == len(set(uploaded)) == FILES
        assert stage.type("carol", "content", "verify", FIRST).exit == 0


@shows("somebody cancelled the publishing run")
def test_a_run_that_somebody_else_cancelled(waiting: Stage) -> None:
    stage = waiting
    publishing = stage.begin("alice", "publish", *BETA, "--watch")
    run = stage.waiting()
    assert run is not None
    path = f"/repos/{HOME}/actions/runs/{run['id']}"
    stage.until(lambda: any(r["path"] == path for r in stage.asked_by("alice")))
    assert stage.ask("erin", "POST", f"/{HOME}/actions/runs/{run['id']}/cancel").status_code == 202
    failed = publishing.end()
    told(failed, 3, "somebody cancelled the publishing run http", PUBLISH)
    comes_out(stage, failed)


# --- the approval


@shows("nobody approves")
def test_nobody_approves_yet(waiting: Stage) -> None:
    typed = waiting.type("alice", "publish", *BETA)
    assert typed.exit == 4
    assert "release managers (midi-studio/release-managers) must act" in typed.document["error"]["remedy"]
    status = waiting.type("alice", "status").document["releases"]
    assert [row["next"] for row in status] == [f"ms release content approve {FIRST}"]


@shows("nobody approved within 30 days")
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "typed later"])
def test_nobody_approved_in_time(waiting: Stage, watched: bool) -> None:
    stage = waiting
    publishing = stage.begin("alice", "publish", *BETA, "--watch") if watched else None
    run = stage.waiting()
    assert run is not None
    if watched:
        path = f"/repos/{HOME}/actions/runs/{run['id']}"
        stage.until(lambda: any(r["path"] == path for r in stage.asked_by("alice")))
    moment = stage.forge.clock
    stage.forge.clock = lambda: moment() + timedelta(days=30)
    stage.forge.engine.tick()
    if publishing is not None:
        told(publishing.end(), 3, f"nobody approved {FIRST} within 30 days, and its run ended", PUBLISH)
    # what an administrator looked at has grown old as well, and blocks before anything is started
    old = stage.type("alice", *PUBLISH.split()[2:])
    told(old, 3, "^AUDIT .* is older than 7 days", PUBLISH)
    record = json.loads(git.read_file(stage.forge.git_dir(HOME), "main", "release/policy-audit.json") or b"")
    record["audited_at"] = stage.forge.now()
    commit(stage, "main", "release/policy-audit.json", json.dumps(record).encode(), "dana")
    comes_out(stage, old)


@shows("the release was rejected")
def test_rejected(waiting: Stage) -> None:
    stage = waiting
    assert stage.review("bob", "rejected", "not on a Friday").status_code == 200
    stage.settle()
    failed = stage.type("alice", "publish", *BETA, "--watch")
    told(failed, 3, f"{FIRST} cannot be published any more .*rejected by @bob", PLAN)
    planned = type_next(stage, failed)
    assert (planned.exit, planned.document["tag"]) == (0, SECOND)
    with stage.approving():
        done = stage.type("alice", "publish", "--plan", planned.document["plan"], "--watch")
    assert done.exit == 0, done.errors
    assert stage.published() == [SECOND]


@shows("the plan is stale (“was A, is B”)")
def test_stale(waiting: Stage) -> None:
    stage = waiting
    for release in stage.store.find("release", "midi-studio/core"):
        stage.store.delete("release", release["id"])
    failed = stage.type("alice", "publish", *BETA, "--watch")
    told(failed, 3, f"{FIRST} cannot be published any more .*candidate .* of core: was .*, is gone", PLAN)
    planned = type_next(stage, failed)
    assert (planned.exit, planned.document["tag"]) == (0, SECOND)


@shows("a release should not come out after all")
def test_given_up(waiting: Stage) -> None:
    """The rest is in test_cancel.py."""
    done = waiting.type("alice", "content", "cancel", FIRST, "--yes", "--reason", "it does not start")
    assert done.exit == 0, done.errors
    assert waiting.waiting() is None


def test_every_failure_of_the_runbook_is_shown() -> None:
    assert {row[0] for row in FAILURES} == set(shown)
    here = Path(__file__).parents[1]
    assert [where for where in shown.values() if "/" in where and not (here / where).exists()] == []
