"""Who is asking, and what GitHub would let them do: tokens, roles, permissions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ms_release.forge.app_tokens import app_of_token
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.state import Forge

ROLES = ("read", "triage", "write", "maintain", "admin")
ACTIONS_APP = "github-actions"
_LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}

# What a role must be for a permission at level write; at level read any role will do unless listed here.
_WRITE_ROLE = {
    "administration": "admin",
    "environments": "admin",
    "secrets": "admin",
    "pull_requests": "read",
    "issues": "read",
}
_READ_ROLE = {"administration": "admin", "secrets": "admin"}


class ForbiddenError(Refusal):
    """A 403 that names the fine-grained permission which is missing (`X-Accepted-GitHub-Permissions`, G41)."""

    def __init__(self, message: str, accepted: str) -> None:
        super().__init__(403, message)
        self.accepted = accepted


@dataclass(frozen=True)
class Identity:
    """Who asks. `repos` and `permissions` are the token's limits, None = all that the login may do."""

    login: str = ""
    kind: str = "anonymous"
    token: str = ""
    repos: tuple[str, ...] | None = None
    permissions: Mapping[str, str] | None = None
    run_id: int | None = None
    expires_at: str | None = None

    @property
    def app(self) -> str | None:
        """The slug of the GitHub App that acts, None for people."""
        return self.login.removesuffix("[bot]") if self.kind in ("workflow", "installation") else None

    @property
    def by_workflow(self) -> bool:
        """Whether a job's own token acts: its events start no runs (G5)."""
        return self.kind == "workflow"


ANONYMOUS = Identity()


def identify(forge: Forge, headers: Mapping[str, str]) -> Identity:
    """The identity behind an Authorization header (`token X`, `Bearer X`, Basic with the token as password).

    Kind is that of the token, or "app" (login = its slug) for an App's JSON web token, which opens only `/app…`.
    No header is nobody; a token that is unknown or expired is 401 "Bad credentials".
    """
    token = _token(headers.get("authorization", ""))
    if token is None:
        return ANONYMOUS
    body = forge.store.get("token", token)
    if body is None and token.count(".") == 2:
        return Identity(login=app_of_token(forge, token)["slug"], kind="app", token=token, repos=(), permissions={})
    if body is None or (body["expires_at"] is not None and body["expires_at"] <= forge.now()):
        raise Refusal(401, "Bad credentials")
    return Identity(
        login=body["login"],
        kind=body["kind"],
        token=token,
        repos=None if body["repos"] is None else tuple(body["repos"]),
        permissions=body["permissions"],
        run_id=body["run_id"],
        expires_at=body["expires_at"],
    )


def _token(header: str) -> str | None:
    scheme, _, rest = header.strip().partition(" ")
    if not header:
        return None
    if scheme.lower() in ("token", "bearer") and rest.strip():
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refusal(401, "Bad credentials") from error
        return password if password not in ("", "x-oauth-basic") else name
    raise Refusal(401, "Bad credentials")


def repo_body(forge: Forge, repo: str) -> dict[str, Any] | None:
    """The document of a repository; names compare without case, as on GitHub."""
    found = forge.store.get("repo", repo)
    if found is None:
        lower = repo.lower()
        found = next((body for body in forge.store.find("repo") if body["full_name"].lower() == lower), None)
    return found


def role(forge: Forge, identity: Identity, repo: str) -> str | None:
    """The role of this identity in a repository, None when it may not even know that it exists.

    App and workflow tokens have no role of their own: theirs follows from the permissions they were given.
    """
    body = repo_body(forge, repo)
    if body is None:
        return None
    outsider = None if body["private"] else "read"
    if identity.repos is not None and body["full_name"] not in identity.repos:
        return outsider
    if identity.kind in ("workflow", "installation"):
        return _app_role(identity) or outsider
    return login_role(forge, identity.login, body) or outsider


def login_role(forge: Forge, login: str, repo: Mapping[str, Any]) -> str | None:
    """The role of a person in a repository: owners of its organisation are admins, else the highest that was given."""
    org = forge.store.get("org", repo["full_name"].partition("/")[0])
    if org is not None and login in org.get("owners", ()):
        return "admin"
    given = [repo["access"][login]] if login in repo["access"] else []
    for name, granted in repo["team_access"].items():
        team = forge.store.get("team", name)
        if team is not None and login in team["members"]:
            given.append(granted)
    return max(given, key=ROLES.index) if given else None


def _app_role(identity: Identity) -> str | None:
    granted = identity.permissions or {}
    if _LEVELS[granted.get("administration", "none")] >= _LEVELS["write"]:
        return "admin"
    if _LEVELS[granted.get("contents", "none")] >= _LEVELS["write"]:
        return "write"
    return "read" if granted else None


def allowed(forge: Forge, identity: Identity, repo: str, permission: str = "contents", level: str = "write") -> bool:
    """Whether the identity's role and its token both give a permission ("contents", "actions" …) at a level."""
    body = repo_body(forge, repo)
    have = role(forge, identity, repo)
    if body is None or have is None:
        return False
    inside = identity.repos is None or body["full_name"] in identity.repos
    if level == "read" and not body["private"] and permission not in _READ_ROLE:
        return True
    if permission == "checks" and identity.kind == "fine-grained":
        return False  # a permission that such a token cannot have (G20)
    if not inside or not identity.login:
        return False
    if identity.permissions is not None and permission != "metadata":
        granted = identity.permissions.get(permission, "none")
        if _LEVELS[granted] < _LEVELS[level]:
            return False
    if identity.kind in ("workflow", "installation"):
        return identity.permissions is not None
    table, default = (_WRITE_ROLE, "write") if level == "write" else (_READ_ROLE, "read")
    return ROLES.index(have) >= ROLES.index(table.get(permission, default))


def require(forge: Forge, identity: Identity, repo: str, permission: str = "contents", level: str = "write") -> None:
    """Raise GitHub's refusal unless the identity has a permission.

    404 when it may not know the repository (G9), 401 for nobody, else 403 in the words that fit the kind of token.
    """
    if role(forge, identity, repo) is None:
        raise not_found()
    if allowed(forge, identity, repo, permission, level):
        return
    accepted = f"{permission}={level}"
    if not identity.login:
        raise Refusal(401, "Requires authentication")
    if identity.kind in ("workflow", "installation"):
        raise ForbiddenError("Resource not accessible by integration", accepted)
    if identity.kind == "fine-grained":
        raise ForbiddenError("Resource not accessible by personal access token", accepted)
    raise ForbiddenError("Must have admin rights to Repository.", accepted)


def require_login(identity: Identity) -> None:
    """Raise 401 for nobody."""
    if not identity.login:
        raise Refusal(401, "Requires authentication")


def in_team(forge: Forge, login: str, team: str) -> bool:
    """Whether a person is in the team "org/slug"."""
    body = forge.store.get("team", team)
    return body is not None and login in body["members"]


def allowed_org(forge: Forge, identity: Identity, org: str, level: str = "write") -> bool:
    """Whether the identity may see (read) or change (write) what its owners set for a whole organisation."""
    body = forge.store.get("org", org)
    if body is None or identity.app is not None or identity.login not in body.get("owners", ()):
        return False
    if identity.permissions is None:
        return True
    return _LEVELS[identity.permissions.get("organization_administration", "none")] >= _LEVELS[level]


def require_org(forge: Forge, identity: Identity, org: str, level: str = "write") -> None:
    """Raise GitHub's refusal unless `allowed_org`: 404 for whoever does not own it, 403 for an owner's weaker token."""
    if allowed_org(forge, identity, org, level):
        return
    body = forge.store.get("org", org)
    if body is None or identity.login not in body.get("owners", ()):
        raise not_found()
    raise ForbiddenError("Resource not accessible by personal access token", f"organization_administration={level}")
