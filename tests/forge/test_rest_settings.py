"""REST: an organisation's rulesets, merge settings, workflow permissions: who may, and what they then change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge.rest_world import CI, World, served

ORG = "/orgs/octo/rulesets"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "forge") as found:
        found.store.put("org", "octo", {"login": "octo", "id": 900, "owners": ["eve"]})
        limits = {"repos": None, "expires_at": None, "run_id": None}
        for level in ("read", "write"):
            token = {"login": "eve", "kind": "fine-grained", "permissions": {"organization_administration": level}}
            found.store.put("token", f"eve-{level}", {**token, **limits})
        yield found


def wish(**more: Any) -> dict[str, Any]:
    names = {"ref_name": {"include": ["~DEFAULT_BRANCH"], "exclude": []}}
    both = {**names, "repository_name": {"include": ["o*"], "exclude": ["other"]}}
    team = {"actor_id": 70, "actor_type": "Team", "bypass_mode": "pull_request"}
    rules = [{"type": "deletion"}]
    body = {"name": "all", "enforcement": "active", "conditions": both, "rules": rules, "bypass_actors": [team]}
    return {**body, **more}


def test_an_organisations_rulesets_are_its_owners(world: World) -> None:
    eve = world.api("eve")
    made = eve.post(ORG, wish()).json()
    where = f"{ORG}/{made['id']}"
    assert (made["source_type"], made["source"], made["bypass_actors"]) == (
        "Organization",
        "octo",
        wish()["bypass_actors"],
    )
    assert eve.get(where).json() == made
    assert [one["id"] for one in eve.get(ORG).json()] == [made["id"]]
    for who, status in (("dana", 404), ("carol", 404), ("app", 404), ("narrow", 404)):
        assert world.api(who).get(where).status_code == status, who
        assert world.api(who).put(where, wish(rules=[])).status_code == status, who
    assert world.api("eve-read").get(where).status_code == 200
    refused = world.api("eve-read").put(where, wish(rules=[]))
    assert refused.status_code == 403
    assert refused.headers["x-accepted-github-permissions"] == "organization_administration=write"
    assert world.api("eve-write").put(where, {"enforcement": "evaluate"}).json()["rules"] == [{"type": "deletion"}]
    # whoever administers only the repository sees the rules and not the bypass list
    seen = world.api("dana", "open").get(f"rulesets/{made['id']}").json()
    assert (seen["rules"], "bypass_actors" in seen) == ([{"type": "deletion"}], False)
    assert world.api("eve", "open").get(f"rulesets/{made['id']}").json()["bypass_actors"] == wish()["bypass_actors"]
    assert world.api("dana", "other").get(f"rulesets/{made['id']}").status_code == 404
    assert world.api("dana", "open").put(f"rulesets/{made['id']}", wish(rules=[])).status_code == 404
    assert eve.post(ORG, {**wish(), "conditions": {"ref_name": {}}}).status_code == 422
    assert eve.delete(where).status_code == 204
    assert eve.get(where).status_code == 404


def test_owners_administer_every_repository(world: World) -> None:
    assert world.api("eve").get("branches/main/protection").json()["message"] == "Branch not protected"


def test_merge_settings(world: World) -> None:
    assert world.api("carol").get().json()["allow_auto_merge"] is False
    assert world.api("dana").patch("", {"allow_auto_merge": True}).json()["allow_auto_merge"] is True
    assert world.api("carol").get().json()["allow_auto_merge"] is True
    assert world.api("mia").patch("", {"allow_auto_merge": False}).status_code == 403
    assert world.api("dana").patch("", {"allow_auto_merge": "no"}).status_code == 422
    assert [e["detail"] for e in world.effects("set_repository")] == [{"allow_auto_merge": True}]


def test_what_a_workflows_token_may(world: World) -> None:
    path, dana = "actions/permissions/workflow", world.api("dana")
    plain = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}
    assert dana.get(path).json() == plain
    assert dana.put(path, {"default_workflow_permissions": "write"}).status_code == 204
    assert dana.put(path, {"can_approve_pull_request_reviews": True}).status_code == 204
    assert dana.get(path).json() == {"default_workflow_permissions": "write", "can_approve_pull_request_reviews": True}
    assert dana.put(path, {"default_workflow_permissions": "all"}).status_code == 422
    for who in ("carol", "mia", "narrow"):
        assert world.api(who).get(path).status_code == 403, who
        assert world.api(who).put(path, plain).status_code == 403, who


def test_anybody_may_ask_who_an_app_is(world: World) -> None:
    rita = world.api("rita")
    assert [rita.get(f"/apps/{slug}").json()["id"] for slug in ("github-actions", "robot")] == [CI, 77]
    assert rita.get("/apps/nobody").status_code == 404


@pytest.mark.parametrize(("actors", "status"), [({"teams": ["maintainers"]}, 200), ({"users": ["carol"]}, 422)])
def test_bypass_of_classic_rules(world: World, actors: dict[str, Any], status: int) -> None:
    """Whom classic protection lets past its pull requests, and past its ban of forced pushes."""
    asked = {
        "required_status_checks": None,
        "enforce_admins": True,
        "restrictions": None,
        "required_pull_request_reviews": {"bypass_pull_request_allowances": actors},
    }
    body = world.api("dana").put("branches/main/protection", asked).json()
    shown = body["required_pull_request_reviews"]["bypass_pull_request_allowances"]
    assert [len(shown[kind]) for kind in ("users", "teams")] == [
        len(actors.get(kind, ())) for kind in ("users", "teams")
    ]
    sha = world.branch("topic")
    assert world.api("mia").call("PATCH", "git/refs/heads/main", {"sha": sha}).status_code == status
