"""`preflight`: everything that can be known about a release before its first write. Changes nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Session, Settings, cache_directory, load_config, standard_options
from ms_release.cli.escalating import escalating, issue_option
from ms_release.errors import BlockedError, CredentialError, MachineError, MsError

if TYPE_CHECKING:
    from ms_release.core.model import Finding


@click.command()
@issue_option
@standard_options
def preflight(settings: Settings, open_issue: bool) -> None:
    """Look whether a release would go through, and say what to mend.

    Token, permissions, gates, reviewers, workflows, keys, this machine: each failure comes with its exact fix. Nothing
    is written, here or on the forge.

    \b
    Example:
      ms release preflight
    """
    products = [product.id for product in load_config(settings.config_file)[1].products]
    sessions = [Session(settings, id) for id in products]
    with escalating(settings.output, sessions[0].config, lambda: sessions[0].client, open_issue=open_issue):
        findings = tuple(dict.fromkeys(found for session in sessions for found in _look(session)))
        _end(settings, findings)


def _look(session: Session) -> tuple[Finding, ...]:
    from ms_release.adapters.preflight_read import PreflightReader, measured
    from ms_release.core.preflight import evaluate

    places = dict.fromkeys((Path(), cache_directory()))
    reader = PreflightReader(session.client, session.reader, session.output.say)
    measure = partial(measured, session.clock.now, places)
    return evaluate(reader.look(session.config, session.product, session.config_blob, measure))


def _end(settings: Settings, findings: tuple[Finding, ...]) -> None:
    from ms_release.core.preflight import exit_code
    from ms_release.render.preflight import preflight_text

    output = settings.output
    output.data(preflight_text(findings))
    names = ("code", "subject", "outcome", "message", "remedy")
    document: dict[str, Any] = {"gates": [{name: getattr(f, name) for name in names} for f in findings]}
    blocking = tuple(f for f in findings if f.blocks)
    if not blocking:
        output.data("\nready: nothing that can be known forbids a release")
        document["next"] = output.next("ms release plan --channel beta --auto")
        output.document(document)
        return
    output.hold(document)
    code = exit_code(findings)
    first = next(f for f in blocking if exit_code((f,)) == code)
    count = f"; and {len(blocking) - 1} more" if len(blocking) > 1 else ""
    kind: type[MsError] = {5: CredentialError, 3: BlockedError, 6: MachineError}[code]
    raise kind(f"{first.code} {first.subject}: {first.message}{count}", remedy=first.remedy, findings=blocking)
