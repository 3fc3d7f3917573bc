"""`candidate list`: which commits of which component already have their artifacts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ms_release.cli.output import clean
from ms_release.config import Repo
from ms_release.core.candidate import candidate_tag
from ms_release.core.observation import CandidateQuestion, Commit, Ready, RepoFacts, Run
from ms_release.core.sanitize import commit_subject
from ms_release.core.selection import judge

if TYPE_CHECKING:
    from ms_release.cli.common import Session

GREEN = 5


def run(session: Session) -> None:
    """Print one line per commit: the tip and the newest green ones of every component."""
    rows = survey(session)
    session.output.document({"product": session.product.id, "candidates": rows})
    width = max((len(row["repo"]) for row in rows), default=0)
    for row in rows:
        line = f"{row['repo']:{width}}  {row['sha'][:12]}  {row['state']:10}  {row['checks']:7}  {row['subject']}"
        session.output.data(clean(line[:80].rstrip()))
        for problem in row["problems"]:
            session.output.data(clean(f"{'':{width}}  {problem}"))


def survey(session: Session) -> list[dict[str, Any]]:
    """The rows, as JSON has them."""
    from ms_release.adapters import candidates
    from ms_release.adapters.http import Refused
    from ms_release.adapters.runs import read_runs
    from ms_release.cli.common import cache_directory

    client, cache = session.client, candidates.Cache(cache_directory() / "candidates")
    facts = session.reader.survey(session.config, session.product)
    wanted = [(r, c) for r in session.config.components(session.product) for c in _commits(r, facts.repos[r.id])]
    asked = [partial(candidates.find, client, cache, facts.repos[r.id], _question(r, c)) for r, c in wanted]
    found = client.gather(asked)

    def runs_of(repo: Repo) -> tuple[Run, ...]:
        assert repo.candidate is not None
        try:
            return read_runs(client, repo.slug, repo.candidate.workflow)
        except Refused as error:
            if error.status != 404:
                raise
            return ()

    unfinished = {
        repo.id: repo for (repo, _), ready in zip(wanted, found, strict=True) if ready is None or ready.problems
    }
    runs = dict(zip(unfinished, client.gather([partial(runs_of, r) for r in unfinished.values()]), strict=True))
    return [
        _row(repo, commit, ready, runs.get(repo.id, ()), facts.repos[repo.id].head)
        for (repo, commit), ready in zip(wanted, found, strict=True)
    ]


def _commits(repo: Repo, facts: RepoFacts) -> tuple[Commit, ...]:
    green = [c.sha for c in facts.commits if not judge(c, repo.checks)[0]][:GREEN]
    return tuple(c for number, c in enumerate(facts.commits) if number == 0 or c.sha in green)


def _question(repo: Repo, commit: Commit) -> CandidateQuestion:
    assert repo.candidate is not None
    return CandidateQuestion(candidate_tag(repo.id, commit.sha, None), commit.sha, repo.candidate.visibility)


def _row(repo: Repo, commit: Commit, ready: Ready | None, runs: tuple[Run, ...], head: str | None) -> dict[str, Any]:
    tag = candidate_tag(repo.id, commit.sha, None)
    problem = judge(commit, repo.checks)[0]
    building = [r for r in runs if r.title == f"Candidate {tag}" and r.status != "completed"]
    if ready is not None and not ready.problems:
        state = "ready"
    elif building:
        state = "building"
    else:
        state = "missing" if ready is None else "incomplete"
    return {
        "repo": repo.id,
        "slug": repo.slug,
        "sha": commit.sha,
        "tip": commit.sha == head,
        "subject": commit_subject(commit.subject),
        "checks": problem.partition(":")[0] or "green",
        "tag": tag,
        "state": state,
        "release_id": ready.release.id if ready else None,
        "run": building[0].url if building else None,
        "problems": list(ready.problems) if ready else [],
    }
