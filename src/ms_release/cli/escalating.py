"""`--open-issue`: each finding that is escalated becomes one open issue of the home repository, found by a mark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ms_release.errors import MsError

if TYPE_CHECKING:
    from ms_release.adapters.http import Client
    from ms_release.cli.output import Output
    from ms_release.config import Config
    from ms_release.core.model import Finding

F = TypeVar("F", bound=Callable[..., Any])

issue_option = click.option(
    "--open-issue", is_flag=True, help="Open an issue for whoever must act, unless there is one already."
)
"""The option of every command that makes findings."""


@contextmanager
def escalating(output: Output, config: Config, connect: Callable[[], Client], *, open_issue: bool) -> Iterator[None]:
    """Around a command that may end with findings: opens their issues before the ending is shown, if wanted."""
    from ms_release.cli.output import escalated

    try:
        yield
    except MsError as error:
        if open_issue and (findings := escalated(error)):
            open_issues(output, config, connect(), findings)
        raise


def open_issues(output: Output, config: Config, client: Client, findings: Sequence[Finding]) -> tuple[str, ...]:
    """The addresses of the issues of these findings, each opened unless it is open already."""
    from ms_release.adapters.issues import open_missing
    from ms_release.core.action import OpenIssue
    from ms_release.core.escalation import escalate

    home = config.config.home
    wanted = [OpenIssue(home, one.marker, one.title, one.body) for one in escalate(findings, config)]
    addresses, performed = open_missing(client, wanted)
    opened = {one.marker for one in performed}
    for marker, address in addresses.items():
        output.say(f"{'opened' if marker in opened else 'open already:'} {address}")
    return tuple(addresses.values())
