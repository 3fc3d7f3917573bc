"""`approve`: for the release manager: see exactly what is waiting, type its tag, and review the deployment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Session, Settings, standard_options

if TYPE_CHECKING:
    from ms_release.core.observation import Observation, Run
    from ms_release.core.train import Train


@click.command()
@click.argument("tag")
@standard_options
def approve(settings: Settings, tag: str) -> None:
    """Approve a release that waits for its environment.

    Shows the plan, the seal, what changed since the last release, and what changed under .github/ since the merge. Then
    asks for the tag. Whoever planned, opened, merged or started the release cannot approve it.

    \b
    Example:
      ms release content approve v1.2.0
    """
    from ms_release.core import action, approval

    session = Session(settings, "content")
    goal, facts, run, seal = find_waiting(session, tag)
    if problem := approval.refusal(goal, facts, run, facts.viewer, session.config):
        from ms_release.errors import CredentialError

        raise CredentialError(problem, remedy=f"Another of the release managers must approve it ({session.config.roles.release_managers}).")
    text = _describe(session, goal, run, seal)
    settings.output.data(text)
    _confirm(tag, ask=not settings.output.as_json)
    review = action.ReviewDeployment(
        goal.plan.home, run.id, tag, goal.product.environment, "approved", approval.comment(goal, seal)
    )
    session.writer().perform(review)
    settings.output.data(f"{tag} is approved by @{facts.viewer}; the publishing run goes on: {run.url}")
    settings.output.document({"tag": tag, "plan": goal.file.digest, "seal": seal, "approved_by": facts.viewer, "performed": [review.key]})


def find_waiting(session: Session, tag: str) -> tuple[Train, Observation, Run, str]:
    """The merged plan of a tag, the facts, and the run that waits for it under the seal recomputed here.

    Raises UsageError when there is no such plan, StalePlanError when it is stale, WaitingError when nothing waits.
    """
    from ms_release.core import approval, stale, train, verify
    from ms_release.core.action import Ask
    from ms_release.errors import StalePlanError, WaitingError

    goal = read_train(session, tag)
    facts = session.reader.look(goal)
    for what in ("protection", "runs"):
        facts = session.reader.answer(facts, goal, Ask(what))
    if moved := stale.moved_facts(goal.plan, goal.config, facts):
        ending = stale.blocked(goal.plan, moved)
        raise StalePlanError(ending.cause, remedy=ending.remedy)
    commit = verify.release_commit(facts)
    seal = train.seal(goal, facts, commit) if commit else None
    run = approval.matching_run(goal, facts, seal) if seal else None
    if seal is None or run is None:
        raise WaitingError(f"nothing of {tag} waits for an approval", remedy="See where it stands.", next_command="ms release status")
    return goal, facts, run, seal


def read_train(session: Session, tag: str) -> Train:
    """The merged plan of a tag. Raises UsageError when the home branch holds none."""
    from ms_release.core.plan import parse_file, plan_path
    from ms_release.core.train import Train
    from ms_release.core.version import parse_tag
    from ms_release.errors import UsageError

    if parse_tag(tag) is None:
        raise UsageError(f"{tag!r} is not a version tag", remedy="Write vX.Y.Z or vX.Y.Z-beta.N.")
    reader = session.reader
    facts = reader.look_at_home(session.config, session.product)
    texts = reader.read_plans(facts, (tag,)) if tag in facts.home.plans else {}
    if tag not in texts:
        raise UsageError(f"{facts.home.slug} holds no plan of {tag}", remedy="See what there is.", next_command="ms release status")
    return Train(session.config, session.product, parse_file(texts[tag].encode(), plan_path(tag)))


def _describe(session: Session, goal: Train, run: Run, seal: str) -> str:
    from ms_release.core.sanitize import terminal, terminal_line
    from ms_release.core.train import render_notes
    from ms_release.core.verify import release_commit

    facts = session.reader.look(goal)
    commit = release_commit(facts) or ""
    changed = session.reader.changed_paths(goal.plan.home, commit, run.head_sha, ".github/")
    rows = [f"  {p.repo:<14} {p.sha[:12]}  {p.select:<12} {terminal_line(p.reason)}" for p in goal.plan.pins]
    return "\n".join(
        (
            f"{goal.plan.product} {goal.plan.tag} ({goal.plan.channel}) waits for your approval",
            f"  plan  {goal.file.digest}",
            f"  seal  {seal}",
            f"  run   {run.url}",
            "",
            *rows,
            "",
            terminal(render_notes(goal.plan).decode()),
            "Workflow files changed since the merge: " + (", ".join(map(terminal_line, changed)) or "none"),
        )
    )


def _confirm(tag: str, *, ask: bool) -> None:
    from ms_release.errors import UsageError

    if ask and sys.stdin.isatty():
        sys.stderr.write(f"\nType {tag} to approve: ")
        sys.stderr.flush()
    typed: Any = sys.stdin.readline().strip()
    if typed != tag:
        raise UsageError("the tag was not typed: nothing is approved", remedy=f"Run the command again and type {tag}.")
