"""`prepare`: candidates built, and the plan merged into the home repository."""

from __future__ import annotations

from typing import Any

import click

from ms_release.cli.common import Settings
from ms_release.cli.options import train_options


@click.command()
@train_options
def prepare(settings: Settings, **options: Any) -> None:
    """Build missing candidates and bring the plan into the home repository.

    Dispatches what is not built yet, opens the release pull request, and merges it once its checks are green. Nothing
    is published. Stopped anywhere, the same command goes on.

    \b
    Examples:
      ms release prepare --channel beta --auto --watch
      ms release prepare --plan .ms/content-v1.2.0.plan.json
    """
    from ms_release.cli.trains import carry_out
    from ms_release.core.prepare import next_prepare

    carry_out(settings, options, "prepare", next_prepare)
