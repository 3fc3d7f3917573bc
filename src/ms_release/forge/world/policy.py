"""The policy audit of a world: what its protections say about each rule of SPEC 1, in the home repository's format."""

from __future__ import annotations

import json
from typing import Any

from ms_release.forge.world.file import Audit, Environment, Protection, Repository

SCHEMA = "ms-policy-audit/v1"


def audit(repositories: tuple[Repository, ...], who: Audit, now: str) -> bytes:
    """The bytes of `release/policy-audit.json`; every verdict is computed from the world's own rules."""
    team = who.push_team.partition("/")[2]
    repos = {repo.name: _findings(repo, team) for repo in repositories}
    record = {"schema": SCHEMA, "audited_at": now, "audited_by": who.by, "repos": repos}
    return (json.dumps(record, indent=2) + "\n").encode()


def _findings(repo: Repository, team: str) -> list[dict[str, str]]:
    rules = repo.protection
    # Rules for another branch than the default one protect nothing that is released.
    if rules is None or rules.branch not in ("", repo.default_branch):
        rules = Protection(allow_force_pushes=True, allow_deletions=True)
    findings = [_finding(*question) for question in _branch(rules, team)]
    findings += [_environment(environment) for environment in repo.environments]
    return findings


def _branch(rules: Protection, team: str) -> list[tuple[str, bool, Any, str]]:
    """code, whether it holds, what is, what should be"""
    status, limits = rules.required_status_checks, rules.restrictions
    checks = status.checks if status else ()
    named = ", ".join(f"{check.context} (app {check.app_id or 'any'})" for check in checks)
    bound = bool(checks) and all(check.app_id for check in checks)
    allowed = (*limits.users, *limits.teams, *limits.apps) if limits else None
    pushers = "anybody with write" if allowed is None else ", ".join(allowed) or "nobody"
    strict = status is not None and status.strict
    reviews = rules.required_pull_request_reviews is not None
    resolved = rules.required_conversation_resolution
    return [
        ("CHECKS_REQUIRED", bound, named or "none", "at least one check, each bound to an app"),
        ("CHECKS_STRICT", strict, strict, "true"),
        ("PULL_REQUEST_REQUIRED", reviews, reviews, "true"),
        ("CONVERSATIONS_RESOLVED", resolved, resolved, "true"),
        ("NO_FORCE_PUSH", not rules.allow_force_pushes, not rules.allow_force_pushes, "true"),
        ("NO_DELETION", not rules.allow_deletions, not rules.allow_deletions, "true"),
        ("ADMINS_INCLUDED", rules.enforce_admins, rules.enforce_admins, "true"),
        ("PUSH_LIMITED", allowed == (team,), pushers, team),
    ]


def _environment(environment: Environment) -> dict[str, str]:
    bypass = environment.can_admins_bypass
    now = f"{environment.name}: admins {'may' if bypass else 'may not'} bypass"
    return _finding("ENVIRONMENT_NO_BYPASS", not bypass, now, f"{environment.name}: admins may not bypass")


def _finding(code: str, holds: bool, now: object, should: str) -> dict[str, str]:
    text = str(now).lower() if isinstance(now, bool) else str(now)
    return {"code": code, "outcome": "PASS" if holds else "FAIL", "is": text, "should": should}
