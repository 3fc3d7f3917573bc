"""`policy audit`: look at the settings of every repository, judge them, and end as the findings demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ms_release.cli.common import Settings, connect, load_config
from ms_release.cli.escalating import escalating
from ms_release.errors import BlockedError, CredentialError

if TYPE_CHECKING:
    from ms_release.adapters.http import Client
    from ms_release.adapters.policy.read import PolicySeen
    from ms_release.config import Config, Repo
    from ms_release.core.model import Finding
    from ms_release.core.policy.base import Verdict

_TOLD = 50
"""Repositories that one escalation names."""


@dataclass
class Audited:
    """One audit: what was seen, and what the rules say about it by `owner/name`."""

    seen: PolicySeen
    verdicts: dict[str, tuple[Verdict, ...]]

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        from ms_release.core.policy.record import document

        effort = self.seen.effort
        cost = {"branch_rules": effort.branch_requests, "settings": effort.other_requests}
        found = document(self.verdicts, self.seen.now, self.seen.viewer)
        return {**found, "requests": cost, "seconds": round(effort.seconds, 1)}

    def findings(self, home: str) -> tuple[Finding, ...]:
        """What is escalated: one finding for all repositories, so that it stays one issue however many there are."""
        from ms_release.core.model import Finding

        bad = {slug: sorted({v.code for v in found if v.blocks}) for slug, found in self.verdicts.items()}
        told = [f"{slug}: {', '.join(codes)}" for slug, codes in bad.items() if codes]
        if not told:
            return ()
        more = f"; and {len(told) - _TOLD} more repositories" if len(told) > _TOLD else ""
        return (Finding("AUDIT", home, "FAIL", "; ".join(told[:_TOLD]) + more, "Type: ms release policy apply"),)

    def ending(self) -> BlockedError | CredentialError | None:
        """How the command ends when not everything is as it should be: 3 for findings, 5 where nothing can be told."""
        blocking = [(slug, v) for slug, found in self.verdicts.items() for v in found if v.blocks]
        if not blocking:
            return None
        failed = sum(1 for _, verdict in blocking if verdict.outcome == "FAIL")
        unread = {slug for slug, verdict in blocking if verdict.outcome == "UNKNOWN"}
        if not failed and len(unread) == len(self.verdicts):
            needed = sorted({v.permission for _, v in blocking if v.permission})
            return CredentialError(
                f"this token can tell of none of {len(self.verdicts)} repositories whether it is protected",
                remedy=f"Use a token of an administrator, with {', '.join(needed)}.",
                next_command="ms release policy audit",
            )
        unknown = f", that could not be read: {len(blocking) - failed}" if len(blocking) > failed else ""
        places = len({slug for slug, _ in blocking})
        return BlockedError(
            f"rules that do not hold: {failed}{unknown}; in {places} of {len(self.verdicts)} repositories",
            remedy="Repair them, or write down a waiver with an expiry date.",
            next_command="ms release policy apply",
        )


def chosen(config: Config, names: tuple[str, ...]) -> tuple[Repo, ...]:
    """The repositories that are meant, by id or `owner/name`; all of them when none is named. Raises UsageError."""
    slugs = {repo.slug: repo for repo in config.repos}
    return tuple(dict.fromkeys(slugs.get(name) or config.repo(name) for name in names)) or config.repos


def look(settings: Settings, config: Config, client: Client, names: tuple[str, ...]) -> Audited:
    """Read and judge."""
    from ms_release.adapters.policy.read import PolicyReader
    from ms_release.core.policy.rules import judge

    repos = chosen(config, names)
    seen = PolicyReader(client, settings.output.say).look(config, repos)
    verdicts = {repo.slug: judge(config, repo, seen.repos[repo.id], seen.now) for repo in repos}
    effort = seen.effort
    settings.output.say(
        f"requests for the rules of branches: {effort.branch_requests}, for other settings: {effort.other_requests}, "
        f"in {effort.seconds:.1f} s"
    )
    return Audited(seen, verdicts)


def run(settings: Settings, names: tuple[str, ...], *, record: bool, open_issue: bool) -> None:
    """Audit, bring the record home where that is wanted. Raises what `Audited.ending` says."""
    from ms_release.render.policy import audit_text

    _, config = load_config(settings.config_file)
    settings.output.config = config
    client = connect(config.forge.url, settings.output)
    found = look(settings, config, client, names)
    settings.output.data(audit_text(found.verdicts, every=settings.output.verbose > 0))
    document = found.document()
    ending = found.ending()
    if record and not isinstance(ending, CredentialError):
        from ms_release.cli.policy_record import bring

        settings.output.hold(document)
        document["record"] = bring(settings, config, client, found.seen, found.verdicts)
    if ending is not None:
        settings.output.hold(document)
        ending.findings = found.findings(config.config.home)
        with escalating(settings.output, config, lambda: client, open_issue=open_issue):
            raise ending
    settings.output.document(document)
