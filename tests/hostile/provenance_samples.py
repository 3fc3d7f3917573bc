"""Samples of signatures and of provenance: the envelope, the statement in it, and the file beside its candidate."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

from hostile import seeds
from hostile.json_classes import DIGESTS, NAMES, SHAS, URLS
from hostile.odd_json import Path, field_samples, raw_samples, replaced
from hostile.sample import Kind, Sample
from ms_release.adapters.candidate_trust import untrusted
from ms_release.adapters.fetch import Checked
from ms_release.adapters.signing import public_of, sign, verify
from ms_release.core.candidate import MANIFEST_NAME, MAX_BYTES, PROVENANCE_NAME, SIGNATURE_NAME, parse_candidate
from ms_release.core.provenance import make_statement, pae, parse_provenance, payload_of, render_provenance

SEED = base64.b64encode(bytes(range(32))).decode()
KEY = public_of(SEED)
SIGNATURE = sign(SEED, seeds.CANDIDATE).encode()
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group of Ed25519: a signature with its multiple added is another text for the same thing."""


def _statement() -> bytes:
    digest = hashlib.sha256(seeds.CANDIDATE).hexdigest()
    made = parse_candidate(seeds.CANDIDATE)
    return payload_of(make_statement(made, digest, "https://github.com", "refs/heads/main", "rc-x"))


STATEMENT = _statement()


def wrapped(payload: bytes) -> bytes:
    """A statement in an envelope that is signed as it should be."""
    return render_provenance(payload, sign(SEED, pae(payload)).strip(), "k")


PROVENANCE = wrapped(STATEMENT)


def _wrap(sample: Sample) -> Sample:
    return Sample(sample.name, wrapped(sample.data), sample.exit)


# ---- the envelope


def _envelopes() -> Iterator[Sample]:
    def fine(path: Path, how: str) -> bool:
        return bool(path) and path[-1] == "keyid" and how in ("gone", "empty")

    yield Sample("as it should be", PROVENANCE, 0)
    yield from raw_samples(PROVENANCE, MAX_BYTES)
    yield from field_samples(PROVENANCE, fine)
    envelope = json.loads(PROVENANCE)
    payload, one = envelope["payload"], envelope["signatures"][0]
    odd = {
        "cut": payload[:-1], "space": payload + " ", "newline": payload + "\n", "URL alphabet": payload[:-4] + "-_-_",
        "padding alone": "====", "padding within": "QQ==" + payload, "twice": payload + payload,
        "bidi": "\u202e" + payload,
        "not base64": "<html>", "empty": "", "NUL": "\0", "of nothing": base64.b64encode(b"null").decode(),
        "of itself": base64.b64encode(PROVENANCE).decode(),
    }  # fmt: skip
    yield from replaced(PROVENANCE, ("payload",), odd)
    yield from replaced(
        PROVENANCE,
        ("payloadType",),
        {
            "other": "application/json",
            "capitals": "Application/vnd.in-toto+json",
            "space": "application/vnd.in-toto+json ",
        },
    )
    yield from replaced(
        PROVENANCE,
        ("signatures",),
        {"none": [], "two": [one, one], "many": [one] * 10_000, "text": "x", "cut": [{**one, "sig": one["sig"][4:]}],
         "long": [{**one, "sig": one["sig"] * 2}], "hex": [{**one, "sig": "ab" * 64}], "empty": [{**one, "sig": ""}]},
    )  # fmt: skip
    yield Sample("two lines", PROVENANCE + PROVENANCE, 2)
    yield Sample("pretty", json.dumps(envelope, indent=2).encode(), 2)
    yield Sample("an empty line", b"\n" + PROVENANCE, 2)


# ---- the statement


def _statements() -> Iterator[Sample]:
    def fine(path: Path, how: str) -> bool:
        inputs = path[2:4] == ("externalParameters", "inputs")
        return inputs and (how == "empty" or (how == "gone" and len(path) == 5))

    for sample in raw_samples(STATEMENT, 786_400):
        yield _wrap(sample)
    for sample in field_samples(STATEMENT, fine):
        yield _wrap(sample)
    tables: tuple[tuple[Path, dict[str, Any]], ...] = (
        (("subject", 0, "name"), {**NAMES, "twin": "CONFIG.ZIP", "the manifest": MANIFEST_NAME}),
        (("subject", 0, "digest", "sha256"), DIGESTS),
        (("predicate", "buildDefinition", "resolvedDependencies", 0, "digest", "gitCommit"), SHAS),
        (("predicate", "buildDefinition", "resolvedDependencies", 0, "uri"), {n: f"git+{u}" for n, u in URLS.items()}),
        (("predicate", "buildDefinition", "resolvedDependencies"), {"none": []}),
        (("predicate", "buildDefinition", "buildType"), {"other": "https://example.org", "empty": ""}),
        (("predicate", "runDetails", "byproducts"), {"none": []}),
        (("predicate", "runDetails", "byproducts", 0, "name"), {"other": "manifest.json"}),
        (("subject",), {"none": []}),
        (("_type",), {"older": "https://in-toto.io/Statement/v0.1", "empty": ""}),
        (("predicateType",), {"older": "https://slsa.dev/provenance/v0.2", "empty": ""}),
    )
    for path, values in tables:
        for sample in replaced(STATEMENT, path, values):
            yield _wrap(sample)


# ---- beside its candidate: everything that is wrong there is a difference (exit 7)


def _beside(data: bytes) -> object:
    metadata = {MANIFEST_NAME: seeds.CANDIDATE, SIGNATURE_NAME: SIGNATURE, PROVENANCE_NAME: data}
    made = parse_candidate(seeds.CANDIDATE)
    return Checked("x", "", made, tuple(p[:300] for p in untrusted(KEY, metadata))[:3]).sound()


def _files() -> Iterator[Sample]:
    yield Sample("as it should be", PROVENANCE, 0)
    envelope = json.loads(PROVENANCE)
    other = base64.b64encode(bytes(range(1, 33))).decode()
    signed = {"by another key": sign(other, pae(STATEMENT)), "without type and length": sign(SEED, STATEMENT),
              "of candidate.json": SIGNATURE.decode(), "zeros": base64.b64encode(bytes(64)).decode()}  # fmt: skip
    for name, signature in signed.items():
        yield Sample(f"signed {name}", render_provenance(STATEMENT, signature.strip(), ""), 7)
    yield Sample("another key id", json.dumps({**envelope, "signatures": [{**envelope["signatures"][0],
                                                                           "keyid": "x"}]}).encode(), 0)  # fmt: skip
    text = STATEMENT.decode()
    document = json.loads(STATEMENT)
    elsewhere = text.replace("git+https://github.com/", "git+https://evil.example/")
    yield Sample("a lie: sources of another forge", wrapped(elsewhere.encode()), 7)
    lies = {word: text.replace(word, word[::-1]) for word in ("config.zip", "github.com", "refs/heads/main")}
    for number, subject in enumerate(document["subject"]):
        less = [s for n, s in enumerate(document["subject"]) if n != number]
        lies[f"without {subject['name']}"] = json.dumps({**document, "subject": less or [{**subject, "name": "x"}]})
        lies[f"digest of {subject['name']}"] = text.replace(subject["digest"]["sha256"], "0" * 64)
    for name, lie in lies.items():
        if lie != text and name not in ("github.com", "refs/heads/main"):  # these are told consistently
            yield Sample(f"a lie: {name}", wrapped(lie.encode()), 7)
    for position in range(0, len(PROVENANCE) - 1, 7):  # the last byte ends the line
        damaged = PROVENANCE[:position] + bytes([PROVENANCE[position] ^ 1]) + PROVENANCE[position + 1 :]
        if b'"keyid":"' not in PROVENANCE[max(0, position - 10) : position]:
            yield Sample(f"bit flipped at {position}", damaged, 7)


# ---- signatures


def _signatures() -> Iterator[Sample]:
    raw = base64.b64decode(SIGNATURE)
    yield Sample("as it should be", SIGNATURE, 0)
    yield Sample("no newline", SIGNATURE.strip(), 0)
    high = raw[:32] + (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(32, "little")
    odd: dict[str, bytes] = {
        "another text for the same": high, "zeros": bytes(64), "ones": b"\xff" * 64, "turned around": raw[::-1],
        "halves swapped": raw[32:] + raw[:32], "the neutral point": b"\1" + bytes(63), "empty": b"", "short": raw[:63],
        "long": raw + b"\0", "the key": base64.b64decode(KEY) + bytes(32), "R alone": raw[:32] + bytes(32),
    }  # fmt: skip
    for name, value in odd.items():
        yield Sample(name, base64.b64encode(value) + b"\n", 7)
    bare = SIGNATURE.strip()
    texts = {
        "raw bytes": raw, "hex": raw.hex().encode(), "URL alphabet": base64.urlsafe_b64encode(b"\xfb" * 64),
        "BOM": b"\xef\xbb\xbf" + SIGNATURE, "NUL": bare + b"\0", "JSON": b'{"sig": "' + bare + b'"}',
        "twice": SIGNATURE * 2, "newline within": SIGNATURE[:40] + b"\n" + SIGNATURE[40:],
        "PEM": b"-----BEGIN SIGNATURE-----\n" + SIGNATURE + b"-----END SIGNATURE-----\n",
        "large": b"A" * (1 << 20), "UTF-16": SIGNATURE.decode().encode("utf-16"), "HTML": b"<!doctype html>",
        "Cyrillic": "А".encode() + SIGNATURE[1:], "escape": b"\x1b[2J" + SIGNATURE,
    }  # fmt: skip
    for name, text in texts.items():
        yield Sample(name, text, 7)
    for position in range(64):
        flipped = raw[:position] + bytes([raw[position] ^ (1 << position % 8)]) + raw[position + 1 :]
        yield Sample(f"bit flipped in byte {position}", base64.b64encode(flipped) + b"\n", 7)
    for part in range(1, len(SIGNATURE) - 2, 5):
        yield Sample(f"cut off after {part}", SIGNATURE[:part], 7)


def _verify(data: bytes) -> object:
    verify(KEY, seeds.CANDIDATE, data.decode("ascii", "replace"))
    return data


def _verify_over(data: bytes) -> object:
    verify(KEY, data, SIGNATURE.decode())
    return data


def _signed_bytes() -> Iterator[Sample]:
    """The signature stays, the signed bytes change."""
    good = seeds.CANDIDATE
    yield Sample("as it should be", good, 0)
    for position in range(0, len(good), 11):
        yield Sample(
            f"bit flipped at {position}", good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :], 7
        )
    for name, data in {
        "longer": good + b" ",
        "shorter": good[:-1],
        "empty": b"",
        "CRLF": good.replace(b"\n", b"\r\n"),
    }.items():
        yield Sample(name, data, 7)


CLASSES: dict[str, Kind] = {
    "provenance, envelopes": Kind(parse_provenance, _envelopes),
    "provenance, statements": Kind(parse_provenance, _statements),
    "provenance, beside candidates": Kind(_beside, _files),
    "signatures": Kind(_verify, _signatures),
    "signed bytes": Kind(_verify_over, _signed_bytes),
}
