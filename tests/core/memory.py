"""A forge that remembers: Sight and Writer in one, whose runners and people act while somebody waits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from msgspec.structs import replace

from core.world import APPROVED, check, dist, prepared, ready, released, sha
from ms_release.core import action, train
from ms_release.core.action import Action, Ask, Watch
from ms_release.core.cancel import mark_branch
from ms_release.core.foretell import CHANGES, Outcome, foretell
from ms_release.core.observation import ChangeFacts, Observation, Pull, Run
from ms_release.core.train import Train
from ms_release.errors import StalePlanError


class Clock:
    """Time that only passes by sleeping."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 10, 12, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)


class Quiet:
    """Progress that is kept instead of shown."""

    def __init__(self) -> None:
        self.acted: list[str] = []
        self.waited: list[str] = []

    def say(self, text: str) -> None:
        raise AssertionError(f"nobody says {text} in a loop of effects")

    def act(self, action: Action) -> None:
        self.acted.append(action.key)

    def wait(self, text: str) -> None:
        self.waited.append(text)


class Killed(Exception):
    """The process died here."""


class MemoryForge:
    """Sight and Writer in one: folds every effect into its facts; its runners and people act while somebody waits.

    `fate` says how each kind of run ends; `die_at` (n, done): the n-th write kills the caller, before or after it took
    effect; `lag`: that many looks right after a write still show the time before it.
    """

    def __init__(self, goal: Train, facts: Observation, **fate: str) -> None:
        self.goal = goal
        self.facts = facts
        self.fate = {"candidate": "success", "checks": "success", "review": "approved", "publish": "success", **fate}
        self.effects: list[Action] = []
        self.die_at: tuple[int, bool] | None = None
        self.lag = 0
        self.looks = 0
        self._old: list[Observation] = []
        self._ids = count(1000)

    def look(self) -> Observation:
        self.looks += 1
        facts = self._old.pop(0) if self._old else self.facts
        bare = facts.with_home(rules=None, environment=None)
        return replace(
            bare,
            protection_read=False,
            candidate_runs=None,
            runs=None,
            approvals=None,
            published=None,
            signature_valid=None,
        )

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        now = self.facts
        match ask.what:
            case "protection":
                found = facts.with_home(rules=now.home.rules, environment=now.home.environment)
                return replace(found, protection_read=True)
            case "runs":
                return replace(facts, runs=now.runs or (), approvals=now.approvals)
            case "candidate runs":
                return replace(facts, candidate_runs=now.candidate_runs)
            case "published":
                found = facts.with_home(texts=now.home.texts)
                return replace(found, published=now.published, signature_valid=now.signature_valid)

    def perform(self, what: Action) -> Outcome:
        number = len(self.effects)
        if self.die_at == (number, False):
            raise Killed
        before = self.facts
        id = next(self._ids)
        outcome = Outcome(id, sha(f"{what.key} {id}"), f"https://forge.example/{id}")
        self._refuse_second(what)
        self.facts = replace(foretell(before, what, outcome), seen_alive=frozenset())
        if isinstance(what, action.CreateBranch) and what.branch == mark_branch(self.goal.plan.tag):
            self.facts = self.facts.with_home(abandoning=(self.goal.plan.tag,))
        self.effects.append(what)
        if isinstance(what, action.MergePullRequest):
            self._merged(what, outcome.sha)
        self._old = [before] * self.lag
        if self.die_at == (number, True):
            raise Killed
        return outcome

    def changed(self, watch: Watch) -> bool:
        """Time passes and somebody acts; whether the watched thing is another one now."""
        self._old.clear()
        if watch.kind == "checks":
            self._check()
            pull = self._open_pull()
            ended = sorted((c.check_run_id, c.conclusion) for c in pull.checks or () if c.status == "completed")
            return watch.concluded != tuple(ended)
        return self._advance(int(watch.id)).status in watch.until

    def _refuse_second(self, what: Action) -> None:
        """A branch, a tag and a pull request of a name exist once."""
        if any(what.key == done.key for done in self.effects) and isinstance(
            what, action.CreateBranch | action.CreateTag | action.OpenPullRequest | action.MergePullRequest
        ):
            raise StalePlanError(f"{what.key} has been done already")

    def _merged(self, what: action.MergePullRequest, at: str) -> None:
        tag = self.goal.plan.tag
        home = self.facts.home
        if what.head == self.goal.plan.release_branch:
            self.facts = self.facts.with_home(head=at, plans=(*home.plans, tag))
        elif what.head == mark_branch(tag):
            self.facts = self.facts.with_home(head=at, abandoned=(*home.abandoned, tag))
        else:
            self.facts = self.facts.with_home(head=at, ledger=(*home.ledger, tag))

    def _open_pull(self) -> Pull:
        for change in (self.facts.release_change, self.facts.evidence_change, self.facts.mark_change):
            if change and change.pull and change.pull.state == "OPEN":
                return change.pull
        raise AssertionError("nobody has opened a pull request")

    def _check(self) -> None:
        for field in CHANGES:
            change: ChangeFacts | None = getattr(self.facts, field)
            if change and change.pull and change.pull.state == "OPEN" and not change.pull.checks:
                made = (check(next(self._ids), "validate", event="pull_request", conclusion=self.fate["checks"]),)
                self.facts = replace(self.facts, **{field: replace(change, pull=replace(change.pull, checks=made))})

    def _advance(self, id: int) -> Run:
        for owner, runs in (self.facts.candidate_runs or {}).items():
            for run in runs:
                if run.id == id:
                    return self._candidate(owner, run)
        run = next(r for r in self.facts.runs or () if r.id == id)
        return self._publishing(run)

    def _candidate(self, owner: str, run: Run) -> Run:
        if run.status != "completed":
            run = replace(run, status="completed", conclusion=self.fate["candidate"])
            runs = {**(self.facts.candidate_runs or {}), owner: (run,)}
            found = dict(self.facts.ready)
            if run.conclusion == "success":
                found[owner] = ready(owner, next(p.sha for p in self.goal.plan.pins if p.repo == owner))
            self.facts = replace(self.facts, candidate_runs=runs, ready=found)
        return run

    def _publishing(self, run: Run) -> Run:
        if run.status == "cancelling":
            self._replace_run(run := replace(run, status="completed", conclusion="cancelled"))
        elif run.status == "queued":
            self._replace_run(run := replace(run, status="waiting"))
        elif run.status == "waiting":
            review = replace(
                APPROVED, state=self.fate["review"], comment="no" if self.fate["review"] != "approved" else ""
            )
            good = self.fate["review"] == "approved" and self.fate["publish"] == "success"
            done = replace(run, status="completed", conclusion="success" if good else "failure")
            if good:
                self.facts = self._publish(done)
            self.facts = replace(self.facts, approvals=(review,))
            self._replace_run(run := done)
        return run

    def _publish(self, run: Run) -> Observation:
        """What the publishing job does behind the environment."""
        change = self.facts.release_change
        assert change is not None
        assert change.pull is not None
        assert change.pull.merge_commit is not None
        made = released(self.goal, prepared(self.goal)).home.releases[0]
        made = replace(made, body=train.release_body(self.goal, run.title.rpartition(" ")[2]))
        small = {
            n: b for n, b in dist(self.goal).items() if n in ("manifest.json", "manifest.json.sig", "checksums.txt")
        }
        facts = self.facts.with_home(
            releases=(made,), tags={**self.facts.home.tags, self.goal.plan.tag: change.pull.merge_commit}
        )
        return replace(facts, published=small, signature_valid=True)

    def _replace_run(self, run: Run) -> None:
        self.facts = replace(self.facts, runs=tuple(run if r.id == run.id else r for r in self.facts.runs or ()))


def keys(actions: Iterable[Action]) -> list[str]:
    return [each.key for each in actions]
