"""One release on its way: a plan with what follows from it (files, titles, seal). Pure functions of plan and facts."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ms_release.config import Config, Product
from ms_release.core import notes, sanitize, spec
from ms_release.core.candidate_identity import planned_question, question
from ms_release.core.change import Change
from ms_release.core.model import File, Pin
from ms_release.core.observation import CandidateQuestion, Observation, Run
from ms_release.core.plan import Plan, PlanFile, make_seal, notes_path, spec_path
from ms_release.errors import DamagedError


class Train(Struct, frozen=True):
    """A plan file, with the configuration it was made under."""

    config: Config
    product: Product
    file: PlanFile

    @property
    def plan(self) -> Plan:
        return self.file.plan


def render_notes(plan: Plan) -> bytes:
    """The release notes that the pull request commits."""
    return notes.render_notes(plan.tag, plan.channel, plan.previous, plan.changes, plan.pins, plan.notes).encode()


def release_files(train: Train) -> tuple[File, ...]:
    """What the release pull request brings: plan, spec, notes. Raises DamagedError when the plan promised others."""
    plan = train.plan
    rendered = File(notes_path(plan.tag), render_notes(plan))
    promised = {f.path: f.sha256 for f in plan.files}
    if promised != {rendered.path: rendered.sha256}:
        raise DamagedError(
            f"the notes of {plan.tag} are not what the plan promised",
            remedy="The plan was made by another version of this program: use that one, or plan again.",
        )
    return (
        File(plan.path, train.file.data),
        File(spec_path(plan.tag), render_spec(train)),
        rendered,
    )


def render_spec(train: Train) -> bytes:
    """The release spec, schema 3: a pure function of plan and configuration (SPEC 6)."""
    plan, product = train.plan, train.product
    return spec.render_spec(
        spec.Spec(
            channel=plan.channel,
            tag=plan.tag,
            repos=tuple(spec.SpecRepo(p.repo, p.url, p.ref, p.sha) for p in plan.pins),
            assets=tuple(
                spec.SpecAsset(id=a.id, kind=a.kind, os=a.os, arch=a.arch, filename=a.filename) for a in product.assets
            ),
            install_sets=tuple(
                spec.InstallSet(id=i.id, os=i.os, arch=i.arch, assets=i.assets) for i in product.install_sets
            ),
            plan=train.file.digest,
            candidates=tuple(spec.SpecCandidate(c.repo, c.tag, c.digest or None) for c in plan.candidates),
        )
    )


def candidate_questions(config: Config, pins: tuple[Pin, ...], facts: Observation) -> dict[str, CandidateQuestion]:
    """What to look for so that each pin's candidate is found. Raises UsageError for an input that nothing pins."""
    by_id = {pin.repo: pin for pin in pins}
    return {id: question(config, config.repo(id), by_id, facts.recipes.get(id, ())) for id in by_id}


def planned_questions(train: Train) -> dict[str, CandidateQuestion]:
    """The same for the candidates that a plan names."""
    by_id = {pin.repo: pin for pin in train.plan.pins}
    return {c.repo: planned_question(train.config, c, by_id) for c in train.plan.candidates}


def release_change(train: Train) -> Change:
    """The release pull request."""
    plan = train.plan
    return Change(
        plan.home,
        plan.branch,
        plan.release_branch,
        release_files(train),
        f"chore(release): {plan.tag}",
        _pull_body(train),
        train.config.home(train.product).checks,
    )


def _pull_body(train: Train) -> str:
    plan = train.plan
    rows = [f"| {p.repo} | `{p.sha[:12]}` | {p.select}: {sanitize.markdown(p.reason)} |" for p in plan.pins]
    passed = [
        f"- {p.repo} `{c.sha[:12]}` {sanitize.markdown(c.subject)}: {sanitize.markdown(c.reason)}"
        for p in plan.pins
        for c in p.passed_over
    ]
    lines = [
        f"Release plan of **{plan.tag}** ({plan.channel}).",
        "",
        f"plan `{train.file.digest}`",
        "",
        "| repository | commit | why |",
        "|---|---|---|",
        *rows,
    ]
    if passed:
        lines += ["", "Newer commits passed over:", "", *passed[:100]]
    return "\n".join(lines) + "\n"


def seal(train: Train, facts: Observation, release_commit: str) -> str | None:
    """The seal, or None while a candidate is still being built."""
    digests = {}
    for candidate in train.plan.candidates:
        ready = facts.ready.get(candidate.repo)
        if ready is None or ready.problems:
            return None
        digests[candidate.repo] = ready.digest
    return make_seal(train.file.digest, release_commit, digests)


def run_title(plan: Plan, digest: str, seal: str) -> str:
    """The name of the publishing run: how it is found, and what the approver sees."""
    return f"Publish {plan.tag} · plan {digest} · seal {seal}"


def publish_runs(train: Train, facts: Observation, seal: str) -> tuple[Run, ...]:
    """The runs that publish exactly this plan under this seal, the one that counts first."""
    title = run_title(train.plan, train.file.digest, seal)
    return by_weight(r for r in facts.runs or () if r.title == title)


def by_weight(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Runs of one plan, the one that counts first: the oldest that goes on, then the newest that has ended.

    Two operators can start the same run at once, because a dispatch expects nothing. All must then mean the same one.
    """
    return tuple(sorted(runs, key=_weight))


def _weight(run: Run) -> tuple[bool, int]:
    ended = run.status == "completed"
    return ended, -run.id if ended else run.id


def release_marker(digest: str, seal: str) -> str:
    """The hidden line in a release's body that says which plan and seal it carries."""
    return f"<!-- ms-release plan={digest} seal={seal} -->"


def release_body(train: Train, seal: str) -> str:
    """The body that `promote` publishes: notes, plan, seal, and the marker."""
    digest = train.file.digest
    notes = render_notes(train.plan).decode()
    return f"{notes}\n---\nplan `{digest}`\nseal `{seal}`\n{release_marker(digest, seal)}\n"
