"""The documents of a world that are not history: people, teams, tokens, repositories with their rules and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ms_release.errors import UsageError
from ms_release.forge.state import Forge
from ms_release.forge.world.file import Environment, Repository, Ruleset, World
from ms_release.forge.world.history import fill

ACTIONS_APP_ID = 15368
_ACTIONS_BOT_ID = 41898282


def put_people(forge: Forge, world: World, folder: Path) -> None:
    """Users, organisations, teams, tokens and apps; the app github-actions and its bot are always there."""
    store = forge.store
    bot = "github-actions[bot]"
    store.put("user", bot, {"login": bot, "id": _ACTIONS_BOT_ID, "type": "Bot", "site_admin": False})
    put_app(forge, {"id": ACTIONS_APP_ID, "slug": "github-actions", "name": "GitHub Actions"})
    for user in world.users:
        kind = "Bot" if user.bot else "User"
        body = {"login": user.login, "id": store.next_id("user"), "type": kind, "site_admin": False}
        store.put("user", user.login, body)
        for value in user.tokens:
            _token(forge, value, user.login)
    for org in world.orgs:
        # GitHub numbers users and organisations together
        store.put("org", org.login, {"login": org.login, "id": store.next_id("user"), "owners": list(org.owners)})
    for team in world.teams:
        body = {"org": team.org, "slug": team.slug, "name": team.name or team.slug, "id": store.next_id("team")}
        store.put("team", f"{team.org}/{team.slug}", {**body, "members": list(team.members)})
    for token in world.tokens:
        repos = None if token.repos is None else list(token.repos)
        _token(forge, token.value, token.user, kind=token.kind, repos=repos,
               permissions=token.permissions, expires_at=token.expires_at)  # fmt: skip
    for app in world.apps:
        try:
            key = (folder / app.public_key).read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            text = f"the key of app {app.slug} cannot be read: {error}"
            raise UsageError(text, remedy="Check `public_key`.") from None
        body = {"id": store.next_id("app"), "slug": app.slug, "name": app.name or app.slug, "public_key": key}
        put_app(forge, {**body, "org": app.org, "permissions": dict(app.permissions)})


def put_app(forge: Forge, body: dict[str, Any]) -> None:
    """One app, with everything that was not said about it."""
    bare = {"public_key": "", "installation_id": forge.store.next_id("installation"), "org": "", "permissions": {}}
    forge.store.put("app", body["slug"], {**bare, **body})


def _token(forge: Forge, value: str, login: str, **limits: Any) -> None:
    bare = {"login": login, "kind": "classic", "repos": None, "permissions": None, "expires_at": None, "run_id": None}
    forge.store.put("token", value, {**bare, **limits, "token": value})


def put_repository(forge: Forge, repo: Repository, values: Mapping[str, str]) -> None:
    """A repository without content: who may what, what protects it, its environments and secrets."""
    store, name = forge.store, repo.name
    body = {
        "id": store.next_id("repo"), "full_name": name, "private": repo.private, "default_branch": repo.default_branch,
        "access": dict(repo.access), "team_access": dict(repo.team_access),
    }  # fmt: skip
    store.put("repo", name, body, name)
    if repo.protection:
        rules: dict[str, Any] = msgspec.to_builtins(repo.protection)
        branch = rules.pop("branch") or repo.default_branch
        store.put("protection", f"{name}:{branch}", rules, name)
    for ruleset in repo.rulesets:
        _ruleset(forge, name, ruleset)
    for environment in repo.environments:
        _environment(forge, name, environment, values)
    for key, value in repo.secrets.items():
        _secret(forge, name, key, fill(value, values, f"{name}: secret {key}"))


def _ruleset(forge: Forge, repo: str, ruleset: Ruleset) -> None:
    number = forge.store.next_id("ruleset")
    body = {
        "id": number, "name": ruleset.name, "repo": repo, "target": ruleset.target, "enforcement": ruleset.enforcement,
        "conditions": {"ref_name": {"include": list(ruleset.include), "exclude": list(ruleset.exclude)}},
        "rules": msgspec.to_builtins(ruleset.rules), "bypass_actors": [dict(actor) for actor in ruleset.bypass_actors],
    }  # fmt: skip
    forge.store.put("ruleset", number, body, repo)


def _environment(forge: Forge, repo: str, environment: Environment, values: Mapping[str, str]) -> None:
    branches = environment.branches
    policy = {"protected_branches": False, "custom_branch_policies": True, "names": list(branches or ())}
    body = {
        "id": forge.store.next_id("environment"), "name": environment.name,
        "reviewers": [{"type": "Team" if "/" in who else "User", "name": who} for who in environment.reviewers],
        "prevent_self_review": environment.prevent_self_review, "wait_timer": environment.wait_timer,
        "can_admins_bypass": environment.can_admins_bypass, "branch_policy": None if branches is None else policy,
        "created_at": forge.now(), "updated_at": forge.now(),
    }  # fmt: skip
    forge.store.put("environment", f"{repo}:{environment.name}", body, repo)
    for key, value in environment.secrets.items():
        where = f"{repo}: environment {environment.name}: secret {key}"
        _secret(forge, repo, f"{environment.name}:{key}", fill(value, values, where))


def _secret(forge: Forge, repo: str, key: str, value: str) -> None:
    forge.store.put("secret", f"{repo}:{key}", {"value": value}, repo)
