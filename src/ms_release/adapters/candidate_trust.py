"""Whether a candidate's metadata can be trusted: the configured key's signature, and provenance that says the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ms_release.adapters.signing import fingerprint, verify
from ms_release.core.candidate import MANIFEST_NAME, PROVENANCE_NAME, SIGNATURE_NAME, parse_candidate
from ms_release.core.provenance import Provenance, compare_provenance, parse_provenance
from ms_release.errors import DamagedError, IntegrityError


def untrusted(key: str, metadata: Mapping[str, bytes]) -> list[str]:
    """Every reason not to trust a candidate, from its metadata by file name; an empty list = none.

    `key`: the public key (base64) that must have signed, "" = signatures are not checked (SPEC 6). Provenance that is
    there must fit in any case. Raises UsageError when the key is none.
    """
    return [*unsigned(key, metadata), *_provenance(key, metadata)]


def unsigned(key: str, metadata: Mapping[str, bytes]) -> list[str]:
    """Why `candidate.json` does not carry the key's signature; empty when it does, or when no key is configured."""
    if not key:
        return []
    manifest, signature = metadata[MANIFEST_NAME], metadata.get(SIGNATURE_NAME)
    digest = hashlib.sha256(manifest).hexdigest()
    if signature is None:
        return [f"{SIGNATURE_NAME} is missing, and {MANIFEST_NAME} ({digest[:12]}) must be signed by candidate_key"]
    if _is_signed(key, manifest, signature.decode("ascii", "replace")):
        return []
    own = hashlib.sha256(signature).hexdigest()
    return [
        f"{SIGNATURE_NAME} ({own[:12]}) is no signature of candidate_key {fingerprint(key)[:12]} over {MANIFEST_NAME} "
        f"({digest[:12]})"
    ]


def _provenance(key: str, metadata: Mapping[str, bytes]) -> list[str]:
    data = metadata.get(PROVENANCE_NAME)
    if data is None:
        return []
    try:
        found: Provenance = parse_provenance(data)
        candidate = parse_candidate(metadata[MANIFEST_NAME])
    except DamagedError as error:
        return [error.cause]
    digest = hashlib.sha256(metadata[MANIFEST_NAME]).hexdigest()
    problems = list(compare_provenance(found.statement, candidate, digest))
    if key and not _is_signed(key, found.signed, found.signature):
        problems.append(f"{PROVENANCE_NAME} carries no signature of candidate_key {fingerprint(key)[:12]}")
    return problems


def _is_signed(key: str, data: bytes, signature: str) -> bool:
    try:
        verify(key, data, signature)
    except IntegrityError:
        return False
    return True
