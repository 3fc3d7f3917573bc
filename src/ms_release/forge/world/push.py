"""Pushes that a world makes, and the wait until the workflows that they start have ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ms_release.errors import BlockedError, UsageError
from ms_release.forge.state import Forge
from ms_release.forge.store import Body

_LOG_LINES = 5


@dataclass(frozen=True)
class Push:
    """A branch that moved: `before` is forty zeros for a new one, `actor` the login that did it."""

    repo: str
    ref: str
    before: str
    after: str
    actor: str

    @property
    def branch(self) -> str:
        """The branch's short name."""
        return self.ref.removeprefix("refs/heads/")


def run_pushes(forge: Forge, pushes: Sequence[Push], seconds: float) -> None:
    """Tell the engine of pushes and wait until all that they started has ended well; the forge is being served.

    Raises UsageError for a push that starts nothing, BlockedError with the end of the log for a run that does not
    succeed, or when they have not ended after `seconds`.
    """
    for push in pushes:
        forge.engine.pushed(push.repo, push.ref, push.before, push.after, push.actor, by_workflow=False)
        if not _runs(forge, push):
            text = f"{push.repo}: no workflow runs on the push of {push.after[:12]}"
            raise UsageError(text, remedy='`checks = "run"` needs a workflow with the trigger push.')
    in_time = forge.engine.wait_idle(seconds)
    for push in pushes:
        for run in _runs(forge, push):
            _judge(forge, run)
    if not in_time:
        text = f"the checks have not ended after {seconds:.0f} seconds"
        raise BlockedError(text, remedy="Make them shorter, or record their results instead of running them.")


def _runs(forge: Forge, push: Push) -> list[Body]:
    return forge.store.find("run", push.repo, head_sha=push.after, head_branch=push.branch, event="push")


def _judge(forge: Forge, run: Body) -> None:
    """BlockedError for a run that ended badly."""
    if run["status"] != "completed" or run["conclusion"] == "success":
        return
    jobs = forge.store.find("job", run["repo"], run_id=run["id"])
    job = next((job for job in jobs if job["conclusion"] not in ("success", "skipped")), None)
    name = f"job {job['name']} of " if job else ""
    text = f"{run['repo']}: {name}{run['name']} at {run['head_sha'][:12]} ended with {run['conclusion']}"
    raise BlockedError(text, remedy=f"Its log ends: {_log_end(forge, job)}")


def _log_end(forge: Forge, job: Body | None) -> str:
    """The end of a job's log, or what the forge says about a job that has none."""
    file = forge.blob(job["log"]) if job and job["log"] else None
    if file is None or not file.exists():
        return str(job.get("message") or "(no log)") if job else "(no log)"
    return " | ".join(file.read_text("utf-8", "replace").splitlines()[-_LOG_LINES:])
