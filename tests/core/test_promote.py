"""What `promote` wants next, behind the environment, from every state in which a killed job may have left the draft."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import asset, dist_files, planned, prepared, seal_of, sha, sha256
from ms_release.core import train
from ms_release.core.action import (
    Act,
    Blocked,
    CreateDraft,
    CreateTag,
    DeleteAsset,
    Done,
    Next,
    PublishRelease,
    UploadAsset,
)
from ms_release.core.foretell import Outcome, foretell
from ms_release.core.observation import Observation, Release
from ms_release.core.promote import Promotion, next_promote, release_actions

GOAL = planned()
TAG, HOME = GOAL.plan.tag, GOAL.plan.home
FACTS = prepared(GOAL)
SEAL = seal_of(GOAL, FACTS)
BODY = f"Notes\n{train.release_marker(GOAL.file.digest, SEAL)}\n"
FILES = dist_files(GOAL)
PROMOTION = Promotion(GOAL, sha("merge"), SEAL, BODY, FILES)
UPLOADED = tuple(asset(f.name, f.size, f.sha256, 40 + i) for i, f in enumerate(FILES))
TAGGED = FACTS.with_home(tags={TAG: sha("merge")})
DRAFT = Release(60, TAG, True, True, (), BODY)


def step(*releases: Release, facts: Observation = TAGGED) -> Next:
    facts = facts.with_home(releases=(*releases, Release(1, "v0.0.1", False, False, (), "another")))
    found = next_promote(PROMOTION, facts)
    assert next_promote(PROMOTION, facts) == found
    return found


def uploads(release_id: int) -> tuple[UploadAsset, ...]:
    return tuple(UploadAsset(HOME, TAG, release_id, f.name, f.size, f.sha256) for f in FILES)


TAG_DUE = CreateTag(HOME, TAG, sha("merge"))
DRAFT_DUE = CreateDraft(HOME, TAG, sha("merge"), TAG, BODY, True)


def test_from_nothing_tag_draft_and_uploads_are_due_and_publication_is_not() -> None:
    assert step(facts=FACTS) == Act((TAG_DUE, DRAFT_DUE, *uploads(0)))


def test_a_tag_that_stands_where_it_must_is_not_made_again() -> None:
    assert step() == Act((DRAFT_DUE, *uploads(0)))


def test_a_tag_elsewhere_blocks_whatever_else_is_there() -> None:
    for releases in ((), (replace(DRAFT, assets=UPLOADED),), (replace(DRAFT, draft=False, assets=UPLOADED),)):
        found = step(*releases, facts=FACTS.with_home(tags={TAG: sha("x")}))
        assert isinstance(found, Blocked)
        assert found.stale
        assert found.cause == f"tag {TAG} is at {sha('x')[:7]}, the release is {sha('merge')[:7]}"


def test_our_draft_is_filled() -> None:
    assert step(DRAFT) == Act(uploads(60))
    assert step(DRAFT, facts=FACTS) == Act((TAG_DUE, *uploads(60)))
    assert step(replace(DRAFT, assets=UPLOADED[:2])) == Act(uploads(60)[2:])


def test_a_full_draft_is_published_last_and_only_with_its_tag() -> None:
    full = replace(DRAFT, assets=UPLOADED)
    assert step(full) == Act((PublishRelease(HOME, TAG, 60, True),))
    assert step(full, facts=FACTS) == Act((TAG_DUE,))


def test_the_draft_is_found_by_its_marker_only() -> None:
    found = step(replace(DRAFT, tag="untagged-1"))
    assert found == Act((DRAFT_DUE, *uploads(0)))
    for body in ("", BODY.replace(SEAL, "0" * 64), BODY.replace(GOAL.file.digest, "0" * 64)):
        for draft in (True, False):
            foreign = step(replace(DRAFT, id=61, body=body, draft=draft, assets=UPLOADED))
            assert isinstance(foreign, Blocked)
            assert foreign.cause == f"release 61 already uses tag {TAG} and is not ours"


def test_a_foreign_release_blocks_even_beside_ours() -> None:
    found = step(replace(DRAFT, assets=UPLOADED), replace(DRAFT, id=61, body=""))
    assert isinstance(found, Blocked)
    assert "release 61" in found.cause


@pytest.mark.parametrize("field", ["abandoned", "abandoning"])
@pytest.mark.parametrize("releases", [(), (DRAFT,), (replace(DRAFT, assets=UPLOADED),)], ids=["none", "empty", "full"])
def test_what_was_given_up_is_not_published(field: str, releases: tuple[Release, ...]) -> None:
    found = step(*releases, facts=TAGGED.with_home(**{field: (TAG,)}))
    assert isinstance(found, Blocked)
    assert found.stale
    assert found.cause.startswith(f"{TAG} is ")
    assert found.cause.endswith("abandoned")


def test_what_was_published_before_it_was_given_up_is_published() -> None:
    out = replace(DRAFT, draft=False, assets=UPLOADED)
    assert step(out, facts=TAGGED.with_home(abandoned=(TAG,))) == Done(f"{TAG} is published")
    assert isinstance(step(out, DRAFT, facts=TAGGED.with_home(abandoned=(TAG,))), Blocked)


def test_two_drafts_of_ours_block() -> None:
    found = step(DRAFT, replace(DRAFT, id=61))
    assert isinstance(found, Blocked)
    assert found.cause == "2 releases carry this plan and seal"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(replace(UPLOADED[1], size=-1), id="upload broke off"),
        pytest.param(replace(UPLOADED[1], size=UPLOADED[1].size + 1), id="other size"),
        pytest.param(replace(UPLOADED[1], digest=f"sha256:{sha256('x')}"), id="other bytes"),
        pytest.param(replace(UPLOADED[1], digest=None), id="digest unknown"),
        pytest.param(replace(UPLOADED[1], name="stranger.exe"), id="not planned"),
    ],
)
def test_an_asset_of_our_draft_that_is_not_right_is_deleted_by_id(broken: Any) -> None:
    found = step(replace(DRAFT, assets=(UPLOADED[0], broken, *UPLOADED[2:])))
    assert found == Act((DeleteAsset(HOME, TAG, 41, broken.name),))
    nameless = step(replace(DRAFT, assets=(replace(broken, id=None),)))
    assert isinstance(nameless, Blocked)
    assert "has no id" in nameless.cause


def test_released_and_equal_is_done() -> None:
    assert step(replace(DRAFT, draft=False, assets=UPLOADED)) == Done(f"{TAG} is published")


@pytest.mark.parametrize(
    ("assets", "odd"),
    [
        pytest.param(
            (replace(UPLOADED[0], digest=f"sha256:{sha256('x')}"), *UPLOADED[1:]), FILES[0].name, id="changed"
        ),
        pytest.param((replace(UPLOADED[0], size=-1), *UPLOADED[1:]), FILES[0].name, id="size"),
        pytest.param(UPLOADED[1:], FILES[0].name, id="missing"),
        pytest.param((*UPLOADED, replace(UPLOADED[0], name="extra.bin")), "extra.bin", id="added"),
        pytest.param((), min(f.name for f in FILES), id="all gone"),
    ],
)
def test_published_assets_are_never_replaced(assets: Any, odd: str) -> None:
    found = step(replace(DRAFT, draft=False, assets=assets))
    assert isinstance(found, Blocked)
    assert found.cause == f"{TAG} is already published, and {odd} is not what was approved"


garbage = st.sampled_from((-1, 0, 10**6))
spoilt = st.dictionaries(st.sampled_from([f.name for f in FILES] + ["stray.bin"]), garbage, max_size=4)


@given(
    kept=st.sets(st.sampled_from([f.name for f in FILES])),
    spoilt=spoilt,
    has_draft=st.booleans(),
    has_tag=st.booleans(),
    stop_after=st.integers(0, 12),
)
def test_from_any_state_of_our_draft_it_ends_published_with_exactly_our_files(
    kept: set[str], spoilt: dict[str, int], has_draft: bool, has_tag: bool, stop_after: int
) -> None:
    there = [a for a in UPLOADED if a.name in kept - set(spoilt)]
    there += [asset(name, size, sha256("?"), 80 + i) for i, (name, size) in enumerate(spoilt.items())]
    facts = TAGGED if has_tag else FACTS
    facts = facts.with_home(releases=(replace(DRAFT, assets=tuple(there)),) if has_draft else ())
    published, number, steps = 0, 100, 0
    while isinstance(found := next_promote(PROMOTION, facts), Act):
        steps += 1
        assert steps < 20
        for each in found.actions:
            number += 1
            published += isinstance(each, PublishRelease)
            if isinstance(each, PublishRelease):
                full = {
                    (a.name, a.size, a.digest) for r in facts.home.releases if r.id == each.release_id for a in r.assets
                }
                assert full == {(f.name, f.size, f"sha256:{f.sha256}") for f in FILES}
                assert facts.home.tags[TAG] == sha("merge")
            facts = foretell(facts, each, Outcome(number))
            if number - 100 == stop_after:  # killed: the next job looks again
                break
    assert isinstance(found, Done)
    assert published == 1
    assert len(facts.home.releases) == 1


def test_the_prediction_has_the_keys_of_the_real_thing() -> None:
    facts, done = FACTS, []
    while isinstance(found := next_promote(PROMOTION, facts), Act):
        for number, each in enumerate(found.actions):
            done.append(each.key)
            facts = foretell(facts, each, Outcome(100 + number))
    assert done == [a.key for a in release_actions(GOAL, [f.name for f in FILES])]
