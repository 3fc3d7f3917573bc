"""`rollback`: back to an earlier release, as a plan like any other: its bytes again, under a higher version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Settings, standard_options

if TYPE_CHECKING:
    from ms_release.cli.common import Session
    from ms_release.cli.planner import Continued
    from ms_release.cli.trains import Found
    from ms_release.errors import BlockedError


@click.command()
@click.option("--to", "source", required=True, metavar="TAG", help="The published release to go back to.")
@click.option("--reason", required=True, metavar="TEXT", help="Why: it stands in the plan and in the incident note.")
@click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")
@click.option("--watch", is_flag=True, help="Stay until it is done, instead of ending when others must act.")
@standard_options
def rollback(settings: Settings, source: str, reason: str, **options: Any) -> None:
    """Go back to an earlier release.

    Clients take the highest version, so its commits and its very bytes are published again under a higher one: planned,
    merged, approved and recorded as any release is, with an incident note. Nothing is deleted and no tag moves. Stopped
    anywhere, the same command goes on.

    \b
    Example:
      ms release content rollback --to v1.1.0 --reason "1.2.0 loses presets"
    """
    from ms_release.cli.trains import carry_out
    from ms_release.core.publish import next_publish
    from ms_release.core.sanitize import terminal_line
    from ms_release.errors import UsageError

    said = terminal_line(reason).strip()
    if not said or len(said) > 500:
        raise UsageError("a rollback needs a reason of one line", remedy="Say in a sentence what is wrong.")
    # not `auto`: where somebody else's plan takes the version, theirs may be no rollback, and is not carried out
    options |= {"source": source, "reason": said, "auto": False}
    carry_out(settings, options, "rollback", next_publish, _find)


def _find(session: Session, options: dict[str, Any]) -> Found:
    """The rollback that is under way, or a new one; a text where the newest release is what is asked for."""
    from ms_release.cli.planner import Continued, Planned, Planner
    from ms_release.cli.trains import settle
    from ms_release.core.planning import Intent
    from ms_release.core.predict import predict
    from ms_release.core.version import parse_tag
    from ms_release.errors import UsageError
    from ms_release.render.text import plan_text

    version = parse_tag(options["source"])
    if version is None:
        raise UsageError(f"--to {options['source']!a} is not a version tag", remedy="Write vX.Y.Z or vX.Y.Z-beta.N.")
    intent = Intent(version.channel, auto=True, source=version.tag, rollback=options["reason"])
    found = Planner(session, intent, {}, replan=True).plan()
    if isinstance(found, Continued) and (found.goal.plan.mode, found.goal.plan.source) != ("rollback", version.tag):
        raise _busy(found)
    if isinstance(found, Planned):
        actions = predict(found.goal, found.facts)
        session.output.data(plan_text(found.goal.file, found.draft.findings, actions))
    return settle(session, found)


def _busy(found: Continued) -> BlockedError:
    """Another release stands in the way, published and not recorded, or not published yet."""
    from ms_release.errors import BlockedError

    plan = found.goal.plan
    if found.facts is None:
        return BlockedError(
            f"{plan.tag} is published and not recorded yet",
            remedy="Record it first: a rollback is counted from it.",
            next_command=f"ms release {plan.product} publish --channel {plan.channel} --auto --watch",
        )
    return BlockedError(
        f"{plan.tag} is under way",
        remedy="Give it up first, or finish it.",
        next_command=f"ms release {plan.product} cancel {plan.tag}",
    )
