"""What `policy apply` is to do about one repository: everything that fails, and who must act where it cannot."""

from __future__ import annotations

from ms_release.core.policy_base import Subject, Verdict
from ms_release.core.policy_edit import Bodies, Cannot, Repair, failing
from ms_release.core.policy_repair import branch_paths, repair_branch
from ms_release.core.policy_repair_home import repair_settings, setting_paths


def paths_for(subject: Subject, verdicts: tuple[Verdict, ...]) -> set[str]:
    """What must be read before a repository can be repaired."""
    if not subject.facts.administers:
        return set()
    return branch_paths(subject, verdicts) | setting_paths(subject, verdicts)


def repair(subject: Subject, verdicts: tuple[Verdict, ...], bodies: Bodies) -> Repair:
    """The edits of one repository, whatever protects more first; and what must be done by others."""
    slug = subject.repo.slug
    if not subject.facts.administers:
        who, needs = f"an administrator of {slug}", "administration: write"
        why = "this token does not administer it"
        return Repair((), tuple(Cannot(slug, code, why, who, needs) for code in sorted(failing(verdicts))))
    if "REPOSITORY" in failing(verdicts):
        return Repair((), (Cannot(slug, "REPOSITORY", verdicts[0].is_, "whoever writes ms-release.toml"),))
    return repair_branch(subject, verdicts, bodies) + repair_settings(subject, verdicts, bodies)
