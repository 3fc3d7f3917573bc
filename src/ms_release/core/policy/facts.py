"""What a repository's settings are, as far as this token may read them: layers of protection, environments, switches.

A fact that was not read is None; `lacks` names the permission that reading it needs.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["classic", "repository", "organisation"]
Aspect = Literal["checks", "strict", "pull request", "approvals", "conversations", "force push", "deletion", "push"]

ADMINISTRATION = "administration: read"
ORGANISATION = "organization_administration: read"
ACTIONS = "actions: read"


class Actor(Struct, frozen=True, order=True):
    """Somebody whom a layer lets past it. `kind` is team, app, user, or a word for a whole group of people."""

    kind: str
    name: str = ""
    pull_only: bool = False

    @property
    def text(self) -> str:
        """For people: `team maintainers`, `organisation owners (pull requests only)`."""
        limit = " (pull requests only)" if self.pull_only else ""
        return f"{self.kind} {self.name}".strip() + limit


class RequiredCheck(Struct, frozen=True, order=True):
    """A check that must have succeeded; `app` "" = whoever says so (github-facts G18)."""

    name: str
    app: str = ""


class Layer(Struct, frozen=True):
    """One protection that binds a branch: classic protection, or a ruleset with the rules it has for this branch.

    Layers add up (github-facts G40). `bypass` None = not ours to read. `pushers` None = does not limit who pushes;
    `only_update` = a ruleset that does nothing else. `admins` = administrators are included (classic; rulesets let
    nobody past but their `bypass`). `force_bypass`: who may force in spite of `no_force_push` (classic).
    """

    kind: Kind
    name: str = ""
    id: int = 0
    owner: str = ""
    checks: tuple[RequiredCheck, ...] = ()
    strict: bool = False
    pull_request: bool = False
    approvals: int = 0
    conversations: bool = False
    no_force_push: bool = False
    no_deletion: bool = False
    pushers: tuple[Actor, ...] | None = None
    only_update: bool = False
    admins: bool = True
    bypass: tuple[Actor, ...] | None = ()
    force_bypass: tuple[Actor, ...] = ()

    @property
    def source(self) -> str:
        """Where it stands, for people."""
        if self.kind == "classic":
            return "classic protection"
        return f"{'ruleset' if self.kind == 'repository' else 'organisation ruleset'} “{self.name}” ({self.id})"

    def passes(self, aspect: Aspect) -> tuple[Actor, ...] | None:
        """Who may go past this layer in one respect, administrators apart; None = not readable."""
        if self.kind != "classic":
            return self.bypass
        if aspect == "force push":
            return self.force_bypass
        return self.bypass if aspect in ("pull request", "approvals", "conversations") else ()

    def exempts_admins(self, aspect: Aspect) -> bool:
        """Whether administrators go past it. Forced pushes and deletion are forbidden to them by classic rules too."""
        return not self.admins and aspect not in ("force push", "deletion")


class TagRules(Struct, frozen=True):
    """An active ruleset for tags: patterns of full names that it takes in and leaves out."""

    kind: Kind
    name: str
    id: int
    owner: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    no_update: bool
    no_deletion: bool
    bypass: tuple[Actor, ...] | None

    @property
    def source(self) -> str:
        """Where it stands, for people."""
        return f"{'ruleset' if self.kind == 'repository' else 'organisation ruleset'} “{self.name}” ({self.id})"

    def covers(self, pattern: str) -> bool:
        """Whether every tag of a pattern is certainly among those that it binds."""
        wanted = f"refs/tags/{pattern}"
        inside = {"~ALL", "refs/tags/**", "refs/tags/**/*", wanted} | ({"refs/tags/*"} if "/" not in pattern else set())
        fixed = _fixed(wanted)
        apart = (e for e in self.exclude if not (_fixed(e).startswith(fixed) or fixed.startswith(_fixed(e))))
        return bool(inside & set(self.include)) and len(list(apart)) == len(self.exclude)


def _fixed(pattern: str) -> str:
    """A pattern up to its first wildcard."""
    at = min((pattern.find(mark) for mark in "*?[{\\~" if mark in pattern), default=len(pattern))
    return pattern[:at]


class EnvironmentFacts(Struct, frozen=True):
    """An environment; `branches` () = every branch deploys, None = not read; `admins_bypass` None = not told (G26)."""

    reviewers: tuple[str, ...]
    prevent_self_review: bool
    wait_timer: int
    admins_bypass: bool | None
    branches: tuple[str, ...] | None


class RepoFacts(Struct, frozen=True):
    """Everything the rules look at in one repository.

    `problem`: why nothing could be read, "" otherwise. `administers`: it was proven that this token reads what only
    administrators may, so that a classic protection that is not shown does not exist. `inactive`: rulesets that bind
    nobody. `environments` by name: None = there is none; a name that is not in it was not read. `workflows` by file
    name, on that branch; None in it = that file was not read.
    """

    slug: str
    branch: str
    problem: str = ""
    branch_exists: bool = True
    administers: bool = False
    layers: tuple[Layer, ...] = ()
    inactive: tuple[str, ...] = ()
    auto_merge: bool | None = None
    token_writes: bool | None = None
    actions_approve: bool | None = None
    tags: tuple[TagRules, ...] | None = None
    immutable: bool | None = None
    environments: dict[str, EnvironmentFacts | None] = {}
    workflows: dict[str, bytes | None] | None = None

    @property
    def classic(self) -> Layer | None:
        """Its classic protection, where there is one to see."""
        return next((layer for layer in self.layers if layer.kind == "classic"), None)

    @property
    def all_layers(self) -> bool:
        """Whether no layer can be hidden from this token."""
        return self.administers or self.classic is not None
