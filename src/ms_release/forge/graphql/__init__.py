"""POST /graphql: takes a query in, checks and prices it once, executes it, and words errors as GitHub does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute_sync,
    parse,
    validate,
)
from ms_release.forge import web
from ms_release.forge.errors import Refusal
from ms_release.forge.graphql.page import NODE_LIMIT, GraphRefusal, price
from ms_release.forge.graphql.schema import Quick, schema
from ms_release.forge.graphql.world import World

_UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")


@dataclass(frozen=True)
class _Query:
    """A query text that was parsed and validated; `errors` is not empty when it must not be executed."""

    document: DocumentNode | None
    errors: tuple[dict[str, Any], ...]


@lru_cache(maxsize=256)
def _prepare(text: str) -> _Query:
    try:
        document = parse(text)
    except GraphQLError as error:
        return _Query(None, (_word(error),))
    return _Query(document, tuple(_word(error) for error in validate(schema(), document)))


def _answer(request: Request) -> Response:
    identity = web.identity_of(request)
    if not identity.login:
        raise Refusal(401, "This endpoint requires you to be authenticated.")
    body = web.json_body(request)
    text, variables = body.get("query"), body.get("variables") or {}
    if not isinstance(text, str):
        raise Refusal(400, "A query attribute must be specified and must be a string.")
    if not isinstance(variables, dict):
        raise Refusal(400, "Variables must be a JSON object.")
    query = _prepare(text)
    if query.document is None or query.errors:
        return JSONResponse({"errors": list(query.errors)})
    operation = _operation(query.document, body.get("operationName"))
    if operation is None:
        return JSONResponse({"errors": [{"message": "An operation name is required"}]})
    cost, nodes = price(query.document, operation, _with_defaults(operation, variables))
    try:
        world = _world(request, cost, nodes)
    except GraphRefusal as refusal:
        return JSONResponse({"errors": [{"type": refusal.type, "message": refusal.message}]})
    done = execute_sync(
        schema(),
        query.document,
        context_value=world,
        variable_values=variables,
        operation_name=body.get("operationName"),
        executor_class=Quick,
    )
    return JSONResponse({"data": done.data, **({"errors": [_word(e) for e in done.errors]} if done.errors else {})})


def _world(request: Request, cost: int, nodes: int) -> World:
    """The request's state; refuses a query that is too big or beyond the asker's points (G43, G44)."""
    if nodes > NODE_LIMIT:
        text = f"This query requests up to {nodes:,} possible nodes which exceeds the maximum limit of 500,000."
        raise GraphRefusal("MAX_NODE_LIMIT_EXCEEDED", text)
    forge, links, identity = web.forge_of(request), web.links_of(request), web.identity_of(request)
    # the application has taken one point already, as for any request
    quota = request.app.state.limits.take(identity, "graphql", forge.clock(), cost - 1)
    return World(forge, identity, links.web, links.rest, quota, cost, nodes)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    named = [d for d in found if name is None or (d.name is not None and d.name.value == name)]
    usable = [d for d in named if d.operation in (OperationType.QUERY, OperationType.MUTATION)]
    return usable[0] if len(usable) == 1 else None


def _with_defaults(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Variables with the whole-number defaults of the query, for the price."""
    defaults: dict[str, Any] = {}
    for definition in operation.variable_definitions or ():
        text = getattr(definition.default_value, "value", None)
        if isinstance(text, str) and text.isdecimal():
            defaults[definition.variable.name.value] = int(text)
    return {**defaults, **variables}


def _word(error: GraphQLError) -> dict[str, Any]:
    """An error as GitHub writes it: `type` first, then path, locations and message."""
    places = [{"line": place.line, "column": place.column} for place in error.locations or ()]
    original = error.original_error if isinstance(error.original_error, GraphRefusal) else error
    if isinstance(original, GraphRefusal):
        return {"type": original.type, "path": error.path, "locations": places, "message": original.message}
    if error.original_error is not None:
        raise error.original_error
    unknown = _UNKNOWN_FIELD.match(error.message)
    if unknown:
        field, kind = unknown.groups()
        more = {"code": "undefinedField", "typeName": kind, "fieldName": field}
        return {"extensions": more, "locations": places, "message": f"Field '{field}' doesn't exist on type '{kind}'"}
    return {**({"path": error.path} if error.path else {}), "locations": places, "message": error.message}


routes = [Route("/graphql", _answer, methods=["POST"])]
