"""What protects a branch and an environment, as far as a reader may see it (github-facts G26, G39, G40)."""

from __future__ import annotations

from msgspec import Struct

from ms_release.adapters.answers_graph import Camel, convert
from ms_release.adapters.http import Client, Refused
from ms_release.adapters.urls import segment
from ms_release.core.observation import Environment, Rules
from ms_release.errors import ForgeError


class _Check(Struct):
    context: str


class _Parameters(Struct):
    required_status_checks: list[_Check] = []
    strict_required_status_checks_policy: bool = False


class _Rule(Struct):
    type: str
    parameters: _Parameters | None = None


class _Who(Struct):
    slug: str = ""
    login: str = ""


class _Reviewer(Struct):
    type: str
    reviewer: _Who


class _EnvironmentRule(Struct):
    type: str
    reviewers: list[_Reviewer] = []
    prevent_self_review: bool | None = None


class _BranchPolicy(Struct):
    protected_branches: bool


class _Environment(Struct):
    name: str
    protection_rules: list[_EnvironmentRule] = []
    can_admins_bypass: bool | None = None
    deployment_branch_policy: _BranchPolicy | None = None


class _Policy(Struct):
    name: str


class _Policies(Struct):
    branch_policies: list[_Policy]


class ClassicRule(Camel):
    """Classic branch protection as far as GitHub shows it to people who are no administrators.

    `required_approving_review_count` is null where no pull request is required. Whether checks are strict is not shown
    (github-facts G39): that comes from the audit record.
    """

    required_approving_review_count: int | None
    required_status_check_contexts: list[str] | None
    allows_force_pushes: bool
    allows_deletions: bool


CLASSIC = """refUpdateRule {
  requiredApprovingReviewCount requiredStatusCheckContexts allowsForcePushes allowsDeletions
}"""


def classic_rules(rule: ClassicRule | None) -> Rules:
    """Classic protection alone. None = none binds this asker: there may be one that readers are not shown."""
    if rule is None:
        return Rules(False, None, (), False, False, complete=False)
    return Rules(
        pull_request=rule.required_approving_review_count is not None,
        strict=None,
        checks=tuple(rule.required_status_check_contexts or ()),
        blocks_force_push=not rule.allows_force_pushes,
        blocks_deletion=not rule.allows_deletions,
    )


def add_rulesets(client: Client, slug: str, branch: str, classic: Rules) -> Rules:
    """Classic protection and every active ruleset together: the layers add up (github-facts G40)."""
    rules = convert(client.get(f"/repos/{slug}/rules/branches/{segment(branch)}").json, list[_Rule], "rulesets")
    types = {rule.type for rule in rules}
    checks = [r.parameters for r in rules if r.type == "required_status_checks" and r.parameters]
    return Rules(
        pull_request=classic.pull_request or "pull_request" in types,
        strict=any(c.strict_required_status_checks_policy for c in checks) or classic.strict,
        checks=tuple(sorted({*classic.checks, *(c.context for p in checks for c in p.required_status_checks)})),
        blocks_force_push=classic.blocks_force_push or "non_fast_forward" in types,
        blocks_deletion=classic.blocks_deletion or "deletion" in types,
        complete=classic.complete,
    )


def read_environment(client: Client, slug: str, name: str) -> Environment | None:
    """The environment, or None when it is absent or not ours to see."""
    path = f"/repos/{slug}/environments/{segment(name)}"
    try:
        found = convert(client.get(path).json, _Environment, "the environment")
    except Refused as error:
        if error.status == 404:
            return None
        raise
    reviews = [r for r in found.protection_rules if r.type == "required_reviewers"]
    return Environment(
        name=found.name,
        reviewers=tuple(sorted(_reviewer(slug, r) for rule in reviews for r in rule.reviewers)),
        prevent_self_review=any(r.prevent_self_review for r in reviews) if reviews else None,
        can_admins_bypass=found.can_admins_bypass,
        branches=_branches(client, path, found.deployment_branch_policy),
    )


def _reviewer(slug: str, reviewer: _Reviewer) -> str:
    who = reviewer.reviewer
    name = who.slug if reviewer.type == "Team" else who.login
    if not name:
        raise ForgeError("the forge names a reviewer without a name", remedy="Look at the environment's settings.")
    return f"{slug.partition('/')[0]}/{name}" if reviewer.type == "Team" else name


def _branches(client: Client, path: str, policy: _BranchPolicy | None) -> tuple[str, ...]:
    """The branch patterns that may deploy; empty = all of them."""
    if policy is None:
        return ()
    if policy.protected_branches:
        return ("protected branches",)
    listed = convert(client.get(f"{path}/deployment-branch-policies").json, _Policies, "branch policies")
    return tuple(sorted(p.name for p in listed.branch_policies))
