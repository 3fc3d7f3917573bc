"""`publish`: the publishing run, the approval it waits for, the comparison, and the evidence."""

from __future__ import annotations

from typing import Any

import click

from ms_release.cli.common import Settings
from ms_release.cli.options import train_options


@click.command()
@train_options
def publish(settings: Settings, **options: Any) -> None:
    """Publish a prepared release, as soon as a release manager approves it.

    Prepares if that is not done, seals, starts the publishing run, and waits: without an approval nothing is published.
    Then compares what is published with the plan and records it. Stopped anywhere, the same command goes on.

    \b
    Examples:
      ms release publish --channel beta --auto --watch
      ms release publish --plan .ms/content-v1.2.0.plan.json
    """
    from ms_release.cli.trains import carry_out
    from ms_release.core.publish import next_publish

    carry_out(settings, options, "publish", next_publish)
