"""Which candidate artifacts a release is laid out from, and whether files are those bytes: build once (SPEC 1.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from ms_release.config import AssetRule, Product
from ms_release.core.candidate import Artifact, Candidate
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
