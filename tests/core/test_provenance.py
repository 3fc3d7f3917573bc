"""Provenance says what `candidate.json` says, is signed as DSSE wants it, and is read back as it was written."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import test_candidate
from hostile import provenance_samples
from hostile.judge import ending
from ms_release.core.candidate import Inputs, Source, render_candidate
from ms_release.core.provenance import (
    compare_provenance,
    make_statement,
    pae,
    parse_provenance,
    payload_of,
    render_provenance,
)
from ms_release.errors import DamagedError

GOOD = test_candidate.GOOD
DIGEST = hashlib.sha256(render_candidate(GOOD)).hexdigest()
STATEMENT = make_statement(GOOD, DIGEST, "https://github.com", "refs/heads/main", "rc-x")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def signed(payload: bytes) -> bytes:
    return render_provenance(payload, base64.b64encode(KEY.sign(pae(payload))).decode(), "k")


def test_it_is_an_in_toto_statement_with_slsa_provenance_in_a_dsse_envelope() -> None:
    envelope = json.loads(signed(payload_of(STATEMENT)))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    statement = json.loads(base64.b64decode(envelope["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert {s["name"]: s["digest"]["sha256"] for s in statement["subject"]} == {
        a.filename: a.sha256 for a in GOOD.artifacts
    }
    build, run = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
    home = f"https://github.com/{GOOD.producer_repo}"
    assert build["buildType"] == "https://actions.github.io/buildtypes/workflow/v1"
    assert build["externalParameters"]["workflow"]["repository"] == home
    assert [(d["uri"], d["digest"]["gitCommit"]) for d in build["resolvedDependencies"]] == [
        (f"git+https://github.com/{s.repo}", s.sha) for s in GOOD.inputs.repos
    ]
    assert run["builder"]["id"] == f"{home}/.github/workflows/{GOOD.workflow_file}@refs/heads/main"
    assert run["metadata"]["invocationId"] == f"{home}/actions/runs/{GOOD.run_id}/attempts/{GOOD.run_attempt}"


def test_what_is_signed_is_the_encoding_of_dsse() -> None:
    """The example of the DSSE protocol, with our type."""
    assert pae(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


def test_read_back_it_is_the_same_and_its_signature_verifies() -> None:
    payload = payload_of(STATEMENT)
    found = parse_provenance(signed(payload))
    assert found.statement == STATEMENT
    assert list(compare_provenance(found.statement, GOOD, DIGEST)) == []
    KEY.public_key().verify(base64.b64decode(found.signature), found.signed)
    assert signed(payload).count(b"\n") == 1


@given(st.binary(max_size=300))
def test_no_two_payloads_are_encoded_alike(payload: bytes) -> None:
    assert pae(payload).endswith(b" %d " % len(payload) + payload)


@pytest.mark.parametrize(
    ("digest", "words"), [("0" * 64, "the sha256 of candidate.json: "), (DIGEST, "")], ids=["another", "this"]
)
def test_it_belongs_to_exactly_these_bytes_of_the_manifest(digest: str, words: str) -> None:
    problems = list(compare_provenance(STATEMENT, GOOD, digest))
    assert (words in problems[0]) if words else problems == []


def test_another_candidate_is_named_with_both_values() -> None:
    other = make_statement(GOOD, DIGEST, "https://github.com", "refs/heads/main", "rc-x")
    artifact = GOOD.artifacts[0]
    lie = json.loads(payload_of(other).decode().replace(artifact.sha256, "0" * 64))
    found = parse_provenance(signed(json.dumps(lie).encode())).statement
    (problem, *_) = compare_provenance(found, GOOD, DIGEST)
    assert artifact.sha256 in problem
    assert "0" * 64 in problem


def test_the_run_was_started_for_its_own_commit() -> None:
    """Whatever the order of its sources."""
    own = next(s for s in GOOD.inputs.repos if s.repo == GOOD.producer_repo)
    other = Source("aaa", "octo/aaa", "1" * 40)
    for sources in ((other, own), (own, other)):
        made = make_statement(replace(GOOD, inputs=Inputs(sources)), DIGEST, "https://x.example", "r", "t")
        assert made.predicate.build_definition.external_parameters.inputs == {"sha": own.sha, "tag": "t"}


def edited(old: str, new: str) -> list[str]:
    """How a statement with other words differs."""
    text = payload_of(STATEMENT).decode()
    assert old in text
    found = parse_provenance(signed(text.replace(old, new).encode())).statement
    return list(compare_provenance(found, GOOD, DIGEST))


HOME = f"https://github.com/{GOOD.producer_repo}"
WORKFLOW = f".github/workflows/{GOOD.workflow_file}"
RUN = f"/actions/runs/{GOOD.run_id}/attempts/{GOOD.run_attempt}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f'"path":"{WORKFLOW}"', '"path":".github/workflows/other.yml"', "the workflow: .github/workflows/other.yml"),
        (f'"id":"{HOME}/', '"id":"https://github.com/octo/other/', "the builder: https://github.com/octo/other/"),
        (f"{WORKFLOW}@refs", f"{WORKFLOW}@other", "the builder: "),
        (RUN, RUN + "1", "the run: "),
        (f'"repository":"{HOME}"', '"repository":"https://github.com/octo/other"', "the producer: octo/other and "),
    ],
    ids=["workflow", "builder", "ref", "run", "producer"],
)
def test_each_fact_is_compared(old: str, new: str, words: str) -> None:
    assert any(words in problem for problem in edited(old, new))


def test_sources_are_compared_both_ways() -> None:
    more = Source("aaa", "octo/aaa", "1" * 40)
    fuller = replace(GOOD, inputs=Inputs((*GOOD.inputs.repos, more)))
    told = make_statement(fuller, DIGEST, "https://github.com", "refs/heads/main", "rc-x")
    assert [p.rpartition("about ")[2] for p in compare_provenance(told, GOOD, DIGEST)] == [
        f"the commit of octo/aaa: {'1' * 40} and nothing"
    ]
    assert [p.rpartition("about ")[2] for p in compare_provenance(STATEMENT, fuller, DIGEST)] == [
        f"the commit of octo/aaa: nothing and {'1' * 40}"
    ]


def test_a_repository_twice_and_one_without_git_are_refused() -> None:
    document = json.loads(payload_of(STATEMENT))
    dependencies = document["predicate"]["buildDefinition"]["resolvedDependencies"]
    first = dict(dependencies[0])
    for odd in (
        [first, first],
        [{**first, "uri": first["uri"].removeprefix("git+")}],
        [{**first, "uri": "git+https://x/o/.."}],
    ):
        dependencies[:] = odd
        with pytest.raises(DamagedError):
            parse_provenance(signed(json.dumps(document).encode()))


def test_what_one_of_the_two_does_not_say_is_nothing() -> None:
    less = replace(GOOD, artifacts=GOOD.artifacts[:1])
    told = list(compare_provenance(STATEMENT, less, DIGEST))
    assert [line.endswith(" and nothing") for line in told] == [True] * (len(GOOD.artifacts) - 1)
    assert len(told) >= 1
    more = make_statement(less, DIGEST, "https://github.com", "refs/heads/main", "rc-x")
    assert all(": nothing and " in line for line in compare_provenance(more, GOOD, DIGEST))


@pytest.mark.parametrize("name", ["provenance, envelopes", "provenance, statements", "provenance, beside candidates"])
def test_every_hostile_sample_ends_with_its_exit_code(name: str) -> None:
    """The same samples are read under caps in hostile/; here they are what each rule is held by."""
    kind = provenance_samples.CLASSES[name]
    small = [sample for sample in kind.samples() if len(sample.data) < 1 << 16]
    assert [sample.name for sample in small if ending(kind, sample) != str(sample.exit)] == []


def test_two_envelopes_are_none() -> None:
    with pytest.raises(DamagedError, match="jsonl is refused: Extra data"):
        parse_provenance(signed(payload_of(STATEMENT)) * 2)
