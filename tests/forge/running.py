"""A forge with one organisation and one repository whose workflows really run, for the tests of runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from ms_release.forge import git
from ms_release.forge.engine.processes import Process
from ms_release.forge.engine.runner import Result, Task
from ms_release.forge.git.values import Person
from ms_release.forge.serve import Server

REPO = "o/r"
SECONDS = 60.0
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PEOPLE = {"alice": "write", "bob": "read", "carol": "write", "dana": "admin"}
Body = dict[str, Any]


def workflow(steps: list[Body], on: Any = None, **more: Any) -> str:
    """A workflow with one job `test`."""
    job = {"runs-on": "ubuntu-latest", "steps": steps, **more}
    return json.dumps({"name": "CI", "on": on or {"push": {}, "workflow_dispatch": {}}, "jobs": {"test": job}})


def jobs(specs: dict[str, Body], **top: Any) -> str:
    """A workflow of several jobs; a job without steps does nothing."""
    empty = {"runs-on": "ubuntu-latest", "steps": [{"run": "true"}]}
    full = {key: {**empty, **spec} for key, spec in specs.items()}
    return json.dumps({"name": "CI", "on": {"push": {}, "workflow_dispatch": {}}, **top, "jobs": full})


class World:
    """The forge, a clock that moves when told to, and short ways to ask."""

    def __init__(self, server: Server) -> None:
        self.server, self.forge, self.store = server, server.forge, server.forge.store
        self.now = START
        self.forge.clock = lambda: self.now
        self.client = httpx.Client(base_url=f"{server.url}/api/v3", timeout=30)

    def populate(self) -> None:
        token = {"kind": "classic", "repos": None, "permissions": None, "expires_at": None, "run_id": None}
        repo = {"id": 1, "full_name": REPO, "private": True, "default_branch": "main", "team_access": {}}
        with self.store.writing():
            for number, login in enumerate(PEOPLE, 1):
                self.store.put("user", login, {"login": login, "id": number, "type": "User", "site_admin": False})
                self.store.put("token", f"{login}-token", {"login": login, **token})
            self.store.put("org", "o", {"login": "o", "id": 99})
            self.store.put("repo", REPO, {**repo, "access": PEOPLE}, REPO)
        git.init_bare(self.forge.git_dir(REPO))

    @property
    def engine(self) -> Any:
        return self.forge.engine

    def push(
        self, files: dict[str, str | bytes | None], branch: str = "main", actor: str = "alice", **more: Any
    ) -> str:
        """Commit files (None: delete) to a branch and tell the engine; `x.yml` is a workflow file."""
        git_dir, ref = self.forge.git_dir(REPO), f"refs/heads/{branch}"
        before = git.read_ref(git_dir, ref)
        parent = before or git.read_ref(git_dir, "refs/heads/main")
        names = {name: f".github/workflows/{name}" if name.endswith(".yml") else name for name in files}
        new = {names[n]: c.encode() if isinstance(c, str) else c for n, c in files.items() if c is not None}
        gone = [names[name] for name, content in files.items() if content is None]
        author = Person("Ann", "ann@example.org", "2026-01-02T03:04:05Z")
        sha = git.commit_files(git_dir, parent, new, gone, more.pop("message", "change"), author)
        git.update_ref(git_dir, ref, sha, before)
        self.engine.pushed(REPO, ref, before, sha, actor, **more)
        return sha

    def quick(self, *failing: str) -> None:
        """From now on jobs end at once, and well unless named: for tests of what is around them."""

        def end(task: Task, process: Process, progress: Callable[[list[Body]], None]) -> Result:
            return Result("failure" if task.key in failing else "success")

        self.engine.run_job = end

    def settle(self) -> None:
        """Wait until nothing moves any more."""
        assert self.engine.wait_idle(SECONDS), self.store.find("job", REPO)

    def until(self, reached: Callable[[], Any]) -> Any:
        """Wait for something that a running job does."""
        found = self.engine.wait_for(reached, SECONDS)
        assert found, self.store.find("job", REPO)
        return found

    def run(self, number: int = 1) -> Body:
        found = self.store.get("run", number)
        assert found is not None
        return found

    def ends(self) -> list[str | None]:
        """How the runs ended, oldest first."""
        return [run["conclusion"] or run["status"] for run in self.store.find("run", REPO)]

    def job(self, key: str = "test", run: int = 1) -> Body:
        found = self.store.find("job", REPO, key=key, run_id=run, run_attempt=self.run(run)["run_attempt"])
        assert len(found) == 1
        return found[0]

    def log(self, key: str = "test", run: int = 1) -> str:
        return self.forge.blob(self.job(key, run)["log"]).read_text()

    def said(self, text: str, key: str = "test") -> bool:
        """Whether a line of a job's log is this text."""
        return text in [line.split(" ", 1)[1] for line in self.log(key).splitlines() if " " in line]

    def later(self, **span: float) -> None:
        """Move the clock."""
        self.now += timedelta(**span)
        self.engine.tick()

    def environment(self, name: str = "release", **settings: Any) -> Body:
        body = {
            "id": self.store.next_id("environment"), "name": name, "reviewers": [], "prevent_self_review": False,
            "wait_timer": 0, "can_admins_bypass": False, "branch_policy": None, **settings,
        }  # fmt: skip
        return self.store.put("environment", f"{REPO}:{name}", body, REPO)

    def ask(self, method: str, path: str, who: str = "alice", **more: Any) -> httpx.Response:
        """One request about the repository, e.g. `GET /actions/runs`."""
        headers = {"authorization": f"Bearer {who}-token", **more.pop("headers", {})}
        return self.client.request(method, f"/repos/{REPO}{path}", headers=headers, **more)


@contextmanager
def serving(root: Path) -> Iterator[World]:
    """A served world; made on first use of the directory, found again later."""
    fresh = not (root / "port").exists()
    world = World(Server(root))
    if fresh:
        world.populate()
    world.server.start()
    try:
        yield world
    finally:
        world.client.close()
        world.server.stop()
