"""Whether a published release is what its plan said: names, sizes and digests compared four ways (faults F19, F29)."""

from __future__ import annotations

from collections.abc import Iterator

from ms_release.core import announcement, candidate, manifest, train
from ms_release.core.observation import Observation, Release
from ms_release.core.train import Train
from ms_release.errors import MsError

MANIFEST, SIGNATURE, CHECKSUMS = "manifest.json", "manifest.json.sig", "checksums.txt"
METADATA = (MANIFEST, SIGNATURE, CHECKSUMS)


def compare_release(goal: Train, facts: Observation, released: Release) -> tuple[str, ...]:
    """Every difference between the published release and its plan; empty = they agree.

    Compares tag → commit, the marker in the body, `manifest.json` (signature, pins, assets), `checksums.txt` and the
    digests that the forge computed.
    """
    return tuple(_differences(goal, facts, released))


def _differences(goal: Train, facts: Observation, released: Release) -> Iterator[str]:
    plan = goal.plan
    commit = release_commit(facts)
    if commit is None:
        yield "the merge commit of its plan is unknown"
        return
    if facts.home.tags.get(plan.tag) != commit:
        at = facts.home.tags.get(plan.tag, "no commit")
        yield f"tag {plan.tag} is at {at[:12]}, the plan was merged as {commit[:12]}"
    seal = train.seal(goal, facts, commit)
    if seal is None:
        yield "a candidate that the seal was made from is gone"
    elif train.release_marker(goal.file.digest, seal) not in released.body:
        yield "its body does not carry this plan and seal"
    elif _plain(released.body) != _plain(train.release_body(goal, seal)):
        yield "its notes were edited after it was published"
    if released.prerelease != plan.prerelease:
        yield f"it is {'' if released.prerelease else 'not '}marked as a prerelease"
    files = facts.published or {}
    if missing := [name for name in METADATA if name not in files]:
        yield f"{missing[0]} is missing"
        return
    yield from _compare_files(goal, facts, files, released)


def _plain(body: str) -> str:
    """A body without its announcement and without what a browser changes by itself: the ends of lines."""
    return announcement.unannounced(body).replace("\r\n", "\n").rstrip()


def release_commit(facts: Observation) -> str | None:
    """The commit that merged the plan."""
    pull = facts.release_change.pull if facts.release_change else None
    return pull.merge_commit if pull and pull.state == "MERGED" else None


def _compare_files(goal: Train, facts: Observation, files: dict[str, bytes], released: Release) -> Iterator[str]:
    if facts.signature_valid is not True:
        yield "the signature of manifest.json does not verify against the pinned key"
    try:
        listed = manifest.parse_manifest(files[MANIFEST])
        sums = candidate.parse_checksums(files[CHECKSUMS])
    except MsError as error:
        yield error.cause
        return
    if (listed.tag, listed.channel) != (goal.plan.tag, goal.plan.channel):
        yield f"manifest.json is that of {listed.tag} ({listed.channel})"
    if {r.id: r.sha for r in listed.repos} != {p.repo: p.sha for p in goal.plan.pins}:
        yield "manifest.json names other commits than the plan"
    if {a.filename for a in listed.assets} != {a.filename for a in goal.product.assets}:
        yield "manifest.json lists other assets than the configuration"
    known = {*METADATA, *(a.filename for a in listed.assets)}
    there = {a.name for a in released.assets}
    yield from (f"{name} is not planned" for name in sorted(there - known))
    yield from (f"{name} is missing" for name in METADATA if name not in there)
    bytes_there = {a.name: (a.size, (a.digest or "").removeprefix("sha256:")) for a in released.assets}
    yield from manifest.compare_files(listed, bytes_there)
    for asset in listed.assets:
        if sums.get(asset.filename) != asset.sha256:
            yield f"checksums.txt and manifest.json disagree about {asset.filename}"
