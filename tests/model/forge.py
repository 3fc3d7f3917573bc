"""A forge in memory that many people use at once: what stands on it, what it shows, and what it refuses.

It decides nothing of a release: it takes effects as `ports.Writer` does, and shows facts through `model.sight`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

from msgspec.structs import replace

from core.world import CONFIG, ENVIRONMENT, GREEN, HOME_FACTS, RULES, check, sha, sha256
from ms_release.core import action
from ms_release.core.action import Action
from ms_release.core.candidate import Artifact, Candidate, Inputs
from ms_release.core.foretell import Outcome
from ms_release.core.model import File
from ms_release.core.observation import Approval, Asset, Check, Pull, Ready, Release, Run
from ms_release.errors import CredentialError, ForgeError, StalePlanError, WaitingError

HOME = "studio/distribution"
# The forge's own reviewers hold operators too: its rule, which looks at the dispatcher only, is not enough.
REVIEWERS = ("bob", "dana", "alice", "erin")
PARTS = {"core": "firmware.hex", "loader": "loader"}
Files = dict[str, bytes]


@lru_cache(4096)
def blob(data: bytes) -> str:
    """The id that git gives these bytes."""
    return File("", data).blob


@lru_cache(1024)
def candidate_of(repo: str, digest: str) -> Candidate:
    """What the `candidate.json` of this digest says: its bytes are named after it."""
    name = PARTS[repo]
    made = Artifact(name, name, "firmware", None, None, 100, sha256(f"{name} of {digest}"))
    return Candidate(CONFIG.repo(repo).slug, repo, "x.yml", 1, 1, "", "", "", Inputs(()), (made,))


@dataclass
class Branch:
    """A branch of the home repository, with the files it changes."""

    head: str
    changes: Files = field(default_factory=dict)
    behind: bool = False


@dataclass
class Dist:
    """What a run has laid out: the sealed candidates' digests, what is inside its files, and their bytes."""

    sealed: dict[str, str]
    contents: dict[str, dict[str, str]]
    files: Files


@dataclass
class Publishing:
    """A run of the publishing workflow. `checked`: whether its first job saw green pins; only the test reads it."""

    run: Run
    inputs: dict[str, str]
    approvals: list[Approval] = field(default_factory=list)
    dist: Dist | None = None
    checked: bool = False

    @property
    def live(self) -> bool:
        return self.run.status != "completed"


class Forge:
    """The state, and the effects on it. `performed` is the log: who, what, in order."""

    def __init__(self) -> None:
        self.components = {"core": ["core-1"], "loader": ["loader-1"]}  # oldest first
        self.checks: dict[str, tuple[Check, ...]] = {sha("core-1"): GREEN, sha("loader-1"): GREEN}
        self.ready: dict[str, dict[str, Ready]] = {"core": {}, "loader": {}}
        self.builds: dict[str, list[Run]] = {"core": [], "loader": []}
        self.config = HOME_FACTS.config_blob
        self.rules, self.environment = RULES, ENVIRONMENT
        self.commits: dict[str, Files] = {HOME_FACTS.head: {}}
        self.order = [HOME_FACTS.head]
        self.added: dict[str, str] = {}
        self.branches: dict[str, Branch] = {}
        self.pulls: list[Pull] = []
        self.tags: dict[str, str] = {}
        self.releases: list[Release] = []
        self.runs: list[Publishing] = []
        self.bytes: Files = {}
        self.one_run_at_a_time = True
        self.performed: list[tuple[str, Action]] = []
        self._ids = count(1000)

    # --- what everybody sees

    @property
    def head(self) -> str:
        return self.order[-1]

    @property
    def main(self) -> Files:
        return self.commits[self.head]

    def number(self) -> int:
        return next(self._ids)

    def pull_of(self, branch: str) -> tuple[int, Pull] | None:
        """The newest pull request of a branch, by its place."""
        return next(((n, p) for n, p in reversed(list(enumerate(self.pulls))) if p.url == branch), None)

    def release(self, id: int) -> Release | None:
        return next((r for r in self.releases if r.id == id), None)

    def publishing(self, id: int) -> Publishing | None:
        return next((p for p in self.runs if p.run.id == id), None)

    def is_green(self, commit: str, repo: str) -> bool:
        """Whether a commit is green, counted in another way than the program does."""
        names = {(rule.name, rule.app) for rule in CONFIG.repo(repo).checks}
        last = {(c.name, c.app): c.conclusion for c in sorted(self.checks[commit], key=lambda c: c.check_run_id)}
        return all(last.get(name) == "success" for name in names)

    # --- effects

    def perform(self, who: str, what: Action, dist: Dist | None = None) -> Outcome:
        """Carry out one action as somebody; raises what `GitHubWriter` raises when the forge refuses."""
        match what:
            case action.CreateTag():
                vain = self.tags.get(what.tag) == what.sha
            case action.CancelRun():
                vain = (found := self.publishing(what.run_id)) is None or not found.live
            case _:
                vain = False
        outcome = self._perform(who, what, dist)
        if not vain:
            self.performed.append((who, what))
        return outcome

    def _perform(self, who: str, what: Action, dist: Dist | None) -> Outcome:
        match what:
            case action.DispatchWorkflow():
                return self._dispatch(who, what)
            case action.CreateBranch():
                if what.branch in self.branches:
                    raise StalePlanError(f"{what.branch} exists")
                self.branches[what.branch] = Branch(what.sha, behind=what.sha != self.head)
                return Outcome(sha=what.sha)
            case action.CommitFiles():
                branch = self.branches.get(what.branch)
                if branch is None or branch.head != what.expected_head:
                    raise StalePlanError(f"{what.branch} is not at {what.expected_head[:7]}")
                return Outcome(sha=self.push(what.branch, {f.path: f.data for f in what.files}))
            case action.OpenPullRequest():
                return self._open(who, what)
            case action.UpdatePullRequest() | action.MergePullRequest() | action.ClosePullRequest():
                return self._pull(who, what)
            case action.CreateTag():
                if self.tags.setdefault(what.tag, what.sha) != what.sha:
                    raise StalePlanError(f"{what.tag} exists")
                return Outcome(sha=what.sha)
            case action.ReviewDeployment():
                self.review(who, what.run_id, what.state)
                return Outcome(what.run_id)
            case action.CancelRun():
                if (publishing := self.publishing(what.run_id)) is not None and publishing.live:
                    self.end(publishing, "cancelled")
                return Outcome()
            case action.CreateDraft():
                made = Release(self.number(), what.tag, True, what.prerelease, (), what.body)
                self.releases.append(made)
                return Outcome(made.id)
            case action.UploadAsset() | action.DeleteAsset() | action.PublishRelease():
                return self._release(what, dist)
            case _:
                raise AssertionError(f"nobody does {what}")

    def push(self, name: str, changes: Files) -> str:
        """New files on a branch, by whomever; its pull request shows the new head, without checks."""
        branch = self.branches[name]
        branch.head = sha(f"{name} {self.number()}")
        branch.changes = {**branch.changes, **changes}
        self._show(name, branch)
        return branch.head

    def _show(self, name: str, branch: Branch) -> None:
        if (found := self.pull_of(name)) and found[1].state == "OPEN":
            changed = replace(found[1], head_sha=branch.head, paths=tuple(branch.changes), checks=())
            self.pulls[found[0]] = changed

    def _dispatch(self, who: str, what: action.DispatchWorkflow) -> Outcome:
        """A new run; the forge names it after its inputs. The group keeps one that goes on and one that waits."""
        id = self.number()
        if what.repo != HOME:
            repo = what.repo.partition("/")[2]
            title = f"Candidate {what.inputs['tag']}"
            run = Run(id, title, "queued", None, "workflow_dispatch", what.inputs["sha"], 1, who, who, f"runs/{id}")
            self.builds[repo].append(run)
            return Outcome(id, url=run.url)
        title = f"Publish {what.inputs['tag']} · plan {what.inputs['plan']} · seal {what.inputs['seal']}"
        run = Run(id, title, "queued", None, "workflow_dispatch", self.head, 1, who, who, f"runs/{id}")
        if self.one_run_at_a_time:
            for other in self.runs:
                if other.run.status == "queued":
                    self.end(other, "cancelled")
        self.runs.append(Publishing(run, dict(what.inputs)))
        return Outcome(id, url=run.url)

    def end(self, publishing: Publishing, conclusion: str) -> None:
        """A run has ended."""
        publishing.run = replace(publishing.run, status="completed", conclusion=conclusion)

    def _open(self, who: str, what: action.OpenPullRequest) -> Outcome:
        branch, found = self.branches.get(what.head), self.pull_of(what.head)
        if branch is None or (found and found[1].state == "OPEN"):
            raise StalePlanError(f"{what.head} cannot be opened")
        id = self.number()
        # the url of a pull request says here whose it is
        self.pulls.append(Pull(id, what.head, "OPEN", who, branch.head, tuple(branch.changes), checks=()))
        return Outcome(id, branch.head, what.head)

    def _pull(
        self, who: str, what: action.UpdatePullRequest | action.MergePullRequest | action.ClosePullRequest
    ) -> Outcome:
        found = self.pull_of(what.head)
        if found is None or found[1].number != what.number or found[1].state != "OPEN":
            raise StalePlanError(f"#{what.number} is not open")
        place, pull = found
        if isinstance(what, action.ClosePullRequest):
            self.pulls[place] = replace(pull, state="CLOSED")
            return Outcome(what.number)
        branch = self.branches[what.head]
        if branch.head != what.expected_head:
            raise StalePlanError(f"the head of #{what.number} changed")
        if isinstance(what, action.UpdatePullRequest):
            branch.head = sha(f"update {self.number()}")
            branch.behind = False
            self._show(what.head, branch)
            return Outcome()
        last = max(pull.checks or (), key=lambda c: c.check_run_id, default=None)
        if branch.behind or last is None or last.conclusion != "success":
            raise WaitingError(f"#{what.number} cannot be merged yet")
        commit = self.commit(branch.changes)
        self.pulls[place] = replace(pull, state="MERGED", merge_commit=commit, merged_by=who)
        return Outcome(what.number, commit)

    def commit(self, changes: Files) -> str:
        """A new commit of the home branch."""
        made, before = sha(f"main {self.number()}"), self.main
        self.commits[made] = {**before, **changes}
        self.order.append(made)
        self.added.update({path: made for path in changes if path not in before})
        for branch in self.branches.values():
            branch.behind = True
        return made

    def review(self, who: str, run_id: int, state: str) -> None:
        """Approve or reject a waiting run. The forge lets every reviewer but, if so set, its dispatcher."""
        publishing = self.publishing(run_id)
        if publishing is None or publishing.run.status != "waiting":
            raise WaitingError(f"run {run_id} does not wait")
        own = self.environment.prevent_self_review and who == publishing.run.actor
        if who not in REVIEWERS or own:
            raise CredentialError(f"@{who} may not review run {run_id}")
        publishing.approvals.append(Approval(who, state, "", "release", run_id))
        if state == "approved":
            publishing.run = replace(publishing.run, status="in_progress")
        else:
            self.end(publishing, "failure")

    def _release(
        self, what: action.UploadAsset | action.DeleteAsset | action.PublishRelease, dist: Dist | None
    ) -> Outcome:
        release = self.release(what.release_id) if not isinstance(what, action.DeleteAsset) else None
        match what:
            case action.UploadAsset():
                if release is None or any(a.name == what.name for a in release.assets):
                    raise ForgeError(f"{what.name} cannot be uploaded")
                assert dist is not None
                return Outcome(self.add_asset(release, what.name, dist.files[what.name]))
            case action.DeleteAsset():
                for each in self.releases:
                    if any(a.id == what.asset_id for a in each.assets):
                        self.change_release(each, assets=tuple(a for a in each.assets if a.id != what.asset_id))
                        return Outcome()
                raise ForgeError(f"asset {what.asset_id} is gone")
            case action.PublishRelease():
                if release is None:
                    raise ForgeError(f"release {what.release_id} is gone")
                self.change_release(release, draft=False)
                return Outcome(what.release_id)

    def add_asset(self, release: Release, name: str, data: bytes) -> int:
        """One more file of a release, by whomever."""
        id, digest = self.number(), f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.bytes[digest] = data
        made = Asset(f"node-{id}", name, len(data), digest, id)
        self.change_release(release, assets=(*(a for a in release.assets if a.name != name), made))
        return id

    def change_release(self, release: Release, **changes: object) -> None:
        """Another state of a release, by whomever."""
        self.releases[self.releases.index(release)] = replace(release, **changes)

    # --- what happens by itself

    def build(self, repo: str, place: int, conclusion: str) -> None:
        """A candidate's run ends; a good one leaves its candidate."""
        run = self.builds[repo][place]
        self.builds[repo][place] = replace(run, status="completed", conclusion=conclusion)
        if conclusion == "success":
            self.make_candidate(repo, run.head_sha)

    def make_candidate(self, repo: str, commit: str) -> None:
        """A candidate of a commit, with bytes of its own, in the place of one that is there."""
        id = self.number()
        release = Release(id, f"rc-{commit}", False, True)
        self.ready[repo][commit] = Ready(release, sha256(f"candidate {id}"), None)

    def judge_pull(self, place: int, conclusion: str) -> None:
        """The checks of a pull request conclude, once more where they had."""
        made = check(self.number(), "validate", event="pull_request", conclusion=conclusion)
        self.pulls[place] = replace(self.pulls[place], checks=(made,))

    def mend(self, what: str) -> None:
        """Put back what attackers changed, as far as that can be put back."""
        if what == "settings":
            self.rules, self.environment, self.config = RULES, ENVIRONMENT, HOME_FACTS.config_blob
        elif what == "checks":
            for commit, checks in self.checks.items():
                if any(c.conclusion != "success" for c in checks):
                    id = self.number()
                    self.checks[commit] = (check(id), check(id, "scan", "scanner"))
        else:
            known = [what.body for _, what in self.performed if isinstance(what, action.CreateDraft)]
            self.releases = [r for r in self.releases if r.body in known]
