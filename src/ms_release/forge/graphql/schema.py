"""The schema that the forge answers, with a function behind each field that is not simply read from its node."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_leaf_type,
)
from graphql.execution import Executor
from graphql.pyutils import Path as FieldPath
from ms_release.forge import present
from ms_release.forge.graphql import (
    checks as graphql_checks,
)
from ms_release.forge.graphql import (
    git as graphql_git,
)
from ms_release.forge.graphql import (
    mutations as graphql_mutations,
)
from ms_release.forge.graphql import (
    pull_mutations as graphql_pull_mutations,
)
from ms_release.forge.graphql import (
    pulls as graphql_pulls,
)
from ms_release.forge.graphql import (
    releases as graphql_releases,
)
from ms_release.forge.graphql import (
    repository as graphql_repository,
)
from ms_release.forge.graphql import (
    rulesets as graphql_rulesets,
)
from ms_release.forge.graphql.page import check_bounds
from ms_release.forge.graphql.world import Resolver, World

SCHEMA_FILE = Path(__file__).with_name("schema.graphql")

_CAPITAL = re.compile("[A-Z]")
_ROOTS = ("Query", "Mutation")
_plain: dict[str, frozenset[str]] = {}
"""type name → fields whose value, a scalar or enum, lies in the node"""


@cache
def schema() -> GraphQLSchema:
    """The executable schema; made once."""
    made = build_schema(SCHEMA_FILE.read_text(encoding="utf-8"))
    tables = (graphql_checks, graphql_git, graphql_pulls, graphql_releases, graphql_repository, graphql_rulesets)
    known: dict[tuple[str, str], Resolver] = {("Query", "rateLimit"): World.rate_limit}
    mutations = graphql_mutations.MUTATIONS | graphql_pull_mutations.MUTATIONS
    known |= {("Mutation", name): function for name, function in mutations.items()}
    for table in tables:
        known |= {(kind, name): f for kind, fields in table.RESOLVERS.items() for name, f in fields.items()}
    for kind in made.type_map.values():
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            kind.resolve_type = lambda node, _info, _abstract: node["__typename"]
        elif isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            read = {name for name in kind.fields if (kind.name, name) not in known and name != "id"}
            _plain[kind.name] = frozenset(n for n in read if is_leaf_type(get_named_type(kind.fields[n].type)))
            for name, field in kind.fields.items():
                field.resolve = _bind(kind.name, field, name, known.pop((kind.name, name), None))
    assert not known, f"resolvers of fields that the schema does not have: {sorted(known)}"
    return made


def _bind(kind: str, field: GraphQLField, name: str, function: Resolver | None) -> Callable[..., Any]:
    if function is None:
        if name == "id":
            return lambda node, _info: present.node_id(*node["_id"])
        return lambda node, _info: node[name]
    for argument, definition in field.args.items():
        definition.out_name = _CAPITAL.sub(lambda match: "_" + match[0].lower(), argument)
    paged = get_named_type(field.type).name.endswith("Connection")

    def resolve(node: Any, info: GraphQLResolveInfo[World], **args: Any) -> Any:
        if paged:
            check_bounds(name, args.get("first"), args.get("last"))
        return function(node, info.context, **args)

    def resolve_root(_root: None, info: GraphQLResolveInfo[World], **args: Any) -> Any:
        return function(info.context, **args)

    return resolve_root if kind in _ROOTS else resolve


class Quick(Executor[None]):
    """graphql-core's executor with a short cut: scalars that lie in the node are copied, not resolved.

    An answer about check runs is nearly all such scalars; this makes it three times as fast.
    """

    def execute_fields(
        self, parent_type: Any, source_value: Any, path: Any, grouped_field_set: Any, position_context: None
    ) -> dict[str, Any]:
        """The fields of one object."""
        plain, answer = _plain.get(parent_type.name, frozenset()), {}
        for key, details in grouped_field_set.items():
            name = details[0].node.name.value
            if name in plain and (value := source_value[name]) is not None:
                answer[key] = value
                continue
            place = FieldPath(path, key, parent_type.name)
            answer[key] = self.execute_field(parent_type, source_value, details, place, position_context)
        return answer
