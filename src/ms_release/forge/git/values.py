"""Commits, tags and people as git writes them, parsed into values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache


@dataclass(frozen=True)
class Person:
    """Author, committer or tagger; `date` is ISO 8601 with Z."""

    name: str
    email: str
    date: str

    def line(self) -> str:
        """As it stands in a git object."""
        seconds = int(datetime.fromisoformat(self.date).timestamp())
        name, email = (plain(text) for text in (self.name, self.email))
        return f"{name} <{email}> {seconds} +0000"


@dataclass(frozen=True)
class Commit:
    """One parsed commit object; `signature` is the armoured text, "" without one."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str
    signature: str = ""


@dataclass(frozen=True)
class Tag:
    """One parsed annotated tag object; the message contains the signature, if any."""

    sha: str
    object: str
    type: str
    tag: str
    tagger: Person
    message: str


@lru_cache(maxsize=8192)
def parse_commit(sha: str, content: bytes) -> Commit:
    """A commit object's text as a value."""
    head, message = _headers(content)
    author, committer = _person(head["author"][0]), _person(head["committer"][0])
    signature = "\n".join(head.get("gpgsig", []))
    return Commit(sha, head["tree"][0], tuple(head.get("parent", [])), author, committer, message, signature)


def parse_tag(sha: str, content: bytes) -> Tag:
    """An annotated tag object's text as a value."""
    head, message = _headers(content)
    tagger = _person(head["tagger"][0]) if "tagger" in head else Person("", "", "1970-01-01T00:00:00Z")
    return Tag(sha, head["object"][0], head["type"][0], head["tag"][0], tagger, message)


def _headers(content: bytes) -> tuple[dict[str, list[str]], str]:
    head, _, message = content.decode("utf-8", "surrogateescape").partition("\n\n")
    fields: dict[str, list[str]] = {}
    last = ""
    for line in head.split("\n"):
        if line.startswith(" "):
            fields[last].append(line[1:])
            continue
        last, _, value = line.partition(" ")
        fields.setdefault(last, []).append(value)
    return fields, message


def _person(line: str) -> Person:
    who, _, when = line.rpartition("> ")
    name, _, email = who.rpartition("<")
    seconds, _, offset = when.partition(" ")
    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    zone = timezone(timedelta(minutes=-minutes if offset[:1] == "-" else minutes))
    moment = datetime.fromtimestamp(int(seconds), zone).astimezone(UTC)
    return Person(name.strip(), email, moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


def plain(text: str) -> str:
    """Without the characters that would end a field of a git object."""
    return "".join(c for c in text if c not in "<>\n\0")
