"""Observing GitHub: batched GraphQL, REST where GraphQL has nothing. Nothing here writes and nothing here decides."""

from __future__ import annotations

import io
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from ms_release.adapters import answers_graph as graph
from ms_release.adapters import candidates, queries
from ms_release.adapters.answers import moment
from ms_release.adapters.asking import ask, next_cursor
from ms_release.adapters.facts import change_of, component_of, names_of, part_of, pinned_of, text_of, with_commit
from ms_release.adapters.http import Client, Graph
from ms_release.adapters.protection import CLASSIC, ClassicRule, add_rulesets, classic_rules, read_environment
from ms_release.adapters.queries import Query
from ms_release.adapters.recipes import read_recipes
from ms_release.adapters.runs import read_approvals, read_concluded, read_run, read_runs
from ms_release.adapters.signing import verify
from ms_release.config import DEFAULT_FILE, Config, Product, Repo
from ms_release.core import observation as seen
from ms_release.core.action import Ask, Watch
from ms_release.core.cancel import mark_branch, mark_path
from ms_release.core.gates import AUDIT_PATH
from ms_release.core.ledger import ledger_files, previous_entry
from ms_release.core.model import Pin
from ms_release.core.observation import Observation
from ms_release.core.plan import plan_path
from ms_release.core.train import Train, by_weight, planned_questions, release_change
from ms_release.core.verify import MANIFEST, METADATA, SIGNATURE
from ms_release.errors import IntegrityError, UsageError

_SMALL = 4 * 1024 * 1024
_BATCH = 50


class _ChangedFile(Struct):
    filename: str


class _Compared(Struct):
    files: list[_ChangedFile]


class GitHubReader:
    """The reading side of one command. `cache` keeps `candidate.json` files by the forge's own asset ids."""

    def __init__(self, client: Client, cache: candidates.Cache) -> None:
        self._client = client
        self._cache = cache
        self._approvals: dict[int, tuple[seen.Approval, ...]] = {}  # of ended runs, which nobody can approve any more
        self._published: dict[tuple[str, ...], tuple[seen.Release, dict[str, bytes]]] = {}  # by the assets' own ids
        self._runs: tuple[seen.Run, ...] = ()  # of the publishing workflow, as last read

    # --- a new plan

    def survey(self, config: Config, product: Product) -> Observation:
        """Home and components, in batches of fifty repositories."""
        home, components = config.home(product), config.components(product)
        repos: dict[str, seen.RepoFacts] = {}
        first: Observation | None = None
        for start in range(0, len(components), _BATCH):
            batch = components[start : start + _BATCH]
            query = Query()
            if first is None:
                query.repository("home", home.slug, f"...Home {self._home(query, home)}")
            for number, repo in enumerate(batch):
                query.repository(f"r{number}", repo.slug, queries.component(query, repo.branch))
            answer = self._ask(query)
            repos |= {r.id: component_of(answer, f"r{n}", r) for n, r in enumerate(batch)}
            first = first or self._observation(answer, home)
        assert first is not None
        return replace(first, repos=repos)

    def add_texts(self, facts: Observation, paths: tuple[str, ...]) -> Observation:
        """Files of the home branch at the commit that was observed."""
        if not paths:
            return facts
        query = Query()
        files = [
            queries.file_of(query, f"t{i}", f"{facts.home.head}:{path}", text=True) for i, path in enumerate(paths)
        ]
        query.repository("home", facts.home.slug, " ".join(files))
        answer = part_of(self._ask(query), "home", facts.home.slug)
        found = {path: text for i, path in enumerate(paths) if (text := text_of(answer, f"t{i}", path)) is not None}
        return facts.with_home(texts={**facts.home.texts, **found})

    def read_plans(self, facts: Observation, tags: tuple[str, ...]) -> dict[str, str]:
        """The plan of each tag that has one: from the home branch, else from its release branch."""
        if not tags:
            return {}
        query = Query()
        places = [(tag, at) for tag in tags for at in (facts.home.head, f"release/{tag}")]
        files = [
            queries.file_of(query, f"t{i}", f"{at}:{plan_path(tag)}", text=True) for i, (tag, at) in enumerate(places)
        ]
        query.repository("home", facts.home.slug, " ".join(files))
        answer = part_of(self._ask(query), "home", facts.home.slug)
        found: dict[str, str] = {}
        for i, (tag, _) in enumerate(places):
            text = text_of(answer, f"t{i}", plan_path(tag))
            if text is not None:
                found.setdefault(tag, text)
        return found

    def add_commits(self, facts: Observation, wanted: dict[str, str]) -> Observation:
        """Commits outside the surveyed histories, with their checks and whether the branch holds them."""
        missing = {
            id: sha
            for id, sha in wanted.items()
            if facts.repos[id].commit(sha) is None or facts.repos[id].contains(sha) is None
        }
        if not missing:
            return facts
        query = Query()
        for number, (id, sha) in enumerate(missing.items()):
            repo = facts.repos[id]
            query.repository(f"r{number}", repo.slug, queries.one_commit(query, "commit", repo.branch, sha))
        answer, repos = self._ask(query), dict(facts.repos)
        for number, (id, sha) in enumerate(missing.items()):
            part = part_of(answer, f"r{number}", repos[id].slug)
            repos[id] = with_commit(repos[id], sha, part.get("commit"), part.get("commit_on"))
        return replace(facts, repos=repos)

    def add_recipes(self, facts: Observation, config: Config, pins: tuple[Pin, ...]) -> Observation:
        """How the candidates of these pins are built, where their identity depends on it."""
        return replace(facts, recipes={**facts.recipes, **read_recipes(self._client, config, pins)})

    def add_candidates(self, facts: Observation, wanted: dict[str, seen.CandidateQuestion]) -> Observation:
        """Look each candidate up by tag among the releases already read, and read its `candidate.json`."""
        tasks = [
            partial(candidates.find, self._client, self._cache, facts.repos[id], asked) for id, asked in wanted.items()
        ]
        return replace(facts, ready={**facts.ready, **dict(zip(wanted, self._client.gather(tasks), strict=True))})

    def add_protection(self, facts: Observation, product: Product) -> Observation:
        """Rules of the home branch and the environment; what a reader may not see stays None."""
        home = facts.home
        assert home.rules is not None
        rules = add_rulesets(self._client, home.slug, home.branch, home.rules)
        environment = read_environment(self._client, home.slug, product.environment)
        return replace(facts.with_home(rules=rules, environment=environment), protection_read=True)

    # --- a plan on its way

    def look_at_home(self, config: Config, product: Product) -> Observation:
        """The home repository alone."""
        query, home = Query(), config.home(product)
        query.repository("home", home.slug, f"...Home {self._home(query, home)}")
        return self._observation(self._ask(query), home)

    def look(self, goal: Train, *, components: bool = True) -> Observation:
        """One request for home, changes, pins and releases; one more per candidate whose manifest is not cached.

        Without `components` only the home repository is looked at: all that the publishing job's own token may see.
        """
        plan, home = goal.plan, goal.config.home(goal.product)
        paths = tuple(f.path for f in release_change(goal).files)
        query = Query()
        selection = "\n".join(
            (
                f"...Home {self._home(query, home)}",
                queries.change(query, "change", plan.branch, plan.release_branch, paths),
                queries.change(query, "evidence", plan.branch, plan.evidence_branch, plan.evidence_paths),
            )
        )
        query.repository("home", home.slug, selection)
        pins = plan.pins if components else ()
        for number, pin in enumerate(pins):
            query.repository(f"r{number}", pin.slug, queries.pinned(query, pin.ref, pin.sha))
        answer = self._ask(query)
        part = part_of(answer, "home", home.slug)
        facts = replace(
            self._observation(answer, home),
            repos={pin.repo: pinned_of(answer, f"r{number}", pin, goal.config) for number, pin in enumerate(pins)},
            release_change=change_of(part, "change", plan.release_branch, paths),
            evidence_change=change_of(part, "evidence", plan.evidence_branch, plan.evidence_paths),
        )
        if not pins:
            return facts
        facts = self.add_candidates(facts, planned_questions(goal))
        missing = tuple(p for p in pins if (ready := facts.ready.get(p.repo)) is None or ready.problems)
        return self.add_recipes(facts, goal.config, missing)

    def look_to_cancel(self, goal: Train) -> Observation:
        """Home, the release pull request and that of the mark: all that abandoning a plan looks at."""
        plan, home = goal.plan, goal.config.home(goal.product)
        branch, paths = mark_branch(plan.tag), (mark_path(plan.tag),)
        query = Query()
        selection = "\n".join(
            (
                f"...Home {self._home(query, home)}",
                queries.change(query, "change", plan.branch, plan.release_branch, ()),
                queries.change(query, "mark", plan.branch, branch, paths),
            )
        )
        query.repository("home", home.slug, selection)
        answer = self._ask(query)
        part = part_of(answer, "home", home.slug)
        return replace(
            self._observation(answer, home),
            release_change=change_of(part, "change", plan.release_branch, ()),
            mark_change=change_of(part, "mark", branch, paths),
        )

    def look_at_run(self, goal: Train, run_id: int) -> tuple[Observation, seen.Run]:
        """The home repository, one run of it, who approved it, and who has rejected another run of the same plan.

        What the publishing job checks before it acts.
        """
        facts = self._add_runs(self.look(goal, components=False), goal)
        rejected = tuple(review for review in facts.approvals or () if review.state == "rejected")
        run = read_run(self._client, goal.plan.home, run_id)
        return replace(facts, approvals=(*rejected, *read_approvals(self._client, goal.plan.home, run_id))), run

    def answer(self, facts: Observation, goal: Train, ask: Ask) -> Observation:
        """One of the facts that are too costly to be read at every look."""
        match ask.what:
            case "protection":
                return self.add_protection(facts, goal.product)
            case "runs":
                return self._add_runs(facts, goal)
            case "candidate runs":
                return self._add_candidate_runs(facts, goal)
            case "published":
                return self._add_published(facts, goal)

    def _add_candidate_runs(self, facts: Observation, goal: Train) -> Observation:
        """The recent dispatched runs of every candidate that is not ready."""
        missing = [c for c in goal.plan.candidates if (ready := facts.ready.get(c.repo)) is None or ready.problems]
        runs = self._client.gather([partial(read_runs, self._client, c.slug, c.workflow) for c in missing])
        return replace(facts, candidate_runs=dict(zip((c.repo for c in missing), runs, strict=True)))

    def _add_published(self, facts: Observation, goal: Train) -> Observation:
        """Digests and small files of the published release, and the ledger entry that its own follows."""
        plan = goal.plan
        released = next(r for r in facts.home.releases if r.tag == plan.tag and not r.draft)
        nodes = tuple(a.node for a in released.assets)
        if nodes not in self._published:
            self._published[nodes] = self._fetch_published(plan.home, released)
        detailed, published = self._published[nodes]
        facts = facts.with_home(releases=(detailed, *(r for r in facts.home.releases if r.id != detailed.id)))
        before = previous_entry(tuple(t for t in facts.home.ledger if t != plan.tag), plan.tag)
        facts = self.add_texts(facts, ledger_files(before))
        return replace(facts, published=published, signature_valid=_signed(goal.config, published))

    def _fetch_published(self, slug: str, released: seen.Release) -> tuple[seen.Release, dict[str, bytes]]:
        detailed = self._release(slug, released.id)
        small = [a for a in detailed.assets if a.name in METADATA]
        data = self._client.gather([partial(self.asset, slug, a, _SMALL) for a in small])
        return detailed, dict(zip((a.name for a in small), data, strict=True))

    def _release(self, slug: str, release_id: int) -> seen.Release:
        return candidates.release_from_rest(self._client.get(f"/repos/{slug}/releases/{release_id}").json)

    def add_digests(self, facts: Observation, release: seen.Release) -> Observation:
        """The numbers and digests of one release's assets, which only REST tells."""
        others = tuple(r for r in facts.home.releases if r.id != release.id)
        return facts.with_home(releases=(self._release(facts.home.slug, release.id), *others))

    def asset(self, slug: str, asset: seen.Asset, max_bytes: int) -> bytes:
        """The bytes of a small asset, compared with the digest that the forge computed."""
        sink = io.BytesIO()
        sha256, size = self._client.download(f"/repos/{slug}/releases/assets/{asset.id}", sink, max_bytes=max_bytes)
        if size != asset.size or (asset.digest and asset.digest != f"sha256:{sha256}"):
            raise IntegrityError(
                f"{asset.name} of {slug} arrived with other bytes than the forge announced",
                remedy="Try again; report it if it stays.",
            )
        return sink.getvalue()

    def changed_paths(self, slug: str, older: str, newer: str, prefix: str) -> tuple[str, ...]:
        """Files below a directory that differ between two commits (the forge lists at most 300: github-facts G22)."""
        answer = self._client.get(f"/repos/{slug}/compare/{older}...{newer}").json
        files = graph.convert(answer, _Compared, "a comparison").files
        return tuple(f.filename for f in files if f.filename.startswith(prefix))

    def changed(self, watch: Watch) -> bool:
        """Ask for one resource; an unchanged one costs a request that is answered 304 and counts for nothing (G45)."""
        if watch.kind == "run":
            if all(str(run.id) != watch.id for run in self._runs):
                self._runs = ()  # a run that the list does not show yet
            return read_run(self._client, watch.repo, int(watch.id)).status in watch.until
        return watch.concluded != read_concluded(self._client, watch.repo, watch.id)

    # --- parts

    def _add_runs(self, facts: Observation, goal: Train) -> Observation:
        runs = self._read_runs(goal)
        ours, approvals = _of_plan(goal, runs), None
        if ended := [run for run in ours if run.status == "completed"]:
            approvals = tuple(review for run in ended for review in self._approvals_of(goal, run))
        return replace(facts, runs=runs, approvals=approvals)

    def _approvals_of(self, goal: Train, run: seen.Run) -> tuple[seen.Approval, ...]:
        if not self._approvals.get(run.id):
            self._approvals[run.id] = read_approvals(self._client, goal.plan.home, run.id)
        return self._approvals[run.id]

    def _read_runs(self, goal: Train) -> tuple[seen.Run, ...]:
        """The list once; then, while the run of this plan goes on or when it has succeeded, that run alone."""
        known = next(iter(_of_plan(goal, self._runs)), None)
        if known is not None and known.status != "completed":
            known = read_run(self._client, goal.plan.home, known.id)
            self._runs = tuple(known if run.id == known.id else run for run in self._runs)
        if known is None or (known.status == "completed" and known.conclusion != "success"):
            self._runs = read_runs(self._client, goal.plan.home, goal.product.workflow)
        return self._runs

    def _ask(self, query: Query) -> Graph:
        return ask(self._client, query)

    def _home(self, query: Query, home: Repo) -> str:
        branch = home.branch
        return "\n".join(
            (
                f"head: ref(qualifiedName: {query.value(f'refs/heads/{branch}')}) {{ target {{ oid }} {CLASSIC} }}",
                queries.file_of(query, "config", f"{branch}:{DEFAULT_FILE}", text=False),
                queries.file_of(query, "audit", f"{branch}:{AUDIT_PATH}", text=True),
                queries.folder_of(query, "plans", f"{branch}:release-plans"),
                queries.folder_of(query, "specs", f"{branch}:release-specs"),
                queries.folder_of(query, "ledger", f"{branch}:release/ledger"),
                queries.folder_of(query, "abandoned", f"{branch}:release/abandoned"),
            )
        )

    def _observation(self, answer: Graph, home: Repo) -> Observation:
        part = part_of(answer, "home", home.slug)
        head = graph.optional(part.get("head"), graph.RefNode, "the home branch")
        if head is None or head.target is None:
            raise UsageError(f"{home.slug} has no branch {home.branch}", remedy="Check `branch` in the configuration.")
        rule = graph.optional(part["head"].get("refUpdateRule"), ClassicRule, "branch protection")
        config = graph.optional(part.get("config"), graph.BlobNode, "the configuration")
        audit = text_of(part, "audit", AUDIT_PATH)
        tags = graph.convert(part.get("tags"), graph.Refs, "tags")
        releases = graph.convert(part.get("releases"), graph.Releases, "releases")
        branches = graph.convert(part.get("branches"), graph.Branches, "branches")
        abandoning = graph.convert(part.get("abandoning"), graph.Branches, "branches")
        facts = seen.Home(
            slug=home.slug,
            branch=home.branch,
            head=head.target.oid,
            config_blob=config.oid if config else None,
            audit=audit.encode() if audit is not None else None,
            plans=names_of(part, "plans"),
            specs=names_of(part, "specs"),
            ledger=names_of(part, "ledger"),
            branches=tuple(f"release/{r.name}" for r in branches.nodes),
            abandoned=names_of(part, "abandoned"),
            abandoning=tuple(r.name for r in abandoning.nodes),
            tags={r.name: graph.tag_target(r) for r in self._all_tags(home, tags) if r.target},
            releases=tuple(map(graph.release_of, self._all_releases(home, releases))),
            rules=classic_rules(rule),
        )
        viewer = graph.convert(answer.data.get("viewer"), graph.Login, "the viewer").login
        return Observation(now=self._now(), viewer=viewer, home=facts, repos={})

    def _now(self) -> str:
        return moment(self._client.date).strftime("%Y-%m-%dT%H:%M:%S+00:00")

    def _all_tags(self, home: Repo, refs: graph.Refs) -> list[graph.RefNode]:
        nodes, seen_cursors = list(refs.nodes), set[str]()
        while cursor := next_cursor(refs.page_info, seen_cursors, "tags"):
            query = Query()
            query.repository("home", home.slug, queries.page_of_tags(query, cursor))
            refs = graph.convert(part_of(self._ask(query), "home", home.slug).get("tags"), graph.Refs, "tags")
            nodes += refs.nodes
        return nodes

    def _all_releases(self, home: Repo, releases: graph.Releases) -> list[graph.ReleaseNode]:
        nodes, seen_cursors = list(releases.nodes), set[str]()
        while cursor := next_cursor(releases.page_info, seen_cursors, "releases"):
            query = Query()
            query.repository("home", home.slug, queries.page_of_releases(query, cursor))
            releases = graph.convert(
                part_of(self._ask(query), "home", home.slug).get("releases"), graph.Releases, "releases"
            )
            nodes += releases.nodes
        return nodes


def _of_plan(goal: Train, runs: tuple[seen.Run, ...]) -> tuple[seen.Run, ...]:
    """The runs of this plan, under whatever seal, the one that counts first."""
    return by_weight(run for run in runs if goal.file.digest in run.title)


def _signed(config: Config, published: dict[str, bytes]) -> bool | None:
    """Whether the manifest's signature verifies against the pinned key; None when one of the two is missing."""
    if MANIFEST not in published or SIGNATURE not in published:
        return None
    try:
        verify(config.policy.manifest_key, published[MANIFEST], published[SIGNATURE].decode("ascii", "replace"))
    except IntegrityError:
        return False
    return True
