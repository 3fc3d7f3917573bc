"""Which assets have grown by more than the policy takes for normal."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.world import PRODUCT, observation
from ms_release.config import AssetRule, Member
from ms_release.core.growth import growth, sizes_before, sizes_now
from ms_release.core.observation import Asset, Release

FIRMWARE = replace(
    PRODUCT,
    assets=(
        AssetRule("fw", "firmware", "fw.hex", source="core/fw.hex"),
        AssetRule("bundle", "bundle", "bundle.zip", members=(Member("bin/fw", "core/fw.hex"),)),
    ),
)


@pytest.mark.parametrize(
    ("before", "now", "limit", "told"),
    [
        (1000, 1100, 0.1, ""),
        (1000, 1101, 0.1, "1000 bytes became 1101 (10% more)"),
        (1000, 5, 0.1, ""),
        (1000, 1001, 0.0, "1000 bytes became 1001 (0% more)"),
        (0, 10, 0.1, "0 bytes became 10 (from nothing)"),
        (1000, 2000, 1.0, ""),
    ],
)
def test_one_asset(before: int, now: int, limit: float, told: str) -> None:
    found = growth(FIRMWARE, {"fw.hex": before, "bundle.zip": 1}, {"core/fw.hex": now}, limit)
    assert [(f.code, f.subject, f.message) for f in found] == ([("SIZE_REGRESSION", "fw.hex", told)] if told else [])


@pytest.mark.parametrize(("before", "now"), [({}, {"core/fw.hex": 9}), ({"fw.hex": 1}, {}), ({}, {})])
def test_what_is_new_or_still_to_be_built_has_not_grown(before: dict[str, int], now: dict[str, int]) -> None:
    assert growth(FIRMWARE, before, now, 0.0) == ()


def test_only_the_published_release_counts() -> None:
    assets = (Asset("n", "fw.hex", 7),)
    out, draft = (
        Release(1, "v1.0.0", False, False, assets),
        Release(2, "v1.0.0", True, False, (Asset("m", "fw.hex", 9),)),
    )
    facts = observation().with_home(releases=(draft, out))
    assert sizes_before(facts, "v1.0.0") == {"fw.hex": 7}
    assert sizes_before(facts, None) == {}
    assert all(size > 0 for size in sizes_now(observation()).values())
