"""The example organisation, served, and people who type commands at it as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ms_release.forge import world
from ms_release.forge.serve import Server

ORG = "midi-studio"
HOME = f"{ORG}/distribution"
CONFIG = "ms-release.toml"
# Alice with less than all her rights. Every one of these texts is a secret that no output may show.
TOKENS: dict[str, dict[str, Any]] = {
    "alice-read-only-token": {"kind": "fine-grained", "permissions": {"contents": "read", "metadata": "read"}},
    "alice-expired-token": {"expires_at": "2026-01-02T03:04:05Z"},
}


@dataclass
class Typed:
    """What became of one command."""

    exit: int
    out: str
    err: str
    effects: int
    """How many effects the forge has logged meanwhile."""

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def verdicts(self) -> list[str]:
        """The lines that say how it ended."""
        return [line for line in self.err.splitlines() if line.startswith(("error: ", "waiting: ", "interrupted: "))]


@dataclass
class Organisation:
    """The example world being served, with a directory in which nobody has typed anything yet."""

    server: Server
    place: Path
    shas: dict[str, list[str]] = field(default_factory=dict)

    def git(self, repo: str, *arguments: str) -> str:
        """Plain git in a repository of the forge."""
        who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "--git-dir", str(self.server.forge.git_dir(f"{ORG}/{repo}")), *arguments]
        ran = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **who})
        return ran.stdout.strip()

    def history(self, repo: str) -> list[str]:
        """Commits of main, newest first."""
        if repo not in self.shas:
            self.shas[repo] = self.git(repo, "rev-list", "main").split()
        return self.shas[repo]

    def environment(self, who: str = "alice", /, **more: str | None) -> dict[str, str]:
        """What a person's shell holds; a variable that is None is not set."""
        url = self.server.url
        usual: dict[str, str | None] = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.place / "people" / who),
            "GH_TOKEN": f"{who}-token",
            "GITHUB_API_URL": f"{url}/api/v3",
            "GITHUB_GRAPHQL_URL": f"{url}/api/graphql",
            "GITHUB_SERVER_URL": url,
        }
        return {name: value for name, value in {**usual, **more}.items() if value is not None}

    def directory(self, name: str) -> Path:
        """A working directory with the configuration that counts."""
        folder = self.place / name
        folder.mkdir(parents=True)
        (folder / CONFIG).write_text(self.git("distribution", "show", f"main:{CONFIG}") + "\n")
        return folder

    def count(self) -> int:
        """Effects so far."""
        return len(self.server.forge.store.effects())

    def start(self, folder: Path, env: dict[str, str], *arguments: str | bytes, **more: Any) -> subprocess.Popen[bytes]:
        """Begin to type `ms release …`."""
        command = [sys.executable, "-P", "-m", "ms_release", "release", *arguments]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=folder, env=env, **{**pipes, **more})

    def type(self, folder: Path, env: dict[str, str], *arguments: str | bytes, **more: Any) -> Typed:
        """Type `ms release …` and wait for its end."""
        before = self.count()
        running = self.start(folder, env, *arguments, **more)
        out, err = running.communicate(timeout=60)
        text, errors = (out or b"").decode(errors="backslashreplace"), (err or b"").decode(errors="backslashreplace")
        return Typed(running.returncode, text, errors, self.count() - before)


def make(root: Path) -> Organisation:
    """A new world, its server started."""
    world.build(world.EXAMPLE, root / "forge")
    server = Server(root / "forge")
    for text, limits in TOKENS.items():
        token = server.forge.store.get("token", "alice-token")
        assert token is not None
        server.forge.store.put("token", text, {**token, **limits})
    server.start()
    return Organisation(server, root)


@pytest.fixture(scope="session")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    """One world for all commands that change nothing."""
    found = make(tmp_path_factory.mktemp("organisation"))
    yield found
    found.server.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Organisation]:
    """A world of its own, for commands that change it."""
    found = make(tmp_path / "fresh")
    yield found
    found.server.stop()
