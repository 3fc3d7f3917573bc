"""What the forge answered, and what an answer that is no success means: limits and types come before belief."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urljoin

import msgspec

from ms_release.adapters.urls import origin
from ms_release.errors import CredentialError, ForgeError

JSON_LIMIT = 12 * 1024 * 1024
"""Bytes of one JSON body, after unpacking (faults F40)."""
_MOST_PARTS = 200_000
"""Objects and lists in one body: small ones take twenty times the memory that they have bytes."""


class BadAnswer(Exception):
    """An answer that cannot be used. Stays inside the client: after a write it means that the outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: status, headers (names in lower case) and the decoded body (None when it has none)."""

    status: int
    headers: Mapping[str, str]
    json: Any


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer before anything is believed of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FieldError(msgspec.Struct, frozen=True):
    """One entry of `errors` in a 422: decide by `code` and `field`, not by text (github-facts G47)."""

    resource: str = ""
    field: str = ""
    code: str = ""
    message: str = ""


class Refused(ForgeError):
    """The forge said no (4xx other than 401 and 403): the caller knows what it asked and classifies."""

    def __init__(self, where: str, status: int, message: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(f"{where} answered {status}: {message}", remedy="Check that it exists and is yours.")
        self.status = status
        self.message = message
        self.errors = errors

    def has(self, code: str, field: str | None = None) -> bool:
        """Whether one of the errors has this code (and field)."""
        return any(error.code == code and field in (None, error.field) for error in self.errors)


class Denied(CredentialError):
    """403: the token may not. `permissions` is what the forge says it needs, `sso_url` where to authorise it (G41)."""

    def __init__(self, cause: str, *, remedy: str, permissions: str = "", sso_url: str = "") -> None:
        super().__init__(cause, remedy=remedy)
        self.permissions = permissions
        self.sso_url = sso_url


class Overloaded(ForgeError):
    """A read that the forge could not finish in time (500–504, time-out): a smaller question may succeed."""


class GraphError(msgspec.Struct, frozen=True):
    """One entry of `errors` in a GraphQL answer; `path` begins with the alias that failed."""

    message: str = ""
    type: str = ""
    path: tuple[str | int, ...] = ()
    extensions: dict[str, Any] = msgspec.field(default_factory=dict)


def about(error: GraphError) -> str:
    """What an error message may tell of it: the forge's words, but not those about our query's own text."""
    return printable(error.message) if error.type else "it does not understand what this program asks"


@dataclass(frozen=True, slots=True)
class Graph:
    """A GraphQL answer, possibly partial: what is in `errors` was not read, and is no proof of absence (G44)."""

    data: dict[str, Any]
    errors: tuple[GraphError, ...] = field(default=())


class _Problem(msgspec.Struct):
    """GitHub's error body, every part optional; read leniently, since proxies answer in other shapes."""

    message: str = ""
    documentation_url: str = ""
    errors: list[Any] = []


class _GraphBody(msgspec.Struct):
    data: dict[str, Any] | None = None
    errors: tuple[GraphError, ...] = ()


def unpack(chunks: Iterable[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """The bytes of a body, at most `limit` of them and never more in memory, however well packed (gzip bomb, F40).

    Raises BadAnswer for more, for another packing than gzip, and for a damaged or unfinished one.
    """
    if encoding not in ("", "identity", "gzip"):
        raise BadAnswer("it is packed in a way that was not asked for")
    unzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
    total = 0
    try:
        for chunk in chunks:
            plain = unzip.decompress(chunk, limit - total + 1) if unzip else chunk
            total += len(plain)
            if total > limit:
                raise BadAnswer(f"it is larger than {limit} bytes")
            yield plain
    except zlib.error:
        raise BadAnswer("its packing is damaged") from None
    if unzip and (not unzip.eof or unzip.unused_data):
        raise BadAnswer("its packing is damaged")


def decode(raw: Raw, kind: Any) -> Any:
    """The body as `kind`; None for an empty one when nothing special was expected. Raises BadAnswer."""
    if not raw.body and kind is Any:
        return None
    media = raw.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json" and not media.endswith("+json"):
        raise BadAnswer(f"it is {printable(media, 60) or 'nothing'} and not JSON")
    if raw.body.count(b"{") + raw.body.count(b"[") > _MOST_PARTS:
        raise BadAnswer(f"it has more than {_MOST_PARTS} parts")
    try:
        return msgspec.json.decode(raw.body, type=kind)
    except msgspec.ValidationError as error:
        raise BadAnswer(f"it is not what is documented: {printable(str(error), 160)}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise BadAnswer("it is damaged JSON") from None


def know_types(kind: type[msgspec.Struct] = msgspec.Struct) -> None:
    """Let msgspec look at every type that there is, before threads decode.

    It does so at a type's first use, and when two threads do that at the same moment it crashes the process (0.22).
    """
    for each in kind.__subclasses__():
        _know(each)
        know_types(each)


@cache
def _know(kind: type[msgspec.Struct]) -> None:
    with suppress(TypeError):  # a value of ours that is never decoded
        msgspec.json.Decoder(kind)


def decode_graph(raw: Raw) -> _GraphBody:
    """A GraphQL body. Raises BadAnswer, also when it has neither data nor errors."""
    body: _GraphBody = decode(raw, _GraphBody)
    if body.data is None and not body.errors:
        raise BadAnswer("it has neither data nor errors")
    return body


def is_graph_limit(raw: Raw) -> bool:
    """A rate limit that comes as HTTP 200 (github-facts G44). With data beside it something was done: not limited."""
    if raw.status != 200 or b"RATE_LIMIT" not in raw.body:
        return False
    try:
        body = decode_graph(raw)
    except BadAnswer:
        return False
    nothing = body.data is None or all(value is None for value in body.data.values())
    return nothing and any(error.type in ("RATE_LIMITED", "RATE_LIMIT") for error in body.errors)


def documentation_url(raw: Raw) -> str:
    """The page that an error body points to, or ""."""
    return _problem(raw).documentation_url


def check(raw: Raw, where: str, tokens_page: str) -> None:
    """Raises what an answer other than success means; returns for 2xx. At `tokens_page` people see to their tokens.

    401 and 403 → CredentialError/Denied; also 200 with `partial-results`: a partial list is not complete (F7, G41).
    Other 4xx and redirects that may not be followed → Refused. 5xx is the client's business and does not come here.
    """
    sso = raw.headers.get("x-github-sso", "")
    if sso.startswith("partial-results"):
        raise Denied(
            f"{where} answered only in part: some organisations ask for single sign-on of this token",
            remedy=f"Authorise the token for single sign-on at {tokens_page}, then run the same command again.",
            sso_url=tokens_page,
        )
    if 200 <= raw.status < 300:
        return
    problem = _problem(raw)
    message = printable(problem.message) or "no reason given"
    if raw.status == 401:
        raise CredentialError(
            f"{where} refused the token: {message}", remedy="Get a fresh token, then run the same command again."
        )
    if raw.status == 403:
        raise _denied(raw, where, message, tokens_page)
    raise Refused(where, raw.status, message, tuple(_field_errors(problem.errors)))


def single_sign_on(raw: Raw, where: str, tokens_page: str) -> Denied:
    """The refusal of a token that an organisation has not seen through single sign-on, with the address to do it."""
    found = re.search(r"url=(https://[^\s;,]+)", raw.headers.get("x-github-sso", ""))
    url = printable(found[1], 500) if found else tokens_page
    return Denied(
        f"{where} asks for single sign-on of this token",
        remedy=f"Authorise the token at {url}, then run the same command again.",
        sso_url=url,
    )


def _denied(raw: Raw, where: str, message: str, tokens_page: str) -> Denied:
    if raw.headers.get("x-github-sso"):
        return single_sign_on(raw, where, tokens_page)
    needs = printable(raw.headers.get("x-accepted-github-permissions", ""), 200)
    remedy = f"Use a token with the permission {needs}." if needs else "Use a token with more rights."
    return Denied(f"{where} is not allowed to this token: {message}", remedy=remedy, permissions=needs)


def next_page(raw_link: str, current: str) -> str:
    """The address of the next page, or "" on the last. Raises BadAnswer when it leads to another forge (F47)."""
    for part in raw_link.split(","):
        found = re.match(r'\s*<([^<>\s]+)>\s*;(?:.*;)?\s*rel="?next"?\s*(?:;|\Z)', part)
        if found:
            try:
                url = urljoin(current, found[1])
            except ValueError:
                raise BadAnswer("its next page has no address") from None
            if not same_place(url, current):
                raise BadAnswer("its next page is at another forge")
            return str(url)
    return ""


def moment(date: str) -> datetime:
    """The time of a Date header, in UTC: the forge's own (faults F34). Raises ForgeError when it says none."""
    from email.utils import parsedate_to_datetime

    try:
        found = parsedate_to_datetime(date)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        found = None
    if found is None or not 2000 <= found.year <= 9998:
        raise ForgeError("the forge does not say what time it is", remedy="Check the forge's address.")
    return found


def same_place(url: str, other: str) -> bool:
    """Whether two addresses have one origin; an address that cannot be read has none."""
    try:
        return origin(url) == origin(other)
    except ValueError:
        return False


def printable(text: str, limit: int = 300) -> str:
    """Foreign text for an error message: one line, no control characters, bounded."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[:limit])


def _problem(raw: Raw) -> _Problem:
    try:
        return msgspec.json.decode(raw.body, type=_Problem)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _Problem()


def _field_errors(entries: list[Any]) -> Iterator[FieldError]:
    for entry in entries[:100]:
        if isinstance(entry, dict):
            texts = {name: printable(str(entry.get(name, ""))) for name in ("resource", "field", "code", "message")}
            yield FieldError(**texts)
        elif isinstance(entry, str):
            yield FieldError(message=printable(entry))
