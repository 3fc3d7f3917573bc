"""`status`: where each product's release stands, what it waits for, who acts next, and what to type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Session, Settings, load_config, standard_options
from ms_release.cli.following import here

if TYPE_CHECKING:
    from ms_release.core.action import Next


@click.command()
@click.option("--watch", is_flag=True, help="Keep looking until nothing is under way.")
@standard_options
def status(settings: Settings, watch: bool) -> None:
    """Say where every product's release stands.

    \b
    Example:
      ms release status
    """
    products = [p.id for p in load_config(settings.config_file)[1].products]
    sessions = [Session(settings, id) for id in products]
    pause = 1.0
    while True:
        rows = [row for session in sessions for row in _rows(session)]
        busy = any(row["state"] != "released" for row in rows)
        if not (watch and busy):
            break
        settings.output.wait("; ".join(f"{row['tag']}: {row['state']}" for row in rows if row["state"] != "released"))
        sessions[0].clock.sleep(pause)
        pause = min(pause * 1.5, 15.0)
    for row in rows:
        settings.output.data(_text(row))
    settings.output.document({"releases": rows})


def _rows(session: Session) -> list[dict[str, Any]]:
    from ms_release.core import unfinished
    from ms_release.core.version import parse_tag

    reader = session.reader
    facts = reader.look_at_home(session.config, session.product)
    rows = []
    published = sorted(v for v in (parse_tag(r.tag) for r in facts.home.releases if not r.draft) if v)
    for channel in ("stable", "beta"):
        newest = [v for v in published if v.channel == channel]
        if newest:
            rows.append(_row(session, newest[-1].tag, "released", f"the newest {channel} release", "", ""))
    under_way = (*unfinished.unrecorded_tags(facts), *unfinished.open_tags(facts))
    rows += [_under_way(session, tag) for tag in under_way]
    if not rows:
        rows.append(
            _row(
                session,
                "",
                "released",
                "no release yet",
                "a maintainer",
                f"ms release {session.product.id} plan --channel beta --auto",
            )
        )
    return rows


def _under_way(session: Session, tag: str) -> dict[str, Any]:
    from ms_release.core.action import Ask
    from ms_release.core.plan import parse_file, plan_path
    from ms_release.core.publish import next_publish
    from ms_release.core.train import Train

    reader = session.reader
    home = reader.look_at_home(session.config, session.product)
    text = reader.read_plans(home, (tag,)).get(tag)
    if text is None:
        return _row(
            session,
            tag,
            "started",
            "its branch exists, its plan is not committed yet",
            "whoever started it",
            f"ms release {session.product.id} prepare --channel {_channel(tag)} --auto",
        )
    goal = Train(session.config, session.product, parse_file(text.encode(), plan_path(tag)))
    facts = reader.look(goal)
    while isinstance(step := next_publish(goal, facts), Ask):
        facts = reader.answer(facts, goal, step)
    again = f"ms release {session.product.id} publish --channel {goal.plan.channel} --auto --watch"
    return _describe(session, tag, step, again, goal.file.created_by)


def _describe(session: Session, tag: str, step: Next, again: str, planner: str) -> dict[str, Any]:
    from ms_release.core.action import Act, Blocked, Wait

    match step:
        case Act():
            return _row(
                session, tag, "under way", f"next: {step.actions[0].key}", f"@{planner} or another maintainer", again
            )
        case Wait() if step.awaited == "approval":
            return _row(
                session, tag, "waiting", step.reason, step.who, f"ms release {session.product.id} approve {tag}"
            )
        case Wait():
            return _row(session, tag, "waiting", step.reason, step.who, again)
        case Blocked():
            # what has moved for good and names no way out: given up, so that the next version can be planned
            out = f"ms release {session.product.id} cancel {tag}" if step.stale else again
            following = step.next_command if step.next_command.count(" ") > 2 else out
            return _row(session, tag, "blocked", step.cause, step.remedy, following)
        case _:
            return _row(session, tag, "released", "", "", "")


def _row(session: Session, tag: str, state: str, reason: str, who: str, command: str) -> dict[str, Any]:
    return {
        "product": session.product.id,
        "tag": tag,
        "state": state,
        "reason": reason,
        "who": who,
        "next": here(command),
    }


def _channel(tag: str) -> str:
    return "beta" if "-beta." in tag else "stable"


def _text(row: dict[str, Any]) -> str:
    from ms_release.core.sanitize import terminal_line

    lines = [
        f"{row['product']} {row['tag']}: {row['state']}"
        + (f" ({terminal_line(row['reason'])})" if row["reason"] else "")
    ]
    lines += [f"  who:  {terminal_line(row['who'])}"] if row["who"] else []
    lines += [f"  next: {row['next']}"] if row["next"] else []
    return "\n".join(lines)
