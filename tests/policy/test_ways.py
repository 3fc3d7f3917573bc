"""`policy audit` finds exactly what is broken, `policy apply` repairs it where it stands, and a second time nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ms_release.adapters.policy.read import with_bypass
from ms_release.adapters.policy.write import PolicyWriter
from ms_release.cli.common import Settings
from ms_release.cli.output import Output
from ms_release.cli.policy_apply import perform, plan
from ms_release.core.policy.base import Subject
from ms_release.core.policy.facts import Layer, RepoFacts
from ms_release.core.policy.plan import paths_for, repair
from ms_release.core.policy.rules import BRANCH
from ms_release.errors import CredentialError, ForgeError, OvertakenError
from ms_release.forge.faults import Fault
from policy.ways import WAYS, make
from policy.world import CLASSIC, World, findings, in_classic, served


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One repository for each way to break one."""
    with served(tmp_path_factory.mktemp("ways") / "forge") as found:
        with found.store.writing():
            for name, way in WAYS.items():
                found.add(make(name, way))
        yield found


def test_every_way_is_found_and_repaired(world: World) -> None:
    config = world.config(list(WAYS))
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


def test_an_administrators_token_that_may_not_see_settings_sees_no_protection_and_no_lack_of_it(world: World) -> None:
    """GraphQL answers null for both: FAIL would be a guess, and PASS a lie (github-facts G39, G41)."""
    limits = {"repos": None, "expires_at": None, "run_id": None, "permissions": {"contents": "read"}}
    world.store.put("token", "dana-narrow", {"login": "dana", "kind": "fine-grained", **limits})
    home = in_classic("narrow-home").home_settings()
    places = [world.add(place) for place in (home, make("narrow"), make("narrow-open", WAYS["nothing"]))]
    config = world.config([place.name for place in places])
    audited = world.audit(config, "dana-narrow")
    about = {name: codes & set(BRANCH) for name, codes in findings(audited, "UNKNOWN").items()}
    assert about == dict.fromkeys((place.name for place in places), set(BRANCH) - {"APPROVALS"})
    assert isinstance(audited.ending(), CredentialError)
    assert world.apply(config, "dana-narrow").edits == ()


def test_the_release_app_may_push_too(world: World) -> None:
    place = world.add(make("with-app", WAYS["nothing"]))
    config = world.config([place.name], policy='push_app = "robot"')
    world.apply(config)
    assert findings(world.audit(config))[place.name] & set(BRANCH) == set()
    pushes = next(body for body in world.store.find("ruleset", repo=place.slug) if body["name"] == "release pushes")
    assert [(a["actor_type"], a["bypass_mode"]) for a in pushes["bypass_actors"]] == [
        ("Integration", "pull_request"), ("Team", "pull_request")
    ]  # fmt: skip
    assert findings(world.audit(world.config([place.name])))[place.name] & set(BRANCH) == {"PUSH_LIMITED"}


def test_an_odd_answer_changes_nothing(world: World) -> None:
    place = world.add(make("odd", WAYS["classic-talk"]))
    config = world.config([place.name])
    audited = world.audit(config)
    subject = Subject(config, config.repos[0], audited.seen.repos[place.name])
    odd = {
        path: {"required_status_checks": {"strict": "?", "checks": [7]}}
        for path in paths_for(subject, audited.verdicts[place.slug])
    }
    with pytest.raises(ForgeError, match="not what GitHub documents"):
        repair(subject, audited.verdicts[place.slug], odd)


def test_no_bypass_list_of_an_organisation_is_believed_but_its_owners() -> None:
    """Whatever GraphQL says: empty is what a forge could show to those who may not see it."""
    layer = Layer("organisation", "main", 1, "octo", bypass=())
    seen = with_bypass(RepoFacts("octo/r", "main", layers=(layer,)), {("octo", 1): None})
    assert seen.layers[0].bypass is None


def test_one_refusal_does_not_stop_the_others(world: World) -> None:
    places = [world.add(make(name, WAYS["classic-talk"])) for name in ("refused-1", "refused-2")]
    config, writer = world.config([place.name for place in places]), PolicyWriter(world.client("dana-token"))
    repair = plan(config, world.audit(config), writer)
    world.store.put("protection", "octo/refused-1:main", {**CLASSIC, "allow_deletions": True}, "octo/refused-1")
    done, refused = perform(Settings(Path("none"), Output(verbose=-1)), writer, repair)
    assert "octo/refused-2" in {edit.slug for edit in done}
    assert {(one.slug, one.code, one.needs) for one in refused} == {("octo/refused-1", "CONVERSATIONS_RESOLVED", "")}
