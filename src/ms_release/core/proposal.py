"""From what an organisation has to the configuration that `init` proposes: every value with the reason for it.

Nothing is guessed silently: what is not sure carries a note that asks somebody to check it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from ms_release.config import CandidateRule, CheckRule, Product
from ms_release.core.names import is_ref_name
from ms_release.core.observation import Environment
from ms_release.core.proposal_assets import Assets, propose_assets
from ms_release.core.proposal_checks import Note, propose_checks, propose_select
from ms_release.core.proposal_components import Component, candidate_rule, free, is_app, version_files, word
from ms_release.core.proposal_facts import Details, LeftOut, OrganisationSeen, Papers, RepoSeen
from ms_release.core.proposal_home import SEALED, missing_home, publishing

NO_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
"""32 zero bytes: nothing verifies against it."""


class ProposedRepo(Struct, frozen=True):
    """One `[[repo]]`, with notes by key; `candidate` None for the home repository."""

    id: str
    slug: str
    branch: str
    select: str
    checks: tuple[CheckRule, ...]
    candidate: CandidateRule | None
    notes: tuple[Note, ...] = ()


class ProposedApp(Struct, frozen=True):
    """A repository that is a product of its own."""

    id: str
    slug: str
    environment: str
    workflow: str
    trigger: Literal["dispatch", "tag"]
    version_files: tuple[str, ...]


class Proposal(Struct, frozen=True):
    """The whole configuration with its reasons; `notes` are those outside of `repos` and `assets`."""

    organisation: str
    server: str
    home: str
    home_id: str
    repos: tuple[ProposedRepo, ...]
    components: tuple[str, ...]
    environment: str
    workflow: str
    assets: Assets
    apps: tuple[ProposedApp, ...]
    manifest_key: str
    maintainers: str
    release_managers: str
    notes: tuple[Note, ...]
    left_out: tuple[LeftOut, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def to_check(self) -> tuple[str, ...]:
        """Everything that somebody must look at, each with the place it belongs to."""
        own = [f"{note.key}: {note.text}" for note in (*self.notes, *self.assets.notes) if note.check]
        return (*(f"{r.id} {n.key}: {n.text}" for r in self.repos for n in r.notes if n.check), *own)


class Found(Struct, frozen=True):
    """What was settled before the details were read."""

    seen: OrganisationSeen
    home: RepoSeen | None
    home_note: Note
    papers: Papers
    components: tuple[Component, ...]


def app_repos(found: Found) -> tuple[RepoSeen, ...]:
    """The repositories that look like products of their own."""
    taken = {c.repo.slug for c in found.components} | ({found.home.slug} if found.home else set())
    return tuple(r for r in found.seen.repos if r.slug not in taken and is_app(r))


def propose(found: Found, details: Details, server: str) -> Proposal:
    """The proposal. `server` is the forge's web address."""
    seen, home, papers = found.seen, found.home, found.papers
    repos = [_repo(c, papers) for c in found.components]
    by_slug = {c.repo.slug: c.id for c in found.components}
    slug = home.slug if home else missing_home(seen)
    if slug not in by_slug:
        by_slug[slug] = free(word(slug.partition("/")[2]), home or RepoSeen(slug), set(by_slug.values()))
        repos.append(_home_repo(slug, by_slug[slug], home))
    ready = {by_slug[s]: found_candidate for s, found_candidate in details.candidates.items() if s in by_slug}
    components = tuple(c.id for c in found.components)
    assets = propose_assets(components, ready, papers.specs, _kept(papers, set(components)))
    environments = details.environments.get(slug)
    workflow, environment, notes = _publication(home, environments)
    maintainers, managers, role_notes = _roles(seen.login, details.teams, environments, environment)
    key = papers.config.policy.manifest_key if papers.config else NO_KEY
    offered = {c.repo.slug for c in found.components} | {slug} | {r.slug for r in app_repos(found)}
    others = [LeftOut(r.slug, "it has no candidate workflow") for r in seen.repos if r.slug not in offered]
    return Proposal(
        organisation=seen.login,
        server=server,
        home=slug,
        home_id=by_slug[slug],
        repos=tuple(repos),
        components=components,
        environment=environment,
        workflow=workflow,
        assets=assets,
        apps=tuple(app for repo in app_repos(found) if (app := _app(repo)) is not None),
        manifest_key=key,
        maintainers=maintainers,
        release_managers=managers,
        notes=(found.home_note, *notes, *role_notes, _key_note(key)),
        left_out=tuple(sorted((*seen.left_out, *others), key=lambda one: one.slug)),
        unread=(*seen.unread, *papers.unread, *details.unread),
    )


def _kept(papers: Papers, components: set[str]) -> Product | None:
    """The product as it is configured, if all that its assets are made of is still there."""
    product = papers.config.products[0] if papers.config and papers.config.products else None
    needed = {source.partition("/")[0] for asset in product.assets for source in asset.sources} if product else set()
    return product if needed <= components else None


def _repo(component: Component, papers: Papers) -> ProposedRepo:
    repo = component.repo
    rules, notes = propose_checks(repo)
    select, why = propose_select(repo, component.id, rules, papers.specs)
    if papers.config is not None and any(r.id == component.id for r in papers.config.repos):
        select, why = papers.config.repo(component.id).select, (Note("select", "as the configuration there says"),)
    candidate, more = candidate_rule(repo)
    broken = tuple(Note("candidate", f"{name} could not be understood") for name in repo.broken_workflows)
    all_notes = (component.note, _branch_note(repo), *why, *notes, *more, *broken)
    return ProposedRepo(component.id, repo.slug, _branch(repo), select, rules, candidate, all_notes)


def _branch(repo: RepoSeen) -> str:
    return repo.branch if repo.branch and is_ref_name(repo.branch) else "main"


def _branch_note(repo: RepoSeen) -> Note:
    if repo.branch is None:
        return Note("branch", "its default branch could not be read", check=True)
    if not is_ref_name(repo.branch):
        return Note("branch", f"its default branch {repo.branch} has a name that no release can take", check=True)
    return Note("branch", "its default branch")


def _home_repo(slug: str, id: str, home: RepoSeen | None) -> ProposedRepo:
    repo = home or RepoSeen(slug)
    rules, notes = propose_checks(repo)
    lead = (Note("id", "plans, specs and the ledger live here"), _branch_note(repo))
    return ProposedRepo(id, slug, _branch(repo), "head", rules, None, (*lead, *notes))


def _publication(
    home: RepoSeen | None, environments: tuple[Environment, ...] | None
) -> tuple[str, str, tuple[Note, ...]]:
    workflow = publishing(home) if home else None
    notes: list[Note] = []
    if workflow is None:
        text = "no workflow of the home repository publishes from an environment: see docs/candidate-lane.md"
        notes.append(Note("workflow", text, check=True))
    elif not set(workflow.inputs) >= SEALED:
        taken = ", ".join(workflow.inputs) or "none"
        notes.append(Note("workflow", f"it must take the inputs tag, plan and seal (it has: {taken})", check=True))
    else:
        notes.append(Note("workflow", f"started by name with tag, plan and seal; {workflow.environments[0]} guards it"))
    guarded = [e.name for e in environments or () if e.reviewers]
    name = workflow.environments[0] if workflow else guarded[0] if len(guarded) == 1 else "release"
    here = next((e for e in environments or () if e.name == name), None)
    if environments is None:
        notes.append(Note("environment", "it could not be read: look at its reviewers and branches", check=True))
    elif here is None:
        notes.append(Note("environment", "it does not exist yet; a run would make it without protection", check=True))
    elif not here.reviewers:
        notes.append(Note("environment", "it has no required reviewers", check=True))
    else:
        notes.append(Note("environment", f"approved by {', '.join(here.reviewers)}"))
    return workflow.file if workflow else "publish.yml", name, tuple(notes)


def _roles(
    login: str, teams: tuple[str, ...] | None, environments: tuple[Environment, ...] | None, environment: str
) -> tuple[str, str, tuple[Note, ...]]:
    reviewers = next((e.reviewers for e in environments or () if e.name == environment), ())
    team = next((r for r in reviewers if "/" in r), None)
    asked = "the teams could not be read" if teams is None else "no team is called so"
    slugs = teams or ()
    maintainers = _pick(slugs, ("maintainers",), "maintain")
    managers = _pick(slugs, ("release-managers",), "release")
    notes = [
        Note("maintainers", "by its name") if maintainers else Note("maintainers", asked, check=True),
        Note("release_managers", f"they review {environment}")
        if team
        else Note("release_managers", "by its name" if managers else asked, check=not managers),
    ]
    if reviewers and team is None:
        notes.append(Note("release_managers", f"{environment} is reviewed by {', '.join(reviewers)}", check=True))
    return f"{login}/{maintainers or 'maintainers'}", team or f"{login}/{managers or 'release-managers'}", tuple(notes)


def _pick(slugs: Iterable[str], exact: tuple[str, ...], part: str) -> str | None:
    names = sorted(slugs)
    return next((s for s in names if s in exact), None) or next((s for s in names if part in s), None)


def _key_note(key: str) -> Note:
    if key != NO_KEY:
        return Note("manifest_key", "as the configuration in the home repository says")
    text = "32 zero bytes, which nothing verifies against: put your public key here before you publish"
    return Note("manifest_key", text, check=True)


def _app(repo: RepoSeen) -> ProposedApp | None:
    workflow = publishing(repo)
    if workflow is None:
        return None
    trigger: Literal["dispatch", "tag"] = "tag" if workflow.push_tags else "dispatch"
    return ProposedApp(
        word(repo.name), repo.slug, workflow.environments[0], workflow.file, trigger, version_files(repo)
    )
