"""The audit's record on its way home: by pull request, merged by a maintainer, read by the gates."""

from __future__ import annotations

import json

import httpx

from cli.conftest import HOME, Organisation


def test_the_record_goes_home_by_pull_request(fresh: Organisation) -> None:
    folder, dana = fresh.directory("x"), fresh.environment("dana")
    some = fresh.type(folder, dana, "policy", "audit", "core", "--record")
    assert (some.exit, some.effects) == (2, 0)
    blind = fresh.type(folder, fresh.environment("alice"), "policy", "audit", "--record")
    assert (blind.exit, blind.effects) == (5, 0), "what nobody could read is no record"
    assert fresh.type(folder, dana, "policy", "apply", "--yes").exit == 0

    begun = fresh.type(folder, dana, "policy", "audit", "--record")
    assert begun.exit == 4, begun
    assert begun.verdicts == [f"waiting: for a maintainer to merge {fresh.server.url}/{HOME}/pull/1"]
    again = fresh.type(folder, dana, "policy", "audit", "--record")
    assert (again.exit, again.effects) == (4, 0)

    api, headers = f"{fresh.server.url}/api/v3/repos/{HOME}", {"authorization": "Bearer alice-token"}
    assert httpx.put(f"{api}/pulls/1/merge", json={}, headers=headers).status_code == 200
    record = json.loads(fresh.git("distribution", "show", "main:release/policy-audit.json"))
    assert (record["schema"], record["audited_by"], record["audited_at"][10:]) == (
        "ms-policy-audit/v1", "dana", "T00:00:00+00:00"
    )  # fmt: skip
    assert sorted(record["repos"]) == sorted(
        f"midi-studio/{r}" for r in ("loader", "bridge", "core", "plugin-bitwig", "distribution")
    )
    outcomes = {entry["outcome"] for entries in record["repos"].values() for entry in entries}
    assert outcomes == {"PASS", "NOT_APPLICABLE"}
    done = fresh.type(folder, dana, "policy", "audit", "--record", "--json")
    assert (done.exit, done.document["record"]["performed"]) == (0, [])
    planned = fresh.type(folder, fresh.environment("alice"), "plan", "--channel", "beta", "--auto", "--json")
    gates = {gate["code"]: gate["outcome"] for gate in planned.document["gates"] if gate["code"] == "AUDIT"}
    assert gates == {"AUDIT": "PASS"}
