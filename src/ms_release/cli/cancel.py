"""`cancel`: give a release up for good: its pull request closed, its run ended, its plan marked, its version burned."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Session, Settings, standard_options
from ms_release.cli.following import again

if TYPE_CHECKING:
    from ms_release.adapters.github_read import GitHubReader
    from ms_release.core.action import Ask, Watch
    from ms_release.core.observation import Observation
    from ms_release.core.train import Train


@click.command()
@click.argument("tag")
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever reads the history.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal.")
@standard_options
def cancel(settings: Settings, tag: str, reason: str, yes: bool) -> None:
    """Give up a release that is under way.

    Closes its pull request, ends its publishing run, and marks its plan as abandoned on the home branch: nobody can
    publish it any more, and its version is burned. Shows first what will happen, and asks for the tag. What is already
    published is refused. Stopped anywhere, the same command goes on.

    \b
    Example:
      ms release content cancel v1.2.0 --reason "the firmware does not start"
    """
    from ms_release.core.cancel import assumed, next_cancel
    from ms_release.operate import Operation, foresee
    from ms_release.render.text import action_lines

    session = Session(settings, "content")
    goal = _find(session, tag)
    if goal is None:
        settings.output.data(f"{tag}: nothing to cancel")
        settings.output.document({"verb": "cancel", "tag": tag, "nothing": True})
        return
    sight = _Sight(session.reader, goal)
    due, _ = foresee(sight, lambda facts: next_cancel(goal, facts, reason), lambda f, wait: assumed(goal, f, wait))
    if due and not yes:
        _confirm(tag, [f"{tag}, planned by @{goal.file.created_by}, will be given up:", *action_lines(due)])
    operation = Operation(sight, session.writer(), session.clock, session.output)
    done = operation.run(lambda facts: next_cancel(goal, facts, reason), watch=True)
    settings.output.data(done.message)
    performed = [each.key for each in operation.performed]
    following = settings.output.next(f"ms release {session.product.id} plan --channel {goal.plan.channel} --auto")
    told = {"verb": "cancel", "tag": tag, "digest": goal.file.digest, "performed": performed}
    settings.output.document({**told, "next": following})


class _Sight:
    """Looking at what is on the forge of one plan, for `cancel`."""

    def __init__(self, reader: GitHubReader, goal: Train) -> None:
        self._reader = reader
        self._goal = goal

    def look(self) -> Observation:
        return self._reader.look_to_cancel(self._goal)

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        return self._reader.answer(facts, self._goal, ask)

    def changed(self, watch: Watch) -> bool:
        return self._reader.changed(watch)


def _find(session: Session, tag: str) -> Train | None:
    """The plan of a tag, merged or on its branch; None where there is none.

    Raises UsageError for another product's plan, BlockedError for a release that is out and has none.
    """
    from ms_release.core.cancel import refused
    from ms_release.core.plan import parse_file, plan_path
    from ms_release.core.train import Train
    from ms_release.core.version import parse_tag
    from ms_release.errors import BlockedError, UsageError

    if parse_tag(tag) is None:
        raise UsageError(f"{tag!r} is not a version tag", remedy="Write vX.Y.Z or vX.Y.Z-beta.N.")
    reader = session.reader
    facts = reader.look_at_home(session.config, session.product)
    known = tag in facts.home.plans or f"release/{tag}" in facts.home.branches
    text = reader.read_plans(facts, (tag,)).get(tag) if known else None
    if text is None:
        if any(r.tag == tag and not r.draft for r in facts.home.releases):
            step = refused(session.product.id, tag)
            raise BlockedError(step.cause, remedy=step.remedy, next_command=step.next_command)
        return None
    goal = Train(session.config, session.product, parse_file(text.encode(), plan_path(tag)))
    if goal.plan.product != session.product.id:
        product = goal.plan.product
        raise UsageError(f"{tag} is a release of {product}", remedy="Name its product.")
    return goal


def _confirm(tag: str, lines: list[str]) -> None:
    from ms_release.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            f"nobody confirms that {tag} is given up: nothing was changed",
            remedy="There is no terminal to ask on: say --yes.",
            next_command=again({"--yes": ""}),
        )
    sys.stderr.write("\n".join([*lines, "", f"Type {tag} to give it up: "]))
    sys.stderr.flush()
    typed: Any = sys.stdin.readline().strip()
    if typed != tag:
        raise UsageError(
            "the tag was not typed: nothing was changed",
            remedy=f"Run the command again and type {tag}.",
            next_command=again(),
        )
