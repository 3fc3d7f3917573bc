"""`policy audit` and `policy apply`: the rules of every repository against its settings, and the repair of drift."""

from __future__ import annotations

import click

from ms_release.cli.common import Settings, standard_options
from ms_release.cli.escalating import issue_option


@click.group()
def policy() -> None:
    """The protections that a release stands on: see what is missing, repair it.

    \b
    Example:
      ms release policy audit
    """


@policy.command()
@click.argument("repos", nargs=-1, metavar="[REPO]...")
@click.option("--record", is_flag=True, help="Bring the audit into the home repository, by pull request.")
@issue_option
@standard_options
def audit(settings: Settings, repos: tuple[str, ...], record: bool, open_issue: bool) -> None:
    """Hold every repository's protections to the rules; changes nothing.

    Shows what does not hold, or could not be read and with which permission it
    could; -v shows everything. REPO is an id or OWNER/NAME. With --record the
    result goes where the gates look for it.

    \b
    Example:
      ms release policy audit core distribution
    """
    from ms_release.cli.policy_audit import run

    run(settings, repos, record=record, open_issue=open_issue)


@policy.command()
@click.argument("repos", nargs=-1, metavar="[REPO]...")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@standard_options
def apply(settings: Settings, repos: tuple[str, ...], yes: bool) -> None:
    """Repair what does not hold, and nothing else; shows it first, and asks.

    A rule is repaired in the layer that carries it already: classic protection
    stays classic, a ruleset is edited in place. Where there is nothing, rulesets
    are made. Audits again at the end; a second time changes nothing.

    \b
    Example:
      ms release policy apply core
    """
    from ms_release.cli.policy_apply import run

    run(settings, repos, yes=yes)
