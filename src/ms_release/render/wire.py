"""Which files a repository gets, and their text: the configuration and a look at its files decide, nothing else."""

from __future__ import annotations

from ms_release.config import Config, Product, Repo
from ms_release.core.marked import Generated
from ms_release.core.project import Found, Gate, gates_of
from ms_release.core.workflow import FOLDER, parse
from ms_release.errors import UsageError
from ms_release.render import workflow_files, workflow_release
from ms_release.render.wire_plan import plan_document

PLAN = "release/plan.md"
CI, TRAIN, AUDIT = "ci.yml", "release-train.yml", "policy-audit.yml"


def files_of(config: Config, repo: Repo, found: Found) -> tuple[Generated, ...]:
    """The workflows and the plan of one repository.

    Raises UsageError when it has no gate, no `build` for its candidate, or two workflows of one name.
    """
    gates = gates_of(repo.wire, found)
    made = [_workflow(CI, workflow_files.ci(repo, gates, found), gates=True)]
    if repo.candidate is not None:
        made.append(_workflow(repo.candidate.workflow, _candidate(config, repo, gates, found)))
    products = [p for p in config.products if p.home == repo.id]
    made += [_workflow(p.workflow, workflow_release.publish(p, drafts=_drafts(config, p))) for p in products]
    if products:
        made.append(_workflow(TRAIN, workflow_release.train(products[0])))
    if repo.slug == config.config.home:
        made.append(_workflow(AUDIT, workflow_release.audit()))
    names = [file.path for file in made]
    if twins := [name for name in names if names.count(name) > 1]:
        raise UsageError(
            f"{repo.id} would have two files {twins[0]}",
            remedy="Name the workflows of its candidate and products apart.",
        )
    return (*made, Generated(PLAN, plan_document(config, repo, gates, tuple(map(_row, made)))))


def unproven(repo: Repo, found: Found) -> tuple[str, ...]:
    """The configured checks of GitHub Actions that no gate makes: other workflows must, or a release waits for ever."""
    made = {gate.name for gate in gates_of(repo.wire, found)}
    return tuple(c.name for c in repo.checks if c.app == "github-actions" and c.name not in made)


def _workflow(name: str, text: str, *, gates: bool = False) -> Generated:
    return Generated(f"{FOLDER}/{name}", text, gates)


def _candidate(config: Config, repo: Repo, gates: tuple[Gate, ...], found: Found) -> str:
    assert repo.candidate is not None
    build = next((gate for gate in gates if gate.name == "build"), None)
    if build is None:
        raise UsageError(
            f"{repo.id} has a candidate, and no gate build that makes it",
            remedy=f'Say how: [repo.wire] gates = {{ build = "…" }}; it fills {repo.wire.artifacts}/.',
        )
    inputs = {id: config.repo(id).slug for id in repo.candidate.inputs}
    return workflow_files.candidate(repo, build, found, inputs, bool(config.policy.candidate_key))


def _drafts(config: Config, product: Product) -> bool:
    return any(r.candidate is not None and r.candidate.visibility == "draft" for r in config.components(product))


_STARTED = {
    "pull_request": "pull requests",
    "push": "every commit of the branch",
    "workflow_dispatch": "a command or button",
    "schedule": "the clock",
}


def _row(file: Generated) -> tuple[str, str, str]:
    workflow = parse(file.body.encode(), file.name)
    started = ", ".join(_STARTED[event] for event in workflow.triggers)
    jobs = (f"{j.key} (behind `{j.environment}`)" if j.environment else j.key for j in workflow.jobs)
    return file.name, started, ", ".join(jobs)
