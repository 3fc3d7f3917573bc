"""How the rules about settings, tags and environments are made true."""

from __future__ import annotations

from typing import Any

from ms_release.config import Product
from ms_release.core.policy.base import Subject, Verdict
from ms_release.core.policy.drafts import RulesetDraft, new_ruleset
from ms_release.core.policy.edit import (
    Bodies,
    Cannot,
    Edit,
    Repair,
    environment_path,
    failing,
    reasons_of,
    ruleset_path,
    who_path,
)
from ms_release.core.policy.facts import TagRules

TAG_RULESET = "release tags"
_TAGS = {"TAGS_NO_UPDATE": "update", "TAGS_NO_DELETION": "deletion"}
_ENVIRONMENT = {
    "ENVIRONMENT", "ENVIRONMENT_REVIEWERS", "SELF_APPROVAL", "ENVIRONMENT_BRANCHES", "ENVIRONMENT_WAIT_TIMER",
}  # fmt: skip
_WORKFLOW = {"WORKFLOW_TOKEN_READ", "ACTIONS_MAY_NOT_APPROVE"}


def setting_paths(subject: Subject, verdicts: tuple[Verdict, ...]) -> set[str]:
    """What must be read before settings, tags and environments can be repaired."""
    codes, slug, paths = failing(verdicts), subject.repo.slug, set[str]()
    if codes & _TAGS.keys():
        paths |= {ruleset_path(one.kind, one.owner, one.id) for one in subject.facts.tags or ()}
    if codes & _ENVIRONMENT:
        for product in subject.products:
            where = environment_path(slug, product.environment)
            paths |= {where, f"{where}/deployment-branch-policies"}
        paths.add(who_path(*_managers(subject)))
    if codes & _WORKFLOW:
        paths.add(f"/repos/{slug}/actions/permissions/workflow")
    return paths


def _managers(subject: Subject) -> tuple[str, str, str]:
    """Kind, organisation and name of the release managers."""
    who = subject.config.roles.release_managers
    org, _, slug = who.partition("/")
    return ("team", org, slug) if slug else ("user", "", who)


def repair_settings(subject: Subject, verdicts: tuple[Verdict, ...], bodies: Bodies) -> Repair:
    """The edits that make everything but the branch rules true."""
    codes = failing(verdicts)
    edits = [*_switches(subject, verdicts, codes, bodies)]
    cannot: list[Cannot] = []
    if codes & _TAGS.keys():
        found = _tags(subject, verdicts, codes, bodies)
        edits, cannot = [*edits, *found.edits], [*cannot, *found.cannot]
    for product in subject.products if codes & _ENVIRONMENT else ():
        found = _environment(subject, product, verdicts, bodies)
        edits, cannot = [*edits, *found.edits], [*cannot, *found.cannot]
    if "ENVIRONMENT_NO_BYPASS" in codes:
        why = "the forge's interface has no switch for it: uncheck “Allow administrators to bypass” in the settings"
        cannot.append(
            Cannot(subject.repo.slug, "ENVIRONMENT_NO_BYPASS", why, f"an administrator of {subject.repo.slug}")
        )
    return Repair(tuple(edits), tuple(cannot))


def _switches(subject: Subject, verdicts: tuple[Verdict, ...], codes: set[str], bodies: Bodies) -> list[Edit]:
    slug, layer, found = subject.repo.slug, "repository settings", []
    if "AUTO_MERGE" in codes:
        body = {"allow_auto_merge": subject.config.policy.auto_merge}
        found.append(_edit(slug, layer, ("PATCH", f"/repos/{slug}"), body, reasons_of(verdicts, {"AUTO_MERGE"})))
    if codes & _WORKFLOW:
        path = f"/repos/{slug}/actions/permissions/workflow"
        wish: dict[str, Any] = {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False}
        before = bodies.get(path) or {}
        kept = {
            "WORKFLOW_TOKEN_READ": "default_workflow_permissions",
            "ACTIONS_MAY_NOT_APPROVE": "can_approve_pull_request_reviews",
        }
        wish |= {key: before[key] for code, key in kept.items() if code not in codes and key in before}
        found.append(_edit(slug, layer, ("PUT", path), wish, reasons_of(verdicts, _WORKFLOW)))
    if "IMMUTABLE_RELEASES" in codes:
        path, reasons = f"/repos/{slug}/immutable-releases", reasons_of(verdicts, {"IMMUTABLE_RELEASES"})
        found.append(_edit(slug, layer, ("PUT", path), None, reasons))
    return found


def _edit(slug: str, layer: str, where: tuple[Any, str], body: dict[str, Any] | None, reasons: tuple[Any, ...]) -> Edit:
    """An edit of a switch: it says itself what it will be, so nothing that was there before matters."""
    return Edit(slug, layer, where[0], where[1], body, "", None, reasons)


def _tags(subject: Subject, verdicts: tuple[Verdict, ...], codes: set[str], bodies: Bodies) -> Repair:
    """In a ruleset that covers the tags already, else in one of our own."""
    slug, edits, cannot = subject.repo.slug, list[Edit](), list[Cannot]()
    reasons = reasons_of(verdicts, set(_TAGS))
    uncovered: list[str] = []
    for pattern in subject.config.policy.tags:
        covering = [one for one in subject.facts.tags or () if one.covers(pattern)]
        good = {kind for kind in _TAGS.values() if any(_forbids(one, kind) and one.bypass == () for one in covering)}
        missing = [kind for code, kind in _TAGS.items() if code in codes and kind not in good]
        if not missing:
            continue
        own = next((one for one in covering if one.kind == "repository"), None)
        seen = bodies.get(ruleset_path(own.kind, own.owner, own.id)) if own else None
        if own is None:
            uncovered.append(f"refs/tags/{pattern}")
        elif seen is None or "bypass_actors" not in seen:
            who, why = f"an administrator of {slug}", f"{own.source} is not this token's to change"
            cannot.append(Cannot(slug, "TAGS_NO_UPDATE", why, who, "administration: write"))
        else:
            draft, path = RulesetDraft(seen), ruleset_path(own.kind, own.owner, own.id)
            for kind in missing:
                draft.rule(kind)
            draft.let_nobody_past()
            edits.append(Edit(slug, own.source, "PUT", path, draft.body, path, seen, reasons))
    if uncovered:
        made, where = new_ruleset(TAG_RULESET, "tag", *uncovered), f"/repos/{slug}/rulesets"
        for kind in _TAGS.values():
            made.rule(kind)
        edits.append(Edit(slug, f"new ruleset “{TAG_RULESET}”", "POST", where, made.body, where, None, reasons))
    return Repair(tuple({edit.path + edit.method: edit for edit in edits}.values()), tuple(cannot))


def _forbids(one: TagRules, kind: str) -> bool:
    return one.no_update if kind == "update" else one.no_deletion


def _environment(subject: Subject, product: Product, verdicts: tuple[Verdict, ...], bodies: Bodies) -> Repair:
    """All of it in one write, because a write replaces all of it; then the branches that may deploy."""
    slug, name = subject.repo.slug, product.environment
    path, codes = environment_path(slug, name), failing(verdicts)
    found, managers = bodies.get(path), bodies.get(who_path(*_managers(subject)))
    if managers is None:
        who = subject.config.roles.release_managers
        return Repair(
            (), (Cannot(slug, "ENVIRONMENT_REVIEWERS", f"there is no {who} here", "whoever writes ms-release.toml"),)
        )
    facts = subject.facts.environments.get(name)
    kind = _managers(subject)[0].capitalize()
    body = {
        "wait_timer": max(subject.config.policy.wait_timer, facts.wait_timer if facts else 0),
        "prevent_self_review": facts.prevent_self_review if facts and "SELF_APPROVAL" not in codes else True,
        "reviewers": [{"type": kind, "id": int(managers["id"])}],
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
    }
    if facts and "ENVIRONMENT_REVIEWERS" not in codes:
        body["reviewers"] = _reviewers(found)
    reasons = reasons_of(verdicts, _ENVIRONMENT)
    edits = [Edit(slug, f"environment {name}", "PUT", path, body, path, found, reasons)]
    if found is None or "ENVIRONMENT_BRANCHES" in codes:
        edits += _branch_policies(subject, verdicts, bodies, name)
    return Repair(tuple(edits))


def _reviewers(found: Any) -> list[dict[str, Any]]:
    rules = [rule for rule in (found or {}).get("protection_rules", ()) if rule["type"] == "required_reviewers"]
    return [{"type": one["type"], "id": one["reviewer"]["id"]} for rule in rules for one in rule["reviewers"]]


def _branch_policies(subject: Subject, verdicts: tuple[Verdict, ...], bodies: Bodies, name: str) -> list[Edit]:
    """The home branch is let in, everything else is not."""
    slug, branch = subject.repo.slug, subject.repo.branch
    where = f"{environment_path(slug, name)}/deployment-branch-policies"
    reasons = reasons_of(verdicts, {"ENVIRONMENT_BRANCHES"})
    listed = (bodies.get(where) or {}).get("branch_policies", [])
    right = [one for one in listed if one["name"] == branch and one.get("type", "branch") == "branch"]
    edits = [
        Edit(slug, f"environment {name}: {one['name']}", "DELETE", f"{where}/{one['id']}", None, "", None, reasons)
        for one in listed
        if one not in right
    ]
    if not right:
        wish = {"name": branch, "type": "branch"}
        edits.insert(0, Edit(slug, f"environment {name}: {branch}", "POST", where, wish, where, None, reasons))
    return edits
