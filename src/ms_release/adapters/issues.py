"""Issues of escalated findings: which are open already, and opening those that are not (SPEC 8)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ms_release.adapters.answers_graph import Number
from ms_release.adapters.github_write import GitHubWriter
from ms_release.adapters.http import Client
from ms_release.core.action import OpenIssue
from ms_release.errors import UnknownOutcomeError


class _Issue(Struct):
    number: Number
    html_url: str
    body: str | None = None


def open_missing(client: Client, wanted: Sequence[OpenIssue]) -> tuple[dict[str, str], tuple[OpenIssue, ...]]:
    """Open each issue that is not open yet: the address of every one by its marker, and the effects it took.

    Found again by its marker, whoever opened it. One whose outcome is unknown is looked for and not sent again
    (github-facts G7); raises UnknownOutcomeError when it is not there either, and what the client raises.
    """
    found = {repo: _issues(client, repo) for repo in {one.repo for one in wanted}}
    addresses: dict[str, str] = {}
    performed: list[OpenIssue] = []
    for one in wanted:
        address = _address(found[one.repo], one.marker) or addresses.get(one.marker)
        if address is None:
            address = _open(client, one)
            performed.append(one)
        addresses[one.marker] = address
    return addresses, tuple(performed)


def _open(client: Client, wanted: OpenIssue) -> str:
    try:
        return GitHubWriter(client).perform(wanted).url
    except UnknownOutcomeError:
        if address := _address(_issues(client, wanted.repo), wanted.marker):
            return address
        raise


def _issues(client: Client, repo: str) -> list[_Issue]:
    return client.pages(f"/repos/{repo}/issues", {"state": "open"}, decode=_Issue)


def _address(issues: Sequence[_Issue], marker: str) -> str | None:
    return next((one.html_url for one in issues if marker in (one.body or "")), None)
