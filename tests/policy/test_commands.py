"""Twelve broken repositories and the commands as people type them; five hundred, and what they cost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ms_release.render.policy import audit_text
from policy.ways import WAYS, make
from policy.world import World, findings, in_classic, served

# Each repository is broken in one or two ways: in classic protection, a ruleset, an organisation's ruleset, in layers
# that contradict each other; one is hidden from the administrator who types.
TWELVE: dict[str, tuple[str, ...]] = {
    "a": ("classic-any-app", "classic-talk"),
    "b": ("classic-not-strict", "classic-all-push"),
    "c": ("classic-admins", "classic-force"),
    "e": ("ruleset-not-strict", "ruleset-push-always"),
    "f": ("ruleset-any-app", "ruleset-role-past"),
    "g": ("ruleset-mixed", "job-approves"),
    "h": ("home-no-tags", "home-reviewers"),
    "i": ("home-mutable", "home-more-branches"),
    "j": ("nothing", "job-writes"),
    "k": ("contradictory", "classic-past-pulls"),
    "l": ("org-not-strict",),
    "m": ("hidden",),
}
NONE: dict[str, set[str]] = {name: set() for name in TWELVE}


@dataclass
class Typed:
    """What became of a command."""

    exit: int
    out: str
    err: str
    effects: int

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Shell:
    """Somebody who types `ms release policy …` beside the configuration."""

    def __init__(self, world: World, place: Path) -> None:
        self._world, self._place = world, place
        place.mkdir()
        (place / "ms-release.toml").write_text(world.config_text())

    def type(self, who: str, *words: str) -> Typed:
        url = self._world.server.url
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self._place / who), "GH_TOKEN": f"{who}-token",
            "GITHUB_API_URL": f"{url}/api/v3", "GITHUB_GRAPHQL_URL": f"{url}/api/graphql", "GITHUB_SERVER_URL": url,
        }  # fmt: skip
        command = [sys.executable, "-P", "-m", "ms_release", "release", "policy", *words]
        before = self._world.effects()
        ran = subprocess.run(
            command, cwd=self._place, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        return Typed(ran.returncode, ran.stdout, ran.stderr, self._world.effects() - before)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(tmp_path_factory.mktemp("twelve") / "forge") as found:
        with found.store.writing():
            for name, ways in TWELVE.items():
                found.add(make(name, *(WAYS[way] for way in ways)))
        yield found


def told(document: dict[str, Any], outcome: str) -> dict[str, set[str]]:
    """The codes with an outcome, by repository."""
    return {
        slug.partition("/")[2]: {e["code"] for e in found if e["outcome"] == outcome}
        for slug, found in document["repos"].items()
    }


def test_twelve_broken_repositories(world: World, tmp_path: Path) -> None:
    shell = Shell(world, tmp_path / "shell")
    broken = {name: set().union(*(WAYS[way].fails for way in ways)) for name, ways in TWELVE.items()}

    seen = shell.type("dana", "audit", "--json")
    document = seen.document
    assert (seen.exit, seen.effects) == (3, 0)
    assert told(document, "FAIL") == broken
    assert told(document, "UNKNOWN") == {**NONE, "l": {"NO_BYPASS"}, "m": {"REPOSITORY"}}
    assert (document["schema"], document["audited_by"]) == ("ms-policy-audit/v1", "dana")
    assert {"audited_at", "repos", "requests", "seconds", "error", "schema", "audited_by"} <= document.keys()
    assert {key for found in document["repos"].values() for entry in found for key in entry} == {
        "code", "outcome", "is", "should", "source", "permission"
    }  # fmt: skip
    text = audit_text(world.audit(world.config()).verdicts, every=False)
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"octo/b: \d+ of \d+ rules hold\n  NO  CHECKS_STRICT           not strict\n", text)
    assert "octo/m: 0 of 1 rules hold" in text

    asked = shell.type("dana", "apply", "--json")
    assert (asked.exit, asked.effects, asked.document["performed"]) == (2, 0, [])
    planned = {one["repo"]: one for one in asked.document["planned"]}
    assert [change["code"] for change in planned["octo/c"]["changes"]] == ["NO_FORCE_PUSH", "ADMINS_INCLUDED"]
    assert "administrators are exempt" in planned["octo/c"]["changes"][1]["was"]
    assert "--yes" in asked.document["error"]["next"]

    first = shell.type("dana", "apply", "--yes", "--json")
    left = first.document
    assert (first.exit, left["error"]["kind"]) == (5, "CredentialError")
    assert told(left, "FAIL") == {**NONE, "l": {"CHECKS_STRICT"}}
    assert {(one["repo"], one["code"], one["who"]) for one in left["not_possible"]} == {
        ("octo/l", "CHECKS_STRICT", "an owner of octo")
    }
    assert first.effects >= 10
    again = shell.type("dana", "apply", "--yes")
    assert (again.exit, again.effects) == (5, 0)

    whole = shell.type("olga", "apply", "--yes", "--json")
    assert (whole.exit, whole.effects) == (0, 1)
    assert [one["layer"] for one in whole.document["performed"]] == [
        f"organisation ruleset “main of l” ({org_id(world)})"
    ]
    assert told(whole.document, "FAIL") == NONE
    clean = shell.type("olga", "apply", "--yes")
    assert (clean.exit, clean.effects, clean.out.splitlines()[0]) == (0, 0, "nothing to change")
    in_their_layers(world)
    nobody = shell.type("carol", "audit", "a", "octo/b")
    assert (nobody.exit, nobody.effects) == (5, 0)
    assert "administration: read" in nobody.err


def org_id(world: World) -> int:
    return int(next(body["id"] for body in world.store.find("ruleset") if body["name"] == "main of l"))


def in_their_layers(world: World) -> None:
    """Classic protection stays classic, a ruleset is edited in place; only where nothing was are rulesets made."""
    made = {(body.get("repo"), body["name"]) for body in world.store.find("ruleset") if body.get("repo")}
    assert {name for repo, name in made if repo == "octo/j"} == {"release branch", "release pushes"}
    assert {name for repo, name in made if repo == "octo/g"} == {"main", "release pushes"}
    assert {name for repo, name in made if repo in ("octo/a", "octo/b", "octo/c")} == set()
    assert world.store.get("protection", "octo/j:main") is None


def test_a_waiver_is_printed_and_dies(tmp_path: Path) -> None:
    waiver = (
        '[[waiver]]\ncode = "ADMINS_INCLUDED"\nsubject = "a"\nreason = "moving"\napprover = "olga"\nexpires = "%s"\n'
    )
    with served(tmp_path / "forge") as world:
        for place in (in_classic("home").home_settings(), make("a", WAYS["classic-admins"])):
            world.add(place)
        alive, dead = (world.config(more=waiver % day) for day in ("2026-03-01", "2026-02-28"))
        assert findings(world.audit(dead)) == {"home": set(), "a": {"ADMINS_INCLUDED"}}
        audited = world.audit(alive)
        assert (findings(audited), audited.ending()) == ({"home": set(), "a": set()}, None)
        assert [v.waived_by for v in audited.verdicts["octo/a"] if v.outcome == "FAIL"] == ["olga"]
        assert "waived by @olga: moving" in audit_text(audited.verdicts, every=False)
        assert world.apply(alive).edits == ()
        assert len(world.apply(dead).edits) == 1


def test_five_hundred_repositories(tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    """All of them with --all, a fifth by default: the requests grow with the number, in batches of 25."""
    count = 500 if os.environ.get("MS_TEST_ALL") == "1" else 100
    with served(tmp_path / "forge") as world:
        with world.store.writing():
            world.add(in_classic("r0").home_settings())
            for number in range(1, count):
                world.add(in_classic(f"r{number}"), share=True)
        audited = world.audit(world.config())
        effort = audited.seen.effort
        assert findings(audited) == {f"r{number}": set() for number in range(count)}
        tally(f"policy: requests for the branch rules of {count} repositories", effort.branch_requests)
        tally(f"policy: requests for the settings of {count} repositories", effort.other_requests)
        assert effort.branch_requests <= 30 * count // 500
        assert len([one for one in world.store.requests() if one["kind"] == "graphql"]) <= effort.branch_requests
