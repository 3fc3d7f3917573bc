"""Every attempt of every check of a commit, not the latest ones alone: where flaky checks show (SPEC 4)."""

from __future__ import annotations

from msgspec import Struct

from ms_release.adapters.answers_graph import Number
from ms_release.adapters.http import Client
from ms_release.core.observation import Check


class _App(Struct):
    slug: str


class _Attempt(Struct):
    id: Number
    name: str
    status: str
    conclusion: str | None = None
    app: _App | None = None


def of_commit(client: Client, slug: str, sha: str) -> tuple[Check, ...]:
    """All check runs of one commit, as long as the forge keeps them (github-facts G21). Raises what the client does."""
    path = f"/repos/{slug}/commits/{sha}/check-runs"
    found = client.pages(path, {"filter": "all"}, key="check_runs", decode=_Attempt)
    return tuple(Check(r.name, r.app.slug if r.app else "", r.status, r.conclusion, r.id) for r in found)
