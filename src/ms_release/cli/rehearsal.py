"""A rehearsal: a world on disk, its forge, and people who type the real commands as processes of their own."""

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

from ms_release.config import DEFAULT_FILE, parse
from ms_release.errors import UsageError

if TYPE_CHECKING:
    from ms_release.forge.serve import Server

KINDS = ("rest", "graphql", "git", "asset", "poll")


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

    def __init__(self, root: Path, server: Server, product: str) -> None:
        self.root = root
        self.server = server
        self.product = product
        self.verbs: list[Verb] = []
        self.home, text = self._find_home()
        self.config = parse(text)
        self.operator.mkdir(exist_ok=True)
        (self.operator / DEFAULT_FILE).write_text(text)

    def people(self) -> tuple[str, str]:
        """Who operates and who approves: the first maintainer, and the first release manager who is somebody else."""
        operator = next(iter(self._members(self.config.roles.maintainers)), None)
        managers = (login for login in self._members(self.config.roles.release_managers) if login != operator)
        approver = next(managers, None)
        if operator is None or approver is None:
            raise UsageError("this world has no two people to release", remedy="Give its teams different members.")
        return operator, approver

    def _members(self, team: str) -> list[str]:
        return list((self.server.forge.store.get("team", team) or {"members": []})["members"])

    def _find_home(self) -> tuple[str, str]:
        for repo in self.server.forge.store.find("repo"):
            text = self._git(repo["full_name"], "show", f"{repo['default_branch']}:{DEFAULT_FILE}")
            if text:
                return repo["full_name"], text
        raise UsageError(f"no repository of this world holds {DEFAULT_FILE}", remedy="Add it to its home repository.")

    @property
    def operator(self) -> Path:
        """The operator's working directory, with the home repository's own configuration in it."""
        return self.root / "operator"

    def run(self, who: str, *arguments: str, typed: str = "", show: bool = False) -> Verb:
        """Type `ms release PRODUCT …` as somebody, with nothing of this machine's own credentials in reach."""
        before, started = self.counts(), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ms_release", "release", self.product, *arguments, "--json"],
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
        verb = Verb(
            arguments[0], done.returncode, round(time.monotonic() - started, 2), asked, document, done.stderr or ""
        )
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
            "GH_TOKEN": self._token(who),
            "GITHUB_API_URL": f"{url}/api/v3",
            "GITHUB_GRAPHQL_URL": f"{url}/api/graphql",
            "GITHUB_SERVER_URL": url,
        }

    def _token(self, who: str) -> str:
        held = self.server.forge.store.find("token", login=who)
        if not held:
            raise UsageError(f"@{who} has no token in this world", remedy="Give every person who acts a token.")
        return str(held[0]["token"])

    def counts(self) -> dict[str, int]:
        """Requests answered so far, by kind."""
        total = dict.fromkeys(KINDS, 0)
        for request in self.server.forge.store.requests():
            total[request["kind"]] += 1
        return total

    def file(self, path: str) -> str | None:
        """A file of the home repository's default branch."""
        return self._git(self.home, "show", f"{self.config.repo_of(self.home).branch}:{path}") or None

    def _git(self, repo: str, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "--git-dir", str(self.server.forge.git_dir(repo)), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""


@contextmanager
def open_rehearsal(root: Path, product: str, world: Path | None) -> Iterator[Rehearsal]:
    """Serve the world in a directory, made first where there is none, to rehearse one product in it."""
    from ms_release.forge.serve import Server
    from ms_release.forge.world import EXAMPLE, build, is_made

    data = root / "forge"
    if not is_made(data):
        data.mkdir(parents=True, exist_ok=True)
        build(world or EXAMPLE, data)
    server = Server(data)
    server.start()
    try:
        yield Rehearsal(root, server, product)
    finally:
        server.stop()
