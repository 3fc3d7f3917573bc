"""Which operations of GitHub's REST API the forge serves: read from its own tables of routes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ms_release.forge.app import routes

_PARAMETER = re.compile(r"\{[^}]*\}")
_REPO = "/repos/{owner}/{repo}"

# Routes whose address is one case of an operation of GitHub's.
CASES = {
    f"GET {_REPO}/contents": f"GET {_REPO}/contents/{{path}}",
    f"GET {_REPO}/actions/artifacts/{{artifact_id}}/zip": (
        f"GET {_REPO}/actions/artifacts/{{artifact_id}}/{{archive_format}}"
    ),
}

# Routes that GitHub does not have, and why the forge does.
OWN = {
    f"POST {_REPO}/actions/artifacts/{{artifact_id}}/zip": "a job hands its artifact in; GitHub has a service for that",
}


def bare(operation: str) -> str:
    """An operation without the names of its parameters, which are GitHub's in one place and ours in the other."""
    return _PARAMETER.sub("{}", operation)


def served() -> Iterator[str]:
    """Every operation `GET /repos/{owner}/{repo}` that the forge serves and GitHub has, in the words of our routes."""
    tables = routes()
    for route in (*tables["rest"], *tables["uploads"]):
        for method in sorted((route.methods or set()) - {"HEAD"}):
            name = f"{method} {route.path}"
            if name not in OWN:
                yield CASES.get(name, name)


_BARE_CASES = {bare(ours): bare(theirs) for ours, theirs in CASES.items()}
_BARE_OWN = {bare(name) for name in OWN}


def key_of(method: str, route: str) -> str | None:
    """The bare operation that a recorded answer belongs to; None for a route of the forge's own."""
    name = bare(f"{'GET' if method == 'HEAD' else method} {route}")
    return None if name in _BARE_OWN else _BARE_CASES.get(name, name)
