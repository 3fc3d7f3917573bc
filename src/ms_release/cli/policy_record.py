"""`policy audit --record`: the audit's result on its way into the home repository, by pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ms_release.cli.common import Settings
from ms_release.errors import CredentialError, UsageError, WaitingError

if TYPE_CHECKING:
    from ms_release.adapters.http import Client
    from ms_release.adapters.policy.read import PolicySeen
    from ms_release.config import Config
    from ms_release.core.action import Next
    from ms_release.core.observation import Observation
    from ms_release.core.policy.record import Verdicts


def bring(settings: Settings, config: Config, client: Client, seen: PolicySeen, verdicts: Verdicts) -> dict[str, Any]:
    """Bring the record in and wait for its checks; what was done, for `--json`.

    Raises UsageError when not all repositories were audited, WaitingError where a maintainer must merge it, and
    whatever ends a change otherwise than well.
    """
    from ms_release.adapters.change_read import ChangeSight
    from ms_release.adapters.github_write import GitHubWriter
    from ms_release.adapters.system import Clock
    from ms_release.core.action import Act, MergePullRequest
    from ms_release.core.change import next_change
    from ms_release.core.policy.record import record, record_change
    from ms_release.operate import Operation

    if len(verdicts) < len(config.repos):
        raise UsageError("a record is of all repositories", remedy="Name none.")
    file = record(verdicts, seen.now, seen.viewer)
    change = record_change(config, file, seen.now)

    merging = ""

    def decide(facts: Observation) -> Next:
        nonlocal merging
        assert facts.audit_change is not None
        step = next_change(change, facts.audit_change, facts.home.head)
        pull = facts.audit_change.pull
        merges = isinstance(step, Act) and any(isinstance(each, MergePullRequest) for each in step.actions)
        merging = pull.url if pull is not None and merges else ""
        return step

    operation = Operation(ChangeSight(client, change), GitHubWriter(client), Clock(), settings.output)
    try:
        done = operation.run(decide, watch=True)
    except CredentialError:
        if not merging:
            raise
        raise WaitingError(
            f"waiting for a maintainer to merge {merging}",
            remedy=f"Its checks are green, and only {config.roles.maintainers} may merge it; then the gates read it.",
        ) from None
    settings.output.data(f"{file.path} of {change.repo}: {done.message}")
    return {"branch": change.branch, "performed": [each.key for each in operation.performed]}
