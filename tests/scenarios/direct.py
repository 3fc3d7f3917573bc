"""A runner of jobs without act: our own commands are carried out by a loaded program, a repository's own jobs once.

A job that runs nothing of ours is made by its files alone: what it said and left is kept, and played again wherever
the same steps meet the same files. What the runner knows of workflow files is what the example organisation uses;
anything else ends the test. That it leaves the same world as act is itself a test.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ms_release.forge import git
from ms_release.forge.engine.expressions import as_text, interpolate
from ms_release.forge.engine.processes import Process
from ms_release.forge.engine.runner import Result, Task
from scenarios.prefork import Command, loaded
from scenarios.web import WEB

Body = dict[str, Any]


@dataclass
class Kept:
    """What a job came to, said and left."""

    conclusion: str = "success"
    lines: list[str] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)


_kept: dict[str, Kept] = {}


class DirectRunner:
    """Runs jobs of a forge whose repositories lie where `git_dir` says."""

    def __init__(self, git_dir: Callable[[str], Path]) -> None:
        self._git_dir = git_dir
        self.url = ""
        """Where our own commands find the forge, if not at its own address."""
        self.begun: Callable[[str, Command], None] = lambda token, command: None
        """Told of each of our own commands that a job begins, and of each token that it asks with."""

    def __call__(self, task: Task, process: Process, progress: Callable[[list[Body]], None]) -> Result:
        """One job, from its first step to the first that fails."""
        key = self._made_by(task)
        try:
            kept = self._play_again(task, _kept[key]) if key in _kept else self._carry_out(task, process)
        finally:
            shutil.rmtree(task.folder, ignore_errors=True)
        if key and kept.conclusion != "cancelled":
            _kept[key] = kept
        return Result(kept.conclusion, log=[f"{task.now()} {line}" for line in kept.lines])

    def _made_by(self, task: Task) -> str:
        """All that makes a job of a repository: its files and its steps; "" for one that talks to the forge."""
        steps = as_text(interpolate(json.dumps(task.spec["steps"]), task.context))
        if "ms-release " in steps or "download-artifact" in steps:
            return ""
        source, commit = self._source(task, {})
        return f"{source.name} {git.run(source, 'rev-parse', f'{commit}^{{tree}}').decode()} {steps}"

    def _play_again(self, task: Task, kept: Kept) -> Kept:
        for name, content in kept.artifacts.items():
            self._send(task, name, content)
        return kept

    def _carry_out(self, task: Task, process: Process) -> Kept:
        kept = Kept()
        place = task.folder / "work"
        place.mkdir(parents=True)
        for step in task.spec["steps"]:
            if process.killed:
                kept.conclusion = "cancelled"
                break
            said, ok = self._step(task, step, place, kept)
            kept.lines += said.splitlines()
            if not ok:
                kept.conclusion = "failure"
                break
        return kept

    def _step(self, task: Task, step: Body, place: Path, kept: Kept) -> tuple[str, bool]:
        given = {
            name: as_text(interpolate(as_text(value), task.context)) for name, value in step.get("with", {}).items()
        }
        action = step.get("uses", "").partition("@")[0]
        match action:
            case "":
                return self._run(task, step, place)
            case "actions/checkout":
                self._check_out(task, given, place)
            case "actions/upload-artifact":
                kept.artifacts[given["name"]] = _zipped(place / given["path"])
                self._send(task, given["name"], kept.artifacts[given["name"]])
            case "actions/download-artifact":
                self._download(task, given, place)
            case "ms-release/setup":
                pass
            case _:
                raise AssertionError(f"the direct runner does not know {action}")
        return "", True

    def _run(self, task: Task, step: Body, place: Path) -> tuple[str, bool]:
        env = {**_environment(task, place), **_filled(step.get("env", {}), task)}
        line = step["run"].strip()
        if not line.startswith("ms-release "):
            shell = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
            done = subprocess.run(shell, cwd=place, env=env, capture_output=True, text=True, check=False)
            return done.stdout + done.stderr, done.returncode == 0
        real = task.context["github"]["server_url"]
        env = {name: value.replace(real, self.url or real) for name, value in env.items()}
        arguments = [_expanded(word, env) for word in shlex.split(line)[1:]]
        command = loaded().begin(["release", *arguments, "--json"], env, place)
        for name in ("GH_TOKEN", "MS_CANDIDATES_TOKEN"):
            if name in env:
                self.begun(env[name], command)
        typed = command.end()
        return f"{typed.document}\n{typed.errors}", typed.exit == 0

    def _source(self, task: Task, given: Mapping[str, str]) -> tuple[Path, str]:
        repo = given.get("repository") or task.context["github"]["repository"]
        return self._git_dir(repo), given.get("ref") or task.context["github"]["sha"]

    def _check_out(self, task: Task, given: Mapping[str, str], place: Path) -> None:
        source, wanted = self._source(task, given)
        for command in (["clone", "-q", "--shared", "--no-checkout", str(source), "."], ["checkout", "-q", wanted]):
            subprocess.run(["git", *command], cwd=place, env=_environment(task, place), check=True, capture_output=True)

    def _artifacts(self, task: Task, path: str) -> str:
        github = task.context["github"]
        return f"{github['api_url']}/repos/{github['repository']}/actions/{path}"

    def _send(self, task: Task, name: str, content: bytes) -> None:
        url = self._artifacts(task, f"artifacts/{task.context['github']['run_id']}/zip")
        answer = WEB.post(url, params={"name": name}, headers=_bearer(task), content=content)
        assert answer.status_code == 201, answer.text

    def _download(self, task: Task, given: Mapping[str, str], place: Path) -> None:
        runs = self._artifacts(task, f"runs/{task.context['github']['run_id']}/artifacts")
        found = WEB.get(runs, params={"name": given["name"]}, headers=_bearer(task)).json()["artifacts"]
        answer = WEB.get(found[0]["archive_download_url"], headers=_bearer(task), follow_redirects=True)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            archive.extractall(place / given["path"])


def _zipped(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return content.getvalue()


def _bearer(task: Task) -> dict[str, str]:
    return {"authorization": f"Bearer {task.secrets['GITHUB_TOKEN']}"}


def _filled(values: Mapping[str, Any], task: Task) -> dict[str, str]:
    known = {**task.context, "secrets": dict(task.secrets)}
    return {name: as_text(interpolate(as_text(value), known)) for name, value in values.items()}


def _environment(task: Task, place: Path) -> dict[str, str]:
    python = os.path.dirname(sys.executable)
    home = task.folder / "home"
    home.mkdir(exist_ok=True)
    (task.folder / "summary").touch()
    return {
        **task.environment, "PATH": f"{python}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8",
        "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(place), "GIT_CONFIG_NOSYSTEM": "1",
        "GITHUB_STEP_SUMMARY": str(task.folder / "summary"),
    }  # fmt: skip


def _expanded(word: str, env: Mapping[str, str]) -> str:
    """`$NAME` is a variable; the example's workflows use nothing more of the shell's language."""
    return env[word[1:]] if word.startswith("$") else word
