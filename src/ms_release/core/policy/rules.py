"""The rules of SPEC 1 as an ordered table of pure functions over observed settings: `policy audit` in one place.

Each rule says PASS, FAIL or UNKNOWN with what is, what should be, and where it was read. Codes are read together: a
rule that holds and can be bypassed is told by NO_BYPASS or ADMINS_INCLUDED (docs/adr/0009-policy-layers.md).
"""

from __future__ import annotations

from collections.abc import Iterator

from ms_release.config import Config, Repo
from ms_release.core.policy import branch, home, wiring
from ms_release.core.policy.base import AT_HOME, EVERYWHERE, Rule, Subject, Verdict, decided
from ms_release.core.policy.facts import ADMINISTRATION, RepoFacts

SETTINGS = "repository settings"


def auto_merge(subject: Subject) -> Iterator[Verdict]:
    """Auto-merge brings in a head at a base that nobody saw."""
    wanted, seen = subject.config.policy.auto_merge, subject.facts.auto_merge
    on, off = ("allowed", "not allowed") if wanted else ("not allowed", "allowed")
    yield decided("AUTO_MERGE", None if seen is None else seen == wanted, (on, off, on), SETTINGS, "contents: read")


def workflow_token(subject: Subject) -> Iterator[Verdict]:
    """The token of a job that asks for nothing reads, and cannot write."""
    seen = subject.facts.token_writes
    words = ("read", "read and write", "read")
    yield decided("WORKFLOW_TOKEN_READ", None if seen is None else not seen, words, SETTINGS, ADMINISTRATION)


def actions_approve(subject: Subject) -> Iterator[Verdict]:
    """A job's token approves no pull request."""
    seen = subject.facts.actions_approve
    words = ("may not", "may", "may not")
    yield decided("ACTIONS_MAY_NOT_APPROVE", None if seen is None else not seen, words, SETTINGS, ADMINISTRATION)


RULES: tuple[Rule, ...] = (
    Rule("CHECKS_REQUIRED", "Is every configured check required?", EVERYWHERE, branch.checks_required),
    Rule("CHECKS_BOUND", "Does each count from its own app only?", EVERYWHERE, branch.checks_bound),
    Rule("CHECKS_STRICT", "Are they required on the newest base?", EVERYWHERE, branch.strict),
    Rule("PULL_REQUEST_REQUIRED", "Do changes come by pull request only?", EVERYWHERE, branch.pull_request),
    Rule("APPROVALS", "Do enough people approve each?", EVERYWHERE, branch.approvals),
    Rule("CONVERSATIONS_RESOLVED", "Must conversations be resolved?", EVERYWHERE, branch.conversations),
    Rule("NO_FORCE_PUSH", "Are forced pushes forbidden?", EVERYWHERE, branch.no_force_push),
    Rule("NO_DELETION", "Is deletion forbidden?", EVERYWHERE, branch.no_deletion),
    Rule("ADMINS_INCLUDED", "Do the rules hold for administrators?", EVERYWHERE, branch.admins_included),
    Rule("NO_BYPASS", "Do they hold for everybody else?", EVERYWHERE, branch.no_bypass),
    Rule("PUSH_LIMITED", "May only the maintainers push?", EVERYWHERE, branch.push_limited),
    Rule("AUTO_MERGE", "Is auto-merge as configured?", EVERYWHERE, auto_merge),
    Rule("WORKFLOW_TOKEN_READ", "Does a job's token only read by default?", EVERYWHERE, workflow_token),
    Rule("ACTIONS_MAY_NOT_APPROVE", "May no job approve pull requests?", EVERYWHERE, actions_approve),
    Rule("TAGS_NO_UPDATE", "Do release tags stay where they are?", AT_HOME, home.tags_fixed),
    Rule("TAGS_NO_DELETION", "Are release tags kept?", AT_HOME, home.tags_kept),
    Rule("IMMUTABLE_RELEASES", "Are published releases immutable?", AT_HOME, home.immutable),
    Rule("ENVIRONMENT", "Does the environment exist?", AT_HOME, home.environment),
    Rule("ENVIRONMENT_REVIEWERS", "Do only release managers review it?", AT_HOME, home.reviewers),
    Rule("SELF_APPROVAL", "Does nobody approve their own run?", AT_HOME, home.self_review),
    Rule("ENVIRONMENT_NO_BYPASS", "Do administrators wait, too?", AT_HOME, home.admin_bypass),
    Rule("ENVIRONMENT_BRANCHES", "Does only the home branch deploy to it?", AT_HOME, home.branches),
    Rule("ENVIRONMENT_WAIT_TIMER", "Does it wait long enough?", AT_HOME, home.wait_timer),
    *wiring.RULES,
)
"""In the order in which they are told. BRANCH are those that together say that the branch is protected."""

BRANCH = tuple(rule.code for rule in RULES[:11])


def judge(config: Config, repo: Repo, facts: RepoFacts, now: str) -> tuple[Verdict, ...]:
    """Every rule's verdicts about one repository in table order, waivers applied at the forge's time `now`."""
    subject = Subject(config, repo, facts)
    if facts.problem or not facts.branch_exists:
        return (_waive(_nothing(subject), subject, now),)
    applicable = (rule for rule in RULES if rule.where == EVERYWHERE or subject.is_home)
    return tuple(_waive(verdict, subject, now) for rule in applicable for verdict in rule.judge(subject))


def _nothing(subject: Subject) -> Verdict:
    """The one verdict about a repository of which nothing, or no branch, is there to be read."""
    facts = subject.facts
    if facts.problem:
        return Verdict("REPOSITORY", "UNKNOWN", facts.problem, "readable", "the forge", "contents: read")
    return Verdict("REPOSITORY", "FAIL", f"there is no branch {facts.branch}", f"a branch {facts.branch}", "the forge")


def _waive(verdict: Verdict, subject: Subject, now: str) -> Verdict:
    if verdict.outcome != "FAIL":
        return verdict
    names = (subject.repo.slug, subject.repo.id, *(p.environment for p in subject.products))
    for waiver in subject.config.waivers:
        if any(waiver.covers(verdict.code, name, now) for name in names):
            return Verdict(
                verdict.code, "FAIL", verdict.is_, verdict.should, verdict.source, "", waiver.approver, waiver.reason
            )
    return verdict
