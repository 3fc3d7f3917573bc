"""Models of those who read what the program writes: a terminal, a CommonMark parser, the runner of workflow jobs."""

from __future__ import annotations

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ms_release.core import sanitize

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# What GitHub makes something of by itself, in the source and again in the rendered text.
AUTOMATIC = re.compile(
    r"@[A-Za-z0-9_-]|#[0-9A-Za-z]|gh-[0-9]|[a-z]://|www\.|(?:fix|close|resolve)[a-z]*:?\s+#\d", re.IGNORECASE
)
# The whole vocabulary of the program on a terminal: colours of the verdicts, and the line that shows progress.
CONTROL = re.compile(r"\x1b\[(?:31|32|33|0)m|\r\x1b\[2K")
ACTING = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def leaves(tokens: list[Token]) -> list[Token]:
    return [leaf for token in tokens for leaf in (token, *leaves(token.children or []))]


def nodes(markdown: str) -> set[str]:
    """The kinds of nodes in a document."""
    return {token.type for token in leaves(PARSER.parse(markdown))}


def rendered(markdown: str) -> str:
    """The text that people see."""
    return " ".join(token.content for token in leaves(PARSER.parse(markdown)) if token.type in ("text", "code_inline"))


def check_markdown(text: str) -> None:
    """Text from outside in Markdown has no nodes but paragraphs of text, and nothing that GitHub links by itself."""
    shown = sanitize.markdown(text)
    assert nodes(shown) <= {"paragraph_open", "paragraph_close", "inline", "text"}, shown[:200]
    assert not AUTOMATIC.search(rendered(shown)), shown[:200]
    assert not AUTOMATIC.search(shown.replace("&amp;", "").replace("&#36;", "").replace("&#8203;", "\u200b"))


def acting(shown: str) -> list[str]:
    """What a terminal would do something with, beside the program's own vocabulary, line ends and tabs."""
    rest = CONTROL.sub("", shown).replace("\r\n", "\n")
    return [c for c in rest if c not in "\n\t" and unicodedata.category(c) in ACTING]


def check_terminal(text: str) -> None:
    """Nothing from outside acts on a terminal."""
    for shown in (sanitize.terminal(text), sanitize.terminal_line(text), sanitize.commit_subject(text)):
        assert acting(shown) == []


def commands(log: str) -> list[str]:
    """The lines of a log that the runner obeys: `::` after white space, `##[` anywhere (actions/runner)."""
    lines = re.split(r"\r\n|\r|\n", log)
    return [line for line in lines if line.strip().startswith("::") or "##[" in line]


def check_workflow_log(text: str) -> None:
    """Nothing from outside is a command of the runner, whether printed or quoted in a command of ours."""
    assert commands(sanitize.stop(text)) == []
    (only,) = commands(f"::error::{sanitize.workflow_command(text)}")
    assert only.startswith("::error::")
    assert "##[" not in only or "##[" in text
