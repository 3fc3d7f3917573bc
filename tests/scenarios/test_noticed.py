"""What `plan` notices and does not forbid: a check that flipped, an asset that grew, a token that ends."""

from __future__ import annotations

from datetime import timedelta

from ms_release.forge import git
from scenarios.stage import BETA, HOME, Stage

CORE = "midi-studio/core"


def test_a_check_that_was_repeated_until_it_was_green(stage: Stage) -> None:
    store = stage.store
    sha = git.read_ref(stage.forge.git_dir(CORE), "refs/heads/main")
    (run,) = [r for r in store.find("check_run", CORE, head_sha=sha) if r["name"] == "test"]
    with store.writing():  # the attempt before: a re-run keeps its suite and gets a higher number (github-facts G19)
        store.put("check_run", run["id"], {**run, "conclusion": "failure"}, CORE)
        later = {**run, "id": store.next_id("check_run"), "conclusion": "success"}
        store.put("check_run", later["id"], later, CORE)
    since = len(store.requests())
    planned = stage.type("alice", "plan", *BETA)
    assert planned.exit == 0, planned
    assert [(n["code"], n["subject"]) for n in planned.document["noticed"]] == [("FLAKY", "core test")]
    assert [e["role"] for e in planned.document["escalations"]] == ["Verifier / Observer"]
    asked = [r for r in stage.asked_by("alice", since) if r["kind"] == "graphql"]
    assert len(asked) == 1, "no request more than without"
    assert stage.performed() == []
    opened = [stage.type("alice", "plan", *BETA, "--open-issue") for _ in range(2)]
    assert [typed.exit for typed in opened] == [0, 0]
    assert stage.performed() == [f"open_issue {HOME} "]


def test_a_token_that_ends_during_the_release(stage: Stage) -> None:
    body = stage.store.get("token", "alice-token")
    assert body is not None
    ends = (stage.forge.clock() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    stage.store.put("token", "alice-token", {**body, "expires_at": ends})
    planned = stage.type("alice", "plan", *BETA)
    assert (planned.exit, [n["code"] for n in planned.document["noticed"]]) == (0, ["TOKEN"])
    prepared = stage.type("alice", "prepare", *BETA, "--dry-run")
    assert prepared.exit == 0, prepared
