"""One question of many parts to the forge, and a whole answer or none: a part that is missing is no fact."""

from __future__ import annotations

from ms_release.adapters.answers import Graph, Overloaded, about
from ms_release.adapters.answers_graph import PageInfo
from ms_release.adapters.http import Client
from ms_release.adapters.queries import Query
from ms_release.adapters.transport import ATTEMPTS
from ms_release.errors import CredentialError, ForgeError

_PAGES = 100


def ask(client: Client, query: Query) -> Graph:
    """The whole answer: what the forge cannot answer in time it is asked again in halves (github-facts G44).

    Only checks may be missing: a fine-grained token has no right to those of private repositories (github-facts G20).
    Raises CredentialError for a part that this token may not read, ForgeError for one that was not answered.
    """
    halves = query.halves()
    try:
        answer = client.graphql(query.text, query.variables, attempts=2 if halves else ATTEMPTS)
    except Overloaded:
        if halves is None:
            raise
        first, second = (ask(client, half) for half in halves)
        return Graph({**first.data, **second.data})
    for error in answer.errors:
        if error.type == "FORBIDDEN" and "checkSuites" in error.path:
            continue  # these checks are None, which is unknown: what that means is decided where they are needed (G20)
        if error.type == "NOT_FOUND" and len(error.path) == 1:
            raise CredentialError(
                f"the forge says: {about(error)}",
                remedy="Check the name in the configuration, and that the token may read it.",
            )
        if error.type in ("FORBIDDEN", "INSUFFICIENT_SCOPES"):
            raise CredentialError(
                f"this token may not read everything: {about(error)}",
                remedy="Use a token that may read contents, checks, pull requests and actions.",
            )
        raise ForgeError(
            f"the forge could not answer a part: {about(error)}",
            remedy="Try again; if it stays, the forge may be too old for this program.",
        )
    return answer


def next_cursor(page: PageInfo, seen: set[str], what: str) -> str:
    """Where the next page begins, "" on the last one. Raises ForgeError for a circle or too many pages (faults F47)."""
    if not page.has_next_page:
        return ""
    if not page.end_cursor or page.end_cursor in seen or len(seen) >= _PAGES:
        raise ForgeError(f"the list of {what} does not end", remedy="Try again; report it if it stays.")
    seen.add(page.end_cursor)
    return page.end_cursor
