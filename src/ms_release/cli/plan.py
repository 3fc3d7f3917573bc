"""`plan`: observe, select, judge, and write down what a release would be. Reads only; a read token is enough."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Session, Settings
from ms_release.cli.escalating import escalating, issue_option, open_issues
from ms_release.cli.options import planning_options
from ms_release.core.planning import Intent
from ms_release.errors import BlockedError, UsageError, WaitingError

if TYPE_CHECKING:
    from ms_release.cli.planner import Continued, Nothing, Planned
    from ms_release.core.model import Finding


@click.command()
@planning_options
@issue_option
@click.option("--out", metavar="FILE", help="Where to write the plan (default .ms/PRODUCT-TAG.plan.json).")
def plan(settings: Settings, out: str | None, open_issue: bool, **options: Any) -> None:
    """Choose the commits of a release and say why; write the plan.

    Nothing on the forge changes. The plan shows each pin with its reason, each gate with its verdict, and every effect
    that prepare and publish will have.

    \b
    Examples:
      ms release plan --channel beta --auto
      ms release plan --channel beta --auto --repo core=<commit>
    """
    from ms_release.cli.planner import Planner, parse_pairs

    session = Session(settings, "content")
    intent = make_intent(options)
    with escalating(session.output, session.config, lambda: session.client, open_issue=open_issue):
        found = Planner(session, intent, parse_pairs(options["refs"], "--ref"), replan=True).plan()
        noticed = _end(session, found, out)
    if open_issue and noticed:
        open_issues(session.output, session.config, session.client, noticed)


def _end(session: Session, found: Planned | Continued | Nothing, out: str | None) -> tuple[Finding, ...]:
    """Show what was found; what was noticed that forbids nothing."""
    from ms_release.cli.planner import Continued, Nothing

    match found:
        case Nothing():
            session.output.data(f"nothing to release: {found.tag} is exactly what would be released now")
            session.output.document({"nothing": found.tag})
            return ()
        case Continued():
            under_way = found.goal.plan
            raise WaitingError(
                f"{under_way.tag} is under way",
                remedy="Finish it first; its plan is continued, not made again.",
                next_command=f"ms release {under_way.product} publish --channel {under_way.channel} --auto --watch",
            )
        case _:
            return _show(session, found, out)


def make_intent(options: dict[str, Any]) -> Intent:
    """The operator's words as an intent. Raises UsageError for words that contradict each other."""
    from ms_release.cli.planner import parse_shas, read_notes

    if options["channel"] is None:
        raise UsageError("no channel is named", remedy="Say --channel beta or --channel stable.")
    if options["source"] and (options["channel"] != "stable" or options["repos"]):
        raise UsageError(
            "--from promotes a beta to stable as it is", remedy="Use it with --channel stable and without --repo."
        )
    if options["tag"] and options["bump"]:
        raise UsageError("--tag and --bump both say the version", remedy="Say one of them.")
    for option, tag in (("--tag", options["tag"]), ("--from", options["source"])):
        _check_tag(option, tag)
    return Intent(
        channel=options["channel"],
        auto=options["auto"],
        bump=options["bump"],
        tag=options["tag"],
        source=options["source"],
        explicit=parse_shas(options["repos"]),
        notes=read_notes(options["notes_file"]),
    )


def _check_tag(option: str, tag: str | None) -> None:
    """Before anything is asked of the forge: whether what was typed can be a version."""
    from ms_release.core.version import parse_tag

    if tag is None:
        return
    version = parse_tag(tag)
    if version is None:
        raise UsageError(f"{option} {tag!a} is not a version tag", remedy="Write vX.Y.Z or vX.Y.Z-beta.N.")
    if option == "--from" and version.beta is None:
        raise UsageError(f"--from {tag} is no beta", remedy="Name a beta that is out: v1.2.0-beta.3.")


def _show(session: Session, found: Planned, out: str | None) -> tuple[Finding, ...]:
    from ms_release.adapters.files import write_private
    from ms_release.cli.noticing import token_warnings
    from ms_release.core.predict import keys, predict
    from ms_release.render.text import notice_lines, plan_text

    file = found.goal.file
    actions = predict(found.goal, found.facts)
    path = Path(out or f".ms/{file.plan.product}-{file.plan.tag}.plan.json")
    write_private(path, file.data)
    output = session.output
    noticed = (*found.draft.noticed, *token_warnings(session, found.facts.viewer))
    output.data(plan_text(file, found.draft.findings, actions))
    if noticed:
        output.data("\n".join(("", "Noticed, and no obstacle", *notice_lines(noticed))))
    # A local configuration may plan, marked so (SPEC 5); every other gate that does not pass is an ending of its own.
    marked = [f for f in found.draft.blocking if f.code == "CONFIG"]
    blocking = [f for f in found.draft.blocking if f not in marked]
    gates = [(f.code, f.subject, f.outcome, f.message) for f in found.draft.findings]
    document: dict[str, Any] = {
        "plan": str(path),
        "digest": file.digest,
        "tag": file.plan.tag,
        "pins": [{"repo": p.repo, "sha": p.sha, "select": p.select, "reason": p.reason} for p in file.plan.pins],
        "gates": [dict(zip(("code", "subject", "outcome", "message"), gate, strict=True)) for gate in gates],
        "blocked": bool(found.draft.blocking),
        "actions": keys(actions),
        "noticed": [
            dict(zip(("code", "subject", "message"), (f.code, f.subject, f.message), strict=True)) for f in noticed
        ],
    }
    if blocking:
        output.hold(document)
        first = blocking[0]
        count = f"{len(blocking)} gates forbid" if len(blocking) > 1 else "a gate forbids"
        raise BlockedError(
            f"{count} {file.plan.tag}: {first.code} {first.subject}: {first.message}",
            remedy=first.remedy,
            findings=(*blocking, *noticed),
        )
    output.data(f"\nwritten to {path}")
    if marked:
        output.data(f"marked: {marked[0].message}; prepare and publish refuse it")
    else:
        prepare = f"ms release {file.plan.product} prepare --plan {shlex.quote(str(path))} --watch"
        document["next"] = output.next(prepare)
    if escalations := output.escalate(noticed):
        document["escalations"] = escalations
    output.document(document)
    return noticed
