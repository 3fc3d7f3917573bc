"""A small world for the forge's tests: four people, two repositories with real history, served on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ms_release.forge import git
from ms_release.forge.git.values import Person
from ms_release.forge.serve import Server
from ms_release.forge.state import Forge

OPEN, CLOSED = "o/open", "o/closed"
ROLES = {"dana": "admin", "alice": "maintain", "carol": "write", "rita": "read"}


@dataclass(frozen=True)
class Small:
    """The served world, and `heads`: the tip of main of each repository."""

    forge: Forge
    url: str
    heads: dict[str, str]

    def client(self, token: str | None = "carol-token") -> httpx.Client:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        # no TLS here, and loading the machine's certificates takes longer than a request
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=False)

    def bare(self, address: str, **more: Any) -> httpx.Response:
        """A GET by nobody, as a browser makes it."""
        with self.client(None) as client:
            return client.get(address, **more)

    def rest(self, method: str, path: str, token: str | None = "carol-token", **more: Any) -> httpx.Response:
        with self.client(token) as client:
            return client.request(method, f"/api/v3{path}", **more)

    def graphql(self, query: str, token: str | None = "carol-token", **variables: Any) -> dict[str, Any]:
        with self.client(token) as client:
            answer = client.post("/api/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def verbs(self) -> list[str]:
        return [str(effect["verb"]) for effect in self.forge.store.effects()]


def add_commits(forge: Forge, repo: str, count: int) -> str:
    """`count` commits on main, one file each, a minute apart; returns the tip."""
    git_dir = forge.git_dir(repo)
    before = tip = git.read_ref(git_dir, "refs/heads/main")
    for number in range(count):
        who = Person("Carol", "1+carol@users.noreply.github.com", f"2026-01-02T{number // 60:02}:{number % 60:02}:00Z")
        files = {f"src/file{number}.txt": f"{number}\n".encode()}
        tip = git.commit_files(git_dir, tip, files, [], f"feat: number {number}\n\nWhy {number}.", who)
    assert tip is not None
    git.update_ref(git_dir, "refs/heads/main", tip, before)
    return tip


def add_token(forge: Forge, text: str, **body: Any) -> None:
    plain = {
        "login": "carol",
        "kind": "classic",
        "repos": None,
        "permissions": None,
        "expires_at": None,
        "run_id": None,
    }
    forge.store.put("token", text, {**plain, **body})


@contextmanager
def small_world(root: Path, commits: int = 3) -> Iterator[Small]:
    server = Server(root)
    forge = server.forge
    for number, login in enumerate(ROLES, 1):
        forge.store.put("user", login, {"login": login, "id": number, "type": "User", "site_admin": False})
        add_token(forge, f"{login}-token", login=login)
    forge.store.put("org", "o", {"login": "o", "id": 90})
    crew = {"org": "o", "slug": "crew", "name": "Crew", "id": 91, "members": ["alice", "dana"]}
    forge.store.put("team", "o/crew", crew)
    heads = {}
    for number, repo in enumerate((OPEN, CLOSED), 1):
        body = {"id": 1000 + number, "full_name": repo, "private": repo == CLOSED, "default_branch": "main"}
        forge.store.put("repo", repo, {**body, "access": dict(ROLES), "team_access": {}})
        git.init_bare(forge.git_dir(repo))
        heads[repo] = add_commits(forge, repo, commits)
    job = {"login": "github-actions[bot]", "kind": "workflow", "repos": [OPEN], "run_id": 1}
    add_token(forge, "job-token", **job, permissions={"contents": "write"})
    add_token(forge, "fine-token", kind="fine-grained")
    server.start()
    try:
        yield Small(forge, server.url, heads)
    finally:
        server.stop()
