"""The facts of one look at the forge. A fact that was not read is None, and a gate that needs it says UNKNOWN."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ms_release.core.candidate import Candidate

PullState = Literal["OPEN", "CLOSED", "MERGED"]


class Check(Struct, frozen=True):
    """A check run in its latest attempt; `event` is None for apps that are not GitHub Actions."""

    name: str
    app: str
    status: str
    conclusion: str | None
    check_run_id: int
    run_id: int | None = None
    event: str | None = None
    branch: str | None = None


class Commit(Struct, frozen=True):
    """A commit of a component; `checks` is None where they were not asked for or could not be read.

    `attempts` are all that the forge keeps of its checks, beside the latest ones: read of the tip of a branch only.
    """

    sha: str
    subject: str
    body: str = ""
    author: str = ""
    checks: tuple[Check, ...] | None = None
    attempts: tuple[Check, ...] | None = None


class Asset(Struct, frozen=True):
    """A release asset. `node` is the forge's opaque id: other bytes always have another one.

    `uploader` is the login of whoever put it there, "" where that was not told.
    """

    node: str
    name: str
    size: int
    digest: str | None = None
    id: int | None = None
    uploader: str = ""


class Release(Struct, frozen=True):
    """A release or draft, by its numeric id (tags do not identify drafts: github-facts G31, G32).

    `author` is the login of whoever made it, "" where that was not told.
    """

    id: int
    tag: str
    draft: bool
    prerelease: bool
    assets: tuple[Asset, ...] = ()
    body: str = ""
    published_at: str | None = None
    author: str = ""


class Ready(Struct, frozen=True):
    """A candidate that was found: its release, the SHA-256 of its `candidate.json`, its content, its problems."""

    release: Release
    digest: str
    candidate: Candidate | None
    problems: tuple[str, ...] = ()


class CandidateQuestion(Struct, frozen=True):
    """Which candidate is looked for: its tag, the commit it must be built from, and who may see it.

    `inputs`: the commits of other repositories (`owner/name`) that it must be built from besides. `key`: the public key
    (base64) that must have signed it, "" = none.
    """

    tag: str
    sha: str
    visibility: str
    inputs: dict[str, str] = {}
    key: str = ""


class Run(Struct, frozen=True):
    """A workflow run; the status `waiting` means that it stands still until its environment is approved."""

    id: int
    title: str
    status: str
    conclusion: str | None
    event: str
    head_sha: str
    attempt: int
    actor: str
    triggering_actor: str
    url: str = ""
    created_at: str = ""


class Approval(Struct, frozen=True):
    """One review of a waiting deployment, from the approvals log of `run` (0 = of the run that was asked about)."""

    user: str
    state: str
    comment: str
    environment: str
    run: int = 0

    def of(self, run_id: int) -> bool:
        """Whether it is a review of this run."""
        return self.run in (0, run_id)


class Pull(Struct, frozen=True):
    """A pull request; `paths` are the files it changes, `checks` those of its head."""

    number: int
    url: str
    state: PullState
    author: str
    head_sha: str
    paths: tuple[str, ...]
    merge_commit: str | None = None
    merged_by: str | None = None
    checks: tuple[Check, ...] | None = None


class ChangeFacts(Struct, frozen=True):
    """How far one set of files has come on its way through a pull request; blob ids by path, None = absent.

    `name` is the branch on its way, `branch` the commit it is at;
    `behind` = the base branch holds commits that the head does not.
    """

    name: str
    branch: str | None
    on_branch: dict[str, str | None]
    on_base: dict[str, str | None]
    pull: Pull | None
    behind: bool = False


class Environment(Struct, frozen=True):
    """A protected environment; None in a field = the forge did not say (github-facts G26)."""

    name: str
    reviewers: tuple[str, ...]
    prevent_self_review: bool | None
    can_admins_bypass: bool | None
    branches: tuple[str, ...] | None


class Rules(Struct, frozen=True):
    """What protects a branch, classic protection and rulesets together; `strict` is None where it is not shown."""

    pull_request: bool
    strict: bool | None
    checks: tuple[str, ...]
    blocks_force_push: bool
    blocks_deletion: bool
    complete: bool = True
    """False when there may be classic protection that this reader is not shown."""


class RepoFacts(Struct, frozen=True):
    """A component repository: its branch, the newest commits (newest first) and its candidates."""

    id: str
    slug: str
    branch: str
    head: str | None
    commits: tuple[Commit, ...]
    more_commits: bool
    releases: tuple[Release, ...] | None
    more_releases: bool = False
    others: dict[str, Commit] = {}
    reachable: dict[str, bool | None] = {}

    def commit(self, sha: str) -> Commit | None:
        """What is known of a commit, from the history or from a look at exactly this one."""
        return next((c for c in self.commits if c.sha == sha), None) or self.others.get(sha)

    def contains(self, sha: str) -> bool | None:
        """Whether the branch holds the commit; None when that was not read."""
        if any(c.sha == sha for c in self.commits):
            return True
        return self.reachable.get(sha)


class Home(Struct, frozen=True):
    """The home repository: where plans, specs, notes and the ledger live.

    `branches` are the release branches, `held` the tags of those that hold a plan. `abandoned` are the tags that are
    marked so on the home branch, `abandoning` those whose mark is on its way.
    """

    slug: str
    branch: str
    head: str
    config_blob: str | None
    audit: bytes | None
    plans: tuple[str, ...]
    specs: tuple[str, ...]
    ledger: tuple[str, ...]
    branches: tuple[str, ...]
    tags: dict[str, str]
    releases: tuple[Release, ...]
    texts: dict[str, str] = {}
    held: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()
    abandoning: tuple[str, ...] = ()
    rules: Rules | None = None
    environment: Environment | None = None

    def given_up(self, tag: str) -> str:
        """ "abandoned", "being abandoned", or "" for a tag that nobody has cancelled."""
        if tag in self.abandoned:
            return "abandoned"
        return "being abandoned" if tag in self.abandoning else ""


class Observation(Struct, frozen=True):
    """Facts of one look, at the forge's time `now`.

    `recipes`: (path, SHA-256) of the files that say how a repository's candidate is built, where they were asked for.
    From `release_change` on they concern the plan that was asked about. `published` holds small published files by
    name, `signature_valid` says whether the manifest's signature verifies against the pinned key. `seen_alive` are the
    runs that this very command has started or seen unfinished, `dispatched` the names of those whose number the forge
    did not tell.
    """

    now: str
    viewer: str
    home: Home
    repos: dict[str, RepoFacts]
    ready: dict[str, Ready | None] = {}
    recipes: dict[str, tuple[tuple[str, str], ...]] = {}
    protection_read: bool = False
    candidate_runs: dict[str, tuple[Run, ...]] | None = None
    release_change: ChangeFacts | None = None
    evidence_change: ChangeFacts | None = None
    mark_change: ChangeFacts | None = None
    audit_change: ChangeFacts | None = None
    runs: tuple[Run, ...] | None = None
    approvals: tuple[Approval, ...] | None = None
    published: dict[str, bytes] | None = None
    signature_valid: bool | None = None
    seen_alive: frozenset[int] = frozenset()
    dispatched: frozenset[str] = frozenset()

    def with_home(self, **changes: object) -> Observation:
        """The same look with other facts about the home repository."""
        return replace(self, home=replace(self.home, **changes))
