"""The options of the verbs that make or take a plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ms_release.cli.common import standard_options

F = TypeVar("F", bound=Callable[..., Any])

_CHANNEL = click.option("--channel", type=click.Choice(["stable", "beta"]), help="The channel to release on.")
_SELECTION = (
    click.option("--notes-file", metavar="FILE", help="Markdown to add to the notes."),
    click.option("--ref", "refs", multiple=True, metavar="ID=REF", help="Another branch of a repository."),
    click.option("--repo", "repos", multiple=True, metavar="ID=SHA", help="A commit to pin, checked like any other."),
    click.option("--from", "source", metavar="TAG", help="Promote this beta: same commits, same bytes."),
    click.option("--tag", metavar="TAG", help="This version, instead of the next one."),
    click.option("--bump", type=click.Choice(["major", "minor", "patch"]), help="How far to raise the version."),
    click.option("--auto", is_flag=True, help="Continue what is under way, else select the commits."),
)


def planning_options(command: F) -> F:
    """The options of `plan`."""
    command = standard_options(command)
    for option in (*_SELECTION, _CHANNEL):
        command = option(command)
    return command


def train_options(command: F) -> F:
    """The options of `prepare` and `publish`: those of `plan`, or a plan file."""
    command = planning_options(command)
    for option in (
        click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing."),
        click.option("--watch", is_flag=True, help="Stay until it is done, instead of ending when others must act."),
        click.option("--plan", "plan_file", metavar="FILE", help="Carry out this plan file."),
    ):
        command = option(command)
    return command
