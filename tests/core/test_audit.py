"""The ledger as a whole: each break of its chain and each release that is gone is found, at the right version."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.world import observation, sha, sha256
from ms_release.core.audit import audit, compare_entry, in_order
from ms_release.core.observation import Home, Release

TAGS = ("v1.0.0", "v1.1.0-beta.1", "v1.1.0")


def chain(tags: tuple[str, ...] = TAGS) -> dict[str, str]:
    texts: dict[str, str] = {}
    previous = None
    for tag in tags:
        about = {"schema": "ms-ledger/v1", "tag": tag, "commit": sha(tag), "plan": sha256(tag), "seal": sha256("seal")}
        texts[tag] = json.dumps({**about, "assets": [], "previous": previous})
        previous = {"tag": tag, "sha256": hashlib.sha256(texts[tag].encode()).hexdigest()}
    return texts


def home(*gone: str, **changes: Any) -> Home:
    there = [tag for tag in TAGS if tag not in gone]
    facts = {
        "releases": tuple(Release(n, tag, False, False) for n, tag in enumerate(there)),
        "tags": {tag: sha(tag) for tag in TAGS},
    }
    return observation().with_home(**{**facts, **changes}).home


def problems(of: Home, texts: dict[str, str], kept: dict[str, str] | None = None) -> dict[str, tuple[str, ...]]:
    return {tag: found for tag, found in audit(of, texts, kept or {}).items() if found}


def test_an_unbroken_ledger_has_no_problem_and_names_every_release() -> None:
    assert audit(home(), chain(), chain()) == dict.fromkeys(TAGS, ())


@pytest.mark.parametrize("tag", TAGS)
def test_a_release_that_is_gone(tag: str) -> None:
    gone = "it is recorded in the ledger, and its release is gone"
    assert problems(home(tag), chain()) == {tag: (gone,)}
    draft = (*home(tag).releases, Release(9, tag, True, False))
    assert problems(home(releases=draft), chain()) == {tag: (gone,)}


@pytest.mark.parametrize(("tags", "at"), [({}, "no commit"), ({"v1.1.0": sha("x")}, sha("x")[:12])])
def test_the_tag_of_a_release_that_is_gone(tags: dict[str, str], at: str) -> None:
    moved = {**{tag: sha(tag) for tag in TAGS[:2]}, **tags}
    found = problems(home("v1.1.0", tags=moved), chain())["v1.1.0"]
    assert found[1:] == (f"tag v1.1.0 is at {at}, the ledger says {sha('v1.1.0')[:12]}",)


@pytest.mark.parametrize("tag", TAGS[:2])
@pytest.mark.parametrize("change", [lambda text: text + "\n", lambda text: text.replace(sha("v1.0.0"), sha("x"))])
def test_an_entry_that_was_changed_is_found_by_the_next_one(tag: str, change: Any) -> None:
    texts = chain()
    changed = change(texts[tag])
    found = problems(home(), texts | {tag: changed})
    assert list(found) == ([tag] if changed != texts[tag] else [])
    if found:
        assert f"changed after {TAGS[TAGS.index(tag) + 1]} was recorded" in found[tag][0]
        assert hashlib.sha256(changed.encode()).hexdigest()[:12] in found[tag][0]


@pytest.mark.parametrize("tag", TAGS[:2])
def test_an_entry_that_was_taken_away_is_named_by_the_next_one(tag: str) -> None:
    texts = chain()
    del texts[tag]
    after = TAGS[TAGS.index(tag) + 1]
    assert problems(home(), texts) == {tag: (f"its ledger entry is gone: that of {after} names it",)}


@pytest.mark.parametrize("tag", TAGS)
def test_a_ledger_that_was_rewritten_as_a_whole_is_not_the_one_that_was_seen(tag: str) -> None:
    """Whoever rewrites an entry can rewrite those after it too: only a copy elsewhere tells."""
    rewritten = chain((*TAGS[: TAGS.index(tag)], "v0.9.0", *TAGS[TAGS.index(tag) :]))
    del rewritten["v0.9.0"]
    found = problems(home(), rewritten, {tag: chain()[tag]})
    assert any("this machine has seen the digest" in problem for problem in found[tag])


def test_an_entry_that_is_gone_and_was_seen() -> None:
    (found,) = problems(home(), chain(TAGS[:2]), chain())["v1.1.0"]
    assert found.startswith("its ledger entry is gone: this machine has seen it")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"tag": 1}', chain()["v1.0.0"]])
def test_what_is_no_entry_of_this_version(text: str) -> None:
    found = problems(home(), {"v1.1.0": text})
    assert found == {"v1.1.0": ("its ledger entry is damaged",)}


@pytest.mark.parametrize(
    ("recorded", "made", "told"),
    [
        ('{"a": 1}', b'{"a": 1}', ""),
        ('{"a": 1}', b'{"a": 2}', "a"),
        ('{"a": 1, "b": 2}', b'{"a": 1}', "b"),
        ('{"a":1}', b'{"a": 1}', "other bytes"),
        ("nonsense", b'{"a": 1}', "a"),
        ("[]", b'{"a": 1}', "a"),
    ],
)
def test_how_an_entry_differs(recorded: str, made: bytes, told: str) -> None:
    found = compare_entry(recorded, made)
    assert found == (f"its ledger entry says something else than the forge: {told}" if told else "")


@given(st.permutations(TAGS))
def test_versions_are_told_in_their_order(tags: list[str]) -> None:
    assert in_order({*tags, "README"}) == ("v1.0.0", "v1.1.0-beta.1", "v1.1.0")
