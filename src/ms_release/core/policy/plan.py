"""What `policy apply` is to do about one repository: everything that fails, and who must act where it cannot."""

from __future__ import annotations

from ms_release.core.policy.base import Subject, Verdict
from ms_release.core.policy.edit import Bodies, Cannot, Repair, failing
from ms_release.core.policy.repair import branch_paths, repair_branch
from ms_release.core.policy.repair_home import repair_settings, setting_paths
from ms_release.errors import ForgeError


def paths_for(subject: Subject, verdicts: tuple[Verdict, ...]) -> set[str]:
    """What must be read before a repository can be repaired."""
    if not subject.facts.administers:
        return set()
    return branch_paths(subject, verdicts) | setting_paths(subject, verdicts)


def repair(subject: Subject, verdicts: tuple[Verdict, ...], bodies: Bodies) -> Repair:
    """The edits of one repository, and what must be done by others.

    Raises ForgeError where a resource is not of the shape that GitHub documents.
    """
    slug = subject.repo.slug
    if not subject.facts.administers:
        who, needs = f"an administrator of {slug}", "administration: write"
        why = "this token does not administer it"
        return Repair((), tuple(Cannot(slug, code, why, who, needs) for code in sorted(failing(verdicts))))
    if "REPOSITORY" in failing(verdicts):
        return Repair((), (Cannot(slug, "REPOSITORY", verdicts[0].is_, "whoever writes ms-release.toml"),))
    try:
        return repair_branch(subject, verdicts, bodies) + repair_settings(subject, verdicts, bodies)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ForgeError(
            f"the forge's answer about the settings of {slug} is not what GitHub documents ({type(error).__name__})",
            remedy="Nothing was changed; repair it in the settings, and report this.",
        ) from None
