"""Moves runs forward: needs, conditions, environments, concurrency groups, and the worker threads that run jobs."""

from __future__ import annotations

import atexit
import logging
import queue
import shutil
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from ms_release.forge.engine import deployments, job_work, run_states
from ms_release.forge.engine.expressions import ExpressionError, as_text, interpolate
from ms_release.forge.engine.processes import Process, end_all
from ms_release.forge.engine.runner import RunJob, run_job
from ms_release.forge.engine.workflows import Workflow, WorkflowError
from ms_release.forge.state import Forge

T = TypeVar("T")
Body = dict[str, Any]
WORKERS = 3
LOOK_SECONDS = 0.1  # between two looks at what does not only depend on runs
MAX_PENDING = 100  # with `queue: max` (G23)

_log = logging.getLogger(__name__)


def _close(engine: weakref.ref[Scheduler]) -> None:
    """Stop what still runs when the interpreter ends."""
    found = engine()
    if found is not None:
        found.close()


class Scheduler:
    """Advances the runs of one forge. Every public method may be called from any thread.

    State lives in the store only; this object knows which jobs its workers hold. A job that the death of this process
    interrupts is run again from its beginning by the next one (`recover`), as a runner would outlive its watchers.
    Methods with an underscore expect to be inside `store.writing()`, which is also what keeps threads apart.
    """

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self.run_job: RunJob = run_job
        self._queue: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._active: dict[int, Process] = {}
        self._workers: list[threading.Thread] = []
        self._timer: threading.Timer | None = None
        self._moves = 0
        self._closed = False
        self._recovered = False
        atexit.register(_close, weakref.ref(self))

    # ---- the world around

    def recover(self) -> None:
        """Take up what an earlier process left: interrupted and queued jobs are queued again. Works once.

        To be called when the forge has its address; every other public method calls it too.
        """
        with self._changed:
            if self._recovered:
                return
            self._recovered = True
        forge = self._forge
        for folder in (forge.root / "jobs").glob("*"):
            end_all(folder / "home")
            shutil.rmtree(folder, ignore_errors=True)
        with forge.store.writing():
            for token in forge.store.find("token"):
                if token["kind"] == "workflow":
                    forge.store.delete("token", token.get("token", ""))
            for run in forge.store.find("run"):
                if run["status"] in ("queued", "in_progress", "waiting"):
                    for job in run_states.jobs_of(forge, run):
                        if job["status"] == "in_progress":
                            job_work.put_back(forge, job)
                    self._advance(run)
            for run in forge.store.find("run", status="pending"):
                self._release(run)

    def tick(self) -> None:
        """Look again at everything that waits for time to pass; call it after moving the forge's clock."""
        self.recover()
        with self._forge.store.writing():
            for run in self._forge.store.find("run"):
                if run["status"] in ("waiting", "in_progress"):
                    self._advance(run)

    def idle(self) -> bool:
        """Whether nothing will change any more unless somebody asks (a run that waits for a review is idle)."""
        self.recover()
        with self._changed:
            return not self._active

    def wait_idle(self, timeout: float) -> bool:
        """Wait until `idle()`; false when that takes longer than `timeout` seconds."""
        self.recover()
        with self._changed:
            return self._changed.wait_for(lambda: not self._active, timeout)

    def wait_for(self, reached: Callable[[], T], timeout: float) -> T:
        """Wait until something is true, looking again whenever a run moves; what it was last when it takes too long."""
        self.recover()
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = self._moves
            found = reached()
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            with self._changed:  # never held while the store is asked: those who hold the store ask for it
                if self._moves == seen:
                    self._changed.wait(min(left, LOOK_SECONDS))

    def close(self) -> None:
        """Stop all jobs and workers. What was running runs again in the next process."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            processes, workers = list(self._active.values()), list(self._workers)
        if self._timer is not None:
            self._timer.cancel()
        for _ in workers:
            self._queue.put(None)
        for process in processes:
            process.kill()
        for worker in workers:
            worker.join(timeout=10)

    # ---- runs

    def _workflow(self, run: Body) -> Workflow | None:
        """The run's workflow as it was at its commit; None when that cannot be read."""
        try:
            sha = run.get("sha", run["head_sha"])
            return run_states.read_workflow(self._forge.git_dir(run["repo"]), sha, run["path"])
        except WorkflowError:
            return None

    def _enter(self, run: Body, workflow: Workflow) -> None:
        """Begin a run, or queue it behind the others of its concurrency group (G23)."""
        if not run["concurrency"] or workflow.concurrency is None:
            self._begin(run)
            return
        cancel = workflow.concurrency.cancel_in_progress
        if isinstance(cancel, str):
            known = run_states.contexts(self._forge, run, workflow)
            cancel = as_text(interpolate(cancel, known)) == "true"
        holders, pending = self._group(run)
        run_states.save_run(self._forge, run | {"status": "pending"})
        if workflow.concurrency.queue_max and not cancel:
            pending = [run] if len(pending) >= MAX_PENDING else []
        for other in pending:
            self._cancel(other)
        for other in holders if cancel else []:
            self._cancel(other)
        self._release(run)

    def _group(self, run: Body) -> tuple[list[Body], list[Body]]:
        """The other living runs of this run's group: those that hold it, those that wait for it (oldest first)."""
        name = run["concurrency"].casefold()
        others = [
            other
            for status in ("queued", "in_progress", "waiting", "pending")
            for other in self._forge.store.find("run", run["repo"], status=status)
            if other["id"] != run["id"] and (other["concurrency"] or "").casefold() == name
        ]
        holders = [other for other in others if other["status"] != "pending"]
        return holders, sorted((o for o in others if o["status"] == "pending"), key=lambda other: other["updated_at"])

    def _release(self, run: Body) -> None:
        """Let the next run of this one's group begin, if nobody holds the group."""
        if not run["concurrency"]:
            return
        now = self._forge.store.get("run", run["id"]) or run
        holders, pending = self._group(now)
        if holders or now["status"] not in ("pending", "completed"):
            return
        waiting = [*pending, now] if now["status"] == "pending" else pending
        if waiting:
            self._begin(waiting[0])

    def _begin(self, run: Body) -> None:
        workflow = self._workflow(run)
        run |= {"status": "queued", "run_started_at": self._forge.now()}
        run_states.save_run(self._forge, run)
        if workflow is not None and not run_states.jobs_of(self._forge, run):
            run_states.create_jobs(self._forge, run, workflow)
        self._advance(run)

    def _cancel(self, run: Body) -> None:
        """End a run: what has not started never will, what runs is killed."""
        run["cancelled"] = True
        if run["status"] == "pending":
            for job in run_states.jobs_of(self._forge, run):
                if job["status"] != "completed":
                    run_states.conclude_job(self._forge, job, "cancelled")
            run |= {"status": "completed", "conclusion": "cancelled"}
            run_states.save_run(self._forge, run)
            run_states.log_end(self._forge, run)
            return
        run_states.save_run(self._forge, run)
        self._advance(run)
        numbers = [job["id"] for job in run_states.jobs_of(self._forge, run) if self._ended_by_cancel(run, job)]
        with self._changed:
            held = [self._active[number] for number in numbers if number in self._active]
        for process in held:
            process.kill()

    def _ended_by_cancel(self, run: Body, job: Body) -> bool:
        """Whether the run was cancelled and this job with it: by force every job, and what waits for a review."""
        if not run["cancelled"] or run.get("forced") or job["status"] == "waiting":
            return bool(run["cancelled"])
        workflow = self._workflow(run)
        return workflow is None or not run_states.outlives_cancel(self._forge, run, workflow, job)

    def _advance(self, run: Body) -> None:
        """Do everything for a run that can be done now."""
        workflow = self._workflow(run)
        if workflow is None:
            return
        jobs = run_states.jobs_of(self._forge, run)
        while any([self._settle(run, workflow, job, jobs) for job in jobs]):  # noqa: C419 (every job has its turn)
            pass
        with self._changed:
            active = set(self._active)
            self._moves += 1
            self._changed.notify_all()  # whoever waits looks once this transaction is over
        if run_states.refresh_run(self._forge, run, jobs, active, workflow):
            self._release(run)

    def _settle(self, run: Body, workflow: Workflow, job: Body, jobs: list[Body]) -> bool:
        """Move one job as far as it goes: to its end, to the workers, or to waiting. True when it has ended."""
        with self._changed:
            if job["status"] not in ("queued", "waiting") or job["id"] in self._active:
                return False
        if self._ended_by_cancel(run, job):
            run_states.conclude_job(self._forge, job, "cancelled")
            return True
        if any(other["status"] != "completed" for other in jobs if other["key"] in job["needs"]):
            return False
        known = run_states.job_contexts(self._forge, run, workflow, job, jobs)
        try:
            if job["status"] == "queued" and not run_states.wanted(
                workflow, job, jobs, known, cancelled=run["cancelled"]
            ):
                run_states.conclude_job(self._forge, job, "skipped")
                return True
            name = as_text(interpolate(workflow.jobs[job["key"]].environment or "", known))
        except ExpressionError as error:
            run_states.conclude_job(self._forge, job, "failure", str(error))
            return True
        if name and not self._admitted(run, job, name):
            return bool(job["status"] == "completed")
        self._submit(job)
        return False

    def _admitted(self, run: Body, job: Body, name: str) -> bool:
        """Whether the job's environment lets it start now; otherwise it waits, or has failed."""
        environment = deployments.ensure_environment(self._forge, run["repo"], name)
        if job["waiting_since"] is None:
            refused = deployments.refusal(self._forge, run["repo"], environment, run["ref"])
            if refused:
                run_states.conclude_job(self._forge, job, "failure", refused)
                return False
            job |= {"environment": environment["name"], "waiting_since": self._forge.now()}
        verdict = deployments.verdict(self._forge, environment, job)
        if verdict == "expired":
            run_states.conclude_job(self._forge, job, "failure", "The deployment was not reviewed within 30 days.")
            return False
        job["status"] = "queued" if verdict == "open" else "waiting"
        run_states.save_job(self._forge, job)
        if verdict == "waiting" and (job["approved"] or not environment["reviewers"]):
            self._wake_at(environment, job)
        return verdict == "open"

    def _wake_at(self, environment: Body, job: Body) -> None:
        """Come back when a wait timer is over (by the machine's clock; a handed-in clock needs `tick`)."""
        left = (deployments.opens_at(environment, job) - self._forge.clock()).total_seconds()
        if self._timer is not None and self._timer.is_alive() and self._timer.interval <= left:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(max(left, 1), self._alarm)
        self._timer.daemon = True
        if not self._closed:
            self._timer.start()

    def _alarm(self) -> None:
        self._timer = None
        self.tick()

    # ---- jobs

    def _stopped(self) -> bool:
        with self._changed:
            return self._closed

    def _submit(self, job: Body) -> None:
        with self._changed:
            if self._closed:
                return
            self._active[job["id"]] = Process()
            if len(self._workers) < WORKERS:
                worker = threading.Thread(target=self._work, name=f"forge-job-{len(self._workers)}", daemon=True)
                self._workers.append(worker)
                worker.start()
        self._queue.put(job["id"])

    def _work(self) -> None:
        while (job_id := self._queue.get()) is not None:
            try:
                self._carry_out(job_id)
            except Exception:
                _log.exception("job %s", job_id)
                self._fail(job_id)
            finally:
                with self._changed:
                    self._active.pop(job_id, None)
                    self._moves += 1
                    self._changed.notify_all()

    def _carry_out(self, job_id: int) -> None:
        """One job from start to end, and what follows from it."""
        forge, process = self._forge, self._active[job_id]
        with forge.store.writing():
            job = forge.store.get("job", job_id)
            run = forge.store.get("run", job["run_id"]) if job else None
            workflow = self._workflow(run) if run else None
            if job is None or run is None or workflow is None or self._stopped():
                return
            if self._ended_by_cancel(run, job):
                self._end(job, "cancelled")
                return
            task, token = job_work.begin(forge, run, workflow, job)
            self._advance(run)
        result = job_work.carry_out(forge, job, task, process, self.run_job)
        with forge.store.writing():
            if process.killed and self._stopped():
                forge.store.delete("token", token)
                job_work.put_back(forge, job)
                return
            job_work.end(forge, job, token, result)
            self._let_go(job)

    def _fail(self, job_id: int) -> None:
        """The forge itself broke while it held this job."""
        with self._forge.store.writing():
            job = self._forge.store.get("job", job_id)
            if job is not None and job["status"] != "completed":
                self._end(job, "failure", "The forge could not run this job; see its own log.")

    def _end(self, job: Body, conclusion: str, message: str = "") -> None:
        run_states.conclude_job(self._forge, job, conclusion, message)
        self._let_go(job)

    def _let_go(self, job: Body) -> None:
        """The worker no longer needs this job: look what its run does next. Idle is said only after that."""
        run = self._forge.store.get("run", job["run_id"])
        if run is not None:
            self._advance(run)
