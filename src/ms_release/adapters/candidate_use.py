"""Reading what names candidates (plans and specs, merged or on release branches) and what candidates there are."""

from __future__ import annotations

from msgspec import Struct

from ms_release.adapters import answers_graph as graph
from ms_release.adapters import queries
from ms_release.adapters.asking import ask, next_cursor
from ms_release.adapters.candidates import RestRelease, release_from_rest
from ms_release.adapters.facts import part_of, text_of
from ms_release.adapters.github_read import GitHubReader
from ms_release.adapters.http import Client, Refused
from ms_release.adapters.queries import Query
from ms_release.adapters.runs import read_runs
from ms_release.config import Config, Product, Repo
from ms_release.core.candidate_use import Place, Stored, is_candidate_tag, read_uses
from ms_release.core.observation import Observation
from ms_release.core.plan import plan_path, spec_path
from ms_release.errors import BlockedError

_BATCH = 50


class Named(Struct, frozen=True):
    """Who names which candidate. `state` = where the home branches and every release branch were when that was read,
    `config` = the blob id of the configuration that counts."""

    uses: dict[tuple[str, str], tuple[str, ...]]
    state: tuple[tuple[str, str, str], ...]
    config: str | None


class _Dated(Struct):
    created_at: str


class _DatedRelease(RestRelease):
    created_at: str = ""


class _DatedAssets(Struct):
    assets: list[_Dated]


class _Ref(Struct):
    ref: str


def read_named(client: Client, reader: GitHubReader, config: Config) -> Named:
    """Who names which candidate, in every home repository. Raises BlockedError where that cannot be known."""
    state, counting = branch_state(client, config), None
    uses: dict[tuple[str, str], tuple[str, ...]] = {}
    for product in _one_for_each_home(config):
        slug = config.home(product).slug
        branches = [name for repo, name, _ in state if repo == slug]
        facts = reader.look_at_home(config, product)
        for key, tags in _read_uses(client, config, product, facts, branches).items():
            uses[key] = tuple(sorted({*uses.get(key, ()), *tags}))
        counting = facts.home.config_blob if slug == config.config.home else counting
    return Named(uses, state, counting)


def _one_for_each_home(config: Config) -> tuple[Product, ...]:
    return tuple({product.home: product for product in config.products}.values())


def _read_uses(
    client: Client, config: Config, product: Product, seen: Observation, branches: list[str]
) -> dict[tuple[str, str], tuple[str, ...]]:
    home, facts = config.home(product), seen.home
    open_tags = [name.removeprefix("release/") for name in branches if name.startswith("release/")]
    plans = _texts(client, home, {tag: f"{facts.head}:{plan_path(tag)}" for tag in facts.plans})
    specs = _texts(client, home, {tag: f"{facts.head}:{spec_path(tag)}" for tag in facts.specs})
    pending = [tag for tag in open_tags if tag not in plans]
    plans |= _texts(client, home, {tag: f"release/{tag}:{plan_path(tag)}" for tag in pending}, missing=True)
    if empty := [tag for tag in pending if tag not in plans and not facts.given_up(tag)]:
        channel = "beta" if "-beta." in empty[0] else "stable"
        raise BlockedError(
            f"release/{empty[0]} of {home.slug} holds no plan yet, so nobody knows which candidates it will name",
            remedy="Bring that release on its way, or cancel it.",
            next_command=f"ms release {product.id} prepare --channel {channel} --auto --watch",
        )
    return read_uses(plans, specs)


def branch_state(client: Client, config: Config) -> tuple[tuple[str, str, str], ...]:
    """Repository, name and commit of every home and release branch: nothing new is named while they stay."""
    homes = [config.home(product) for product in _one_for_each_home(config)]
    return tuple((home.slug, *branch) for home in homes for branch in _branches_of(client, home))


def _branches_of(client: Client, home: Repo) -> tuple[tuple[str, str], ...]:
    query = Query()
    query.repository("home", home.slug, f"{queries.head_of(query, home.branch)} {queries.release_branches(query, '')}")
    part = part_of(ask(client, query), "home", home.slug)
    head = graph.convert(part.get("head"), graph.RefNode, "the home branch")
    found, seen = graph.convert(part.get("branches"), graph.Refs, "branches"), set[str]()
    nodes = list(found.nodes)
    while cursor := next_cursor(found.page_info, seen, "branches"):
        query = Query()
        query.repository("home", home.slug, queries.release_branches(query, cursor))
        found = graph.convert(part_of(ask(client, query), "home", home.slug).get("branches"), graph.Refs, "branches")
        nodes += found.nodes
    branches = [(f"release/{n.name}", n.target.oid if n.target else "") for n in nodes]
    return ((home.branch, head.target.oid if head.target else ""), *sorted(branches))


def _texts(client: Client, home: Repo, places: dict[str, str], *, missing: bool = False) -> dict[str, str]:
    """Files by the tag of their release. Raises BlockedError for one that is not there, unless it may be `missing`."""
    found: dict[str, str] = {}
    tags = list(places)
    for start in range(0, len(tags), _BATCH):
        batch, query = tags[start : start + _BATCH], Query()
        files = [queries.file_of(query, f"t{i}", places[tag], text=True) for i, tag in enumerate(batch)]
        query.repository("home", home.slug, " ".join(files))
        part = part_of(ask(client, query), "home", home.slug)
        for i, tag in enumerate(batch):
            text = text_of(part, f"t{i}", places[tag])
            if text is not None:
                found[tag] = text
            elif not missing:
                raise BlockedError(f"{places[tag]} of {home.slug} cannot be read", remedy="Run the same command again.")
    return found


def read_place(client: Client, repo: Repo) -> Place:
    """The candidates of one repository. Tags before releases: one that is published meanwhile is no tag alone."""
    assert repo.candidate is not None
    tags = client.pages(f"/repos/{repo.slug}/git/matching-refs/tags/rc-", decode=_Ref)
    documents = client.pages(f"/repos/{repo.slug}/releases")
    stored = []
    for document in documents:
        release = release_from_rest(document)
        if is_candidate_tag(release.tag):
            dated = graph.convert(document, _DatedAssets, "a release")
            own = graph.convert(document, _DatedRelease, "a release")
            times = [a.created_at for a in dated.assets] + ([own.published_at] if own.published_at else [])
            stored.append(Stored(release, max(times, default=own.created_at)))
    names = tuple(found.ref.removeprefix("refs/tags/") for found in tags)
    return Place(repo.slug, tuple(stored), names, _building(client, repo))


def _building(client: Client, repo: Repo) -> frozenset[str]:
    """Tags of the candidates that a run is building."""
    assert repo.candidate is not None
    try:
        runs = read_runs(client, repo.slug, repo.candidate.workflow)
    except Refused as error:
        if error.status != 404:
            raise
        return frozenset()
    return frozenset(r.title.removeprefix("Candidate ") for r in runs if r.status != "completed")
