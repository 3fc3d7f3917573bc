"""Which repository releases are made from, and what it says already: its configuration and its newest specs."""

from __future__ import annotations

from collections.abc import Mapping

from ms_release.config import DEFAULT_FILE, parse
from ms_release.core.names import is_safe_name
from ms_release.core.proposal_checks import Note
from ms_release.core.proposal_facts import OrganisationSeen, Papers, RepoSeen, Workflow
from ms_release.core.spec import Spec, parse_spec
from ms_release.core.version import parse_tag
from ms_release.errors import DamagedError, MsError

SPECS = 5
"""How many of the newest specs are read."""
SEALED = {"tag", "plan", "seal"}
"""The inputs that a publishing workflow is started with."""
_HOMES = ("distribution", "releases", "release")


def find_home(seen: OrganisationSeen) -> tuple[RepoSeen | None, Note]:
    """The repository that releases are made from, None when none looks like it; and why."""
    ranked = sorted(seen.repos, key=lambda r: (-_home_score(r), r.slug))
    best = ranked[0] if ranked and _home_score(ranked[0]) else None
    if best is None:
        wanted = missing_home(seen)
        why = next((f" ({one.slug} is left out: {one.why})" for one in seen.left_out if one.slug == wanted), "")
        text = f"no repository holds release specs or a publishing workflow{why}: make this one, or name yours"
        return None, Note("home", text, check=True)
    rivals = [r.slug for r in ranked[1:] if _home_score(r) == _home_score(best)]
    if rivals:
        return best, Note("home", f"{', '.join(rivals)} looks like one as well", check=True)
    return best, Note("home", _home_reason(best), check=_home_score(best) == 1)


def missing_home(seen: OrganisationSeen) -> str:
    """What a home repository would be called where there is none."""
    return f"{seen.login}/{_HOMES[0]}"


def _home_score(repo: RepoSeen) -> int:
    workflow = publishing(repo)
    return sum(
        (
            16 if DEFAULT_FILE in (repo.root or ()) else 0,
            8 if repo.specs or {"release-specs", "release-plans"} & set(repo.root or ()) else 0,
            4 if workflow is not None and set(workflow.inputs) >= SEALED else 0,
            2 if workflow is not None and workflow.dispatched else 0,
            1 if repo.name in _HOMES else 0,
        )
    )


def _home_reason(repo: RepoSeen) -> str:
    workflow = publishing(repo)
    reasons = (
        (f"it holds {DEFAULT_FILE}", DEFAULT_FILE in (repo.root or ())),
        ("it holds release-specs/", bool(repo.specs) or "release-specs" in (repo.root or ())),
        (f"{workflow.file if workflow else ''} publishes from an environment", workflow is not None),
    )
    return ", ".join(text for text, holds in reasons if holds) or "only its name says so"


def publishing(repo: RepoSeen) -> Workflow | None:
    """The workflow that publishes: started by name or by a tag, with a job behind an environment."""
    found = [w for w in repo.workflows or () if w.environments and (w.dispatched or w.push_tags)]
    return max(
        found,
        key=lambda w: (len(SEALED & set(w.inputs)), w.file.startswith(("publish", "release")), w.dispatched),
        default=None,
    )


def paper_paths(home: RepoSeen) -> tuple[str, ...]:
    """The files of the home repository that are read: its configuration, and its newest specs first."""
    known = sorted((v for tag in home.specs if (v := parse_tag(tag))), reverse=True)
    config = (DEFAULT_FILE,) if DEFAULT_FILE in (home.root or ()) else ()
    return (*config, *(f"release-specs/{version.tag}.json" for version in known[:SPECS]))


def read_papers(home: RepoSeen, texts: Mapping[str, str]) -> Papers:
    """Configuration and specs that can be read; of the others, why not."""
    config, specs, unread = None, [], []
    for path in paper_paths(home):
        text = texts.get(path)
        if text is None:
            unread.append(f"{path} of {home.slug}: it is too large, or not ours to see")
            continue
        try:
            if path == DEFAULT_FILE:
                config = parse(text, f"{home.slug}:{path}")
            else:
                specs.append(_usable(parse_spec(text.encode())))
        except MsError as error:
            unread.append(f"{path} of {home.slug}: {error.cause}")
    return Papers(config, tuple(specs), tuple(unread))


def _usable(spec: Spec) -> Spec:
    """The spec, if every word of it may stand in a configuration. Raises DamagedError."""
    words = [word for a in spec.assets for word in (a.id, a.kind, a.os, a.arch)]
    words += [word for s in spec.install_sets for word in (s.id, s.os, s.arch)] + [repo.id for repo in spec.repos]
    if odd := next((word for word in words if word is not None and not is_safe_name(word)), None):
        raise DamagedError(f"{odd!a} is not a name for every system", remedy="Name it otherwise.")
    return spec


def named_elsewhere(seen: OrganisationSeen, papers: Papers) -> tuple[str, ...]:
    """Repositories that configuration or newest spec name and that were not looked at: other organisations', forks."""
    return tuple(slug for slug in known_ids(papers) if seen.repo(slug) is None)


def known_ids(papers: Papers) -> dict[str, str]:
    """Ids by `owner/name` as written, of what a product pinned so far, in that order."""
    if papers.config is not None and papers.config.products:
        config, product = papers.config, papers.config.products[0]
        return {repo.slug: repo.id for repo in config.components(product)}
    return {_slug_of(repo.url): repo.id for repo in papers.specs[0].repos} if papers.specs else {}


def _slug_of(url: str) -> str:
    """`owner/name` of a repository's web address."""
    return "/".join(url.removesuffix("/").removesuffix(".git").split("/")[-2:])
