"""A small organisation as values: its configuration, and what a look at it shows at any stage of a release."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from msgspec.structs import replace

from ms_release import config as configuration
from ms_release.config import CheckRule, Config
from ms_release.core import candidate, ledger, manifest, spec, train
from ms_release.core.change import Change
from ms_release.core.gates import Subject
from ms_release.core.model import CandidatePin, Evidence, Pin, Waiver
from ms_release.core.observation import (
    Approval,
    Asset,
    ChangeFacts,
    Check,
    Commit,
    Environment,
    Home,
    Observation,
    Pull,
    Ready,
    Release,
    RepoFacts,
    Rules,
    Run,
)
from ms_release.core.plan import make_file
from ms_release.core.planning import Draft, Intent, Parts, Previous, make_draft, select_pins
from ms_release.core.promote import DistFile
from ms_release.core.train import Train

TOML = """\
[config]
schema = 1
home = "studio/distribution"

[policy]
manifest_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

[roles]
maintainers = "studio/maintainers"
release_managers = "studio/release-managers"

[[repo]]
id = "loader"
url = "https://forge.example/studio/loader"
select = "carry"
checks = [{ name = "test", app = "github-actions" }]
candidate = { workflow = "candidate.yml", visibility = "prerelease" }

[[repo]]
id = "core"
url = "https://forge.example/studio/core.git"
select = "head"
checks = [{ name = "test", app = "github-actions" }, { name = "scan", app = "scanner" }]
candidate = { workflow = "build.yml", visibility = "draft" }

[[repo]]
id = "distribution"
url = "https://forge.example/studio/distribution"
checks = [{ name = "validate", app = "github-actions" }]

[[product]]
id = "content"
kind = "content"
repos = ["loader", "core"]
home = "distribution"
environment = "release"
workflow = "publish.yml"

[[product.assets]]
id = "firmware"
kind = "firmware"
filename = "firmware.hex"
from = "core/firmware.hex"

[[product.assets]]
id = "bundle"
kind = "bundle"
os = "linux"
arch = "x86_64"
filename = "bundle.zip"
members = [{ path = "bin/loader", from = "loader/loader" }]

[[product.install_sets]]
id = "default"
assets = ["firmware", "bundle"]
"""
CONFIG = configuration.parse(TOML)
PRODUCT = CONFIG.product("content")
CORE, LOADER, HOME = CONFIG.repo("core"), CONFIG.repo("loader"), CONFIG.repo("distribution")
TEST = (CheckRule("test", "github-actions"),)

NOW = "2026-01-10T12:00:00Z"
TAG = "v0.1.0-beta.1"
BLOB = hashlib.sha1(TOML.encode()).hexdigest()


def sha(name: str) -> str:
    """A commit id that a name stands for."""
    return hashlib.sha1(name.encode()).hexdigest()


def sha256(name: str) -> str:
    """A digest that a name stands for."""
    return hashlib.sha256(name.encode()).hexdigest()


def check(number: int = 1, name: str = "test", app: str = "github-actions", **changes: Any) -> Check:
    """A green check of a push."""
    made = Check(name, app, "completed", "success", number, 70 + number, "push" if app == "github-actions" else None)
    return replace(made, **changes)


GREEN = (check(1), check(2, "scan", "scanner"))
RED = (check(1, conclusion="failure"), check(2, "scan", "scanner"))
PENDING = (check(1, status="in_progress", conclusion=None), check(2, "scan", "scanner"))


def commit(name: str, checks: tuple[Check, ...] | None = GREEN, subject: str = "") -> Commit:
    return Commit(sha(name), subject or f"fix: {name}", "", "carol", checks)


def component(id: str, *commits: Commit, **changes: Any) -> RepoFacts:
    """A component with these commits, newest first."""
    made = RepoFacts(id, CONFIG.repo(id).slug, "main", commits[0].sha if commits else None, commits, False, ())
    return replace(made, **changes)


def pin(id: str = "core", name: str = "core-1", **changes: Any) -> Pin:
    repo = CONFIG.repo(id)
    evidence = tuple(
        proof(rule, each) for rule, each in zip(repo.checks, GREEN, strict=False) if rule.name == each.name
    )
    return replace(Pin(id, repo.slug, repo.url, "main", sha(name), "head", "the tip of main", evidence), **changes)


def proof(rule: CheckRule, found: Check) -> Evidence:
    return Evidence(rule.name, rule.app, found.check_run_id, found.run_id)


def ready(id: str, commit_sha: str, **changes: Any) -> Ready:
    """A complete candidate of a commit."""
    release = Release(500 + len(id), f"rc-{commit_sha}", False, True)
    return replace(Ready(release, sha256(f"{id} {commit_sha}"), None), **changes)


def audit(at: str = "2026-01-09T00:00:00Z", outcome: str = "PASS", **repos: Any) -> bytes:
    """The audit record; `repos` replaces the entries of a repository by its last name, None leaves it out."""
    entries: dict[str, Any] = {}
    for name in ("distribution", "loader", "core"):
        own = repos.get(name, [{"code": "ENVIRONMENT_NO_BYPASS", "outcome": outcome, "is": "", "should": ""}])
        if own is not None:
            entries[f"studio/{name}"] = own
    document = {"schema": "ms-policy-audit/v1", "audited_at": at, "audited_by": "dana", "repos": entries}
    return json.dumps(document).encode()


RULES = Rules(pull_request=True, strict=True, checks=("validate",), blocks_force_push=True, blocks_deletion=True)
ENVIRONMENT = Environment("release", ("studio/release-managers",), True, False, ("main",))
HOME_FACTS = Home(
    slug="studio/distribution",
    branch="main",
    head=sha("home"),
    config_blob=BLOB,
    audit=audit(),
    plans=(),
    specs=(),
    ledger=(),
    branches=(),
    tags={},
    releases=(),
    rules=RULES,
    environment=ENVIRONMENT,
)


def observation(**changes: Any) -> Observation:
    """Everything is well, nothing is released yet; the candidate of `loader` is ready, that of `core` is to build."""
    facts = Observation(
        now=NOW,
        viewer="alice",
        home=HOME_FACTS,
        repos={"loader": component("loader", commit("loader-1")), "core": component("core", commit("core-1"))},
        ready={"loader": ready("loader", sha("loader-1")), "core": None},
        protection_read=True,
        candidate_runs={},
    )
    return replace(facts, **changes)


def subject(facts: Observation | None = None, **changes: Any) -> Subject:
    """What the gates look at when everything is well."""
    pins = (pin("loader", "loader-1"), pin("core", "core-1"))
    candidates = tuple(CandidatePin(p.repo, p.slug, f"rc-{p.sha}", "build", "candidate.yml") for p in pins)
    made = Subject(CONFIG, PRODUCT, TAG, pins, candidates, BLOB, facts or observation())
    return replace(made, **changes)


def with_waivers(*waivers: Waiver) -> Config:
    return replace(CONFIG, waivers=waivers)


def tags(pins: tuple[Pin, ...]) -> dict[str, str]:
    """The tags of the candidates of these pins, where commits alone name them."""
    return {p.repo: f"rc-{p.sha}" for p in pins}


def draft(facts: Observation, intent: Intent, before: Previous | None = None) -> Draft:
    pins = select_pins(CONFIG, PRODUCT, intent, facts, before)
    return make_draft(
        CONFIG, PRODUCT, intent, facts, Parts(pins, before, BLOB, tags(pins), before if intent.source else None)
    )


def planned(facts: Observation | None = None, *, config: Config = CONFIG, created_by: str = "alice") -> Train:
    """The beta that follows from these facts."""
    made = draft(facts or observation(), Intent("beta", auto=True))
    return Train(config, PRODUCT, make_file(made.plan, created_at=NOW, created_by=created_by))


# --- a plan on its way


def absent(change: Change) -> ChangeFacts:
    nothing: dict[str, str | None] = dict.fromkeys(change.wanted)
    return ChangeFacts(change.branch, None, nothing, nothing, None)


def pushed(change: Change) -> ChangeFacts:
    return replace(absent(change), branch=sha("head"), on_branch=dict(change.wanted))


def opened(change: Change, *checks: Check, **changes: Any) -> ChangeFacts:
    """An open pull request whose head is ours."""
    pull = Pull(7, "https://forge.example/pull/7", "OPEN", "alice", sha("head"), tuple(change.wanted))
    return replace(pushed(change), pull=replace(pull, **{"checks": checks, **changes}))


def merged(change: Change, **changes: Any) -> ChangeFacts:
    merged_pull = {"state": "MERGED", "merge_commit": sha("merge"), "merged_by": "erin", **changes}
    return replace(opened(change, check(1, "validate"), **merged_pull), on_base=dict(change.wanted))


def under_way(goal: Train, change: ChangeFacts | None = None, facts: Observation | None = None) -> Observation:
    """The look at a plan on its way, with its release change at some stage."""
    evidence = absent(ledger.evidence_change(goal, b""))
    release = change or absent(train.release_change(goal))
    return replace(facts or observation(), release_change=release, evidence_change=evidence)


def all_ready(goal: Train, facts: Observation) -> Observation:
    """The same look with every candidate built."""
    return replace(facts, ready={p.repo: facts.ready.get(p.repo) or ready(p.repo, p.sha) for p in goal.plan.pins})


def prepared(goal: Train) -> Observation:
    """Merged, and every candidate is there: the seal exists."""
    facts = all_ready(goal, under_way(goal, merged(train.release_change(goal))))
    return facts.with_home(plans=(goal.plan.tag,))


def seal_of(goal: Train, facts: Observation) -> str:
    made = train.seal(goal, facts, sha("merge"))
    assert made is not None
    return made


def publish_run(goal: Train, facts: Observation, id: int = 900, **changes: Any) -> Run:
    """A finished publishing run of this plan under this seal."""
    title = train.run_title(goal.plan, goal.file.digest, seal_of(goal, facts))
    made = Run(
        id,
        title,
        "completed",
        "success",
        "workflow_dispatch",
        sha("merge"),
        1,
        "alice",
        "alice",
        f"https://forge.example/runs/{id}",
    )
    return replace(made, **changes)


APPROVED = Approval("bob", "approved", "", "release")


def dist(goal: Train) -> dict[str, bytes]:
    """What `assemble` lays out: the assets, the manifest with its signature, and the checksums."""
    files = {a.filename: f"bytes of {a.filename}".encode() for a in PRODUCT.assets}
    listed = spec.parse_spec(train.render_spec(goal))
    sizes = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    text = manifest.render_manifest(manifest.make_manifest(listed, NOW, sizes))
    sums = candidate.render_checksums({name: digest for name, (_, digest) in sizes.items()})
    return {**files, "manifest.json": text, "manifest.json.sig": b"signature", "checksums.txt": sums}


def dist_files(goal: Train) -> tuple[DistFile, ...]:
    return tuple(DistFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in dist(goal).items())


def asset(name: str, size: int, sha256: str, id: int = 1) -> Asset:
    return Asset(f"node-{id}", name, size, f"sha256:{sha256}", id)


def released(goal: Train, facts: Observation) -> Observation:
    """Published as planned, by an approved run, and not recorded yet."""
    assets = tuple(asset(f.name, f.size, f.sha256, 10 + i) for i, f in enumerate(dist_files(goal)))
    body = train.release_body(goal, seal_of(goal, facts))
    release = Release(77, goal.plan.tag, False, goal.plan.prerelease, assets, body, NOW)
    small = {n: b for n, b in dist(goal).items() if n in ("manifest.json", "manifest.json.sig", "checksums.txt")}
    facts = facts.with_home(
        releases=(release, *facts.home.releases), tags={**facts.home.tags, goal.plan.tag: sha("merge")}
    )
    return replace(
        facts, runs=(publish_run(goal, facts),), approvals=(APPROVED,), published=small, signature_valid=True
    )
