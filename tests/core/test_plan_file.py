"""The plan file: the same world gives the same digest, and no edit of a single byte goes unnoticed (SPEC 1.7, 5)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import CONFIG, PRODUCT, observation, planned, sha, sha256
from ms_release.core import strict_json, train
from ms_release.core.plan import (
    PlanFile,
    ledger_path,
    make_file,
    make_seal,
    notes_path,
    parse_file,
    plan_path,
    spec_path,
)
from ms_release.core.train import Train
from ms_release.errors import DamagedError

FILE = planned().file
PLAN = FILE.plan
DATA = FILE.data


def edited(**changes: Any) -> bytes:
    return json.dumps({**json.loads(DATA), **changes}).encode()


def resealed(**changes: Any) -> bytes:
    body = {**json.loads(DATA)["plan"], **changes}
    return edited(plan=body, digest=strict_json.digest(body))


def test_what_is_written_is_read_back() -> None:
    assert parse_file(DATA, "x") == FILE
    document = json.loads(DATA)
    assert list(document) == ["schema", "digest", "created_at", "created_by", "plan"]
    assert (document["schema"], document["created_by"]) == ("ms-plan/v1", "alice")
    assert document["digest"] == strict_json.digest(msgspec.to_builtins(PLAN)) == FILE.digest


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_digest_does_not_depend_on_who_or_when(at: str, by: str) -> None:
    made = make_file(PLAN, created_at=at, created_by=by)
    assert made.digest == FILE.digest
    assert parse_file(made.data, "x") == made


def test_the_digest_of_the_same_facts_is_the_same() -> None:
    assert planned(observation(), created_by="erin").file.digest == FILE.digest
    assert planned(observation(now="2026-01-10T13:00:00Z", viewer="erin")).file.digest == FILE.digest


FIELDS: dict[str, Any] = {
    "product": "app",
    "channel": "stable",
    "tag": "v0.1.0-beta.2",
    "mode": "promotion",
    "reason": "other",
    "previous": "v0.0.9",
    "source": "v0.0.8",
    "home": "studio/other",
    "branch": "next",
    "config": "f" * 40,
    "pins": PLAN.pins[:1],
    "candidates": PLAN.candidates[:1],
    "changes": (),
    "notes": "more",
    "files": (),
    "protection": replace(PLAN.protection, prevent_self_review=False),
    "gates": PLAN.gates[:1],
}


def test_a_plan_from_before_rollbacks_is_read() -> None:
    document = json.loads(FILE.data)
    del document["plan"]["source"]
    document["digest"] = strict_json.digest(document["plan"])
    assert parse_file(json.dumps(document).encode(), "x").plan == PLAN


def test_every_field_of_a_plan_is_in_its_digest() -> None:
    assert set(FIELDS) | {"kind"} == set(PLAN.__struct_fields__)
    digests = {make_file(replace(PLAN, **{k: v}), created_at="", created_by="").digest for k, v in FIELDS.items()}
    assert len(digests | {FILE.digest}) == len(FIELDS) + 1


PLAN_STARTS = DATA.index(b'"plan":')


@given(st.integers(0, len(DATA) - 1), st.integers(0, 255))
def test_no_byte_can_be_edited_unnoticed(position: int, byte: int) -> None:
    damaged = DATA[:position] + bytes([byte]) + DATA[position + 1 :]
    if damaged == DATA:
        return
    try:
        found = parse_file(damaged, "x")
    except DamagedError:
        return
    # what is left: white space, and who made it when, which the digest leaves out on purpose
    assert (found.plan, found.digest) == (PLAN, FILE.digest)
    assert found.data == damaged
    same = (found.created_at, found.created_by) == (FILE.created_at, FILE.created_by)
    assert not same or (DATA[position : position + 1].isspace() and damaged[position : position + 1].isspace())


def test_every_single_letter_and_digit_of_the_plan_counts() -> None:
    for position in range(PLAN_STARTS, len(DATA)):
        old = DATA[position : position + 1]
        if old.isalnum():
            new = b"0" if old != b"0" else b"1"
            with pytest.raises(DamagedError):
                parse_file(DATA[:position] + new + DATA[position + 1 :], "x")


@given(st.integers(0, len(DATA) - 2))
def test_a_plan_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(DamagedError):
        parse_file(DATA[:length], "x")


PIN = json.loads(DATA)["plan"]["pins"][0]


def within(field: str) -> bytes:
    """The plan with a field more in the first, or the only, part of one of its fields, and a digest that fits."""
    part = json.loads(DATA)["plan"][field]
    more = [{**part[0], "extra": 1}, *part[1:]] if isinstance(part, list) else {**part, "extra": 1}
    return resealed(**{field: more})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"{", "is no plan", id="no JSON"),
        pytest.param(b"[]", "is not an ms-plan/v1 file but None", id="a list"),
        pytest.param(edited(schema="ms-plan/v2"), "is not an ms-plan/v1 file but 'ms-plan/v2'", id="newer"),
        pytest.param(edited(schema=None), "is not an ms-plan/v1 file but None", id="no schema"),
        pytest.param(edited(extra=1), "has other fields than a plan file", id="added field"),
        pytest.param(
            json.dumps({k: v for k, v in json.loads(DATA).items() if k != "created_by"}).encode(),
            "has other fields than a plan file",
            id="left out field",
        ),
        pytest.param(edited(created_by=7), "is damaged", id="creator is a number"),
        pytest.param(edited(created_at=None), "is damaged", id="no time"),
        pytest.param(edited(digest="0" * 64), "its digest is", id="other digest"),
        pytest.param(edited(digest=None), "its digest is", id="no digest"),
        pytest.param(edited(plan={}), "is damaged", id="empty plan"),
        pytest.param(resealed(extra=1), "is damaged", id="added plan field"),
        *(
            pytest.param(within(field), "is damaged", id=f"added field in {field}")
            for field in ("pins", "candidates", "changes", "files", "protection", "gates")
        ),
        pytest.param(resealed(channel="nightly"), "is damaged", id="unknown channel"),
        pytest.param(resealed(tag="v1.0"), "malformed tag or commit", id="no version"),
        pytest.param(resealed(tag="v1.0.0\n"), "malformed tag or commit", id="version with a newline"),
        pytest.param(resealed(pins=[{**PIN, "sha": "HEAD"}]), "malformed tag or commit", id="no commit"),
        pytest.param(
            resealed(pins=[PIN, {**PIN, "sha": "HEAD"}]), "malformed tag or commit", id="one of two is no commit"
        ),
        pytest.param(resealed(pins=[{**PIN, "sha": "A" * 40}]), "malformed tag or commit", id="upper case commit"),
        pytest.param(
            resealed(pins=[{**PIN, "sha": sha("x") + "\n"}]), "malformed tag or commit", id="commit with a newline"
        ),
    ],
)
def test_what_is_no_plan_file(data: bytes, words: str) -> None:
    with pytest.raises(DamagedError, match=r"release-plans/x\.json") as caught:
        parse_file(data, "release-plans/x.json")
    assert words in caught.value.cause
    assert caught.value.remedy


def test_a_verdict_that_needed_no_waiver_names_none() -> None:
    """Left out, and not empty: the digests of plans that are out already rest on it."""
    gates = json.loads(DATA)["plan"]["gates"]
    assert {tuple(gate) for gate in gates} == {("code", "subject", "outcome")}
    waived = replace(PLAN, gates=(replace(PLAN.gates[0], outcome="FAIL", waived_by="dana"),))
    found = json.loads(make_file(waived, created_at="", created_by="").data)["plan"]["gates"]
    assert [gate["waived_by"] for gate in found] == ["dana"]


def test_a_plan_that_was_edited_and_sealed_again_is_another_plan() -> None:
    found = parse_file(resealed(notes="edited"), "x")
    assert found.digest != FILE.digest


def test_where_things_lie() -> None:
    assert (PLAN.path, PLAN.release_branch, PLAN.evidence_branch) == (
        "release-plans/v0.1.0-beta.1.json",
        "release/v0.1.0-beta.1",
        "evidence/v0.1.0-beta.1",
    )
    assert (plan_path("t"), spec_path("t")) == ("release-plans/t.json", "release-specs/t.json")
    assert (notes_path("t"), ledger_path("t")) == ("release-notes/t.md", "release/ledger/t.json")
    assert PLAN.prerelease
    assert not replace(PLAN, channel="stable").prerelease


DIGESTS = {"loader": sha256("a"), "core": sha256("b")}


def test_the_seal_does_not_depend_on_the_order_of_candidates() -> None:
    backwards = dict(reversed(DIGESTS.items()))
    assert make_seal("d", "c", DIGESTS) == make_seal("d", "c", backwards)


@pytest.mark.parametrize(
    ("digest", "commit", "digests"),
    [
        ("e", "c", DIGESTS),
        ("d", "f", DIGESTS),
        ("d", "c", {**DIGESTS, "core": sha256("c")}),
        ("d", "c", {"loader": DIGESTS["loader"]}),
        ("d", "c", {"loader": DIGESTS["core"], "core": DIGESTS["loader"]}),
    ],
)
def test_the_seal_covers_each_of_its_parts(digest: str, commit: str, digests: dict[str, str]) -> None:
    assert make_seal(digest, commit, digests) != make_seal("d", "c", DIGESTS)


def test_spec_and_notes_are_pure_functions_of_the_plan() -> None:
    again = Train(CONFIG, PRODUCT, parse_file(DATA, "x"))
    assert train.release_files(again) == train.release_files(planned())
    spec = json.loads(train.render_spec(again))
    assert (spec["schema"], spec["plan"], spec["tag"]) == (3, FILE.digest, PLAN.tag)
    assert [c["tag"] for c in spec["candidates"]] == [c.tag for c in PLAN.candidates]
    assert isinstance(FILE, PlanFile)
