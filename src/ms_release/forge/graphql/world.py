"""What one GraphQL request knows: who asks, and everything that it has read so far, each thing once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ms_release.forge import auth, checks, present
from ms_release.forge.graphql.page import GraphRefusal, Node
from ms_release.forge.limits import Quota
from ms_release.forge.state import Forge

# What the forge has one of for every repository, as its REST answers say.
_PLAIN_REPOSITORY = {
    "description": None,
    "hasIssuesEnabled": True,
    "hasWikiEnabled": False,
    "isFork": False,
    "parent": None,
    "mergeCommitAllowed": True,
    "rebaseMergeAllowed": True,
    "squashMergeAllowed": True,
    "viewerDefaultMergeMethod": "MERGE",
}

Resolver = Callable[..., Any]
Resolvers = Mapping[str, Mapping[str, Resolver]]
"""type name → field name → function of (source node, World, **arguments); fields without one are read from the node."""


@dataclass
class World:
    """One request. `base` is the address people use, `api` the REST address, `cost` and `nodes` the query's price."""

    forge: Forge
    identity: auth.Identity
    base: str
    api: str
    quota: Quota
    cost: int = 1
    nodes: int = 0
    objects: dict[tuple[str, str], Node] = field(default_factory=dict)
    branches: dict[tuple[str, str], Node | None] = field(default_factory=dict)
    _repos: dict[str, Node] = field(default_factory=dict)
    _users: dict[str, Node | None] = field(default_factory=dict)
    _roles: dict[str, str | None] = field(default_factory=dict)
    _rights: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    _groups: dict[tuple[str, str, str], dict[Any, list[Node]]] = field(default_factory=dict)
    _apps: dict[str, Node] = field(default_factory=dict)

    def repo_body(self, name: str) -> Node:
        """The document of a repository that was already found to be visible."""
        body = self._repos.get(name)
        if body is None:
            found = auth.repo_body(self.forge, name)
            if found is None:
                raise unknown_repository(name)
            body = self._repos[name] = found
        return body

    def repository(self, name: str) -> Node:
        """The repository as a node; NOT_FOUND when there is none or the asker may not know it (G9)."""
        body = auth.repo_body(self.forge, name) if name not in self._repos else self._repos[name]
        if body is None or self.role(body["full_name"]) is None:
            raise unknown_repository(name)
        full = body["full_name"]
        self._repos[full] = body
        owner, _, short = full.partition("/")
        visibility = "PRIVATE" if body["private"] else "PUBLIC"
        return {
            "_id": ("R", body["id"]),
            "_repo": full,
            "_owner": owner,
            "databaseId": body["id"],
            "name": short,
            "nameWithOwner": full,
            "isPrivate": body["private"],
            "visibility": visibility,
            "isArchived": False,
            **_PLAIN_REPOSITORY,
            "url": f"{self.base}/{full}",
            "viewerPermission": (self.role(full) or "").upper() or None,
        }

    def role(self, repo: str) -> str | None:
        """The asker's role in a repository."""
        if repo not in self._roles:
            self._roles[repo] = auth.role(self.forge, self.identity, repo)
        return self._roles[repo]

    def may(self, repo: str, permission: str, level: str) -> bool:
        """Whether the asker has a permission in a repository."""
        key = (repo, permission, level)
        if key not in self._rights:
            self._rights[key] = auth.allowed(self.forge, self.identity, repo, permission, level)
        return self._rights[key]

    def forbid(self, action: str) -> GraphRefusal:
        """FORBIDDEN in the words that fit the asker's token; people are told which operation."""
        if self.identity.kind in ("workflow", "installation"):
            return GraphRefusal("FORBIDDEN", "Resource not accessible by integration")
        if self.identity.kind == "fine-grained":
            return GraphRefusal("FORBIDDEN", "Resource not accessible by personal access token")
        who = self.identity.login
        return GraphRefusal("FORBIDDEN", f"{who} does not have the correct permissions to execute `{action}`")

    def user(self, login: str | None) -> Node | None:
        """A person or bot as a node; bots that have no document (an app's) are made up as in REST."""
        if login is None:
            return None
        if login not in self._users:
            body = self.forge.store.get("user", login)
            if body is None and login.endswith("[bot]"):
                body = {"login": login, "id": present.app_number(self.forge, login), "type": "Bot"}
            self._users[login] = None if body is None else self._user(body)
        return self._users[login]

    def _user(self, body: Node) -> Node:
        kind = "Bot" if body["type"] == "Bot" else "User"
        name, url = body.get("name"), f"{self.base}/{body['login']}"
        head = {"__typename": kind, "_id": ("U", body["id"]), "databaseId": body["id"]}
        return {**head, "login": body["login"], "name": name, "url": url}

    def app(self, slug: str) -> Node | None:
        """A GitHub App as a node, None for a slug that the forge does not know."""
        if slug not in self._apps:
            number = checks.app_id(self.forge, slug)
            if number == 0:
                return None
            body = self.forge.store.get("app", slug) or {"name": "GitHub Actions"}
            self._apps[slug] = {
                "__typename": "App",
                "_id": ("A", number),
                "databaseId": number,
                "slug": slug,
                "name": body["name"],
                "url": f"{self.base}/apps/{slug}",
            }
        return self._apps[slug]

    def login_of(self, email: str) -> str | None:
        """Whose account an author's address is: `1+login@users.noreply.github.com`, as in REST."""
        local, _, domain = email.partition("@")
        login = local.partition("+")[2]
        return login if domain == "users.noreply.github.com" and login else None

    def rate_limit(self) -> Node:
        """What the asker has left of GraphQL's points, this query counted."""
        reset = datetime.fromtimestamp(self.quota.reset, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        left = {"limit": self.quota.limit, "remaining": self.quota.remaining, "used": self.quota.used}
        return {**left, "resetAt": reset, "cost": self.cost, "nodeCount": self.nodes}

    def grouped(self, kind: str, repo: str, by: str) -> dict[Any, list[Node]]:
        """All documents of a kind in a repository, oldest first, by the value of one field; read once."""
        groups = self._groups.get((kind, repo, by))
        if groups is None:
            groups = defaultdict(list)
            for body in self.forge.store.find(kind, repo=repo):
                groups[body[by]].append(body)
            self._groups[kind, repo, by] = groups
        return groups


def unknown_repository(name: str) -> GraphRefusal:
    """GitHub's answer about a repository that is not there for the asker."""
    return GraphRefusal("NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'.")


def no_node(node: str) -> GraphRefusal:
    """GitHub's answer about a node id that stands for nothing that the asker may see."""
    return GraphRefusal("NOT_FOUND", f"Could not resolve to a node with the global id of '{node}'")
