"""A GitHub App in the place of a token: one hour's credential, made when it is needed and shown to nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

if TYPE_CHECKING:
    from cli.conftest import Organisation

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
BOTH = {"MS_APP_ID": "77", "MS_APP_INSTALLATION": "5", "MS_APP_KEY": PRIVATE}


def install(organisation: Organisation, **permissions: str) -> None:
    body = {
        "id": 77,
        "slug": "train",
        "name": "Train",
        "public_key": PUBLIC,
        "installation_id": 5,
        "org": "midi-studio",
    }
    organisation.server.forge.store.put("app", "train", {**body, "permissions": {"metadata": "read", **permissions}})


def test_an_app_sees_what_its_installation_may_see(organisation: Organisation) -> None:
    install(organisation, contents="write", checks="read", pull_requests="read", actions="read", environments="read")
    done = organisation.type(
        organisation.directory("app"),
        organisation.environment(GH_TOKEN=None, **BOTH),
        "plan",
        "--channel",
        "beta",
        "--auto",
        "--json",
    )
    assert done.exit in (0, 3), done.err
    assert done.document["tag"] == "v0.1.0-beta.1"
    assert "PRIVATE KEY" not in done.out + done.err
    assert done.effects == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({**BOTH, "MS_APP_KEY": "nonsense"}, "not an RSA key", id="damaged key"),
        pytest.param({**BOTH, "MS_APP_KEY": ""}, "MS_APP_KEY", id="no key"),
        pytest.param({**BOTH, "MS_APP_INSTALLATION": "x"}, "MS_APP_INSTALLATION", id="no installation"),
        pytest.param({**BOTH, "MS_APP_ID": "78"}, "", id="another app"),
    ],
)
def test_an_app_that_cannot_prove_itself(organisation: Organisation, settings: dict[str, str], words: str) -> None:
    install(organisation, contents="read")
    env = organisation.environment(GH_TOKEN=None, **settings)
    done = organisation.type(organisation.directory(f"app-{os.urandom(4).hex()}"), env, "status")
    assert done.exit == 5, done.err
    assert words in done.err
