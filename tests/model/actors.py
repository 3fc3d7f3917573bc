"""Those who act as the program says, one small step at a time: operators, the publishing run's jobs, approvers.

Each decision is a value, `Decisions`, so that a test can leave one out and see that it matters. The steps are those of
`cli.trains`, `cli.assemble`, `cli.promote` and `cli.approve`, which do the same through the real adapters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from core.memory import Clock, Quiet
from core.world import BLOB, CONFIG, NOW, PRODUCT
from model.forge import HOME, PARTS, Dist, Forge, Publishing, candidate_of
from model.sight import Reader
from ms_release.cli.checkout import Merged, check_seal
from ms_release.cli.planner import Planned, Planner
from ms_release.cli.trains import find_train
from ms_release.core import action, approval, stale, train, verify
from ms_release.core.action import Act, Action, Ask, Blocked, Done, Next, Watch
from ms_release.core.assembly import compare_metadata, compare_origin, render_metadata
from ms_release.core.foretell import Outcome
from ms_release.core.observation import Observation
from ms_release.core.plan import parse_file, plan_path
from ms_release.core.planning import Intent
from ms_release.core.plausible import blocking, implausible
from ms_release.core.prepare import next_prepare
from ms_release.core.promote import DistFile, Promotion, next_promote
from ms_release.core.publish import next_publish
from ms_release.core.train import Train, release_files
from ms_release.errors import BlockedError, MsError, StalePlanError, UnknownOutcomeError
from ms_release.operate import Operation, Sight

COMMITTED_AT = NOW[:19] + "Z"
OPTIONS: dict[str, Any] = {
    "plan_file": None, "notes_file": None, "auto": True, "bump": None, "tag": None, "source": None, "repos": (),
    "refs": (),
}  # fmt: skip


@dataclass(frozen=True)
class Decisions:
    """Every function whose answer the safety of a release rests on."""

    next_publish: Callable[[Train, Observation], Next] = next_publish
    next_prepare: Callable[[Train, Observation], Next] = next_prepare
    next_promote: Callable[[Promotion, Observation], Next] = next_promote
    next_review: Callable[[Train, Observation], Next] = approval.next_review
    refusal: Callable[..., str] = approval.refusal
    check_approvals: Callable[..., Iterable[str]] = approval.check_approvals
    moved_facts: Callable[..., tuple[stale.Moved, ...]] = stale.moved_facts
    check_seal: Callable[[Merged, dict[str, str], str], None] = check_seal
    compare_origin: Callable[..., Iterable[str]] = compare_origin
    compare_metadata: Callable[..., Iterable[str]] = compare_metadata


class Stepwise(Operation):
    """The real loop, left after every decision and after every effect; `last` is what the last decision saw."""

    def __init__(self, sight: Sight, writer: Writer) -> None:
        super().__init__(sight, writer, Clock(), Quiet())
        self.due: list[Action] = []
        self.last: Observation | None = None

    def go(self, decide: Callable[[Observation], Next]) -> Next | None:
        """One effect of those that are due, or else one decision. None: there is more to do."""
        if self.due:
            self._perform(Act((self.due.pop(0),)))
            if not self.due:
                self._acted_on = self.last
            return None
        self.last, step = self._decide(decide)
        if isinstance(step, Act):
            self.due = list(step.actions)
            return None
        return step


class Writer:
    """`ports.Writer` of one person, or of one job with its `dist`. `fault` is what happens to the next write."""

    def __init__(self, forge: Forge, who: str, dist: Dist | None = None) -> None:
        self._forge, self._who, self._dist = forge, who, dist
        self._drafts: dict[str, int] = {}
        self.fault = ""

    def perform(self, what: Action) -> Outcome:
        fault, self.fault = self.fault, ""
        if fault == "not done":
            raise UnknownOutcomeError("the answer was lost")
        if isinstance(what, action.UploadAsset) and not what.release_id:
            what = action.UploadAsset(what.repo, what.tag, self._drafts[what.tag], what.name, what.size, what.sha256)
        outcome = self._forge.perform(self._who, what, self._dist)
        if isinstance(what, action.CreateDraft):
            self._drafts[what.tag] = outcome.id
        if fault:
            raise UnknownOutcomeError("the answer was lost")
        return outcome


class View:
    """`Sight` of one plan for one reader."""

    def __init__(self, reader: Reader, goal: Train, first: Observation | None = None) -> None:
        self._reader, self._goal, self._first = reader, goal, first

    def look(self) -> Observation:
        first, self._first = self._first, None
        return first or self._reader.look(self._goal)

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        return self._reader.answer(facts, self._goal, ask)

    def changed(self, watch: Watch) -> bool:
        return self._reader.changed(watch)


@dataclass
class Operator:
    """Somebody who types `prepare` or `publish` again and again. `said` is how the last command ended."""

    forge: Forge
    login: str
    decisions: Decisions
    operation: Stepwise | None = None
    goal: Train | None = None
    verb: str = "publish"
    writer: Writer = field(init=False)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader, self.writer = Reader(self.forge, self.login), Writer(self.forge, self.login)

    def type(self, verb: str, channel: str, *, replan: bool = False) -> None:
        """Begin a command: continue what is under way, or plan; `replan`: by `plan` first, then with its file."""
        self.operation, self.verb = None, verb
        self.reader.lag.clear()
        session = SimpleNamespace(
            reader=self.reader, config=CONFIG, product=PRODUCT, config_blob=BLOB, output=SimpleNamespace(say=_quiet)
        )
        if replan:
            planned = Planner(session, Intent(channel, auto=True), {}, replan=True).plan()  # type: ignore[arg-type]
            found = (planned.goal, None) if isinstance(planned, Planned) and not planned.draft.blocking else ""
        else:
            found = find_train(session, OPTIONS | {"channel": channel})  # type: ignore[arg-type]
        if not isinstance(found, str):
            self.goal, first = found
            self.operation = Stepwise(View(self.reader, self.goal, first), self.writer)

    def step(self) -> Done | None:
        """One step of the command; it ends by being done, waiting, blocked, or refused."""
        if self.operation is None or self.goal is None:
            return None
        goal, decide = self.goal, getattr(self.decisions, f"next_{self.verb}")
        try:
            step = self.operation.go(lambda facts: decide(goal, facts))
        except MsError:
            self.operation = None
            return None
        if isinstance(step, Blocked | Done):
            self.operation = None
        return step if isinstance(step, Done) else None

    def die(self) -> None:
        """The laptop is closed."""
        self.operation = None


def _quiet(text: str) -> None:
    """Nobody reads it."""


# --- the publishing run


def read_merged(forge: Forge, publishing: Publishing) -> Merged:
    """`cli.checkout.read_merged`, with the forge's commits in the place of a checkout."""
    tag, head = publishing.inputs["tag"], forge.commits[publishing.run.head_sha]
    data = head.get(plan_path(tag))
    if data is None:
        raise StalePlanError("the checkout holds no plan")
    goal = Train(CONFIG, PRODUCT, parse_file(data, tag))
    if goal.file.digest != publishing.inputs["plan"]:
        raise StalePlanError("the run was started for another plan")
    if goal.plan.tag != tag or goal.plan.config != BLOB:
        raise StalePlanError("the plan does not fit")
    for problem in implausible(goal.plan, CONFIG, PRODUCT):
        raise BlockedError(problem)
    if blocking(goal.plan):
        raise BlockedError("a gate forbade it")
    commit = forge.added[plan_path(tag)]
    for file in release_files(goal):
        if head.get(file.path) != file.data or forge.commits[commit].get(file.path) != file.data:
            raise StalePlanError(f"{file.path} is not what the plan says")
    return Merged(goal, commit, COMMITTED_AT)


def assemble(forge: Forge, publishing: Publishing, decisions: Decisions) -> Observation:
    """The first job: every fact once more, the candidates' bytes, and `dist`. Returns what it saw."""
    merged = read_merged(forge, publishing)
    facts = Reader(forge, "robot[bot]").look_now(merged.goal)
    if moved := decisions.moved_facts(merged.goal.plan, CONFIG, facts):
        raise StalePlanError(str(moved[0]))
    sealed = {id: ready.digest for id, ready in facts.ready.items() if ready}
    decisions.check_seal(merged, sealed, publishing.inputs["seal"])
    if set(sealed) != set(PARTS):
        raise BlockedError("a candidate is gone")
    publishing.dist = lay_out(merged.goal, tuple(sorted(sealed.items())))
    return facts


@lru_cache(256)
def lay_out(goal: Train, sealed: tuple[tuple[str, str], ...]) -> Dist:
    """The files that follow from a plan and its candidates: the bytes of a file are the digests of what is in it."""
    parts = {repo: candidate_of(repo, digest).artifacts[0].sha256 for repo, digest in sealed}
    contents = {"firmware.hex": {"": parts["core"]}, "bundle.zip": {"bin/loader": parts["loader"]}}
    files = {name: repr(inside).encode() for name, inside in contents.items()}
    sizes = {name: (len(data), _sha256(data)) for name, data in files.items()}
    return Dist(dict(sealed), contents, {**files, **render_metadata(goal, COMMITTED_AT, sizes)})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Promoting:
    """The second job, behind the environment: its checks, then one step after the other."""

    def __init__(self, forge: Forge, publishing: Publishing, decisions: Decisions) -> None:
        """Raises an MsError where a check refuses."""
        assert publishing.dist is not None
        merged, seal, dist = read_merged(forge, publishing), publishing.inputs["seal"], publishing.dist
        decisions.check_seal(merged, dist.sealed, seal)
        candidates = {repo: candidate_of(repo, digest) for repo, digest in dist.sealed.items()}
        sizes = {name: (len(data), _sha256(data)) for name, data in dist.files.items()}
        for problem in decisions.compare_origin(PRODUCT, candidates, dist.contents):
            raise BlockedError(problem)
        for problem in decisions.compare_metadata(merged.goal, merged.committed_at, sizes):
            raise BlockedError(problem)
        reader = Reader(forge, "robot[bot]")
        facts, run = reader.look_at_run(merged.goal, publishing)
        if run.title != train.run_title(merged.goal.plan, merged.goal.file.digest, seal):
            raise BlockedError("this run was started under another name")
        for problem in decisions.check_approvals(merged.goal, facts, run):
            raise BlockedError(problem)
        files = {**dist.files, "manifest.json.sig": b"signature of " + dist.files["manifest.json"]}
        body = train.release_body(merged.goal, seal)
        listed = tuple(DistFile(name, len(data), _sha256(data)) for name, data in sorted(files.items()))
        self.publishing, self.goal, self.sealed = publishing, merged.goal, dict(dist.sealed)
        self.promotion = Promotion(merged.goal, merged.release_commit, seal, body, listed)
        self._decide = decisions.next_promote
        signed = Dist(dist.sealed, dist.contents, files)
        self.operation = Stepwise(View(reader, merged.goal), Writer(forge, "robot[bot]", signed))

    def step(self) -> bool:
        """One step; False when the job has ended well. Raises an MsError when it ends badly."""
        step = self.operation.go(lambda facts: self._decide(self.promotion, facts))
        if isinstance(step, Blocked):
            raise BlockedError(step.cause)
        return not isinstance(step, Done)


# --- approvers


def approve(forge: Forge, login: str, tag: str, decisions: Decisions) -> action.ReviewDeployment | None:
    """What `approve` would send for a tag, after everything it looks at; None where it refuses or waits."""
    data = forge.main.get(plan_path(tag))
    if data is None:
        return None
    try:
        goal = Train(CONFIG, PRODUCT, parse_file(data, tag))
        operation = Stepwise(View(Reader(forge, login), goal), Writer(forge, login))
        step = operation.go(lambda facts: decisions.next_review(goal, facts))
    except MsError:
        return None
    facts = operation.last
    if not isinstance(step, Done) or facts is None:
        return None
    run, commit = approval.current_run(goal, facts), verify.release_commit(facts)
    assert run is not None
    assert commit is not None
    if decisions.refusal(goal, facts, run, login, CONFIG):
        return None
    words = approval.comment(goal, train.seal(goal, facts, commit) or "")
    return action.ReviewDeployment(HOME, run.id, tag, "release", "approved", words)
