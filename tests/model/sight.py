"""What somebody is shown of the forge in memory: `ports.Reader` for one person, with reads that may lag."""

from __future__ import annotations

from msgspec.structs import replace

from core.world import HOME_FACTS, NOW, sha
from model.forge import Forge, Publishing, blob
from ms_release.config import Config, Product
from ms_release.core.action import Ask, Watch
from ms_release.core.ledger import ledger_files, previous_entry
from ms_release.core.model import Pin
from ms_release.core.observation import CandidateQuestion, ChangeFacts, Commit, Home, Observation, RepoFacts, Run
from ms_release.core.plan import plan_path
from ms_release.core.train import Train, release_change
from ms_release.core.verify import METADATA

PLANS, LEDGER = "release-plans/", "release/ledger/"


class Reader:
    """One person's view. `lag`: the next looks at a plan show what stood when it was set."""

    def __init__(self, forge: Forge, viewer: str) -> None:
        self._forge = forge
        self.viewer = viewer
        self.lag: list[Observation] = []

    # --- a new plan

    def survey(self, config: Config, product: Product) -> Observation:
        repos = {}
        for repo in config.components(product):
            made = [self._commit(sha(name), name) for name in reversed(self._forge.components[repo.id])]
            repos[repo.id] = RepoFacts(repo.id, repo.slug, repo.branch, made[0].sha, tuple(made), False, ())
        return Observation(NOW, self.viewer, self._home(), repos)

    def add_texts(self, facts: Observation, paths: tuple[str, ...]) -> Observation:
        files = self._forge.commits[facts.home.head]
        found = {path: files[path].decode() for path in paths if path in files}
        return facts.with_home(texts={**facts.home.texts, **found})

    def read_plans(self, facts: Observation, tags: tuple[str, ...]) -> dict[str, str]:
        found = {}
        for tag in tags:
            branch = self._forge.branches.get(f"release/{tag}")
            data = self._forge.commits[facts.home.head].get(plan_path(tag))
            data = data or (branch.changes.get(plan_path(tag)) if branch else None)
            if data is not None:
                found[tag] = data.decode()
        return found

    def add_commits(self, facts: Observation, wanted: dict[str, str]) -> Observation:
        return facts  # the survey shows every commit there is

    def add_recipes(self, facts: Observation, config: Config, pins: tuple[Pin, ...]) -> Observation:
        return facts  # commits alone name the candidates here

    def add_candidates(self, facts: Observation, wanted: dict[str, CandidateQuestion]) -> Observation:
        found = {id: self._forge.ready[id].get(asked.sha) for id, asked in wanted.items()}
        return replace(facts, ready={**facts.ready, **found})

    def add_protection(self, facts: Observation, product: Product) -> Observation:
        found = facts.with_home(rules=self._forge.rules, environment=self._forge.environment)
        return replace(found, protection_read=True)

    # --- a plan on its way

    def look(self, goal: Train) -> Observation:
        return self.lag.pop(0) if self.lag else self.look_now(goal)

    def look_now(self, goal: Train) -> Observation:
        plan = goal.plan
        repos = {
            pin.repo: RepoFacts(
                pin.repo,
                pin.slug,
                pin.ref,
                None,
                (self._commit(pin.sha, pin.repo),),
                True,
                (),
                reachable={pin.sha: True},
            )
            for pin in plan.pins
        }
        return Observation(
            NOW,
            self.viewer,
            self._home(),
            repos,
            ready={pin.repo: self._forge.ready[pin.repo].get(pin.sha) for pin in plan.pins},
            release_change=self._change(plan.release_branch, tuple(f.path for f in release_change(goal).files)),
            evidence_change=self._change(plan.evidence_branch, plan.evidence_paths),
        )

    def answer(self, facts: Observation, goal: Train, ask: Ask) -> Observation:
        match ask.what:
            case "protection":
                return self.add_protection(facts, goal.product)
            case "runs":
                return self._runs(facts, goal)
            case "candidate runs":
                return replace(facts, candidate_runs={id: tuple(runs) for id, runs in self._forge.builds.items()})
            case "published":
                return self._published(facts, goal)

    def changed(self, watch: Watch) -> bool:
        return True  # whoever waits looks again when it is their turn

    def look_at_run(self, goal: Train, publishing: Publishing) -> tuple[Observation, Run]:
        """What the publishing job reads before it acts."""
        facts = self._runs(self.look_now(goal), goal)
        rejected = tuple(review for review in facts.approvals or () if review.state == "rejected")
        return replace(facts, approvals=(*rejected, *publishing.approvals)), publishing.run

    # --- parts

    def _commit(self, commit: str, subject: str) -> Commit:
        return Commit(commit, f"fix: {subject}", "", "carol", self._forge.checks[commit])

    def _home(self) -> Home:
        forge, names = self._forge, self._forge.main
        return replace(
            HOME_FACTS,
            head=forge.head,
            config_blob=forge.config,
            plans=tuple(p[len(PLANS) : -5] for p in names if p.startswith(PLANS)),
            ledger=tuple(p[len(LEDGER) : -5] for p in names if p.startswith(LEDGER)),
            branches=tuple(name for name in forge.branches if name.startswith("release/")),
            tags=dict(forge.tags),
            releases=tuple(forge.releases),
            rules=None,
            environment=None,
        )

    def _change(self, name: str, paths: tuple[str, ...]) -> ChangeFacts:
        forge, branch, found = self._forge, self._forge.branches.get(name), self._forge.pull_of(name)
        on_base = {path: blob(forge.main[path]) if path in forge.main else None for path in paths}
        changes = branch.changes if branch else {}
        on_branch = {path: blob(changes[path]) if path in changes else None for path in paths}
        at, behind = (branch.head, branch.behind) if branch else (None, False)
        return ChangeFacts(name, at, on_branch, on_base, found[1] if found else None, behind)

    def _runs(self, facts: Observation, goal: Train) -> Observation:
        """Every run, and the reviews of those of this plan that have ended."""
        ended = [p for p in self._forge.runs if goal.file.digest in p.run.title and not p.live]
        approvals = tuple(review for publishing in ended for review in publishing.approvals) if ended else None
        return replace(facts, runs=tuple(p.run for p in reversed(self._forge.runs)), approvals=approvals)

    def _published(self, facts: Observation, goal: Train) -> Observation:
        plan = goal.plan
        released = next(r for r in facts.home.releases if r.tag == plan.tag and not r.draft)
        found = {a.name: self._forge.bytes[a.digest] for a in released.assets if a.name in METADATA and a.digest}
        before = previous_entry(tuple(t for t in facts.home.ledger if t != plan.tag), plan.tag)
        facts = self.add_texts(facts, ledger_files(before))
        signed = found.get("manifest.json.sig") == b"signature of " + found.get("manifest.json", b"")
        return replace(facts, published=found, signature_valid=signed)
