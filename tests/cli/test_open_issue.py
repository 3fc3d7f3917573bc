"""`policy audit --open-issue`: one issue for the whole audit, found again, also when its answer was lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cli.conftest import HOME, ORG, Organisation, make
from ms_release.forge.faults import Fault


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    """Two repositories whose branch may be force-pushed."""
    found = make(tmp_path_factory.mktemp("loose"))
    store = found.server.forge.store
    for name in ("core", "loader"):
        body = store.get("protection", f"{ORG}/{name}:main")
        assert body is not None
        store.put("protection", f"{ORG}/{name}:main", {**body, "allow_force_pushes": True}, f"{ORG}/{name}")
    yield found
    found.server.stop()


@pytest.fixture
def fresh(loose: Organisation) -> Organisation:
    """The same with nothing open."""
    store = loose.server.forge.store
    for issue in store.find("issue", HOME):
        store.put("issue", f"{HOME}#{issue['number']}", {**issue, "state": "closed"}, HOME)
    return loose


def opened(fresh: Organisation) -> list[dict[str, Any]]:
    return fresh.server.forge.store.find("issue", HOME, state="open")


def test_one_issue_for_all_repositories(fresh: Organisation) -> None:
    folder = fresh.directory("audit")
    typed = [
        fresh.type(folder, fresh.environment("dana"), "policy", "audit", "--open-issue", "--json") for _ in range(2)
    ]
    assert [one.exit for one in typed] == [3, 3], typed[0].err
    assert [one.effects for one in typed] == [1, 0]
    (issue,) = opened(fresh)
    assert issue["title"] == "Release: AUDIT midi-studio/distribution"
    assert all(f"midi-studio/{name}: " in issue["body"] for name in ("core", "loader"))
    (escalation,) = typed[0].document["escalations"]
    assert (escalation["role"], escalation["command"]) == ("Integrator / Owner", "ms release preflight")


@pytest.mark.parametrize("kind", ["commit_then_502", "commit_then_drop"])
def test_an_answer_that_was_lost_is_looked_for(fresh: Organisation, kind: str) -> None:
    """The issue is there: nothing is sent a second time (github-facts G7)."""
    fresh.server.forge.faults.add(Fault(kind, "POST", f"/repos/{HOME}/issues", "*", actor="dana"))
    folder = fresh.directory(kind)
    typed = fresh.type(folder, fresh.environment("dana"), "policy", "audit", "--open-issue")
    assert (typed.exit, typed.effects) == (3, 1), typed.err
    assert len(opened(fresh)) == 1


def test_without_the_right_to_open_one_the_permission_is_named(fresh: Organisation) -> None:
    store = fresh.server.forge.store
    like = store.get("token", "dana-token") or {}
    rights = {"metadata": "read", "administration": "read", "contents": "write", "actions": "read"}
    store.put("token", "narrow-token", {**like, "kind": "fine-grained", "permissions": rights})
    env = fresh.environment("dana", GH_TOKEN="narrow-token")
    typed = fresh.type(fresh.directory("narrow"), env, "policy", "audit", "--open-issue")
    assert (typed.exit, typed.effects) == (5, 0)
    assert "issues: write" in typed.err
