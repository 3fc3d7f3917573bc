"""Release notes: what a version pins and what changed since the previous one, as Markdown that cannot be abused."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ms_release.core.conventional import classify
from ms_release.core.links import link
from ms_release.core.model import Pin
from ms_release.core.names import is_sha
from ms_release.core.sanitize import commit_subject, markdown, terminal

_GROUPS = (("breaking", "Breaking changes"), ("feat", "Features"), ("fix", "Fixes"), ("other", "Other changes"))


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """One commit since the previous release, as its author wrote it."""

    sha: str
    subject: str
    body: str
    author: str


class RepoChanges(Struct, frozen=True, forbid_unknown_fields=True):
    """What happened in one repository, newest first; `from_sha` None = not released before.

    `more` says that older commits of the range are not listed.
    """

    repo_id: str
    url: str
    from_sha: str | None
    to_sha: str
    commits: tuple[Change, ...]
    more: bool


def render_notes(
    tag: str, channel: str, previous: str | None, changes: Sequence[RepoChanges], pins: Sequence[Pin], extra: str
) -> str:
    """The notes of a release. `extra` is Markdown that maintainers wrote and reviewed; it comes last, as it is.

    Everything else is from outside and escaped (faults F41); the only links are the repositories' own addresses.
    Equal input gives equal text.
    """
    parts = [f"# {markdown(tag)}", f"Channel: {markdown(channel)}", f"Previous release: {markdown(previous or 'none')}"]
    parts += ["## Pinned Repos", _pin_table(pins), "## Changes"]
    told = [_repo_changes(repo) for repo in changes if repo.from_sha != repo.to_sha]
    parts += told or ["No repository changed since the previous release."]
    if extra.strip():
        lines = extra.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
        parts += ["## Notes", terminal(lines)]
    return "\n\n".join(parts) + "\n"


def _pin_table(pins: Sequence[Pin]) -> str:
    rows = ["| Repository | Commit | Branch | Why |", "| --- | --- | --- | --- |"]
    for pin in pins:
        repo = link(markdown(pin.repo), pin.url)
        commit = _commit(pin.url, pin.sha)
        rows.append(f"| {repo} | {commit} | {markdown(pin.ref)} | {markdown(f'{pin.select}: {pin.reason}')} |")
    return "\n".join(rows)


def _repo_changes(repo: RepoChanges) -> str:
    parts = [f"### {markdown(repo.repo_id)}", range_link(repo)]
    for kind, title in _GROUPS:
        lines = [_line(repo.url, c) for c in repo.commits if classify(c.subject, c.body) == kind]
        if lines:
            parts += [f"#### {title}", "\n".join(lines)]
    if repo.more:
        parts.append("… and older commits.")
    return "\n\n".join(parts)


def range_link(repo: RepoChanges) -> str:
    """The comparison of what was released before with what is now, on the forge's own page."""
    if repo.from_sha is None:
        return f"First release of this repository, at {_commit(repo.url, repo.to_sha)}."
    if not (is_sha(repo.from_sha) and is_sha(repo.to_sha)):
        return "The compared commits are malformed."
    text = f"{repo.from_sha[:7]} → {repo.to_sha[:7]}"
    return link(text, f"{repo.url}/compare/{repo.from_sha}...{repo.to_sha}")


def _line(url: str, change: Change) -> str:
    subject = markdown(commit_subject(change.subject)) or "no subject"
    author = f", {markdown(commit_subject(change.author))}" if change.author else ""
    return f"- {subject} ({_commit(url, change.sha)}{author})"


def _commit(url: str, sha: str) -> str:
    return link(f"`{sha[:7]}`", f"{url}/commit/{sha}") if is_sha(sha) else markdown(sha)
