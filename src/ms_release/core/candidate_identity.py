"""Which candidate belongs to a pinned commit: identity by sources, recipe and declared inputs (SPEC 6).

Sources are commits: a build may read anything of a checkout, so nothing less is honest. The recipe is content: a commit
that leaves it alone changes nothing. What a repository does not declare (tooling, other components) is no part of it:
upstream's tags named the tooling commit, and every commit there made all candidates useless (upstream.md 6.3, 11).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from ms_release.config import Config, Repo
from ms_release.core.candidate import (
    Candidate,
    Inputs,
    Source,
    candidate_tag,
    identity,
    make_recipe_fingerprint,
)
from ms_release.core.model import CandidatePin, Pin
from ms_release.core.observation import CandidateQuestion
from ms_release.errors import UsageError

WORKFLOWS = ".github/workflows/"
_NO_INPUT = re.compile(r"[^A-Za-z0-9_-]")


class RecipeFile(Struct, frozen=True):
    """A file that says how to build, and the branch or commit from which the build takes it."""

    path: str
    at: str


def recipe_files(paths: Iterable[str], workflow: str, *, sha: str, workflow_at: str) -> tuple[RecipeFile, ...]:
    """The declared recipe, else the workflow file. The forge takes workflow files from the branch that a run is started
    on (`workflow_at`), everything else comes from the commit that is built (`sha`)."""
    chosen = tuple(paths) or (f"{WORKFLOWS}{workflow}",)
    return tuple(RecipeFile(path, workflow_at if path.startswith(WORKFLOWS) else sha) for path in chosen)


def declared_inputs(repo: Repo) -> tuple[str, ...]:
    """Ids of the other repositories that its build reads; none for a repository that builds no candidate."""
    return repo.candidate.inputs if repo.candidate else ()


def has_identity(repo: Repo) -> bool:
    """Whether its candidates are named by identity and not by commit alone."""
    return repo.candidate is not None and bool(repo.candidate.inputs or repo.candidate.recipe)


def recipe_of(repo: Repo, pin: Pin) -> tuple[RecipeFile, ...]:
    """The files whose content is part of a repository's identity; none where the commit is all of it."""
    if not has_identity(repo):
        return ()
    rule = repo.candidate
    assert rule is not None
    return recipe_files(rule.recipe, rule.workflow, sha=pin.sha, workflow_at=pin.ref)


def make_inputs(slug: str, sha: str, others: Mapping[str, str]) -> Inputs:
    """The sources of a build: its own repository and the others (`owner/name` → commit), named as the forge does.

    Raises UsageError when two of them have the same name, because a candidate could not tell them apart.
    """
    sources = [(slug, sha), *sorted(others.items())]
    names = [repo.partition("/")[2] for repo, _ in sources]
    if len(set(names)) != len(names):
        twin = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two inputs of {slug} are called {twin}", remedy="Rename one of the repositories.")
    return Inputs(tuple(Source(repo.partition("/")[2], repo, commit) for repo, commit in sources))


def question(
    config: Config, repo: Repo, pins: Mapping[str, Pin], recipe: Iterable[tuple[str, str]]
) -> CandidateQuestion:
    """What to look for so that the candidate of a pin is found; `recipe` is (path, SHA-256) of its recipe files.

    Raises UsageError for an input that nothing pins.
    """
    assert repo.candidate is not None
    pin, others = pins[repo.id], input_commits(config, repo, pins)
    key, visibility = config.policy.candidate_key, repo.candidate.visibility
    if not has_identity(repo):
        return CandidateQuestion(candidate_tag(repo.id, pin.sha, None), pin.sha, visibility, others, key)
    inputs = make_inputs(repo.slug, pin.sha, others)
    own = identity(repo.slug.partition("/")[2], make_recipe_fingerprint(recipe), inputs)
    return CandidateQuestion(candidate_tag(repo.id, pin.sha, own), pin.sha, visibility, others, key)


def planned_question(config: Config, planned: CandidatePin, pins: Mapping[str, Pin]) -> CandidateQuestion:
    """The same for a plan on its way, whose tag is settled."""
    repo = config.repo(planned.repo)
    assert repo.candidate is not None
    others = input_commits(config, repo, pins)
    sha, visibility = pins[repo.id].sha, repo.candidate.visibility
    return CandidateQuestion(planned.tag, sha, visibility, others, config.policy.candidate_key)


def input_commits(config: Config, repo: Repo, pins: Mapping[str, Pin]) -> dict[str, str]:
    """`owner/name` → commit of every declared input. Raises UsageError for one that nothing pins."""
    declared = declared_inputs(repo)
    if missing := [id for id in declared if id not in pins]:
        raise UsageError(
            f"{repo.id} takes {missing[0]} as an input, which no commit is pinned for",
            remedy=f"Add {missing[0]} to the repos of the product, or take it from the inputs of {repo.id}.",
        )
    return {config.repo(id).slug: pins[id].sha for id in declared}


def input_name(id: str) -> str:
    """What the workflow's input for the commit of a declared input is called."""
    return f"{_NO_INPUT.sub('_', id)}_sha"


def dispatch_inputs(config: Config, planned: CandidatePin, pins: Mapping[str, Pin]) -> dict[str, str]:
    """What the workflow of a candidate is started with: `sha`, `tag`, and `<id>_sha` for every declared input."""
    others = {input_name(id): pins[id].sha for id in declared_inputs(config.repo(planned.repo))}
    return {"sha": pins[planned.repo].sha, "tag": planned.tag, **others}


def is_tag_of(repo: Repo, sha: str, tag: str) -> bool:
    """Whether a plan can name this tag for a repository at that commit."""
    if not has_identity(repo):
        return tag == candidate_tag(repo.id, sha, None)
    return re.fullmatch(rf"rc-{re.escape(repo.id)}-[0-9a-f]{{16}}", tag) is not None


def check_inputs(candidate: Candidate, slug: str, asked: CandidateQuestion) -> list[str]:
    """How the other sources of a candidate differ from the declared and pinned ones."""
    built = {s.repo: s.sha for s in candidate.inputs.repos if s.repo.casefold() != slug.casefold()}
    problems = []
    for repo in sorted(built.keys() | asked.inputs.keys()):
        was, pinned = (commits.get(repo, "nothing")[:12] for commits in (built, asked.inputs))
        if was != pinned:
            problems.append(f"it was built from {was} of {repo}, pinned is {pinned}")
    return problems
