"""A workflow file as typed data: what starts it, what its jobs may, need and run. Nothing in it is ever executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from msgspec import Struct

from ms_release.core import yaml_text
from ms_release.core.sanitize import terminal_line
from ms_release.errors import DamagedError

FOLDER = ".github/workflows"
MAX_JOBS = 256
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_TOKEN = {"read-all": {"*": "read"}, "write-all": {"*": "write"}}


class Concurrency(Struct, frozen=True):
    """`concurrency:` as it is written; `cancels` is a bool or the text of an expression. `waits` = `queue: max`."""

    group: str
    cancels: bool | str = False
    waits: bool = False


class Step(Struct, frozen=True):
    """One step: either `run` or `uses` is not empty."""

    name: str = ""
    run: str = ""
    uses: str = ""
    inputs: dict[str, str] = {}
    env: dict[str, str] = {}


class Job(Struct, frozen=True):
    """One job. `permissions` None = not said. `uses` names a called workflow, which then has no steps here.

    `images` are those of its container and services. `text` is everything in it and in the environment of the file, to
    search for what it mentions.
    """

    key: str
    text: str
    name: str = ""
    needs: tuple[str, ...] = ()
    environment: str = ""
    permissions: dict[str, str] | None = None
    concurrency: Concurrency | None = None
    uses: str = ""
    env: dict[str, str] = {}
    images: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


class Workflow(Struct, frozen=True):
    """One file. `triggers` maps event to its filters; `inputs` are those of workflow_dispatch by name: required?"""

    file: str
    triggers: dict[str, dict[str, Any]]
    inputs: dict[str, bool]
    permissions: dict[str, str] | None
    concurrency: Concurrency | None
    env: dict[str, str]
    jobs: tuple[Job, ...]
    run_name: str = ""


@lru_cache(maxsize=64)  # generated files are the same in many repositories, and YAML is slow
def parse(data: bytes, file: str) -> Workflow:
    """Read a workflow file; `file` names it in errors. Raises DamagedError (limits: core/yaml_text; faults F38).

    What GitHub would not run is refused as well: no event, no job, a job without steps, an unknown or circular need.
    """
    raw = yaml_text.load(data, file)
    if not isinstance(raw, dict):
        _refuse(file, "it is no mapping")
    triggers = _triggers(raw.get("on"), file)
    jobs = raw.get("jobs")
    if not isinstance(jobs, dict) or not 0 < len(jobs) <= MAX_JOBS:
        _refuse(file, f"jobs must be a mapping of one to {MAX_JOBS} jobs")
    shared = tuple(_leaves(raw.get("env")))
    found = tuple(_job(key, value, f"{file}, job {key}", shared) for key, value in jobs.items())
    _check_needs(found, file)
    return Workflow(
        file=file,
        triggers=triggers,
        inputs=_inputs(triggers.get("workflow_dispatch", {}), file),
        permissions=_permissions(raw.get("permissions"), file),
        concurrency=_concurrency(raw.get("concurrency"), file),
        env=_texts(raw.get("env"), f"{file}, env"),
        jobs=found,
        run_name=_text(raw.get("run-name"), f"{file}, run-name"),
    )


def expressions(text: str) -> tuple[str, ...]:
    """What stands between `${{` and `}}`, without the spaces around it."""
    return tuple(found.strip() for found in _EXPRESSION.findall(text))


def _triggers(on: Any, file: str) -> dict[str, dict[str, Any]]:
    """`on:` in its three forms: a name, a list of names, a mapping of name to filters (`schedule` has a list)."""
    if isinstance(on, str):
        on = [on]
    if isinstance(on, list) and on and all(isinstance(name, str) for name in on):
        return {name: {} for name in on}
    if not isinstance(on, dict) or not on:
        _refuse(file, "on: names no event")
    for event, filters in on.items():
        if not (filters is None or isinstance(filters, dict) or (event == "schedule" and isinstance(filters, list))):
            _refuse(file, f"on: {event[:80]!a} has a value of the wrong type")
    return {event: filters if isinstance(filters, dict) else {} for event, filters in on.items()}


def _inputs(dispatch: Mapping[str, Any], file: str) -> dict[str, bool]:
    where = f"{file}, inputs"
    inputs = _mapping(dispatch.get("inputs"), where)
    return {name: _mapping(spec, where).get("required") is True for name, spec in inputs.items()}


def _job(key: str, raw: Any, where: str, shared: tuple[str, ...]) -> Job:
    body = _mapping(raw, where)
    if not _ID.fullmatch(key):
        _refuse(where, "it cannot have that name")
    uses, steps = _text(body.get("uses"), where), body.get("steps")
    if not uses and not (isinstance(steps, list) and steps):
        _refuse(where, "it has no steps")
    environment = body.get("environment")
    if isinstance(environment, dict):
        if "name" not in environment:
            _refuse(where, "its environment has no name")
        environment = environment["name"]
    needs = body.get("needs")
    return Job(
        key=key,
        text="\n".join((*shared, *_leaves(body))),
        name=_text(body.get("name"), where),
        needs=(needs,) if isinstance(needs, str) else _list(needs, where),
        environment=_text(environment, f"{where}, environment"),
        permissions=_permissions(body.get("permissions"), where),
        concurrency=_concurrency(body.get("concurrency"), where),
        uses=uses,
        env=_texts(body.get("env"), f"{where}, env"),
        images=_images(body, where),
        steps=() if uses else tuple(_step(s, f"{where}, step {n}") for n, s in enumerate(steps or (), 1)),
    )


def _step(raw: Any, where: str) -> Step:
    body = _mapping(raw, where)
    step = Step(
        name=_text(body.get("name"), where),
        run=_text(body.get("run"), f"{where}, run"),
        uses=_text(body.get("uses"), f"{where}, uses"),
        inputs=_texts(body.get("with"), f"{where}, with"),
        env=_texts(body.get("env"), f"{where}, env"),
    )
    if bool(step.run) == bool(step.uses):
        _refuse(where, "a step has either run or uses")
    return step


def _images(body: Mapping[str, Any], where: str) -> tuple[str, ...]:
    containers = [body.get("container"), *_mapping(body.get("services"), where).values()]
    named = [c.get("image") if isinstance(c, dict) else c for c in containers]
    return tuple(image for image in (_text(name, where) for name in named) if image)


def _permissions(value: Any, where: str) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, str) and value in _TOKEN:
        return _TOKEN[value]
    return _texts(value, f"{where}, permissions")


def _concurrency(value: Any, where: str) -> Concurrency | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Concurrency(value)
    body = _mapping(value, f"{where}, concurrency")
    cancels = body.get("cancel-in-progress", False)
    if not isinstance(body.get("group"), str) or not isinstance(cancels, bool | str):
        _refuse(where, "concurrency has a value of the wrong type")
    return Concurrency(body["group"], cancels, body.get("queue") == "max")


def _check_needs(jobs: tuple[Job, ...], file: str) -> None:
    done: set[str] = set()
    rest = list(jobs)
    while rest:
        ready = [job for job in rest if done.issuperset(job.needs)]
        if not ready:
            _refuse(file, f"job {rest[0].key} needs a job that is not there, or itself")
        done.update(job.key for job in ready)
        rest = [job for job in rest if job.key not in done]


def _leaves(value: Any) -> Iterator[str]:
    """Every text within a value; the keys too, since a secret may be handed on by name."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        _refuse(where, "a mapping is expected")
    return value


def _list(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        _refuse(where, "a list of names is expected")
    return tuple(value)


def _text(value: Any, where: str) -> str:
    if isinstance(value, dict | list):
        _refuse(where, "a text is expected")
    return "" if value is None else value if isinstance(value, str) else str(value).lower()


def _texts(value: Any, where: str) -> dict[str, str]:
    """A mapping of texts; one expression in its place (GitHub allows `env: ${{ … }}`) is kept under no name."""
    if isinstance(value, str) and expressions(value):
        return {"": value}
    return {key: _text(item, where) for key, item in _mapping(value, where).items()}


def _refuse(where: str, why: str) -> NoReturn:
    raise DamagedError(f"{terminal_line(where)[:200]}: {why}", remedy="Correct the workflow file.") from None
