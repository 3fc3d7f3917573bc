"""Makes the data directory of an embedded forge from a world file, and brings its later work in."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ms_release.errors import UsageError
from ms_release.forge.faults import Fault
from ms_release.forge.git.objects import close_readers
from ms_release.forge.serve import Server
from ms_release.forge.state import Forge
from ms_release.forge.store import Store
from ms_release.forge.world import policy as world_policy
from ms_release.forge.world.documents import put_people, put_repository
from ms_release.forge.world.file import World, read
from ms_release.forge.world.history import Site, make_commit, make_history
from ms_release.forge.world.push import Push, run_pushes
from ms_release.forge.world.release import make_candidate, make_release

EXAMPLE = Path(__file__).parents[1] / "example" / "world.toml"
"""The world file of the example organisation."""

_MADE = "world.json"
Clock = Callable[[], datetime]


def _system_clock() -> datetime:
    return datetime.now(UTC)


def build(world_file: Path, root: Path, *, clock: Clock = _system_clock, key_seed: bytes | None = None,
          run_seconds: float = 300) -> None:  # fmt: skip
    """Make the world that a file describes in an empty (or new) directory.

    Commits whose checks are to run really run them: the forge is served meanwhile, at most `run_seconds`. `key_seed` is
    the 32 bytes of the manifest key, random when it is not given. Raises UsageError for a file that cannot be made, a
    directory that holds something, and BlockedError for a run that does not succeed.
    """
    world = read(world_file)
    if root.exists() and any(root.iterdir()):
        raise UsageError(f"{root} is not empty", remedy="Name a new directory: a world is made once.")
    for part in ("git", "blobs"):
        (root / part).mkdir(parents=True)
    store = Store(root / "forge.sqlite")
    try:
        forge = Forge(root, store, clock=clock)
        pushes = _write(world, world_file, forge, key_seed or secrets.token_bytes(32))
    finally:
        close_readers(root)
        store.close()
    if pushes or world.faults:
        server = Server(root)
        server.forge.clock = clock
        server.start()
        try:
            run_pushes(server.forge, pushes, run_seconds)
            for fault in world.faults:  # after the pushes: making the world meets none
                server.forge.faults.add(Fault.of_body(fault))
        finally:
            server.stop()
    note = {"schema": "ms-world/v1", "world_file": str(world_file.resolve()), "made_at": forge.now()}
    (root / _MADE).write_text(json.dumps(note, indent=2) + "\n", "utf-8")


def is_made(root: Path) -> bool:
    """Whether `build` has finished in this directory."""
    return (root / _MADE).exists()


def add_later_work(world_file: Path, forge: Forge, run_seconds: float = 300) -> list[Push]:
    """Put every `later` commit on its branch, as a merge would have, and wait for the checks it asks for.

    The forge is being served. Returns what was pushed, in the file's order. Raises as `build` does.
    """
    world = read(world_file)
    site = Site(forge, world, world_file.parent, {}, forge.clock())
    pushes, running = [], []
    for repo in world.repositories:
        for commit in repo.commits:
            if commit.later:
                push = make_commit(site, repo, commit, site.start)
                pushes.append(push)
                running += [push] if commit.checks == "run" else []
    run_pushes(forge, running, run_seconds)
    return pushes


def _write(world: World, world_file: Path, forge: Forge, seed: bytes) -> list[Push]:
    """Write documents and commits; returns the pushes whose workflows are to run."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    values = {"now": forge.now(), "manifest_public_key": base64.b64encode(public).decode()}
    if world.audit:
        audit = world_policy.audit(world.repositories, world.audit, values["now"])
        values["policy_audit"] = audit.decode().rstrip("\n")
    site = Site(forge, world, world_file.parent, values, forge.clock())
    # The private half is for secrets alone: no file of a repository can ask for it.
    private = {**values, "manifest_private_seed": base64.b64encode(seed).decode()}
    pushes: list[Push] = []
    with forge.store.writing():
        put_people(forge, world, world_file.parent)
        for repo in world.repositories:
            put_repository(forge, repo, private)
            pushes += make_history(site, repo)
            for release in repo.releases:
                make_release(site, repo, release)
            for candidate in repo.candidates:
                make_candidate(site, repo, candidate)
    return pushes
