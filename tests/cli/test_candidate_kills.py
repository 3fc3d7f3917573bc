"""`candidate build` killed at any of its requests and run again: one draft, the right bytes, nothing of others touched.

The requests are found by running it once, so a new one is covered as soon as it is made.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.test_candidate import FILES, META, SEED, Producer
from conftest import RUN_ALL
from forge.small_world import OPEN, Small, small_world
from ms_release.adapters.candidate_trust import untrusted
from ms_release.adapters.signing import public_of
from ms_release.forge import git
from scenarios.prefork import Typed, loaded
from scenarios.wire import Asked, Kill, Wire, wired

SIGNED = {*META, "candidate.json.sig", "provenance.intoto.jsonl"}
KILLS = ("before", "unanswered", "answered")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Small]:
    with small_world(tmp_path / "forge") as small:
        yield small


class Job(Producer):
    """The same build job, typed in a loaded program through a wire."""

    def type(self, wire: Wire | None = None) -> Typed:
        env = {n: v for n, v in self.env(MS_CANDIDATE_KEY=SEED).items() if n != "PYTHONPATH"}
        if wire is not None:
            env = {name: value.replace(self.world.url, wire.url) for name, value in env.items()}
        order = self.command("prerelease", "--json")
        command = loaded().begin(order[order.index("release") :], env, self.place)
        if wire is not None:
            wire.introduce("job-token", command)
        return command.end()

    def forget(self) -> None:
        """Take the candidate away, so that the next one starts from nothing."""
        for release in self.releases():
            assert self.world.rest("DELETE", f"/repos/{OPEN}/releases/{release['id']}").status_code == 204
        git_dir = self.world.forge.git_dir(OPEN)
        if (at := git.read_ref(git_dir, f"refs/tags/{self.tag}")) is not None:
            git.update_ref(git_dir, f"refs/tags/{self.tag}", None, at)

    def problems(self) -> Iterator[str]:
        """What is not as it should be on the forge."""
        releases = self.releases()
        if len(releases) != 1 or releases[0]["draft"]:
            yield f"{len(releases)} releases: {[r['draft'] for r in releases]}"
            return
        if set(self.assets()) != {*FILES, *SIGNED}:
            yield f"assets: {sorted(self.assets())}"
            return
        metadata = {name: self.bytes_of(name) for name in SIGNED}
        yield from untrusted(public_of(SEED), metadata)
        listed = {a["filename"] for a in json.loads(metadata["candidate.json"])["artifacts"]}
        if listed != set(FILES) or {n: self.bytes_of(n) for n in FILES} != FILES:
            yield "other bytes"


def points(asked: list[Asked]) -> Iterator[Kill]:
    for one in asked:
        for when in KILLS if one.write else KILLS[:1]:
            yield Kill(one, when)


def test_killed_at_any_request_and_run_again(world: Small, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    """A prerelease: the requests of a draft, and the publication."""
    job = Job(world, tmp_path / "job")
    with wired(world.url) as wire:
        assert job.type(wire).exit == 0
        every = list(points(wire.seen))
    assert list(job.problems()) == []
    assert sum(kill.at.write for kill in every) >= 3 * (len(FILES) + len(SIGNED) + 1)
    wrong = []
    for kill in every:
        if not RUN_ALL and zlib.crc32(str(kill).encode()) % 8:
            continue
        job.forget()
        with wired(world.url) as wire:
            wire.aim(kill)
            job.type(wire)
            killed = wire.killed
        before = world.verbs().count("delete_release")
        again = job.type()
        found = [*job.problems(), *([f"exit {again.exit}"] if again.exit else [])]
        found += [] if killed else ["was not reached"]
        found += ["a release was deleted"] if world.verbs().count("delete_release") != before else []
        wrong += [f"{kill.when} at {kill.at}: {problem}" for problem in found]
        tally("candidate build: points killed at", 1)
        tally("candidate build: ended with one draft and the right bytes", not found)
    job.forget()
    assert wrong == []
