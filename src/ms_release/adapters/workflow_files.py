"""Workflow files (YAML of other people) → what can start them, what they ask for, and which environments they name."""

from __future__ import annotations

import re
from typing import Any

from ms_release.core import yaml_text
from ms_release.core.names import is_safe_name
from ms_release.core.proposal_facts import Job, Workflow
from ms_release.errors import DamagedError

MAX_CHARACTERS = yaml_text.MAX_BYTES
_BUILDS = re.compile(r"\bms(?:-release| release) candidate build\b")
_VISIBILITY = re.compile(r"--visibility[ =](draft|prerelease)\b")


def read_workflow(file: str, text: str) -> Workflow | None:
    """One file, or None when it is no workflow that can be understood.

    Scalars stay the texts that they are written as (`on` is no boolean); nothing in the file is ever executed.
    """
    if not is_safe_name(file):
        return None
    try:
        raw: Any = yaml_text.load(text.encode("utf-8", "surrogatepass"), file)
    except DamagedError:
        return None
    if not isinstance(raw, dict) or not isinstance(raw.get("jobs"), dict):
        return None
    triggers = _triggers(raw.get("on"))
    push = triggers.get("push", {})
    visible = _VISIBILITY.search(text)
    return Workflow(
        file=file,
        events=tuple(triggers),
        inputs=tuple(map(str, _mapping(triggers.get("workflow_dispatch", {}).get("inputs")))),
        push_tags=_texts(push.get("tags")),
        jobs=tuple(_job(str(key), job) for key, job in raw["jobs"].items()),
        builds_candidate=bool(_BUILDS.search(text)),
        visibility=visible[1] if visible else "",
    )


def _triggers(on: Any) -> dict[str, dict[str, Any]]:
    """`on:` in its three forms: a name, a list of names, a mapping of name to filters."""
    if isinstance(on, str):
        return {on: {}}
    if isinstance(on, list):
        return {name: {} for name in on if isinstance(name, str)}
    return {str(name): _mapping(filters) for name, filters in _mapping(on).items()}


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _job(key: str, raw: Any) -> Job:
    body = _mapping(raw)
    named = body.get("name", key)
    environment = body.get("environment", "")
    if isinstance(environment, dict):
        environment = environment.get("name", "")
    # A matrix, an expression and a called workflow make other check names than the file shows.
    plain = isinstance(named, str) and "${{" not in named and not {"strategy", "uses"} & body.keys()
    known = isinstance(environment, str) and "${{" not in environment
    return Job(named if plain else None, environment if known else "")
