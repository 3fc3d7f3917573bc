"""What an organisation has, as far as a token shows it: the facts that a configuration is proposed from."""

from __future__ import annotations

from msgspec import Struct

from ms_release.config import Config
from ms_release.core.candidate import Candidate
from ms_release.core.observation import Commit, Environment, Release
from ms_release.core.spec import Spec


class Job(Struct, frozen=True):
    """A job of a workflow file. `name` is what its check is called; None where only a run can tell (an expression)."""

    name: str | None
    environment: str = ""


class Workflow(Struct, frozen=True):
    """A workflow file as far as it matters here; `visibility` is what its `candidate build` says, "" = nothing."""

    file: str
    events: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    push_tags: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    builds_candidate: bool = False
    visibility: str = ""

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments that its jobs name, each once."""
        return tuple(dict.fromkeys(job.environment for job in self.jobs if job.environment))

    @property
    def dispatched(self) -> bool:
        """Whether it can be started by name."""
        return "workflow_dispatch" in self.events


class RepoSeen(Struct, frozen=True):
    """One repository. None in a field = not readable with this token; `branch` None = it has no commit yet.

    `required` are the checks that the protection of the default branch names, `specs` the tags with a release spec.
    """

    slug: str
    private: bool = False
    branch: str | None = None
    head: str = ""
    commits: tuple[Commit, ...] | None = ()
    required: tuple[str, ...] | None = None
    root: tuple[str, ...] | None = ()
    workflows: tuple[Workflow, ...] | None = ()
    broken_workflows: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()

    @property
    def name(self) -> str:
        """The name without the owner."""
        return self.slug.partition("/")[2]


class LeftOut(Struct, frozen=True):
    """A repository that is not proposed, and why."""

    slug: str
    why: str


class OrganisationSeen(Struct, frozen=True):
    """The repositories of one organisation, and what could not be read of them."""

    login: str
    repos: tuple[RepoSeen, ...]
    left_out: tuple[LeftOut, ...] = ()
    unread: tuple[str, ...] = ()

    def repo(self, slug: str) -> RepoSeen | None:
        """The repository of that `owner/name`; names compare without case, as on the forge."""
        return next((r for r in self.repos if r.slug.casefold() == slug.casefold()), None)


class Papers(Struct, frozen=True):
    """What the home repository already says: its configuration, and the newest specs first."""

    config: Config | None = None
    specs: tuple[Spec, ...] = ()
    unread: tuple[str, ...] = ()


class Details(Struct, frozen=True):
    """What only the chosen repositories were asked: by slug environments and the newest candidate; the team names."""

    environments: dict[str, tuple[Environment, ...] | None] = {}
    candidates: dict[str, Candidate] = {}
    teams: tuple[str, ...] | None = None
    unread: tuple[str, ...] = ()
