"""Recorded check results of a world: ended runs of the commit's own workflows, and bare checks for everything else."""

from __future__ import annotations

from collections.abc import Mapping

from ms_release.forge import git
from ms_release.forge.engine import run_states
from ms_release.forge.engine.contexts import push_event
from ms_release.forge.engine.triggers import push_wanted
from ms_release.forge.engine.workflows import Workflow, WorkflowError
from ms_release.forge.state import Forge
from ms_release.forge.world.push import Push


def record(forge: Forge, push: Push, results: Mapping[str, str]) -> None:
    """Write down that these checks (name → conclusion) of a push have ended, at the forge's present time.

    A workflow that has a job of such a name, and that the push would have started, gets an ended run.
    """
    git_dir = forge.git_dir(push.repo)
    left = dict(results)
    for path in run_states.workflow_paths(git_dir, push.after):
        try:
            workflow = run_states.read_workflow(git_dir, push.after, path)
        except WorkflowError:
            continue
        names = {spec.name or key for key, spec in workflow.jobs.items()} & left.keys()
        if names and push_wanted(workflow, push.ref, list):
            _record_run(forge, push, workflow, {name: left.pop(name) for name in names})
    if left:
        _record_checks(forge, push, left)


def _worst(results: Mapping[str, str]) -> str:
    bad = [conclusion for conclusion in results.values() if conclusion not in ("success", "neutral", "skipped")]
    return bad[0] if bad else "success"


def _record_run(forge: Forge, push: Push, workflow: Workflow, results: Mapping[str, str]) -> None:
    """A run that has ended; jobs that nothing is said about were skipped."""
    body, commit = forge.store.get("repo", push.repo), git.read_commit(forge.git_dir(push.repo), push.after)
    assert body is not None
    assert commit is not None
    payload = push_event(forge, body, push.ref, (push.before, push.after), push.actor)
    title = commit.message.split("\n", 1)[0]
    start = run_states.Start(
        push.repo, workflow.path, "push", push.ref, push.after, push.after, push.branch, push.actor, payload, title
    )
    run = run_states.create_run(forge, start, workflow)
    run_states.create_jobs(forge, run, workflow)
    for job in run_states.jobs_of(forge, run):
        run_states.conclude_job(forge, job, results.get(job["name"], "skipped"), "Recorded in the world file.")
    run_states.save_run(forge, run | {"status": "completed", "conclusion": _worst(results)})


def _record_checks(forge: Forge, push: Push, results: Mapping[str, str]) -> None:
    """Checks of the app github-actions that have no run here: one suite for all of them."""
    store, now, suite_id = forge.store, forge.now(), forge.store.next_id("check_suite")
    suite = {
        "id": suite_id, "repo": push.repo, "head_sha": push.after, "head_branch": push.branch, "app": run_states.APP,
        "run_id": None, "event": "push", "status": "completed", "conclusion": _worst(results), "created_at": now,
        "updated_at": now,
    }  # fmt: skip
    store.put("check_suite", suite_id, suite, push.repo)
    for name, conclusion in results.items():
        check_id = store.next_id("check_run")
        check = {
            "id": check_id, "repo": push.repo, "suite_id": suite_id, "name": name,
            "head_sha": push.after, "app": run_states.APP, "status": "completed", "conclusion": conclusion,
            "started_at": now, "completed_at": now, "run_id": None, "job_id": None,
        }  # fmt: skip
        store.put("check_run", check_id, check, push.repo)
