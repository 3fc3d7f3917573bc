"""A world being served, the people who act in it, and the saved worlds that a test starts from."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ms_release.cli.effects import performed_keys
from ms_release.cli.rehearsal import Rehearsal
from ms_release.forge import git, world
from ms_release.forge.engine.processes import Process
from ms_release.forge.engine.runner import Result, Task
from ms_release.forge.serve import Server
from scenarios.direct import DirectRunner
from scenarios.prefork import SECONDS, Command, Typed, loaded
from scenarios.web import WEB

HOME = "midi-studio/distribution"

Body = dict[str, Any]
COMPONENTS = ("loader", "bridge", "core", "plugin-bitwig")
FIRST = "v0.1.0-beta.1"
BETA = ("--channel", "beta", "--auto")


class Stage:
    """One world, served from this process; commands are typed in processes of their own."""

    def __init__(self, rehearsal: Rehearsal, runner: DirectRunner) -> None:
        self.rehearsal = rehearsal
        self.runner = runner
        self.server = rehearsal.server
        self.forge = rehearsal.server.forge
        self.store = rehearsal.server.forge.store
        self.root = rehearsal.root
        self.start_of_effects = len(self.store.effects())

    # --- what people do

    def type(self, who: str, *arguments: str, typed: str = "") -> Typed:
        """Type `ms release …` and wait for its end."""
        return self.begin(who, *arguments, typed=typed).end()

    def begin(self, who: str, *arguments: str, typed: str = "", url: str = "") -> Command:
        """Begin to type `ms release …`, at another address of the forge if one is given."""
        env = self.rehearsal.environment(who)
        if url:
            env = {name: value.replace(self.server.url, url) for name, value in env.items()}
        return loaded().begin(["release", *arguments, "--json"], env, self.rehearsal.operator, typed)

    def ask(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        """One request of the REST interface, as the web page sends it; the path is below the home repository."""
        headers = {"authorization": f"Bearer {who}-token"}
        return WEB.request(method, f"{self.server.url}/api/v3/repos{path}", headers=headers, **more)

    def waiting(self) -> Body | None:
        """The run that stands in front of its environment."""
        return next(iter(self.store.find("run", HOME, status="waiting")), None)

    def review(self, who: str, state: str = "approved", comment: str = "") -> httpx.Response:
        """Review the waiting run on the web page's interface."""
        run = self.until(self.waiting)
        environment = self.store.get("environment", f"{HOME}:release")
        assert environment is not None
        wish = {"environment_ids": [environment["id"]], "state": state, "comment": comment}
        return self.ask(who, "POST", f"/{HOME}/actions/runs/{run['id']}/pending_deployments", json=wish)

    @contextmanager
    def approving(self, who: str = "bob") -> Iterator[None]:
        """Meanwhile somebody approves whatever waits, as soon as it waits."""
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                if self.forge.engine.wait_for(self.waiting, 0.2) is not None:
                    self.review(who)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # --- what is seen from outside

    def until(self, reached: Callable[[], Any]) -> Any:
        """Wait for something that runs bring about."""
        found = self.forge.engine.wait_for(reached, SECONDS)
        assert found, [(r["name"], r["status"]) for r in self.store.find("run", HOME)]
        return found

    def settle(self) -> None:
        """Wait until no run moves by itself any more."""
        assert self.forge.engine.wait_idle(SECONDS)

    def failures(self) -> str:
        """What the jobs of the home repository that did not succeed have said last."""
        failed = [job for job in self.store.find("job", HOME) if job["conclusion"] == "failure" and job["log"]]
        return "\n".join(self.forge.blob(job["log"]).read_text()[-2000:] for job in failed)

    def performed(self) -> list[str]:
        """Keys of the effects since this stage was opened."""
        return performed_keys(self.store, HOME, self.start_of_effects)

    def asked_by(self, who: str, since: int = 0) -> list[Body]:
        """What somebody has asked of the forge, without everybody's first `since` requests."""
        return [request for request in self.store.requests()[since:] if request["actor"] == who]

    def published(self) -> list[str]:
        """Tags of the releases of the home repository that are out."""
        return [release["tag_name"] for release in self.store.find("release", HOME) if not release["draft"]]

    def tags(self) -> list[str]:
        """Names of the home repository's tags."""
        refs = git.list_refs(self.forge.git_dir(HOME), "refs/tags/")
        return [name.removeprefix("refs/tags/") for name, _ in refs]


@contextmanager
def staging(saved: Path | None, root: Path, *, direct: bool = False) -> Iterator[Stage]:
    """A copy of a saved world (or, without one, a new world), served; `direct`: its jobs are run without act."""
    if saved is None:
        world.build(world.EXAMPLE, root / "forge")
    else:
        copy_world(saved, root / "forge")
    server = Server(root / "forge")
    runner = DirectRunner(server.forge.git_dir)
    if direct:
        server.forge.engine.run_job = runner
    server.start()
    try:
        yield Stage(Rehearsal(root, server, "content"), runner)
    finally:
        server.stop()


@contextmanager
def broken(stage: Stage, job: str, repo: str = HOME) -> Iterator[None]:
    """Meanwhile every job of this name fails, as on a machine that has lost its disk."""
    engine = stage.forge.engine
    whole = engine.run_job

    def run_job(task: Task, process: Process, progress: Callable[[list[Any]], None]) -> Result:
        if (task.key, task.context["github"]["repository"]) == (job, repo):
            return Result("failure", log=[f"{task.now()} No space left on device"])
        return whole(task, process, progress)

    engine.run_job = run_job
    try:
        yield
    finally:
        engine.run_job = whole


def copy_world(saved: Path, place: Path) -> None:
    """Copy a world; what is written once and never changed (objects of git, bytes of assets) is shared."""

    def share(source: str, target: str) -> None:
        if "/objects/" in source or "/blobs/" in source:
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    shutil.copytree(saved, place, ignore=shutil.ignore_patterns("port", "lock"), copy_function=share)


class Saved:
    """Worlds made once for all tests of all processes, each from the one before it."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def new(self) -> Path:
        """The example organisation as it is delivered."""
        return self.once("new", lambda root: world.build(world.EXAMPLE, root / "forge")) / "forge"

    def ready(self) -> Path:
        """The same with the four candidates built, and no release begun."""

        def make(root: Path) -> None:
            with staging(self.new(), root) as stage:
                dispatch_candidates(stage)

        return self.once("ready", make) / "forge"

    def once(self, name: str, make: Callable[[Path], None]) -> Path:
        """A directory that the first process to need it fills; what is half made is never seen."""
        place = self._base / name
        with (self._base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                half = self._base / f"{name}.half"
                shutil.rmtree(half, ignore_errors=True)
                half.mkdir()
                make(half)
                half.rename(place)
        return place


def dispatch_candidates(stage: Stage) -> None:
    """Build what a release would pin, as a maintainer may do at any time."""
    for name in COMPONENTS:
        repo = f"midi-studio/{name}"
        sha = git.read_ref(stage.forge.git_dir(repo), "refs/heads/main")
        wish = {"ref": "main", "inputs": {"sha": sha, "tag": f"rc-{sha}"}}
        answer = stage.ask("alice", "POST", f"/{repo}/actions/workflows/candidate.yml/dispatches", json=wish)
        assert answer.status_code in (200, 204), answer.text
    stage.settle()
    runs = [run for name in COMPONENTS for run in stage.store.find("run", f"midi-studio/{name}", name="Candidate")]
    assert [run["conclusion"] for run in runs] == ["success"] * len(COMPONENTS)
