"""Ed25519 signatures over files: keys and signatures are base64 text of the raw bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from ms_release.errors import CredentialError, IntegrityError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def sign(seed_b64: str, data: bytes) -> str:
    """The signature file of `data`: base64 and a newline. Raises CredentialError for a damaged key."""
    return base64.b64encode(_key(seed_b64).sign(data)).decode() + "\n"


def public_of(seed_b64: str) -> str:
    """The public key of a seed, base64 of 32 bytes. Raises CredentialError for a damaged key."""
    return base64.b64encode(_key(seed_b64).public_key().public_bytes_raw()).decode()


def fingerprint(public_b64: str) -> str:
    """SHA-256 (hex) of a public key's raw bytes: how people and envelopes name it."""
    return hashlib.sha256(_decoded(public_b64) or b"").hexdigest()


def verify(public_b64: str, data: bytes, signature: str) -> None:
    """Raises IntegrityError unless `signature` (a file as `sign` makes it) is this key's over exactly `data`.

    Raises UsageError when the pinned public key itself is not one.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = _decoded(public_b64)
    if public is None or len(public) != 32:
        raise UsageError("the pinned public key is not 32 bytes of base64", remedy="Correct it in ms-release.toml.")
    raw = _decoded(signature)
    try:
        if raw is None:
            raise InvalidSignature
        Ed25519PublicKey.from_public_bytes(public).verify(raw, data)
    except InvalidSignature:
        raise IntegrityError(
            "the signature does not fit the bytes and the pinned key",
            remedy="Do not use these bytes: find out who changed them.",
        ) from None


def _key(seed_b64: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = _decoded(seed_b64)
    if seed is None or len(seed) != 32:
        raise CredentialError(
            "the signing key is not 32 bytes of base64", remedy="Store the Ed25519 seed, base64, in the secret."
        )
    return Ed25519PrivateKey.from_private_bytes(seed)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
