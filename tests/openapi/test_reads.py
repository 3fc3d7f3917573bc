"""Every read that the forge serves, of a world that has one of everything, in both versions of the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from forge.app_key import jwt, public_key
from forge.running import REPO, World, jobs, serving
from ms_release.forge import git
from openapi.answers import VERSIONS, Judge, description

READS = sorted(name for name in description()["operations"] if name.startswith("GET "))
STEPS = [{"run": "echo 1 > f"}, {"uses": "actions/upload-artifact@v7", "with": {"name": "files", "path": "f"}}]
WORKFLOW = jobs(
    {"build": {"steps": STEPS}, "deploy": {"needs": "build", "environment": "release"}},
    on={"push": {"branches": ["main"]}, "workflow_dispatch": {}},
)
RULES = [
    {"type": "deletion"},
    {"type": "pull_request", "parameters": {
        "dismiss_stale_reviews_on_push": False, "require_code_owner_review": False,
        "require_last_push_approval": False, "required_approving_review_count": 1,
        "required_review_thread_resolution": True}},
    {"type": "required_status_checks", "parameters": {
        "required_status_checks": [{"context": "lint", "integration_id": 77}, {"context": "docs"}],
        "strict_required_status_checks_policy": True}},
]  # fmt: skip
PROTECTION = {
    "required_status_checks": {"strict": True, "checks": [{"context": "lint", "app_id": 77}, {"context": "docs"}]},
    "enforce_admins": True,
    "required_pull_request_reviews": {"required_approving_review_count": 1},
    "restrictions": {"users": ["dana"], "teams": ["crew"], "apps": ["robot"]},
}
ENVIRONMENT = {
    "wait_timer": 0, "prevent_self_review": True, "reviewers": [{"type": "User", "id": 2}, {"type": "Team", "id": 70}],
    "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
}  # fmt: skip


class Full:
    """The world, and the numbers and names of what is in it, by GitHub's names of path parameters."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.facts: dict[str, Any] = {
            "owner": "o", "repo": "r", "org": "o", "username": "carol", "team_slug": "crew", "app_slug": "robot"
        }  # fmt: skip
        self.tokens = {"dana": "dana-token", "app": jwt(int(world.now.timestamp())), "installation": "robot-token"}

    def ask(self, method: str, path: str, body: Any = None, who: str = "dana", expected: int = 201) -> Any:
        """A write about the repository, which must succeed."""
        answer = self.world.ask(method, path, who, **({} if body is None else {"json": body}))
        assert answer.status_code == expected, answer.text
        return answer.json() if answer.content else None

    def fill(self) -> None:
        store = self.world.store
        app = {"id": 77, "slug": "robot", "name": "Robot", "public_key": public_key(), "installation_id": 5, "org": "o"}
        with store.writing():
            crew = {"org": "o", "slug": "crew", "name": "Crew", "id": 70, "members": ["carol", "dana"]}
            store.put("team", "o/crew", crew)
            store.put("app", "robot", {**app, "permissions": {"checks": "write", "contents": "write"}})
            granted = {"repos": [REPO], "permissions": {"checks": "write"}, "expires_at": None, "run_id": None}
            store.put("token", "robot-token", {"login": "robot[bot]", "kind": "installation", **granted})
            repo = store.get("repo", REPO) or {}
            store.put("repo", REPO, {**repo, "team_access": {"o/crew": "maintain"}}, REPO)
        self._fill_runs()
        self._fill_code()
        self._fill_rules()

    def _fill_runs(self) -> None:
        world = self.world
        sha = world.push({"README.md": "# r\n"})
        self.ask("PUT", "/environments/release", ENVIRONMENT, expected=200)
        policy = self.ask("POST", "/environments/release/deployment-branch-policies", {"name": "main"}, expected=200)
        sha = world.push({"ci.yml": WORKFLOW})
        world.settle()
        self.ask("POST", "/actions/workflows/ci.yml/dispatches", {"ref": "main"}, expected=204)
        world.settle()
        first, second = (run["id"] for run in world.store.find("run", REPO))
        pending = f"/actions/runs/{second}/pending_deployments"
        waiting = world.ask("GET", pending, "bob").json()
        review = {"environment_ids": [one["environment"]["id"] for one in waiting], "state": "approved", "comment": ""}
        self.ask("POST", pending, review, "bob", 200)
        world.settle()
        artifact = world.ask("GET", f"/actions/runs/{first}/artifacts").json()["artifacts"][0]["id"]
        self.facts |= {
            "run_id": first, "approved": second, "job_id": world.job("build", first)["id"], "attempt_number": 1,
            "workflow_id": "ci.yml", "artifact_id": artifact, "archive_format": "zip",
            "environment_name": "release", "branch_policy_id": policy["id"], "commit_sha": sha,
        }  # fmt: skip

    def _fill_code(self) -> None:
        world, sha = self.world, self.facts["commit_sha"]
        for name in ("done", "topic"):
            world.push({f"{name}.txt": "x\n"}, name)
            pull = self.ask("POST", "/pulls", {"title": name, "head": name, "base": "main"}, "alice")
            self.facts[name] = pull["number"]
        self.ask("PUT", f"/pulls/{self.facts['done']}/merge", {}, expected=200)
        number = self.facts["topic"]
        review = {"event": "APPROVE", "body": "good"}
        self.ask("POST", f"/pulls/{number}/reviews", review, "carol", 200)
        check = {"name": "lint", "head_sha": pull["head"]["sha"], "conclusion": "success", "output": {"title": "ok"}}
        run = self.ask("POST", "/check-runs", check, "robot")
        self.ask("POST", f"/statuses/{sha}", {"state": "success", "context": "docs"})
        tag = self.ask("POST", "/git/tags", {"tag": "v1", "message": "one", "object": sha, "type": "commit"})
        self.ask("POST", "/git/refs", {"ref": "refs/tags/v1", "sha": tag["sha"]})
        issue = self.ask("POST", "/issues", {"title": "one", "body": "text"}, "carol")
        release = self.ask("POST", "/releases", {"tag_name": "v1", "name": "One"})
        # an asset comes while the release is a draft, as it does for everybody who means it
        draft = self.ask("POST", "/releases", {"tag_name": "v2", "draft": True})
        upload = draft["upload_url"].partition("{")[0] + "?name=a.txt"
        headers = {"authorization": "Bearer dana-token", "content-type": "text/plain"}
        asset = world.client.post(upload, content=b"a", headers=headers)
        assert asset.status_code == 201, asset.text
        found = git.entry_at(world.forge.git_dir(REPO), "main", "README.md")
        assert found is not None
        self.facts |= {
            "issue_number": issue["number"], "pull_number": number, "check_run_id": run["id"], "tag": "v1",
            "check_suite_id": run["check_suite"]["id"],
            "tag_sha": tag["sha"], "release_id": draft["id"], "asset_id": asset.json()["id"], "file_sha": found[2],
            "basehead": "main...topic", "path": "README.md", "tree_sha": "main", "ref": "topic", "branch": "main",
            "installation_id": 5, "topic_sha": pull["head"]["sha"], "tags": "tags/v", "tag_ref": "tags/v1",
        }  # fmt: skip
        assert release["draft"] is False

    def _fill_rules(self) -> None:
        self.ask("PUT", "/branches/main/protection", PROTECTION, expected=200)
        names = {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}}
        actors = [{"actor_type": "Team", "actor_id": 70, "bypass_mode": "pull_request"}]
        wish = {"name": "main", "enforcement": "active", "conditions": names, "rules": RULES, "bypass_actors": actors}
        self.facts["ruleset_id"] = self.ask("POST", "/rulesets", wish)["id"]
        store = self.world.store
        store.put("org", "o", {**(store.get("org", "o") or {}), "owners": ["dana"]})
        wish["conditions"] = {**names, "repository_name": {"include": ["~ALL"], "exclude": []}}
        answer = self.world.client.post("/orgs/o/rulesets", json=wish, headers={"authorization": "Bearer dana-token"})
        self.facts["org_ruleset_id"] = answer.json()["id"]
        self.ask("PUT", "/immutable-releases", expected=204)


# Where a parameter is to be something else than in most operations: the name of another fact.
ELSE: dict[str, dict[str, str]] = {
    "GET /repos/{owner}/{repo}/actions/runs/{run_id}/approvals": {"run_id": "approved"},
    "GET /repos/{owner}/{repo}/commits/{commit_sha}/pulls": {"commit_sha": "topic_sha"},
    "GET /repos/{owner}/{repo}/commits/{ref}/status": {"ref": "commit_sha"},
    "GET /repos/{owner}/{repo}/commits/{ref}/statuses": {"ref": "commit_sha"},
    "GET /repos/{owner}/{repo}/git/matching-refs/{ref}": {"ref": "tags"},
    "GET /repos/{owner}/{repo}/git/ref/{ref}": {"ref": "tag_ref"},
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/merge": {"pull_number": "done"},
    "GET /orgs/{org}/rulesets/{ruleset_id}": {"ruleset_id": "org_ruleset_id"},
    "GET /users/{username}/repos": {"username": "owner"},
}


def asker(operation: str) -> str:
    """Apps ask about themselves; everything else is asked by the administrator."""
    if operation == "GET /installation/repositories":
        return "installation"
    own = operation == "GET /app" or operation.startswith("GET /app/") or operation.endswith("/installation")
    return "app" if own else "dana"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Full]:
    with serving(tmp_path_factory.mktemp("forge")) as world:
        found = Full(world)
        found.fill()
        yield found


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(description())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("operation", READS)
def test_read(full: Full, judge: Judge, operation: str, version: str) -> None:
    route = operation.removeprefix("GET ")
    facts = full.facts | {name: full.facts[other] for name, other in ELSE.get(operation, {}).items()}
    path = re.sub(r"\{(\w+)\}", lambda match: quote(str(facts[match[1]]), safe="/."), route)
    headers = {"authorization": f"Bearer {full.tokens[asker(operation)]}", "x-github-api-version": version}
    answer = full.world.client.get(path, headers=headers)
    assert answer.status_code < 400, answer.text
    body = answer.json() if "json" in answer.headers.get("content-type", "") else None
    assert body != [], "an empty list shows nothing"
    line = {"method": "GET", "route": route, "version": version, "status": answer.status_code, "body": body}
    assert judge.judge(line) == []
    assert not isinstance(body, dict) or body.get("total_count") != 0, "an empty list shows nothing"
