"""Size regression: an asset that grew by more than the policy takes for normal, told to the owner (SPEC 8)."""

from __future__ import annotations

from collections.abc import Mapping

from ms_release.config import Product
from ms_release.core.model import Finding
from ms_release.core.observation import Observation


def growth(product: Product, before: Mapping[str, int], now: Mapping[str, int], limit: float) -> tuple[Finding, ...]:
    """Assets that are one candidate artifact and have grown by more than the share `limit`.

    `before`: bytes of the previous release's assets by file name; `now`: of candidate artifacts by `repo/file`. What a
    bundle will weigh is known only once it is packed: its members do not count.
    """
    found = []
    for asset in product.assets:
        old, new = before.get(asset.filename), now.get(asset.source or "")
        if old is None or new is None or new <= old * (1 + limit):
            continue
        share = f"{(new - old) / old:.0%} more" if old else "from nothing"
        message = f"{old} bytes became {new} ({share})"
        found.append(Finding("SIZE_REGRESSION", asset.filename, "FAIL", message, "Find out what was added."))
    return tuple(found)


def sizes_before(facts: Observation, tag: str | None) -> dict[str, int]:
    """Bytes of the assets of a published release, by file name."""
    released = (r for r in facts.home.releases if r.tag == tag and not r.draft)
    return {asset.name: asset.size for release in released for asset in release.assets}


def sizes_now(facts: Observation) -> dict[str, int]:
    """Bytes of the artifacts of every candidate that is ready, as `repo/file`."""
    return {
        f"{repo}/{artifact.filename}": artifact.size
        for repo, ready in facts.ready.items()
        if ready and ready.candidate
        for artifact in ready.candidate.artifacts
    }
