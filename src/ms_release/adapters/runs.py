"""Workflow runs, the environments they wait for, and who approved them."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from ms_release.adapters.answers_graph import Number, Sha, convert
from ms_release.adapters.http import Client
from ms_release.core.observation import Approval, Run


class _CheckRun(Struct):
    id: Number
    status: str
    conclusion: str | None = None


class _CheckRuns(Struct):
    check_runs: list[_CheckRun]


class _Actor(Struct):
    login: str


class _Run(Struct):
    id: Number
    display_title: str
    status: str
    event: str
    head_sha: Sha
    run_attempt: Number
    html_url: str
    created_at: str = ""
    conclusion: str | None = None
    actor: _Actor | None = None
    triggering_actor: _Actor | None = None


class _Runs(Struct):
    workflow_runs: list[_Run]


class _Environment(Struct):
    name: str
    id: Number = 0


class _Pending(Struct):
    environment: _Environment


class _Approval(Struct):
    state: str
    comment: str
    environments: list[_Environment]
    user: _Actor | None = None


def _run(run: _Run) -> Run:
    return Run(
        id=run.id,
        title=run.display_title,
        status=run.status,
        conclusion=run.conclusion,
        event=run.event,
        head_sha=run.head_sha,
        attempt=run.run_attempt,
        actor=run.actor.login if run.actor else "",
        triggering_actor=run.triggering_actor.login if run.triggering_actor else "",
        url=run.html_url,
        created_at=_moment(run.created_at),
    )


def _moment(text: str) -> str:
    """A time as it is, or "" for what is none: only words depend on it."""
    try:
        return text if datetime.fromisoformat(text).tzinfo else ""
    except ValueError:
        return ""


def read_runs(client: Client, slug: str, workflow: str) -> tuple[Run, ...]:
    """The newest hundred dispatched runs of a workflow."""
    answer = client.get(
        f"/repos/{slug}/actions/workflows/{workflow}/runs", {"event": "workflow_dispatch", "per_page": 100}
    )
    runs = convert(answer.json, _Runs, "workflow runs").workflow_runs
    return tuple(map(_run, runs))


def read_run(client: Client, slug: str, run_id: int) -> Run:
    """One run by its number."""
    answer = client.get(f"/repos/{slug}/actions/runs/{run_id}")
    return _run(convert(answer.json, _Run, "a workflow run"))


def read_concluded(client: Client, slug: str, sha: str) -> tuple[tuple[int, str | None], ...]:
    """(id, conclusion) of the ended check runs of a commit, in their latest attempt."""
    answer = client.get(f"/repos/{slug}/commits/{sha}/check-runs", {"per_page": 100})
    runs = convert(answer.json, _CheckRuns, "check runs").check_runs
    ended = ((r.id, r.conclusion) for r in runs if r.status == "completed")
    return tuple(sorted(ended, key=lambda run: (run[0], run[1] or "")))


def pending_environments(client: Client, slug: str, run_id: int) -> dict[str, int]:
    """Environments (name → id) that wait for a review of this run; decide from this, never from a 422 (G27)."""
    answer = client.get(f"/repos/{slug}/actions/runs/{run_id}/pending_deployments")
    pending = convert(answer.json, list[_Pending], "pending deployments")
    return {p.environment.name: p.environment.id for p in pending}


def read_approvals(client: Client, slug: str, run_id: int) -> tuple[Approval, ...]:
    """The reviews of a run's deployments."""
    answer = client.get(f"/repos/{slug}/actions/runs/{run_id}/approvals")
    reviews = convert(answer.json, list[_Approval], "approvals")
    return tuple(
        Approval(review.user.login if review.user else "", review.state, review.comment, environment.name, run_id)
        for review in reviews
        for environment in review.environments
    )
