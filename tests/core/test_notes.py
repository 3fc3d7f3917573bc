"""Release notes: the text of a small release, and that no text from outside becomes markup or a link (faults F41)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from ms_release.core.model import Pin
from ms_release.core.notes import Change, RepoChanges, render_notes

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
URL = "https://github.com/midi-studio/loader"
OLD, NEW = "a" * 40, "b" * 40
PIN = Pin("loader", "midi-studio/loader", URL, "main", NEW, "carry", "same as v0.1.0-beta.1")
CHANGES = RepoChanges(
    "loader",
    URL,
    OLD,
    NEW,
    (
        Change("1" * 40, "feat: flash faster", "", "Ann"),
        Change("2" * 40, "fix(usb): no more hangs", "", "Bob"),
        Change("3" * 40, "refactor: names", "text\n\nBREAKING CHANGE: --port is gone", ""),
        Change("4" * 40, "Update README", "", "Ann"),
        Change("5" * 40, "feat: list devices", "", "Bob"),
    ),
    True,
)

EXPECTED = f"""\
# v0.1.0-beta.2

Channel: beta

Previous release: v0.1.0-beta.1

## Pinned Repos

| Repository | Commit | Branch | Why |
| --- | --- | --- | --- |
| [loader]({URL}) | [`bbbbbbb`]({URL}/commit/{NEW}) | main | carry: same as v0.1.0-beta.1 |

## Changes

### loader

[aaaaaaa → bbbbbbb]({URL}/compare/{OLD}...{NEW})

#### Breaking changes

- refactor: names ([`3333333`]({URL}/commit/{"3" * 40}))

#### Features

- feat: flash faster ([`1111111`]({URL}/commit/{"1" * 40}), Ann)
- feat: list devices ([`5555555`]({URL}/commit/{"5" * 40}), Bob)

#### Fixes

- fix(usb): no more hangs ([`2222222`]({URL}/commit/{"2" * 40}), Bob)

#### Other changes

- Update README ([`4444444`]({URL}/commit/{"4" * 40}), Ann)

… and older commits.

## Notes

Read the **manual**.
"""


def test_the_notes_of_a_small_release() -> None:
    text = render_notes("v0.1.0-beta.2", "beta", "v0.1.0-beta.1", [CHANGES], [PIN], "\r\nRead the **manual**.\r\n\r\n")
    assert text == EXPECTED


def test_first_releases_and_unchanged_repositories() -> None:
    first = replace(CHANGES, from_sha=None, commits=(), more=False)
    text = render_notes("v0.1.0", "stable", None, [first], [PIN], "")
    assert f"First release of this repository, at [`bbbbbbb`]({URL}/commit/{NEW})." in text
    assert "Previous release: none" in text
    assert "## Notes" not in text
    same = replace(CHANGES, from_sha=NEW, commits=(), more=False)
    text = render_notes("v0.1.0", "stable", None, [same], [PIN], "  \n ")
    assert "No repository changed since the previous release." in text
    assert "### loader" not in text


def leaves(tokens: list[Token]) -> list[Token]:
    return [leaf for token in tokens for leaf in (token, *leaves(token.children or []))]


def shape(text: str) -> list[tuple[str, object]]:
    """Everything but the text itself: which blocks, marks and link targets the document has."""
    found = [(t.type, t.attrGet("href")) for t in leaves(PARSER.parse(text))]
    return [one for one in found if one[0] != "text"]


def render(**words: str) -> str:
    say: Any = {"id": "loader", "ref": "main", "reason": "r", "subject": "feat: s", "author": "a"} | words
    pin = replace(PIN, repo=say["id"], ref=say["ref"], reason=say["reason"])
    change = Change("1" * 40, "feat: " + say["subject"], say["subject"], say["author"])
    repo = replace(CHANGES, repo_id=say["id"], commits=(change, change))
    return render_notes("v0.1.0", "stable", None, [repo], [pin], "")


HOSTILE = [
    "@octocat fixes #1 GH-2 www.x.y https://x.y",
    "](http://evil) [x](javascript:y) ![i](http://x)",
    "a\n\n# heading\n\n<script>x</script>",
    "x | y | z \\| w",
    "``` a\n```\n~~~",
    "`a` ``b",
    "<!-- x",
    "*a* _b_ **c** ~~d~~ $x$",
    "\u202e\x1b[2J\r\x00",
    "&#64;octocat \\@octocat",
    "\\",
]
AUTOMATIC = re.compile(r"@\w|#\d|GH-\d|https?://|www\.", re.IGNORECASE)


def check(text: str) -> None:
    for place in ("id", "ref", "reason", "subject", "author"):
        notes = render(**{place: text})
        assert shape(notes) == shape(render(**{place: "x"})), (place, notes)
        words = [t.content for t in leaves(PARSER.parse(notes)) if t.type == "text"]
        assert not AUTOMATIC.search(" ".join(words))


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_outside_changes_nothing_but_text(text: str) -> None:
    check(text)


@given(st.lists(st.sampled_from([*HOSTILE, "x", " ", "1"]), min_size=1, max_size=4).map("".join).filter(str.strip))
def test_mixtures_change_nothing_but_text(text: str) -> None:
    check(text)


@pytest.mark.parametrize(
    "url", ["javascript:x", "https://x/a)b", "https://x/a b", "https://x/a\n", "https://u@x/a", "", "https://x/<y>"]
)
def test_odd_addresses_become_no_links(url: str) -> None:
    text = render_notes("v0.1.0", "stable", None, [replace(CHANGES, url=url)], [replace(PIN, url=url)], "")
    assert "link_open" not in [kind for kind, _ in shape(text)]


def test_malformed_commits_become_no_links() -> None:
    bad = replace(CHANGES, to_sha="../../x", commits=(Change("x)y", "s", "", ""),))
    text = render_notes("v0.1.0", "stable", None, [bad], [replace(PIN, sha="[x]")], "")
    assert [href for kind, href in shape(text) if kind == "link_open"] == [URL]


def test_hidden_characters_in_the_extra_notes_are_shown() -> None:
    text = render_notes("v0.1.0", "stable", None, [], [PIN], "a\u202eb\x1b[2J\tc")
    assert text.endswith("## Notes\n\na\\u202eb\\x1b[2J\tc\n")
