"""A runner of jobs without act: steps are carried out in order, our own commands by a loaded program.

What it knows of workflow files is what the example organisation uses; anything else ends the test. That it leaves the
same world as act is itself a test.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from ms_release.forge.engine.expressions import as_text, interpolate
from ms_release.forge.engine.processes import Process
from ms_release.forge.engine.runner import Result, Task
from scenarios.prefork import Command, loaded

Body = dict[str, Any]


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
        try:
            return self._carry_out(task, process)
        finally:
            shutil.rmtree(task.folder, ignore_errors=True)

    def _carry_out(self, task: Task, process: Process) -> Result:
        place = task.folder / "work"
        place.mkdir(parents=True)
        result = Result("success")
        for step in task.spec["steps"]:
            if process.killed:
                result.conclusion = "cancelled"
                break
            said, ok = self._step(task, step, place)
            result.log += [f"{task.now()} {line}" for line in said.splitlines()]
            if not ok:
                result.conclusion = "failure"
                break
        return result

    def _step(self, task: Task, step: Body, place: Path) -> tuple[str, bool]:
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
                self._upload(task, given, place)
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

    def _check_out(self, task: Task, given: Mapping[str, str], place: Path) -> None:
        source = self._git_dir(given.get("repository") or task.context["github"]["repository"])
        wanted = given.get("ref") or task.context["github"]["sha"]
        for command in (["clone", "-q", "--shared", "--no-checkout", str(source), "."], ["checkout", "-q", wanted]):
            subprocess.run(["git", *command], cwd=place, env=_environment(task, place), check=True, capture_output=True)

    def _artifacts(self, task: Task, path: str) -> str:
        github = task.context["github"]
        return f"{github['api_url']}/repos/{github['repository']}/actions/{path}"

    def _upload(self, task: Task, given: Mapping[str, str], place: Path) -> None:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for file in sorted(p for p in (place / given["path"]).rglob("*") if p.is_file()):
                archive.write(file, file.relative_to(place / given["path"]))
        url = self._artifacts(task, f"artifacts/{task.context['github']['run_id']}/zip")
        answer = httpx.post(url, params={"name": given["name"]}, headers=_bearer(task), content=content.getvalue())
        assert answer.status_code == 201, answer.text

    def _download(self, task: Task, given: Mapping[str, str], place: Path) -> None:
        runs = self._artifacts(task, f"runs/{task.context['github']['run_id']}/artifacts")
        found = httpx.get(runs, params={"name": given["name"]}, headers=_bearer(task)).json()["artifacts"]
        answer = httpx.get(found[0]["archive_download_url"], headers=_bearer(task), follow_redirects=True)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            archive.extractall(place / given["path"])


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
