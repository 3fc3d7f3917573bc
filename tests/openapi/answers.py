"""Holds recorded answers of the forge to GitHub's description: operation, status, body, and no field of our own."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from openapi.deviations import CORRECTED, FIELDS, GENERAL, NOT_JSON, STATUSES, VALUES
from openapi.served import bare, key_of

FILE = Path(__file__).parents[1] / "data" / "github-openapi.json"
VERSIONS = ("2022-11-28", "2026-03-10")
ALWAYS = ("basic-error", "validation-error")

Json = dict[str, Any]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_LONGEST = 160

_HERE = "urn:github"

formats = FormatChecker(formats=())


@formats.checks("date-time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or _TIME.fullmatch(value) is not None


@formats.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return bool(urlsplit(value).scheme) and not re.search(r"[\s{}<>\"]", value)


class Description:
    """The extract of GitHub's description as it holds for one version of the API."""

    def __init__(self, extract: Json, version: str) -> None:
        changed = extract["since"].get(version, {})
        self.operations = {bare(k): v for k, v in {**extract["operations"], **changed.get("operations", {})}.items()}
        for (name, status), schema in CORRECTED.items():
            self.operations[bare(name)] = {**self.operations[bare(name)], status: schema}
        self.names = {bare(name): name for name in extract["operations"]}
        self.schemas: Json = {**extract["schemas"], **changed.get("schemas", {})}
        contents = {"schemas": self.schemas, "operations": self.operations}
        resource = Resource(contents=contents, specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource(_HERE, resource)
        self._validators: dict[str, Draft202012Validator] = {}

    def errors(self, pointer: str, body: Any) -> Iterator[ValidationError]:
        """What is wrong with a body by the schema at a place of the extract."""
        if pointer not in self._validators:
            schema = {"$ref": f"{_HERE}#{pointer}"}
            self._validators[pointer] = Draft202012Validator(schema, registry=self._registry, format_checker=formats)
        yield from self._validators[pointer].iter_errors(body)

    def unknown(self, schema: Json, body: Any, path: str = "") -> Iterator[str]:
        """The fields that no schema for their place names: `conditions.repository_name`, `[].fork`."""
        options = self._options(schema)
        if isinstance(body, list):
            inner = [one["items"] for one in options if isinstance(one.get("items"), dict)]
            for item in body if inner else ():
                yield from self.unknown({"anyOf": inner}, item, f"{path}[]")
        elif isinstance(body, dict):
            # an object of which nothing is said may hold anything
            free = any(
                one.get("additionalProperties", "properties" not in one) is True and _may_be(one, "object")
                for one in options
            )
            more = [one["additionalProperties"] for one in options if isinstance(one.get("additionalProperties"), dict)]
            for name, value in body.items():
                named = [one["properties"][name] for one in options if name in one.get("properties", {})]
                if named or more:
                    yield from self.unknown({"anyOf": named or more}, value, f"{path}.{name}".lstrip("."))
                elif not free:
                    yield f"{path}.{name}".lstrip(".")

    def _options(self, schema: Json) -> list[Json]:
        """Every schema that says something about the same value: references and unions opened."""
        if "$ref" in schema:
            return self._options(self.schemas[schema["$ref"].removeprefix("#/schemas/")])
        unions = [one for union in ("allOf", "anyOf", "oneOf") for one in schema.get(union, ())]
        opened = [found for one in unions for found in self._options(one)]
        own = {key: value for key, value in schema.items() if key not in ("allOf", "anyOf", "oneOf", "required")}
        return [own, *opened] if own or not unions else opened


def _may_be(schema: Json, kind: str) -> bool:
    allowed = schema.get("type", kind)
    return kind == allowed or (isinstance(allowed, list) and kind in allowed)


class Judge:
    """Judges recorded answers, one line of the witness each, and counts what it saw."""

    def __init__(self, extract: Json) -> None:
        self._descriptions = {version: Description(extract, version) for version in VERSIONS}
        self.served = set(self._descriptions[VERSIONS[0]].names.values())
        self.seen: Counter[str] = Counter()

    def judge(self, line: Mapping[str, Any]) -> list[str]:
        """What is wrong with one answer, in sentences; nothing for a good one."""
        known = self._descriptions.get(line.get("version") or VERSIONS[0], self._descriptions[VERSIONS[0]])
        status, body = int(line["status"]), line["body"]
        if line["route"] in ("", "/graphql"):
            return self._general(known, f"{line['method']} {line['route'] or 'anything'}", status, body)
        key = key_of(line["method"], line["route"])
        if key is None:
            return []
        name = known.names.get(key)
        if name is None:
            return [f"{line['method']} {line['route']}: not in the extract of GitHub's description (./dev openapi)"]
        self.seen[name] += status < 400
        documented = known.operations[key]
        if str(status) not in documented:
            return [] if (name, status) in STATUSES else self._general(known, name, status, body)
        if status >= 400:
            return self._general(known, name, status, body, documented=True)
        schema = documented[str(status)]
        if schema is None:
            return [f"{name} {status}: a body where GitHub sends none"] if body is not None else []
        if body is None:
            return [] if line["method"] == "HEAD" or name in NOT_JSON else [f"{name} {status}: no JSON"]
        pointer = f"/operations/{key.replace('~', '~0').replace('/', '~1')}/{status}"
        return list(self._body(known, f"{name} {status}", pointer, schema, body))

    def _general(self, known: Description, name: str, status: int, body: Any, documented: bool = False) -> list[str]:
        """A status that GitHub may give for anything: too few rights, too many requests, not changed …

        Refusals have one of two forms, whichever of them is documented for the operation: with `errors` or without.
        """
        said = f"{name} {status}"
        if status >= 500:
            return [f"{said}: the forge failed"]
        if status == 304 and body is None:
            return []
        if status not in GENERAL and not documented:
            return [f"{said}: GitHub does not document this status"]
        kind = "validation-error" if "errors" in (body or {}) else "basic-error"
        return list(self._body(known, said, f"/schemas/{kind}", known.schemas[kind], body))

    def _body(self, known: Description, said: str, pointer: str, schema: Json, body: Any) -> Iterator[str]:
        for error in known.errors(pointer, body):
            place = _place(error.json_path)
            if not any(fnmatchcase(place, field) and error.instance == value for field, value in VALUES):
                yield f"{said}: {place or 'the answer'}: {_told(error)}"
        for field in sorted(set(known.unknown(schema, body))):
            if not any(fnmatchcase(said, operation) and fnmatchcase(field, where) for operation, where in FIELDS):
                yield f"{said}: GitHub knows no field {field}"


def _place(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path).removeprefix("$").lstrip(".")


def _told(error: ValidationError) -> str:
    """One error in words; where several forms were possible, what is wrong with the form that fits best."""
    if not error.context:
        return _short(error.message)
    forms: dict[Any, list[ValidationError]] = {}
    for one in error.context:
        if one.schema != {"type": "null"}:
            forms.setdefault(one.relative_schema_path[0], []).append(one)
    nearest = min(forms.values(), key=lambda errors: (len(errors), -len(errors[0].absolute_path)))[0]
    return f"no form fits, the nearest: {_place(nearest.json_path)}: {_told(nearest)}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"


@functools.cache
def description() -> Json:
    """The extract that `./dev openapi` writes."""
    found: Json = json.loads(FILE.read_text())
    return found
