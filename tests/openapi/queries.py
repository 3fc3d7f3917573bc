"""Holds recorded GraphQL exchanges to GitHub's own schema: the query is valid there, and the answer fits it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    build_ast_schema,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
    validate,
    visit,
)

SCHEMA = Path(__file__).parents[1] / "data" / "github-graphql.graphql"

_LEAVES: dict[str, Any] = {
    "Int": lambda value: _is_int(value) and -(2**31) <= value < 2**31,
    "BigInt": lambda value: isinstance(value, str) and value.lstrip("-").isdecimal(),
    "Float": lambda value: isinstance(value, float) or _is_int(value),
    "Boolean": lambda value: isinstance(value, bool),
    "DateTime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
    "GitTimestamp": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"),
    "GitObjectID": re.compile(r"[0-9a-f]{40}"),
    "URI": re.compile(r"[a-z]+://\S+"),
}


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@functools.cache
def github() -> GraphQLSchema:
    """GitHub's schema as far as the extract has it; a type that it only names stands there as a scalar."""
    document = parse(SCHEMA.read_text(encoding="utf-8"), no_location=True)
    named: set[str] = set()

    class Names(Visitor):
        def enter_named_type(self, node: NamedTypeNode, *_: Any) -> None:
            named.add(node.name.value)

    visit(document, Names())
    known = {definition.name.value for definition in document.definitions}  # type: ignore[attr-defined]
    missing = sorted(named - known - {"Int", "Float", "String", "Boolean", "ID"})
    stubs = parse("\n".join(f"scalar {name}" for name in missing)).definitions if missing else ()
    return build_ast_schema(DocumentNode(definitions=(*document.definitions, *stubs)), assume_valid=True)


@functools.lru_cache(maxsize=1024)
def invalid(text: str) -> tuple[str, ...]:
    """Why GitHub would not take a query, in graphql-core's words."""
    try:
        return tuple(error.message for error in validate(github(), parse(text)))
    except GraphQLError as error:
        return (error.message,)


def judge(line: Mapping[str, Any]) -> list[str]:
    """What is wrong with one recorded exchange that was answered with status 200."""
    text, body = line.get("graphql"), line["body"]
    if not isinstance(body, dict) or not body.keys() <= {"data", "errors"} or not body:
        return ["GraphQL: an answer that is not of data and errors"]
    problems = [
        f"GraphQL: an error without a message: {error}"
        for error in body.get("errors", ())
        if not isinstance(error, dict) or not isinstance(error.get("message"), str)
    ]
    if body.get("data") is None:
        return problems if body.get("errors") else [*problems, "GraphQL: neither data nor errors"]
    if not isinstance(text, str):
        return [*problems, "GraphQL: data without a query"]
    problems += [f"GraphQL: GitHub refuses this query: {message}" for message in invalid(text)]
    return problems or sorted(set(_Answer(parse(text)).problems(body["data"])))


class _Answer:
    """One query, and the walk over its answer."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))

    def problems(self, data: Any) -> Iterator[str]:
        root = github().get_root_type(self._operation.operation)
        yield from self._object(root, [self._operation.selection_set], data, "")

    def _object(self, kind: Any, sets: Sequence[SelectionSetNode], value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"GraphQL {path}: no object where {kind} belongs"
            return
        candidates = list(github().get_possible_types(kind)) if is_abstract_type(kind) else [kind]
        candidates = [one for one in candidates if one.name == value.get("__typename")] or candidates
        told = [list(self._concrete(one, sets, value, path)) for one in candidates]
        if told and [] not in told:
            yield from min(told, key=len)

    def _concrete(
        self, kind: GraphQLObjectType, sets: Sequence[SelectionSetNode], value: Mapping[str, Any], path: str
    ) -> Iterator[str]:
        wanted: dict[str, list[FieldNode]] = {}
        for one in sets:
            self._collect(kind, one, wanted)
        optional = {key for key, nodes in wanted.items() if all(node.directives for node in nodes)}
        for key in sorted(value.keys() - wanted.keys()):
            yield f"GraphQL {path}.{key}: nobody asked for it"
        for key in sorted(wanted.keys() - value.keys() - optional):
            yield f"GraphQL {path}.{key}: missing"
        for key in wanted.keys() & value.keys():
            name = wanted[key][0].name.value
            if name.startswith("__"):
                if name == "__typename" and value[key] != kind.name:
                    yield f"GraphQL {path}.{key}: {value[key]} is not {kind.name}"
                continue
            inner = [node.selection_set for node in wanted[key] if node.selection_set]
            yield from self._value(kind.fields[name].type, inner, value[key], f"{path}.{kind.name}.{name}")

    def _collect(self, kind: GraphQLObjectType, chosen: SelectionSetNode, into: dict[str, list[FieldNode]]) -> None:
        for node in chosen.selections:
            if isinstance(node, FieldNode):
                into.setdefault((node.alias or node.name).value, []).append(node)
                continue
            whole = self._fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            assert isinstance(whole, FragmentDefinitionNode | InlineFragmentNode)
            condition = github().type_map[whole.type_condition.name.value] if whole.type_condition else kind
            if condition is kind or (is_abstract_type(condition) and github().is_sub_type(condition, kind)):
                self._collect(kind, whole.selection_set, into)

    def _value(self, kind: Any, sets: Sequence[SelectionSetNode], value: Any, path: str) -> Iterator[str]:
        if is_non_null_type(kind):
            if value is None:
                yield f"GraphQL {path}: null where {kind} belongs"
                return
            kind = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
        if value is None:
            return
        if is_list_type(kind):
            if not isinstance(value, list):
                yield f"GraphQL {path}: no list where {kind} belongs"
                return
            for item in value:
                yield from self._value(kind.of_type, sets, item, f"{path}[]")
        elif is_leaf_type(kind):
            if not _fits(kind, value):
                yield f"GraphQL {path}: {value!r:.80} is no {kind}"
        else:
            yield from self._object(kind, sets, value, path)


def _fits(kind: Any, value: Any) -> bool:
    if isinstance(kind, GraphQLEnumType):
        return value in kind.values
    rule = _LEAVES.get(kind.name)
    if callable(rule):
        return bool(rule(value))
    return isinstance(value, str) and (rule is None or rule.fullmatch(value) is not None)
