"""`policy audit` finds exactly what is broken, `policy apply` repairs it where it stands, and a second time nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
