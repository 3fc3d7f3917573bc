"""The documents of runs, jobs and their checks, and how they change; to be used inside `store.writing()`."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ms_release.forge import git
from ms_release.forge.engine.contexts import github_context
from ms_release.forge.engine.expressions import ExpressionError, as_text, condition, interpolate
from ms_release.forge.engine.triggers import typed_inputs
from ms_release.forge.engine.workflows import JobSpec, Workflow, WorkflowError, ancestors, parse
from ms_release.forge.state import Forge

Body = dict[str, Any]
APP = "github-actions"
BOT = "github-actions[bot]"
FOLDER = ".github/workflows"


@dataclass(frozen=True)
class Start:
    """What is known of a run before it exists. `ref` is full, `sha` what jobs see, `head_sha` what checks hang on."""

    repo: str
    path: str
    event: str
    ref: str
    sha: str
    head_sha: str
    head_branch: str
    actor: str
    payload: Body
    title: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    pull_number: int | None = None


@lru_cache(maxsize=512)
def read_workflow(git_dir: Path, sha: str, path: str) -> Workflow:
    """The workflow in a file of a commit. Raises WorkflowError, also when there is no such file."""
    text = git.read_file(git_dir, sha, path)
    if text is None:
        raise WorkflowError(f"There is no {path} at {sha}.")
    return parse(text, path)


def workflow_paths(git_dir: Path, rev: str) -> list[str]:
    """The workflow files of a revision."""
    return [
        f"{FOLDER}/{name}"
        for _, kind, _, name in git.list_dir(git_dir, rev, FOLDER)
        if kind == "blob" and name.endswith((".yml", ".yaml"))
    ]


def know_workflow(forge: Forge, repo: str, path: str, name: str) -> Body:
    """The document of a workflow file, made or renamed as needed."""
    known = forge.store.find("workflow", repo, path=path)
    body: Body = (
        known[0] if known else {"id": forge.store.next_id("workflow"), "repo": repo, "path": path, "state": "active"}
    )
    if body.get("name") == name:
        return body
    body = {"created_at": forge.now(), **body, "name": name, "updated_at": forge.now()}
    return forge.store.put("workflow", body["id"], body, repo)


def know_workflows(forge: Forge, repo: str) -> list[Body]:
    """The documents of all workflows on the default branch, in order of id."""
    body = forge.store.get("repo", repo)
    head = body and git.commit_of(forge.git_dir(repo), f"refs/heads/{body['default_branch']}")
    known = []
    for path in workflow_paths(forge.git_dir(repo), head) if head else []:
        try:
            name = read_workflow(forge.git_dir(repo), head or "", path).name
        except WorkflowError:
            name = path
        known.append(know_workflow(forge, repo, path, name))
    return sorted(known, key=lambda workflow: workflow["id"])


def create_run(forge: Forge, start: Start, workflow: Workflow | None) -> Body:
    """A new run with its check suite, status queued; `workflow` is None when its file cannot be read."""
    known = know_workflow(forge, start.repo, start.path, workflow.name if workflow else start.path)
    now, number = forge.now(), forge.store.next_id("run")
    suite: Body = {
        "id": forge.store.next_id("check_suite"), "repo": start.repo, "head_sha": start.head_sha,
        "head_branch": start.head_branch, "app": APP, "run_id": number, "event": start.event, "status": "queued",
        "conclusion": None, "created_at": now, "updated_at": now,
    }  # fmt: skip
    forge.store.put("check_suite", suite["id"], suite, start.repo)
    run = {
        "id": number, "repo": start.repo, "workflow_id": known["id"], "path": start.path, "name": known["name"],
        "display_title": start.title or known["name"], "event": start.event, "head_sha": start.head_sha,
        "head_branch": start.head_branch, "run_number": forge.store.next_id(f"run_number:{known['id']}"),
        "run_attempt": 1, "status": "queued", "conclusion": None, "actor": start.actor,
        "triggering_actor": start.actor, "inputs": start.inputs, "concurrency": None, "created_at": now,
        "updated_at": now, "run_started_at": now, "pull_number": start.pull_number, "check_suite_id": suite["id"],
        "ref": start.ref, "sha": start.sha, "cancelled": False,
    }  # fmt: skip
    forge.store.put("payload", number, start.payload, start.repo)
    return save_run(forge, run)


def save_run(forge: Forge, run: Body) -> Body:
    """Store a run that changed, and let its check suite follow."""
    run["updated_at"] = forge.now()
    forge.store.put("run", run["id"], run, run["repo"])
    suite = forge.store.get("check_suite", run["check_suite_id"])
    if suite is not None:
        suite |= {"status": run["status"], "conclusion": run["conclusion"], "updated_at": run["updated_at"]}
        forge.store.put("check_suite", suite["id"], suite, run["repo"])
    return run


def contexts(forge: Forge, run: Body, workflow: Workflow) -> Body:
    """The contexts that are there before any job ran: github, inputs, vars."""
    payload = forge.store.get("payload", run["id"]) or {}
    inputs = typed_inputs(workflow, run["inputs"])
    return {"github": github_context(forge, run, payload), "inputs": inputs, "vars": {}}


def jobs_of(forge: Forge, run: Body, attempt: int | None = None) -> list[Body]:
    """The jobs of one attempt of a run (the latest unless told), oldest first."""
    return forge.store.find("job", run["repo"], run_id=run["id"], run_attempt=attempt or run["run_attempt"])


Kept = Mapping[tuple[str, str], Body]


def create_jobs(forge: Forge, run: Body, workflow: Workflow, kept: Kept | None = None) -> None:
    """The jobs of a new attempt; `kept` holds earlier jobs, by key and name, that are copied instead of run again."""
    known = contexts(forge, run, workflow)
    for spec in workflow.jobs.values():
        for matrix in spec.matrix:
            name = _job_name(spec, {**known, "matrix": matrix}, matrix)
            old = (kept or {}).get((spec.key, name))
            _create_job(forge, run, spec, (name, matrix), old)


def _job_name(spec: JobSpec, known: Body, matrix: Body) -> str:
    if spec.name:
        try:
            return as_text(interpolate(spec.name, known))
        except ExpressionError:
            return spec.name
    values = ", ".join(as_text(value) for value in matrix.values())
    return f"{spec.key} ({values})" if values else spec.key


def _create_job(forge: Forge, run: Body, spec: JobSpec, named: tuple[str, Body], old: Body | None) -> None:
    number, check_id = forge.store.next_id("job"), forge.store.next_id("check_run")
    plain = spec.environment is not None and "${{" not in spec.environment
    fresh: Body = {
        "status": "queued", "conclusion": None, "environment": spec.environment if plain else None, "outputs": {},
        "started_at": None, "completed_at": None, "steps": [], "log": None, "created_at": forge.now(),
        "waiting_since": None, "approved": False, "message": "",
    }  # fmt: skip
    if old is not None:
        fresh = {name: old.get(name, value) for name, value in fresh.items()}
    job = {
        "id": number, "repo": run["repo"], "run_id": run["id"], "run_attempt": run["run_attempt"], "key": spec.key,
        "name": named[0], "matrix": named[1], "needs": list(spec.needs), "check_run_id": check_id,
        "labels": _labels(spec), **fresh,
    }  # fmt: skip
    check = {
        "id": check_id, "repo": run["repo"], "suite_id": run["check_suite_id"], "name": named[0],
        "head_sha": run["head_sha"], "app": APP, "status": "queued", "conclusion": None, "started_at": None,
        "completed_at": None, "run_id": run["id"], "job_id": number,
    }  # fmt: skip
    forge.store.put("check_run", check_id, check, run["repo"])
    save_job(forge, job)


def _labels(spec: JobSpec) -> list[str]:
    labels = spec.raw["runs-on"]
    return [as_text(label) for label in labels] if isinstance(labels, list) else [as_text(labels)]


def save_job(forge: Forge, job: Body) -> Body:
    """Store a job that changed, and let its check run follow (a waiting job's check is queued)."""
    forge.store.put("job", job["id"], job, job["repo"])
    check = forge.store.get("check_run", job["check_run_id"])
    if check is not None:
        same = ("conclusion", "started_at", "completed_at")
        check |= {name: job[name] for name in same}
        check["output"] = {"title": job["name"], "summary": job["message"]} if job["message"] else {}
        check["status"] = "queued" if job["status"] == "waiting" else job["status"]
        forge.store.put("check_run", check["id"], check, job["repo"])
    return job


def write_log(forge: Forge, lines: list[str]) -> str:
    """Keep a log; returns the name of its blob."""
    name = secrets.token_hex(16)
    forge.blob(name).parent.mkdir(parents=True, exist_ok=True)
    forge.blob(name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return name


def conclude_job(forge: Forge, job: Body, conclusion: str, message: str = "") -> None:
    """End a job; `message` says why where no step could: in its log and its check."""
    now = forge.now()
    if message:
        job["log"] = write_log(forge, [f"{now.removesuffix('Z')}.0000000Z ##[error]{message}"])
    job |= {"status": "completed", "conclusion": conclusion, "completed_at": now, "message": message}
    job["started_at"] = job["started_at"] or now
    save_job(forge, job)


def result_of(spec: JobSpec, jobs: list[Body]) -> str:
    """What `needs.<key>.result` says: the worst of the jobs that a matrix made."""
    results = {job["conclusion"] for job in jobs if job["key"] == spec.key}
    for worst in ("failure", "cancelled", "skipped"):
        if worst in results and (worst != "skipped" or results == {"skipped"}):
            return "success" if spec.continue_on_error and worst == "failure" else worst
    return "success"


def job_contexts(forge: Forge, run: Body, workflow: Workflow, job: Body, jobs: list[Body]) -> Body:
    """All contexts of one job before it starts."""
    needs = {
        key: {
            "result": result_of(workflow.jobs[key], jobs),
            "outputs": {k: v for other in jobs if other["key"] == key for k, v in other["outputs"].items()},
        }
        for key in workflow.jobs[job["key"]].needs
    }
    return {**contexts(forge, run, workflow), "needs": needs, "matrix": job["matrix"]}


def wanted(workflow: Workflow, job: Body, jobs: list[Body], known: Body, *, cancelled: bool = False) -> bool:
    """Whether the `if:` of a job holds, all its needs having ended. Raises ExpressionError."""
    spec = workflow.jobs[job["key"]]
    above = {result_of(workflow.jobs[key], jobs) for key in ancestors(workflow.jobs, spec.key)}
    functions = {
        "success": lambda: not cancelled and above <= {"success"},
        "failure": lambda: "failure" in above,
        "always": lambda: True,
        "cancelled": lambda: cancelled,
    }
    return condition(spec.condition, known, functions)


def outlives_cancel(forge: Forge, run: Body, workflow: Workflow, job: Body) -> bool:
    """Whether a cancelled run still carries out this job: its `if:` asks (`always()`, `cancelled()`) and holds."""
    if not re.search(r"\b(always|cancelled)\s*\(", workflow.jobs[job["key"]].condition):
        return False
    jobs = jobs_of(forge, run)
    if any(other["status"] != "completed" for other in jobs if other["key"] in job["needs"]):
        return True  # it is asked again once they have ended
    try:
        known = job_contexts(forge, run, workflow, job, jobs)
        return wanted(workflow, job, jobs, known, cancelled=True)
    except ExpressionError:
        return False


def refresh_run(forge: Forge, run: Body, jobs: list[Body], active: Collection[int], workflow: Workflow) -> bool:
    """Let a run's status follow its jobs; true when it has just ended. `active` are jobs that a worker has taken."""
    before = (run["status"], run["conclusion"])
    statuses = {job["status"] for job in jobs}
    if statuses <= {"completed"}:
        run |= {"status": "completed", "conclusion": _conclusion(run, jobs, workflow)}
    elif "waiting" in statuses and not any(job["status"] != "completed" and job["id"] in active for job in jobs):
        run["status"] = "waiting"
    else:
        run["status"] = "queued" if statuses <= {"queued"} else "in_progress"
    if (run["status"], run["conclusion"]) == before:
        return False
    save_run(forge, run)
    if run["status"] == "completed":
        log_end(forge, run)
    return bool(run["status"] == "completed")


def log_end(forge: Forge, run: Body) -> None:
    """Write the end of a run into the effect log."""
    detail = {"run_id": run["id"], "run_attempt": run["run_attempt"], "conclusion": run["conclusion"]}
    forge.store.log_effect(forge.now(), BOT, "complete_run", f"{run['repo']} {run['path']}", detail)


def _conclusion(run: Body, jobs: list[Body], workflow: Workflow) -> str:
    results = {
        job["conclusion"]
        for job in jobs
        if not (workflow.jobs[job["key"]].continue_on_error and job["conclusion"] == "failure")
    }
    if run["cancelled"] or ("cancelled" in results and "failure" not in results):
        return "cancelled"
    if "failure" in results:
        return "failure"
    return "skipped" if results == {"skipped"} else "success"
