"""Reading what protects many repositories: batched GraphQL for the branches, REST for what only REST has.

What this token may not read becomes None in the facts, never an end of the look (github-facts G37, G39–G41).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ms_release.adapters import answers_graph as graph
from ms_release.adapters.answers import Denied, Graph, GraphError, Overloaded, Refused, about, moment
from ms_release.adapters.http import Client
from ms_release.adapters.policy.answers import classic_layer, ruleset_layers, tag_rules
from ms_release.adapters.policy.settings import Settings, bypass_of, read_environments, read_immutable, read_settings
from ms_release.adapters.queries import Query
from ms_release.adapters.urls import segment
from ms_release.config import Config, Repo
from ms_release.core.policy.facts import Actor, Layer, RepoFacts
from ms_release.core.workflow import FOLDER
from ms_release.errors import ForgeError

T = TypeVar("T")
_BATCH = 25


class Effort(Struct, frozen=True):
    """What a look cost: requests for the rules of branches and for the rest, and seconds."""

    branch_requests: int
    other_requests: int
    seconds: float


class PolicySeen(Struct, frozen=True):
    """One look at the policy of several repositories: facts by id, the forge's time, who looked, and what it cost."""

    now: str
    viewer: str
    repos: dict[str, RepoFacts]
    effort: Effort


class _AppId(Struct):
    id: int


class _Login(Struct):
    login: str


class PolicyReader:
    """The reading side of `policy`; `say` is told what takes time."""

    def __init__(self, client: Client, say: Callable[[str], None]) -> None:
        self._client = client
        self._say = say
        self._viewer = ""

    def look(self, config: Config, repos: Iterable[Repo]) -> PolicySeen:
        """Everything the rules look at, as far as this token may. Raises what the client raises for a bad token."""
        wanted, started, before = tuple(repos), self._client.clock(), Counter(self._client.counts)
        apps = self._apps(config, wanted)
        facts: dict[str, RepoFacts] = {}
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            if len(wanted) > _BATCH:
                self._say(f"reading the rules of repositories {start + 1} to {start + len(batch)} of {len(wanted)}")
            facts |= self._batch(config, batch, apps)
        facts = self._with_org_bypass(facts, apps)
        branch = Counter(self._client.counts) - before
        if len(wanted) > _BATCH:
            self._say(f"reading the settings of {len(wanted)} repositories")
        readable = [repo for repo in wanted if not facts[repo.id].problem]
        more = self._client.gather([partial(self._settings, config, repo, facts[repo.id]) for repo in readable])
        facts |= {repo.id: found for repo, found in zip(readable, more, strict=True)}
        other = Counter(self._client.counts) - before - branch
        seconds = (self._client.clock() - started).total_seconds()
        now = moment(self._client.date).strftime("%Y-%m-%dT%H:%M:%S+00:00")
        return PolicySeen(now, self._viewer, facts, Effort(branch.total(), other.total(), seconds))

    def _apps(self, config: Config, repos: tuple[Repo, ...]) -> dict[int, str]:
        """The Apps that the configuration names, by number: rulesets name them so."""
        slugs = sorted({check.app for repo in repos for check in repo.checks} | {config.policy.push_app} - {""})

        def number(slug: str) -> int | None:
            try:
                return int(self._client.get(f"/apps/{segment(slug)}", decode=_AppId).json.id)
            except (Refused, Denied):
                return None

        numbers = self._client.gather([partial(number, slug) for slug in slugs])
        return {found: slug for found, slug in zip(numbers, slugs, strict=True) if found is not None}

    def _batch(self, config: Config, repos: tuple[Repo, ...], apps: dict[int, str]) -> dict[str, RepoFacts]:
        query = Query()
        for number, repo in enumerate(repos):
            query.repository(f"r{number}", repo.slug, _selection(query, config, repo))
        answer = self._ask(query)
        self._viewer = graph.convert(answer.data.get("viewer"), _Login, "the viewer").login
        failed: dict[str, list[GraphError]] = {}
        for error in answer.errors:
            if not error.path:
                raise ForgeError(f"the forge could not answer: {about(error)}", remedy="Try again.")
            failed.setdefault(str(error.path[0]), []).append(error)
        found = {}
        for number, repo in enumerate(repos):
            alias = f"r{number}"
            found[repo.id] = _facts(answer.data.get(alias), failed.get(alias, []), repo, apps)
        return found

    def _ask(self, query: Query) -> Graph:
        """An answer with the errors of its parts; where it is too much for the forge, two for half of them each."""
        halves = query.halves()
        try:
            return self._client.graphql(query.text, query.variables, attempts=2 if halves else 4)
        except Overloaded:
            if halves is None:
                raise
            one, two = (self._ask(half) for half in halves)
            return Graph({**one.data, **two.data}, (*one.errors, *two.errors))

    def _with_org_bypass(self, facts: dict[str, RepoFacts], apps: dict[int, str]) -> dict[str, RepoFacts]:
        """The bypass lists of organisation rulesets, each asked for once: no list is believed but its owner's."""
        places: set[tuple[str, int]] = set()
        for repo in facts.values():
            places |= {(layer.owner, layer.id) for layer in repo.layers if layer.kind == "organisation"}
            places |= {(rules.owner, rules.id) for rules in repo.tags or () if rules.kind == "organisation"}
        wanted = sorted(places)
        lists = self._client.gather([partial(bypass_of, self._client, *place, apps) for place in wanted])
        known = dict(zip(wanted, lists, strict=True))
        return {id: with_bypass(repo, known) for id, repo in facts.items()}

    def _settings(self, config: Config, repo: Repo, facts: RepoFacts) -> RepoFacts:
        """What only REST has. That the settings are answered proves that this token reads what administrators may."""
        settings = read_settings(self._client, repo.slug)
        facts = replace(facts, administers=settings is not None)
        if settings is not None:
            facts = _with_settings(facts, settings)
        products = [product for product in config.products if product.home == repo.id]
        if products or repo.slug == config.config.home:
            proven = settings is not None
            names = tuple(dict.fromkeys(product.environment for product in products))
            facts = replace(
                facts,
                immutable=read_immutable(self._client, repo.slug) if proven else None,
                environments=read_environments(self._client, repo.slug, names, proven=proven),
            )
        return facts


def _selection(query: Query, config: Config, repo: Repo) -> str:
    """What is asked of one repository."""
    home = any(p.home == repo.id for p in config.products) or repo.slug == config.config.home
    return f"""
      autoMergeAllowed {"...TagRules" if home else ""}
      branch: ref(qualifiedName: {query.value(f"refs/heads/{repo.branch}")}) {{ ...Protected }}
      inactive: rulesets(first: 20, targets: [BRANCH]) {{ nodes {{ name enforcement }} }}
      workflows: object(expression: {query.value(f"{repo.branch}:{FOLDER}")}) {{
        ... on Tree {{ entries {{ name object {{ ... on Blob {{ text isTruncated }} }} }} }}
      }}"""


class _Inactive(Struct):
    name: str
    enforcement: str


class _InactiveList(Struct):
    nodes: list[_Inactive]


class _Blob(graph.Camel):
    text: str | None = None
    is_truncated: bool = False


class _File(Struct):
    name: str
    object: _Blob | None = None


class _Folder(Struct):
    entries: list[_File] = []


class _Switches(graph.Camel):
    auto_merge_allowed: bool


def _facts(part: Any, errors: list[GraphError], repo: Repo, apps: dict[int, str]) -> RepoFacts:
    bare = RepoFacts(repo.slug, repo.branch)
    if not isinstance(part, dict):
        return replace(bare, problem=f"it cannot be read: {about(errors[0])}" if errors else "it cannot be read")
    # classic protection that is refused is like one that is not shown: whether there is one, nobody here knows
    apart = {"branchProtectionRule", "workflows"}
    if other := [error for error in errors if not apart & set(map(str, error.path))]:
        return replace(bare, problem=f"it cannot be read in full: {about(other[0])}")
    branch = part.get("branch")
    if not isinstance(branch, dict):
        return replace(bare, branch_exists=False)
    classic = branch.get("branchProtectionRule")
    try:
        rulesets = ruleset_layers(branch.get("rules"), repo.slug, apps)
        tags = tag_rules(part["tags"], repo.slug) if part.get("tags") else None
    except ForgeError as error:
        return replace(bare, problem=error.cause)
    listed = graph.optional(part.get("inactive"), _InactiveList, "rulesets")
    return replace(
        bare,
        layers=(*([classic_layer(classic, repo.branch)] if classic else []), *rulesets),
        inactive=tuple(f"ruleset “{r.name}”" for r in listed.nodes if r.enforcement != "ACTIVE") if listed else (),
        auto_merge=graph.convert(part, _Switches, repo.slug).auto_merge_allowed,
        tags=tags,
        workflows=None if any("workflows" in error.path for error in errors) else _workflows(part, repo.slug),
    )


def _workflows(part: Any, slug: str) -> dict[str, bytes | None]:
    """The workflow files; one that is too long for the answer, or no text, counts as not read."""
    folder = graph.optional(part.get("workflows"), _Folder, f"the workflows of {slug}") or _Folder()
    files = {file.name: file.object for file in folder.entries if file.name.endswith((".yml", ".yaml"))}
    return {
        name: None if blob is None or blob.text is None or blob.is_truncated else blob.text.encode()
        for name, blob in files.items()
    }


def with_bypass(repo: RepoFacts, known: dict[tuple[str, int], tuple[Actor, ...] | None]) -> RepoFacts:
    """The facts with the bypass lists of organisation rulesets, by organisation and number (None = not ours to see)."""

    def layer(one: Layer) -> Layer:
        if one.kind != "organisation":
            return one
        bypass = known[one.owner, one.id]
        return replace(one, bypass=bypass, pushers=(bypass or ()) if one.pushers is not None else None)

    tags = repo.tags
    if tags is not None:
        tags = tuple(replace(t, bypass=known[t.owner, t.id]) if t.kind == "organisation" else t for t in tags)
    return replace(repo, layers=tuple(map(layer, repo.layers)), tags=tags)


def _with_settings(facts: RepoFacts, settings: Settings) -> RepoFacts:
    return replace(facts, token_writes=settings.token_writes, actions_approve=settings.actions_approve)
