"""Faults F41 to F43: outside text in Markdown, on a terminal, in a workflow log, against models of their readers."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ms_release.core.sanitize import (
    MAX_SUBJECT,
    commit_subject,
    markdown,
    stop,
    terminal,
    terminal_line,
    workflow_command,
)

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# What GitHub makes something of by itself, in the source and again in the rendered text.
AUTOMATIC = re.compile(
    r"@[A-Za-z0-9_-]|#[0-9A-Za-z]|gh-[0-9]|[a-z]://|www\.|(?:fix|close|resolve)[a-z]*:?\s+#\d", re.IGNORECASE
)
FRAMES = [
    ("{}", "paragraph"),
    ("- {}", "list_item"),
    ("- {} ([`0123456`](http://x/y))", "list_item"),
    ("text\n{}", "paragraph"),
    ("# {}", "heading"),
    ("| a | b |\n| --- | --- |\n| {} | z |", "table"),
]

HOSTILE = [
    "@octocat",
    "ping @org/team, @a-b and a@b.example",
    "\\@octocat &#64;octocat &commat;octocat",
    "fixes #1",
    "Closes: #12, resolves owner/repo#3 and GH-4 and gh-5",
    "fixes https://github.com/o/r/issues/1",
    "https://evil.example www.evil.example HTTP://X",
    "[click](javascript:alert(1))",
    "[ref]: http://x 'y'",
    "[a][b] ![img](http://x/y.png) [^1]",
    "<script>alert(1)</script><img src=x onerror=y><!-- -->",
    "<http://x> <a@b.example>",
    "&lt;b&gt; &#8203; &nbsp;",
    "``` sh",
    "`code` ``x`` `",
    "~~~ x ~~gone~~",
    "# heading",
    "1. one",
    "12) two",
    "- item",
    "+ item",
    "* item",
    "> quote",
    "---",
    "===",
    "***",
    "| a | b |",
    "\\| a \\\\| b",
    "*a* _b_ __c__ **d**",
    "    indented code",
    "\tindented code",
    "line\n\n# heading\n- list",
    "line\r\n```\r\ncode",
    "end with backslash \\",
    "end with spaces  ",
    "$\\href{javascript:x}{y}$ $$z$$",
    "- [ ] task",
    "[!WARNING]",
    "\u202egnp.exe\u2066 zero\u200bwidth \ufeffbom soft\xadhyphen",
    "\x1b[31mred\x1b]8;;http://x\x07link\x1b]8;;\x07",
    "a\x00b\x7fc\x9bd",
    ":smile: | ::error::x",
    "#\u200b1 @\u2060x",
    "＠octocat ＃1",
    "<!--",
    "]]>",
    "{{ x }} {% y %}",
]


def leaves(tokens: list[Token]) -> list[Token]:
    return [leaf for token in tokens for leaf in (token, *leaves(token.children or []))]


def expected_text(text: str) -> str:
    return terminal_line(" ".join(text.split()))


def check_markdown(text: str) -> None:
    shown = markdown(text)
    assert not AUTOMATIC.search(shown.replace("&amp;", "").replace("&#36;", "").replace("&#8203;", "\u200b"))
    assert "\n" not in shown
    assert all(unicodedata.category(c) not in ("Cc", "Cf") for c in shown), "the source holds invisible characters"
    for frame, block in FRAMES:
        neutral = frame.replace("{}", "x")
        plain = [(token.type, token.attrGet("href")) for token in leaves(PARSER.parse(neutral))]
        found = leaves(PARSER.parse(frame.replace("{}", shown)))
        if shown:
            # Escaped text may be split in several text tokens; nothing else may differ from harmless text.
            got = [(t.type, t.attrGet("href")) for t in found]
            assert [t for t in got if t[0] not in ("text", "softbreak")] == [
                t for t in plain if t[0] not in ("text", "softbreak")
            ], (frame, block, shown)
        rendered = "".join(token.content if token.type == "text" else " " * token.block for token in found).strip()
        assert not AUTOMATIC.search(rendered)
        if frame == "{}":
            assert rendered.replace("\u200b", "") == expected_text(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_hostile_text_as_itself(text: str) -> None:
    check_markdown(text)


@given(st.text(max_size=40) | st.text(alphabet="@#1aG-Hhtps:/w.\\`*_[]()<>!&;|~$+=-{} \n\t", max_size=40))
def test_markdown_shows_any_text_as_itself(text: str) -> None:
    check_markdown(text)


@given(st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=4).map("".join))
def test_markdown_shows_any_mixture_as_itself(text: str) -> None:
    check_markdown(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("feat(core): add a thing (v1.2)", "feat(core): add a thing (v1.2)"),
        ("feat!: drop x & y", "feat!: drop x &amp; y"),
        ("snake_case", "snake\\_case"),
        ("fixes #1 for @bob", "fixes \\#&#8203;1 for @&#8203;bob"),
        ("see https://x", "see https:&#8203;//x"),
        ("1. x", "1\\. x"),
        ("2026 was", "2026 was"),
    ],
)
def test_markdown_stays_readable(text: str, shown: str) -> None:
    assert markdown(text) == shown


@pytest.mark.parametrize(
    ("text", "many", "one"),
    [
        ("plain text, ünïcödé 漢字 🎉 ⚠️", "plain text, ünïcödé 漢字 🎉 ⚠️", "plain text, ünïcödé 漢字 🎉 ⚠️"),
        ("a\n\tb", "a\n\tb", r"a\x0a\x09b"),
        ("a\rb\x1b[2J\x07\x08\x9b", r"a\x0db\x1b[2J\x07\x08\x9b", r"a\x0db\x1b[2J\x07\x08\x9b"),
        ("\u202e\u2066\u200b\u200d\ufeff\u2028\xad", r"\u202e\u2066\u200b\u200d\ufeff\u2028\xad", None),
        ("\U000e0041\ud800\ue000\u3164\u2800", r"\U000e0041\ud800\ue000\u3164\u2800", None),
    ],
)
def test_terminal_shows_what_is_hidden(text: str, many: str, one: str | None) -> None:
    assert terminal(text) == many
    assert terminal_line(text) == (one or many)


@given(st.text(alphabet=st.characters()))
def test_terminal_output_holds_nothing_that_acts(text: str) -> None:
    for shown, allowed in ((terminal(text), "\n\t"), (terminal_line(text), "")):
        assert all(c in allowed or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in shown)
        assert len(shown.encode()) >= len(text)


def commands(log: str) -> list[str]:
    """The runner's own reading of a log: `::` at the start after white space, `##[` anywhere (actions/runner)."""
    lines = re.split(r"\r\n|\r|\n", log)
    return [line for line in lines if line.strip().startswith("::") or "##[" in line]


LOGS = [
    "::error::x",
    "  ::add-mask::secret",
    "\t::stop-commands::t",
    "fine\n::set-output name=a::b",
    "fine\r::warning::b",
    "fine\r\n::warning::b",
    "a ##[error]b",
    "###[group]##[x",
    "\u3000::error::x",
    "\u200b::error::x",
    "\x0b::error::x\x85::error::y\u2028::error::z",
    "##[##[a",
]


@pytest.mark.parametrize("text", LOGS)
def test_stop_leaves_no_command(text: str) -> None:
    assert commands(text) or not text.isascii() or "\x0b" in text
    assert commands(stop(text)) == []


@given(st.text(alphabet="#[:\r\n \t\\ax\u2028\x0b", max_size=30))
def test_stop_leaves_no_command_in_any_text(text: str) -> None:
    assert commands(stop(text)) == []


def test_stop_leaves_other_text_alone() -> None:
    text = "a::b\n  #[x]\nC++::x\n\tend"
    assert stop(text) == text


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.text(alphabet="%0DA2\r\n5:x", max_size=30)
)
def test_a_workflow_command_is_one_line_that_decodes_to_the_text(text: str) -> None:
    shown = workflow_command(text)
    assert "\n" not in shown
    assert "\r" not in shown
    decoded = shown.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    assert "\r".join(terminal(part) for part in text.split("\r")) == decoded


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("feat: a\n\nbody", "feat: a"),
        ("\n\nfeat: a", "feat: a"),
        ("  a   b\t c  ", "a b c"),
        ("a\rb", "a"),
        ("a\u2028b", "a"),
        ("", ""),
        ("\n \n", ""),
        ("a\x1b[0m", r"a\x1b[0m"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
    ],
)
def test_commit_subjects(text: str, subject: str) -> None:
    assert commit_subject(text) == subject


@given(st.text())
def test_commit_subjects_are_short_lines(text: str) -> None:
    subject = commit_subject(text)
    assert len(subject) <= MAX_SUBJECT
    assert subject == terminal_line(subject)
