"""A candidate release ends complete from wherever a run was stopped, and nothing that is not ours is touched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release.core import action
from ms_release.core.action import Act, Blocked, Done
from ms_release.core.candidate import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    Artifact,
    Candidate,
    Inputs,
    Source,
    candidate_tag,
    identity,
    make_input_fingerprint,
    make_recipe_fingerprint,
    render_candidate,
    render_checksums,
)
from ms_release.core.candidate_release import Built, Found, check_bytes, fits_tag, marker, next_candidate
from ms_release.core.observation import Asset, Release
from ms_release.core.promote import DistFile
from ms_release.errors import IntegrityError

REPO, SHA = "octo/core", "a" * 40
TAG = candidate_tag("core", SHA, None)
ONE = {"firmware.hex": b"fire", "map.txt": b"ware"}
OTHER = {"firmware.hex": b"FIRE", "map.txt": b"ware"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def described(files: dict[str, bytes], run: int = 7) -> Candidate:
    recipe = make_recipe_fingerprint([])
    inputs = Inputs((Source("core", REPO, SHA),))
    return Candidate(
        producer_repo=REPO, producer_kind="core", workflow_file="candidate.yml", run_id=run, run_attempt=1,
        generated_at="2026-01-02T03:04:05Z", build_input_fingerprint=make_input_fingerprint("core", recipe, inputs),
        recipe_fingerprint=recipe, inputs=inputs,
        artifacts=tuple(Artifact(n, n, "file", None, None, len(d), sha256(d)) for n, d in sorted(files.items())),
    )  # fmt: skip


@dataclass(frozen=True)
class Build:
    """One run of the build job: what it wants, and the bytes it would upload."""

    built: Built
    data: dict[str, bytes]


def make(
    files: dict[str, bytes], visibility: str = "prerelease", *, run: int = 7, sig: bool = False, tag: str = TAG
) -> Build:
    candidate = described(files, run)
    data = {
        **files,
        MANIFEST_NAME: render_candidate(candidate),
        CHECKSUMS_NAME: render_checksums({n: sha256(d) for n, d in files.items()}),
        **({SIGNATURE_NAME: f"signature {run}\n".encode()} if sig else {}),
    }
    listed = tuple(DistFile(n, len(d), sha256(d)) for n, d in data.items())
    return Build(Built(REPO, SHA, tag, visibility, candidate, listed), data)


@dataclass
class World:
    """A forge's releases of one tag; `tells` = whether it reports digests."""

    releases: list[Release] = field(default_factory=list)
    bytes: dict[int, bytes] = field(default_factory=dict)
    tells: bool = True
    numbers: int = 100

    def look(self) -> Found:
        manifest = None
        if len(self.releases) == 1:
            found = [a for a in self.releases[0].assets if a.name == MANIFEST_NAME and a.size >= 0]
            manifest = self.bytes[found[0].id or 0] if found else None
        return Found(tuple(self.releases), manifest)

    def asset(self, name: str, data: bytes, *, whole: bool = True) -> Asset:
        self.numbers += 1
        self.bytes[self.numbers] = data
        digest = f"sha256:{sha256(data)}" if self.tells else None
        return Asset(f"n{self.numbers}", name, len(data) if whole else -1, digest if whole else None, self.numbers)

    def perform(self, what: action.Action, data: dict[str, bytes]) -> None:
        match what:
            case action.CreateDraft():
                self.numbers += 1
                self.releases.append(Release(self.numbers, what.tag, True, what.prerelease, (), what.body))
            case action.UploadAsset():
                (release,) = self.releases
                assert release.draft
                assert what.name not in {a.name for a in release.assets}
                assert (len(data[what.name]), sha256(data[what.name])) == (what.size, what.sha256)
                assets = (*release.assets, self.asset(what.name, data[what.name]))
                self.releases = [change(release, assets=assets)]
            case action.DeleteAsset():
                (release,) = self.releases
                assert release.draft, "an asset of a published candidate was deleted"
                self.releases = [change(release, assets=tuple(a for a in release.assets if a.id != what.asset_id))]
            case action.PublishRelease():
                (release,) = self.releases
                self.releases = [change(release, draft=False, prerelease=what.prerelease)]
            case _:
                raise AssertionError(what)

    def run(self, build: Build, stop_after: int | None = None) -> list[action.Action]:
        """One run of the job, killed after that many effects."""
        done: list[action.Action] = []
        for _ in range(6):
            step = next_candidate(build.built, self.look())
            if isinstance(step, Done):
                return done
            assert isinstance(step, Act), step
            for what in step.actions:
                if stop_after is not None and len(done) >= stop_after:
                    return done
                self.perform(what, build.data)
                done.append(what)
        raise AssertionError("it goes in circles")


def change(release: Release, **fields: object) -> Release:
    return Release(**{**{f: getattr(release, f) for f in release.__struct_fields__}, **fields})  # type: ignore[arg-type]


def fill(world: World, build: Build, *, draft: bool = True) -> Release:
    assets = tuple(world.asset(n, d) for n, d in build.data.items())
    release = Release(5, TAG, draft, build.built.visibility == "prerelease", assets, marker(TAG))
    world.releases = [release]
    return release


def contents(world: World) -> dict[str, bytes]:
    return {a.name: world.bytes[a.id or 0] for a in world.releases[0].assets}


VISIBILITY = st.sampled_from(["draft", "prerelease"])


@given(st.lists(st.integers(0, 8), max_size=5), VISIBILITY, st.booleans(), st.booleans())
def test_any_sequence_of_kills_ends_complete(stops: list[int], visibility: str, tells: bool, sig: bool) -> None:
    world = World(tells=tells)
    for number, stop in enumerate(stops):
        world.run(make(ONE, visibility, run=number + 1, sig=sig), stop)
    world.run(make(ONE, visibility, run=99, sig=sig))
    (release,) = world.releases
    assert release.draft is (visibility == "draft")
    assert {n: d for n, d in contents(world).items() if n in ONE} == ONE
    assert set(contents(world)) == set(make(ONE, sig=sig).data)
    before = dict(contents(world))
    assert world.run(make(ONE, visibility, run=100, sig=sig)) == []
    assert contents(world) == before


@given(st.integers(0, 6), st.sampled_from([ONE, OTHER]))
def test_an_unpublished_candidate_for_everybody_takes_the_last_build(stop: int, files: dict[str, bytes]) -> None:
    world = World()
    world.run(make(ONE, run=1), stop)
    published = not world.releases[0].draft if world.releases else False
    if published and files != ONE:
        with pytest.raises(IntegrityError):
            world.run(make(files, run=2))
    else:
        world.run(make(files, run=2))
        assert {n: d for n, d in contents(world).items() if n in files} == files


def test_candidate_json_is_uploaded_last_and_deleted_first() -> None:
    world = World()
    effects = world.run(make(ONE, sig=True))
    assert [type(e).__name__ for e in effects] == ["CreateDraft", *["UploadAsset"] * 5, "PublishRelease"]
    assert effects[-2].key.endswith(MANIFEST_NAME)
    world = World()
    release = fill(world, make(ONE, run=1))
    world.releases = [change(release, assets=tuple(a for a in release.assets if a.name != "map.txt"))]
    effects = world.run(make(ONE, run=2))
    assert [e.key.split()[0] for e in effects] == ["delete-asset", "upload", "upload", "publish"]
    assert effects[0].key.endswith(MANIFEST_NAME)
    assert effects[2].key.endswith(MANIFEST_NAME)


def test_a_draft_under_repair_never_looks_finished() -> None:
    """`candidate.json` goes first even where it would come back with the same bytes."""
    world, build = World(), make(ONE, run=1)
    release = fill(world, build)
    odd = world.asset("odd.bin", b"?")
    world.releases = [change(release, assets=(odd, *(a for a in release.assets if a.name != "map.txt")))]
    effects = world.run(build)
    assert [(e.key.split()[0], e.key.split()[-1]) for e in effects[:4]] == [
        ("delete-asset", MANIFEST_NAME),
        ("delete-asset", "odd.bin"),
        ("upload", "map.txt"),
        ("upload", MANIFEST_NAME),
    ]


@pytest.mark.parametrize(
    ("spoiled", "whole"), [(CHECKSUMS_NAME, True), (CHECKSUMS_NAME, False), (SIGNATURE_NAME, False)]
)
@pytest.mark.parametrize("draft", [True, False], ids=["draft", "published"])
def test_spoiled_metadata_is_mended_in_a_draft_only(spoiled: str, whole: bool, draft: bool) -> None:
    world, build = World(), make(ONE, run=1, sig=True)
    release = fill(world, build, draft=draft)
    bad = world.asset(spoiled, b"spoiled", whole=whole)
    world.releases = [change(release, assets=(bad, *(a for a in release.assets if a.name != spoiled)))]
    if not draft:
        with pytest.raises(IntegrityError, match=re.escape(spoiled)):
            next_candidate(build.built, world.look())
        return
    world.run(build)
    assert contents(world) == build.data
    assert not world.releases[0].draft


def test_unfinished_and_strange_assets_of_our_draft_are_replaced_by_number() -> None:
    world = World()
    half, strange = world.asset("firmware.hex", b"fi", whole=False), world.asset("odd.bin", b"?")
    world.releases = [Release(5, TAG, True, True, (half, strange), f"text\n{marker(TAG)}")]
    effects = world.run(make(ONE))
    deleted = [e.asset_id for e in effects if isinstance(e, action.DeleteAsset)]
    assert sorted(deleted) == sorted([half.id, strange.id])
    assert set(contents(world)) == {*ONE, MANIFEST_NAME, CHECKSUMS_NAME}


@pytest.mark.parametrize(
    ("draft", "visibility"), [(False, "prerelease"), (False, "draft"), (True, "draft")], ids=["public", "odd", "draft"]
)
def test_a_finished_candidate_is_never_changed(draft: bool, visibility: str) -> None:
    world = World()
    fill(world, make(ONE, visibility), draft=draft)
    assert isinstance(next_candidate(make(ONE, visibility, run=9).built, world.look()), Done)
    with pytest.raises(IntegrityError, match=r"firmware\.hex differs"):
        next_candidate(make(OTHER, visibility).built, world.look())


def test_a_published_candidate_that_lost_an_asset_is_not_mended_in_secret() -> None:
    world = World()
    release = fill(world, make(ONE), draft=False)
    world.releases = [change(release, assets=release.assets[1:])]
    with pytest.raises(IntegrityError, match="is missing"):
        next_candidate(make(ONE).built, world.look())


def test_foreign_and_doubled_releases_block() -> None:
    build = make(ONE)
    foreign = Release(5, TAG, True, True, (), "somebody's notes")
    step = next_candidate(build.built, Found((foreign,)))
    assert isinstance(step, Blocked)
    assert "release 5" in step.cause
    other_tag = Release(5, TAG, True, True, (), marker(f"rc-{'b' * 40}"))
    assert isinstance(next_candidate(build.built, Found((other_tag,))), Blocked)
    twice = tuple(Release(n, TAG, True, True, (), marker(TAG)) for n in (9, 4))
    step = next_candidate(build.built, Found(twice))
    assert isinstance(step, Blocked)
    assert step.cause.endswith("4, 9")


def test_a_tag_at_another_commit_blocks() -> None:
    step = next_candidate(make(ONE).built, Found((), tag_commit="b" * 40))
    assert isinstance(step, Blocked)
    assert "bbbbbbbbbbbb" in step.cause
    assert isinstance(next_candidate(make(ONE).built, Found((), tag_commit=SHA)), Act)


def files_of(data: dict[str, bytes]) -> list[tuple[str, int, str]]:
    return [(n, len(d), sha256(d)) for n, d in data.items()]


def problems(data: dict[str, bytes], tag: str = TAG, repo: str = REPO) -> list[str]:
    return check_bytes(data[MANIFEST_NAME], data[CHECKSUMS_NAME], files_of(data), repo=repo, tag=tag)[1]


def test_check_bytes_agrees_with_what_was_built() -> None:
    assert problems(make(ONE, sig=True).data) == []
    assert problems(make(ONE).data, tag="", repo="") == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"map.txt": b"WARE"}, "map.txt has the sha256"),
        ({"map.txt": b"longer"}, "map.txt has 6 bytes"),
        ({"evil.bin": b"!"}, "evil.bin belongs to nothing"),
        ({CHECKSUMS_NAME: render_checksums({"map.txt": "0" * 64})}, "firmware.hex is not in checksums.txt"),
        ({CHECKSUMS_NAME: b"rubbish\n"}, "checksums.txt is refused"),
        ({MANIFEST_NAME: b"{}"}, "candidate.json is refused"),
    ],
)
def test_check_bytes_names_each_difference(broken: dict[str, bytes], said: str) -> None:
    assert said in "; ".join(problems({**make(ONE).data, **broken}))


def test_the_tag_must_fit_the_content() -> None:
    data = make(ONE).data
    assert "not from bbbbbbbbbbbb" in problems(data, tag=f"rc-{'b' * 40}")[0]
    assert "produced by octo/core" in problems(data, repo="octo/other")[0]
    assert "no tag of a candidate" in problems(data, tag="v1.0.0")[0]
    candidate = described(ONE)
    own = identity(candidate.producer_kind, candidate.recipe_fingerprint, candidate.inputs)
    assert problems(data, tag=f"rc-core-{own}") == []
    assert "its tag names the identity" in problems(data, tag=f"rc-core-{'0' * 16}")[0]


def test_fits_tag() -> None:
    candidate = described(ONE)
    own = identity(candidate.producer_kind, candidate.recipe_fingerprint, candidate.inputs)
    assert fits_tag(TAG, SHA, candidate)
    assert fits_tag(f"rc-core-{own}", SHA, candidate)
    for tag in (f"rc-{'b' * 40}", f"rc-core-{'0' * 16}", "v1.0.0", "", f"{TAG}\n"):
        assert not fits_tag(tag, SHA, candidate)
