"""`manifest.json`, schema 3: what a published release consists of, and whether bytes are the bytes it promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ms_release.core import strict_json
from ms_release.core.names import is_repo_url, is_sha, is_sha256
from ms_release.core.sanitize import terminal_line
from ms_release.core.spec import InstallSet, Pages, Spec, SpecAsset, Tooling, check_assets
from ms_release.core.version import Channel, parse_tag
from ms_release.errors import DamagedError, IntegrityError

SCHEMA = 3
NAME = "manifest.json"
MAX_BYTES = 4 << 20
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


class ManifestRepo(Struct, frozen=True, forbid_unknown_fields=True):
    """One repository at the commit that was released."""

    id: str
    url: str
    sha: str


class ManifestAsset(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One published file; `size` in bytes, `url` only where the file lies elsewhere."""

    id: str
    kind: str
    os: str | None = None
    arch: str | None = None
    filename: str
    size: int
    sha256: str
    url: str | None = None


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The content of `manifest.json`. `published_at` is the time of the release commit: assembling is repeatable."""

    channel: Channel
    tag: str
    published_at: str
    repos: tuple[ManifestRepo, ...]
    tooling: Tooling | None = None
    assets: tuple[ManifestAsset, ...]
    install_sets: tuple[InstallSet, ...]
    pages: Pages | None = None


def make_manifest(spec: Spec, published_at: str, files: Mapping[str, tuple[int, str]]) -> Manifest:
    """The manifest of a spec whose assets were laid out: `files` is (size in bytes, sha256) by file name.

    Raises IntegrityError when an asset of the spec is not among the files.
    """
    if missing := [asset.filename for asset in spec.assets if asset.filename not in files]:
        raise IntegrityError(f"{missing[0]} is in the release spec but was not laid out", remedy="Assemble again.")
    return Manifest(
        channel=spec.channel,
        tag=spec.tag,
        published_at=published_at,
        repos=tuple(ManifestRepo(repo.id, repo.url, repo.sha) for repo in spec.repos),
        tooling=spec.tooling,
        assets=tuple(
            ManifestAsset(
                id=asset.id,
                kind=asset.kind,
                os=asset.os,
                arch=asset.arch,
                filename=asset.filename,
                size=files[asset.filename][0],
                sha256=files[asset.filename][1],
            )
            for asset in spec.assets
        ),
        install_sets=spec.install_sets,
        pages=spec.pages,
    )


def render_manifest(manifest: Manifest) -> bytes:
    """The bytes of `manifest.json`, the ones that are signed. Raises DamagedError for what could not be read back."""
    _check(manifest)
    return strict_json.pretty({"schema": SCHEMA, **msgspec.to_builtins(manifest)})


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest of schema 3, or 2 (the same without tooling). Raises DamagedError for anything else."""
    document: Any = strict_json.parse(data, max_bytes=MAX_BYTES, max_depth=8)
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if type(schema) is not int or schema not in (2, SCHEMA):
        raise _damaged(f"its schema is {ascii(schema)[:80]}, not {SCHEMA}")
    try:
        manifest = msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise _damaged(terminal_line(str(error)[:300])) from None
    _check(manifest)
    return manifest


def compare_files(manifest: Manifest, files: Mapping[str, tuple[int, str]]) -> list[str]:
    """How files, as (size in bytes, sha256) by name, differ from the promise; empty means every asset is exactly right.

    Files that are no assets (the manifest itself, checksums) are not looked at.
    """
    problems = []
    for asset in manifest.assets:
        if asset.filename not in files:
            problems.append(f"{asset.filename} is missing")
            continue
        size, sha256 = files[asset.filename]
        if size != asset.size:
            problems.append(f"{asset.filename} has {size} bytes, the manifest says {asset.size}")
        elif sha256 != asset.sha256:
            problems.append(f"{asset.filename} has the sha256 {sha256[:12]}…, the manifest says {asset.sha256[:12]}…")
    return problems


def _check(manifest: Manifest) -> None:
    version = parse_tag(manifest.tag)
    if version is None or version.channel != manifest.channel:
        raise _damaged(f"{ascii(manifest.tag)[:80]} is not a tag of the channel {manifest.channel}")
    if not _TIME.fullmatch(manifest.published_at):
        raise _damaged("published_at is not a UTC time like 2026-01-31T00:00:00Z")
    if not (manifest.repos and manifest.assets and manifest.install_sets):
        raise _damaged("it holds nothing")
    for repo in manifest.repos:
        if not is_repo_url(repo.url) or not is_sha(repo.sha):
            raise _damaged(f"the repository {ascii(repo.id)[:80]} is malformed")
    if len({repo.id for repo in manifest.repos}) != len(manifest.repos):
        raise _damaged("two of its repositories are the same")
    for asset in manifest.assets:
        if asset.size < 0 or not is_sha256(asset.sha256):
            raise _damaged(f"size or sha256 of {ascii(asset.filename)[:160]} is malformed")
    listed = (SpecAsset(id=a.id, kind=a.kind, os=a.os, arch=a.arch, filename=a.filename) for a in manifest.assets)
    check_assets(listed, manifest.install_sets)


def _damaged(reason: str) -> DamagedError:
    return DamagedError(f"{NAME} is refused: {reason}", remedy="Do not use this release; compare it with the ledger.")
