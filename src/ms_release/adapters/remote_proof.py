"""Gates as workflow runs: start the workflow on a branch, wait for its end, and read what its jobs came to."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from ms_release.adapters.answers_graph import Number
from ms_release.adapters.files import write_private
from ms_release.adapters.github_write import GitHubWriter
from ms_release.adapters.http import Client, Refused
from ms_release.adapters.runs import read_run
from ms_release.core.action import DispatchWorkflow
from ms_release.core.observation import Run
from ms_release.core.prove import Attempt
from ms_release.errors import ForgeError
from ms_release.ports import Clock

_MOST_LOG = 16 << 20
_FIRST, _LONGEST = 0.2, 15.0


class _Job(Struct):
    id: Number
    name: str
    conclusion: str | None = None
    started_at: str | None = None
    completed_at: str | None = None


def start(client: Client, slug: str, workflow: str, branch: str) -> int:
    """The number of a new run. Raises BlockedError when it cannot be started so, ForgeError without a number."""
    begun = GitHubWriter(client).perform(DispatchWorkflow(slug, workflow, branch, {}, ""))
    if not begun.id:
        raise ForgeError(
            f"the forge has started {workflow} and does not say which run it is", remedy="Look at its runs."
        )
    return begun.id


def await_end(client: Client, slug: str, run_id: int, clock: Clock, told: Callable[[str], None]) -> Run:
    """The run once it has ended; asked ever more slowly, and `told` what it is doing."""
    pause, began = _FIRST, clock.now()
    while (run := read_run(client, slug, run_id)).status != "completed":
        told(f"run {run_id} is {run.status.replace('_', ' ')} ({(clock.now() - began).total_seconds():.0f} s)")
        clock.sleep(pause)
        pause = min(pause * 1.5, _LONGEST)
    return run


def attempts(client: Client, slug: str, run_id: int, number: int, logs: Path) -> tuple[Attempt, ...]:
    """What each job of an ended run came to, as the `number`th attempt; the logs of failed ones are kept in `logs`."""
    jobs = client.pages(f"/repos/{slug}/actions/runs/{run_id}/jobs", key="jobs", decode=_Job)
    return tuple(_attempt(client, slug, job, number, logs / f"run-{run_id}") for job in jobs)


def _attempt(client: Client, slug: str, job: _Job, number: int, logs: Path) -> Attempt:
    ended = {"success": 0, "failure": 1, "timed_out": 1}.get(job.conclusion or "")
    log = ""
    if ended:
        log = str(logs / f"{job.id}.log")
        write_private(Path(log), _log(client, slug, job))
    return Attempt(job.name, number, ended, _seconds(job), log)


def _log(client: Client, slug: str, job: _Job) -> bytes:
    """What a job said; a forge keeps logs for a while only."""
    sink = io.BytesIO()
    try:
        client.download(f"/repos/{slug}/actions/jobs/{job.id}/logs", sink, max_bytes=_MOST_LOG)
    except Refused as error:
        return f"the forge does not give its log: {error.cause}\n".encode()
    return sink.getvalue()


def _seconds(job: _Job) -> float:
    try:
        began, ended = (datetime.fromisoformat(text or "") for text in (job.started_at, job.completed_at))
    except ValueError:
        return 0.0
    return max(0.0, (ended - began).total_seconds())
