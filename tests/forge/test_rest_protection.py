"""REST: protection and rulesets, who may read them, and what they refuse through the API; checks and statuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge.rest_world import CI, World, served
from ms_release.forge import git

CLASSIC: dict[str, Any] = {
    "required_status_checks": {"strict": True, "contexts": ["lint"], "checks": [{"context": "ci", "app_id": CI}]},
    "enforce_admins": True,
    "required_pull_request_reviews": {"required_approving_review_count": 0},
    "restrictions": {"users": [], "teams": ["maintainers"], "apps": ["robot"]},
    "required_conversation_resolution": True,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "forge") as found:
        yield found


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def test_g39_classic_protection_is_for_admins(world: World) -> None:
    dana = world.api("dana")
    assert refusal(dana.get("branches/main/protection")) == (404, "Branch not protected")
    body = dana.put("branches/main/protection", CLASSIC).json()
    assert body == dana.get("branches/main/protection").json()
    assert body["required_status_checks"]["strict"] is True
    checks = [{"context": "ci", "app_id": CI}, {"context": "lint", "app_id": None}]
    assert body["required_status_checks"]["checks"] == checks
    assert body["enforce_admins"]["enabled"] is True
    assert [team["slug"] for team in body["restrictions"]["teams"]] == ["maintainers"]
    assert (body["allow_force_pushes"], body["required_conversation_resolution"]) == (
        {"enabled": False},
        {"enabled": True},
    )
    for who in ("carol", "mia", "rita", "job", "narrow"):
        assert refusal(world.api(who).get("branches/main/protection")) == (404, "Not Found"), who
        assert world.api(who).put("branches/main/protection", CLASSIC).status_code == 404
    assert refusal(dana.get("branches/absent/protection")) == (404, "Branch not found")
    missing = dana.put("branches/main/protection", {"enforce_admins": True})
    assert missing.status_code == 422
    assert '"restrictions"' in missing.json()["message"]
    assert dana.delete("branches/main/protection").status_code == 204
    assert refusal(dana.get("branches/main/protection")) == (404, "Branch not protected")


def test_protected_branch_refuses_the_refs_api(world: World) -> None:
    world.protect()
    sha = world.branch("topic")
    text = 'Changes must be made through a pull request. Required status check "ci" is expected.'
    for who in ("carol", "dana"):
        assert refusal(world.api(who).patch("git/refs/heads/main", {"sha": sha})) == (422, text)
    old = git.log(world.forge.git_dir("octo/shut"), "main", 2)[1].sha
    forced = world.api().patch("git/refs/heads/main", {"sha": old, "force": True})
    assert forced.json()["message"].startswith("Cannot force-push to this branch")
    world.protect("topic")
    assert refusal(world.api().delete("git/refs/heads/topic")) == (422, "Cannot delete this branch")
    world.protect("topic", allow_deletions=True)
    assert world.api().delete("git/refs/heads/topic").status_code == 204
    assert world.effects("update_ref") == []


def test_g40_rulesets_are_read_by_all_their_bypass_list_is_not(world: World) -> None:
    dana, rules = world.api("dana"), [{"type": "deletion"}, {"type": "non_fast_forward"}]
    wish = {
        "name": "main",
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}},
        "rules": rules,
        "bypass_actors": [{"actor_id": 5, "actor_type": "RepositoryRole", "bypass_mode": "always"}],
    }
    made = dana.post("rulesets", wish)
    number = made.json()["id"]
    assert made.status_code == 201
    assert (made.json()["current_user_can_bypass"], made.json()["bypass_actors"]) == ("always", wish["bypass_actors"])
    seen = world.api("rita").get(f"rulesets/{number}").json()
    assert (seen["current_user_can_bypass"], "bypass_actors" in seen) == ("never", False)  # G40
    assert seen["rules"] == rules
    assert [r["id"] for r in world.api("rita").get("rulesets").json()] == [number]
    assert [r["type"] for r in world.api("rita").get("rules/branches/main").json()] == ["deletion", "non_fast_forward"]
    assert world.api("rita").get("rules/branches/topic").json() == []
    assert dana.put(f"rulesets/{number}", {"enforcement": "evaluate"}).json()["rules"] == rules
    assert world.api("rita").get("rules/branches/main").json() == []
    assert world.api("mia").post("rulesets", wish).status_code == 404
    assert dana.post("rulesets", {**wish, "enforcement": "perhaps"}).status_code == 422
    actions = {"actor_id": CI, "actor_type": "Integration", "bypass_mode": "always"}
    assert dana.post("rulesets", {**wish, "bypass_actors": [actions]}).status_code == 422
    assert dana.delete(f"rulesets/{number}").status_code == 204
    assert dana.get(f"rulesets/{number}").status_code == 404


@pytest.mark.parametrize(
    ("actor", "who", "allowed"),
    [
        ({"actor_type": "Team", "actor_id": 70}, "mia", True),
        ({"actor_type": "Team", "actor_id": 70}, "carol", False),
        ({"actor_type": "RepositoryRole", "actor_id": 2}, "mia", True),
        ({"actor_type": "RepositoryRole", "actor_id": 2}, "carol", False),
        ({"actor_type": "RepositoryRole", "actor_id": 2}, "dana", True),
        ({"actor_type": "OrganizationAdmin", "actor_id": 1}, "dana", True),
        ({"actor_type": "OrganizationAdmin", "actor_id": 1}, "mia", False),
        ({"actor_type": "Integration", "actor_id": 77}, "app", True),
        ({"actor_type": "Integration", "actor_id": 77}, "job", False),
    ],
)
def test_bypass(world: World, actor: dict[str, Any], who: str, allowed: bool) -> None:
    world.ruleset([{"type": "creation"}], "tag", bypass_actors=[{**actor, "bypass_mode": "always"}])
    answer = world.api(who).post("git/refs", {"ref": "refs/tags/v1", "sha": world.tip()})
    assert answer.status_code == (201 if allowed else 422)
    if not allowed:
        assert "creations being restricted" in answer.json()["message"]


def test_bypass_for_pull_requests_only(world: World) -> None:
    world.branch("topic")
    number = world.api("mia").open("topic")
    actor = {"actor_type": "Team", "actor_id": 70, "bypass_mode": "pull_request"}
    world.ruleset([{"type": "update"}], bypass_actors=[actor])
    assert world.api("mia").patch("git/refs/heads/main", {"sha": world.tip("topic")}).status_code == 422
    assert world.api("carol").put(f"pulls/{number}/merge", {}).status_code == 405
    assert world.api("mia").put(f"pulls/{number}/merge", {}).status_code == 200


def test_g40_rulesets_of_the_organisation_count(world: World) -> None:
    names = {"ref_name": {"include": ["refs/heads/release/**/*"], "exclude": []}}
    only = {**names, "repository_name": {"include": ["shut"], "exclude": []}}
    world.ruleset([{"type": "creation"}], repo=None, org="octo", conditions=only)
    sha = world.tip()
    body = {"ref": "refs/heads/release/a/b", "sha": sha}
    assert world.api().post("git/refs", body).status_code == 422
    assert world.api().post("git/refs", {**body, "ref": "refs/heads/other"}).status_code == 201
    other = {**body, "sha": world.tip(repo="octo/other")}
    assert world.api(repo="other").post("git/refs", other).status_code == 201
    assert world.api().get("rulesets").json()[0]["source_type"] == "Organization"
    assert world.api().get("rulesets?includes_parents=false").json() == []


def test_g34_a_tag_of_other_workflow_files_is_refused(world: World) -> None:
    """A job's token refers only to commits whose workflow files some branch has already (G34)."""
    git_dir = world.forge.git_dir("octo/shut")
    with_ci = world.branch("main", {".github/workflows/ci.yml": b"on: push\n"})
    new = world.branch("main", {".github/workflows/ci.yml": b"on: pull_request\n"})
    job = world.api("job")
    answer = job.post("git/refs", {"ref": "refs/tags/v1", "sha": with_ci})
    assert refusal(answer) == (403, "Resource not accessible by integration")
    assert answer.headers["x-accepted-github-permissions"] == "contents=write,workflows=write"
    assert job.post("git/refs", {"ref": "refs/tags/v1", "sha": new}).status_code == 201
    assert world.api().post("git/refs", {"ref": "refs/tags/v0", "sha": with_ci}).status_code == 201
    assert git.read_ref(git_dir, "refs/tags/v0") == with_ci


def test_only_apps_write_check_runs(world: World) -> None:
    sha = world.tip()
    wish = {"name": "scan", "head_sha": sha}
    assert refusal(world.api().post("check-runs", wish)) == (403, "You must authenticate via a GitHub App.")
    made = world.api("app").post("check-runs", {**wish, "status": "in_progress"}).json()
    assert (made["status"], made["conclusion"], made["app"]["slug"], made["app"]["id"]) == (
        "in_progress",
        None,
        "robot",
        77,
    )
    done = {"status": "completed", "conclusion": "failure", "output": {"title": "Bad", "summary": "s"}}
    assert world.api("job").patch(f"check-runs/{made['id']}", done).status_code == 403
    body = world.api("app").patch(f"check-runs/{made['id']}", done).json()
    assert (body["conclusion"], body["output"]["title"], body["completed_at"]) == (
        "failure",
        "Bad",
        "2026-03-01T12:00:00Z",
    )
    suite = world.api().get(f"commits/{sha}/check-suites").json()["check_suites"][0]
    assert (suite["status"], suite["conclusion"], suite["head_branch"]) == ("completed", "failure", "main")
    world.api("app").post("check-runs", {**wish, "conclusion": "success"})
    runs = world.api().get("commits/main/check-runs").json()
    assert [(run["name"], run["conclusion"]) for run in runs["check_runs"]] == [("scan", "success")]
    assert world.api().get("commits/main/check-runs?filter=all").json()["total_count"] == 2
    assert world.api().get("commits/main/check-runs?check_name=other").json()["total_count"] == 0
    assert world.api().get(f"commits/main/check-runs?app_id={CI}").json()["total_count"] == 0
    assert world.api("app").post("check-runs", {**wish, "head_sha": "1" * 40}).status_code == 422
    assert world.api("app").post("check-runs", {**wish, "conclusion": "odd"}).status_code == 422


def test_g20_fine_grained_tokens_have_no_checks(world: World) -> None:
    answer = world.api("narrow").get("commits/main/check-runs")
    assert refusal(answer) == (403, "Resource not accessible by personal access token")  # G20
    assert world.api("narrow", "open").get("commits/main/check-runs").status_code == 200


def test_g16_without_statuses_the_combined_one_is_pending(world: World) -> None:
    api, sha = world.api(), world.tip()
    assert api.get("commits/main/status").json()["state"] == "pending"  # G16: none at all
    for state, whole in (("pending", "pending"), ("success", "success"), ("error", "failure"), ("success", "success")):
        assert api.post(f"statuses/{sha}", {"state": state, "context": "a"}).status_code == 201
        assert api.get("commits/main/status").json()["state"] == whole
    assert len(api.get("commits/main/statuses").json()) == 4
    assert api.get("commits/main/status").json()["total_count"] == 1
    assert api.post(f"statuses/{sha}", {"state": "odd"}).status_code == 422
    assert world.api("rita").post(f"statuses/{sha}", {"state": "success"}).status_code == 403
