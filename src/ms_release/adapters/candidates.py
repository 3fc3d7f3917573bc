"""Finding candidate releases on the forge and reading their `candidate.json`, once per asset (its id never lies)."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from msgspec import Struct

from ms_release.adapters.answers_graph import Number, convert
from ms_release.adapters.candidate_trust import unsigned
from ms_release.adapters.files import read_limited, write_private
from ms_release.adapters.http import Client
from ms_release.core.candidate import MANIFEST_NAME, MAX_BYTES, SIGNATURE_NAME, check_candidate, parse_candidate
from ms_release.core.candidate_identity import check_inputs
from ms_release.core.candidate_release import check_tag, name_releases
from ms_release.core.observation import Asset, CandidateQuestion, Ready, Release, RepoFacts
from ms_release.errors import DamagedError, ForgeError, MachineError


class Cache:
    """`candidate.json` files by the forge's asset id. Only a cache: losing it costs requests, never truth."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def get(self, key: str) -> bytes | None:
        """What was kept under a key, or None."""
        if self._directory is None or not (file := self._file(key)).exists():
            return None
        try:
            return read_limited(file, MAX_BYTES)
        except (MachineError, DamagedError):
            return None

    def put(self, key: str, data: bytes) -> None:
        """Keep bytes; a full or read-only disk is no reason to stop a release."""
        if self._directory is None:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._file(key), data)
        except (MachineError, OSError):
            return

    def _file(self, key: str) -> Path:
        assert self._directory is not None
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()}.json"


class RestUser(Struct):
    """Somebody as REST names them."""

    login: str


class RestAsset(Struct):
    """An asset as REST describes it."""

    id: Number
    node_id: str
    name: str
    size: Number
    state: str
    digest: str | None = None
    uploader: RestUser | None = None


class RestRelease(Struct):
    """A release as REST describes it."""

    id: Number
    tag_name: str
    draft: bool
    prerelease: bool
    assets: list[RestAsset]
    body: str | None = None
    published_at: str | None = None
    author: RestUser | None = None


def release_from_rest(document: Any) -> Release:
    """A release with asset numbers and digests. An asset that is not completely uploaded keeps size -1 (G35)."""
    found = convert(document, RestRelease, "a release")
    assets = tuple(
        Asset(a.node_id, a.name, a.size if a.state == "uploaded" else -1, a.digest, a.id, _login(a.uploader))
        for a in found.assets
    )
    about = (found.body or "", found.published_at, _login(found.author))
    return Release(found.id, found.tag_name, found.draft, found.prerelease, assets, *about)


def _login(user: RestUser | None) -> str:
    return user.login if user else ""


def find(client: Client, cache: Cache, repo: RepoFacts, asked: CandidateQuestion) -> Ready | None:
    """The candidate release that was asked for, with everything that is wrong with it; None when there is none."""
    found = [r for r in repo.releases or () if r.tag == asked.tag]
    if not found and repo.more_releases:
        pages = client.pages(f"/repos/{repo.slug}/releases")
        found = [release for document in pages if (release := release_from_rest(document)).tag == asked.tag]
    if not found:
        return None
    if len(found) > 1:
        exact = [release_from_rest(client.get(f"/repos/{repo.slug}/releases/{r.id}").json) for r in found]
        return Ready(found[0], "", None, (f"several releases share the tag: {name_releases(exact)}",))
    return _read(client, cache, repo.slug, found[0], asked)


def _read(client: Client, cache: Cache, slug: str, release: Release, asked: CandidateQuestion) -> Ready:
    names = (MANIFEST_NAME, SIGNATURE_NAME) if asked.key else (MANIFEST_NAME,)
    nodes = {a.name: a.node for a in release.assets if a.name in names}
    if MANIFEST_NAME not in nodes:
        return Ready(release, "", None, (f"{MANIFEST_NAME} is missing",))
    kept = {name: cache.get(f"{client.api_url} {slug} {node}") for name, node in nodes.items()}
    metadata = {name: data for name, data in kept.items() if data is not None}
    if metadata.keys() != nodes.keys():
        release = release_from_rest(client.get(f"/repos/{slug}/releases/{release.id}").json)
        for name in nodes.keys() - metadata.keys():
            metadata[name] = _download(client, slug, release, name)
            cache.put(f"{client.api_url} {slug} {nodes[name]}", metadata[name])
    data = metadata[MANIFEST_NAME]
    digest = hashlib.sha256(data).hexdigest()
    try:
        candidate = parse_candidate(data)
    except DamagedError as error:
        return Ready(release, digest, None, (error.cause,))
    listed = {a.filename: a.sha256 for a in candidate.artifacts}
    assets = [(a.name, a.size, a.digest) for a in release.assets]
    problems = check_candidate(candidate, repo=slug, sha=asked.sha, checksums=listed, assets=assets)
    problems += [*check_tag(asked.tag, candidate), *check_inputs(candidate, slug, asked)]
    problems += unsigned(asked.key, metadata)
    if release.draft and asked.visibility == "prerelease":
        problems = [*problems, "it is still a draft"]
    return Ready(release, digest, candidate, tuple(problems))


def _download(client: Client, slug: str, release: Release, name: str) -> bytes:
    asset = next((a for a in release.assets if a.name == name), None)
    if asset is None:
        raise ForgeError(
            f"{name} of {release.tag} in {slug} vanished while it was read",
            remedy="Run the same command again.",
        )
    sink = io.BytesIO()
    client.download(f"/repos/{slug}/releases/assets/{asset.id}", sink, max_bytes=MAX_BYTES)
    return sink.getvalue()
