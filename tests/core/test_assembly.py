"""What is laid out for a release: every byte follows from plan and sealed candidates, and nothing else is there."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from core.world import PRODUCT, planned, sha256
from ms_release.core.assembly import compare_metadata, compare_origin, parts, render_metadata
from ms_release.core.candidate import Artifact, Candidate, Inputs, parse_checksums
from ms_release.errors import IntegrityError

GOAL = planned()
AT = "2026-01-10T12:00:00Z"
ASSETS = {"firmware.hex": (11, sha256("firmware")), "bundle.zip": (22, sha256("bundle"))}
METADATA = render_metadata(GOAL, AT, ASSETS)


def of(data: bytes) -> tuple[int, str]:
    return len(data), hashlib.sha256(data).hexdigest()


FILES = {**ASSETS, **{name: of(data) for name, data in METADATA.items()}}


def problems(files: dict[str, tuple[int, str]], at: str = AT) -> list[str]:
    return list(compare_metadata(GOAL, at, files))


def test_the_metadata_lists_every_asset_and_itself() -> None:
    assert set(METADATA) == {"manifest.json", "checksums.txt"}
    manifest = json.loads(METADATA["manifest.json"])
    assert {a["filename"]: (a["size"], a["sha256"]) for a in manifest["assets"]} == ASSETS
    assert (manifest["tag"], manifest["published_at"]) == (GOAL.plan.tag, AT)
    sums = {name: sha for name, (_, sha) in ASSETS.items()}
    assert parse_checksums(METADATA["checksums.txt"]) == {**sums, "manifest.json": of(METADATA["manifest.json"])[1]}


def test_what_is_no_asset_is_not_in_the_metadata() -> None:
    assert render_metadata(GOAL, AT, {**FILES, "evil.exe": of(b"evil")}) == METADATA


def test_without_an_asset_there_is_no_metadata() -> None:
    with pytest.raises(IntegrityError, match=r"bundle\.zip"):
        render_metadata(GOAL, AT, {"firmware.hex": ASSETS["firmware.hex"]})


def test_what_was_laid_out_is_as_it_should_be() -> None:
    assert problems(FILES) == []
    # made after the comparison, over whatever lies there
    assert problems({**FILES, "manifest.json.sig": of(b"old")}) == []


EVIL = of(b"evil")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({**FILES, "evil.exe": EVIL}, ["evil.exe is in it and not planned"], id="a file more"),
        pytest.param(
            {**FILES, "evil.exe": EVIL, "a.txt": EVIL},
            ["a.txt is in it and not planned", "evil.exe is in it and not planned"],
            id="two files more",
        ),
        pytest.param(
            {**FILES, "manifest.json": EVIL}, ["manifest.json is not what follows from its assets"], id="manifest"
        ),
        pytest.param(
            {**FILES, "checksums.txt": EVIL}, ["checksums.txt is not what follows from its assets"], id="checksums"
        ),
        pytest.param(
            {**FILES, "checksums.txt": (FILES["checksums.txt"][0] + 1, FILES["checksums.txt"][1])},
            ["checksums.txt is not what follows from its assets"],
            id="size alone",
        ),
        pytest.param(
            {n: f for n, f in FILES.items() if n != "checksums.txt"}, ["checksums.txt is missing"], id="no checksums"
        ),
        pytest.param(
            {n: f for n, f in FILES.items() if n != "manifest.json"}, ["manifest.json is missing"], id="no manifest"
        ),
        pytest.param(
            {**FILES, "firmware.hex": EVIL},
            ["manifest.json is not what follows from its assets", "checksums.txt is not what follows from its assets"],
            id="an asset that the metadata does not tell of",
        ),
    ],
)
def test_what_is_not_as_it_should_be(files: dict[str, tuple[int, str]], words: list[str]) -> None:
    assert problems(files) == words


def test_the_time_of_the_release_commit_is_in_the_manifest() -> None:
    assert "manifest.json is not what follows from its assets" in problems(FILES, "2026-01-10T12:00:01Z")


# --- where the bytes come from


def candidate(*names: str, **digests: str) -> Candidate:
    made = tuple(Artifact(n, n, "firmware", None, None, 1, digests.get(n, sha256(n))) for n in names)
    return Candidate("studio/x", "x", "x.yml", 1, 1, "", "", "", Inputs(()), made)


CANDIDATES = {"core": candidate("firmware.hex", "other.hex"), "loader": candidate("loader")}
CONTENTS = {"firmware.hex": {"": sha256("firmware.hex")}, "bundle.zip": {"bin/loader": sha256("loader")}}


def test_every_byte_comes_from_the_candidates() -> None:
    assert list(compare_origin(PRODUCT, CANDIDATES, CONTENTS)) == []


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        pytest.param({"bundle.zip": CONTENTS["bundle.zip"]}, "firmware.hex is missing", id="missing"),
        pytest.param({**CONTENTS, "firmware.hex": {"": sha256("x")}}, "firmware.hex is not what", id="other bytes"),
        pytest.param(
            {**CONTENTS, "bundle.zip": {"bin/loader": sha256("x")}}, "bin/loader in bundle.zip is not what", id="member"
        ),
        pytest.param(
            {**CONTENTS, "bundle.zip": {**CONTENTS["bundle.zip"], "evil": sha256("x")}}, "evil in bundle.zip", id="more"
        ),
        pytest.param({**CONTENTS, "bundle.zip": {}}, "bin/loader in bundle.zip", id="empty"),
    ],
)
def test_bytes_of_another_origin(contents: Any, words: str) -> None:
    found = list(compare_origin(PRODUCT, CANDIDATES, contents))
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize("candidates", [{"loader": candidate("loader")}, {**CANDIDATES, "core": candidate("x")}])
def test_a_candidate_without_what_the_configuration_takes(candidates: dict[str, Candidate]) -> None:
    asset = next(a for a in PRODUCT.assets if a.filename == "firmware.hex")
    with pytest.raises(IntegrityError, match=r"the candidate of core has no firmware\.hex"):
        parts(asset, candidates)
