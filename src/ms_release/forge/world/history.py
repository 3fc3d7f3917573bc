"""The git history of a world: directories become commits, and commits get the checks that were recorded for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from ms_release.errors import UsageError
from ms_release.forge import git
from ms_release.forge.state import Forge
from ms_release.forge.world.checks import record
from ms_release.forge.world.file import Commit, Repository, World
from ms_release.forge.world.push import Push

_PLACEHOLDER = re.compile(r"@\{(\w+)\}")
_SPACING = timedelta(hours=1)
_RUN_TIME = timedelta(minutes=2)


@dataclass(frozen=True)
class Site:
    """A world while it is being made: `folder` is where its paths start, `values` are those of the placeholders."""

    forge: Forge
    world: World
    folder: Path
    values: Mapping[str, str]
    start: datetime


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """Put values in the place of `@{name}`; UsageError for a name that has none."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            raise UsageError(f"{where}: there is no value for @{{{name}}}", remedy=f"Known here: {known}.")
        return values[name]

    return _PLACEHOLDER.sub(value, text)


def files_of(folder: Path, only: tuple[str, ...] = (), values: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """The files below a directory by path. With `values`, `NAME.tmpl` is filled in and becomes `NAME`.

    What Python leaves behind when it compiles a package is no content; `only` are patterns in which * matches / too.
    """
    files: dict[str, bytes] = {}
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder).as_posix()
        if not file.is_file() or "__pycache__" in file.parts:
            continue
        template = values is not None and path.endswith(".tmpl")
        path = path.removesuffix(".tmpl") if template else path
        if only and not any(fnmatchcase(path, pattern) for pattern in only):
            continue
        files[path] = fill(file.read_text("utf-8"), values or {}, str(file)).encode() if template else file.read_bytes()
    return files


def person(world: World, login: str, date: datetime) -> git.Person:
    """A user (or an organisation) as the author of a commit."""
    name = next((user.name for user in world.users if user.login == login), "") or login
    return git.Person(name, f"{login}@users.noreply.localhost", date.strftime("%Y-%m-%dT%H:%M:%SZ"))


def make_history(site: Site, repo: Repository) -> list[Push]:
    """Make a repository's git content with its recorded checks; returns the pushes whose workflows are to run."""
    git_dir = site.forge.git_dir(repo.name)
    git.init_bare(git_dir, repo.default_branch)
    commits = [commit for commit in repo.commits if not commit.later]
    pushes: list[Push] = []
    if repo.git:
        _copy(git_dir, site.folder / repo.git, repo)
        tip = git.commit_of(git_dir, f"refs/heads/{repo.default_branch}") or git.ZERO
        owner = repo.name.partition("/")[0]
        push = Push(repo.name, f"refs/heads/{repo.default_branch}", git.ZERO, tip, owner)
        pushes += _checks(site, repo.checks, push, site.start - _SPACING)
    if repo.source:
        first = Commit("Initial commit", repo.name.partition("/")[0], source=repo.source, checks=repo.checks)
        commits.insert(0, first)
    for number, commit in enumerate(commits):
        date = site.start - (len(commits) - number) * _SPACING
        push = make_commit(site, repo, commit, date)
        pushes += _checks(site, commit.checks, push, date)
    return pushes


def make_commit(site: Site, repo: Repository, commit: Commit, date: datetime) -> Push:
    """Put one commit on its branch (a new branch starts at the default one); UsageError when it cannot be made."""
    git_dir = site.forge.git_dir(repo.name)
    ref = f"refs/heads/{commit.branch or repo.default_branch}"
    old = git.read_ref(git_dir, ref)
    parent = old or git.read_ref(git_dir, f"refs/heads/{repo.default_branch}")
    files = files_of(site.folder / commit.source, commit.only, site.values) if commit.source else {}
    who = person(site.world, commit.author, date)
    try:
        new = git.commit_files(git_dir, parent, files, commit.delete, message=commit.message, author=who)
    except KeyError as missing:
        where = f"{repo.name}: commit {commit.message!r}"
        raise UsageError(f"{where} deletes {missing.args[0]}, which is not there", remedy="Check `delete`.") from None
    git.update_ref(git_dir, ref, new, old)
    return Push(repo.name, ref, old or git.ZERO, new, commit.author)


def _checks(
    site: Site, checks: Literal["run"] | Mapping[str, str] | None, push: Push, date: datetime
) -> Iterator[Push]:
    if checks == "run":
        yield push
    elif checks:
        # They ended soon after the commit, not when the world was made.
        record(replace(site.forge, clock=lambda: date + _RUN_TIME), push, checks)


def _copy(git_dir: Path, source: Path, repo: Repository) -> None:
    try:
        git.run(git_dir, "fetch", "-q", "--no-write-fetch-head", "--end-of-options", str(source.resolve()),
                "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")  # fmt: skip
    except git.GitError as error:
        raise UsageError(f"{repo.name}: {source} cannot be copied: {error}", remedy="Check `git`.") from None
    if git.read_ref(git_dir, f"refs/heads/{repo.default_branch}") is None:
        raise UsageError(f"{repo.name}: {source} has no branch {repo.default_branch}", remedy="Check `default_branch`.")
