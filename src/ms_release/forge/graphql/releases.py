"""Releases and their assets as GraphQL nodes. GitHub's have no digest and no number of an asset."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ms_release.forge import releases
from ms_release.forge.graphql.git import find_ref, peel
from ms_release.forge.graphql.page import Node, connection
from ms_release.forge.graphql.world import Resolvers, World


def _asker(world: World, repo: str) -> releases.Asker:
    return releases.Asker(world.forge, world.identity, repo)


def _make_release(world: World, body: Node) -> Node:
    newest = releases.latest(world.forge, body["repo"])
    return {
        "_body": body,
        "_id": ("RE", body["id"]),
        "databaseId": body["id"],
        "tagName": body["tag_name"],
        "name": body["name"],
        "description": body["body"],
        "isDraft": body["draft"],
        "isPrerelease": body["prerelease"],
        "isLatest": newest is not None and newest["id"] == body["id"],
        "createdAt": body["created_at"],
        "publishedAt": body["published_at"],
        "updatedAt": body.get("updated_at", body["published_at"] or body["created_at"]),
        "url": f"{world.base}/{body['repo']}/releases/tag/{releases.page_tag(body)}",
    }


def _releases(repo: Node, world: World, order_by: Node | None = None, **page: Any) -> Node:
    found = releases.visible(_asker(world, repo["_repo"]))
    if order_by is not None:
        field = {"CREATED_AT": "created_at", "NAME": "name"}[order_by["field"]]
        found.sort(key=lambda body: (body[field] or "", body["id"]), reverse=order_by["direction"] == "DESC")
    return connection(found, lambda body: _make_release(world, body), page)


def _release(repo: Node, world: World, tag_name: str) -> Node | None:
    """Unlike in REST, a tag finds a draft too, for those who may see drafts."""
    found = [body for body in releases.visible(_asker(world, repo["_repo"])) if body["tag_name"] == tag_name]
    found.sort(key=lambda body: bool(body["draft"]))
    return _make_release(world, found[0]) if found else None


def _latest(repo: Node, world: World) -> Node | None:
    body = releases.latest(world.forge, repo["_repo"])
    return _make_release(world, body) if body else None


def _tag_commit(release: Node, world: World) -> Node | None:
    repo, tag = release["_body"]["repo"], f"refs/tags/{release['tagName']}"
    return peel(world, repo, tag) if find_ref(world, repo, tag) else None


def _assets(release: Node, world: World, name: str | None = None, **page: Any) -> Node:
    body = release["_body"]
    found = [asset for asset in releases.assets_of(world.forge, body) if name in (None, asset["name"])]
    return connection(found, lambda asset: _make_asset(world, body, asset), page)


def _make_asset(world: World, release: Node, asset: Node) -> Node:
    repo = asset["repo"]
    browser = f"{world.base}/{repo}/releases/download/{releases.page_tag(release)}/{quote(asset['name'])}"
    return {
        "_id": ("RA", asset["id"]),
        "name": asset["name"],
        "size": asset["size"],
        "contentType": asset["content_type"],
        "createdAt": asset["created_at"],
        "updatedAt": asset["updated_at"],
        "downloadCount": 0,
        "downloadUrl": browser,
        "url": f"{world.api}/repos/{repo}/releases/assets/{asset['id']}",
    }


RESOLVERS: Resolvers = {
    "Repository": {"releases": _releases, "release": _release, "latestRelease": _latest},
    "Release": {
        "author": lambda r, w: w.user(r["_body"]["author"]),
        "tagCommit": _tag_commit,
        "releaseAssets": _assets,
    },
}
