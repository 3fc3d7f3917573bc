"""One story: people, runs and attackers who move in any order, and what must never have happened after a move."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TypeVar

from msgspec.structs import replace

from core.world import check, sha
from model.actors import Decisions, Operator, Promoting, approve, assemble, lay_out
from model.forge import HOME, REVIEWERS, Forge, Publishing
from ms_release.core import action
from ms_release.core.observation import Observation
from ms_release.core.plan import make_seal, parse_file, plan_path
from ms_release.core.train import Train
from ms_release.errors import DamagedError, MsError

T = TypeVar("T")
ROBOT = "robot[bot]"
ONCE = ("create-branch", "commit", "merge-pull", "create-tag", "publish")


class Pick:
    """Choices made from one number: the same number, the same choices."""

    def __init__(self, number: int) -> None:
        self._left = number

    def one(self, of: Sequence[T]) -> T:
        """One of these."""
        self._left, at = divmod(self._left, len(of))
        return of[at]


class Story:
    """The forge with everybody who uses it. `wrong` collects what must not have happened; `seen` counts what did."""

    def __init__(self, decisions: Decisions = Decisions(), *, one_run_at_a_time: bool = True) -> None:  # noqa: B008
        self.forge = Forge()
        self.forge.one_run_at_a_time = one_run_at_a_time
        self.decisions = decisions
        self.operators = {who: Operator(self.forge, who, decisions) for who in ("alice", "erin")}
        self.promoting: dict[int, Promoting] = {}
        self.reviews: list[tuple[str, action.ReviewDeployment]] = []
        self.wrong: list[str] = []
        self.seen: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._checked = 0

    # --- operators

    def type(self, pick: Pick) -> None:
        """Somebody types a command."""
        self._type(self.operators[pick.one(("alice", "erin"))], pick)

    def _type(self, operator: Operator, pick: Pick) -> None:
        try:
            how, channel = pick.one(("publish", "publish", "prepare", "anew")), pick.one(("beta", "beta", "stable"))
            operator.type("publish" if how == "anew" else how, channel, replan=how == "anew")
        except MsError:
            self.seen["commands refused at once"] += 1

    def step(self, pick: Pick) -> None:
        """A command takes a step: it decides, or does one of the things that it has decided."""
        operator = self.operators[pick.one(("alice", "erin"))]
        if operator.operation is None:
            self._type(operator, pick)
        else:
            self._step(operator)

    def _step(self, operator: Operator) -> None:
        operation, before = operator.operation, len(self.forge.performed)
        assert operation is not None
        was_due = bool(operation.due)
        done = operator.step()
        if len(self.forge.performed) > before:
            self.seen["effects of operators"] += 1
        if not was_due and any(_begins(each) for each in operation.due):
            self._check_evidence(operation.last)
        if done is not None and operator.verb == "publish" and operator.goal is not None:
            self.seen["releases recorded"] += 1
            self._check_done(operator.goal, operation.last)

    def mend(self, pick: Pick) -> None:
        """An administrator puts back what was loosened, runs red checks again, and deletes what nobody knows."""
        self.forge.mend(pick.one(("settings", "checks", "releases")))

    def lose(self, pick: Pick) -> None:
        """The answer to the next write is lost, and its effect with it, or not."""
        self.operators[pick.one(("alice", "erin"))].writer.fault = pick.one(("not done", "done"))

    def lag(self, pick: Pick) -> None:
        """Somebody's next looks show what stands now."""
        operator = self.operators[pick.one(("alice", "erin"))]
        if operator.goal is not None and operator.operation is not None:
            with suppress(DamagedError):  # a plan that somebody has edited: nobody can look at it
                operator.reader.lag = [operator.reader.look_now(operator.goal)] * pick.one((1, 2))

    def die(self, pick: Pick) -> None:
        """Somebody's laptop is closed."""
        self.operators[pick.one(("alice", "erin"))].die()

    # --- the forge and its runners

    def work(self, pick: Pick) -> None:
        """New commits in a component."""
        repo = pick.one(("core", "loader"))
        name = f"{repo}-{len(self.forge.components[repo]) + 1}"
        self.forge.components[repo].append(name)
        number = self.forge.number()
        self.forge.checks[sha(name)] = (check(number), check(number, "scan", "scanner"))

    def build(self, pick: Pick) -> None:
        """A candidate's run ends."""
        running = [(id, n) for id, rs in self.forge.builds.items() for n, r in enumerate(rs) if r.status != "completed"]
        if running:
            self.forge.build(*pick.one(running), pick.one(("success", "success", "success", "failure")))

    def judge(self, pick: Pick) -> None:
        """The checks of a pull request conclude."""
        places = [n for n, pull in enumerate(self.forge.pulls) if pull.state == "OPEN"]
        if places:
            self.forge.judge_pull(pick.one(places), pick.one(("success", "success", "success", "failure")))

    def run(self, pick: Pick) -> None:
        """A publishing run goes on: its first job, the checks of its second, or one step of that."""
        live = [p for p in self.forge.runs if p.live and p.run.status != "waiting"]
        if not live:
            return
        publishing = pick.one(live)
        try:
            self._run(publishing)
        except MsError:
            self.promoting.pop(publishing.run.id, None)
            self.forge.end(publishing, "failure")

    def _run(self, publishing: Publishing) -> None:
        busy = any(p.live and p.run.status != "queued" for p in self.forge.runs)
        if publishing.run.status == "queued":
            if not (busy and self.forge.one_run_at_a_time):
                facts = assemble(self.forge, publishing, self.decisions)
                publishing.checked = all(self.forge.is_green(r.commits[0].sha, id) for id, r in facts.repos.items())
                publishing.run = replace(publishing.run, status="waiting")
            return
        job = self.promoting.get(publishing.run.id)
        if job is None:
            self.promoting[publishing.run.id] = Promoting(self.forge, publishing, self.decisions)
            return
        before = len(self.forge.performed)
        more = job.step()
        for _, what in self.forge.performed[before:]:
            self._check_effect(job, what)
        if not more:
            del self.promoting[publishing.run.id]
            self.forge.end(publishing, "success")

    def kill(self, pick: Pick) -> None:
        """A publishing run dies."""
        live = [p for p in self.forge.runs if p.live]
        if live:
            publishing = pick.one(live)
            self.promoting.pop(publishing.run.id, None)
            self.forge.end(publishing, pick.one(("failure", "cancelled")))

    # --- approvers

    def look_to_approve(self, pick: Pick) -> None:
        """Somebody types `approve`, and sees what would be approved."""
        tags = [path[len("release-plans/") : -5] for path in self.forge.main if path.startswith("release-plans/")]
        if tags:
            who = pick.one(("bob", "dana", "bob", "alice", "erin"))
            review = approve(self.forge, who, pick.one(tags[-2:]), self.decisions)
            if review is not None:
                self.reviews.append((who, review))

    def approve(self, pick: Pick) -> None:
        """What somebody has decided to approve is sent."""
        if self.reviews:
            self._try(*self.reviews.pop(pick.one(range(len(self.reviews)))))

    def review_by_hand(self, pick: Pick) -> None:
        """Somebody approves or rejects any waiting run on the web page, whatever it is."""
        waiting = [p.run.id for p in self.forge.runs if p.run.status == "waiting"]
        if waiting:
            state, who = pick.one((*["approved"] * 7, "rejected")), pick.one((*REVIEWERS, "mallory"))
            self._try(who, action.ReviewDeployment(HOME, pick.one(waiting), "", "release", state, ""))

    def _try(self, who: str, what: action.Action) -> None:
        try:
            self.forge.perform(who, what)
        except MsError:
            return

    # --- what must never have happened

    def _check_effect(self, job: Promoting, what: action.Action) -> None:
        """One effect of a publishing run: only the sealed bytes, and publication only of what was approved."""
        seal, expected = job.publishing.inputs["seal"], _expected(job.goal, job.sealed)
        if isinstance(what, action.UploadAsset) and what.sha256 != expected.get(what.name):
            self.wrong.append(f"{what.name} is uploaded with bytes of no sealed candidate")
        if not isinstance(what, action.PublishRelease):
            return
        self.seen["releases published"] += 1
        plan, facts = job.goal.plan, job.operation.last
        assert facts is not None
        found = self.forge.pull_of(plan.release_branch)
        merge = found[1].merge_commit if found else None
        if merge is None or plan_path(plan.tag) not in self.forge.commits[merge]:
            self.wrong.append("published without a merged plan")
            return
        file = parse_file(self.forge.commits[merge][plan_path(plan.tag)], "")
        if make_seal(file.digest, merge, job.sealed) != seal or file.digest != job.publishing.inputs["plan"]:
            self.wrong.append("published under another plan or seal than that of its commit and candidates")
        assert found is not None
        requesters = {file.created_by, found[1].author, found[1].merged_by, job.publishing.run.actor}
        approvers = {a.user for a in job.publishing.approvals if a.state == "approved"}
        if not approvers - requesters:
            self.wrong.append("published without the approval of somebody who did not request it")
        digest = job.publishing.inputs["plan"]
        if any(a.state == "rejected" for p in self.forge.runs if p.inputs["plan"] == digest for a in p.approvals):
            self.wrong.append("published although it was rejected")
        if not job.publishing.checked:
            self.wrong.append("published although a pin was not green when it was checked last")
        if facts.home.tags.get(plan.tag) != merge:
            self.wrong.append("published under a tag that is elsewhere")
        draft = next(r for r in facts.home.releases if r.id == what.release_id)
        if {a.name: a.digest for a in draft.assets} != {name: f"sha256:{digest}" for name, digest in expected.items()}:
            self.wrong.append("published although the draft was not exactly what was sealed")

    def _check_evidence(self, facts: Observation | None) -> None:
        assert facts is not None
        home = facts.home
        if {r.tag for r in home.releases if not r.draft} & set(home.plans) - set(home.ledger):
            self.wrong.append("a release is begun while the evidence of another is not merged")

    def _check_done(self, goal: Train, facts: Observation | None) -> None:
        """Whoever is told that it is published, compared and recorded must have been shown exactly that."""
        assert facts is not None
        released = next(r for r in facts.home.releases if r.tag == goal.plan.tag and not r.draft)
        sealed = {id: ready.digest for id, ready in facts.ready.items() if ready}
        wanted = {name: f"sha256:{digest}" for name, digest in _expected(goal, sealed).items()}
        if {a.name: a.digest for a in released.assets} != wanted:
            self.wrong.append("called recorded although other bytes are published")

    def check(self) -> None:
        """What holds between any two moves."""
        for id in [id for id, job in self.promoting.items() if not job.publishing.live]:
            del self.promoting[id]
        if len(self.promoting) > 1:
            self.wrong.append("two runs publish at a time")
        for _, what in self.forge.performed[self._checked :]:
            # one that an administrator has deleted may be published anew, after another approval
            key = f"{what.key} #{what.release_id}" if isinstance(what, action.PublishRelease) else what.key
            self._counts[key] += 1
            if self._counts[key] > 1 and key.startswith(ONCE):
                self.wrong.append(f"done twice: {key}")
        self._checked = len(self.forge.performed)


def _begins(each: action.Action) -> bool:
    return isinstance(each, action.CreateBranch) and each.branch.startswith("release/")


def _expected(goal: Train, sealed: dict[str, str]) -> dict[str, str]:
    """Digest by name of everything that a release of these candidates consists of."""
    files = lay_out(goal, tuple(sorted(sealed.items()))).files
    files = {**files, "manifest.json.sig": b"signature of " + files["manifest.json"]}
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def wander(story: Story, seed: int, moves: int, attacks: Sequence[Move] = (), rate: float = 0) -> int:
    """Make moves until something is wrong; that many were made. The same seed, the same moves."""
    chance, honest = random.Random(seed), list(all_honest())
    for number in range(moves):
        attack = bool(attacks) and chance.random() < rate
        chance.choice(attacks if attack else honest)(story, Pick(chance.getrandbits(60)))
        story.check()
        if story.wrong:
            return number + 1
    return moves


Move = Callable[[Story, Pick], None]
# How often each honest move is made in a stretch of a story: the more of the first, the further it comes.
HONEST: dict[Move, int] = {
    Story.step: 60, Story.run: 50, Story.type: 2, Story.judge: 12, Story.build: 8, Story.look_to_approve: 12,
    Story.approve: 10, Story.review_by_hand: 2, Story.work: 1, Story.mend: 3,
    Story.lose: 1, Story.lag: 2, Story.die: 1, Story.kill: 1,
}  # fmt: skip


def all_honest() -> Iterator[Move]:
    """Each honest move as often as it is made."""
    for move, often in HONEST.items():
        yield from [move] * often
