"""What a token must be allowed to do for a release: one table, from which `preflight` asks and says what is missing.

Names are those of fine-grained permissions (github-facts G42). A test runs a release with exactly these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from ms_release.config import Config, Product, Repo

Level = Literal["read", "write"]
Where = Literal["home", "components", "drafts"]
Verb = Literal["plan", "prepare", "publish", "approve"]


class Right(Struct, frozen=True):
    """One permission in some repositories, the first verb that needs it, and what for.

    `drafts` are the components whose candidates are drafts: only who may push sees those (github-facts G31).
    """

    permission: str
    level: Level
    where: Where
    verb: Verb
    purpose: str

    @property
    def name(self) -> str:
        """As the forge writes it."""
        return f"{self.permission}: {self.level}"


RIGHTS = (
    Right("contents", "read", "home", "plan", "read plans, specs and the configuration"),
    Right("contents", "read", "components", "plan", "read commits and candidates"),
    Right("checks", "read", "components", "plan", "see which commits are green"),
    Right("pull_requests", "read", "home", "plan", "see the release pull request"),
    Right("actions", "read", "home", "plan", "read the environment and the publishing runs"),
    Right("contents", "write", "home", "plan", "see the rules of its branch; then to commit the plan and merge it"),
    Right("contents", "write", "drafts", "plan", "see candidates that are drafts"),
    Right("checks", "read", "home", "prepare", "see when the release pull request is green"),
    Right("pull_requests", "write", "home", "prepare", "open the release pull request"),
    Right("workflows", "write", "home", "prepare", "bring its branch up to date when workflow files have changed"),
    Right("actions", "write", "components", "prepare", "start candidate builds"),
    Right("actions", "write", "home", "publish", "start the publishing run, end it on cancel"),
    Right("deployments", "write", "home", "approve", "review the waiting deployment"),
)


class Need(Struct, frozen=True):
    """One right in one repository; a higher level includes the lower one, so each permission is needed once."""

    right: Right
    slug: str


def needs(config: Config, product: Product, *, reviewer: bool) -> tuple[Need, ...]:
    """What a release of this product needs, in the order of the table; `reviewer` approves, and needs that as well."""
    strongest: dict[tuple[str, str], Need] = {}
    for right in RIGHTS:
        if right.verb == "approve" and not reviewer:
            continue
        for repo in _places(config, product, right.where):
            key = (right.permission, repo.slug)
            if key not in strongest or strongest[key].right.level == "read":
                strongest[key] = Need(right, repo.slug)
    return tuple(strongest.values())


def _places(config: Config, product: Product, where: Where) -> Iterator[Repo]:
    if where == "home":
        yield config.home(product)
        return
    for repo in config.components(product):
        if where == "components" or (repo.candidate and repo.candidate.visibility == "draft"):
            yield repo


def declared(
    need: Need, *, granted: Mapping[str, str] | None, scopes: str | None, role: str, private: bool
) -> bool | None:
    """Whether a token that says what it may do has this right; None when it does not say.

    `granted` are an App's permissions, `scopes` a classic token's (its person's `role` counts too). Whatever is public
    can be read by everybody, but for what `granted` leaves out nothing is assumed: what an App lacks is to be given.
    """
    right = need.right
    if granted is not None:
        given = granted.get(right.permission, "none")
        return given in ("write", "admin") or (given == "read" and right.level == "read") or _open(right, private)
    if scopes is None:
        return None
    names = {scope.strip() for scope in scopes.split(",")}
    if right.permission == "workflows":
        return "workflow" in names
    if _open(right, private):
        return True
    if "repo" not in names and not ("public_repo" in names and not private):
        return False
    return right.level == "read" or right.permission in ("pull_requests", "deployments") or role in WRITERS


def _open(right: Right, private: bool) -> bool:
    return right.level == "read" and not private


WRITERS = ("write", "maintain", "admin")
