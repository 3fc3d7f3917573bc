"""`policy audit` finds exactly what is broken, `policy apply` repairs it where it stands, and a second time nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ms_release.adapters.policy_write import PolicyWriter
from ms_release.cli.policy_apply import plan
from ms_release.errors import OvertakenError
from ms_release.forge.faults import Fault
from policy.ways import WAYS, make
from policy.world import World, findings, served


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One repository for each way to break one."""
    with served(tmp_path_factory.mktemp("ways") / "forge") as found:
        with found.store.writing():
            for name, way in WAYS.items():
                found.add(make(name, way))
        yield found


def test_every_way_is_found_and_repaired(world: World) -> None:
    config = world.config()
    audited = world.audit(config)
    assert findings(audited) == {name: set(way.fails) for name, way in WAYS.items()}
    unread = findings(audited, "UNKNOWN")
    org = {name for name, way in WAYS.items() if way.base == "org"}
    assert {n: unread[n] for n in WAYS if n not in org} == {n: set(w.unknown) for n, w in WAYS.items() if n not in org}
    repair = world.apply(config)
    assert findings(world.audit(config)) == {name: set(way.left) for name, way in WAYS.items()}
    count = world.effects()
    again = world.apply(config)
    assert (again.edits, world.effects()) == ((), count)
    assert len(repair.edits) > 30


def test_what_somebody_else_has_changed_meanwhile_is_not_written_over(world: World) -> None:
    place = world.add(make("meanwhile", WAYS["classic-talk"]))
    config, writer = world.config([place.name]), PolicyWriter(world.client("dana-token"))
    repair = plan(config, world.audit(config), writer)
    theirs = {**(world.store.get("protection", f"{place.slug}:main") or {}), "required_linear_history": True}
    world.store.put("protection", f"{place.slug}:main", theirs, place.slug)
    count = world.effects()
    with pytest.raises(OvertakenError):
        writer.perform(next(edit for edit in repair.edits if edit.layer == "classic protection"))
    assert world.effects() == count
    world.apply(config)
    kept = world.store.get("protection", f"{place.slug}:main") or {}
    assert (kept["required_linear_history"], kept["required_conversation_resolution"]) == (True, True)


def test_a_lost_answer_makes_no_second_ruleset(world: World) -> None:
    place = world.add(make("lost", WAYS["nothing"]))
    config = world.config([place.name])
    repair = plan(config, world.audit(config), PolicyWriter(world.client("dana-token")))
    for edit in repair.edits:
        if edit.method == "POST":
            fault = {"kind": "commit_then_drop", "method": "POST", "path": edit.path}
            world.forge.faults.add(Fault.of_body(fault))
        PolicyWriter(world.client("dana-token")).perform(edit)
    names = [body["name"] for body in world.store.find("ruleset", repo=place.slug)]
    assert sorted(names) == sorted(set(names))
    assert {"release branch", "release pushes"} <= set(names)
