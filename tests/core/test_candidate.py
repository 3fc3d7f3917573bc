"""candidate.json and checksums.txt: both schemas, hostile files (faults F38), completeness and identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ms_release.core.candidate import (
    Artifact,
    Candidate,
    Inputs,
    Source,
    candidate_tag,
    check_candidate,
    identity,
    make_input_fingerprint,
    make_recipe_fingerprint,
    parse_candidate,
    parse_checksums,
    render_candidate,
    render_checksums,
)
from ms_release.errors import DamagedError

REPO = "midi-studio/loader"
SHA = "a" * 40
SOURCES = (Source("loader", REPO, SHA), Source("tooling", "midi-studio/ms-dev-env", "b" * 40))
RECIPE = make_recipe_fingerprint([(".github/workflows/candidate.yml", "0" * 64)])
INPUTS = Inputs(SOURCES, {"rustc": "1.80.0"}, {"profile": "release"})
GOOD = Candidate(
    producer_repo=REPO,
    producer_kind="loader-binaries",
    workflow_file=".github/workflows/candidate.yml",
    run_id=123,
    run_attempt=1,
    generated_at="2026-04-17T21:00:00Z",
    build_input_fingerprint=make_input_fingerprint("loader-binaries", RECIPE, INPUTS),
    recipe_fingerprint=RECIPE,
    inputs=INPUTS,
    artifacts=(
        Artifact(
            "loader-linux", "loader-linux-x86_64", "binary", "linux", "x86_64", 3, hashlib.sha256(b"abc").hexdigest()
        ),
        Artifact("config", "config.zip", "config", None, None, 0, hashlib.sha256(b"").hexdigest()),
    ),
)
SUMS = {artifact.filename: artifact.sha256 for artifact in GOOD.artifacts}
ASSETS: list[tuple[str, int, str | None]] = [
    *((artifact.filename, artifact.size, f"sha256:{artifact.sha256}") for artifact in GOOD.artifacts),
    ("candidate.json", 900, "sha256:" + "1" * 64),
    ("checksums.txt", 150, None),
    ("candidate.json.sig", 89, None),
]
OLD = {
    "schema": 1,
    "repo": REPO,
    "sha": SHA,
    "workflow": "candidate.yml",
    "run_id": 21551,
    "run_attempt": 2,
    "generated_at": "2026-02-01T10:20:30Z",
    "artifacts": [{"filename": "loader-linux.tar.gz", "size": 7, "sha256": "c" * 64}],
}


def test_the_written_form_has_sorted_keys_and_two_spaces() -> None:
    data = render_candidate(GOOD)
    document = json.loads(data)
    assert data == (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
    assert document["schema"] == "ms-candidate/v1"
    assert set(document) == set(
        "schema producer_repo producer_kind workflow_file run_id run_attempt generated_at build_input_fingerprint "
        "recipe_fingerprint inputs artifacts".split()
    )
    assert document["artifacts"][1]["os"] is None
    assert parse_candidate(data) == GOOD


def test_schema_1_is_read_into_the_same_shape() -> None:
    candidate = parse_candidate(json.dumps(OLD).encode())
    assert candidate.producer_repo == REPO
    assert candidate.inputs.repos == (Source("loader", REPO, SHA),)
    assert (candidate.run_id, candidate.run_attempt, candidate.workflow_file) == (21551, 2, "candidate.yml")
    assert [(a.filename, a.size, a.sha256) for a in candidate.artifacts] == [("loader-linux.tar.gz", 7, "c" * 64)]
    assets = [("loader-linux.tar.gz", 7, None), ("candidate.json", 1, None), ("checksums.txt", 1, None)]
    sums = {"loader-linux.tar.gz": "c" * 64}
    assert check_candidate(candidate, repo=REPO, sha=SHA, checksums=sums, assets=assets) == []
    with pytest.raises(DamagedError, match="fingerprint"):
        render_candidate(candidate)


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(render_candidate(GOOD))
    change(document)
    return json.dumps(document).encode()


def rename(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda d: d["artifacts"][0].update(filename=name)


HOSTILE: list[Callable[[dict[str, Any]], object]] = [
    *map(rename, ["../x", "/etc/passwd", "a/b", "a\\b", "a\0", "CON", "nul.txt", "a.", "a ", "", ".a", "x\u202etxt"]),
    *map(
        rename, ["аbc", "e\u0301", "candidate.json", "CHECKSUMS.txt", "candidate.json.sig", "Config.ZIP", "config.zip"]
    ),
    lambda d: d.update(schema=2),
    lambda d: d.update(schema=True),
    lambda d: d.update(schema="ms-candidate/v2"),
    lambda d: d.pop("schema"),
    lambda d: d.update(extra=1),
    lambda d: d.pop("run_id"),
    lambda d: d.update(run_id="123"),
    lambda d: d.update(run_id=0),
    lambda d: d.update(run_id=2**60),
    lambda d: d.update(run_attempt=0),
    lambda d: d.update(generated_at="yesterday"),
    lambda d: d.update(generated_at="2026-04-17T21:00:00Z\n"),
    lambda d: d.update(producer_repo="loader"),
    lambda d: d.update(producer_kind=""),
    lambda d: d.update(recipe_fingerprint="x"),
    lambda d: d.update(build_input_fingerprint=""),
    lambda d: d.update(artifacts=[]),
    lambda d: d.update(artifacts=None),
    lambda d: d["artifacts"].append(d["artifacts"][0] | {"filename": "other"}),
    lambda d: d["artifacts"][0].update(size=-1),
    lambda d: d["artifacts"][0].update(size=1.5),
    lambda d: d["artifacts"][0].update(sha256="A" * 64),
    lambda d: d["artifacts"][0].update(os="li nux"),
    lambda d: d["artifacts"][0].update(id=""),
    lambda d: d["artifacts"][0].update(url="http://x"),
    lambda d: d["inputs"].update(repos=[]),
    lambda d: d["inputs"]["repos"][0].update(sha="a" * 39),
    lambda d: d["inputs"]["repos"][0].update(repo="../x"),
    lambda d: d["inputs"]["repos"][0].update(id="tooling"),
    lambda d: d["inputs"].update(toolchain={"a": 1}),
]


@pytest.mark.parametrize("change", HOSTILE)
def test_hostile_candidates_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(DamagedError) as caught:
        parse_candidate(edited(change))
    assert caught.value.cause.isprintable()


@pytest.mark.parametrize("key", sorted(OLD))
def test_every_field_of_schema_1_is_needed(key: str) -> None:
    with pytest.raises(DamagedError):
        parse_candidate(json.dumps({k: v for k, v in OLD.items() if k != key}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'{"schema":1,"schema":1}',
        b'{"schema":' + b"[" * 100_000,
        b'{"artifacts":[' + b"0," * 30_000 + b"0]}",
        b" " * (1 << 21),
    ],
)
def test_oversized_and_odd_documents_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedError):
        parse_candidate(data)


@given(st.integers(0, len(render_candidate(GOOD)) - 1), st.integers(0, 255))
def test_a_changed_byte_is_noticed(position: int, byte: int) -> None:
    data = bytearray(render_candidate(GOOD))
    same = data[position] == byte
    data[position] = byte
    try:
        candidate = parse_candidate(bytes(data))
    except DamagedError:
        return
    # What still parses says something else, or differs in white space alone; the plan holds the digest of the bytes.
    assert same or candidate != GOOD or json.loads(bytes(data)) == json.loads(render_candidate(GOOD))


def problems(**changes: Any) -> list[str]:
    given_ = {"candidate": GOOD, "repo": REPO, "sha": SHA, "checksums": SUMS, "assets": ASSETS} | changes
    candidate = given_.pop("candidate")
    return check_candidate(candidate, **given_)


def without(name: str) -> list[tuple[str, int, str | None]]:
    return [asset for asset in ASSETS if asset[0] != name]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repo": "midi-studio/core"}, "produced by midi-studio/loader, not by midi-studio/core"),
        ({"sha": "d" * 40}, "built from aaaaaaaaaaaa, not from dddddddddddd"),
        ({"candidate": replace(GOOD, build_input_fingerprint="e" * 64)}, "not that of its inputs"),
        ({"assets": without("candidate.json")}, "candidate.json is missing"),
        ({"assets": without("checksums.txt")}, "checksums.txt is missing"),
        ({"assets": without("config.zip")}, "config.zip is missing"),
        (
            {"assets": [*without("config.zip"), ("config.zip", 1, None)]},
            "config.zip has 1 bytes (digest not told), candidate.json says 0 (e3b0c44298fc)",
        ),
        (
            {"assets": [*without("config.zip"), ("config.zip", 0, "sha256:" + "0" * 64)]},
            "config.zip has the sha256 000",
        ),
        ({"assets": [*without("config.zip"), ("config.zip", 0, "md5:\x1b")]}, "config.zip has the sha256 md5"),
        ({"assets": [*ASSETS, ("evil\u202e.exe", 1, None)]}, r"evil\u202e.exe belongs to nothing"),
        ({"assets": [*ASSETS, ASSETS[0]]}, "share a name"),
        ({"checksums": {"config.zip": SUMS["config.zip"]}}, "loader-linux-x86_64 is not in checksums.txt"),
        ({"checksums": SUMS | {"more": "0" * 64}}, "checksums.txt names more"),
        ({"checksums": SUMS | {"config.zip": "0" * 64}}, "differ about config.zip"),
    ],
)
def test_every_kind_of_incompleteness_is_named(changes: dict[str, Any], words: str) -> None:
    found = problems(**changes)
    assert len(found) == 1
    assert words in found[0]
    assert found[0].isprintable()


def test_a_complete_candidate_has_no_problems() -> None:
    assert problems() == []
    assert problems(repo=REPO.upper()) == []
    assert problems(assets=[(name, size, None) for name, size, _ in ASSETS]) == []


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(sha="d" * 40, assets=[], checksums={})) == 1 + 4 + 2


def test_the_fingerprint_is_upstreams() -> None:
    document = {
        "producer_kind": "loader-binaries",
        "recipe_fingerprint": RECIPE,
        "repos": [{"id": s.id, "repo": s.repo, "sha": s.sha} for s in SOURCES],
        "toolchain": {"rustc": "1.80.0"},
        "config": {"profile": "release"},
        "extra": {},
    }
    expected = hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert make_input_fingerprint("loader-binaries", RECIPE, INPUTS) == expected
    assert hashlib.sha256(b".github/workflows/candidate.yml\n" + b"0" * 64 + b"\n").hexdigest() == RECIPE


@pytest.mark.parametrize(
    ("kind", "recipe", "inputs"),
    [
        ("other", RECIPE, INPUTS),
        ("loader-binaries", "0" * 64, INPUTS),
        ("loader-binaries", RECIPE, replace(INPUTS, repos=SOURCES[:1])),
        ("loader-binaries", RECIPE, replace(INPUTS, toolchain={})),
        ("loader-binaries", RECIPE, replace(INPUTS, config={"profile": "debug"})),
    ],
)
def test_identity_depends_on_every_input(kind: str, recipe: str, inputs: Inputs) -> None:
    assert identity(kind, recipe, inputs) != identity("loader-binaries", RECIPE, INPUTS)


def test_identity_does_not_depend_on_the_order_of_repositories() -> None:
    turned = replace(INPUTS, repos=SOURCES[::-1])
    assert identity("loader-binaries", RECIPE, turned) == identity("loader-binaries", RECIPE, INPUTS)


def test_tags() -> None:
    assert candidate_tag("loader", SHA, None) == f"rc-{SHA}"
    assert candidate_tag("plugin", SHA, "0123456789abcdef") == "rc-plugin-0123456789abcdef"


def test_checksums_are_gnu_lines_in_name_order() -> None:
    data = render_checksums({"b": "1" * 64, "a": "2" * 64})
    assert data == b"2" * 64 + b"  a\n" + b"1" * 64 + b"  b\n"
    assert parse_checksums(data) == {"a": "2" * 64, "b": "1" * 64}
    assert parse_checksums(b"1" * 64 + b" *a") == {"a": "1" * 64}


def test_one_directory_is_dropped_where_allowed() -> None:
    data = b"1" * 64 + b"  dist_flat/a\n" + b"2" * 64 + b"  dist_flat/b\n"
    assert parse_checksums(data, one_directory=True) == {"a": "1" * 64, "b": "2" * 64}
    with pytest.raises(DamagedError, match="directory"):
        parse_checksums(data)
    with pytest.raises(DamagedError, match="several directories"):
        parse_checksums(data + b"3" * 64 + b"  other/c\n", one_directory=True)
    with pytest.raises(DamagedError, match="several directories"):
        parse_checksums(data + b"3" * 64 + b"  c\n", one_directory=True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"1" * 63 + b"  a\n",
        b"A" * 64 + b"  a\n",
        b"1" * 64 + b" a\n",
        b"1" * 64 + b"   a\n",
        b"1" * 64 + b"  \n",
        b"1" * 64 + b"  a\r\n",
        b"1" * 64 + b"  a\n\n",
        b"1" * 64 + b"  ../a\n",
        b"1" * 64 + b"  /a\n",
        b"1" * 64 + b"  x/y/a\n",
        b"1" * 64 + b"  CON\n",
        b"\\" + b"1" * 64 + b"  a\n",
        b"1" * 64 + b"  \xc3\xa9\n",
        b"1" * 64 + b"  a\n" + b"1" * 64 + b"  a\n",
        b"1" * 64 + b"  a\n" + b"1" * 64 + b"  A\n",
        b"1" * (2 << 20),
    ],
)
def test_other_checksum_lines_are_refused(data: bytes) -> None:
    for one_directory in (False, True):
        with pytest.raises(DamagedError) as caught:
            parse_checksums(data, one_directory=one_directory)
        assert caught.value.cause.isprintable()
