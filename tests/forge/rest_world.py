"""A served forge with one organisation of three repositories, and clients of it, for tests of its REST and git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from ms_release.forge import git
from ms_release.forge.serve import Server

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PERSON = git.Person("Setup", "setup@example.org", "2026-01-01T00:00:00Z")
CI = 15368
TOKEN = {"repos": None, "permissions": None, "expires_at": None, "run_id": None}


class World:
    """octo/open is public, octo/shut and octo/other private; carol writes, mia maintains, dana is admin, rita reads."""

    def __init__(self, server: Server) -> None:
        self.server, self.forge, self.store = server, server.forge, server.forge.store
        self._clients: dict[str, httpx.Client] = {}

    def fill(self) -> None:
        self.store.put("org", "octo", {"login": "octo", "id": 900})
        people = ("carol", "mia", "dana", "rita", "eve")
        for number, login in enumerate(people, 1):
            user = {"login": login, "id": number, "type": "User", "site_admin": False}
            self.store.put("user", login, user)
            self.store.put("token", f"{login}-token", {"login": login, "kind": "classic", **TOKEN})
        team = {"org": "octo", "slug": "maintainers", "name": "Maintainers", "id": 70, "members": ["mia"]}
        self.store.put("team", "octo/maintainers", team)
        app = {"id": 77, "slug": "robot", "name": "Robot", "public_key": "", "installation_id": 5, "org": "octo"}
        self.store.put("app", "robot", {**app, "permissions": {"checks": "write", "contents": "write"}})
        for number, (name, private) in enumerate([("open", False), ("shut", True), ("other", True)], 1):
            self._repo(f"octo/{name}", private, number)
        job = {"checks": "write", "contents": "write", "pull_requests": "write", "statuses": "write"}
        limited = {"repos": ["octo/shut"], "expires_at": None, "run_id": 1, "permissions": job}
        self.store.put("token", "job", {"login": "github-actions[bot]", "kind": "workflow", **limited})
        self.store.put("token", "app", {"login": "robot[bot]", "kind": "installation", **limited, "run_id": None})
        narrow = {**limited, "run_id": None, "permissions": {"contents": "read"}}
        self.store.put("token", "narrow", {"login": "carol", "kind": "fine-grained", **narrow})

    def _repo(self, name: str, private: bool, number: int) -> None:
        access = {"carol": "write", "rita": "read", "dana": "admin"}
        body = {"id": number, "full_name": name, "private": private, "default_branch": "main", "access": access}
        self.store.put("repo", name, {**body, "team_access": {"octo/maintainers": "maintain"}}, name)
        git_dir = self.forge.git_dir(name)
        git.init_bare(git_dir)
        first = git.commit_files(git_dir, None, {"README.md": b"# read me\n", "src/a.txt": b"a\n"}, [], "first", PERSON)
        second = git.commit_files(git_dir, first, {"src/b.txt": b"b\n"}, [], "second", PERSON)
        git.update_ref(git_dir, "refs/heads/main", second, None)

    # ---- shortcuts

    def api(self, login: str = "carol", repo: str = "shut") -> Api:
        person = self.store.get("user", login) is not None
        return Api(self, f"{login}-token" if person else login, repo)

    def tip(self, branch: str = "main", repo: str = "octo/shut") -> str:
        sha = git.read_ref(self.forge.git_dir(repo), f"refs/heads/{branch}")
        assert sha is not None
        return sha

    def branch(
        self, name: str, files: dict[str, bytes] | None = None, base: str = "main", repo: str = "octo/shut"
    ) -> str:
        git_dir = self.forge.git_dir(repo)
        sha = git.commit_files(
            git_dir, self.tip(base, repo), files or {f"{name}.txt": b"x\n"}, [], f"on {name}", PERSON
        )
        git.update_ref(git_dir, f"refs/heads/{name}", sha, git.read_ref(git_dir, f"refs/heads/{name}"))
        return sha

    def protect(self, branch: str = "main", repo: str = "octo/shut", **more: Any) -> None:
        body = {
            "required_status_checks": {"strict": False, "checks": [{"context": "ci", "app_id": None}]},
            "enforce_admins": True,
            "required_pull_request_reviews": {"required_approving_review_count": 0},
            "restrictions": None,
            "required_conversation_resolution": True,
            "allow_force_pushes": False,
            "allow_deletions": False,
        }
        self.store.put("protection", f"{repo}:{branch}", {**body, **more}, repo)

    def ruleset(self, rules: list[dict[str, Any]], target: str = "branch", **more: Any) -> int:
        names = {"include": ["~ALL"], "exclude": []}
        number = self.store.next_id("ruleset")
        body = {"id": number, "name": "r", "repo": "octo/shut", "target": target, "enforcement": "active"}
        body |= {"conditions": {"ref_name": names}, "rules": rules, "bypass_actors": [], **more}
        self.store.put("ruleset", number, body, str(body["repo"]))
        return number

    def check(
        self, sha: str, conclusion: str | None = "success", name: str = "ci", app: str = "github-actions"
    ) -> None:
        number = self.store.next_id("check_run")
        run = {"id": number, "repo": "octo/shut", "suite_id": 1, "name": name, "head_sha": sha, "app": app}
        status = "completed" if conclusion else "in_progress"
        times = {"started_at": self.forge.now(), "completed_at": None, "run_id": None, "job_id": None}
        self.store.put("check_run", number, {**run, **times, "status": status, "conclusion": conclusion}, "octo/shut")

    def effects(self, verb: str = "") -> list[dict[str, Any]]:
        return [effect for effect in self.store.effects() if verb in ("", effect["verb"])]

    def client(self, token: str) -> httpx.Client:
        if token not in self._clients:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            self._clients[token] = httpx.Client(base_url=f"{self.server.url}/api/v3", headers=headers, trust_env=False)
        return self._clients[token]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


class Api:
    """Requests about one repository as one person."""

    def __init__(self, world: World, token: str, repo: str) -> None:
        self._client, self._base = world.client(token), f"/repos/octo/{repo}"

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        where = path if path.startswith("/") else f"{self._base}/{path}" if path else self._base
        return self._client.request(method, where, **({} if body is None else {"json": body}), **more)

    def get(self, path: str = "", **more: Any) -> httpx.Response:
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.call("POST", path, body)

    def put(self, path: str, body: Any) -> httpx.Response:
        return self.call("PUT", path, body)

    def patch(self, path: str, body: Any) -> httpx.Response:
        return self.call("PATCH", path, body)

    def delete(self, path: str) -> httpx.Response:
        return self.call("DELETE", path)

    def open(self, head: str, base: str = "main") -> int:
        answer = self.post("pulls", {"title": f"Add {head}", "head": head, "base": base})
        assert answer.status_code == 201, answer.text
        return int(answer.json()["number"])


@contextmanager
def served(root: Path) -> Iterator[World]:
    server = Server(root)
    server.forge.clock = lambda: NOW
    world = World(server)
    world.fill()
    server.start()
    try:
        yield world
    finally:
        world.close()
        server.stop()


class Clone:
    """A real git client's work tree."""

    def __init__(self, world: World, place: Path, token: str = "", repo: str = "shut") -> None:
        host = world.server.url.removeprefix("http://")
        login = f"x:{token}@" if token else ""
        self.url, self.place = f"http://{login}{host}/octo/{repo}.git", place

    def run(self, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.place.parent), "GIT_TERMINAL_PROMPT": "0"}
        env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
        who = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        where = self.place if self.place.exists() else self.place.parent
        return subprocess.run(["git", *who, *args], cwd=where, env=env, capture_output=True, text=True, check=check)

    def clone(self, *options: str) -> Clone:
        self.run("clone", "-q", *options, self.url, str(self.place))
        return self

    def commit(self, name: str, text: str = "x\n") -> str:
        file = self.place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.run("add", name)
        self.run("commit", "-q", "-m", f"add {name}")
        return self.run("rev-parse", "HEAD").stdout.strip()
