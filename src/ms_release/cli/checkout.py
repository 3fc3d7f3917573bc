"""The plan of a release as the publishing job finds it: in its own checkout of the home repository, byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ms_release.adapters import git
from ms_release.cli import following
from ms_release.cli.common import Session
from ms_release.core.plan import make_seal, parse_file, plan_path
from ms_release.core.plausible import blocking, implausible
from ms_release.core.train import Train, release_files
from ms_release.core.version import parse_tag
from ms_release.errors import BlockedError, DamagedError, StalePlanError, UsageError


@dataclass(frozen=True)
class Merged:
    """A merged plan: the plan itself and the commit that brought it into the home branch."""

    goal: Train
    release_commit: str
    committed_at: str


def read_merged(session: Session, tag: str, digest: str) -> Merged:
    """Read the plan of a tag from the checkout around the working directory.

    The release commit is the first-parent commit that added the plan. Plan, spec and notes must be the same bytes there
    and at HEAD, and be what the plan says (SPEC 2): otherwise StalePlanError.
    """
    here = Path.cwd()
    version = parse_tag(tag)
    if version is None:
        raise UsageError(f"{tag!a} is not a version tag", remedy="Write vX.Y.Z or vX.Y.Z-beta.N.")
    # whoever reads of a failure in the run's log goes on from a terminal, not from the job
    following.otherwise(f"ms release {session.product.id} publish --channel {version.channel} --auto --watch")
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise UsageError(f"{digest!a} is no plan digest", remedy="Give all 64 hexadecimal digits.")
    if not any((folder / ".git").exists() for folder in (here, *here.parents)):
        raise UsageError(f"{here} is no checkout of the home repository", remedy="Run it in the publishing workflow.")
    head = git.head(here)
    data = git.show(here, head, plan_path(tag))
    if data is None:
        raise StalePlanError(
            f"the checkout holds no plan of {tag}",
            remedy="The run must start on the default branch, after the plan is merged.",
        )
    goal = Train(session.config, session.product, parse_file(data, plan_path(tag)))
    if goal.file.digest != digest:
        raise StalePlanError(
            f"the merged plan is {goal.file.digest[:12]}, the run was started for {digest[:12]}",
            remedy="Start the run by `publish`.",
        )
    if goal.plan.tag != tag or goal.plan.config != session.config_blob:
        raise StalePlanError(
            f"the plan of {goal.plan.tag} does not fit this checkout's configuration", remedy="Plan again."
        )
    for problem in implausible(goal.plan, session.config, session.product):
        raise DamagedError(f"the merged plan was not made by `plan`: {problem}", remedy="Plan again, a higher version.")
    if gate := blocking(goal.plan):
        raise BlockedError(f"the gate {gate.code} forbade the merged plan", remedy="Correct that, then plan again.")
    commit, committed_at = _added(here, head, plan_path(tag))
    for file in release_files(goal):
        if git.show(here, head, file.path) != file.data or git.show(here, commit, file.path) != file.data:
            raise StalePlanError(
                f"{file.path} is not what the plan says", remedy="Somebody changed it after the merge: plan again."
            )
    return Merged(goal, commit, committed_at)


def _added(here: Path, head: str, path: str) -> tuple[str, str]:
    code, out = git.run(
        here,
        [
            "log",
            "--first-parent",
            "--diff-filter=A",
            "--format=%H %cd",
            "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
            "-1",
            head,
            "--",
            path,
        ],
    )
    commit, _, committed_at = out.decode("ascii", "replace").strip().partition(" ")
    if code or not commit:
        raise UsageError(
            f"the history of {path} cannot be read", remedy="The checkout needs the full history (fetch-depth: 0)."
        )
    return commit, committed_at


def check_seal(merged: Merged, candidate_digests: dict[str, str], seal: str) -> None:
    """Whether plan, release commit and candidates are those that the run was started for. Raises StalePlanError."""
    actual = make_seal(merged.goal.file.digest, merged.release_commit, candidate_digests)
    if actual != seal:
        raise StalePlanError(
            f"the seal is {actual[:12]}, the run was started for {seal[:12]}",
            remedy="A candidate or the release commit is not the one that was sealed; nothing was published.",
        )
