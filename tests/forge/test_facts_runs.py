"""Facts about dispatch, runs, checks and environments (github-facts G1–G5, G17–G30), each a test with its number.

Facts that other files of this directory hold have their number in the test's name there; test_facts.py lists them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forge.broken_off import break_off
from forge.running import REPO, World, jobs, serving
from ms_release.forge import git

MANUAL = {"workflow_dispatch": {"inputs": {"tag": {"required": True}}}}
TOKEN = {"repos": None, "permissions": None, "expires_at": None, "run_id": None}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path / "forge") as world:
        world.quick()
        yield world


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def dispatch(world: World, who: str = "alice", file: str = "ci.yml", **inputs: str) -> httpx.Response:
    body = {"ref": "main", "inputs": inputs}
    return world.ask("POST", f"/actions/workflows/{file}/dispatches", who, json=body)


def review(world: World, who: str, run: int = 1, state: str = "approved") -> httpx.Response:
    path = f"/actions/runs/{run}/pending_deployments"
    numbers = [gate["environment"]["id"] for gate in world.ask("GET", path, who).json()]
    return world.ask("POST", path, who, json={"environment_ids": numbers, "state": state, "comment": ""})


def may_approve(world: World, who: str, run: int = 1) -> bool:
    [gate] = world.ask("GET", f"/actions/runs/{run}/pending_deployments", who).json()
    return bool(gate["current_user_can_approve"])


# ---- dispatch


def test_g1_an_unknown_parameter_of_a_dispatch_is_no_error_here(world: World) -> None:
    """Since 2026-02-19; servers that answer 400 to `return_run_details` are older than the versions we speak."""
    world.push({"ci.yml": jobs({"x": {}}, on="workflow_dispatch")})
    asked = world.ask("POST", "/actions/workflows/ci.yml/dispatches", json={"ref": "main", "return_run_details": True})
    assert (asked.status_code, set(asked.json())) == (200, {"workflow_run_id", "run_url", "html_url"})


def test_g2_the_version_is_2022_11_28_unless_told(world: World) -> None:
    plain = world.ask("GET", "/branches")
    assert plain.headers["x-github-api-version-selected"] == "2022-11-28"
    newer = world.ask("GET", "/branches", headers={"x-github-api-version": "2026-03-10"})
    assert newer.headers["x-github-api-version-selected"] == "2026-03-10"
    assert world.ask("GET", "/branches", headers={"x-github-api-version": "2020-01-01"}).status_code == 400


def test_g3_a_lost_dispatch_is_found_by_its_display_title(world: World) -> None:
    world.push({"ci.yml": jobs({"x": {}}, on=MANUAL, **{"run-name": "Publish ${{ inputs.tag }}"})})
    for tag in ("v1", "v2"):
        assert dispatch(world, tag=tag).status_code == 204
    world.settle()
    listed = world.ask("GET", "/actions/workflows/ci.yml/runs?event=workflow_dispatch").json()["workflow_runs"]
    assert [run["display_title"] for run in listed] == ["Publish v2", "Publish v1"]


def test_g3_a_list_of_runs_ends_after_a_thousand(world: World) -> None:
    world.push({"ci.yml": jobs({"x": {}})})
    world.settle()
    with world.store.writing():
        for number in range(2, 1006):
            world.store.put("run", number, {**world.run(), "id": number}, REPO)
    assert world.ask("GET", "/actions/runs?per_page=100").json()["total_count"] == 1000
    assert len(world.ask("GET", "/actions/runs?per_page=100&page=10").json()["workflow_runs"]) == 100
    assert world.ask("GET", "/actions/runs?per_page=100&page=11").json()["workflow_runs"] == []


def test_g4_a_dispatch_names_what_is_wrong(world: World) -> None:
    sha = world.push({"ci.yml": jobs({"x": {}}, on=MANUAL), "push.yml": jobs({"x": {}}, on="push")})
    world.push({"side.yml": jobs({"x": {}}, on=MANUAL)}, "side")
    assert message(dispatch(world)) == (422, "Required input 'tag' not provided")
    assert message(dispatch(world, tag="v1", z="1")) == (422, 'Unexpected inputs provided: ["z"]')
    assert message(dispatch(world, file="push.yml")) == (422, "Workflow does not have 'workflow_dispatch' trigger")
    by_sha = world.ask("POST", "/actions/workflows/ci.yml/dispatches", json={"ref": sha, "inputs": {"tag": "v1"}})
    assert message(by_sha) == (422, f"No ref found for: {sha}")
    assert dispatch(world, file="side.yml", tag="v1").status_code == 404  # not on the default branch
    [known] = world.store.find("workflow", REPO, path=".github/workflows/ci.yml")
    world.store.put("workflow", known["id"], {**known, "state": "disabled_manually"}, REPO)
    assert message(dispatch(world, tag="v1")) == (422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    world.settle()


def test_g4_a_workflow_has_at_most_25_inputs(world: World) -> None:
    many = {"workflow_dispatch": {"inputs": {f"i{number}": {} for number in range(26)}}}
    world.push({"ci.yml": jobs({"x": {}}, on=many)})
    assert "up to 25 `inputs`" in dispatch(world).json()["message"]


def test_g5_a_pull_request_of_a_workflow_gets_no_checks(world: World) -> None:
    world.push({"ci.yml": jobs({"test": {}}, on="pull_request")})
    world.push({"f": "1"}, "topic", by_workflow=True)
    job = {"pull_requests": "write", "contents": "write"}
    token = {"login": "github-actions[bot]", "kind": "workflow", "repos": [REPO], "permissions": job, "run_id": None}
    world.store.put("token", "job-token", {**token, "expires_at": None})
    opened = world.ask("POST", "/pulls", "job", json={"title": "T", "head": "topic", "base": "main"})
    assert opened.status_code == 201, opened.text
    assert world.store.find("run") == []
    protect(world)
    refused = world.ask("PUT", "/pulls/1/merge", json={})
    assert message(refused) == (405, 'Required status check "test" is expected.')


# ---- checks of runs


def protect(world: World) -> None:
    checks = {"strict": False, "checks": [{"context": "test", "app_id": None}]}
    rules = {"required_status_checks": checks, "enforce_admins": True, "restrictions": None}
    world.store.put("protection", f"{REPO}:main", {**rules, "required_pull_request_reviews": None}, REPO)


@pytest.mark.parametrize(
    ("top", "job", "text", "merges"),
    [
        ({"on": "pull_request"}, {"if": "github.ref == 'refs/heads/never'"}, "change", True),
        ({"on": {"pull_request": {"paths": ["docs/**"]}}}, {}, "change", False),
        ({"on": {"pull_request": {"branches": ["next"]}}}, {}, "change", False),
        ({"on": "pull_request"}, {}, "change [skip ci]", False),
    ],
)
def test_g17_a_skipped_job_passes_and_a_skipped_workflow_stays_expected(
    world: World, top: dict[str, Any], job: dict[str, Any], text: str, merges: bool
) -> None:
    world.push({"ci.yml": jobs({"test": job}, **top)})
    world.push({"f": "1"}, "topic", message=text)
    world.ask("POST", "/pulls", json={"title": "T", "head": "topic", "base": "main"})
    world.settle()
    protect(world)
    answer = world.ask("PUT", "/pulls/1/merge", json={})
    expected = (405, 'Required status check "test" is expected.')
    assert answer.status_code == 200 if merges else message(answer) == expected


def test_g19_a_rerun_keeps_its_number_and_flips_its_conclusion(world: World) -> None:
    world.quick("test")
    sha = world.push({"ci.yml": jobs({"test": {}})})
    world.settle()
    world.quick()
    seen = [world.ask("GET", "/actions/runs/1").json()]
    assert world.ask("POST", "/actions/runs/1/rerun", "carol").status_code == 201
    world.settle()
    seen.append(world.ask("GET", "/actions/runs/1").json())
    assert [(run["run_attempt"], run["conclusion"]) for run in seen] == [(1, "failure"), (2, "success")]
    assert {(run["id"], run["head_sha"], run["actor"]["login"]) for run in seen} == {(1, sha, "alice")}
    assert seen[1]["triggering_actor"]["login"] == "carol"
    world.now = world.now.replace(month=5)
    assert world.ask("POST", "/actions/runs/1/rerun").status_code == 403


def test_g21_a_first_page_of_checks_is_not_all_of_them(world: World) -> None:
    sha = world.push({"ci.yml": jobs({f"test{number}": {} for number in range(31)})})
    world.settle()
    first = world.ask("GET", f"/commits/{sha}/check-runs")
    assert (first.json()["total_count"], len(first.json()["check_runs"])) == (31, 30)
    assert 'rel="next"' in first.headers["link"]
    assert len(world.ask("GET", f"/commits/{sha}/check-runs?page=2").json()["check_runs"]) == 1


# ---- environments


def gated(world: World, **settings: Any) -> None:
    world.environment(**settings)
    world.push({"ci.yml": jobs({"ship": {"environment": "release"}}, on=["push", "workflow_dispatch"])})
    world.settle()


def test_g25_one_approval_of_several_reviewers_suffices(world: World) -> None:
    gated(world, reviewers=[{"type": "User", "name": name} for name in ("bob", "carol")])
    assert review(world, "carol").status_code == 200
    world.settle()
    assert world.ends() == ["success"]


def test_g26_admins_pass_unless_the_environment_says_otherwise(world: World) -> None:
    made = world.ask("PUT", "/environments/release", "dana", json={"reviewers": [{"type": "User", "id": 2}]}).json()
    assert made["can_admins_bypass"] is True  # on by default, and sent although not described
    world.push({"ci.yml": jobs({"ship": {"environment": "release"}})})
    world.settle()
    assert [may_approve(world, who) for who in ("bob", "dana", "carol")] == [True, True, False]
    body = world.store.find("environment", REPO)[0]
    world.store.put("environment", f"{REPO}:release", {**body, "can_admins_bypass": False}, REPO)
    assert world.ask("GET", "/environments/release").json()["can_admins_bypass"] is False
    assert may_approve(world, "dana") is False
    assert review(world, "dana").status_code == 422


def test_g27_one_422_means_not_yet_done_already_and_not_yourself(world: World) -> None:
    gated(world, reviewers=[{"type": "User", "name": "alice"}], prevent_self_review=True)
    path, text = "/actions/runs/1/pending_deployments", "No pending deployment requests to approve or reject"
    wish = {"environment_ids": [1], "state": "approved", "comment": ""}
    assert may_approve(world, "alice") is False
    assert message(world.ask("POST", path, "alice", json=wish)) == (422, text)
    assert message(world.ask("POST", path, "bob", json={**wish, "environment_ids": [9]})) == (422, text)
    world.engine.cancel(REPO, 1, "alice")
    world.settle()
    assert message(world.ask("POST", path, "bob", json=wish)) == (422, text)


def test_g28_self_review_is_compared_with_who_started_the_run(world: World) -> None:
    """A bot as initiator lets its operator approve; a re-run makes him who asked for it the initiator."""
    gated(world, reviewers=[{"type": "User", "name": name} for name in ("alice", "carol")], prevent_self_review=True)
    assert [may_approve(world, who) for who in ("alice", "carol")] == [False, True]
    app = {"id": 7, "slug": "robot", "name": "R", "org": "o", "permissions": {}, "installation_id": 1, "public_key": ""}
    world.store.put("app", "robot", app)
    may = {**TOKEN, "repos": [REPO], "permissions": {"actions": "write", "contents": "read"}}
    world.store.put("token", "robot-token", {**may, "login": "robot[bot]", "kind": "installation"})
    assert dispatch(world, "robot").status_code == 204
    world.settle()
    assert [may_approve(world, who, run=2) for who in ("alice", "carol")] == [True, True]
    world.engine.review(REPO, 1, [1], "rejected", "", "carol")
    world.settle()
    world.engine.rerun(REPO, 1, "carol")
    world.settle()
    assert [may_approve(world, who) for who in ("alice", "carol")] == [True, False]


@pytest.mark.parametrize(("names", "end"), [(["refs/tags/v*"], "success"), (["main"], "failure")])
def test_g30_branch_rules_see_the_tag_that_runs(world: World, names: list[str], end: str) -> None:
    policy = {"protected_branches": False, "custom_branch_policies": True, "names": names}
    world.environment(branch_policy=policy)
    sha = world.push({"ci.yml": jobs({"ship": {"environment": "release"}}, on={"push": {"tags": ["v*"]}})})
    git.update_ref(world.forge.git_dir(REPO), "refs/tags/v1", sha, None)
    world.engine.pushed(REPO, "refs/tags/v1", None, sha, "alice")
    world.settle()
    assert world.ends() == [end]


# ---- concurrency


@pytest.mark.parametrize("queue", [{}, {"queue": "max"}])
def test_g23_a_group_is_one_whatever_its_letters(world: World, queue: dict[str, str]) -> None:
    world.environment(reviewers=[{"type": "User", "name": "bob"}])
    ship = {"ship": {"environment": "release"}}
    groups = {"a.yml": "Publish-${{ github.ref_name }}", "b.yml": "PUBLISH-MAIN"}
    world.push(
        {
            name: jobs(ship, on="workflow_dispatch", concurrency={"group": group, "cancel-in-progress": False, **queue})
            for name, group in groups.items()
        }
    )
    for file in ("a.yml", "b.yml", "a.yml"):
        dispatch(world, file=file)
    world.settle()
    assert world.ends() == ["waiting", "pending" if queue else "cancelled", "pending"]


# ---- cancelling (known to whoever has cancelled a run of GitHub's)


def test_jobs_that_always_run_survive_a_cancel_and_not_a_forced_one(world: World) -> None:
    world.environment(reviewers=[{"type": "User", "name": "bob"}])
    specs = {
        "ship": {"environment": "release"},
        "plain": {"needs": "ship"},
        "tidy": {"needs": "ship", "if": "always()"},
        "tell": {"needs": "ship", "if": "${{ cancelled() }}"},
        "bad": {"needs": "ship", "if": "failure()"},
        "unless": {"needs": "ship", "if": "!cancelled()"},
    }
    for forced in (False, True):
        world.push({"ci.yml": jobs(specs)}, message=f"forced {forced}")
        world.settle()
        number = len(world.store.find("run"))
        way = "force-cancel" if forced else "cancel"
        assert world.ask("POST", f"/actions/runs/{number}/{way}").status_code == 202
        world.settle()
        assert world.run(number)["conclusion"] == "cancelled"
        ends = {key: world.job(key, number)["conclusion"] for key in specs}
        end = "cancelled" if forced else "success"
        assert ends == dict.fromkeys(("ship", "plain", "bad", "unless"), "cancelled") | {"tidy": end, "tell": end}


def test_a_broken_off_request_does_nothing(world: World) -> None:
    world.push({"ci.yml": jobs({"x": {}}, on="workflow_dispatch")})
    body = json.dumps({"ref": "main"}).encode()
    host, port = world.server.url.removeprefix("http://").split(":")
    path = f"/api/v3/repos/{REPO}/actions/workflows/ci.yml/dispatches"
    break_off((host, int(port)), path, "alice-token", body, len(body) + 1)
    world.until(lambda: [r for r in world.store.requests() if r["path"].endswith("/dispatches")])
    assert world.store.find("run") == []
