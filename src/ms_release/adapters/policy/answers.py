"""GraphQL answers about protection, typed, and the layers they mean. Pure: what was not answered stays None."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field

from ms_release.adapters.answers_graph import Camel, PageInfo, convert
from ms_release.core.policy.facts import Actor, Kind, Layer, RequiredCheck, TagRules
from ms_release.errors import ForgeError

_BYPASS = """bypassActors(first: 20) {
    nodes {
      actor { __typename ... on Team { slug } ... on App { slug } }
      bypassMode deployKey enterpriseOwner organizationAdmin repositoryRoleName
    }
    pageInfo { hasNextPage }
  }"""
_RULESET = f"""databaseId name
  source {{ __typename ... on Repository {{ nameWithOwner }} ... on Organization {{ login }} }}
  {_BYPASS}"""
_WHO = "nodes { actor { __typename ... on Team { slug } ... on App { slug } ... on User { login } } }"

PROTECTED = f"""fragment Protected on Ref {{
  branchProtectionRule {{
    pattern isAdminEnforced allowsForcePushes allowsDeletions
    requiresStatusChecks requiresStrictStatusChecks requiredStatusChecks {{ context app {{ slug }} }}
    requiresApprovingReviews requiredApprovingReviewCount requiresConversationResolution
    restrictsPushes pushAllowances(first: 100) {{ {_WHO} }}
    bypassPullRequestAllowances(first: 100) {{ {_WHO} }}
    bypassForcePushAllowances(first: 100) {{ {_WHO} }}
  }}
  rules(first: 50) {{
    nodes {{
      type
      parameters {{
        ... on PullRequestParameters {{ requiredApprovingReviewCount requiredReviewThreadResolution }}
        ... on RequiredStatusChecksParameters {{
          strictRequiredStatusChecksPolicy requiredStatusChecks {{ context integrationId }}
        }}
      }}
      repositoryRuleset {{ {_RULESET} }}
    }}
    pageInfo {{ hasNextPage }}
  }}
}}"""
TAG_RULES = f"""fragment TagRules on Repository {{
  tags: rulesets(first: 50, targets: [TAG]) {{
    nodes {{
      {_RULESET}
      enforcement conditions {{ refName {{ include exclude }} }} rules(first: 50) {{ nodes {{ type }} }}
    }}
    pageInfo {{ hasNextPage }}
  }}
}}"""


class _Who(Camel):
    actor: dict[str, Any] | None = None


class _Allowances(Camel):
    nodes: list[_Who] = field(default_factory=list)


class _App(Camel):
    slug: str


class _Check(Camel):
    context: str
    app: _App | None = None
    integration_id: int | None = None


class Classic(Camel):
    """`BranchProtectionRule`."""

    pattern: str
    is_admin_enforced: bool
    allows_force_pushes: bool
    allows_deletions: bool
    requires_status_checks: bool
    requires_strict_status_checks: bool
    required_status_checks: list[_Check] | None
    requires_approving_reviews: bool
    required_approving_review_count: int | None
    requires_conversation_resolution: bool
    restricts_pushes: bool
    push_allowances: _Allowances
    bypass_pull_request_allowances: _Allowances
    bypass_force_push_allowances: _Allowances


class _Parameters(Camel):
    required_approving_review_count: int = 0
    required_review_thread_resolution: bool = False
    strict_required_status_checks_policy: bool = False
    required_status_checks: list[_Check] = field(default_factory=list)


class _Bypass(Camel):
    actor: dict[str, Any] | None
    bypass_mode: str | None
    deploy_key: bool
    enterprise_owner: bool
    organization_admin: bool
    repository_role_name: str | None


class _BypassList(Camel):
    nodes: list[_Bypass]
    page_info: PageInfo


class Ruleset(Camel):
    """`RepositoryRuleset`, as far as a rule names it."""

    database_id: int
    name: str
    source: dict[str, Any]
    bypass_actors: _BypassList | None


class _Rule(Camel):
    type: str
    parameters: _Parameters | None
    repository_ruleset: Ruleset


class Rules(Camel):
    """The rules that bind a reference."""

    nodes: list[_Rule]
    page_info: PageInfo


class _Type(Camel):
    type: str


class _Types(Camel):
    nodes: list[_Type]


class _RefNames(Camel):
    include: list[str]
    exclude: list[str]


class _Conditions(Camel):
    ref_name: _RefNames | None


class _TagRuleset(Ruleset):
    enforcement: str
    conditions: _Conditions
    rules: _Types


class _TagRulesets(Camel):
    nodes: list[_TagRuleset]
    page_info: PageInfo


def _actor(found: dict[str, Any] | None, pull_only: bool = False) -> Actor:
    """A person, team or App that GraphQL names; one that this token cannot see is told as such."""
    kinds = {"Team": ("team", "slug"), "App": ("app", "slug"), "User": ("user", "login")}
    kind, key = kinds.get(str((found or {}).get("__typename")), ("", ""))
    name = (found or {}).get(key)
    return Actor(kind, str(name), pull_only) if kind and name else Actor("somebody hidden", "", pull_only)


def _allowed(listed: _Allowances) -> tuple[Actor, ...]:
    return tuple(sorted(_actor(who.actor) for who in listed.nodes))


def classic_layer(value: Any, branch: str) -> Layer:
    """Classic protection as a layer."""
    rule = convert(value, Classic, f"the protection of {branch}")
    checks = rule.required_status_checks or [] if rule.requires_status_checks else []
    return Layer(
        "classic",
        checks=tuple(RequiredCheck(c.context, c.app.slug if c.app else "") for c in checks),
        strict=rule.requires_strict_status_checks,
        pull_request=rule.requires_approving_reviews,
        approvals=(rule.required_approving_review_count or 0) if rule.requires_approving_reviews else 0,
        conversations=rule.requires_conversation_resolution,
        no_force_push=not rule.allows_force_pushes,
        no_deletion=not rule.allows_deletions,
        pushers=_allowed(rule.push_allowances) if rule.restricts_pushes else None,
        admins=rule.is_admin_enforced,
        bypass=_allowed(rule.bypass_pull_request_allowances),
        force_bypass=_allowed(rule.bypass_force_push_allowances),
    )


def _bypass(ruleset: Ruleset) -> tuple[Actor, ...] | None:
    listed = ruleset.bypass_actors
    if listed is None:
        return None
    found: list[Actor] = []
    for entry in listed.nodes:
        limited = entry.bypass_mode == "PULL_REQUEST"
        groups = {
            "organisation owners": entry.organization_admin,
            "enterprise owners": entry.enterprise_owner,
            "deploy keys": entry.deploy_key,
        }
        group = next((name for name, is_it in groups.items() if is_it), "")
        if group:
            found.append(Actor(group, "", limited))
        elif entry.repository_role_name:
            found.append(Actor("role", entry.repository_role_name, limited))
        else:
            found.append(_actor(entry.actor, limited))
    return (*sorted(found), *([Actor("and others")] if listed.page_info.has_next_page else []))


def _place(ruleset: Ruleset) -> tuple[Kind, str]:
    """Whether it belongs to the repository or stands above it, and whose it is."""
    if ruleset.source.get("__typename") == "Repository":
        return "repository", str(ruleset.source.get("nameWithOwner", ""))
    return "organisation", str(ruleset.source.get("login", ""))


def ruleset_layers(value: Any, slug: str, apps: Mapping[int, str]) -> tuple[Layer, ...]:
    """The rulesets that bind a branch, each with its rules. Raises ForgeError for more rules than one page holds."""
    rules = convert(value, Rules, f"the rules of {slug}")
    if rules.page_info.has_next_page:
        raise ForgeError(f"{slug} has more rules than are read", remedy="Put its rules into fewer rulesets.")
    grouped: dict[int, list[_Rule]] = {}
    for rule in rules.nodes:
        grouped.setdefault(rule.repository_ruleset.database_id, []).append(rule)
    return tuple(_layer(grouped[number], apps) for number in sorted(grouped))


def _layer(rules: list[_Rule], apps: Mapping[int, str]) -> Layer:
    ruleset = rules[0].repository_ruleset
    kind, owner = _place(ruleset)
    types = {rule.type for rule in rules}
    pulls = [rule.parameters or _Parameters() for rule in rules if rule.type == "PULL_REQUEST"]
    checks = [rule.parameters or _Parameters() for rule in rules if rule.type == "REQUIRED_STATUS_CHECKS"]
    bypass = _bypass(ruleset)
    return Layer(
        kind,
        name=ruleset.name,
        id=ruleset.database_id,
        owner=owner,
        checks=tuple(
            RequiredCheck(c.context, _app_name(c.integration_id, apps))
            for p in checks
            for c in p.required_status_checks
        ),
        strict=any(p.strict_required_status_checks_policy for p in checks),
        pull_request=bool(pulls),
        approvals=max((p.required_approving_review_count for p in pulls), default=0),
        conversations=any(p.required_review_thread_resolution for p in pulls),
        no_force_push="NON_FAST_FORWARD" in types,
        no_deletion="DELETION" in types,
        pushers=(bypass or ()) if "UPDATE" in types else None,
        only_update=types == {"UPDATE"},
        bypass=bypass,
    )  # fmt: skip


def _app_name(number: int | None, apps: Mapping[int, str]) -> str:
    return "" if number is None else apps.get(number, f"app {number}")


def tag_rules(value: Any, slug: str) -> tuple[TagRules, ...]:
    """The active rulesets for tags."""
    found = convert(value, _TagRulesets, f"the tag rulesets of {slug}")
    if found.page_info.has_next_page:
        raise ForgeError(f"{slug} has more rulesets than are read", remedy="Put its rules into fewer rulesets.")
    return tuple(_tag_rules(ruleset) for ruleset in found.nodes if ruleset.enforcement == "ACTIVE")


def _tag_rules(ruleset: _TagRuleset) -> TagRules:
    kind, owner = _place(ruleset)
    names = ruleset.conditions.ref_name
    types = {rule.type for rule in ruleset.rules.nodes}
    return TagRules(
        kind,
        ruleset.name,
        ruleset.database_id,
        owner,
        tuple(names.include) if names else (),
        tuple(names.exclude) if names else (),
        "UPDATE" in types,
        "DELETION" in types,
        _bypass(ruleset),
    )
