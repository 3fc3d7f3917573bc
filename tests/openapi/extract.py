"""From GitHub's OpenAPI 3.0 description to what tests need: the answers of some operations as plain JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

# What a validator does not need. `default` says what GitHub assumes, never what an answer must hold.
_DROPPED = {
    "default", "deprecated", "description", "discriminator", "example", "examples", "externalDocs", "readOnly", "title",
    "writeOnly", "xml",
}  # fmt: skip
_UNIONS = ("allOf", "anyOf", "oneOf")
_CHANGES = "x-github-breaking-changes"
_CHECKED_FORMATS = {"date-time", "uri"}
_REF = "#/components/schemas/"


def convert(schema: Mapping[str, Any]) -> Json:
    """One schema of OpenAPI 3.0 as JSON Schema 2020-12: `nullable` becomes a union, wherever it stands."""
    if "$ref" in schema:  # in OpenAPI 3.0 nothing beside a reference counts
        return {"$ref": "#/schemas/" + schema["$ref"].removeprefix(_REF)}
    out: Json = {}
    for key, value in schema.items():
        if key in _DROPPED or key.startswith("x-") or key == "nullable":
            continue
        if key == "properties":
            out[key] = {name: convert(one) for name, one in value.items()}
        elif key in ("items", "not") or (key == "additionalProperties" and isinstance(value, dict)):
            out[key] = convert(value)
        elif key in _UNIONS:
            out[key] = [convert(one) for one in value]
        elif key == "format":
            if value in _CHECKED_FORMATS:
                out[key] = value
        elif key in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(value, bool):
            continue  # a switch in 3.0, a number in 2020-12: folded into the bound below
        else:
            out[key] = value
    for switch, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if schema.get(switch) is True:
            out[switch] = out.pop(bound)
    return _nullable(out) if schema.get("nullable") else out


def _nullable(schema: Json) -> Json:
    if schema.keys() == {"anyOf"}:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if any(union in schema for union in _UNIONS):
        return {"anyOf": [schema, {"type": "null"}]}
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    if "type" in schema:
        schema["type"] = [schema["type"], "null"]
    return schema


def _changed(thing: Mapping[str, Any], version: str) -> Json:
    """An operation or schema after the breaking changes that GitHub made up to a version of its API."""
    out: Json = json.loads(json.dumps({key: value for key, value in thing.items() if key != _CHANGES}))
    for change in thing.get(_CHANGES, ()):
        if change["version"] > version:
            continue
        if isinstance(change["patch"], list):
            for step in change["patch"]:
                _step(out, step)
        else:
            _merge(out, change["patch"])
    # A list of required fields was written for one change alone: no field that another one removed is required.
    if "required" in out and "properties" in out:
        out["required"] = [name for name in out["required"] if name in out["properties"]]
    return out


def _step(document: Json, step: Mapping[str, Any]) -> None:
    """One operation of a JSON patch (RFC 6902); GitHub uses add, replace and remove."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    place: Any = document
    for part in way:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if step["op"] == "remove":
        del place[int(last) if isinstance(place, list) else last]
    elif step["op"] in ("add", "replace"):
        place[last] = step["value"]
    else:
        raise ValueError(f"a patch of GitHub's description has the unknown operation {step['op']!r}")


def _merge(document: Json, patch: Mapping[str, Any]) -> None:
    """A merge patch (RFC 7396): null removes."""
    for key, value in patch.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict) and isinstance(document.get(key), dict):
            _merge(document[key], value)
        else:
            document[key] = value


class Description:
    """GitHub's description as it holds for one version of the API."""

    def __init__(self, document: Json, version: str) -> None:
        self._document, self._version = document, version

    def operation(self, name: str) -> Json:
        """The answers of an operation `GET /repos/{owner}/{repo}`, by status. Raises KeyError."""
        method, path = name.split(" ", 1)
        place = self._document["paths"][path]
        found = _changed(place[method.lower()], self._version)
        return {status: self._answer(self._resolved(one)) for status, one in found["responses"].items()}

    def schemas(self, used: Iterable[Any]) -> Json:
        """Every named schema that something refers to, directly or not."""
        found: Json = {}
        waiting = [name for thing in used for name in references(thing)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                raw = self._document["components"]["schemas"][name]
                found[name] = convert(_changed(raw, self._version))
                waiting += references(found[name])
        return found

    def _resolved(self, thing: Json) -> Json:
        if "$ref" not in thing:
            return thing
        found: Any = self._document
        for part in thing["$ref"].split("/")[1:]:
            found = found[part]
        resolved: Json = found
        return resolved

    def _answer(self, response: Json) -> Json | None:
        """The schema of the JSON that comes with a status, None when no JSON does."""
        for kind, body in sorted(response.get("content", {}).items()):
            if kind == "application/json" and "schema" in body:
                return convert(body["schema"])
        return None


def references(thing: Any) -> list[str]:
    """The names of the schemas that a converted one refers to itself."""
    if isinstance(thing, dict):
        own = [thing["$ref"].removeprefix("#/schemas/")] if isinstance(thing.get("$ref"), str) else []
        return own + [name for value in thing.values() for name in references(value)]
    if isinstance(thing, list):
        return [name for value in thing for name in references(value)]
    return []


def extract(document: Json, names: Iterable[str], versions: tuple[str, str], always: tuple[str, ...]) -> Json:
    """The named operations at the older version of the API, and what is different in the newer one."""
    wanted = sorted(set(names))
    whole = []
    for version in versions:
        description = Description(document, version)
        operations = {name: description.operation(name) for name in wanted}
        # the bodies of refusals are needed for every operation, whichever of them it documents
        used = [operations, [{"$ref": f"#/schemas/{name}"} for name in always]]
        whole.append({"operations": operations, "schemas": description.schemas(used)})
    old, new = whole
    differing = {
        part: {name: value for name, value in new[part].items() if value != old[part].get(name)} for part in new
    }
    return {**old, "since": {versions[1]: differing}}
