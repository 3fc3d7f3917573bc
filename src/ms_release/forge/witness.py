"""Writes down every different answer of the forge, so that others can hold them to GitHub's own description.

Only when the environment variable MS_FORGE_WITNESS names a directory: one file per process, a JSON line per answer.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ms_release.forge import web

VARIABLE = "MS_FORGE_WITNESS"

_WORD = re.compile(r"[A-Za-z_]{0,24}")
# What a schema may ask of a text, and which of our texts look like it; a space makes an address no address.
_FORMS = (
    ("time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")),
    ("template", re.compile(r"https?://\S*\{\S*\Z")),
    ("address", re.compile(r"https?://\S*\Z")),
)


class Witness:
    """What the forges of one process have answered; answers are alike when route, status and shape of the JSON are."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = directory / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._told: set[int] = set()

    def note(self, request: Request, path: str, route: str, response: Response) -> None:
        """Append this answer unless one like it was; `route` is the pattern that matched, "" where none did."""
        version = request.headers.get("x-github-api-version", "")
        asked = _asked(request) if path == "/graphql" else {}
        # The very same again, as when something is waited for: no need to look into it.
        again = hash((request.method, route or path, version, response.status_code, str(asked), _bytes(response)))
        if again in self._told:
            return
        self._told.add(again)
        body = _json(response)
        line: dict[str, Any] = {
            "method": request.method, "path": path, "query": request.url.query, "route": route,
            "version": version, "status": response.status_code, "body": body,
        }  # fmt: skip
        if path == "/graphql":
            line |= {"graphql": asked.get("query"), "variables": asked.get("variables")}
        told = [line["method"], route or path, line["version"], line["status"], line.get("graphql")]
        kind = json.dumps([*told, _shape(body)])
        with self._lock:
            if kind not in self._known:
                self._known.add(kind)
                self._append(json.dumps(line) + "\n")

    def _append(self, text: str) -> None:
        # One write for one line: a process that was forked off appends to the same file.
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)


def witness() -> Witness | None:
    """The witness of this process that the environment asks for, or None."""
    directory = os.environ.get(VARIABLE)
    return _witness_in(Path(directory)) if directory else None


@cache
def _witness_in(directory: Path) -> Witness:
    return Witness(directory)


def _bytes(response: Response) -> bytes:
    return bytes(getattr(response, "body", b""))  # a stream has none


def _json(response: Response) -> Any:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        return json.loads(_bytes(response))
    except ValueError:  # a stream, or no JSON after all
        return None


def _asked(request: Request) -> dict[str, Any]:
    try:
        asked = json.load(web.body_file(request))
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}


def _shape(value: Any) -> Any:
    """The same for all values that no schema can tell apart: a word is itself, it may be one of an enumeration."""
    if isinstance(value, dict):
        return {name: _shape(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return sorted({json.dumps(_shape(item)) for item in value})
    if isinstance(value, str):
        return value if _WORD.fullmatch(value) else next((name for name, form in _FORMS if form.match(value)), "text")
    return type(value).__name__
