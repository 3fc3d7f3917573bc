"""Where tokens and addresses come from; signatures; signals; the App's token: each wrong input is one clear refusal."""

from __future__ import annotations

import base64
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.peer import START, Time, say, serving
from ms_release.adapters import credentials, signing, urls
from ms_release.adapters.app_auth import App, app_token
from ms_release.adapters.credentials import Endpoints
from ms_release.adapters.http import Client
from ms_release.adapters.system import Clock, interruptible
from ms_release.errors import CredentialError, IntegrityError, Interrupted, UsageError

# Tokens


def program(folder: Path, text: str) -> dict[str, str]:
    (folder / "gh").write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (folder / "gh").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def test_the_order_of_tokens(tmp_path: Path) -> None:
    env = program(tmp_path, 'test "$*" = "auth token --hostname forge.example" && echo from-gh')
    assert credentials.find_token(env, "forge.example") == ("from-gh", "gh auth token")
    assert credentials.find_token({**env, "GITHUB_TOKEN": " b "}, "forge.example") == ("b", "GITHUB_TOKEN")
    both = {**env, "GITHUB_TOKEN": "b", "GH_TOKEN": "a"}
    assert credentials.find_token(both) == ("a", "GH_TOKEN")
    assert credentials.find_token({**both, "GH_TOKEN": " "}) == ("b", "GITHUB_TOKEN")


@pytest.mark.parametrize("text", ["exit 1", "true", "echo '  '", "printf '\\377'"])
def test_no_token_says_what_to_do(tmp_path: Path, text: str) -> None:
    with pytest.raises(CredentialError, match=r"no token for github\.com") as error:
        credentials.find_token(program(tmp_path, text))
    assert error.value.remedy
    assert error.value.next_command == "gh auth login -h github.com"


def test_without_gh_there_is_no_token(tmp_path: Path) -> None:
    with pytest.raises(CredentialError):
        credentials.find_token({"PATH": str(tmp_path)})


@pytest.mark.parametrize("token", ["a b", "a\nX: y", "clé"])
def test_what_cannot_be_a_token_is_not_shown(token: str) -> None:
    with pytest.raises(CredentialError, match="from GH_TOKEN") as error:
        credentials.find_token({"GH_TOKEN": token})
    assert token not in str(error.value)


# Addresses

GITHUB = Endpoints("https://api.github.com", "https://api.github.com/graphql", "https://github.com")
OWN = Endpoints("https://f.example/api/v3", "https://f.example/api/graphql", "https://f.example")
LOCAL = Endpoints("http://127.0.0.1:8/api/v3", "http://127.0.0.1:8/api/graphql", "http://127.0.0.1:8")


@pytest.mark.parametrize(
    ("env", "forge", "found"),
    [
        ({}, "https://github.com", GITHUB),
        ({}, "https://github.com/", GITHUB),
        ({}, "https://f.example", OWN),
        ({}, "http://127.0.0.1:8", LOCAL),
        ({"GITHUB_API_URL": "https://api.github.com"}, "https://f.example", GITHUB),
        ({"GITHUB_API_URL": LOCAL.api + "/"}, "https://github.com", LOCAL),
        ({"GITHUB_SERVER_URL": LOCAL.server}, "https://github.com", LOCAL),
        (
            {"GITHUB_API_URL": OWN.api, "GITHUB_GRAPHQL_URL": OWN.graphql, "GITHUB_SERVER_URL": OWN.server},
            "https://github.com", OWN,
        ),
    ],
)  # fmt: skip
def test_addresses(env: dict[str, str], forge: str, found: Endpoints) -> None:
    assert credentials.endpoints(env, forge) == found


@pytest.mark.parametrize(
    ("env", "forge"),
    [
        ({}, "http://f.example"),
        ({}, "ssh://f.example"),
        ({}, "https://user@f.example"),
        ({}, ""),
        ({}, "https://f.example:port"),
        ({"GITHUB_API_URL": "http://f.example/api/v3"}, "https://github.com"),
        ({"GITHUB_GRAPHQL_URL": "https://evil.example/graphql"}, "https://github.com"),
    ],
)
def test_addresses_that_may_not_carry_a_token(env: dict[str, str], forge: str) -> None:
    with pytest.raises(UsageError):
        credentials.endpoints(env, forge)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True), ("api.localhost", True),
        ("127.0.0.1.evil.example", False), ("127.evil", False), ("127.1", False),
        ("127.1.1.999", False), ("evillocalhost", False),
        ("10.0.0.1", False), ("", False),
    ],
)  # fmt: skip
def test_loopback(host: str, local: bool) -> None:
    assert urls.is_loopback(host) is local


def test_origins_and_segments() -> None:
    assert urls.origin("HTTPS://A.example/x") == urls.origin("https://a.example:443")
    assert urls.origin("https://a.example") != urls.origin("https://a.example:8443")
    assert urls.origin("https://a.example") != urls.origin("http://a.example")
    assert urls.segment("release/v1 #?%") == "release%2Fv1%20%23%3F%25"


# Signatures: the vector is RFC 8032, 7.1, test 3

SEED = base64.b64encode(bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")).decode()
PUBLIC = base64.b64encode(bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")).decode()
SIGNED = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
    "4a7c15e9716ed28dc027beceea1ec40a"
)


def test_signatures_are_the_standards() -> None:
    assert signing.public_of(SEED) == PUBLIC
    assert signing.sign(SEED + "\n", b"\xaf\x82") == base64.b64encode(SIGNED).decode() + "\n"
    signing.verify(PUBLIC, b"\xaf\x82", signing.sign(SEED, b"\xaf\x82"))


@pytest.mark.parametrize("signature", ["", "!!", base64.b64encode(bytes(64)).decode(), base64.b64encode(b"x").decode()])
def test_a_wrong_signature_is_an_integrity_error(signature: str) -> None:
    with pytest.raises(IntegrityError):
        signing.verify(PUBLIC, b"\xaf\x82", signature)


def test_one_changed_bit_is_an_integrity_error() -> None:
    with pytest.raises(IntegrityError):
        signing.verify(PUBLIC, b"\xaf\x83", signing.sign(SEED, b"\xaf\x82"))
    with pytest.raises(IntegrityError):
        signing.verify(signing.public_of(base64.b64encode(bytes(32)).decode()), b"x", signing.sign(SEED, b"x"))


@pytest.mark.parametrize("key", ["", "canary!", "Y2FuYXJ5"])
def test_a_damaged_key_is_not_shown(key: str) -> None:
    with pytest.raises(CredentialError) as error:
        signing.sign(key, b"")
    assert not key or key not in f"{error.value}{error.value.remedy}"
    with pytest.raises(UsageError):
        signing.verify(key, b"", base64.b64encode(SIGNED).decode())


# Signals and time


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_becomes_an_exit_code_and_is_given_back(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)

    def be_stopped() -> None:
        os.kill(os.getpid(), number)
        Clock().sleep(10)

    with interruptible(), pytest.raises(Interrupted) as error:
        be_stopped()
    assert error.value.exit_code == code
    assert signal.getsignal(number) is before


def test_the_clock_is_utc() -> None:
    begin = datetime.now(UTC)
    assert begin <= Clock().now() <= datetime.now(UTC)
    assert Clock().now().tzinfo is UTC


# The App


def test_an_app_proves_itself_and_gets_a_token() -> None:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    app, time = App("Iv1.abc", 42, pem), Time()
    assert "PRIVATE" not in repr(app)
    with serving() as peer:
        peer.script = [say(201, {"token": "ghs_x", "expires_at": "2026-01-02T04:04:05Z", "permissions": {}})]

        def connect(token: str) -> Client:
            api = f"{peer.url}/api/v3"
            return Client(api_url=api, graphql_url=api, token=token, clock=time.now, sleep=time.sleep)

        given = app_token(app, START, connect)
        assert (given.token, given.expires_at) == ("ghs_x", "2026-01-02T04:04:05Z")
        with pytest.raises(CredentialError, match="not an RSA key"):
            app_token(App("1", 42, "canary"), START, connect)
    assert peer.asked[0].path == "/api/v3/app/installations/42/access_tokens"
    head, claims, proof = peer.asked[0].headers["authorization"].removeprefix("Bearer ").split(".")

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    key.public_key().verify(decoded(proof), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    now = int(START.timestamp())
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"iat": now - 60, "exp": now + 540, "iss": "Iv1.abc"}
