"""Keys of a GitHub App, and the JSON web tokens that it proves itself with."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


def public_key() -> str:
    """What the forge knows of KEY."""
    return KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwt(now: int, key: rsa.RSAPrivateKey = KEY, alg: str = "RS256", **claims: Any) -> str:
    """The token of the app 77 at a time in seconds since 1970."""
    said = {"iss": "77", "iat": now - 60, "exp": now + 540, **claims}
    parts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in ({"alg": alg}, said)]
    signature = key.sign(b".".join(parts), padding.PKCS1v15(), SHA256())
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
