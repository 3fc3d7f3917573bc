"""When and by whom something about a past release was changed, as far as the forge tells: for an audit's findings."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from ms_release.adapters import queries
from ms_release.adapters.answers_graph import Named, convert
from ms_release.adapters.asking import ask
from ms_release.adapters.candidates import RestUser
from ms_release.adapters.facts import part_of
from ms_release.adapters.http import Client, Refused
from ms_release.core.audit import Trace
from ms_release.core.observation import Home


class _Commit(Struct, rename="camel"):
    oid: str
    committed_date: str
    author: Named | None = None


class _Asset(Struct):
    name: str
    updated_at: str
    uploader: RestUser | None = None


class _Release(Struct):
    created_at: str
    published_at: str | None
    assets: tuple[_Asset, ...]
    author: RestUser | None = None
    updated_at: str | None = None


def of_file(client: Client, home: Home, path: str) -> Iterator[Trace]:
    """The newest commit of the home branch that changed a file, or took it away."""
    query = queries.Query()
    query.repository("home", home.slug, queries.newest_change(query, "changed", home.head, path))
    part = part_of(ask(client, query), "home", home.slug)
    history = (part.get("changed") or {}).get("history") or {}
    for node in history.get("nodes") or ():
        commit = convert(node, _Commit, f"a commit of {path}")
        who = f"{commit.author.name} in {commit.oid[:12]}" if commit.author else f"somebody in {commit.oid[:12]}"
        yield Trace(path, commit.committed_date, who)


def of_release(client: Client, home: Home, release_id: int) -> Iterator[Trace]:
    """Who made a release and when it was last changed, and every asset that came after it was published."""
    try:
        found = convert(client.get(f"/repos/{home.slug}/releases/{release_id}").json, _Release, "a release")
    except Refused:
        return  # gone between two looks: what is missing is said already
    yield Trace("the release", found.created_at, found.author.login if found.author else "")
    if found.updated_at and found.updated_at > (found.published_at or ""):
        yield Trace("the release, last change", found.updated_at, "")
    for asset in found.assets:
        if asset.updated_at > (found.published_at or ""):
            yield Trace(f"asset {asset.name}", asset.updated_at, asset.uploader.login if asset.uploader else "")
