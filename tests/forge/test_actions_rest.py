"""The Actions and environments parts of the REST API answer as GitHub's do, to those who may ask."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from forge.running import REPO, World, jobs, serving, workflow
from ms_release.forge import git

BOB = [{"type": "User", "name": "bob"}]
DISPATCH = {"workflow_dispatch": {"inputs": {"tag": {}}}}
VERSION = {"x-github-api-version": "2026-03-10"}
# What GitHub's OpenAPI description requires.
RUN = set(
    "id node_id head_branch run_number display_title event status conclusion head_sha path workflow_id url html_url "
    "created_at updated_at head_commit head_repository repository jobs_url logs_url check_suite_url cancel_url "
    "rerun_url artifacts_url workflow_url pull_requests".split()
)
JOB = set(
    "id node_id run_id run_url head_sha workflow_name head_branch name url html_url status conclusion started_at "
    "completed_at check_run_url labels runner_id runner_name runner_group_id runner_group_name created_at".split()
)
ARTIFACT = set(
    "id node_id name size_in_bytes url archive_download_url expired created_at expires_at updated_at".split()
)
ENVIRONMENT = set("id node_id name url html_url created_at updated_at".split())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path / "forge") as world:
        yield world


def upload(name: str) -> list[dict[str, Any]]:
    return [{"run": "echo 1 > f"}, {"uses": "actions/upload-artifact@v7", "with": {"name": name, "path": "f"}}]


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


# ---- reading


def test_workflows_are_those_of_the_default_branch(world: World) -> None:
    world.push({"a.yml": workflow([{"run": "true"}], on=DISPATCH), "b.yml": "broken: ["})
    world.push({"c.yml": workflow([{"run": "true"}], on=DISPATCH)}, "x")
    listed = world.ask("GET", "/actions/workflows").json()
    known = [(w["name"], w["path"], w["state"]) for w in listed["workflows"]]
    assert sorted(known, reverse=True) == [
        ("CI", ".github/workflows/a.yml", "active"),
        (".github/workflows/b.yml", ".github/workflows/b.yml", "active"),
    ]
    number = next(w["id"] for w in listed["workflows"] if w["name"] == "CI")
    assert (
        world.ask("GET", f"/actions/workflows/{number}").json() == world.ask("GET", "/actions/workflows/a.yml").json()
    )
    assert world.ask("GET", "/actions/workflows/c.yml").status_code == 404


def test_runs_are_filtered_newest_first(world: World) -> None:
    first = world.push({"a.yml": workflow([{"run": "true"}]), "b.yml": workflow([{"run": "false"}])})
    world.push({"f": "1"}, "x", actor="carol")
    world.settle()

    def found(query: str, path: str = "/actions/runs") -> list[int]:
        answer = world.ask("GET", f"{path}?{query}").json()
        assert answer["total_count"] == len(answer["workflow_runs"])
        return [run["id"] for run in answer["workflow_runs"]]

    assert found("") == [4, 3, 2, 1]
    assert found("branch=x&actor=carol") == [4, 3]
    assert found(f"head_sha={first}") == [2, 1]
    assert found("status=failure") == [4, 2]
    assert found("status=completed&event=push") == [4, 3, 2, 1]
    assert found("event=workflow_dispatch") == []
    assert found("created=>=2026-03-04") == [4, 3, 2, 1]
    assert found("created=2026-01-01..2026-03-03") == []
    assert found("created=<2026-03-04T05:06:06Z") == []
    assert found("", "/actions/workflows/b.yml/runs") == [4, 2]
    assert world.ask("GET", "/actions/workflows/none.yml/runs").status_code == 404


def test_a_run_and_its_jobs_carry_what_the_description_requires(world: World) -> None:
    sha = world.push(
        {"ci.yml": jobs({"test": {"name": "Test it"}, "ship": {"needs": "test", "environment": "release"}})}
    )
    world.settle()
    run = world.ask("GET", "/actions/runs/1").json()
    assert run.keys() >= RUN
    assert (run["name"], run["display_title"], run["head_sha"], run["head_commit"]["id"]) == ("CI", "change", sha, sha)
    assert (run["status"], run["conclusion"], run["actor"]["login"]) == ("completed", "success", "alice")
    listed = world.ask("GET", "/actions/runs/1/jobs").json()
    assert (listed["total_count"], [job["name"] for job in listed["jobs"]]) == (2, ["Test it", "ship"])
    assert all(job.keys() >= JOB for job in listed["jobs"])
    assert world.client.get(run["jobs_url"], headers={"authorization": "Bearer bob-token"}).json() == listed
    assert world.ask("GET", f"/actions/jobs/{listed['jobs'][0]['id']}").json() == listed["jobs"][0]
    assert [world.ask("GET", f"/actions/{path}/9").status_code for path in ("runs", "jobs")] == [404, 404]


def test_g45_an_unchanged_run_is_answered_with_304(world: World) -> None:
    world.push({"ci.yml": workflow([{"run": "true"}])})
    world.settle()
    tag = world.ask("GET", "/actions/runs/1").headers["etag"]
    assert world.ask("GET", "/actions/runs/1", headers={"if-none-match": tag}).status_code == 304
    world.engine.rerun(REPO, 1, "alice")
    assert world.ask("GET", "/actions/runs/1", headers={"if-none-match": tag}).status_code == 200
    world.settle()


def test_attempts_keep_their_runs_and_jobs(world: World) -> None:
    world.push({"ci.yml": jobs({"ok": {}, "bad": {"steps": [{"run": "false"}]}})})
    world.settle()
    assert world.ask("POST", "/actions/runs/1/rerun-failed-jobs", "carol").status_code == 201
    world.settle()
    number = world.job("ok")["id"]
    assert world.ask("POST", f"/actions/jobs/{number}/rerun").status_code == 201
    world.settle()
    now, old = world.ask("GET", "/actions/runs/1").json(), world.ask("GET", "/actions/runs/1/attempts/2").json()
    assert (now["run_attempt"], now["triggering_actor"]["login"]) == (3, "alice")
    assert (old["run_attempt"], old["triggering_actor"]["login"], old["conclusion"]) == (2, "carol", "failure")
    assert now["previous_attempt_url"].endswith("/actions/runs/1/attempts/2")
    counts = [
        world.ask("GET", f"/actions/runs/1/{path}").json()["total_count"]
        for path in ("jobs", "jobs?filter=all", "attempts/1/jobs")
    ]
    assert counts == [2, 6, 2]
    assert world.ask("GET", "/actions/runs/1/attempts/9").status_code == 404


def test_logs_are_text_behind_an_address_that_needs_no_token(world: World) -> None:
    world.push({"ci.yml": workflow([{"run": "echo hello"}])})
    world.settle()
    answer = world.ask("GET", "/actions/jobs/1/logs")
    assert answer.status_code == 302
    assert " hello\n" in httpx.get(answer.headers["location"]).text
    assert httpx.get(answer.headers["location"][:-1]).status_code == 404
    bundled = world.ask("GET", "/actions/runs/1/logs")
    assert bundled.status_code == 302
    whole = zipfile.ZipFile(io.BytesIO(httpx.get(bundled.headers["location"]).content))
    assert whole.namelist() == ["0_test.txt"]
    assert httpx.get(bundled.headers["location"][:-1]).status_code == 404


def test_artifacts_are_listed_downloaded_and_deleted(world: World) -> None:
    world.push({"ci.yml": jobs({"a": {"steps": upload("one")}, "b": {"steps": upload("two")}})})
    world.settle()
    listed = world.ask("GET", "/actions/runs/1/artifacts?name=one").json()
    assert listed["total_count"] == 1
    artifact = listed["artifacts"][0]
    assert artifact.keys() >= ARTIFACT
    assert world.ask("GET", "/actions/artifacts").json()["total_count"] == 2
    assert world.ask("GET", f"/actions/artifacts/{artifact['id']}").json() == artifact
    answer = world.ask("GET", f"/actions/artifacts/{artifact['id']}/zip")
    assert answer.status_code == 302
    content = httpx.get(answer.headers["location"]).content
    assert httpx.get(answer.headers["location"][:-1]).status_code == 404
    assert (f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)) == (
        artifact["digest"],
        artifact["size_in_bytes"],
    )
    assert zipfile.ZipFile(io.BytesIO(content)).read("f") == b"1\n"
    assert world.ask("DELETE", f"/actions/artifacts/{artifact['id']}", "bob").status_code == 403
    assert world.ask("DELETE", f"/actions/artifacts/{artifact['id']}").status_code == 204
    assert world.ask("GET", f"/actions/artifacts/{artifact['id']}").status_code == 404


def test_an_artifact_name_is_taken_once_in_a_run(world: World) -> None:
    world.push({"ci.yml": jobs({"a": {"steps": upload("x")}, "b": {"needs": "a", "steps": upload("x")}})})
    world.settle()
    assert [world.job(key)["conclusion"] for key in ("a", "b")] == ["success", "failure"]
    assert "already exists" in world.log("b")
    assert world.ask("POST", "/actions/artifacts/1/zip?name=y", content=b"").status_code == 404


# ---- dispatch (G1, G4)


@pytest.mark.parametrize(
    ("headers", "more", "status"), [({}, {}, 204), ({}, {"return_run_details": True}, 200), (VERSION, {}, 200)]
)
def test_g1_dispatch_tells_the_run_when_asked(world: World, headers: dict[str, str], more: Any, status: int) -> None:
    world.push({"ci.yml": workflow([{"run": "true"}], on=DISPATCH)})
    body = {"ref": "main", "inputs": {"tag": "v1"}, **more}
    answer = world.ask("POST", "/actions/workflows/ci.yml/dispatches", "carol", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    run = world.ask("GET", "/actions/runs?event=workflow_dispatch").json()["workflow_runs"][0]
    if status == 200:
        assert answer.json() == {"workflow_run_id": run["id"], "run_url": run["url"], "html_url": run["html_url"]}
    assert (run["triggering_actor"]["login"], run["head_branch"]) == ("carol", "main")
    world.settle()
    assert world.store.effects()[0]["detail"]["inputs"] == {"tag": "v1"}


@pytest.mark.parametrize(
    ("who", "body", "status", "text"),
    [
        ("bob", {"ref": "main"}, 403, "Must have admin rights"),
        ("alice", {}, 422, '"ref" wasn\'t supplied'),
        ("alice", {"ref": "nowhere"}, 422, "No ref found for: nowhere"),
        ("alice", {"ref": "main", "inputs": {"z": "1"}}, 422, 'Unexpected inputs provided: ["z"]'),
        ("alice", {"ref": "main", "inputs": []}, 422, "is not a object"),
    ],
)
def test_g4_dispatch_is_refused_to_others_and_for_nonsense(
    world: World, who: str, body: Any, status: int, text: str
) -> None:
    world.push({"ci.yml": workflow([{"run": "true"}], on=DISPATCH)})
    answer = world.ask("POST", "/actions/workflows/ci.yml/dispatches", who, json=body)
    assert answer.status_code == status
    assert text in answer.json()["message"]


def test_dispatch_by_tag_and_by_number(world: World) -> None:
    sha = world.push({"ci.yml": workflow([{"run": "echo $GITHUB_REF_TYPE $GITHUB_REF_NAME"}], on=DISPATCH)})
    git.update_ref(world.forge.git_dir(REPO), "refs/tags/v1", sha, None)
    number = world.ask("GET", "/actions/workflows").json()["workflows"][0]["id"]
    assert world.ask("POST", f"/actions/workflows/{number}/dispatches", json={"ref": "v1"}).status_code == 204
    world.settle()
    assert world.said("tag v1"), world.log()


def test_g5_a_workflow_may_dispatch_another_one_but_its_push_starts_nothing(world: World) -> None:
    body = '{"ref": "main"}'
    call = (
        "import os, urllib.request as u; e = os.environ; "
        "r = u.Request(e['GITHUB_API_URL'] + '/repos/o/r/actions/workflows/b.yml/dispatches', e['BODY'].encode()); "
        "r.add_header('Authorization', 'Bearer ' + e['T']); print('got', u.urlopen(r).status)"
    )
    step = {"run": f'python3 -c "{call}"', "env": {"T": "${{ github.token }}", "BODY": body}}
    world.push(
        {
            "a.yml": workflow([step], on="push", permissions={"actions": "write"}),
            "b.yml": workflow([{"run": "true"}], on="workflow_dispatch"),
        }
    )
    world.settle()
    assert world.said("got 204"), world.log()
    assert [(run["event"], run["actor"]) for run in world.store.find("run")] == [
        ("push", "alice"),
        ("workflow_dispatch", "github-actions[bot]"),
    ]


def test_cancel_and_rerun_need_write_and_a_fitting_state(world: World) -> None:
    world.push({"ci.yml": workflow([{"run": "sleep 60"}])})
    assert world.ask("POST", "/actions/runs/1/cancel", "bob").status_code == 403
    assert message(world.ask("POST", "/actions/runs/1/rerun")) == (403, "This workflow is already running")
    assert world.ask("POST", "/actions/runs/1/cancel").status_code == 202
    world.settle()
    assert message(world.ask("POST", "/actions/runs/1/cancel"))[0] == 409
    assert world.ask("POST", "/actions/runs/1/force-cancel").status_code == 409
    assert world.ask("POST", "/actions/runs/7/cancel").status_code == 404
    assert [run["conclusion"] for run in world.store.find("run")] == ["cancelled"]


# ---- reviews (G27)


def test_g27_a_review_through_the_api(world: World) -> None:
    world.environment(reviewers=BOB, wait_timer=1)
    world.push({"ci.yml": jobs({"ship": {"environment": "release"}})})
    world.settle()
    path = "/actions/runs/1/pending_deployments"
    waiting = world.ask("GET", path, "bob").json()
    assert waiting[0]["environment"].keys() == {"id", "node_id", "name", "url", "html_url"}
    assert (waiting[0]["wait_timer"], waiting[0]["wait_timer_started_at"]) == (1, "2026-03-04T05:06:07Z")
    assert [(r["type"], r["reviewer"]["login"]) for r in waiting[0]["reviewers"]] == [("User", "bob")]
    wish = {"environment_ids": [waiting[0]["environment"]["id"]], "state": "approved", "comment": "seal abc"}
    assert message(world.ask("POST", path, "carol", json=wish)) == (
        422,
        "There was a problem approving one of the gates",
    )
    for broken in ({**wish, "state": "maybe"}, {**wish, "environment_ids": ["x"]}, {"state": "approved"}):
        assert world.ask("POST", path, "bob", json=broken).status_code == 422
    assert message(world.ask("POST", path, "bob", json={**wish, "environment_ids": [77]}))[0] == 422
    assert world.ask("GET", "/actions/runs/1/approvals").json() == []
    decided = world.ask("POST", path, "bob", json=wish)
    assert (decided.status_code, decided.json()[0]["environment"]) == (200, "release")
    world.later(minutes=1)
    world.settle()
    assert world.ends() == ["success"]
    assert world.ask("GET", path, "bob").json() == []
    [approval] = world.ask("GET", "/actions/runs/1/approvals").json()
    assert (approval["state"], approval["comment"], approval["user"]["login"]) == ("approved", "seal abc", "bob")
    assert [environment["name"] for environment in approval["environments"]] == ["release"]
    again = message(world.ask("POST", path, "bob", json=wish))
    assert again == (422, "No pending deployment requests to approve or reject")


@pytest.mark.parametrize(
    ("permissions", "status"), [({"actions": "write"}, 403), ({"actions": "read", "deployments": "write"}, 200)]
)
def test_g42_a_review_needs_deployments_write(world: World, permissions: Any, status: int) -> None:
    token = {
        "login": "bob",
        "kind": "fine-grained",
        "repos": [REPO],
        "permissions": permissions,
        "expires_at": None,
        "run_id": None,
    }
    with world.store.writing():
        world.store.put("token", "bob-fine-token", token)
    world.environment(reviewers=BOB)
    world.push({"ci.yml": jobs({"ship": {"environment": "release"}})})
    world.settle()
    wish = {"environment_ids": [1], "state": "approved", "comment": ""}
    assert world.ask("POST", "/actions/runs/1/pending_deployments", "bob-fine", json=wish).status_code == status
    world.settle()


# ---- environments


def test_environments_are_made_read_and_deleted(world: World) -> None:
    wish = {
        "wait_timer": 5,
        "prevent_self_review": True,
        "reviewers": [{"type": "User", "id": 2}],
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
    }
    assert world.ask("PUT", "/environments/release", json=wish).status_code == 403
    made = world.ask("PUT", "/environments/release", "dana", json=wish)
    assert made.status_code == 200, made.text
    body = world.ask("GET", "/environments/release").json()
    assert body == made.json()
    assert body.keys() >= ENVIRONMENT
    rules = {rule["type"]: rule for rule in body["protection_rules"]}
    assert rules.keys() == {"wait_timer", "required_reviewers", "branch_policy"}
    assert rules["required_reviewers"]["prevent_self_review"] is True
    assert rules["required_reviewers"]["reviewers"][0]["reviewer"]["login"] == "bob"
    assert body["can_admins_bypass"] is True
    assert body["deployment_branch_policy"] == wish["deployment_branch_policy"]
    assert world.ask("GET", "/environments").json() == {"total_count": 1, "environments": [body]}
    bare = world.ask("PUT", "/environments/release", "dana").json()
    assert (bare["protection_rules"], bare["deployment_branch_policy"]) == ([], None)
    assert world.ask("DELETE", "/environments/release", "dana").status_code == 204
    assert world.ask("GET", "/environments/release").status_code == 404


@pytest.mark.parametrize(
    "wish",
    [
        {"wait_timer": 43_201},
        {"wait_timer": "1"},
        {"reviewers": [{"type": "User", "id": 77}]},
        {"reviewers": [{"type": "User", "id": 1}] * 7},
        {"deployment_branch_policy": {"protected_branches": True, "custom_branch_policies": True}},
    ],
)
def test_g25_more_than_six_reviewers_or_a_longer_wait_are_refused(world: World, wish: Any) -> None:
    assert world.ask("PUT", "/environments/release", "dana", json=wish).status_code == 422
    assert world.ask("GET", "/environments/release").status_code == 404


def test_branch_policies_are_added_listed_and_removed(world: World) -> None:
    path = "/environments/release/deployment-branch-policies"
    custom = {"deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True}}
    world.ask("PUT", "/environments/release", "dana")
    assert world.ask("POST", path, "dana", json={"name": "main"}).status_code == 404
    world.ask("PUT", "/environments/release", "dana", json=custom)
    first = world.ask("POST", path, "dana", json={"name": "main"})
    assert (first.status_code, first.json()["name"], first.json()["type"]) == (200, "main", "branch")
    assert world.ask("POST", path, "dana", json={"name": "main"}).status_code == 303
    world.ask("POST", path, "dana", json={"name": "v*", "type": "tag"})
    listed = world.ask("GET", path).json()
    assert [(p["name"], p["type"]) for p in listed["branch_policies"]] == [("main", "branch"), ("v*", "tag")]
    one = f"{path}/{listed['branch_policies'][0]['id']}"
    assert world.ask("GET", one).json() == listed["branch_policies"][0]
    assert world.ask("DELETE", one, "dana").status_code == 204
    assert world.ask("GET", path).json()["total_count"] == 1


# ---- who may look


@pytest.mark.parametrize(
    "path", ["/actions/runs", "/actions/workflows", "/actions/runs/1", "/environments", "/actions/artifacts"]
)
def test_a_private_repository_is_not_there_for_strangers(world: World, path: str) -> None:
    with world.store.writing():
        token = {"kind": "classic", "repos": None, "permissions": None, "expires_at": None, "run_id": None}
        world.store.put("token", "eve-token", {"login": "eve", **token})
    assert world.ask("GET", path, "eve").status_code == 404
