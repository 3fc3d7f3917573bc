"""The incident note of a rollback: what happened when, from the forge's own times, and what people must still write."""

from __future__ import annotations

from ms_release.core import strict_json
from ms_release.core.observation import Observation, Release
from ms_release.core.sanitize import markdown
from ms_release.core.train import Train


def render(goal: Train, facts: Observation, released: Release, entry: bytes) -> bytes:
    """The note, from the ledger `entry` of the rollback and the forge's facts: every run makes the same bytes."""
    plan, recorded = goal.plan, strict_json.parse(entry)
    run = next((run for run in facts.runs or () if run.id == recorded["run_id"]), None)
    approvers = ", ".join(map(markdown, recorded["approved_by"]))
    rows = [
        (goal.file.created_at, f"the rollback is planned by {markdown(goal.file.created_by)}"),
        (run.created_at if run else "", f"its publishing run {recorded['run_id']} starts, and waits for an approval"),
        (
            released.published_at,
            f"{plan.tag} is published, approved by {approvers}",
        ),
    ]
    lines = [
        f"# {markdown(plan.previous or '')} was rolled back to {markdown(plan.source or '')}",
        "",
        markdown(plan.reason),
        "",
        f"{plan.tag} holds the bytes of {plan.source} again, under a version that clients take for the newest.",
        "Nothing was deleted.",
        "",
        "## Timeline (UTC)",
        "",
        "| time | what |",
        "|---|---|",
        *(f"| {when or 'not known'} | {what} |" for when, what in rows),
        "",
        f"plan `{goal.file.digest}`, seal `{recorded['seal']}`",
        "",
        "## Causes",
        "",
        "To be written, by pull request: what broke, how it was noticed, why no gate has caught it.",
        "",
        "## What we change",
        "",
        "To be written: the gate, test or rule that would have caught it, with who and until when.",
    ]
    return ("\n".join(lines) + "\n").encode()
