"""Workflow files as data: jobs, needs, matrices, permissions, concurrency; and the copy of one job that act runs."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML

from ms_release.forge.engine.expressions import as_text

MAX_INPUTS = 25
_MOST_NODES = 20_000
_MOST_JOBS = 256
_LARGEST = 128 * 1024
_DEEPEST = 100
_SCOPES = (
    "actions", "attestations", "checks", "contents", "deployments", "discussions", "issues", "packages", "pages",
    "pull_requests", "security_events", "statuses",
)  # fmt: skip


class WorkflowError(ValueError):
    """The file is no workflow that can run; the text says why."""


@dataclass(frozen=True)
class Concurrency:
    """`concurrency:` with its expressions still in it. `queue_max` is `queue: max` (G23)."""

    group: str
    cancel_in_progress: bool | str = False
    queue_max: bool = False


@dataclass(frozen=True)
class JobSpec:
    """One job of the file. Texts may hold expressions; `matrix` lists the combinations (one empty one without it)."""

    key: str
    raw: dict[str, Any]
    name: str
    needs: tuple[str, ...]
    condition: str
    environment: str | None
    permissions: dict[str, str]
    timeout_minutes: float
    matrix: tuple[dict[str, Any], ...]
    continue_on_error: bool


@dataclass(frozen=True)
class Workflow:
    """One workflow file. `triggers` maps event name to its filters, `inputs` are those of workflow_dispatch."""

    path: str
    raw: dict[str, Any]
    name: str
    run_name: str | None
    triggers: dict[str, dict[str, Any]]
    inputs: dict[str, dict[str, Any]]
    concurrency: Concurrency | None
    jobs: dict[str, JobSpec]


@lru_cache(maxsize=64)  # the YAML library needs ten milliseconds for a file, which is read again for every event
def parse(text: bytes | str, path: str) -> Workflow:
    """Read a workflow file. Raises WorkflowError with the reason."""
    raw = load(text)
    triggers = _triggers(raw.get("on"))
    jobs = raw.get("jobs")
    if not isinstance(jobs, dict) or not jobs:
        raise WorkflowError("A workflow must have at least one job.")
    default = _permissions(raw.get("permissions"), {"contents": "read", "metadata": "read"})
    specs = {str(key): _job(str(key), job, default) for key, job in jobs.items()}
    order(specs)
    name, run_name = raw.get("name"), raw.get("run-name")
    return Workflow(
        path=path,
        raw=raw,
        name=str(name) if name else path,
        run_name=None if run_name is None else str(run_name),
        triggers=triggers,
        inputs=_inputs(triggers),
        concurrency=_concurrency(raw.get("concurrency")),
        jobs=specs,
    )


def load(text: bytes | str) -> dict[str, Any]:
    """The mapping in a YAML text, plain values only. Raises WorkflowError."""
    _check_text(text)
    try:
        raw = YAML(typ="safe", pure=True).load(text)
    except RecursionError as error:
        raise WorkflowError("You have an error in your yaml syntax: nested too deeply") from error
    except Exception as error:  # the library's readers of single values raise whatever they stumble over
        told = (str(error) or type(error).__name__).splitlines()
        raise WorkflowError(f"You have an error in your yaml syntax: {told[0]}") from error
    if not isinstance(raw, dict):
        raise WorkflowError("A workflow must be a mapping.")
    _check_size(raw)
    return raw


def _check_text(text: bytes | str) -> None:
    """The YAML library is slow, and slower the deeper a text is nested: what no workflow needs is refused first."""
    if len(text) > _LARGEST:
        raise WorkflowError(f"A workflow may not be larger than {_LARGEST} bytes.")
    depth = 0
    for bracket in re.findall(r"[\[{\]}]", text if isinstance(text, str) else text.decode("latin-1")):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEEPEST:
            raise WorkflowError("You have an error in your yaml syntax: nested too deeply")


def _check_size(raw: dict[str, Any]) -> None:
    """Aliases make a small file huge, or endless, once it is written out as the text of one job."""
    seen, todo = 0, [raw]
    while todo:
        item: Any = todo.pop()
        seen += 1
        if seen + len(todo) > _MOST_NODES:
            raise WorkflowError(f"The file holds more than {_MOST_NODES} values.")
        if isinstance(item, dict):
            if not all(isinstance(key, str | int | float | None) for key in item):
                raise WorkflowError("A key must be plain text.")
            todo += item.values()
        elif isinstance(item, list):
            todo += item


def order(jobs: Mapping[str, JobSpec]) -> list[str]:
    """The job keys, needed ones first. Raises WorkflowError for unknown or circular needs."""
    done: list[str] = []
    rest = dict(jobs)
    while rest:
        ready = [key for key, job in rest.items() if all(need in done for need in job.needs)]
        if not ready:
            key, job = next(iter(rest.items()))
            unknown = [need for need in job.needs if need not in jobs]
            reason = f"depends on unknown job '{unknown[0]}'" if unknown else "needs form a cycle"
            raise WorkflowError(f"Job '{key}': {reason}.")
        done += ready
        for key in ready:
            del rest[key]
    return done


def ancestors(jobs: Mapping[str, JobSpec], key: str) -> set[str]:
    """Every job that `key` needs, directly or not."""
    found: set[str] = set()
    todo = list(jobs[key].needs)
    while todo:
        need = todo.pop()
        if need not in found:
            found.add(need)
            todo += jobs[need].needs
    return found


def single_job(
    workflow: Workflow, key: str, matrix: Mapping[str, Any], needed: Mapping[str, tuple[str, Mapping[str, str]]]
) -> str:
    """The workflow cut down to one job for act: needed jobs are stubs with their recorded result and outputs.

    What the forge itself does before a job starts (environment, concurrency, permissions, conditions, timeouts) is
    taken out. The text is JSON, which is YAML.
    """
    gone = ("environment", "concurrency", "permissions", "timeout-minutes", "strategy", "continue-on-error")
    job: dict[str, Any] = {name: value for name, value in workflow.jobs[key].raw.items() if name not in gone}
    job |= {"if": "${{ always() }}", "runs-on": "ubuntu-latest", "needs": list(workflow.jobs[key].needs)}
    if matrix:
        job["strategy"] = {"matrix": {"include": [dict(matrix)]}}
    jobs: dict[str, Any] = {name: _stub(result, outputs) for name, (result, outputs) in needed.items()}
    kept: dict[str, Any] = {name: workflow.raw[name] for name in ("env", "defaults") if name in workflow.raw}
    events: dict[str, Any] = {"push": {}, "pull_request": {}}
    if "workflow_dispatch" in workflow.triggers:
        events["workflow_dispatch"] = workflow.triggers["workflow_dispatch"]
    cut = {"name": workflow.name, "on": events, **kept, "jobs": {**jobs, key: job}}
    return json.dumps(cut, indent=1, default=str)


def _stub(result: str, outputs: Mapping[str, str]) -> dict[str, Any]:
    """A job that ends with a recorded result; act knows success, failure and skipped only."""
    run = {"success": "true", "skipped": "true"}.get(result, "false")
    condition = "${{ false }}" if result == "skipped" else "${{ always() }}"
    quoted = {name: value.replace("${{", "${{ '${{' }}") for name, value in outputs.items()}
    return {"runs-on": "ubuntu-latest", "if": condition, "outputs": quoted, "steps": [{"run": run}]}


def _triggers(on: Any) -> dict[str, dict[str, Any]]:
    if isinstance(on, str):
        on = [on]
    if isinstance(on, list):
        return {str(event): {} for event in on}
    if not isinstance(on, dict) or not on:
        raise WorkflowError("No event triggers defined in `on`.")
    for event, filters in on.items():
        if filters is not None and not isinstance(filters, dict | list):
            raise WorkflowError(f"Unexpected value for the event '{event}'.")
    return {str(event): filters if isinstance(filters, dict) else {} for event, filters in on.items()}


def _inputs(triggers: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    inputs = triggers.get("workflow_dispatch", {}).get("inputs") or {}
    if not isinstance(inputs, dict):
        raise WorkflowError("`inputs` must be a mapping.")
    if len(inputs) > MAX_INPUTS:
        raise WorkflowError(f"You may only define up to {MAX_INPUTS} `inputs` for a `workflow_dispatch` event.")
    return {str(name): spec if isinstance(spec, dict) else {} for name, spec in inputs.items()}


def _concurrency(value: Any) -> Concurrency | None:
    if value is None:
        return None
    if isinstance(value, dict):
        if "group" not in value:
            raise WorkflowError("`concurrency` needs a `group`.")
        cancel = value.get("cancel-in-progress", False)
        return Concurrency(
            str(value["group"]), cancel if isinstance(cancel, bool) else str(cancel), value.get("queue") == "max"
        )
    return Concurrency(str(value))


def _permissions(value: Any, default: dict[str, str]) -> dict[str, str]:
    """Token permissions by their API names; naming some takes all others away."""
    if value is None:
        return default
    if value in ("read-all", "write-all"):
        level = str(value).split("-", maxsplit=1)[0]
        levels: dict[str, str] = dict.fromkeys(_SCOPES, level)
        return levels | {"metadata": "read"}
    if not isinstance(value, dict):
        raise WorkflowError("`permissions` must be a mapping, read-all or write-all.")
    named = {str(name).replace("-", "_"): str(level) for name, level in value.items()}
    return {"metadata": "read"} | {name: level for name, level in named.items() if level in ("read", "write")}


def _job(key: str, raw: Any, default: dict[str, str]) -> JobSpec:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", key):
        raise WorkflowError(f"The identifier '{key}' is invalid.")
    if not isinstance(raw, dict) or not isinstance(raw.get("steps"), list) or not raw["steps"]:
        raise WorkflowError(f"Job '{key}': `steps` is missing (reusable workflows are not supported here).")
    if "runs-on" not in raw:
        raise WorkflowError(f"Job '{key}': `runs-on` is missing.")
    for step in raw["steps"]:
        if not isinstance(step, dict) or ("run" in step) == ("uses" in step):
            raise WorkflowError(f"Job '{key}': every step must have either `run` or `uses`.")
    needs, environment, strategy = raw.get("needs") or [], raw.get("environment"), raw.get("strategy") or {}
    if not isinstance(needs, str | list) or not isinstance(strategy, dict):
        raise WorkflowError(f"Job '{key}': unexpected value of `needs` or `strategy`.")
    if isinstance(environment, dict):
        environment = environment.get("name")
    return JobSpec(
        key=key,
        raw=raw,
        name=str(raw.get("name") or ""),
        needs=(needs,) if isinstance(needs, str) else tuple(str(need) for need in needs),
        condition=as_text(raw.get("if")),
        environment=str(environment) if environment else None,
        permissions=_permissions(raw.get("permissions"), default),
        timeout_minutes=_minutes(key, raw.get("timeout-minutes", 360)),
        matrix=_matrix(key, strategy.get("matrix")),
        continue_on_error=raw.get("continue-on-error") is True,
    )


def _minutes(key: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise WorkflowError(f"Job '{key}': `timeout-minutes` must be a number.") from error


def _matrix(key: str, value: Any) -> tuple[dict[str, Any], ...]:
    """The combinations of a static matrix, with GitHub's rules for `include` and `exclude`."""
    if value is None:
        return ({},)
    if not isinstance(value, dict) or not all(isinstance(options, list) for options in value.values()):
        raise WorkflowError(f"Job '{key}': only a matrix of plain lists is supported here.")
    rules = [*value.get("include", []), *value.get("exclude", [])]
    if not all(isinstance(rule, dict) for rule in rules):
        raise WorkflowError(f"Job '{key}': `include` and `exclude` are lists of mappings.")
    sizes = [len(options) for name, options in value.items() if name not in ("include", "exclude")]
    if math.prod(sizes) > _MOST_JOBS or len(rules) > _MOST_JOBS:
        raise WorkflowError(f"Job '{key}': a matrix may not make more than {_MOST_JOBS} jobs.")
    axes = {str(name): options for name, options in value.items() if name not in ("include", "exclude")}
    combos = [dict(zip(axes, choice, strict=True)) for choice in itertools.product(*axes.values())] if axes else []
    combos = [
        combo
        for combo in combos
        if not any(all(combo.get(name) == part for name, part in rule.items()) for rule in value.get("exclude", []))
    ]
    originals = [dict(combo) for combo in combos]
    extra: list[dict[str, Any]] = []
    for addition in value.get("include", []):
        fits = [
            index
            for index, combo in enumerate(originals)
            if all(combo[name] == part for name, part in addition.items() if name in combo)
        ]
        for index in fits:
            combos[index] |= addition
        if not fits:
            extra.append(dict(addition))
    return tuple(combos + extra) or ({},)
