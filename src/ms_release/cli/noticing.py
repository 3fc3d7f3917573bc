"""What `plan` and `prepare` notice beside the gates: nothing of it forbids a release, somebody should hear of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ms_release.cli.common import Session
    from ms_release.core.model import Finding


def token_warnings(session: Session, login: str = "") -> tuple[Finding, ...]:
    """The cheap part of `preflight`: what the answers so far have told of the token. Asks for nothing itself."""
    from ms_release.adapters.answers import moment
    from ms_release.core.preflight import warnings
    from ms_release.core.preflight_facts import Token

    client = session.client
    if not client.date:
        return ()  # nothing was asked yet: a plan from a file
    token = Token(client.token_kind(login), login, client.expires, dict(client.left))
    return warnings(token, moment(client.date).isoformat())
