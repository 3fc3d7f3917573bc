"""`candidate list`: which commits of which component already have their artifacts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ms_release.cli.output import clean
from ms_release.config import Repo
from ms_release.core.candidate_identity import question
from ms_release.core.model import Pin
from ms_release.core.observation import CandidateQuestion, Commit, Observation, Ready, RepoFacts, Run
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
        used = f" [{row['used_by'][-1]}]" if row["used_by"] else ""
        line = f"{row['repo']:{width}}  {row['sha'][:12]}  {row['state']:10}  {row['checks']:7} {used} {row['subject']}"
        session.output.data(clean(line[:80].rstrip()))
        for problem in row["problems"]:
            session.output.data(clean(f"{'':{width}}  {problem}"))


def survey(session: Session) -> list[dict[str, Any]]:
    """The rows, as JSON has them."""
    from ms_release.adapters import candidates
    from ms_release.adapters.candidate_use import read_named
    from ms_release.adapters.http import Refused
    from ms_release.adapters.runs import read_runs
    from ms_release.cli.common import cache_directory

    client, cache = session.client, candidates.Cache(cache_directory() / "candidates")
    facts = session.reader.survey(session.config, session.product)
    wanted = [(r, c) for r in session.config.components(session.product) for c in _commits(r, facts.repos[r.id])]
    asked = _questions(session, facts, wanted)
    tasks = [
        partial(candidates.find, client, cache, facts.repos[r.id], one)
        for (r, _), one in zip(wanted, asked, strict=True)
    ]
    found = client.gather(tasks)
    uses = read_named(client, session.reader, session.config).uses

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
    heads = {id: repo.head for id, repo in facts.repos.items()}
    return [
        {
            **_row(repo, commit, ready, runs.get(repo.id, ()), one.tag),
            "tip": commit.sha == heads[repo.id],
            "used_by": list(uses.get((repo.slug.lower(), one.tag), ())),
        }
        for (repo, commit), one, ready in zip(wanted, asked, found, strict=True)
    ]


def _questions(session: Session, facts: Observation, wanted: list[tuple[Repo, Commit]]) -> list[CandidateQuestion]:
    """What each commit's candidate is called. Other repositories that it is built with are taken at their tips."""
    from ms_release.adapters.recipes import read_recipes

    tips = {id: _pin(session.config.repo(id), seen.head or "") for id, seen in facts.repos.items()}
    found = []
    for repo, commit in wanted:
        pin = _pin(repo, commit.sha)
        recipe = read_recipes(session.client, session.config, (pin,)).get(repo.id, ())
        found.append(question(session.config, repo, {**tips, repo.id: pin}, recipe))
    return found


def _pin(repo: Repo, sha: str) -> Pin:
    return Pin(repo.id, repo.slug, repo.url, repo.branch, sha, "explicit", "")


def _commits(repo: Repo, facts: RepoFacts) -> tuple[Commit, ...]:
    green = [c.sha for c in facts.commits if not judge(c, repo.checks)[0]][:GREEN]
    return tuple(c for number, c in enumerate(facts.commits) if number == 0 or c.sha in green)


def _row(repo: Repo, commit: Commit, ready: Ready | None, runs: tuple[Run, ...], tag: str) -> dict[str, Any]:
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
        "subject": commit_subject(commit.subject),
        "checks": problem.partition(":")[0] or "green",
        "tag": tag,
        "state": state,
        "release_id": ready.release.id if ready else None,
        "run": building[0].url if building else None,
        "problems": list(ready.problems) if ready else [],
    }
