"""A rehearsal: a world on disk, its forge, and people who type the real commands against it as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ms_release.config import DEFAULT_FILE
from ms_release.errors import MachineError

if TYPE_CHECKING:
    from ms_release.forge.serve import Server

KINDS = ("rest", "graphql", "git", "asset", "poll")
HOME = "midi-studio/distribution"


@dataclass(frozen=True)
class Verb:
    """One command that somebody typed: how it ended, how long it took, and what it asked of the forge meanwhile."""

    verb: str
    exit: int
    seconds: float
    requests: dict[str, int]
    document: dict[str, Any] = field(compare=False)
    errors: str = ""


class Rehearsal:
    """One world being rehearsed in. Runs that the forge starts meanwhile count for the command that waits for them."""

    def __init__(self, root: Path, server: Server, home: str = HOME) -> None:
        self.root = root
        self.server = server
        self.home = home
        self.verbs: list[Verb] = []

    @property
    def operator(self) -> Path:
        """The operator's working directory, with the home repository's own configuration in it."""
        return self.root / "operator"

    def run(self, who: str, *arguments: str, typed: str = "", show: bool = False) -> Verb:
        """Type `ms release …` as somebody, with nothing of this machine's own credentials in reach."""
        before, started = self.counts(), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ms_release", "release", *arguments, "--json"],
            cwd=self.operator,
            env=self.environment(who),
            input=typed,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            text=True,
            check=False,
        )
        after = self.counts()
        asked = {kind: after[kind] - before[kind] for kind in KINDS}
        document = json.loads(done.stdout) if done.stdout.strip() else {}
        name = " ".join(a for a in arguments if not a.startswith("-"))
        verb = Verb(name, done.returncode, round(time.monotonic() - started, 2), asked, document, done.stderr or "")
        self.verbs.append(verb)
        return verb

    def environment(self, who: str) -> dict[str, str]:
        """What a person's shell holds: the forge's address, their token, and a home of their own."""
        home = self.root / "people" / who
        home.mkdir(parents=True, exist_ok=True)
        url = self.server.url
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "GH_TOKEN": f"{who}-token",
            "GITHUB_API_URL": f"{url}/api/v3",
            "GITHUB_GRAPHQL_URL": f"{url}/api/graphql",
            "GITHUB_SERVER_URL": url,
        }

    def counts(self) -> dict[str, int]:
        """Requests answered so far, by kind."""
        total = dict.fromkeys(KINDS, 0)
        for request in self.server.forge.store.requests():
            total[request["kind"]] += 1
        return total

    def file(self, path: str) -> str | None:
        """A file of the home repository's default branch."""
        found = self._git("show", f"main:{path}")
        return found or None

    def fetch_configuration(self) -> None:
        """Give the operator the configuration that counts."""
        self.operator.mkdir(exist_ok=True)
        text = self.file(DEFAULT_FILE)
        if text is None:
            raise MachineError(f"{self.home} of this world holds no {DEFAULT_FILE}", remedy="Add it to the world.")
        (self.operator / DEFAULT_FILE).write_text(text)

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "--git-dir", str(self.server.forge.git_dir(self.home)), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""


@contextmanager
def open_rehearsal(root: Path, world: Path | None) -> Iterator[Rehearsal]:
    """Serve the world in a directory, made first where there is none."""
    from ms_release.forge.serve import Server
    from ms_release.forge.world import EXAMPLE, build, is_made

    data = root / "forge"
    if not is_made(data):
        data.mkdir(parents=True, exist_ok=True)
        build(world or EXAMPLE, data)
    server = Server(data)
    server.start()
    try:
        rehearsal = Rehearsal(root, server)
        rehearsal.fetch_configuration()
        yield rehearsal
    finally:
        server.stop()
