"""Effects as values. A verb decides a list of these; a dry run prints it, `operate` performs it, tests compare both.

Every action has a deterministic `key` (the same for the predicted and the performed effect), and fields that say what
it expects to find (a head commit, an absent tag). Numbers that the forge gives are never part of a key.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ms_release.core.model import File, Finding
from ms_release.core.observation import Check, Run


class DispatchWorkflow(Struct, frozen=True):
    """Start a workflow on a branch; `title` is the run name it will have, by which it is found again."""

    repo: str
    workflow: str
    ref: str
    inputs: dict[str, str]
    title: str

    @property
    def key(self) -> str:
        return f"dispatch {self.repo} {self.workflow} {self.inputs.get('tag', '')}"


class CreateBranch(Struct, frozen=True):
    """Create a branch at a commit; the forge refuses when it exists, so one of two operators wins."""

    repo: str
    branch: str
    sha: str

    @property
    def key(self) -> str:
        return f"create-branch {self.repo} {self.branch}"


class CommitFiles(Struct, frozen=True):
    """Commit files on a branch that still is at `expected_head` (compare and swap)."""

    repo: str
    branch: str
    expected_head: str
    message: str
    files: tuple[File, ...]

    @property
    def key(self) -> str:
        return f"commit {self.repo} {self.branch}"


class OpenPullRequest(Struct, frozen=True):
    """Open the pull request of a branch."""

    repo: str
    head: str
    base: str
    title: str
    body: str

    @property
    def key(self) -> str:
        return f"open-pull {self.repo} {self.head}"


class UpdatePullRequest(Struct, frozen=True):
    """Bring the base branch into a pull request's head that still is at `expected_head`."""

    repo: str
    head: str
    number: int
    expected_head: str

    @property
    def key(self) -> str:
        return f"update-pull {self.repo} {self.head}"


class MergePullRequest(Struct, frozen=True):
    """Merge a pull request whose head still is `expected_head` (github-facts G11)."""

    repo: str
    head: str
    number: int
    expected_head: str
    title: str

    @property
    def key(self) -> str:
        return f"merge-pull {self.repo} {self.head}"


class ClosePullRequest(Struct, frozen=True):
    """Close a pull request without merging it."""

    repo: str
    head: str
    number: int

    @property
    def key(self) -> str:
        return f"close-pull {self.repo} {self.head}"


class CancelRun(Struct, frozen=True):
    """End a workflow run that has not ended; one that has is left as it is."""

    repo: str
    run_id: int
    tag: str

    @property
    def key(self) -> str:
        return f"cancel-run {self.repo} {self.tag}"


class CreateTag(Struct, frozen=True):
    """Create a tag at a commit; the forge refuses when it exists."""

    repo: str
    tag: str
    sha: str

    @property
    def key(self) -> str:
        return f"create-tag {self.repo} {self.tag}"


class CreateDraft(Struct, frozen=True):
    """Create a draft release; `body` carries the marker by which it is found again."""

    repo: str
    tag: str
    target: str
    title: str
    body: str
    prerelease: bool

    @property
    def key(self) -> str:
        return f"create-draft {self.repo} {self.tag}"


class UploadAsset(Struct, frozen=True):
    """Upload one file to a draft; `release_id` 0 = the draft that this same command has just created."""

    repo: str
    tag: str
    release_id: int
    name: str
    size: int
    sha256: str

    @property
    def key(self) -> str:
        return f"upload {self.repo} {self.tag} {self.name}"


class DeleteAsset(Struct, frozen=True):
    """Delete an incomplete asset of our own draft (github-facts G35)."""

    repo: str
    tag: str
    asset_id: int
    name: str

    @property
    def key(self) -> str:
        return f"delete-asset {self.repo} {self.tag} {self.name}"


class PublishRelease(Struct, frozen=True):
    """Make a complete draft public: the last step, and the only one that users see."""

    repo: str
    tag: str
    release_id: int
    prerelease: bool

    @property
    def key(self) -> str:
        return f"publish {self.repo} {self.tag}"


class EditRelease(Struct, frozen=True):
    """Give a published release another body, where it still has the one whose UTF-8 has the SHA-256 `expected_body`.

    Nothing else of it is said, so that it stays as it is: prerelease, latest, draft (github-facts G38).
    """

    repo: str
    tag: str
    release_id: int
    expected_body: str
    body: str

    @property
    def key(self) -> str:
        return f"edit-release {self.repo} {self.tag}"


class DeleteRelease(Struct, frozen=True):
    """Delete a candidate release that nothing names, by its id; its tag stays."""

    repo: str
    tag: str
    release_id: int

    @property
    def key(self) -> str:
        return f"delete-release {self.repo} {self.tag}"


class DeleteTag(Struct, frozen=True):
    """Delete the tag of a candidate whose release is gone."""

    repo: str
    tag: str

    @property
    def key(self) -> str:
        return f"delete-tag {self.repo} {self.tag}"


class ReviewDeployment(Struct, frozen=True):
    """Approve or reject the deployment that a run waits for."""

    repo: str
    run_id: int
    tag: str
    environment: str
    state: Literal["approved", "rejected"]
    comment: str

    @property
    def key(self) -> str:
        return f"review {self.repo} {self.tag} {self.environment}"


class OpenIssue(Struct, frozen=True):
    """Open the issue of one escalated finding; `marker` is the hidden line by which it is found again (SPEC 8)."""

    repo: str
    marker: str
    title: str
    body: str

    @property
    def key(self) -> str:
        return f"open-issue {self.repo} {self.title}"


Action = (
    DispatchWorkflow
    | CreateBranch
    | CommitFiles
    | OpenPullRequest
    | UpdatePullRequest
    | MergePullRequest
    | ClosePullRequest
    | CancelRun
    | CreateTag
    | CreateDraft
    | UploadAsset
    | DeleteAsset
    | PublishRelease
    | EditRelease
    | DeleteRelease
    | DeleteTag
    | ReviewDeployment
    | OpenIssue
)


class Watch(Struct, frozen=True):
    """One resource whose change ends a wait: a workflow run, or the checks of a commit.

    A run ends it by reaching one of the statuses `until`; checks by concluding otherwise than `concluded`, the
    (id, conclusion) of those that had ended when the decision to wait was made.
    """

    kind: Literal["run", "checks"]
    repo: str
    id: str
    until: tuple[str, ...] = ()
    concluded: tuple[tuple[int, str | None], ...] = ()


def watch_run(repo: str, run: Run, until: tuple[str, ...] = ("completed",)) -> Watch:
    """Watch a workflow run."""
    return Watch("run", repo, str(run.id), until)


def watch_checks(repo: str, sha: str, checks: tuple[Check, ...]) -> Watch:
    """Watch the check runs of a commit."""
    ended = sorted((c.check_run_id, c.conclusion) for c in checks if c.status == "completed")
    return Watch("checks", repo, sha, concluded=tuple(ended))


class Act(Struct, frozen=True):
    """These effects are due now."""

    actions: tuple[Action, ...]


class Wait(Struct, frozen=True):
    """Nothing to do until `who` acts. `awaited` names what a dry run may assume to have come well.

    `findings`: what `who` should hear of (SPEC 8). `next_command`: what to type where that is not the same again.
    """

    awaited: Literal["candidates", "checks", "approval", "run", "record"]
    reason: str
    who: str
    watch: tuple[Watch, ...] = ()
    findings: tuple[Finding, ...] = ()
    next_command: str = ""


class Blocked(Struct, frozen=True):
    """The release may not go on. `stale` = a fact of the plan has moved."""

    cause: str
    remedy: str
    next_command: str = ""
    findings: tuple[Finding, ...] = ()
    stale: bool = False


class Done(Struct, frozen=True):
    """The verb's goal stands on the forge; `release_commit` where one exists."""

    message: str
    release_commit: str = ""


class Ask(Struct, frozen=True):
    """A fact is needed that this look did not include."""

    what: Literal["protection", "runs", "candidate runs", "published"]


Next = Act | Wait | Blocked | Done | Ask
