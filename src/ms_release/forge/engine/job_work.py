"""One job from the store to act and back: its token, its secrets, its log."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from ms_release.forge.engine import run_states
from ms_release.forge.engine.contexts import job_environment
from ms_release.forge.engine.processes import Process
from ms_release.forge.engine.runner import Result, RunJob, Task, secret_names
from ms_release.forge.engine.workflows import Workflow, single_job
from ms_release.forge.state import Forge

Body = dict[str, Any]
TOKEN_LIFE = timedelta(hours=24)


def begin(forge: Forge, run: Body, workflow: Workflow, job: Body) -> tuple[Task, str]:
    """Mark a job as running and make its task and its token; inside `store.writing()`."""
    job |= {"status": "in_progress", "started_at": forge.now(), "steps": []}
    run_states.save_job(forge, job)
    token = _make_token(forge, run, workflow, job)
    spec = workflow.jobs[job["key"]]
    jobs = run_states.jobs_of(forge, run)
    known = run_states.job_contexts(forge, run, workflow, job, jobs)
    known["github"] |= {"token": token, "job": job["key"]}
    needed = {key: (need["result"], need["outputs"]) for key, need in known["needs"].items()}
    text = single_job(workflow, job["key"], job["matrix"], needed)
    task = Task(
        folder=forge.root / "jobs" / str(job["id"]),
        key=job["key"],
        spec=spec.raw,
        workflow=text,
        event=run["event"],
        payload=known["github"]["event"],
        context=known,
        environment=job_environment(known["github"]),
        secrets={**_secrets(forge, run["repo"], job["environment"], text), "GITHUB_TOKEN": token},
        timeout_seconds=spec.timeout_minutes * 60,
        now=forge.now,
    )
    return task, token


def _make_token(forge: Forge, run: Body, workflow: Workflow, job: Body) -> str:
    """A token for this job alone: its own repository, the permissions of the file (G5, G42)."""
    token = f"ghs_{secrets.token_hex(18)}"
    body = {
        "token": token, "login": run_states.BOT, "kind": "workflow", "repos": [run["repo"]],
        "permissions": workflow.jobs[job["key"]].permissions, "run_id": run["id"], "job_id": job["id"],
        "expires_at": (forge.clock() + TOKEN_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip
    forge.store.put("token", token, body)
    return token


def _secrets(forge: Forge, repo: str, environment: str | None, text: str) -> dict[str, str]:
    """The secrets that the job mentions; those of its environment win (it has passed that gate)."""
    found: dict[str, str] = {}
    for name in secret_names(text):
        places = [f"{repo}:{environment}:{name}"] if environment else []
        for place in [*places, f"{repo}:{name}"]:
            body = forge.store.get("secret", place)
            if body is not None:
                found[name] = body["value"]
                break
    return found


def carry_out(forge: Forge, job: Body, task: Task, process: Process, run_job: RunJob) -> Result:
    """Run the task; every change of a step is stored at once. A machine that cannot run it fails the job."""

    def progress(steps: list[Body]) -> None:
        with forge.store.writing():
            now = forge.store.get("job", job["id"])
            if now is not None and now["status"] == "in_progress":
                forge.store.put("job", job["id"], now | {"steps": steps}, job["repo"])

    try:
        return run_job(task, process, progress)
    except OSError as error:
        return Result(log=[f"{forge.now()} ##[error]The job could not be started: {error}"])


def end(forge: Forge, job: Body, token: str, result: Result) -> None:
    """Store how a job ended and take its token away; inside `store.writing()`."""
    forge.store.delete("token", token)
    job |= {"steps": result.steps, "outputs": result.outputs, "log": run_states.write_log(forge, result.log)}
    run_states.conclude_job(forge, job, result.conclusion)


def put_back(forge: Forge, job: Body) -> None:
    """Undo the start of a job that was interrupted, with the artifacts it left; inside `store.writing()`."""
    for artifact in forge.store.find("artifact", job["repo"], job_id=job["id"]):
        forge.store.delete("artifact", artifact["id"])
        forge.blob(artifact["blob"]).unlink(missing_ok=True)
    run_states.save_job(forge, job | {"status": "queued", "started_at": None, "steps": []})
