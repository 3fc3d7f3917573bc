"""GitHub Apps: who signed this JSON web token, and tokens for an installation."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import timedelta
from typing import Any

from ms_release.forge.errors import Refusal
from ms_release.forge.state import Forge

Body = dict[str, Any]

_LONGEST = 600
_SKEW = 60
_LEVELS = ("read", "write", "admin")
_HOUR = timedelta(hours=1)


def app_of_token(forge: Forge, token: str) -> Body:
    """The app whose private key signed this token (RS256, at most ten minutes). Raises Refusal 401."""
    undecodable = Refusal(401, "A JSON web token could not be decoded")
    try:
        head, claims, signature = (_decode(part) for part in token.split("."))
        header, said = json.loads(head), json.loads(claims)
        issuer, begins, ends = str(said["iss"]), int(said["iat"]), int(said["exp"])
    except (ValueError, KeyError, TypeError) as error:
        raise undecodable from error
    app = next((body for body in forge.store.find("app") if issuer in (str(body["id"]), body["slug"])), None)
    if header.get("alg") != "RS256" or app is None or not _signed(app, token.rpartition(".")[0], signature):
        raise undecodable
    now = int(forge.clock().timestamp())
    if ends <= now or ends - now > _LONGEST + _SKEW:
        raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future or has passed")
    if begins > now + _SKEW:
        raise Refusal(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")  # fmt: skip  # noqa: E501
    return app


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _signed(app: Body, text: str, signature: bytes) -> bool:
    # Imported here: only apps need it, and it costs more than the rest of a small forge's start.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(app["public_key"].encode())
        assert isinstance(key, RSAPublicKey)
        key.verify(signature, text.encode(), PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def new_installation_token(forge: Forge, app: Body, names: list[str] | None, wanted: Body | None) -> tuple[str, Body]:
    """A token of the app's installation for one hour, inside `store.writing()`; returns (token, its document).

    `names` limits it to some repositories of the organisation, `wanted` to some permissions. Raises Refusal 422 for
    what the installation itself does not have.
    """
    mine = {b["full_name"] for b in forge.store.find("repo") if b["full_name"].startswith(f"{app['org']}/")}
    repos = sorted(mine) if names is None else [f"{app['org']}/{name}" for name in names]
    if not mine.issuperset(repos):
        raise Refusal(422, "There is at least one repository that does not exist or is not accessible to the parent installation.")  # fmt: skip  # noqa: E501
    granted = dict(app["permissions"])
    permissions = granted if wanted is None else dict(wanted)
    for name, level in permissions.items():
        if (
            level not in _LEVELS
            or _LEVELS.index(level) > _LEVELS.index(granted.get(name, "read"))
            or name not in granted
        ):
            raise Refusal(422, "The permissions requested are not granted to this installation.")
    body: Body = {
        "login": f"{app['slug']}[bot]",
        "kind": "installation",
        "repos": repos,
        "permissions": permissions,
        "expires_at": (forge.clock() + _HOUR).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "run_id": None,
    }
    token = f"ghs_{secrets.token_hex(18)}"
    forge.store.put("token", token, body)
    return token, body
