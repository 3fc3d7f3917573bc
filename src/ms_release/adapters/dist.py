"""The directory `dist/`: laid out by `assemble`, checked again by `promote`, which trusts none of it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from ms_release.adapters.archives import hash_zip, reproducible_zip
from ms_release.adapters.candidate_trust import unsigned
from ms_release.adapters.files import read_limited
from ms_release.adapters.hashing import digests
from ms_release.config import Product
from ms_release.core.assembly import parts
from ms_release.core.candidate import MANIFEST_NAME, MAX_BYTES, SIGNATURE_NAME, Candidate, parse_candidate
from ms_release.errors import IntegrityError

CANDIDATES = "candidates"


def lay_out(product: Product, candidates: Mapping[str, Candidate], fetched: Path, dist: Path) -> None:
    """Make every asset of the product from fetched artifacts (`fetched/<repo>/<file>`): copied, or put in a zip that
    comes out the same every time."""
    for asset in product.assets:
        chosen = parts(asset, candidates)
        if asset.source:
            shutil.copyfile(fetched / chosen[0].repo / chosen[0].artifact.filename, dist / asset.filename)
        else:
            members = [(p.path, fetched / p.repo / p.artifact.filename) for p in chosen]
            reproducible_zip(dist / asset.filename, members)


def read_candidates(dist: Path, repos: tuple[str, ...], key: str = "") -> dict[str, tuple[Candidate, str]]:
    """The sealed `candidate.json` of each repository, with the SHA-256 of its bytes.

    Raises IntegrityError when one is missing, or not signed by `key` (base64; "" = not asked for).
    """
    found = {}
    for repo in repos:
        file = dist / CANDIDATES / f"{repo}.json"
        if not file.is_file():
            raise IntegrityError(f"dist holds no candidate.json of {repo}", remedy="Assemble again.")
        data, signature = read_limited(file, MAX_BYTES), file.with_suffix(".json.sig")
        metadata = {MANIFEST_NAME: data}
        if signature.is_file():
            metadata[SIGNATURE_NAME] = read_limited(signature, MAX_BYTES)
        for problem in unsigned(key, metadata):
            raise IntegrityError(f"the candidate of {repo}: {problem}", remedy="Nothing was published. Build it again.")
        found[repo] = parse_candidate(data), hashlib.sha256(data).hexdigest()
    return found


def contents(product: Product, dist: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of every asset, or of every member where it is a bundle, by file name and path inside."""
    found = {}
    for asset in product.assets:
        file = dist / asset.filename
        if file.is_file():
            found[asset.filename] = hash_zip(file) if asset.members else {"": digests([file])[file]}
    return found
