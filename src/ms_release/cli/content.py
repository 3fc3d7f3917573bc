"""`ms release content …`: the verbs of the product `content`."""

from __future__ import annotations

import click

from ms_release.cli.main import Lazy, content_verbs


@click.group(cls=Lazy, commands_at=content_verbs())
def content() -> None:
    """The product “content”: a bundle of pinned commits of several repositories.

    \b
    Example:
      ms release content publish --channel beta --auto --watch
    """
