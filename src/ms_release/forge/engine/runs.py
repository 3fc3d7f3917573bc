"""Runs of workflows: the events that start them and what people decide about them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ms_release.forge import git, refs
from ms_release.forge.engine import deployments, run_states
from ms_release.forge.engine.contexts import dispatch_event, pull_event, push_event
from ms_release.forge.engine.expressions import ExpressionError, as_text, interpolate
from ms_release.forge.engine.run_states import Start
from ms_release.forge.engine.scheduler import Scheduler
from ms_release.forge.engine.triggers import check_inputs, pull_wanted, push_wanted, skipped_by_message
from ms_release.forge.engine.workflows import Workflow, WorkflowError, ancestors
from ms_release.forge.errors import Refusal, not_found

Body = dict[str, Any]
RERUN_LIMIT = timedelta(days=30)


class Engine(Scheduler):
    """Starts, reviews, cancels and repeats the runs of one forge. Every public method may be called from any thread."""

    # ---- events

    def pushed(
        self, repo: str, ref: str, before: str | None, after: str | None, actor: str, by_workflow: bool = False
    ) -> None:
        """A ref was created or moved (after None: deleted). A workflow's own pushes start nothing (G5)."""
        self.recover()
        git_dir = self._forge.git_dir(repo)
        head = git.commit_of(git_dir, after) if after and set(after) != {"0"} else None
        body = self._forge.store.get("repo", repo)
        commit = git.read_commit(git_dir, head) if head else None
        if by_workflow or body is None or commit is None or not ref.startswith(("refs/heads/", "refs/tags/")):
            return
        if skipped_by_message(commit.message):
            return
        old = git.commit_of(git_dir, before) if before and set(before) != {"0"} else None

        def paths() -> list[str]:
            return [change.path for change in git.diff(git_dir, old or git.EMPTY_TREE, commit.sha)]

        payload = push_event(self._forge, body, ref, (before or git.ZERO, after or git.ZERO), actor)
        for path in run_states.workflow_paths(git_dir, commit.sha):
            short, title = ref.split("/", 2)[2], commit.message.split("\n", 1)[0]
            start = Start(repo, path, "push", ref, commit.sha, commit.sha, short, actor, payload, title)
            try:
                workflow = run_states.read_workflow(git_dir, commit.sha, path)
            except WorkflowError as error:
                self._start_broken(start, str(error))
                continue
            if push_wanted(workflow, ref, paths):
                self._start(start, workflow)

    def pull_changed(self, repo: str, number: int, action: str, actor: str, by_workflow: bool = False) -> None:
        """A pull request was opened, synchronize(d), reopened or closed. One that conflicts starts nothing."""
        self.recover()
        git_dir = self._forge.git_dir(repo)
        body, pull = self._forge.store.get("repo", repo), self._forge.store.get("pull", f"{repo}#{number}")
        if by_workflow or body is None or pull is None:
            return
        sha = None if action == "closed" else refs.test_merge(self._forge, repo, pull)
        if action == "closed":
            sha = pull["merge_commit_sha"] or pull["head_sha"]
        head = git.read_commit(git_dir, pull["head_sha"])
        if sha is None or head is None or skipped_by_message(head.message):
            return
        base = git.merge_base(git_dir, pull["base_sha"], head.sha) or git.EMPTY_TREE

        def paths() -> list[str]:
            return [change.path for change in git.diff(git_dir, base, head.sha)]

        payload = pull_event(self._forge, body, pull, action, actor)
        for path in run_states.workflow_paths(git_dir, sha):
            try:
                workflow = run_states.read_workflow(git_dir, sha, path)
            except WorkflowError:
                continue
            if pull_wanted(workflow, pull["base_ref"], action, paths):
                ref = f"refs/pull/{number}/merge"
                self._start(
                    Start(repo, path, "pull_request", ref, sha, head.sha, pull["head_ref"], actor, payload,
                          pull["title"], {}, number),
                    workflow,
                )  # fmt: skip

    def dispatch(self, repo: str, workflow: str | int, ref: str, inputs: dict[str, Any], actor: str) -> Body:
        """Start a run by hand; returns the run's document.

        Raises Refusal: 404 no such workflow on the default branch, 422 for the ref, the trigger or the inputs (G4).
        """
        self.recover()
        body, known = self._forge.store.get("repo", repo), self.find_workflow(repo, workflow)
        git_dir = self._forge.git_dir(repo)
        prefixes = [""] if ref.startswith("refs/") else ["refs/heads/", "refs/tags/"]
        full = next((prefix + ref for prefix in prefixes if git.read_ref(git_dir, prefix + ref)), None)
        sha = git.commit_of(git_dir, full) if full and full.startswith(("refs/heads/", "refs/tags/")) else None
        if body is None or full is None or sha is None:
            raise Refusal(422, f"No ref found for: {ref}")
        if known["state"] != "active":
            raise Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
        try:
            parsed = run_states.read_workflow(git_dir, sha, known["path"])
        except WorkflowError as error:
            raise Refusal(422, f"failed to parse workflow: {error}") from error
        values = check_inputs(parsed, inputs)
        payload = dispatch_event(self._forge, body, known["path"], full, values, actor)
        short = full.split("/", 2)[2]
        start = Start(repo, known["path"], "workflow_dispatch", full, sha, sha, short, actor, payload, "", values)
        return self._start(start, parsed)

    def find_workflow(self, repo: str, workflow: str | int) -> Body:
        """A workflow of the default branch by number, file name or path. Raises Refusal 404."""
        wanted = str(workflow)
        with self._forge.store.writing():
            known = run_states.know_workflows(self._forge, repo)
        for body in known:
            if wanted in (str(body["id"]), body["path"], body["path"].rsplit("/", 1)[1]):
                return body
        raise not_found()

    # ---- what people decide

    def review(
        self, repo: str, run_id: int, environment_ids: list[int], state: str, comment: str, login: str
    ) -> list[Body]:
        """Approve or reject (`approved`, `rejected`) waiting deployments; returns the environments decided.

        Raises Refusal: 404 no such run, 422 nothing pending or not this person's to decide (G27).
        """
        self.recover()
        forge = self._forge
        with forge.store.writing():
            run = self._run(repo, run_id)
            chosen = deployments.reviewable(forge, run, run_states.jobs_of(forge, run), environment_ids, login)
            for environment, jobs in chosen:
                approval = {
                    "id": forge.store.next_id("approval"), "repo": repo, "run_id": run_id,
                    "run_attempt": run["run_attempt"], "environment": environment["name"], "state": state,
                    "comment": comment, "user": login, "created_at": forge.now(),
                }  # fmt: skip
                forge.store.put("approval", approval["id"], approval, repo)
                detail = {"run_id": run_id, "environment": environment["name"], "state": state, "comment": comment}
                forge.store.log_effect(forge.now(), login, "review", f"{repo} {run['path']}", detail)
                for job in jobs:
                    if state == "approved":
                        run_states.save_job(forge, job | {"approved": True})
                    else:
                        run_states.conclude_job(forge, job, "failure", f"{login} rejected the deployment.")
            self._advance(run)
        return [environment for environment, _ in chosen]

    def cancel(self, repo: str, run_id: int, actor: str, *, force: bool = False) -> None:
        """End a run; jobs whose `if:` says `always()` are still carried out, unless by force.

        Raises Refusal 409 when it has ended already, 404 without one.
        """
        self.recover()
        with self._forge.store.writing():
            run = self._run(repo, run_id)
            if run["status"] == "completed":
                raise Refusal(409, "Cannot cancel a workflow run that is completed.")
            detail = {"run_id": run_id, "run_attempt": run["run_attempt"]}
            self._forge.store.log_effect(self._forge.now(), actor, "cancel_run", f"{repo} {run['path']}", detail)
            self._cancel(run | {"forced": force})

    def rerun(
        self, repo: str, run_id: int, actor: str, *, failed_only: bool = False, job_id: int | None = None
    ) -> None:
        """Start a new attempt of a run that has ended, at the same commit (G19): all of it, what failed, or one job.

        Raises Refusal: 404, 403 when it is still running or older than 30 days.
        """
        self.recover()
        forge = self._forge
        with forge.store.writing():
            run = self._run(repo, run_id)
            if run["status"] != "completed":
                raise Refusal(403, "This workflow is already running")
            if forge.clock() - datetime.fromisoformat(run["created_at"]) > RERUN_LIMIT:
                raise Refusal(403, "Unable to retry this workflow run because it was created over a month ago")
            workflow = self._workflow(run)
            if workflow is None:
                raise Refusal(403, "This workflow run cannot be retried")
            kept = _kept(run_states.jobs_of(forge, run), workflow, failed_only, job_id)
            forge.store.put("run_attempt", f"{run_id}/{run['run_attempt']}", run, repo)
            now, attempt = forge.now(), run["run_attempt"] + 1
            run |= {"run_attempt": attempt, "status": "queued", "conclusion": None, "cancelled": False, "forced": False}
            run |= {"triggering_actor": actor, "run_started_at": now}
            run_states.save_run(forge, run)
            detail = {"run_id": run_id, "run_attempt": attempt}
            forge.store.log_effect(now, actor, "rerun", f"{repo} {run['path']}", detail)
            run_states.create_jobs(forge, run, workflow, kept)
            self._enter(run, workflow)

    # ---- inside, always in `store.writing()`

    def _run(self, repo: str, run_id: int) -> Body:
        run = self._forge.store.get("run", run_id)
        if run is None or run["repo"] != repo:
            raise not_found()
        return run

    def _start_broken(self, start: Start, message: str) -> None:
        """A run that ends before it begins, because its file cannot be read."""
        with self._forge.store.writing():
            run = run_states.create_run(self._forge, start, None)
            self._fail_start(run, message)

    def _fail_start(self, run: Body, message: str) -> None:
        run |= {"status": "completed", "conclusion": "startup_failure", "message": message}
        run_states.save_run(self._forge, run)
        run_states.log_end(self._forge, run)

    def _start(self, start: Start, workflow: Workflow) -> Body:
        forge = self._forge
        with forge.store.writing():
            run = run_states.create_run(forge, start, workflow)
            verb = "dispatch" if start.event == "workflow_dispatch" else "start_run"
            detail = {"run_id": run["id"], "event": start.event, "ref": start.ref, "sha": start.sha}
            forge.store.log_effect(
                forge.now(), start.actor, verb, f"{start.repo} {start.path}", {**detail, "inputs": start.inputs}
            )
            known = run_states.contexts(forge, run, workflow)
            try:
                if workflow.run_name:
                    run["display_title"] = as_text(interpolate(workflow.run_name, known)) or run["name"]
                if workflow.concurrency:
                    run["concurrency"] = as_text(interpolate(workflow.concurrency.group, known)) or None
            except ExpressionError as error:
                self._fail_start(run, str(error))
                return run
            run_states.save_run(forge, run)
            self._enter(run, workflow)
            return forge.store.get("run", run["id"]) or run


def _kept(jobs: list[Body], workflow: Workflow, failed_only: bool, job_id: int | None) -> dict[tuple[str, str], Body]:
    """The jobs whose results a new attempt takes over: those that are neither repeated nor need a repeated one.

    Raises Refusal 404 when the job to repeat is not one of them.
    """
    if job_id is not None:
        again = {job["key"] for job in jobs if job["id"] == job_id}
        if not again:
            raise not_found()
    elif failed_only:
        again = {job["key"] for job in jobs if job["conclusion"] not in ("success", "skipped")}
    else:
        return {}
    again |= {key for key in workflow.jobs if ancestors(workflow.jobs, key) & again}
    return {(job["key"], job["name"]): job for job in jobs if job["key"] not in again}
