"""Which candidate artifacts a release is laid out from, and whether files are those bytes: build once (SPEC 1.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from msgspec import Struct

from ms_release.config import AssetRule, Product
from ms_release.core import train
from ms_release.core.candidate import Artifact, Candidate, render_checksums
from ms_release.core.manifest import make_manifest, render_manifest
from ms_release.core.spec import parse_spec
from ms_release.core.train import Train
from ms_release.core.verify import CHECKSUMS, MANIFEST, SIGNATURE
from ms_release.errors import IntegrityError


class Part(Struct, frozen=True):
    """One candidate artifact on its way into a published file; `path` is its place in a bundle, "" outside one."""

    repo: str
    artifact: Artifact
    path: str


def parts(asset: AssetRule, candidates: Mapping[str, Candidate]) -> tuple[Part, ...]:
    """The artifacts of one asset. Raises IntegrityError when a candidate does not hold what the configuration takes."""
    pairs = [("", asset.source)] if asset.source else [(m.path, m.source) for m in asset.members]
    found = []
    for path, source in pairs:
        repo, _, filename = source.partition("/")
        artifacts = candidates[repo].artifacts if repo in candidates else ()
        artifact = next((a for a in artifacts if a.filename == filename), None)
        if artifact is None:
            raise IntegrityError(
                f"the candidate of {repo} has no {filename}, which {asset.filename} is made from",
                remedy="Correct the configuration or the candidate's build.",
            )
        found.append(Part(repo, artifact, path))
    return tuple(found)


def compare_origin(
    product: Product, candidates: Mapping[str, Candidate], contents: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    """How laid-out files differ from the sealed candidates; nothing = every byte comes from them.

    `contents` is, by file name, SHA-256 by path inside: {"": digest of the file} for a promoted artifact, the members'
    digests for a bundle.
    """
    for asset in product.assets:
        wanted = {part.path: part.artifact.sha256 for part in parts(asset, candidates)}
        found = contents.get(asset.filename)
        if found is None:
            yield f"{asset.filename} is missing"
        elif dict(found) != wanted:
            odd = min(set(found.items()) ^ set(wanted.items()))[0]
            yield f"{odd or asset.filename}{' in ' + asset.filename if odd else ''} is not what the candidates hold"


def render_metadata(goal: Train, committed_at: str, files: Mapping[str, tuple[int, str]]) -> dict[str, bytes]:
    """The manifest and the checksums that follow from the plan and its laid-out assets, (size, sha256) by name.

    Raises IntegrityError when an asset is not among the files.
    """
    assets = {a.filename: files[a.filename] for a in goal.product.assets if a.filename in files}
    manifest = render_manifest(make_manifest(parse_spec(train.render_spec(goal)), committed_at, assets))
    sums = {name: sha256 for name, (_, sha256) in assets.items()} | {MANIFEST: hashlib.sha256(manifest).hexdigest()}
    return {MANIFEST: manifest, CHECKSUMS: render_checksums(sums)}


def compare_metadata(goal: Train, committed_at: str, files: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """How the files beside the assets differ from what follows from them: everything in `dist` is signed and published.

    A signature is none of them: it is made after this comparison.
    """
    promised = render_metadata(goal, committed_at, files)
    known = {*promised, SIGNATURE, *(a.filename for a in goal.product.assets)}
    yield from (f"{name} is in it and not planned" for name in sorted(set(files) - known))
    for name, data in promised.items():
        if name not in files:
            yield f"{name} is missing"
        elif files[name] != (len(data), hashlib.sha256(data).hexdigest()):
            yield f"{name} is not what follows from its assets"
