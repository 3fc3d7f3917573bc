"""The ways to break a well protected repository, and exactly what an audit then finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policy.world import CI, OTHERS, ROBOT, Break, Place, in_classic, in_organisation, in_rulesets, team

ALL = {
    "CHECKS_REQUIRED", "CHECKS_STRICT", "PULL_REQUEST_REQUIRED", "CONVERSATIONS_RESOLVED", "NO_FORCE_PUSH",
    "NO_DELETION",
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """Where the rules stand (`base`), what is done to them, what fails then, and what is left after `apply`."""

    base: str
    broken: Break
    fails: frozenset[str]
    unknown: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()


def classic(**changes: Any) -> Break:
    def broken(place: Place) -> None:
        assert place.classic is not None
        place.classic |= changes

    return broken


def checks(**changes: Any) -> Break:
    def broken(place: Place) -> None:
        assert place.classic is not None
        place.classic["required_status_checks"] |= changes

    return broken


def ruleset(name: str = "main", **changes: Any) -> Break:
    def broken(place: Place) -> None:
        (place.rulesets.get(name) or place.org_rulesets[name]).update(changes)

    return broken


def parameters(rule: int, **changes: Any) -> Break:
    def broken(place: Place) -> None:
        found = place.rulesets.get("main") or place.org_rulesets["main"]
        found["rules"][rule]["parameters"] |= changes

    return broken


def settings(**changes: Any) -> Break:
    return lambda place: place.settings.update(changes)


def environment(**changes: Any) -> Break:
    def broken(place: Place) -> None:
        assert place.environment is not None
        place.environment |= changes

    return broken


def _unprotected(place: Place) -> None:
    place.classic = None


def _mixed(place: Place) -> None:
    del place.rulesets["pushes"]
    place.rulesets["main"]["rules"].append({"type": "update"})
    place.rulesets["main"]["bypass_actors"] = [team()]


def _contradictory(place: Place) -> None:
    place.ruleset("pushes", [{"type": "update"}])["bypass_actors"] = [team(number=OTHERS)]


def _check_elsewhere(place: Place) -> None:
    """The check is missing, and another ruleset, which somebody goes past, requires others."""
    place.rulesets["main"]["rules"] = place.rulesets["main"]["rules"][1:]
    parameters = {"required_status_checks": [{"context": "lint"}], "strict_required_status_checks_policy": False}
    other = place.ruleset("lint", [{"type": "required_status_checks", "parameters": parameters}])
    other["bypass_actors"] = [ROLE]


def _no_tags(place: Place) -> None:
    del place.rulesets["tags"]


def _no_environment(place: Place) -> None:
    place.environment = None


def _excluded(place: Place) -> None:
    place.org_rulesets["main"]["conditions"]["ref_name"]["exclude"] = ["refs/heads/main"]


def _hidden(place: Place) -> None:
    place.private, place.access = True, {}


def _read_only(place: Place) -> None:
    place.access = {"carol": "write", "dana": "write"}


def _way(base: str, broken: Break, *fails: str, unknown: set[str] | None = None, left: tuple[str, ...] = ()) -> Way:
    return Way(base, broken, frozenset(fails), frozenset(unknown or ()), frozenset(left))


ROLE = {"actor_type": "RepositoryRole", "actor_id": 5, "bypass_mode": "always"}
OWNERS = {"actor_type": "OrganizationAdmin", "actor_id": 1, "bypass_mode": "always"}
HIDDEN_CLASSIC = ALL | {"ADMINS_INCLUDED", "NO_BYPASS", "PUSH_LIMITED", "CHECKS_BOUND"}
SETTINGS = {"WORKFLOW_TOKEN_READ", "ACTIONS_MAY_NOT_APPROVE"}

WAYS: dict[str, Way] = {
    "classic-no-checks": _way("classic", classic(required_status_checks=None), "CHECKS_REQUIRED", "CHECKS_STRICT"),
    "classic-other-check": _way("classic", checks(checks=[{"context": "lint", "app_id": CI}]), "CHECKS_REQUIRED"),
    "classic-any-app": _way("classic", checks(checks=[{"context": "test", "app_id": None}]), "CHECKS_BOUND"),
    "classic-wrong-app": _way("classic", checks(checks=[{"context": "test", "app_id": ROBOT}]), "CHECKS_BOUND"),
    "classic-not-strict": _way("classic", checks(strict=False), "CHECKS_STRICT"),
    "classic-no-pull": _way("classic", classic(required_pull_request_reviews=None), "PULL_REQUEST_REQUIRED"),
    "classic-talk": _way("classic", classic(required_conversation_resolution=False), "CONVERSATIONS_RESOLVED"),
    "classic-force": _way("classic", classic(allow_force_pushes=True), "NO_FORCE_PUSH"),
    "classic-delete": _way("classic", classic(allow_deletions=True), "NO_DELETION"),
    "classic-admins": _way("classic", classic(enforce_admins=False), "ADMINS_INCLUDED"),
    "classic-all-push": _way("classic", classic(restrictions=None), "PUSH_LIMITED"),
    "classic-others-push": _way(
        "classic", classic(restrictions={"users": ["carol"], "teams": ["crew"], "apps": []}), "PUSH_LIMITED"
    ),
    "classic-past-pulls": _way("classic", classic(required_pull_request_reviews={
        "required_approving_review_count": 0,
        "bypass_pull_request_allowances": {"users": ["carol"], "teams": [], "apps": []}}), "NO_BYPASS"),
    "classic-past-force": _way("classic", classic(
        bypass_force_push_allowances={"users": ["carol"], "teams": [], "apps": []}), "NO_BYPASS"),
    "nothing": _way("classic", _unprotected, *ALL, "PUSH_LIMITED"),
    "ruleset-evaluate": _way("ruleset", ruleset(enforcement="evaluate"), *ALL),
    "ruleset-disabled": _way("ruleset", ruleset("pushes", enforcement="disabled"), "PUSH_LIMITED"),
    "ruleset-role-past": _way("ruleset", ruleset(bypass_actors=[ROLE]), "NO_BYPASS"),
    "ruleset-crew-past": _way("ruleset", ruleset(bypass_actors=[team()]), "NO_BYPASS"),
    "ruleset-owners-past": _way("ruleset", ruleset(bypass_actors=[OWNERS]), "NO_BYPASS"),
    "ruleset-not-strict": _way("ruleset", parameters(0, strict_required_status_checks_policy=False), "CHECKS_STRICT"),
    "ruleset-any-app": _way("ruleset", parameters(0, required_status_checks=[{"context": "test"}]), "CHECKS_BOUND"),
    "ruleset-talk": _way("ruleset", parameters(1, required_review_thread_resolution=False), "CONVERSATIONS_RESOLVED"),
    "ruleset-push-always": _way("ruleset", ruleset("pushes", bypass_actors=[team("always")]), "PUSH_LIMITED"),
    "ruleset-push-exempt": _way("ruleset", ruleset("pushes", bypass_actors=[team("exempt")]), "PUSH_LIMITED"),
    "ruleset-push-owners": _way("ruleset", ruleset("pushes", bypass_actors=[team(), OWNERS]), "PUSH_LIMITED"),
    "ruleset-mixed": _way("ruleset", _mixed, "NO_BYPASS", "PUSH_LIMITED"),
    "ruleset-check-elsewhere": _way("ruleset", _check_elsewhere, "CHECKS_REQUIRED", "CHECKS_STRICT"),
    "contradictory": _way("classic", _contradictory, "PUSH_LIMITED"),
    "org-not-strict": _way("org", parameters(0, strict_required_status_checks_policy=False), "CHECKS_STRICT",
                           unknown={"NO_BYPASS"}, left=("CHECKS_STRICT",)),
    "org-excluded": _way("org", _excluded, *ALL),
    "org-past": _way("org", ruleset(bypass_actors=[OWNERS]), unknown={"NO_BYPASS"}),
    "hidden": _way("classic", _hidden, unknown={"REPOSITORY"}),
    "read-only": _way("classic", _read_only, unknown=HIDDEN_CLASSIC | SETTINGS),
    "ruleset-read-only": _way("ruleset", _read_only, unknown={"NO_BYPASS", "PUSH_LIMITED"} | SETTINGS),
    "auto-merge": _way("classic", settings(allow_auto_merge=True), "AUTO_MERGE"),
    "job-writes": _way("classic", settings(default_workflow_permissions="write"), "WORKFLOW_TOKEN_READ"),
    "job-approves": _way("ruleset", settings(can_approve_pull_request_reviews=True), "ACTIONS_MAY_NOT_APPROVE"),
    "home-no-tags": _way("home", _no_tags, "TAGS_NO_UPDATE", "TAGS_NO_DELETION"),
    "home-tags-move": _way("home", ruleset("tags", rules=[{"type": "deletion"}]), "TAGS_NO_UPDATE"),
    "home-tags-past": _way(
        "home", ruleset("tags", bypass_actors=[team("always")]), "TAGS_NO_UPDATE", "TAGS_NO_DELETION"),
    "home-mutable": _way("home", settings(immutable_releases=False), "IMMUTABLE_RELEASES"),
    "home-no-environment": _way("home", _no_environment, "ENVIRONMENT", left=("ENVIRONMENT_NO_BYPASS",)),
    "home-reviewers": _way("home", environment(reviewers=[{"type": "User", "name": "mia"}]), "ENVIRONMENT_REVIEWERS"),
    "home-self": _way("home", environment(prevent_self_review=False), "SELF_APPROVAL"),
    "home-any-branch": _way("home", environment(branch_policy=None), "ENVIRONMENT_BRANCHES"),
    "home-more-branches": _way("home", environment(branch_policy={
        "protected_branches": False, "custom_branch_policies": True, "names": ["main", "next"]}),
        "ENVIRONMENT_BRANCHES"),
    "home-admins": _way("home", environment(can_admins_bypass=True), "ENVIRONMENT_NO_BYPASS",
                        left=("ENVIRONMENT_NO_BYPASS",)),
}  # fmt: skip


def make(name: str, *ways: Way) -> Place:
    """A repository broken in some ways, which share a base."""
    bases = {"classic": in_classic, "ruleset": in_rulesets, "org": in_organisation}
    base = ways[0].base if ways else "classic"
    place = in_classic(name).home_settings() if base == "home" else bases[base](name)
    for way in ways:
        way.broken(place)
    return place
