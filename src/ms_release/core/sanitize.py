"""Makes text from outside harmless before it reaches a terminal, Markdown or a workflow log.

Faults F41-F43. Nothing but white space is dropped. What one function returns is safe in its own sink only.
"""

from __future__ import annotations

import re
import unicodedata

MAX_SUBJECT = 120
# Control, format (bidi, zero width), surrogate, private, line and paragraph separators. Not "unassigned": that set
# differs between Python versions, and the same commit must give the same notes everywhere.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
# Letters and marks that show as nothing: fillers, blanks, variation selectors but the two that emoji use.
_BLANK = set("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {chr(c) for c in range(0xFE00, 0xFE0E)}
_TAGS = range(0xE0000, 0xE1000)

_ZERO_WIDTH = "&#8203;"
_LINE_START = re.compile(r"[-+=]|\d{1,9}[.)]")
_MARKUP = re.compile(r"(?i)([\\`*_\[\]|~])|([&<>$])|#|@|gh-(?=\d)|www(?=\.)|:(?=//)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}


def terminal(text: str) -> str:
    """Several lines for a terminal: newline and tab stay, every other invisible character is shown as an escape."""
    return _show_hidden(text, keep="\n\t")


def terminal_line(text: str) -> str:
    """One line for a terminal: newlines and tabs are shown as escapes as well."""
    return _show_hidden(text, keep="")


def markdown(text: str) -> str:
    """Text for one place within a Markdown line: a list item, a table cell, a paragraph. It shows as itself.

    Every character that starts markup is escaped, white space becomes one space. GitHub looks for mentions, references
    and addresses twice: in the source (commit messages, closing keywords) and, for mentions, in the *rendered* text,
    where a backslash or a character entity is gone again (github/markup#1168). So those are broken by a zero-width
    space written as the entity `&#8203;` after `@` and `#`, in `GH-` and in `://`: no reader of source or of result
    sees them whole, and the file itself holds no invisible character.
    """
    shown = terminal_line(" ".join(text.split()))
    return _escape_line_start(_MARKUP.sub(_escape_markup, shown))


def workflow_command(text: str) -> str:
    """The message of a workflow command such as `::error::`: one line for the runner, decoded to several by GitHub."""
    return _show_hidden(text, keep="\r\n\t").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def stop(text: str) -> str:
    """Lines that print as text in a workflow log: no line starts a command of the runner.

    The runner trims white space before it looks for `::`, and finds the older `##[` anywhere in a line.
    """
    lines = terminal(text).replace("##[", "##\\[").split("\n")
    return "\n".join("\\" + line.lstrip() if line.lstrip().startswith("::") else line for line in lines)


def commit_subject(text: str) -> str:
    """The first line of a commit message for one line of a terminal, at most 120 characters."""
    lines = text.strip().splitlines()
    shown = terminal_line(" ".join(lines[0].split())) if lines else ""
    return shown if len(shown) <= MAX_SUBJECT else shown[: MAX_SUBJECT - 1] + "…"


def _show_hidden(text: str, keep: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or not _is_hidden(c) else _escape(c) for c in text)


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN or char in _BLANK or ord(char) in _TAGS


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_markup(found: re.Match[str]) -> str:
    mark = found[0]
    if found[1]:
        return "\\" + mark
    if found[2]:
        return _ENTITIES[mark]
    return ("\\#" if mark == "#" else mark) + _ZERO_WIDTH


def _escape_line_start(text: str) -> str:
    """Lists, rulers and headings begin a line; the backslash goes before the punctuation."""
    found = _LINE_START.match(text)
    return text if found is None else text[: found.end() - 1] + "\\" + text[found.end() - 1 :]
