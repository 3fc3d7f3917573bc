"""Classic protection and a ruleset as things that rules are added to; what nobody asked to change stays as it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from ms_release.core.policy.facts import Actor

Body = dict[str, Any]
_PULL = {
    "required_approving_review_count": 0, "dismiss_stale_reviews_on_push": False, "require_code_owner_review": False,
    "require_last_push_approval": False, "required_review_thread_resolution": False,
}  # fmt: skip
_SWITCHES = ("required_linear_history", "allow_force_pushes", "allow_deletions", "block_creations",
             "required_conversation_resolution", "lock_branch", "allow_fork_syncing")  # fmt: skip


class Draft(Protocol):
    """A layer of protection that is being repaired. `body` is what will be written."""

    body: Body

    def require_check(self, name: str, app_id: int | None) -> None:
        """Demand a check, from one App only."""

    def be_strict(self) -> None:
        """Demand its checks on the newest base."""

    def require_pull(self, approvals: int) -> None:
        """Demand a pull request with at least so many approvals."""

    def resolve_conversations(self) -> None:
        """Demand that conversations are resolved."""

    def forbid(self, what: str) -> None:
        """Forbid `force push` or `deletion`."""

    def let_nobody_past(self) -> None:
        """Empty its list of those who go past it."""


class ClassicDraft:
    """Classic protection. Whatever is written to it holds for administrators, too."""

    def __init__(self, seen: Body) -> None:
        reviews, checks = seen.get("required_pull_request_reviews"), seen.get("required_status_checks")
        self.body: Body = {
            "required_status_checks": checks and {"strict": checks["strict"], "checks": _checks(checks)},
            "enforce_admins": True,
            "required_pull_request_reviews": reviews and _reviews(reviews),
            "restrictions": _named(seen["restrictions"]) if seen.get("restrictions") else None,
            **{name: bool((seen.get(name) or {}).get("enabled")) for name in _SWITCHES},
        }

    def _own_checks(self) -> Body:
        if self.body["required_status_checks"] is None:
            self.body["required_status_checks"] = {"strict": True, "checks": []}
        found: Body = self.body["required_status_checks"]
        return found

    def require_check(self, name: str, app_id: int | None) -> None:
        own = self._own_checks()
        own["checks"] = [c for c in own["checks"] if c["context"] != name]
        own["checks"].append({"context": name, "app_id": -1 if app_id is None else app_id})

    def be_strict(self) -> None:
        self._own_checks()["strict"] = True

    def require_pull(self, approvals: int) -> None:
        reviews = self.body["required_pull_request_reviews"] or {}
        least = max(approvals, reviews.get("required_approving_review_count", 0))
        self.body["required_pull_request_reviews"] = {**reviews, "required_approving_review_count": least}

    def resolve_conversations(self) -> None:
        self.body["required_conversation_resolution"] = True

    def forbid(self, what: str) -> None:
        self.body["allow_force_pushes" if what == "force push" else "allow_deletions"] = False

    def let_nobody_past(self) -> None:
        if reviews := self.body["required_pull_request_reviews"]:
            reviews["bypass_pull_request_allowances"] = {"users": [], "teams": [], "apps": []}

    def limit(self, actors: Iterable[Actor]) -> None:
        """Let exactly these push."""
        listed = sorted(actors)
        self.body["restrictions"] = {
            f"{kind}s": [actor.name for actor in listed if actor.kind == kind] for kind in ("user", "team", "app")
        }


def _checks(seen: Body) -> list[Body]:
    # -1 is GitHub's way to write "any app"; leaving it out would let GitHub choose one. Older forges tell names only.
    listed = seen.get("checks") or [{"context": name} for name in seen.get("contexts", ())]
    return [{"context": c["context"], "app_id": -1 if c.get("app_id") is None else c["app_id"]} for c in listed]


def _named(actors: Body) -> Body:
    return {
        "users": [user["login"] for user in actors.get("users", ())],
        "teams": [team["slug"] for team in actors.get("teams", ())],
        "apps": [app["slug"] for app in actors.get("apps", ())],
    }


def _reviews(seen: Body) -> Body:
    kept = ("dismiss_stale_reviews", "require_code_owner_reviews", "require_last_push_approval")
    lists = ("dismissal_restrictions", "bypass_pull_request_allowances")
    return {
        **{name: bool(seen.get(name)) for name in kept},
        "required_approving_review_count": int(seen.get("required_approving_review_count") or 0),
        **{name: _named(seen[name]) for name in lists if seen.get(name)},
    }


class RulesetDraft:
    """A ruleset, one that is there or (`new_ruleset`) a new one."""

    def __init__(self, seen: Body) -> None:
        kept = ("name", "target", "enforcement", "conditions", "rules", "bypass_actors")
        self.body: Body = msgspec.to_builtins({name: seen[name] for name in kept if name in seen})

    def rule(self, kind: str) -> Body:
        """The rule of a type, added where it is missing."""
        for rule in self.body["rules"]:
            if rule["type"] == kind:
                found: Body = rule
                return found
        self.body["rules"].append(added := {"type": kind})
        return added

    def _checks(self) -> Body:
        rule = self.rule("required_status_checks")
        plain = {"required_status_checks": [], "strict_required_status_checks_policy": True}
        found: Body = rule.setdefault("parameters", plain)
        return found

    def require_check(self, name: str, app_id: int | None) -> None:
        own = self._checks()
        others = [check for check in own["required_status_checks"] if check["context"] != name]
        bound = {} if app_id is None else {"integration_id": app_id}
        own["required_status_checks"] = [*others, {"context": name, **bound}]

    def be_strict(self) -> None:
        self._checks()["strict_required_status_checks_policy"] = True

    def _pull(self) -> Body:
        found: Body = self.rule("pull_request").setdefault("parameters", dict(_PULL))
        return found

    def require_pull(self, approvals: int) -> None:
        own = self._pull()
        own["required_approving_review_count"] = max(approvals, own["required_approving_review_count"])

    def resolve_conversations(self) -> None:
        self._pull()["required_review_thread_resolution"] = True

    def forbid(self, what: str) -> None:
        self.rule({"force push": "non_fast_forward"}.get(what, what))

    def let_nobody_past(self) -> None:
        self.body["bypass_actors"] = []

    def drop(self, kind: str) -> None:
        """Take a rule away."""
        self.body["rules"] = [rule for rule in self.body["rules"] if rule["type"] != kind]


def new_ruleset(name: str, target: str, *refs: str) -> RulesetDraft:
    """A ruleset without rules for these full names or patterns."""
    names = {"ref_name": {"include": list(refs), "exclude": []}}
    return RulesetDraft(
        {"name": name, "target": target, "enforcement": "active", "conditions": names, "rules": [], "bypass_actors": []}
    )


def let_past_in_pulls(actors: Iterable[tuple[str, int]]) -> list[Body]:
    """A bypass list of teams and Apps (kind, number) for pull requests only."""
    kinds = {"team": "Team", "app": "Integration"}
    return [{"actor_type": kinds[kind], "actor_id": number, "bypass_mode": "pull_request"} for kind, number in actors]
