"""From OpenAPI 3.0 to JSON Schema: null, what is dropped, and the changes between versions of the API."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from openapi.answers import Description, description
from openapi.extract import convert, extract

OLD, NEW = VERSIONS = ("2022-11-28", "2026-03-10")
STRING = {"type": "string", "nullable": True}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (STRING, ["x", None], [1]),
        ({"type": "string", "enum": ["a", "b"], "nullable": True}, ["a", None], ["c"]),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True}, ["a", 1, None], [[]]),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}], "nullable": True}, ["a", 1, None], [[]]),
        ({"allOf": [{"type": "string"}], "nullable": True}, ["a", None], [1]),
        ({"type": "string", "nullable": False}, ["a"], [None]),
        ({"type": "array", "items": STRING}, [["a", None]], [[1], None]),
        ({"type": "object", "additionalProperties": STRING}, [{"x": None}], [{"x": 1}]),
        ({"type": "object", "properties": {"nullable": STRING, "title": STRING}}, [{"title": None}], [{"title": 1}]),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, [2], [1]),
        ({"type": "integer", "format": "int64"}, [2**40], ["1"]),
    ],
)
def test_null_and_the_rest(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    validator = Draft202012Validator(convert(schema))
    assert [value for value in good if not validator.is_valid(value)] == []
    assert [value for value in bad if validator.is_valid(value)] == []


def test_nothing_for_people_is_kept() -> None:
    asked = {"type": "string", "description": "d", "title": "t", "example": "e", "default": "x", "x-github": {}}
    assert convert(asked) == {"type": "string"}
    assert convert({"$ref": "#/components/schemas/a", "description": "d"}) == {"$ref": "#/schemas/a"}


def document() -> dict[str, Any]:
    """A description of one operation; version 2026-03-10 took a field and a status away, 2099-01-01 a second field."""

    def change(version: str, patch: Any) -> dict[str, Any]:
        return {"version": version, "changeset": "c", "patch": patch}

    thing = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"$ref": "#/components/schemas/inner"}},
        "required": ["a", "b"],
        "x-github-breaking-changes": [
            change(NEW, {"properties": {"a": None}, "required": ["a", "b"]}),
            change("2099-01-01", {"properties": {"b": None}}),
        ],
    }
    get = {
        "responses": {
            "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/thing"}}}},
            "204": {"description": "nothing"},
            "404": {"$ref": "#/components/responses/gone"},
        },
        "x-github-breaking-changes": [change(NEW, [{"op": "remove", "path": "/responses/204"}])],
    }
    gone = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/error"}}}}
    schemas = {"thing": thing, "inner": {"type": "object"}, "error": {"type": "object"}, "unused": {}}
    return {"paths": {"/x": {"get": get}}, "components": {"schemas": schemas, "responses": {"gone": gone}}}


def test_both_versions() -> None:
    found = extract(document(), ["GET /x"], VERSIONS, ("error",))
    assert sorted(found["schemas"]) == ["error", "inner", "thing"]
    assert found["operations"]["GET /x"] == {
        "200": {"$ref": "#/schemas/thing"}, "204": None, "404": {"$ref": "#/schemas/error"}
    }  # fmt: skip
    newer = found["since"][NEW]
    assert sorted(newer["operations"]["GET /x"]) == ["200", "404"]
    assert list(newer["schemas"]) == ["thing"]
    assert found["schemas"]["thing"]["required"] == ["a", "b"]
    assert (sorted(newer["schemas"]["thing"]["properties"]), newer["schemas"]["thing"]["required"]) == (
        ["b", "c"],
        ["b"],
    )


def test_a_patch_that_we_do_not_understand() -> None:
    asked = document()
    asked["paths"]["/x"]["get"]["x-github-breaking-changes"][0]["patch"][0]["op"] = "move"
    with pytest.raises(ValueError, match="move"):
        extract(asked, ["GET /x"], VERSIONS, ())


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_extracted_is_a_schema(version: str) -> None:
    known = Description(description(), version)
    for name, schema in known.schemas.items():
        Draft202012Validator.check_schema(schema), name
    for answers in known.operations.values():
        for schema in answers.values():
            Draft202012Validator.check_schema(schema or {})
