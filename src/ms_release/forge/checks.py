"""What is known about a commit's checks: check runs and statuses as facts for the rules."""

from __future__ import annotations

from typing import Any

from ms_release.forge.auth import ACTIONS_APP
from ms_release.forge.rules import PASSING, Seen
from ms_release.forge.state import Forge

ACTIONS_APP_ID = 15368


def app_id(forge: Forge, slug: str) -> int:
    """The number of an app; 0 for one that is gone."""
    body = forge.store.get("app", slug)
    if body is None:
        return ACTIONS_APP_ID if slug == ACTIONS_APP else 0
    return int(body["id"])


def latest_runs(forge: Forge, repo: str, sha: str) -> list[dict[str, Any]]:
    """The newest check run of every (name, app) on a commit, oldest first."""
    newest = {(run["name"], run["app"]): run for run in forge.store.find("check_run", repo, head_sha=sha)}
    return sorted(newest.values(), key=lambda run: int(run["id"]))


def latest_statuses(forge: Forge, repo: str, sha: str) -> list[dict[str, Any]]:
    """The newest status of every context on a commit, oldest first."""
    newest = {status["context"]: status for status in forge.store.find("status", repo, sha=sha)}
    return sorted(newest.values(), key=lambda status: int(status["id"]))


def seen(forge: Forge, repo: str, sha: str) -> tuple[Seen, ...]:
    """Everything that required checks are compared with, for one commit."""
    runs = [Seen(run["name"], app_id(forge, run["app"]), run_state(run)) for run in latest_runs(forge, repo, sha)]
    states = {"success": "success", "pending": "pending"}
    statuses = [
        Seen(status["context"], None, states.get(status["state"], "failure"), status=True)
        for status in latest_statuses(forge, repo, sha)
    ]
    return (*runs, *statuses)


def run_state(run: dict[str, Any]) -> str:
    """A check run as success, failure or pending; skipped and neutral count as success (G17)."""
    if run["status"] != "completed":
        return "pending"
    return "success" if run["conclusion"] in PASSING else "failure"


def combined_state(statuses: list[dict[str, Any]]) -> str:
    """The combined status: failure if any failed, pending if any is pending or there is none (G16), else success."""
    states = {status["state"] for status in statuses}
    if states & {"failure", "error"}:
        return "failure"
    return "pending" if "pending" in states or not states else "success"
