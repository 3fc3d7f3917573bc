"""The world file (TOML) as values: who is there, which repositories with which history, rules, secrets and releases.

Paths in it are relative to the file. What a directory holds becomes the files of a commit or the assets of a release.
Fields that GitHub has too carry GitHub's names; DESIGN "The house" and `forge/example/world.toml` show the whole.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ms_release.errors import UsageError
from ms_release.forge.faults import Fault

Role = Literal["read", "triage", "write", "maintain", "admin"]
Conclusion = Literal["success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"]
_LARGEST = 1 << 20
_DEEP_KEY = re.compile(r"(?:^|[\[{,])[ \t]*+(?:(?:[\w-]++|\"[^\"\n]*+\"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}", re.MULTILINE)
# What becomes part of a path or of a reference; GitHub's own rules, and a bot's ending.
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:\[bot\])?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9._-]{0,99}")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+@#-]{0,199}")
REMEDY = "Compare with the example organisation's world.toml."


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """Which format this is."""

    schema: Literal[1]


class Audit(Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs the policy audit (`@{policy_audit}`), and the team that alone may push to protected branches."""

    by: str
    push_team: str


class User(Struct, frozen=True, forbid_unknown_fields=True):
    """A person or a bot; `tokens` are classic tokens with all rights of this user."""

    login: str
    name: str = ""
    bot: bool = False
    tokens: tuple[str, ...] = ()


class Org(Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation; its owners administer every repository and its own rulesets."""

    login: str
    owners: tuple[str, ...] = ()


class Team(Struct, frozen=True, forbid_unknown_fields=True):
    """A team; elsewhere it is called `org/slug`."""

    org: str
    slug: str
    members: tuple[str, ...]
    name: str = ""


class Token(Struct, frozen=True, forbid_unknown_fields=True):
    """A token with less than all rights of its user; None = no limit."""

    value: str
    user: str
    kind: Literal["classic", "fine-grained"] = "classic"
    repos: tuple[str, ...] | None = None
    permissions: dict[str, Literal["read", "write"]] | None = None
    expires_at: str | None = None


class App(Struct, frozen=True, forbid_unknown_fields=True):
    """A GitHub App installed in an organisation; `public_key` is a path. The app github-actions is always there."""

    slug: str
    org: str
    public_key: str
    name: str = ""
    permissions: dict[str, Literal["read", "write"]] = {}


class Commit(Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """One commit on a branch.

    `from` is a directory whose files it brings, or only those that match a pattern of `only`. `checks` is "run" (the
    workflows that the push triggers really run) or the recorded conclusion of each check. A `later` commit is not made
    with the world: it is work that comes in while people look.
    """

    message: str
    author: str
    source: str = ""
    only: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    branch: str = ""
    checks: Literal["run"] | dict[str, Conclusion] | None = None
    later: bool = False


class CheckRule(Struct, frozen=True, forbid_unknown_fields=True):
    """A required check; `app_id` None = from anybody."""

    context: str
    app_id: int | None = None


class StatusChecks(Struct, frozen=True, forbid_unknown_fields=True):
    """Required status checks."""

    checks: tuple[CheckRule, ...]
    strict: bool = False


class Reviews(Struct, frozen=True, forbid_unknown_fields=True):
    """Changes come by pull request only."""

    required_approving_review_count: int = 0


class Restrictions(Struct, frozen=True, forbid_unknown_fields=True):
    """Who alone may push; team slugs without the organisation."""

    users: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()


class Protection(Struct, frozen=True, forbid_unknown_fields=True):
    """Classic protection of a branch, with the names and defaults of GitHub's REST API."""

    branch: str = ""
    required_status_checks: StatusChecks | None = None
    enforce_admins: bool = False
    required_pull_request_reviews: Reviews | None = None
    restrictions: Restrictions | None = None
    required_conversation_resolution: bool = False
    allow_force_pushes: bool = False
    allow_deletions: bool = False


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of a ruleset."""

    type: str
    parameters: dict[str, Any] = {}


class Ruleset(Struct, frozen=True, forbid_unknown_fields=True):
    """A ruleset; `include` and `exclude` are patterns of full reference names."""

    name: str
    target: Literal["branch", "tag"]
    include: tuple[str, ...]
    rules: tuple[Rule, ...]
    exclude: tuple[str, ...] = ()
    enforcement: Literal["active", "evaluate", "disabled"] = "active"
    bypass_actors: tuple[dict[str, Any], ...] = ()


class Environment(Struct, frozen=True, forbid_unknown_fields=True):
    """An environment; reviewers are logins or `org/team`; `branches` None = any. Admins bypass by default (G26)."""

    name: str
    reviewers: tuple[str, ...] = ()
    prevent_self_review: bool = False
    wait_timer: int = 0
    can_admins_bypass: bool = True
    branches: tuple[str, ...] | None = None
    secrets: dict[str, str] = {}


class Release(Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """A release; `from` is the directory of its assets. Unless it is a draft, its tag is made at `target`."""

    tag: str
    author: str
    target: str = ""
    draft: bool = False
    prerelease: bool = False
    name: str = ""
    body: str = ""
    source: str = ""


class Candidate(Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """A ready candidate of a commit (a branch means its tip); `from` is the directory of its artifacts."""

    source: str
    visibility: Literal["draft", "prerelease"]
    sha: str = ""
    workflow: str = "candidate.yml"


class Repository(
    Struct, frozen=True, forbid_unknown_fields=True,
    rename={"source": "from", "commits": "commit", "rulesets": "ruleset", "environments": "environment",
            "releases": "release", "candidates": "candidate"},
):  # fmt: skip
    """A repository `owner/name`.

    First comes what `from` (a directory, one commit) or `git` (an existing repository) brings; `checks` belong to the
    tip of that. Then come the commits.
    """

    name: str
    private: bool = False
    default_branch: str = "main"
    access: dict[str, Role] = {}
    team_access: dict[str, Role] = {}
    source: str = ""
    git: str = ""
    checks: Literal["run"] | dict[str, Conclusion] | None = None
    commits: tuple[Commit, ...] = ()
    protection: Protection | None = None
    rulesets: tuple[Ruleset, ...] = ()
    environments: tuple[Environment, ...] = ()
    secrets: dict[str, str] = {}
    releases: tuple[Release, ...] = ()
    candidates: tuple[Candidate, ...] = ()


class World(
    Struct, frozen=True, forbid_unknown_fields=True,
    rename={"users": "user", "orgs": "org", "teams": "team", "tokens": "token", "apps": "app",
            "repositories": "repository", "faults": "fault"},
):  # fmt: skip
    """The whole file."""

    world: Head
    users: tuple[User, ...]
    repositories: tuple[Repository, ...]
    orgs: tuple[Org, ...] = ()
    teams: tuple[Team, ...] = ()
    tokens: tuple[Token, ...] = ()
    apps: tuple[App, ...] = ()
    audit: Audit | None = None
    faults: tuple[dict[str, str | int | float], ...] = ()


def read(file: Path) -> World:
    """Read a world file. Raises UsageError naming the file and the key, or the name that nothing has."""
    try:
        if file.exists() and not file.is_file():  # a pipe would be waited for
            raise UsageError(f"the world file {file} is no regular file", remedy="Check the path.")
        with file.open(encoding="utf-8") as opened:
            text = opened.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"the world file {file} cannot be read: {error.strerror}", remedy="Check the path.") from None
    except UnicodeDecodeError:
        raise UsageError(f"the world file {file} is not UTF-8 text", remedy=REMEDY) from None
    return parse(text, file)


def parse(text: str, file: Path) -> World:
    """The world that a text describes, as if it stood in `file`; raises UsageError as `read` does."""
    # The standard parser takes memory in the square of a dotted key's length.
    if len(text) > _LARGEST or _DEEP_KEY.search(text):
        raise UsageError(f"{file}: it is larger or nested deeper than any world", remedy=REMEDY)
    try:
        world = msgspec.convert(tomllib.loads(text), World)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        key = where.rstrip("`").lstrip(".")
        raise UsageError(f"{file}: {message[:300]}" + (f" (key {key})" if key else ""), remedy=REMEDY) from None
    except (ValueError, RecursionError) as error:  # also integers of thousands of digits, and nesting without end
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:300]
        raise UsageError(f"{file}: {why}", remedy="Correct the file; it is TOML.") from None
    try:
        for fault in world.faults:
            Fault.of_body(fault)
    except ValueError as error:
        raise UsageError(f"{file}: [[fault]]: {error}", remedy="Correct the fault.") from None
    problem = next(_problems(world, file.parent), None)
    if problem:
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in problem[:300])
        raise UsageError(f"{file}: {shown}", remedy=REMEDY)
    return world


def _problems(world: World, folder: Path) -> Iterator[str]:
    """Everything that cannot be made, as sentences."""
    logins = {user.login for user in world.users}
    owners = logins | {org.login for org in world.orgs}
    teams = {f"{team.org}/{team.slug}" for team in world.teams}
    values = [value for user in world.users for value in user.tokens] + [token.value for token in world.tokens]
    names = [repo.name for repo in world.repositories]
    for kind, all_of_it in {"token": values, "repository": names, "user": [u.login for u in world.users]}.items():
        yield from (f"{kind} {name} appears twice" for name in sorted(set(all_of_it)) if all_of_it.count(name) > 1)
    words = (*logins, *owners, *(team.slug for team in world.teams), *(app.slug for app in world.apps))
    yield from (f"{word[:80]!a} cannot be a name" for word in sorted(set(words)) if not _LOGIN.fullmatch(word))
    for team in world.teams:
        if team.org not in owners - logins:
            yield f"team {team.slug}: there is no organisation {team.org}"
        yield from (f"team {team.slug}: there is no user {name}" for name in team.members if name not in logins)
    yield from (f"a token belongs to {t.user}, who does not exist" for t in world.tokens if t.user not in logins)
    yield from (f"app {a.slug}: there is no organisation {a.org}" for a in world.apps if a.org not in owners)
    yield from (
        f"org {o.login}: there is no user {name}" for o in world.orgs for name in o.owners if name not in logins
    )
    if world.audit and (world.audit.by not in logins or world.audit.push_team not in teams):
        yield "[audit] names a user or team that does not exist"
    for repo in world.repositories:
        problems = (*_names(repo, owners, logins, teams), *_content(repo, folder))
        yield from (f"repository {repo.name}: {problem}" for problem in problems)


def _names(repo: Repository, owners: set[str], logins: set[str], teams: set[str]) -> Iterator[str]:
    owner, slash, name = repo.name.partition("/")
    if not slash or not _REPOSITORY.fullmatch(name) or name in (".", ".."):
        yield "a repository is called owner/name"
    elif owner not in owners:
        yield f"there is no user or organisation {owner}"
    branches = (repo.default_branch, *(commit.branch or repo.default_branch for commit in repo.commits))
    yield from (f"{branch[:80]!a} cannot be a branch" for branch in sorted(set(branches)) if not _is_branch(branch))
    people = {*repo.access, *(c.author for c in repo.commits), *(r.author for r in repo.releases)}
    groups = set(repo.team_access)
    for environment in repo.environments:
        groups |= {name for name in environment.reviewers if "/" in name}
        people |= {name for name in environment.reviewers if "/" not in name}
    if repo.protection and repo.protection.restrictions:
        groups |= {f"{owner}/{slug}" for slug in repo.protection.restrictions.teams}
        people |= set(repo.protection.restrictions.users)
    yield from (f"there is no user {name}" for name in sorted(people - logins))
    yield from (f"there is no team {name}" for name in sorted(groups - teams))


def _is_branch(name: str) -> bool:
    odd = ("..", "//", "@{", "/.")
    if name.startswith("refs/"):
        return False
    return bool(_BRANCH.fullmatch(name)) and not name.endswith((".lock", "/", ".")) and not any(o in name for o in odd)


def _content(repo: Repository, folder: Path) -> Iterator[str]:
    if repo.source and repo.git:
        yield "it has `from` and `git`; one of them says where its content is"
    if repo.checks is not None and not (repo.source or repo.git):
        yield "its `checks` belong to what `from` or `git` brings, and it has neither"
    for commit in repo.commits:
        if not commit.source and not commit.delete:
            yield f"commit {commit.message!r} changes nothing: it needs `from` or `delete`"
    folders = [repo.source, repo.git, *(commit.source for commit in repo.commits)]
    folders += [*(release.source for release in repo.releases), *(candidate.source for candidate in repo.candidates)]
    yield from (f"there is no directory {name[:200]}" for name in folders if name and not _is_dir(folder / name))


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
