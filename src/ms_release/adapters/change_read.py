"""Looking at one set of files on its way through a pull request, and at nothing else."""

from __future__ import annotations

from ms_release.adapters import answers_graph as graph
from ms_release.adapters import queries
from ms_release.adapters.answers import moment
from ms_release.adapters.asking import ask
from ms_release.adapters.facts import change_of, part_of
from ms_release.adapters.http import Client
from ms_release.adapters.queries import Query
from ms_release.adapters.runs import read_concluded
from ms_release.core.action import Ask, Watch
from ms_release.core.change import Change
from ms_release.core.observation import Home, Observation
from ms_release.errors import UsageError


class ChangeSight:
    """One look: the branch, its pull request with the checks, the files there and on the base."""

    def __init__(self, client: Client, change: Change) -> None:
        self._client = client
        self._change = change

    def look(self) -> Observation:
        """The facts now. Raises UsageError when the base branch does not exist, and what the client raises."""
        change, query = self._change, Query()
        paths = tuple(file.path for file in change.files)
        head = f"head: ref(qualifiedName: {query.value(f'refs/heads/{change.base}')}) {{ target {{ oid }} }}"
        on_way = queries.change(query, "change", change.base, change.branch, paths)
        query.repository("home", change.repo, f"{head} {on_way}")
        answer = ask(self._client, query)
        part = part_of(answer, "home", change.repo)
        base = graph.optional(part.get("head"), graph.RefNode, "the home branch")
        if base is None or base.target is None:
            raise UsageError(
                f"{change.repo} has no branch {change.base}", remedy="Check `branch` in the configuration."
            )
        viewer = graph.convert(answer.data.get("viewer"), graph.Login, "the viewer").login
        now = moment(self._client.date).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        home = Home(
            change.repo, change.base, base.target.oid, config_blob=None, audit=None, plans=(), specs=(), ledger=(),
            branches=(), tags={}, releases=(),
        )  # fmt: skip
        return Observation(now, viewer, home, {}, audit_change=change_of(part, "change", change.branch, paths))

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        """Nothing is ever asked for on the way of a change."""
        raise AssertionError(f"{ask.what} of {facts.home.slug} was asked for")

    def changed(self, watch: Watch) -> bool:
        """Whether a watched check has concluded."""
        return watch.concluded != read_concluded(self._client, watch.repo, watch.id)
