"""An organisation of well protected repositories, in each of the layers that can protect one, served."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ms_release.adapters.http import Client
from ms_release.adapters.policy.read import PolicyReader, PolicySeen
from ms_release.adapters.policy.write import PolicyWriter
from ms_release.cli.policy_apply import plan
from ms_release.cli.policy_audit import Audited
from ms_release.config import Config, parse
from ms_release.core.policy.edit import Repair
from ms_release.core.policy.rules import judge
from ms_release.errors import MsError
from ms_release.forge import git
from ms_release.forge import world as worlds
from ms_release.forge.serve import Server

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PERSON = git.Person("Setup", "setup@example.org", "2026-01-01T00:00:00Z")
CI, ROBOT = 15368, 77
CREW, OTHERS, MANAGERS = 70, 71, 72
TOKEN = {"kind": "classic", "repos": None, "permissions": None, "expires_at": None, "run_id": None}
EXAMPLE = worlds.EXAMPLE.parent
WORKFLOWS = {
    "c.yml": (EXAMPLE / "core/.github/workflows/candidate.yml").read_bytes(),
    "publish.yml": (EXAMPLE / "distribution/.github/workflows/publish.yml").read_bytes(),
}
PEOPLE = ("carol", "mia", "dana", "olga", "bob")
Json = dict[str, Any]

CLASSIC: Json = {
    "required_status_checks": {"strict": True, "checks": [{"context": "test", "app_id": CI}]},
    "enforce_admins": True,
    "required_pull_request_reviews": {"required_approving_review_count": 0},
    "restrictions": {"users": [], "teams": ["crew"], "apps": []},
    "required_conversation_resolution": True,
    "allow_force_pushes": False,
    "allow_deletions": False,
}
RULES: list[Json] = [
    {"type": "required_status_checks", "parameters": {
        "required_status_checks": [{"context": "test", "integration_id": CI}],
        "strict_required_status_checks_policy": True}},
    {"type": "pull_request", "parameters": {
        "required_approving_review_count": 0, "required_review_thread_resolution": True,
        "dismiss_stale_reviews_on_push": False, "require_code_owner_review": False,
        "require_last_push_approval": False}},
    {"type": "non_fast_forward"},
    {"type": "deletion"},
]  # fmt: skip
ENVIRONMENT: Json = {
    "reviewers": [{"type": "Team", "name": "octo/managers"}], "prevent_self_review": True, "wait_timer": 0,
    "can_admins_bypass": False,
    "branch_policy": {"protected_branches": False, "custom_branch_policies": True, "names": ["main"]},
    "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
}  # fmt: skip


def team(mode: str = "pull_request", number: int = CREW) -> Json:
    return {"actor_type": "Team", "actor_id": number, "bypass_mode": mode}


@dataclass
class Place:
    """One repository and what protects it: changed by a way to break it before it is put into the world."""

    name: str
    home: bool = False
    classic: Json | None = None
    rulesets: dict[str, Json] = field(default_factory=dict)
    org_rulesets: dict[str, Json] = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    environment: Json | None = None
    access: dict[str, str] = field(default_factory=lambda: {"carol": "write", "dana": "admin"})
    private: bool = False

    @property
    def slug(self) -> str:
        return f"octo/{self.name}"

    def ruleset(self, name: str, rules: list[Json], target: str = "branch", *, org: bool = False) -> Json:
        """One more ruleset: of the repository, or of the organisation for this repository."""
        include = ["refs/tags/v*"] if target == "tag" else ["~DEFAULT_BRANCH"]
        conditions: Json = {"ref_name": {"include": include, "exclude": []}}
        if org:
            conditions["repository_name"] = {"include": [self.name], "exclude": []}
        body = {"name": f"{name} of {self.name}" if org else name, "target": target, "enforcement": "active"}
        made = {**body, "conditions": conditions, "rules": deepcopy(rules), "bypass_actors": []}
        (self.org_rulesets if org else self.rulesets)[name] = made
        return made

    def home_settings(self) -> Place:
        """What a home repository has besides."""
        self.home, self.environment = True, deepcopy(ENVIRONMENT)
        self.settings["immutable_releases"] = True
        self.ruleset("tags", [{"type": "update"}, {"type": "deletion"}], "tag")
        return self


def in_classic(name: str) -> Place:
    return Place(name, classic=deepcopy(CLASSIC))


def in_rulesets(name: str) -> Place:
    place = Place(name)
    place.ruleset("main", RULES)
    place.ruleset("pushes", [{"type": "update"}])["bypass_actors"] = [team()]
    return place


def in_organisation(name: str) -> Place:
    place = Place(name)
    place.ruleset("main", RULES, org=True)
    place.ruleset("pushes", [{"type": "update"}])["bypass_actors"] = [team()]
    return place


class World:
    """The served organisation. `dana` administers repositories, `olga` owns the organisation, `mia` is the crew."""

    def __init__(self, server: Server) -> None:
        self.server, self.forge, self.store = server, server.forge, server.forge.store
        self.places: dict[str, Place] = {}
        self._clients: list[Client] = []
        self._content: Path | None = None

    def fill(self) -> None:
        store = self.store
        store.put("org", "octo", {"login": "octo", "id": 900, "owners": ["olga"]})
        for number, login in enumerate(PEOPLE, 1):
            store.put("user", login, {"login": login, "id": number, "type": "User", "site_admin": False})
            store.put("token", f"{login}-token", {"login": login, **TOKEN})
        for slug, number, members in (("crew", CREW, ["mia"]), ("others", OTHERS, []), ("managers", MANAGERS, ["bob"])):
            body = {"org": "octo", "slug": slug, "name": slug.title(), "id": number, "members": members}
            store.put("team", f"octo/{slug}", body)
        app = {"id": ROBOT, "slug": "robot", "name": "Robot", "public_key": "", "installation_id": 5, "org": "octo"}
        store.put("app", "robot", {**app, "permissions": {"contents": "write"}})

    def add(self, place: Place, *, share: bool = False) -> Place:
        """A repository, served from now on; `share` its history with the one before, for worlds of very many."""
        store, slug = self.store, place.slug
        self.places[place.name] = place
        number = store.next_id("repo")
        body = {"id": number, "full_name": slug, "private": place.private, "default_branch": "main"}
        access = {"access": place.access, "team_access": {"octo/crew": "maintain"}}
        store.put("repo", slug, {**body, **access, **place.settings}, slug)
        git_dir = self.forge.git_dir(slug)
        if self._content is not None and share:
            git_dir.symlink_to(self._content)
            self.protect(place)
            return place
        git.init_bare(git_dir)
        self._content = git_dir
        files = {f".github/workflows/{name}": data for name, data in WORKFLOWS.items()}
        sha = git.commit_files(git_dir, None, {"README.md": b"# read me\n", **files}, [], "first", PERSON)
        git.update_ref(git_dir, "refs/heads/main", sha, None)
        self.protect(place)
        if place.environment is not None:
            environment = {"id": store.next_id("environment"), "name": "release", **place.environment}
            store.put("environment", f"{slug}:release", environment, slug)
        return place

    def protect(self, place: Place) -> None:
        """Put what protects a repository into the world."""
        if place.classic is not None:
            self.store.put("protection", f"{place.slug}:main", place.classic, place.slug)
        for rulesets, source in ((place.rulesets, {"repo": place.slug}), (place.org_rulesets, {"org": "octo"})):
            for body in rulesets.values():
                body["id"] = body.get("id") or self.store.next_id("ruleset")
                self.store.put("ruleset", body["id"], {**body, **source}, source.get("repo", "octo"))

    def config(self, names: list[str] | None = None, more: str = "", policy: str = "") -> Config:
        """The configuration of some repositories (all)."""
        return parse(self.config_text(names, more, policy))

    def config_text(self, names: list[str] | None = None, more: str = "", policy: str = "") -> str:
        chosen = [self.places[name] for name in names or list(self.places)]
        repos = "\n".join(
            f'[[repo]]\nid = "{p.name}"\nurl = "{self.server.url}/{p.slug}"\n'
            'checks = [{ name = "test", app = "github-actions" }]\n'
            'candidate = { workflow = "c.yml", visibility = "draft" }\n'
            for p in chosen
        )
        products = "\n".join(
            f'[[product]]\nid = "p{n}"\nkind = "content"\nrepos = ["{p.name}"]\nhome = "{p.name}"\n'
            'environment = "release"\nworkflow = "publish.yml"\n'
            for n, p in enumerate(p for p in chosen if p.home)
        )
        home = next((p for p in chosen if p.home), chosen[0])
        none = "" if products else "product = []\n"
        return f"""{none}[config]
schema = 1
home = "{home.slug}"
[forge]
url = "{self.server.url}"
{repos}
{products}
[policy]
manifest_key = ""
{policy}
[roles]
maintainers = "octo/crew"
release_managers = "octo/managers"
{more}"""

    def client(self, token: str) -> Client:
        url = self.server.url
        found = Client(
            api_url=f"{url}/api/v3", graphql_url=f"{url}/api/graphql", token=token,
            clock=lambda: NOW, sleep=lambda _seconds: None,
        )  # fmt: skip
        self._clients.append(found)
        return found

    def audit(self, config: Config, who: str = "dana-token") -> Audited:
        """Look and judge, as the command does."""
        seen: PolicySeen = PolicyReader(self.client(who), lambda _text: None).look(config, config.repos)
        return Audited(seen, {r.slug: judge(config, r, seen.repos[r.id], seen.now) for r in config.repos})

    def apply(self, config: Config, who: str = "dana-token") -> Repair:
        """Audit, plan and perform; what is refused is passed over."""
        writer = PolicyWriter(self.client(who))
        repair = plan(config, self.audit(config, who), writer)
        for edit in repair.edits:
            try:
                writer.perform(edit)
            except MsError as error:
                raise AssertionError(f"{edit.key}: {error.cause}") from error
        return repair

    def effects(self) -> int:
        return len(self.store.effects())

    def close(self) -> None:
        for client in self._clients:
            client.close()


def findings(audited: Audited, outcome: str = "FAIL") -> dict[str, set[str]]:
    """The codes with an outcome, by repository name."""
    return {
        slug.partition("/")[2]: {v.code for v in found if v.outcome == outcome and not v.waived_by}
        for slug, found in audited.verdicts.items()
    }


@contextmanager
def served(root: Path) -> Iterator[World]:
    server = Server(root)
    server.forge.clock = lambda: NOW
    world = World(server)
    with server.forge.store.writing():
        world.fill()
    server.start()
    try:
        yield world
    finally:
        world.close()
        server.stop()


Break = Callable[[Place], None]
