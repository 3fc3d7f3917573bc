"""`announce`: a published and recorded release gets its links, decisions and capsules into its body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ms_release.cli.common import Session, Settings, standard_options
from ms_release.cli.following import without

if TYPE_CHECKING:
    from ms_release.adapters.github_read import GitHubReader
    from ms_release.core.action import Ask, Watch
    from ms_release.core.observation import Observation
    from ms_release.core.train import Train


@click.command()
@click.argument("tag", required=False)
@click.option("--dry-run", is_flag=True, help="Print the block; write nothing.")
@standard_options
def announce(settings: Settings, tag: str | None, dry_run: bool) -> None:
    """Write links to files, records and changes into a published release.

    The release's body gets one marked block: artifacts with their digests, plan, spec, notes and ledger entry, what
    changed, and the Decision-IDs and capsules that commits name. Everything around the block stays as it is; typed
    again, the block is brought up to date. Without a tag, the newest published release.

    \b
    Examples:
      ms release content announce v1.2.0 --dry-run
      ms release content announce
    """
    from ms_release.cli.approve import read_train
    from ms_release.cli.verify import tags_of
    from ms_release.core.announce import next_announce
    from ms_release.operate import Operation

    session = Session(settings, "content")
    home = session.reader.look_at_home(session.config, session.product).home
    (chosen,) = tags_of(home, {}, tag, every=False)
    goal = read_train(session, chosen)
    sight = _Sight(session.reader, goal)
    if dry_run:
        _foretell(settings, goal, sight)
        return
    operation = Operation(sight, session.writer(), session.clock, session.output)
    done = operation.run(lambda facts: next_announce(goal, facts), watch=False)
    performed = [each.key for each in operation.performed]
    settings.output.data(done.message + ("" if performed else ": nothing to do"))
    due = settings.output.next(f"ms release {goal.plan.product} verify {chosen}")
    settings.output.document({"verb": "announce", "tag": chosen, "performed": performed, "next": due})


class _Sight:
    """Looking at a published release, its digests and its ledger entry."""

    def __init__(self, reader: GitHubReader, goal: Train) -> None:
        self._reader = reader
        self._goal = goal

    def look(self) -> Observation:
        from ms_release.core.plan import ledger_path
        from ms_release.core.publish import published

        facts = self._reader.look(self._goal, components=False)
        if (released := published(self._goal, facts)) is not None:
            facts = self._reader.add_digests(facts, released)
        return self._reader.add_texts(facts, (ledger_path(self._goal.plan.tag),))

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        raise AssertionError(f"an announcement at {facts.home.slug} needs no {ask.what}")

    def changed(self, watch: Watch) -> bool:
        raise AssertionError(f"an announcement waits for nothing, not for {watch.kind}")


def _foretell(settings: Settings, goal: Train, sight: _Sight) -> None:
    """The dry run; where the real one could not go on, it ends as that would."""
    from ms_release.core.action import Blocked, EditRelease, Wait
    from ms_release.core.announce import next_announce
    from ms_release.core.announcement import announced
    from ms_release.core.publish import published
    from ms_release.operate import ending

    facts = sight.look()
    step = next_announce(goal, facts)
    if isinstance(step, Wait | Blocked):
        raise ending(step)
    released = published(goal, facts)
    edits = [each for each in getattr(step, "actions", ()) if isinstance(each, EditRelease)]
    text = announced(edits[0].body if edits else released.body if released else "")
    settings.output.data(text if edits else f"{text}\n{goal.plan.tag} is announced: nothing to do")
    due = settings.output.next(without("--dry-run"))
    keys = [each.key for each in edits]
    settings.output.document({"verb": "announce", "tag": goal.plan.tag, "block": text, "actions": keys, "next": due})
