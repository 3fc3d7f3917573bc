"""Which repositories are components of the product, what they are called, and which are products of their own."""

from __future__ import annotations

import re

from msgspec import Struct

from ms_release.config import DEFAULT_FILE, CandidateRule
from ms_release.core.names import is_safe_name
from ms_release.core.proposal_checks import Note, has_gate
from ms_release.core.proposal_facts import OrganisationSeen, Papers, RepoSeen, Workflow
from ms_release.core.proposal_home import known_ids, publishing
from ms_release.errors import BlockedError

_VERSION_FILES = ("package.json", "Cargo.toml", "pyproject.toml", "version.txt", "src-tauri")
_NO_WORD = re.compile(r"[^A-Za-z0-9._+-]")


class Component(Struct, frozen=True):
    """A repository that is proposed as a component, under which id, and why."""

    repo: RepoSeen
    id: str
    note: Note


def find_components(seen: OrganisationSeen, papers: Papers, home: RepoSeen | None) -> tuple[Component, ...]:
    """What the newest spec pins, then what has a candidate workflow; where nothing has one, whatever has checks.

    Raises BlockedError when the organisation has nothing that could be released.
    """
    known = {slug.casefold(): id for slug, id in known_ids(papers).items()}
    where = f"{DEFAULT_FILE} of the home repository" if papers.config else "the newest release spec"
    chosen = [(repo, Note("id", f"{where} calls it so")) for slug in known if (repo := seen.repo(slug)) is not None]
    rest = [r for r in seen.repos if r.slug.casefold() not in known and r is not home and r.name != ".github"]
    building = [r for r in rest if candidate_workflow(r) and not is_app(r)]
    unsure = bool(known)
    text = f"it has a candidate workflow, but {where} does not name it" if unsure else "it has a candidate workflow"
    chosen += [(r, Note("id", text, check=unsure)) for r in building]
    if not chosen:
        text = "it has checks, but no candidate workflow yet: see docs/candidate-lane.md"
        chosen = [(r, Note("id", text, check=True)) for r in rest if has_gate(r) and not is_app(r)]
    if not chosen:
        raise BlockedError(
            f"nothing of {seen.login} can be proposed: none of its {len(seen.repos)} readable repositories has checks "
            "or a candidate workflow",
            remedy="Give a repository a workflow that tests it, then one that builds its candidate.",
        )
    ids = {home.slug: word(home.name)} if home else {}
    for repo, _ in chosen:
        wish = known.get(repo.slug.casefold()) or word(repo.name)
        ids[repo.slug] = free(wish, repo, {id for slug, id in ids.items() if slug != repo.slug})
    return tuple(Component(repo, ids[repo.slug], note) for repo, note in chosen)


def word(name: str) -> str:
    """A name as an id: what may stand in tags and file names of every system."""
    found = _NO_WORD.sub("-", name).lstrip("._+-").rstrip(".")
    return found if is_safe_name(found) else f"repo-{found}".rstrip("-")


def free(wish: str, repo: RepoSeen, taken: set[str]) -> str:
    """An id that nobody has: the name, else with the owner in front of it, else with a number."""
    tries = (wish, word(repo.slug.replace("/", "-")), *(f"{wish}-{n}" for n in range(2, len(taken) + 3)))
    return next(one for one in tries if one not in taken)


def is_app(repo: RepoSeen) -> bool:
    """Whether it is a product of its own: it publishes from an environment and carries its version in files."""
    return publishing(repo) is not None and bool(version_files(repo))


def version_files(repo: RepoSeen) -> tuple[str, ...]:
    """The files at its root that carry a version."""
    return tuple(name for name in _VERSION_FILES if name in (repo.root or ()))


def candidate_workflow(repo: RepoSeen) -> Workflow | None:
    """The workflow that builds a candidate, if one can be started by name."""
    found = [w for w in repo.workflows or () if w.dispatched and (w.builds_candidate or "candidate" in w.file)]
    return max(found, key=lambda w: (w.builds_candidate, {"sha", "tag"} <= set(w.inputs), w.file), default=None)


def candidate_rule(repo: RepoSeen) -> tuple[CandidateRule, tuple[Note, ...]]:
    """The workflow that builds its candidate, and who may see it: as it says, else as candidates were so far."""
    workflow = candidate_workflow(repo)
    built = next((r for r in repo.releases if r.tag.startswith("rc-")), None)
    notes: list[Note] = []
    if workflow is None:
        notes.append(Note("candidate", "there is no such workflow yet: see docs/candidate-lane.md", check=True))
    elif not {"sha", "tag"} <= set(workflow.inputs):
        taken = ", ".join(workflow.inputs) or "none"
        notes.append(
            Note("candidate", f"{workflow.file} must take the inputs sha and tag (it has: {taken})", check=True)
        )
    else:
        notes.append(Note("candidate", f"{workflow.file} is started with sha and tag"))
    if workflow is not None and workflow.visibility:
        visibility, why = workflow.visibility, f"it says --visibility {workflow.visibility}"
    elif built is not None:
        visibility, why = ("draft" if built.draft else "prerelease"), f"so is {built.tag}"
    else:
        visibility = "draft" if repo.private else "prerelease"
        why = f"the repository is {'private' if repo.private else 'public'}, and no candidate shows more"
        notes.append(Note("candidate", f"{visibility}: {why}", check=True))
    if not notes[-1].check:
        notes.append(Note("candidate", f"{visibility}: {why}"))
    file = workflow.file if workflow else "candidate.yml"
    return CandidateRule(file, "draft" if visibility == "draft" else "prerelease"), tuple(notes)
