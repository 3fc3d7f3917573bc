"""Hostile answers of a forge, REST and GraphQL, through the real client and the real readers (faults F40, F47)."""

from __future__ import annotations

import copy
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import httpx

from core.world import CONFIG, PRODUCT, planned
from hostile import seeds
from hostile.odd_json import WRONG, Path, walk
from hostile.sample import Kind, Sample
from hostile.scripted import URL, Scripted
from ms_release.adapters import candidates, protection, runs
from ms_release.adapters.github_read import GitHubReader
from ms_release.adapters.http import Client

SHA = "a" * 40
READERS: dict[str, tuple[Any, Callable[[Client], object]]] = {
    "release": (seeds.RELEASE, lambda c: candidates.release_from_rest(c.get("/repos/o/n/releases/1").json)),
    "releases": ([seeds.RELEASE], lambda c: [candidates.release_from_rest(r) for r in c.pages("/repos/o/n/releases")]),
    "run": (seeds.RUN, lambda c: runs.read_run(c, "o/n", 1)),
    "runs": ({"workflow_runs": [seeds.RUN]}, lambda c: runs.read_runs(c, "o/n", "publish.yml")),
    "checks": (seeds.CHECK_RUNS, lambda c: runs.read_concluded(c, "o/n", SHA)),
    "approvals": (seeds.APPROVALS, lambda c: runs.read_approvals(c, "o/n", 1)),
    "environment": (seeds.ENVIRONMENT, lambda c: protection.read_environment(c, "o/n", "release")),
    "rules": (seeds.RULES, lambda c: protection.add_rulesets(c, "o/n", "main", protection.classic_rules(None))),
}
# What a reader has no use for, or what may be missing: (reader, last part of the path).
UNREAD = {("checks", "total_count"), ("environment", "type"), ("rules", "type")}
OPTIONAL = {"body", "published_at", "digest", "conclusion", "actor", "triggering_actor", "user", "can_admins_bypass",
            "deployment_branch_policy", "prevent_self_review", "parameters"}  # fmt: skip
DEFAULTED = {"protection_rules", "reviewers", "required_status_checks", "strict_required_status_checks_policy"}


def spoken(exchange: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    """A forge that plays `answers` in order, the last one for ever."""
    left = [*exchange["answers"]]

    def handler(request: httpx.Request) -> httpx.Response:
        told = left.pop(0) if len(left) > 1 else left[0]
        body = bytes.fromhex(told["hex"]) if "hex" in told else told.get("text", "").encode("utf-8", "surrogatepass")
        if repeat := told.get("repeat"):
            body *= repeat
        headers = {"content-type": "application/json", "date": seeds.NOW, **told.get("headers", {})}
        given = [(k.encode(), str(v).encode("utf-8", "surrogatepass")) for k, v in headers.items() if v is not None]
        return httpx.Response(told.get("status", 200), headers=given, stream=httpx.ByteStream(body))

    return handler


def read(data: bytes) -> object:
    """One exchange with the forge, written as JSON: who reads, and what is answered."""
    exchange = json.loads(data)
    with Scripted(spoken(exchange)) as client:
        name = exchange["reader"]
        if name == "survey":
            return GitHubReader(client, candidates.Cache(None)).survey(CONFIG, PRODUCT)
        if name == "look":
            return GitHubReader(client, candidates.Cache(None)).look(planned())
        return READERS[name][1](client)


def sample(name: str, exit: int, reader: str, *told: dict[str, Any]) -> Sample:
    return Sample(f"{reader}: {name}", json.dumps({"reader": reader, "answers": told}).encode(), exit)


def text(value: Any, **more: Any) -> dict[str, Any]:
    return {"text": json.dumps(value), **more}


TRANSPORT: dict[str, tuple[int, dict[str, Any]]] = {
    "200 and a page": (6, {"text": "<!doctype html><title>Sign in</title>", "headers": {"content-type": "text/html"}}),
    "200 and a page that says it is JSON": (6, {"text": "<!doctype html>"}),
    "no content type": (6, {"text": "{}", "headers": {"content-type": None}}),
    "text": (6, {"text": "{}", "headers": {"content-type": "text/plain; charset=utf-16"}}),
    "empty": (6, {"text": ""}),
    "truncated": (6, {"text": '{"id": 1, "tag_na'}),
    "not UTF-8": (6, {"hex": "7b22ff223a317d"}),
    "lone surrogate": (6, {"text": '{"id": "\\ud800"}'}),
    "NaN": (6, {"text": '{"id": NaN}'}),
    "second document": (6, {"text": "{}{}"}),
    "nested 100,000 deep": (6, {"text": "[", "repeat": 100_000}),
    "nested 100,000 deep in objects": (6, {"text": '{"a":', "repeat": 100_000}),
    "30 MiB": (6, {"text": '"' + " " * 1023, "repeat": 30 * 1024}),
    "a million objects": (6, {"text": '{"a":1},', "repeat": 1_000_000}),
    "a million lists": (6, {"text": "[],", "repeat": 1_000_000}),
    "damaged gzip": (6, {"hex": "1f8b0800", "headers": {"content-encoding": "gzip"}}),
    "no gzip": (6, {"text": "{}", "headers": {"content-encoding": "gzip"}}),
    "brotli": (6, {"text": "{}", "headers": {"content-encoding": "br"}}),
    "gzip twice": (6, {"hex": gzip.compress(gzip.compress(b"{}")).hex(),
                       "headers": {"content-encoding": "gzip, gzip"}}),
    "bytes behind gzip": (6, {"hex": (gzip.compress(b"{}") + b"x").hex(), "headers": {"content-encoding": "gzip"}}),
    "cut gzip": (6, {"hex": gzip.compress(b"{}" * 50)[:-9].hex(), "headers": {"content-encoding": "gzip"}}),
    "gzip bomb of 1 GiB": (6, {"hex": "", "headers": {"content-encoding": "gzip"}}),
    "302 to another host": (6, {"status": 302, "headers": {"location": "https://evil.example/"}}),
    "301 to a file": (6, {"status": 301, "headers": {"location": "file:///etc/passwd"}}),
    "307 without TLS": (6, {"status": 307, "headers": {"location": "http://forge.example/api/v3/x"}}),
    "308 to another port": (6, {"status": 308, "headers": {"location": "https://forge.example:444/"}}),
    "302 with a user name": (6, {"status": 302, "headers": {"location": "https://forge.example@evil.example/"}}),
    "302 to nowhere": (6, {"status": 302}),
    "302 to no address": (6, {"status": 302, "headers": {"location": "http://["}}),
    "302 to a port of many digits": (6, {"status": 302,
                                         "headers": {"location": "https://forge.example:" + "9" * 5000}}),
    "302 to javascript": (6, {"status": 302, "headers": {"location": "javascript:alert(1)"}}),
    "302 in a circle": (6, {"status": 302, "headers": {"location": "/api/v3/x"}}),
    "300": (6, {"status": 300, "text": "{}"}),
    "304 that nobody asked for": (6, {"status": 304}),
    "400 and a page": (6, {"status": 400, "text": "<html>", "headers": {"content-type": "text/html"}}),
    "401": (5, {"status": 401, "text": '{"message": "\\u001b[2J no"}'}),
    "401 of odd types": (5, {"status": 401, "text": '{"message": 7, "errors": 7}'}),
    "403": (5, {"status": 403, "text": '{"message": "no\\n::error::x"}'}),
    "403 for single sign-on elsewhere": (5, {"status": 403, "headers": {"x-github-sso": "required; url=javascript:x"}}),
    "200 that is partial": (5, {"text": "[]", "headers": {"x-github-sso": "partial-results; organizations=1"}}),
    "403 limit for ever": (6, {"status": 403, "headers": {"retry-after": "999999999"}}),
    "403 limit of no number": (6, {"status": 403, "headers": {"retry-after": "soon"}}),
    "403 limit until never": (6, {"status": 403, "headers": {"x-ratelimit-remaining": "0",
                                                             "x-ratelimit-reset": "9" * 400}}),
    "429 without a word": (6, {"status": 429}),
    "451": (6, {"status": 451, "text": "[]"}),
    "500": (6, {"status": 500, "text": "out of order"}),
    "502 and a page": (6, {"status": 502, "text": "<html>", "headers": {"content-type": "text/html"}}),
    "599": (6, {"status": 599}),
}  # fmt: skip
LINKS = {
    "to another host": "https://evil.example/x", "to a file": "file:///etc/passwd",
    "without TLS": "http://forge.example/api/v3/x",
    "no address": "http://[", "another port": "https://forge.example:444/",
    "in a circle": "/api/v3/repos/o/n/releases?per_page=100",
    "a port of many digits": "https://forge.example:" + "9" * 5000, "with a user": "https://a:b@forge.example/api/v3/x",
}  # fmt: skip


def rest_samples() -> Iterator[Sample]:
    for reader, (good, _) in READERS.items():
        yield sample("as it should be", 0, reader, text(good))
        for path, value in walk(good):
            yield from _fields(reader, good, path, value)
    for name, (exit, told) in TRANSPORT.items():
        for reader in ("release", "releases", "runs"):
            yield sample(name, exit, reader, _filled(name, told))
    release = text([seeds.RELEASE])
    for name, url in LINKS.items():
        head = {"link": f'<{url}>; rel="next"'}
        yield sample(f"next page {name}", 6, "releases", {**release, "headers": head})
    for name, head in {
        "no brackets": "https://x; rel=next",
        "nothing": "",
        "garbage": "<" * 20_000,
        "commas": "," * 20_000,
        "semicolons": "<x>" + ";" * 20_000,
        "spaces": "<x>" + " " * 20_000 + "; rel=next",
    }.items():
        code = 6 if name == "spaces" else 0
        yield sample(f"link header of {name}", code, "releases", {**release, "headers": {"link": head}})
    pages = [{**release, "headers": {"link": f'<{URL}/api/v3/x?page={n}>; rel="next"'}} for n in range(2, 110)]
    yield sample("pages without end", 6, "releases", *pages)
    yield sample("a page of 5,000", 6, "releases", text([seeds.RELEASE] * 5000))
    for date in ("", "yesterday", "Sat, 10 Jan 2026 12:00:00 +9999999999", "Sat, 10 Jan 99999 00:00:00 GMT"):
        yield sample(f"date {date!r}", 0, "release", text(seeds.RELEASE, headers={"date": date}))


def _filled(name: str, told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "hex": _bomb().hex()} if "bomb" in name else told


@cache
def _bomb() -> bytes:
    """A gibibyte, packed."""
    return _zeros(1 << 30)


def _zeros(count: int) -> bytes:
    """So many zeros, packed as gzip, without having them in memory."""
    packer, out = zlib.compressobj(9, zlib.DEFLATED, 31), b""
    for _ in range(count >> 20):
        out += packer.compress(bytes(1 << 20))
    return out + packer.flush()


def _fields(reader: str, good: Any, path: Path, value: Any) -> Iterator[Sample]:
    last = path[-1] if path else ""
    unread = any((reader, part) in UNREAD for part in path)
    for wrong in WRONG[type(value)]:
        harmless = unread and reader not in ("environment", "rules")
        if type(wrong) is type(value) and wrong in ([], {}) and not _has_required(reader, path):
            harmless = True
        if wrong == {"": 1} and not _has_required(reader, path):
            harmless = True
        yield _field(reader, good, path, wrong, 0 if harmless else 6)
    if path and value is not None:
        nullable = last in OPTIONAL or (unread and reader == "checks")
        yield _field(reader, good, path, None, 0 if nullable else 6)
    if path and not isinstance(last, int):
        may_go = last in OPTIONAL | DEFAULTED or (unread and reader == "checks")
        may_go = may_go or (last == "id" and "environments" in path)
        yield _field(reader, good, path, None, 0 if may_go else 6, gone=True)


def _has_required(reader: str, path: Path) -> bool:
    """Whether an empty value in this place lacks something that the reader needs."""
    if not path:
        return reader not in ("releases", "approvals", "rules")
    return path[-1] in (0, 1, "reviewer", "user", "actor", "triggering_actor", "deployment_branch_policy")


def _field(reader: str, good: Any, path: Path, value: Any, exit: int, *, gone: bool = False) -> Sample:
    changed = copy.deepcopy(good)
    if not path:
        changed = value
    else:
        place = changed
        for step in path[:-1]:
            place = place[step]
        if gone:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    shown = ".".join(map(str, path))
    return sample(f"{shown} is {'gone' if gone else str(value)[:30]}", exit, reader, text(changed))


GRAPHS: dict[str, tuple[int, Any]] = {
    "nothing": (6, {}),
    "null": (6, {"data": None}),
    "a list": (6, []),
    "no home": (5, {"data": {"viewer": {"login": "a"}}}),
    "data of a number": (6, {"data": 7}),
    "errors of a number": (6, {"data": {}, "errors": 7}),
    "error without a type": (6, {"data": {}, "errors": [{"message": "Field 'x' doesn't exist"}]}),
    "error of an unknown type": (6, {"data": {}, "errors": [{"type": "BANANA", "message": "\x1b[2J"}]}),
    "forbidden": (5, {"data": {"home": None}, "errors": [{"type": "FORBIDDEN", "path": ["home"]}]}),
    "not found": (5, {"data": {"home": None}, "errors": [{"type": "NOT_FOUND", "path": ["home"]}]}),
    "not found, deep": (6, {"data": {}, "errors": [{"type": "NOT_FOUND", "path": ["home", "x"]}]}),
    "limited for ever": (6, {"errors": [{"type": "RATE_LIMITED"}]}),
}


def graph_samples() -> Iterator[Sample]:
    for reader in ("survey", "look"):
        good = seeds.graph()
        yield sample("as it should be", 0, reader, text(good))
        for name, (exit, body) in GRAPHS.items():
            yield sample(name, exit, reader, text(body))
        for name, (exit, told) in TRANSPORT.items():
            if told.get("status") not in (304, 300) and "partial" not in name:
                yield sample(name, exit, reader, _filled(name, told))
        for path, changes in ODD.items():
            if reader == "survey" and "change_pulls" in path:
                continue
            for name, (exit, value) in changes.items():
                yield _graph_field(reader, good, path, name, value, exit)
        for date in ("", "yesterday", "Sat, 10 Jan 2026 12:00:00 +9999999999"):
            yield sample(f"date {date!r}", 6, reader, text(good, headers={"date": date}))


def _graph_field(reader: str, good: Any, path: str, name: str, value: Any, exit: int) -> Sample:
    changed = copy.deepcopy(good)
    place = changed["data"]
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in steps:
        place = place[step]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return sample(f"{path}: {name}", exit, reader, text(changed))


GONE = object()
NUMBER = {"text": (6, "7"), "negative": (6, -1), "above 2^53": (6, 2**53), "above 2^64": (6, 2**70), "fraction": (6,
                                                                                                                  1.5),
          "true": (6, True), "gone": (6, GONE), "list": (6, [])}  # fmt: skip
OID = {"number": (6, 7), "short": (6, "a" * 39), "newline": (6, "a" * 40 + "\n"), "climbs": (6, "../../x"),
       "empty": (6, ""),
       "null": (6, None), "gone": (6, GONE), "option": (6, "--upload-pack=x")}  # fmt: skip
PAGE = {"gone": (6, GONE), "null": (6, None), "text": (6, "x"), "endless": (6, {"hasNextPage": True,
                                                                                "endCursor": "same"}),
        "no cursor": (6, {"hasNextPage": True, "endCursor": None}), "number": (6, {"hasNextPage": 1})}  # fmt: skip
LIST = {"gone": (6, GONE), "null": (6, None), "object": (6, {}), "of nulls": (6, {"nodes": [None],
                                                                                  "pageInfo": seeds.LAST}),
        "of numbers": (6, {"nodes": [7], "pageInfo": seeds.LAST}), "text": (6, "x")}  # fmt: skip
ODD: dict[str, dict[str, tuple[int, Any]]] = {
    "viewer": {
        "gone": (6, GONE),
        "null": (6, None),
        "number": (6, 7),
        "without login": (6, {}),
        "login of null": (6, {"login": None}),
    },
    "home": {"number": (5, 7), "null": (5, None), "list": (5, []), "empty": (2, {}), "gone": (5, GONE)},
    "home.head": {"null": (2, None), "number": (6, 7), "list": (6, []), "empty": (2, {})},
    "home.head.target.oid": OID,
    "home.head.refUpdateRule": {"number": (6, 7), "empty": (6, {}), "list": (6, [])},
    "home.config": {"number": (6, 7), "oid of a number": (6, {"oid": 7})},
    "home.audit": {
        "number": (6, 7),
        "text of a number": (6, {"oid": "x", "text": 7}),
        "cut off": (6, {"oid": "x", "isTruncated": True}),
    },
    "home.tags": LIST,
    "home.releases": LIST,
    "home.branches": LIST,
    "home.plans": {
        "number": (6, 7),
        "entries of null": (6, {"entries": None}),
        "entry of null": (6, {"entries": [None]}),
    },
    "home.tags.pageInfo": {**PAGE},
    "home.releases.pageInfo": {**PAGE},
    "home.tags.nodes.0.target.oid": OID,
    "home.releases.nodes.0.databaseId": {**NUMBER, "null": (6, None)},
    "home.releases.nodes.0.isDraft": {"text": (6, "no"), "number": (6, 0), "null": (6, None), "gone": (6, GONE)},
    "home.releases.nodes.0.releaseAssets": LIST,
    "home.releases.nodes.0.releaseAssets.nodes.0.size": {**NUMBER, "null": (6, None)},
    "home.change_pulls.nodes.0.number": {**NUMBER, "null": (6, None)},
    "home.change_pulls.nodes.0.state": {
        "unknown": (6, "HALF_MERGED"),
        "number": (6, 7),
        "small": (6, "open"),
        "gone": (6, GONE),
    },
    "home.change_pulls.nodes.0.headRefOid": OID,
    "home.change_pulls.nodes.0.author": {"number": (6, 7), "empty": (6, {}), "gone": (6, GONE)},
    "r0": {"number": (5, 7), "null": (5, None), "empty": (6, {}), "list": (5, [])},
    "r0.releases": LIST,
    "r0.ref": {"number": (6, 7), "list": (6, [])},
}
CLASSES = {"REST answers": Kind(read, rest_samples), "GraphQL answers": Kind(read, graph_samples)}
