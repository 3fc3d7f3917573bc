"""The release spec `release-specs/<tag>.json`: which commits and candidates make which assets (upstream.md 2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from ms_release.core import strict_json
from ms_release.core.names import is_ref_name, is_repo_url, is_safe_name, is_sha, is_sha256, is_slug, refuse_twins
from ms_release.core.sanitize import terminal_line
from ms_release.core.version import Channel, parse_tag
from ms_release.errors import DamagedError

SCHEMA = 3
MAX_BYTES = 4 << 20
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[!#-;=?-\[\]_a-z~]*)?")
_PATH = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*(?:/[A-Za-z0-9._][A-Za-z0-9._-]*)*")
# What a schema may not say yet.
_LATER = {1: {"tooling", "plan", "candidates"}, 2: {"plan", "candidates"}, SCHEMA: set[str]()}


class SpecRepo(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One repository at the commit that is released."""

    id: str
    url: str
    ref: str
    sha: str
    required_ci_workflow_file: str | None = None


class Tooling(Struct, frozen=True, forbid_unknown_fields=True):
    """The packaging tools' repository (`owner/name`) and commit; absent where no tooling is declared."""

    repo: str
    ref: str
    sha: str


class SpecAsset(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A file that the release will have."""

    id: str
    kind: str
    os: str | None = None
    arch: str | None = None
    filename: str


class InstallSet(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """The assets, by id, that belong together on one platform."""

    id: str
    os: str | None = None
    arch: str | None = None
    assets: tuple[str, ...]


class Pages(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Web pages that go with the release."""

    demo_url: str | None = None


class SpecCandidate(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The candidate of one repository (by id); `digest` is that of its `candidate.json`, None before it is built."""

    repo: str
    tag: str
    digest: str | None = None


class Spec(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A spec of any schema; `plan` (the plan's digest) and `candidates` are None and empty before schema 3."""

    channel: Channel
    tag: str
    repos: tuple[SpecRepo, ...]
    tooling: Tooling | None = None
    assets: tuple[SpecAsset, ...]
    install_sets: tuple[InstallSet, ...]
    pages: Pages | None = None
    plan: str | None = None
    candidates: tuple[SpecCandidate, ...] = ()


def parse_spec(data: bytes) -> Spec:
    """Read a spec of schema 1, 2 or 3. Raises DamagedError when it is anything else or does not fit together."""
    document: Any = strict_json.parse(data, max_bytes=MAX_BYTES, max_depth=8)
    if not isinstance(document, dict):
        raise _damaged("it is not an object")
    schema = document.pop("schema", None)
    if type(schema) is not int or schema not in _LATER:
        if type(schema) is int and schema > SCHEMA:
            raise DamagedError(
                f"the release spec has schema {schema}, newer than {SCHEMA}",
                remedy="Use a newer version of this program.",
            )
        raise _damaged(f"its schema is {ascii(schema)[:80]}")
    if early := sorted(_LATER[schema] & document.keys()):
        raise _damaged(f"schema {schema} has no {early[0]}")
    try:
        spec = msgspec.convert(document, Spec)
    except msgspec.ValidationError as error:
        raise _damaged(terminal_line(str(error)[:300])) from None
    _check(spec)
    if schema == SCHEMA:
        _check_promise(spec)
    return spec


def render_spec(spec: Spec) -> bytes:
    """The bytes of a spec in schema 3: the field order of upstream's schema 2, then `plan` and `candidates`.

    Raises DamagedError for what `parse_spec` would not read, such as a spec without plan and candidates.
    """
    _check(spec)
    _check_promise(spec)
    return strict_json.pretty({"schema": SCHEMA, **msgspec.to_builtins(spec)})


def _check_promise(spec: Spec) -> None:
    """What only schema 3 says: the plan it comes from and the candidates whose bytes it promotes."""
    if spec.plan is None or not is_sha256(spec.plan) or not spec.candidates:
        raise _damaged("it names no plan or no candidates")
    ids = {repo.id for repo in spec.repos}
    for candidate in spec.candidates:
        if candidate.repo not in ids:
            raise _damaged(f"a candidate belongs to {ascii(candidate.repo)[:80]}, which is not pinned")
        if not is_ref_name(candidate.tag) or not (candidate.digest is None or is_sha256(candidate.digest)):
            raise _damaged(f"the candidate of {candidate.repo} is malformed")
    _unique("candidates", ((candidate.repo, candidate.tag) for candidate in spec.candidates))


def _check(spec: Spec) -> None:
    version = parse_tag(spec.tag)
    if version is None or version.channel != spec.channel:
        raise _damaged(f"{ascii(spec.tag)[:80]} is not a tag of the channel {spec.channel}")
    if not (spec.repos and spec.assets and spec.install_sets):
        raise _damaged("it pins nothing or releases nothing")
    for repo in spec.repos:
        _check_repo(repo)
    if spec.tooling and not (is_slug(spec.tooling.repo) and is_ref_name(spec.tooling.ref) and is_sha(spec.tooling.sha)):
        raise _damaged("its tooling is malformed")
    if spec.pages and spec.pages.demo_url is not None and not _URL.fullmatch(spec.pages.demo_url):
        raise _damaged("its demo_url is no web address")
    check_assets(spec.assets, spec.install_sets)
    _unique("repositories", (repo.id for repo in spec.repos))


def _check_repo(repo: SpecRepo) -> None:
    if not is_repo_url(repo.url) or not _WORD.fullmatch(repo.id):
        raise _damaged(f"the repository {ascii(repo.id)[:80]} has no id or web address …/owner/name")
    if not is_ref_name(repo.ref) or not is_sha(repo.sha):
        raise _damaged(f"ref or sha of {repo.id} is malformed")
    if repo.required_ci_workflow_file is not None and not _PATH.fullmatch(repo.required_ci_workflow_file):
        raise _damaged(f"the workflow file of {repo.id} is malformed")


def check_assets(assets: Iterable[SpecAsset], install_sets: Iterable[InstallSet]) -> None:
    """Raise DamagedError unless names are safe, ids and platforms unique, and install sets name assets that exist."""
    assets, install_sets = tuple(assets), tuple(install_sets)
    for asset in assets:
        if not is_safe_name(asset.filename):
            raise _damaged(f"an asset may not be called {ascii(asset.filename)[:160]}")
        if not all(map(_WORD.fullmatch, (asset.id, asset.kind, asset.os or "x", asset.arch or "x"))):
            raise _damaged(f"id, kind, os or arch of {asset.filename} is malformed")
    known = {asset.id for asset in assets}
    for chosen in install_sets:
        if not all(map(_WORD.fullmatch, (chosen.id, chosen.os or "x", chosen.arch or "x"))) or not chosen.assets:
            raise _damaged(f"the install set {ascii(chosen.id)[:80]} is malformed")
        if missing := sorted(set(chosen.assets) - known):
            raise _damaged(f"the install set {chosen.id} names {ascii(missing[0])[:80]}, which is no asset")
    _unique("assets", (asset.id for asset in assets))
    _unique("install sets", ((chosen.id, chosen.os, chosen.arch) for chosen in install_sets))
    refuse_twins(asset.filename for asset in assets)


def _unique(what: str, keys: Iterable[object]) -> None:
    listed = list(keys)
    if len(set(listed)) != len(listed):
        raise _damaged(f"two of its {what} are the same")


def _damaged(reason: str) -> DamagedError:
    return DamagedError(f"the release spec is refused: {reason}", remedy="Restore the file from its commit.")
