"""The version rules of SPEC 2: as tables, as properties over any history, and against the real project's history."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release.core.conventional import classify
from ms_release.core.version import (
    History,
    Version,
    check_explicit,
    infer_bump,
    make_history,
    next_version,
    parse_tag,
    previous,
)
from ms_release.errors import UsageError

SPECS = Path(__file__).parents[1] / "data" / "distribution" / "release-specs"
BUMPS = ("major", "minor", "patch")

small = st.integers(0, 3)
versions = st.builds(Version, small, small, small, st.none() | st.integers(1, 4)).filter(
    lambda v: v.base > Version(0, 0, 0)
)
histories = st.builds(History, st.frozensets(versions, max_size=8))
channels = st.sampled_from(("stable", "beta"))
bumps = st.sampled_from(BUMPS)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v0.1.0", Version(0, 1, 0)),
        ("v10.20.30", Version(10, 20, 30)),
        ("v0.0.1-beta.16", Version(0, 0, 1, 16)),
        ("v999999999999999.0.0", Version(999999999999999, 0, 0)),
    ],
)
def test_tags_that_are_versions(text: str, version: Version) -> None:
    assert parse_tag(text) == version
    assert version.tag == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.1.0",
        "v0.1",
        "v0.1.0\n",
        "v0.1.0-beta.1\n",
        "\nv0.1.0",
        " v0.1.0",
        "v01.0.0",
        "v0.01.0",
        "v0.0.1-beta.01",
        "v0.0.1-beta.0",
        "v0.0.1-beta",
        "v0.0.1-beta.1.2",
        "v0.0.1-rc.1",
        "v0.0.1+build",
        "V0.0.1",
        "v0.0.-1",
        "v٠.١.٠",
        "v0.0.1-beta.１",
        "v9999999999999999.0.0",
        "v" + "9" * 5000 + ".0.0",
        "rc-" + "a" * 40,
        "nightly-2026-02-01",
    ],
)
def test_tags_that_are_none(text: str) -> None:
    assert parse_tag(text) is None


@given(st.text())
def test_a_tag_is_read_only_in_its_one_spelling(text: str) -> None:
    version = parse_tag(text)
    assert version is None or version.tag == text


def test_order_is_semver_precedence() -> None:
    tags = "v0.0.1-beta.2 v0.0.1-beta.10 v0.0.1 v0.0.2-beta.1 v0.0.10 v0.1.0-beta.1 v0.1.0 v1.0.0-beta.1 v1.0.0".split()
    ordered = [parse_tag(tag) for tag in tags]
    assert None not in ordered
    assert all(
        a < b and a <= b and b > a and b >= a and not b <= a and a != b for a, b in pairwise(v for v in ordered if v)
    )


def history(*tags: str) -> History:
    return make_history(tags, ())


NEXT = [
    # taken, channel, bump, expected
    ((), "stable", "major", "v0.1.0"),
    ((), "stable", "patch", "v0.1.0"),
    ((), "beta", "patch", "v0.1.0-beta.1"),
    ((), "beta", "major", "v0.1.0-beta.1"),
    (("rc-0000000", "nightly-2026-02-01", "v1"), "beta", "minor", "v0.1.0-beta.1"),
    (("v1.0.0", "v2.0.0-beta.1"), "beta", "patch", "v2.0.0-beta.2"),
    (("v1.0.0", "v2.0.0-beta.1"), "stable", "patch", "v1.0.1"),
    (("v1.0.0", "v2.0.0-beta.1"), "beta", "major", "v2.0.0-beta.2"),
    (("v1.2.3",), "stable", "minor", "v1.3.0"),
    (("v1.2.3",), "beta", "patch", "v1.2.4-beta.1"),
    (("v1.2.3", "v1.2.3-beta.7"), "beta", "patch", "v1.2.4-beta.1"),
    (("v1.0.0", "v1.0.1-beta.1", "v1.0.1-beta.5"), "beta", "patch", "v1.0.1-beta.6"),
    (("v1.0.0", "v1.0.1-beta.5"), "beta", "minor", "v1.1.0-beta.1"),
    (("v0.0.1-beta.16",), "beta", "patch", "v0.0.1-beta.17"),
    (("v0.0.1-beta.16",), "beta", "minor", "v0.1.0-beta.1"),
    (("v0.0.1-beta.16",), "stable", "patch", "v0.0.1"),
    (("v0.1.0-beta.3",), "stable", "patch", "v0.1.0"),
    (("v0.1.0-beta.3",), "stable", "major", "v1.0.0"),
]


@pytest.mark.parametrize(("taken", "channel", "bump", "expected"), NEXT)
def test_next_version(taken: tuple[str, ...], channel: str, bump: str, expected: str) -> None:
    assert next_version(history(*taken), channel, bump).tag == expected


@pytest.mark.parametrize(
    ("taken", "channel", "tag", "wrong"),
    [
        ((), "stable", "v0.1.0", ""),
        ((), "beta", "v0.0.1-beta.1", ""),
        ((), "stable", "v0.0.0", "not above"),
        ((), "beta", "v0.0.1-beta.2", "does not follow"),
        ((), "beta", "v0.1.0", "channel beta"),
        ((), "stable", "v0.1.0-beta.1", "channel stable"),
        (("v1.0.0",), "stable", "v1.0.0", "taken"),
        (("v1.0.0",), "stable", "v0.9.0", "not above the last stable"),
        (("v1.0.0",), "stable", "v5.0.0", ""),
        (("v1.0.0", "v2.0.0-beta.1"), "stable", "v1.0.1", ""),
        (("v1.0.0",), "beta", "v1.0.0-beta.1", "not above the last stable"),
        (("v1.0.0", "v2.0.0-beta.1"), "beta", "v1.5.0-beta.1", "below the highest beta"),
        (("v1.0.0", "v1.0.1-beta.5"), "beta", "v1.0.1-beta.4", "does not follow"),
        (("v1.0.0", "v1.0.1-beta.5"), "beta", "v1.0.1-beta.7", "does not follow"),
        (("v1.0.0", "v1.0.1-beta.5"), "beta", "v1.0.1-beta.6", ""),
        (("v1.0.0", "v1.0.1-beta.5"), "beta", "v1.0.1-beta.5", "taken"),
        (("v1.0.0", "v1.0.1-beta.5"), "beta", "v3.0.0-beta.1", ""),
    ],
)
def test_explicit_versions_follow_the_same_rules(taken: tuple[str, ...], channel: str, tag: str, wrong: str) -> None:
    version = parse_tag(tag)
    assert version is not None
    if not wrong:
        check_explicit(history(*taken), channel, version)
        return
    with pytest.raises(UsageError, match=wrong) as caught:
        check_explicit(history(*taken), channel, version)
    assert caught.value.remedy
    if "channel" in wrong:
        assert ("beta.N" in caught.value.remedy) == (channel == "beta")


@given(histories, channels, bumps)
def test_what_is_suggested_is_free_allowed_and_new(known: History, channel: str, bump: str) -> None:
    version = next_version(known, channel, bump)
    check_explicit(known, channel, version)
    assert version not in known.taken
    assert version.channel == channel
    assert version > max((v for v in known.taken if v.channel == channel), default=Version(0, 0, 0))


@given(histories, channels, versions)
def test_an_allowed_version_stays_above_its_channel(known: History, channel: str, version: Version) -> None:
    try:
        check_explicit(known, channel, version)
    except UsageError:
        return
    assert version > max((v for v in known.taken if v.channel == channel), default=Version(0, 0, 0))
    assert all(version.base > v for v in known.taken if v.beta is None)


@given(histories, channels, bumps)
def test_bigger_bumps_never_give_smaller_versions(known: History, channel: str, bump: str) -> None:
    results = [next_version(known, channel, bump) for bump in ("patch", "minor", "major")]
    assert results == sorted(results)


def test_the_real_history_follows_from_the_rules() -> None:
    tags = sorted((v for path in SPECS.glob("*.json") if (v := parse_tag(path.stem))), key=lambda v: v.beta or 0)
    assert [v.tag for v in tags] == [f"v0.0.1-beta.{n}" for n in range(1, 17)]
    check_explicit(History(), "beta", tags[0])
    for number, following in enumerate(tags[1:], 1):
        known = History(frozenset(tags[:number]))
        assert next_version(known, "beta", "patch") == following
        check_explicit(known, "beta", following)


@pytest.mark.parametrize(
    ("published", "channel", "expected"),
    [
        ((), "beta", None),
        (("v1.0.0", "v1.1.0-beta.2", "v1.1.0-beta.10"), "beta", "v1.1.0-beta.10"),
        (("v1.0.0", "v1.1.0-beta.2"), "stable", "v1.0.0"),
        (("v1.0.0", "v0.9.0"), "beta", "v1.0.0"),
        (("v0.1.0-beta.1", "v0.1.0-beta.2"), "stable", "v0.1.0-beta.2"),
    ],
)
def test_previous_is_the_newest_published(published: tuple[str, ...], channel: str, expected: str | None) -> None:
    found = previous(make_history(("v9.0.0", "v9.0.0-beta.1"), published), channel)
    assert (found.tag if found else None) == expected


@pytest.mark.parametrize(
    ("subject", "body", "kind"),
    [
        ("feat: a", "", "feat"),
        ("FEAT(core): a", "", "feat"),
        ("fix(a, b): c", "", "fix"),
        ("feat!: a", "", "breaking"),
        ("chore(x)!: a", "", "breaking"),
        ("fix: a", "text\n\nBREAKING CHANGE: b", "breaking"),
        ("fix: a", "text\r\n\r\nBREAKING-CHANGE: b\r\n", "breaking"),
        ("Merge pull request", "BREAKING CHANGE: b", "breaking"),
        ("fix: a", "breaking change: b", "fix"),
        ("fix: a", "This is no BREAKING CHANGE: really", "fix"),
        ("fix: a", "BREAKING CHANGE:", "fix"),
        ("feat:a", "", "other"),
        ("feat (a): b", "", "other"),
        ("feature: a", "", "other"),
        ("feat(: a", "", "other"),
        ("docs: feat: a", "", "other"),
        ("feat: ", "", "other"),
        ("", "", "other"),
    ],
)
def test_conventional_commits(subject: str, body: str, kind: str) -> None:
    assert classify(subject, body) == kind


@pytest.mark.parametrize(
    ("subjects", "current", "bump", "words"),
    [
        (["feat!: a", "fix: b"], "v1.0.0", "major", "1 breaking change"),
        (["feat!: a", "fix!: b"], "v0.9.0", "minor", "before 1.0.0"),
        (["feat!: a"], None, "minor", "before 1.0.0"),
        (["docs: a", "feat: b", "feat: c"], "v1.0.0", "minor", "2 features, first “feat: b”"),
        (["fix: a"], "v1.0.0", "patch", "1 fix and no feature"),
        (["fix: a", "fix: b"], "v1.0.0", "patch", "2 fixes"),
        (["docs: a"], None, "patch", "1 commit,"),
        ([], "v1.0.0", "patch", "no commits"),
        (["feat: \x1b[31m"], "v1.0.0", "minor", r"\x1b[31m"),
    ],
)
def test_bump_is_inferred_with_its_reason(subjects: list[str], current: str | None, bump: str, words: str) -> None:
    version = parse_tag(current) if current else None
    found, reason = infer_bump(((subject, "") for subject in subjects), version)
    assert found == bump
    assert words in reason
    assert "\x1b" not in reason
