"""A token for one installation of a GitHub App: the App proves itself by a short-lived JWT and gets an hour's token."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from ms_release.adapters.http import Client, Refused
from ms_release.errors import CredentialError


@dataclass(frozen=True, slots=True)
class App:
    """Who the App is: its id (or client id), the id of its installation, its private key in PEM."""

    app_id: str
    installation: int
    private_key: str = field(repr=False)


class AppToken(msgspec.Struct, frozen=True):
    """An installation token as the forge gives it: `permissions` are all that it may do (name → read or write)."""

    token: str
    expires_at: str
    permissions: dict[str, str] = {}


def app_token(app: App, now: datetime, connect: Callable[[str], Client], only: tuple[str, ...] = ()) -> AppToken:
    """A fresh installation token, for all repositories of the installation or for `only` these (names without owner).

    `connect` makes a client that shows the given bearer token. Raises CredentialError when the key is damaged, the
    forge refuses the App, or the App is not installed on one of the repositories.
    """
    with connect(_jwt(app, int(now.timestamp()))) as client:
        # Asking twice makes two tokens that both end by themselves, so this write may be repeated.
        path = f"/app/installations/{app.installation}/access_tokens"
        wish = {"repositories": list(only)} if only else {}
        try:
            answer: AppToken = client.write("POST", path, wish, idempotent=True, decode=AppToken).json
        except Refused as error:
            if error.status != 422:
                raise
            raise CredentialError(
                f"the App gets no token for {', '.join(only) or 'its installation'}: {error.message}",
                remedy="Install the App on all of these repositories.",
            ) from None
    return answer


def _jwt(app: App, now: int) -> str:
    """RS256; issued a minute ago because clocks differ, valid for nine more (GitHub allows ten in all)."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_pem_private_key(app.private_key.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CredentialError("the App's private key is not an RSA key in PEM", remedy="Make a new key for the App.")
    claims: dict[str, str | int] = {"iat": now - 60, "exp": now + 540, "iss": app.app_id}
    text = _part({"alg": "RS256", "typ": "JWT"}) + b"." + _part(claims)
    return (text + b"." + _base64(key.sign(text, padding.PKCS1v15(), hashes.SHA256()))).decode()


def _part(value: dict[str, str | int]) -> bytes:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
