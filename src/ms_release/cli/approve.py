"""`approve`: for the release manager: see exactly what is waiting, type its tag, and review the deployment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli import following
from ms_release.cli.common import Session, Settings, standard_options
from ms_release.render.text import approval_text

if TYPE_CHECKING:
    from ms_release.core.observation import Observation
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
    from ms_release.core import action, approval, train, verify
    from ms_release.errors import CredentialError

    session = Session(settings, "content")
    goal = read_train(session, tag)
    facts = _wait_for_run(session, goal)
    run, commit = approval.current_run(goal, facts), verify.release_commit(facts)
    assert run is not None
    assert commit is not None
    seal = train.seal(goal, facts, commit) or ""
    body = {"tag": tag, "plan": goal.file.digest, "seal": seal, "approved_by": facts.viewer}
    due = f"ms release {goal.plan.product} publish --channel {goal.plan.channel} --auto --watch"
    if approval.is_given(goal, facts):
        settings.output.data(f"{tag} is already approved by @{facts.viewer}, and its run has succeeded: {run.url}")
        settings.output.document({**body, "performed": [], "next": settings.output.next(due)})
        return
    if problem := approval.refusal(goal, facts, run, facts.viewer, session.config):
        managers = session.config.roles.release_managers
        raise CredentialError(problem, remedy=f"Another of the release managers must approve it ({managers}).")
    changed = session.reader.changed_paths(goal.plan.home, commit, run.head_sha, ".github/")
    settings.output.data(approval_text(goal.file, seal, run.url, changed))
    _confirm(tag, ask=not settings.output.as_json)
    comment = approval.comment(goal, seal)
    review = action.ReviewDeployment(goal.plan.home, run.id, tag, goal.product.environment, "approved", comment)
    session.writer().perform(review)
    settings.output.data(f"{tag} is approved by @{facts.viewer}; the publishing run goes on: {run.url}")
    settings.output.document({**body, "performed": [review.key], "next": settings.output.next(due)})


def _wait_for_run(session: Session, goal: Train) -> Observation:
    """The facts in which the publishing run waits for its review. Raises StalePlanError or BlockedError instead."""
    from ms_release.cli.trains import TrainSight
    from ms_release.core.action import Next
    from ms_release.core.approval import next_review
    from ms_release.operate import Operation

    last: list[Observation] = []

    def decide(facts: Observation) -> Next:
        last[:] = [facts]
        return next_review(goal, facts)

    sight = TrainSight(session.reader, goal)
    Operation(sight, session.writer(), session.clock, session.output).run(decide, watch=True)
    return last[0]


def check_tag(tag: str) -> None:
    """Raise UsageError for what cannot be a version, before anything is asked of the forge."""
    from ms_release.core.version import parse_tag
    from ms_release.errors import UsageError

    if parse_tag(tag) is None:
        raise UsageError(f"{tag!r} is not a version tag", remedy="Write vX.Y.Z or vX.Y.Z-beta.N.")


def read_train(session: Session, tag: str) -> Train:
    """The merged plan of a tag. Raises UsageError when the home branch holds none."""
    from ms_release.core.plan import parse_file, plan_path
    from ms_release.core.train import Train
    from ms_release.errors import UsageError

    check_tag(tag)
    reader = session.reader
    facts = reader.look_at_home(session.config, session.product)
    texts = reader.read_plans(facts, (tag,)) if tag in facts.home.plans else {}
    if tag not in texts:
        raise UsageError(
            f"{facts.home.slug} holds no plan of {tag}", remedy="See what there is.", next_command="ms release status"
        )
    return Train(session.config, session.product, parse_file(texts[tag].encode(), plan_path(tag)))


def _confirm(tag: str, *, ask: bool) -> None:
    from ms_release.errors import UsageError

    if ask and sys.stdin.isatty():
        sys.stderr.write(f"\nType {tag} to approve: ")
        sys.stderr.flush()
    typed: Any = sys.stdin.readline().strip()
    if typed != tag:
        raise UsageError(
            "the tag was not typed: nothing is approved",
            remedy=f"Run the command again and type {tag}.",
            next_command=following.again(),
        )
