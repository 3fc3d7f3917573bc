"""Whether an event starts a workflow, and with which inputs: GitHub's filter patterns and dispatch checks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ms_release.forge.engine.expressions import as_text
from ms_release.forge.engine.workflows import MAX_INPUTS, Workflow
from ms_release.forge.errors import Refusal

PULL_TYPES = ("opened", "synchronize", "reopened")
_SKIP = re.compile(r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]")
_GLOB = {"**": ".*", "*": "[^/]*", "?": "?", "+": "+"}


def matches(patterns: list[str], name: str) -> bool:
    """Whether the last pattern that fits `name` takes it in; `!` patterns take out (GitHub's filter patterns)."""
    verdict = False
    for pattern in patterns:
        negative = pattern.startswith("!")
        if _regex(pattern.removeprefix("!")).fullmatch(name):
            verdict = not negative
    return verdict


def _regex(pattern: str) -> re.Pattern[str]:
    out = ""
    for piece in re.findall(r"\*\*/|\*\*|\*|\?|\+|\[[^\]]*\]|\\.|.", pattern, re.DOTALL):
        if piece == "**/":
            out += "(?:.*/)?"
        elif piece in _GLOB:
            out += _GLOB[piece]
        elif piece.startswith("[") and len(piece) > 1:
            out += piece
        else:
            out += re.escape(piece[-1] if piece.startswith("\\") else piece)
    try:
        return re.compile(out)
    except re.error:
        return re.compile(re.escape(pattern))


def push_wanted(workflow: Workflow, ref: str, paths: Callable[[], list[str]]) -> bool:
    """Whether a push to `ref` (refs/heads/… or refs/tags/…) starts the workflow; `paths` is asked only if needed."""
    if "push" not in workflow.triggers:
        return False
    filters = workflow.triggers["push"]
    kind, other = ("branches", "tags") if ref.startswith("refs/heads/") else ("tags", "branches")
    name = ref.split("/", 2)[2]
    own = [key for key in (kind, f"{kind}-ignore") if key in filters]
    if not own and (other in filters or f"{other}-ignore" in filters):
        return False
    if not _admits(filters, kind, name):
        return False
    return kind == "tags" or _paths_admit(filters, paths)


def pull_wanted(workflow: Workflow, base_ref: str, action: str, paths: Callable[[], list[str]]) -> bool:
    """Whether a pull request event (`opened`, `synchronize` …) against `base_ref` starts the workflow."""
    if "pull_request" not in workflow.triggers:
        return False
    filters = workflow.triggers["pull_request"]
    types = filters.get("types") or list(PULL_TYPES)
    if action not in ([types] if isinstance(types, str) else types):
        return False
    return _admits(filters, "branches", base_ref) and _paths_admit(filters, paths)


def skipped_by_message(message: str) -> bool:
    """`[skip ci]` and its spellings in the head commit's message (G17: its required checks stay pending)."""
    return bool(_SKIP.search(message))


def _patterns(filters: Mapping[str, Any], key: str) -> list[str]:
    value = filters[key]
    return [value] if isinstance(value, str) else [as_text(item) for item in value or []]


def _admits(filters: Mapping[str, Any], kind: str, name: str) -> bool:
    if kind in filters:
        return matches(_patterns(filters, kind), name)
    if f"{kind}-ignore" in filters:
        return not matches(_patterns(filters, f"{kind}-ignore"), name)
    return True


def _paths_admit(filters: Mapping[str, Any], paths: Callable[[], list[str]]) -> bool:
    if "paths" in filters:
        return any(matches(_patterns(filters, "paths"), path) for path in paths())
    if "paths-ignore" in filters:
        return not all(matches(_patterns(filters, "paths-ignore"), path) for path in paths())
    return True


def check_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, str]:
    """The inputs of a dispatch as texts, defaults filled in.

    Raises Refusal 422: too many, unexpected, missing or badly typed inputs, or no such trigger (G4).
    """
    if "workflow_dispatch" not in workflow.triggers:
        raise Refusal(422, "Workflow does not have 'workflow_dispatch' trigger")
    unexpected = [name for name in given if name not in workflow.inputs]
    if unexpected:
        raise Refusal(422, f"Unexpected inputs provided: {json.dumps(unexpected)}")
    if len(given) > MAX_INPUTS:
        raise Refusal(422, f"Only up to {MAX_INPUTS} inputs are allowed")
    inputs: dict[str, str] = {}
    for name, spec in workflow.inputs.items():
        value = as_text(given[name]) if name in given else None
        if value in (None, "") and spec.get("default") is None and spec.get("required") is True:
            raise Refusal(422, f"Required input '{name}' not provided")
        if value is None:
            value = as_text(spec.get("default", False if spec.get("type") == "boolean" else ""))
        inputs[name] = _typed(name, spec, value)
    return inputs


def _typed(name: str, spec: Mapping[str, Any], value: str) -> str:
    kind = spec.get("type", "string")
    if kind == "choice" and value and value not in [as_text(option) for option in spec.get("options") or []]:
        raise Refusal(422, f"Provided value '{value}' for input '{name}' not in the list of allowed values")
    if kind == "boolean" and value not in ("true", "false"):
        raise Refusal(422, f"Provided value '{value}' for input '{name}' not in the list of allowed values")
    if kind == "number" and value and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        raise Refusal(422, f"Provided value '{value}' for input '{name}' is not a number")
    return value


def typed_inputs(workflow: Workflow, inputs: Mapping[str, str]) -> dict[str, Any]:
    """The `inputs` context: booleans are booleans there, while `github.event.inputs` holds texts only."""
    booleans = {name for name, spec in workflow.inputs.items() if spec.get("type") == "boolean"}
    return {name: value == "true" if name in booleans else value for name, value in inputs.items()}
