"""A published release compared with its plan: each single difference is found and named (faults F19, F29)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import asset, merged, opened, planned, prepared, ready, released, sha, sha256
from ms_release.core import train
from ms_release.core.observation import Observation, Release
from ms_release.core.verify import compare_release, release_commit

GOAL = planned()
TAG = GOAL.plan.tag
CHANGE = train.release_change(GOAL)
FACTS = released(GOAL, prepared(GOAL))
RELEASE = FACTS.home.releases[0]
FIRMWARE = next(a for a in RELEASE.assets if a.name == "firmware.hex")
PUBLISHED = FACTS.published or {}


def differences(facts: Observation = FACTS, **changes: Any) -> list[str]:
    return list(compare_release(GOAL, facts, replace(RELEASE, **changes)))


def files(**changes: bytes | None) -> Observation:
    names = {"manifest": "manifest.json", "signature": "manifest.json.sig", "checksums": "checksums.txt"}
    found = {**PUBLISHED, **{names[key]: data for key, data in changes.items()}}
    return replace(FACTS, published={name: data for name, data in found.items() if data is not None})


def manifest(**changes: Any) -> bytes:
    return json.dumps({**json.loads(PUBLISHED["manifest.json"]), **changes}).encode()


def assets(*others: Any) -> tuple[Any, ...]:
    return (*(a for a in RELEASE.assets if a.name != "firmware.hex"), *others)


LISTED = json.loads(PUBLISHED["manifest.json"])
SUMS = PUBLISHED["checksums.txt"]
DIGEST = json.loads(PUBLISHED["manifest.json"])["assets"][0]["sha256"].encode()


def test_what_was_planned_agrees() -> None:
    assert differences() == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param(
            FACTS.with_home(tags={TAG: sha("x")}),
            f"tag {TAG} is at {sha('x')[:12]}, the plan was merged as {sha('merge')[:12]}",
            id="tag moved",
        ),
        pytest.param(
            FACTS.with_home(tags={}),
            f"tag {TAG} is at no commit, the plan was merged as {sha('merge')[:12]}",
            id="tag gone",
        ),
        pytest.param(
            replace(FACTS, ready={**FACTS.ready, "core": None}),
            "a candidate that the seal was made from is gone",
            id="candidate gone",
        ),
        pytest.param(
            replace(FACTS, ready={**FACTS.ready, "core": ready("core", sha("core-1"), digest="0" * 64)}),
            "its body does not carry this plan and seal",
            id="seal",
        ),
        pytest.param(
            replace(FACTS, signature_valid=False),
            "the signature of manifest.json does not verify against the pinned key",
            id="signature wrong",
        ),
        pytest.param(
            replace(FACTS, signature_valid=None),
            "the signature of manifest.json does not verify against the pinned key",
            id="signature unread",
        ),
        pytest.param(files(manifest=None), "manifest.json is missing", id="no manifest"),
        pytest.param(files(signature=None), "manifest.json.sig is missing", id="no signature"),
        pytest.param(files(checksums=None), "checksums.txt is missing", id="no checksums"),
        pytest.param(replace(FACTS, published=None), "manifest.json is missing", id="nothing read"),
        pytest.param(
            files(manifest=manifest(tag="v0.1.0-beta.2")),
            "manifest.json is that of v0.1.0-beta.2 (beta)",
            id="other version",
        ),
        pytest.param(
            files(manifest=manifest(tag="v0.1.0", channel="stable")),
            "manifest.json is that of v0.1.0 (stable)",
            id="other channel",
        ),
        pytest.param(
            files(manifest=manifest(repos=[{**LISTED["repos"][0], "sha": sha("x")}, LISTED["repos"][1]])),
            "manifest.json names other commits than the plan",
            id="pin",
        ),
        pytest.param(
            files(manifest=manifest(repos=LISTED["repos"][:1])),
            "manifest.json names other commits than the plan",
            id="pin left out",
        ),
        pytest.param(
            files(checksums=SUMS.replace(DIGEST, b"0" * 64)),
            "checksums.txt and manifest.json disagree about firmware.hex",
            id="checksum",
        ),
        pytest.param(
            files(checksums=SUMS.replace(b"firmware.hex", b"other.hex")),
            "checksums.txt and manifest.json disagree about firmware.hex",
            id="checksum left out",
        ),
    ],
)
def test_one_difference_is_one_line(facts: Observation, words: str) -> None:
    assert differences(facts) == [words]


KNOWN = (FIRMWARE.digest or "").removeprefix("sha256:")[:12]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"body": "Notes"}, ["its body does not carry this plan and seal"], id="body"),
        pytest.param({"prerelease": False}, ["it is not marked as a prerelease"], id="prerelease"),
        pytest.param({"assets": assets()}, ["firmware.hex is missing"], id="missing"),
        pytest.param(
            {"assets": (*RELEASE.assets, asset("extra", 1, sha256("x")))}, ["extra is not planned"], id="extra"
        ),
        pytest.param(
            {"assets": assets(replace(FIRMWARE, size=FIRMWARE.size + 1))},
            [f"firmware.hex has {FIRMWARE.size + 1} bytes, the manifest says {FIRMWARE.size}"],
            id="size",
        ),
        pytest.param(
            {"assets": assets(replace(FIRMWARE, digest=f"sha256:{sha256('x')}"))},
            [f"firmware.hex has the sha256 {sha256('x')[:12]}…, the manifest says {KNOWN}…"],
            id="digest",
        ),
        pytest.param(
            {"assets": assets(replace(FIRMWARE, digest=None))},
            [f"firmware.hex has the sha256 …, the manifest says {KNOWN}…"],
            id="digest unknown",
        ),
    ],
)
def test_the_release_itself_is_compared(changes: dict[str, Any], words: list[str]) -> None:
    assert differences(**changes) == words


def test_a_stable_release_must_not_be_marked_as_a_prerelease() -> None:
    stable = replace(GOAL, file=replace(GOAL.file, plan=replace(GOAL.plan, channel="stable")))
    assert "it is marked as a prerelease" in compare_release(stable, FACTS, RELEASE)


def test_assets_that_the_configuration_does_not_know_are_found() -> None:
    fewer = replace(GOAL, product=replace(GOAL.product, assets=GOAL.product.assets[:1]))
    assert list(compare_release(fewer, FACTS, RELEASE)) == ["manifest.json lists other assets than the configuration"]


@pytest.mark.parametrize(
    ("part", "data"), [("manifest", b"{}"), ("manifest", b"\xff"), ("checksums", b"nonsense\n"), ("checksums", b"")]
)
def test_damaged_metadata_is_a_difference_and_no_crash(part: str, data: bytes) -> None:
    found = differences(files(**{part: data}))
    assert len(found) == 1
    assert "refused" in found[0]


def test_every_difference_is_listed() -> None:
    found = compare_release(
        GOAL, FACTS.with_home(tags={}), replace(RELEASE, body="", prerelease=False, assets=assets())
    )
    assert len(found) == 4


def test_the_release_commit_is_the_merge_of_its_plan() -> None:
    assert release_commit(FACTS) == sha("merge")
    for change in (None, opened(CHANGE), merged(CHANGE, state="CLOSED")):
        unmerged = replace(FACTS, release_change=change)
        assert release_commit(unmerged) is None
        assert list(compare_release(GOAL, unmerged, RELEASE)) == ["the merge commit of its plan is unknown"]


names = st.sampled_from(sorted(a.name for a in RELEASE.assets))


@given(names, st.sampled_from(("drop", "double size", "rename")))
def test_no_asset_can_be_touched_unnoticed(name: str, how: str) -> None:
    changed = []
    for each in RELEASE.assets:
        if each.name != name:
            changed.append(each)
        elif how == "rename":
            changed.append(replace(each, name="x" + name))
        elif how == "double size" and name in ("firmware.hex", "bundle.zip"):
            changed.append(replace(each, size=each.size * 2))
        elif how == "double size":
            return  # metadata is compared by its bytes, which the reader checks against the forge's digest
    found: Release = replace(RELEASE, assets=tuple(changed))
    assert compare_release(GOAL, FACTS, found) != ()
