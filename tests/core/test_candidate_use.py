"""What may be pruned: never what is named, built, young, doubled or somebody else's, whatever else is there."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.world import planned
from ms_release.core.action import DeleteRelease, DeleteTag
from ms_release.core.candidate_release import marker
from ms_release.core.candidate_use import Place, Stored, is_candidate_tag, judge, read_uses, removals
from ms_release.core.observation import Asset, Release
from ms_release.core.train import render_spec
from ms_release.errors import BlockedError

SLUG, NOW = "Studio/Core", datetime(2026, 3, 1, tzinfo=UTC)
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-02-27T00:00:00Z"
TAGS = tuple(f"rc-{c * 40}" for c in "abc") + tuple(f"rc-core-{c * 16}" for c in "de")


def stored(number: int, tag: str, *, since: str = OLD, ours: bool = True) -> Stored:
    return Stored(Release(number, tag, True, True, (), marker(tag) if ours else "by hand"), since)


def test_an_old_one_that_nothing_names_goes_release_first() -> None:
    place = Place(SLUG, (stored(5, TAGS[0]),), (TAGS[0],), frozenset())
    (gone,) = removals(judge(place, {}, NOW, 30))
    assert gone.removal == (DeleteRelease(SLUG, TAGS[0], 5), DeleteTag(SLUG, TAGS[0]))
    draft = Place(SLUG, (stored(5, TAGS[0]),), (), frozenset())
    assert removals(judge(draft, {}, NOW, 30))[0].removal == (DeleteRelease(SLUG, TAGS[0], 5),)
    alone = Place(SLUG, (), (TAGS[0],), frozenset())
    assert removals(judge(alone, {}, NOW, 30))[0].removal == (DeleteTag(SLUG, TAGS[0]),)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (Place(SLUG, (stored(5, TAGS[0]),), (), frozenset({TAGS[0]})), "it is being built"),
        (Place(SLUG, (stored(5, TAGS[0], since=YOUNG),), (), frozenset()), "younger than 30 days"),
        (Place(SLUG, (stored(5, TAGS[0], since="lately"),), (), frozenset()), "its age is not known"),
        (Place(SLUG, (stored(5, TAGS[0], since="2026-01-01T00:00:00"),), (), frozenset()), "its age is not known"),
        (Place(SLUG, (stored(5, TAGS[0], ours=False),), (), frozenset()), "not made by this program or the runbook's"),
        (Place(SLUG, (stored(5, TAGS[0]), stored(6, TAGS[0])), (), frozenset()), "several releases have this tag"),
        (Place(SLUG, (), (TAGS[0],), frozenset({TAGS[0]})), "it is being built"),
    ],
)
def test_what_stays_says_why(place: Place, why: str) -> None:
    assert {j.stays for j in judge(place, {}, NOW, 30)} == {why}


def test_both_kinds_of_tags_are_known_and_listed_in_order() -> None:
    assert all(is_candidate_tag(tag) for tag in TAGS)
    doubled = Place(SLUG, (stored(9, TAGS[0]), stored(6, TAGS[0])), (), frozenset())
    assert [j.release.id for j in judge(doubled, {}, NOW, 30) if j.release] == [6, 9]


def test_a_spec_names_candidates_by_identity_too() -> None:
    goal = planned()
    document = json.loads(render_spec(goal))
    document["candidates"] = [{**c, "tag": TAGS[3]} for c in document["candidates"]]
    found = read_uses({}, {goal.plan.tag: json.dumps(document)})
    assert {(c.slug.lower(), TAGS[3]) for c in goal.plan.candidates} <= set(found)


def test_exactly_old_enough_is_old_enough() -> None:
    place = Place(SLUG, (stored(5, TAGS[0], since="2026-01-30T00:00:00Z"),), (), frozenset())
    assert len(removals(judge(place, {}, NOW, 30))) == 1


@pytest.mark.parametrize(
    ("named", "why"),
    [(("v1.0.0",), "named by v1.0.0"), (("v1.0.0", "v1.1.0"), "named by v1.1.0 and 1 more"),
     (("v1.0.0", "v1.1.0", "v2.0.0"), "named by v2.0.0 and 2 more")],
)  # fmt: skip
def test_who_names_it_is_said(named: tuple[str, ...], why: str) -> None:
    place = Place(SLUG, (stored(5, TAGS[0]),), (), frozenset())
    assert judge(place, {(SLUG.lower(), TAGS[0]): named}, NOW, 30)[0].stays == why


def test_one_by_identity_without_our_mark_is_somebody_elses() -> None:
    described = Release(5, TAGS[3], True, True, (Asset("n", "candidate.json", 1),))
    (only,) = judge(Place(SLUG, (Stored(described, OLD),), (), frozenset()), {}, NOW, 30)
    assert only.stays.startswith("not made by")


def test_the_runbooks_candidates_are_known_by_their_description() -> None:
    described = Release(5, TAGS[0], True, True, (Asset("n", "candidate.json", 1),))
    place = Place(SLUG, (Stored(described, OLD),), (), frozenset())
    assert len(removals(judge(place, {}, NOW, 30))) == 1


@pytest.mark.parametrize(
    "tag",
    ["v1.0.0", "rc-1", "rc-mine", f"rc-{'a' * 41}", f"rc-{'A' * 40}", f"rc-{'a' * 40}-tooling-{'b' * 40}"],
)
def test_other_tags_are_no_candidates(tag: str) -> None:
    assert not is_candidate_tag(tag)
    place = Place(SLUG, (), (tag,), frozenset())
    assert judge(place, {}, NOW, 0) == ()


CANDIDATES = st.builds(
    stored, st.integers(1, 9), st.sampled_from(TAGS), since=st.sampled_from([OLD, YOUNG]), ours=st.booleans()
)
PLACES = st.builds(
    Place,
    st.just(SLUG),
    st.lists(CANDIDATES, max_size=6).map(tuple),
    st.lists(st.sampled_from((*TAGS, "v1.0.0", "rc-mine")), unique=True, max_size=5).map(tuple),
    st.frozensets(st.sampled_from(TAGS), max_size=2),
)


@given(PLACES, st.sets(st.sampled_from(TAGS)), st.sampled_from([0, 30]))
def test_never_what_is_named_or_being_built(place: Place, named: set[str], days: int) -> None:
    uses = {(SLUG.lower(), tag): ("v1.0.0",) for tag in named}
    for gone in removals(judge(place, uses, NOW, days)):
        assert gone.tag not in named
        assert gone.tag not in place.building
        assert is_candidate_tag(gone.tag)
        assert [s.release.tag for s in place.stored].count(gone.tag) <= 1
        if gone.release is not None:
            assert marker(gone.tag) in gone.release.body


# ---- who names what


def test_plans_and_specs_of_every_schema_name_candidates() -> None:
    goal = planned()
    plan, spec = goal.file.data.decode(), render_spec(goal).decode()
    wanted = {(c.slug.lower(), c.tag): (goal.plan.tag,) for c in goal.plan.candidates}
    assert read_uses({goal.plan.tag: plan}, {}) == wanted
    assert wanted.items() <= read_uses({}, {goal.plan.tag: spec}).items()
    document = json.loads(spec)
    for schema in (1, 2):
        older = {k: v for k, v in document.items() if k not in ("plan", "candidates", "tooling")} | {"schema": schema}
        found = read_uses({}, {"v0.0.1": json.dumps(older).encode().decode()})
        assert set(found) == {(p.slug.lower(), f"rc-{p.sha}") for p in goal.plan.pins}
    both = read_uses(
        {
            goal.plan.tag: plan,
        },
        {"v0.0.1": spec},
    )
    assert all(both[key] == tuple(sorted(("v0.0.1", goal.plan.tag))) for key in wanted)


@pytest.mark.parametrize(("plans", "specs"), [({"v1.0.0": "{}"}, {}), ({}, {"v1.0.0": '{"schema": 9}'})])
def test_what_cannot_be_read_blocks(plans: dict[str, str], specs: dict[str, str]) -> None:
    with pytest.raises(BlockedError, match=r"v1\.0\.0 cannot be read, so nobody knows"):
        read_uses(plans, specs)
