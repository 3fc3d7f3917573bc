"""`candidate prune`: remove candidates that no release names, each after one more look; says what it would do first."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ms_release.cli.output import clean
from ms_release.errors import BlockedError

if TYPE_CHECKING:
    from ms_release.adapters.candidate_use import Named
    from ms_release.cli.common import Session
    from ms_release.config import Repo
    from ms_release.core.candidate_use import Judged, Place


def run(session: Session, days: int, *, yes: bool) -> None:
    """List every candidate with why it stays, and remove those that nothing keeps if that was asked for."""
    pruning = Pruning(session, days)
    judged = pruning.look()
    rows = [row(each) for each in judged]
    performed: list[str] = []
    if yes:
        doomed = [each for each in judged if not each.stays]
        performed = pruning.remove(doomed)
    session.output.document({"product": session.product.id, "candidates": rows, "performed": performed})
    for each in judged:
        fate = each.stays or ("removed" if yes and _is_done(each, performed) else "would be removed")
        session.output.data(clean(f"{each.slug.partition('/')[2]:14.14}  {each.tag:24.24}  {fate}"[:80].rstrip()))
    doomed_count = sum(not each.stays for each in judged)
    if yes:
        session.output.data(f"{len(judged)} candidates, {sum(_is_done(e, performed) for e in judged)} removed")
    else:
        session.output.data(f"{len(judged)} candidates, {doomed_count} to remove; --yes removes them")


def row(judged: Judged) -> dict[str, Any]:
    """One candidate, as JSON has it."""
    return {
        "repo": judged.slug,
        "tag": judged.tag,
        "release_id": judged.release.id if judged.release else None,
        "stays": judged.stays or None,
    }


def _is_done(judged: Judged, performed: list[str]) -> bool:
    return not judged.stays and any(action.key in performed for action in judged.removal)


class Pruning:
    """The candidates of all configured repositories, and the releases that name them."""

    def __init__(self, session: Session, days: int) -> None:
        self._session = session
        self._days = days
        self._repos = {repo.slug: repo for repo in session.config.repos if repo.candidate is not None}
        self._named: Named | None = None

    def look(self) -> tuple[Judged, ...]:
        """Every candidate, judged. Names are read last: what is named meanwhile is not missed."""
        from ms_release.adapters.candidate_use import read_place

        client = self._session.client
        places = client.gather([partial(read_place, client, repo) for repo in self._repos.values()])
        return tuple(each for place in places for each in self._judge(place))

    def _judge(self, place: Place) -> tuple[Judged, ...]:
        from ms_release.adapters.answers import moment
        from ms_release.core.candidate_use import judge

        return judge(place, self._names().uses, moment(self._session.client.date), self._days)

    def _names(self) -> Named:
        """Who names what, read again whenever a branch that can name something has moved."""
        from ms_release.adapters.candidate_use import branch_state, read_named

        session = self._session
        if self._named is None or self._named.state != branch_state(session.client, session.config):
            self._named = read_named(session.client, session.reader, session.config)
        return self._named

    def remove(self, doomed: list[Judged]) -> list[str]:
        """Take candidates away, one after the other, each only if nothing keeps it now; the keys of what was done."""
        if self._names().config != self._session.config_blob:
            raise BlockedError(
                "this is not the configuration of the home branch: it may miss releases that name candidates",
                remedy="Type it with the configuration that counts.",
            )
        writer, output, performed = self._session.writer(), self._session.output, list[str]()
        for each in doomed:
            if (again := self._again(self._repos[each.slug], each)) is None:
                output.say(f"{each.tag} of {each.slug} stays: it is not as it was")
                continue
            for action in again.removal:
                output.act(action)
                writer.perform(action)
                performed.append(action.key)
        return performed

    def _again(self, repo: Repo, doomed: Judged) -> Judged | None:
        """The same candidate, looked at once more; None when something keeps it or it is not there any more."""
        from ms_release.adapters.candidate_use import read_place

        place = read_place(self._session.client, repo)
        ours = [j for j in self._judge(place) if j.tag == doomed.tag]
        same = [j for j in ours if not j.stays and j.release == doomed.release]
        return same[0] if len(ours) == len(same) == 1 else None
