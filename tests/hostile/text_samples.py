"""Hostile text files and words: configuration, world files, names and refs, commit subjects and authors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from core.test_names import BAD_REFS
from core.test_notes import HOSTILE as NOTES
from core.test_sanitize import HOSTILE as MARKUP
from core.test_sanitize import LOGS
from hostile import seeds
from hostile.json_classes import NAMES, REFS, SHAS, SLUGS, TAGS, URLS
from hostile.readers import check_markdown, check_terminal, check_workflow_log
from hostile.sample import Kind, Sample
from ms_release import config
from ms_release.core import names, sanitize, version
from ms_release.core.model import Pin
from ms_release.core.notes import Change, RepoChanges, render_notes
from ms_release.errors import UsageError
from ms_release.forge.world import file as world

TOML = {
    "empty": b"", "no TOML": b"hello", "HTML": b"<!doctype html>", "JSON": b'{"a": 1}', "not UTF-8": b"\xff\xfe",
    "BOM": b"\xef\xbb\xbf[x]",
    "NUL": b"a = \0", "key twice": b"a = 1\na = 2", "table twice": b"[a]\n[a]", "open text": b'a = "',
    "open list": b"a = [",
    "deep lists": b"a = " + b"[" * 50_000, "deep tables": b"a = " + b"{a=" * 50_000,
    "deep keys": b"a" + b".a" * 50_000 + b" = 1",
    "deep headers": b"[a" + b".a" * 50_000 + b"]", "huge integer": b"a = " + b"9" * 100_000,
    "huge fraction": b"a = 0." + b"9" * 100_000,
    "no date": b"a = 2026-13-45", "date too far": b"a = 99999-01-01", "bare control": b'a = "\x1b[2J"',
    "surrogate": b'a = "\\ud800"',
    "too wide an escape": b'a = "\\UFFFFFFFF"', "unknown table": b"[x]\n", "many tables": b"[[x]]\n" * 100_000,
    "carriage return": b"a\r= 1",
    "many keys": b"".join(b"k%d = 1\n" % n for n in range(50_000)), "bidi": '"\u202e" = 1'.encode(),
    "only a comment": b"# x",
}  # fmt: skip


def _toml(good: bytes) -> Iterator[Sample]:
    yield Sample("as it should be", good, 0)
    for name, data in TOML.items():
        yield Sample(name, data, 2)
        if name not in ("empty", "only a comment"):
            yield Sample(f"{name}, behind a good one", good + b"\n" + data, 2)
    text = good.decode()
    for number, line in enumerate(text.splitlines()):
        key, equals, value = line.partition(" = ")
        if not equals or line.startswith("#"):
            continue
        kind = "text" if value.startswith('"') else "list" if value.startswith("[") else "other"
        wrong = {"text": ("7", "true", "[]", "{}", "1.5", "2026-01-01"), "list": ("7", "true", '"x"', "{}", "[7]"),
                 "other": ('"x"', "[]", "1.5", "2026-01-01")}[kind]  # fmt: skip
        for odd in wrong:
            yield Sample(f"line {number + 1}: {key} = {odd}", _line(text, number, f"{key} = {odd}"), 2)
        yield Sample(f"line {number + 1}: {key} misspelt", _line(text, number, f"{key}x = {value}"), 2)
        yield Sample(f"line {number + 1}: {key} twice", _line(text, number, f"{line}\n{line}"), 2)


def _line(text: str, number: int, new: str) -> bytes:
    lines = text.splitlines()
    return "\n".join([*lines[:number], new, *lines[number + 1 :]]).encode()


def _swap(good: bytes, old: str, values: dict[str, str]) -> Iterator[Sample]:
    assert old in good.decode()
    for name, value in values.items():
        quoted = '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in value) + '"'
        yield Sample(
            f"{old}: {name}", good.decode().replace(old, old.split('"', maxsplit=1)[0] + quoted, 1).encode(), 2
        )


def _configurations() -> Iterator[Sample]:
    good = seeds.CONFIGURATION
    yield from _toml(good)
    words = {name: value for name, value in NAMES.items() if name != "folder"}
    yield from _swap(good, 'id = "loader"', words)
    yield from _swap(good, 'filename = "firmware.hex"', NAMES)
    yield from _swap(good, 'path = "bin/loader"', words)
    yield from _swap(good, 'workflow = "candidate.yml"', NAMES)
    yield from _swap(good, 'workflow = "publish.yml"', NAMES)
    yield from _swap(good, 'url = "https://forge.example/studio/loader"', URLS)
    yield from _swap(good, 'id = "firmware"', NAMES)
    yield from _swap(good, 'arch = "x86_64"', NAMES)
    with_branch = good.replace(b'select = "carry"', b'select = "carry"\nbranch = "main"', 1)
    yield from _swap(with_branch, 'branch = "main"', REFS)


# What a repository may be called all the same, since GitHub allows it.
GITHUBS = ("device", "device with ending", "dot at the end", "hidden")


def _worlds() -> Iterator[Sample]:
    good = seeds.WORLD
    yield from _toml(good)
    logins = {name: value for name, value in NAMES.items() if name != "device"}
    yield from _swap(good, 'login = "o"', logins)
    yield from _swap(good, 'login = "alice"', logins)
    yield from _swap(good, 'name = "o/r"', {n: f"o/{v}" for n, v in NAMES.items() if n not in GITHUBS})
    branch = good.replace(b'name = "o/r"', b'name = "o/r"\ndefault_branch = "main"', 1)
    yield from _swap(branch, 'default_branch = "main"', REFS)
    source = good.replace(b'name = "o/r"', b'name = "o/r"\nfrom = "x"', 1)
    yield from _swap(source, 'from = "x"', {"NUL": "a\0b", "long": "a" * 5000, "missing": "nowhere", "file": "x.zip/y"})


def _read_config(data: bytes) -> None:
    try:
        config.parse(data.decode(), "ms-release.toml")
    except UnicodeDecodeError:
        raise UsageError("it is not UTF-8 text") from None


def _read_world(data: bytes) -> None:
    path = Path("world.toml")
    path.write_bytes(data)
    world.read(path)


# ---- names: `kind NUL word`; a word that is refused counts as a usage error

RULES = {
    "file": names.is_safe_name, "commit": names.is_sha, "digest": names.is_sha256, "repository": names.is_slug,
    "address": names.is_repo_url,
    "ref": names.is_ref_name, "tag": lambda word: version.parse_tag(word) is not None,
}  # fmt: skip
GOOD = {"file": "a.zip", "commit": "a" * 40, "digest": "a" * 64, "repository": "o/n", "address": "https://x/o/n",
        "ref": "release/v1.0.0",
        "tag": "v1.0.0-beta.2"}  # fmt: skip


def _words() -> Iterator[Sample]:
    tables = {"file": NAMES, "commit": SHAS, "repository": SLUGS, "address": URLS, "ref": REFS, "tag": TAGS}
    for kind, word in GOOD.items():
        yield Sample(f"{kind}: as it should be", f"{kind}\0{word}".encode(), 0)
        for name, bad in {
            "newline": "\n",
            "NUL": "\0",
            "space": " ",
            "bidi": "\u202e",
            "escape": "\x1b",
            "surrogate": "\udcff",
        }.items():
            for place, text in {
                "before": bad + word,
                "behind": word + bad,
                "within": word[:2] + bad + word[2:],
            }.items():
                yield Sample(f"{kind}: {name} {place}", f"{kind}\0{text}".encode("utf-8", "surrogateescape"), 2)
    for kind, table in tables.items():
        for name, word in table.items():
            yield Sample(f"{kind}: {name}", f"{kind}\0{word}".encode(), 2)
    for number, word in enumerate(BAD_REFS):
        yield Sample(f"ref {number}: {ascii(word)[:40]}", f"ref\0{word}".encode(), 2)


def _read_word(data: bytes) -> None:
    kind, _, word = data.decode("utf-8", "surrogateescape").partition("\0")
    if not RULES[kind](word):
        raise UsageError(f"{word[:200]!a} is no {kind}")


# ---- what people write: never refused, always harmless

SUBJECTS = (
    *MARKUP, *NOTES, *LOGS, "feat: x\u2028::error::y", "\x1b]52;c;Zm9v\x07", "\x9b2J", "\x1bP1;2|x\x1b\\",
    "\x1b[?1049h", "a\rb", "\b\b\b",
    "\x1b]0;title\x07", "::set-output name=a::b", "::add-path::/tmp", "##[command]x", "EOF\nx=y\nEOF", "%0A::error::x",
    "%250A", "\ud800",
    "closes #1, fixes o/r#2, resolves https://github.com/o/r/issues/3", "Co-authored-by: @org/team",
    "<details><summary>", "![x](//x/y.png)",
    "[x]: javascript:alert(1)", "[x](data:text/html,x)", "<a href=x>", "&#x40;org", "@\u200borg",
    "\u2066\u2067\u2068x\u2069", "\ufff9x\ufffa",
    "\U000e0001\U000e0061", "Z\u0351\u036b" * 50, "a" * 200_000, "@" * 50_000, "\\" * 50_000, "`" * 50_000,
    "[" * 50_000, "<" * 50_000,
    "*" * 50_000, "|" * 50_000, "\x1b" * 50_000, "\n" * 50_000, "\u202e" * 50_000, "#1 " * 20_000,
)  # fmt: skip
SHA = "a" * 40
PIN = Pin("core", "o/core", "https://forge.example/o/core", "main", SHA, "head", "the tip of main")


def _subjects() -> Iterator[Sample]:
    for number, text in enumerate(SUBJECTS):
        yield Sample(f"{number}: {ascii(text)[:40]}", text.encode("utf-8", "surrogatepass"), 0)
        yield Sample(f"{number} twice: {ascii(text)[:40]}", f"{text} {text}".encode("utf-8", "surrogatepass"), 0)


def _read_subject(data: bytes) -> None:
    """As subject, body and author of a commit, and as a reason, in every sink at once."""
    text = data.decode("utf-8", "surrogatepass")
    change = Change(SHA, text, text, text)
    repo = RepoChanges("core", PIN.url, None, SHA, (change,), False)
    notes = render_notes("v1.0.0", "stable", None, [repo], [PIN], "")
    assert len(re.findall(r"^- ", notes, re.MULTILINE)) == 1
    sanitize.markdown(text)
    check_markdown(text[:2000])  # the CommonMark parser is slow, and not ours
    check_terminal(text)
    check_workflow_log(text)


CLASSES = {
    "configuration files": Kind(_read_config, _configurations),
    "world files": Kind(_read_world, _worlds),
    "names of files, refs, tags, commits": Kind(_read_word, _words),
    "commit subjects and authors": Kind(_read_subject, _subjects),
}
