"""No secret passes the redactor in any form, also when it is written in pieces (faults F46)."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release.adapters.redact import Redactor

SECRET = 'ghp_q/Z+"x\\y=é canary-0123'
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=60).filter(str.strip)


def forms(secret: str, before: bytes, after: bytes) -> list[str]:
    raw = before + secret.encode() + after
    return [
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
        json.dumps({"a": secret}),
        json.dumps({"a": secret}, ensure_ascii=False),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    ]


@pytest.mark.parametrize("before", [b"", b"x", b"x-access-token:"])
@pytest.mark.parametrize("after", [b"", b"1", b"12"])
def test_every_form_at_every_alignment_is_masked(before: bytes, after: bytes) -> None:
    redactor = Redactor([SECRET])
    for text in forms(SECRET, before, after):
        assert "***" in redactor.text(f"see {text} there"), text


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5))
def test_any_secret_is_masked(secret: str, before: bytes, after: bytes) -> None:
    secret = secret.strip()
    redactor = Redactor([secret])
    if len(secret) >= 6:
        for text in forms(secret, before, after):
            assert "***" in redactor.text(text)
            assert secret not in redactor.text(text)


def test_the_middle_of_a_base64_secret_does_not_stay() -> None:
    """What is left around the mask are the few characters that a neighbour shares, and no more."""
    text = base64.b64encode(b"user:" + SECRET.encode() + b"@").decode()
    left = Redactor([SECRET]).text(text)
    assert len(left.replace("***", "")) <= len(base64.b64encode(b"user:@...."))


def test_a_secret_that_begins_another_does_not_uncover_its_end() -> None:
    assert Redactor(["canary", "canary-secret"]).text("canary-secret canary") == "*** ***"


def test_ordinary_text_and_short_words_stay() -> None:
    redactor = Redactor(["", "  ", "abc", SECRET])
    assert redactor.text("abc and ghp_ are fine") == "abc and ghp_ are fine"
    assert Redactor().text("x") == "x"
    assert SECRET not in repr(redactor)
