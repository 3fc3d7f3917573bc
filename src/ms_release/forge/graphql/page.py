"""Cursors, pages and the price of a query, by GitHub's rules for GraphQL connections."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

Node = dict[str, Any]
T = TypeVar("T")
_Fragments = dict[str, FragmentDefinitionNode]
PAGE_LIMIT = 100
NODE_LIMIT = 500_000
_CURSOR = b"cursor:v2:"


class GraphRefusal(GraphQLError):
    """An error inside a GraphQL answer; `type` is GitHub's word for it (NOT_FOUND, FORBIDDEN, STALE_DATA …)."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type


def check_bounds(field: str, first: int | None, last: int | None) -> None:
    """Refuse a connection without a page size, or with one above 100 (github-facts G44)."""
    if first is None and last is None:
        wants = f"You must provide a `first` or `last` value to properly paginate the `{field}` connection."
        raise GraphRefusal("MISSING_PAGINATION_BOUNDARIES", wants)
    if first is not None and last is not None:
        wants = f"Passing both `first` and `last` to paginate the `{field}` connection is not supported."
        raise GraphRefusal("EXCESSIVE_PAGINATION_BOUNDARIES", wants)
    for name, value in (("first", first), ("last", last)):
        if value is not None and value > PAGE_LIMIT:
            excess = f"the `{field}` connection exceeds the `{name}` limit of {PAGE_LIMIT} records."
            raise GraphRefusal("EXCESSIVE_PAGINATION", f"Requesting {value} records on {excess}")
        if value is not None and value < 0:
            raise GraphRefusal("INVALID_PAGINATION", f"`{name}` on the `{field}` connection cannot be less than zero.")


def cursor(index: int) -> str:
    """The opaque cursor of the item at this place."""
    return base64.b64encode(_CURSOR + str(index).encode()).decode()


def index_of(text: str) -> int:
    """The place that a cursor stands for; refuses what is no cursor of ours."""
    try:
        raw = base64.b64decode(text, validate=True)
        if not raw.startswith(_CURSOR):
            raise ValueError(text)
        place = int(raw[len(_CURSOR) :])
        if place < 0:
            raise ValueError(text)
        return place
    except (ValueError, binascii.Error):
        raise GraphRefusal("INVALID_CURSOR_ARGUMENTS", f"`{text}` does not appear to be a valid cursor.") from None


def window(count: int, page: Mapping[str, Any]) -> tuple[int, int]:
    """Which of `count` items the arguments first/last/after/before ask for, as start and stop."""
    start = min(index_of(page["after"]) + 1, count) if page.get("after") else 0
    stop = max(min(index_of(page["before"]), count), start) if page.get("before") else count
    if page.get("first") is not None:
        stop = min(stop, start + page["first"])
    elif page.get("last") is not None:
        start = max(start, stop - page["last"])
    return start, stop


def page_info(start: int, stop: int, more: bool) -> Node:
    """The `pageInfo` of a page that shows the items from start to stop, with more behind it or not."""
    return {
        "hasNextPage": more,
        "hasPreviousPage": start > 0,
        "startCursor": cursor(start) if stop > start else None,
        "endCursor": cursor(stop - 1) if stop > start else None,
    }


def connection(items: Sequence[T], make: Callable[[T], Node | None], page: Mapping[str, Any]) -> Node:
    """A page of items; only the ones shown are turned into nodes."""
    start, stop = window(len(items), page)
    return {
        "nodes": [make(item) for item in items[start:stop]],
        "pageInfo": page_info(start, stop, stop < len(items)),
        "totalCount": len(items),
    }


def price(document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> tuple[int, int]:
    """Points and possible nodes of a query: one request per parent node of each connection, 100 requests a point."""
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    requests, nodes = _weigh(operation.selection_set, 1, fragments, variables)
    return max(1, round(requests / 100)), nodes


def _weigh(
    selections: SelectionSetNode, parents: int, fragments: _Fragments, variables: Mapping[str, Any]
) -> tuple[int, int]:
    requests = nodes = 0
    for selection in selections.selections:
        here, inside = parents, getattr(selection, "selection_set", None)
        if isinstance(selection, FragmentSpreadNode):
            inside = fragments[selection.name.value].selection_set
        elif isinstance(selection, FieldNode):
            size = _page_size(selection, variables)
            if size is not None:
                requests, nodes, here = requests + parents, nodes + parents * size, parents * size
        if inside is not None:
            more_requests, more_nodes = _weigh(inside, here, fragments, variables)
            requests, nodes = requests + more_requests, nodes + more_nodes
    return requests, nodes


def _page_size(field: FieldNode, variables: Mapping[str, Any]) -> int | None:
    for argument in field.arguments or ():
        if argument.name.value in ("first", "last"):
            value = argument.value
            if isinstance(value, IntValueNode):
                return int(value.value)
            if isinstance(value, VariableNode):
                given = variables.get(value.name.value)
                return given if isinstance(given, int) else None
    return None
