"""What `preflight` looks at, from the token to the workflow files. Nothing here changes anything on the forge.

Whether a token may write is asked by writes that the forge must refuse because they say nothing (`{}`): 403 without the
right, 422 with it (docs/adr/0012). A token that says what it may do is not asked.
"""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from msgspec import Struct

from ms_release.adapters import git
from ms_release.adapters.answers import Denied, Refused, moment
from ms_release.adapters.answers_graph import Number, convert, optional
from ms_release.adapters.github_read import GitHubReader
from ms_release.adapters.http import Client
from ms_release.adapters.urls import segment
from ms_release.config import Config, Product, Repo
from ms_release.core import workflow
from ms_release.core.candidate_identity import input_name
from ms_release.core.observation import Observation
from ms_release.core.preflight_facts import Answer, Facts, Machine, Token, WorkflowSeen
from ms_release.core.rights import Need, declared, needs
from ms_release.errors import CredentialError, DamagedError, MachineError

_SENT = ("tag", "plan", "seal")
_ROOM = 64 << 20
_WHO = """query($owner: String!, $name: String!, $branch: String!) {
  viewer { login }
  home: repository(owner: $owner, name: $name) { ref(qualifiedName: $branch) { refUpdateRule { viewerCanPush } } }
}"""
_WORDS = ("admin", "maintain", "push")
_ROLES = {"admin": "admin", "maintain": "maintain", "push": "write"}


class _Quota(Struct):
    remaining: Number
    reset: Number


class _Rates(Struct):
    resources: dict[str, _Quota]


class _Place(Struct):
    private: bool
    permissions: dict[str, bool] = {}


class _Login(Struct):
    login: str


class _Rule(Struct, rename="camel"):
    viewer_can_push: bool


class _Ref(Struct, rename="camel"):
    ref_update_rule: _Rule | None = None


class _Home(Struct):
    ref: _Ref | None = None


class _Run(Struct):
    id: Number


class _Runs(Struct):
    workflow_runs: list[_Run]


class _State(Struct):
    state: str


class _Listed(Struct):
    name: str
    type: str = "file"


class _Content(Struct):
    content: str
    encoding: str = "base64"


Measure = Callable[[str, int], Machine]
"""The machine, from the forge's time and the size of the largest release (`measured`)."""


class PreflightReader:
    """One look at everything; `say` is told what takes time."""

    def __init__(self, client: Client, reader: GitHubReader, say: Callable[[str], None]) -> None:
        self._client, self._reader, self._say = client, reader, say

    def look(self, config: Config, product: Product, config_blob: str, measure: Measure) -> Facts:
        """All facts. Raises CredentialError when the forge does not know the token, ForgeError when it fails."""
        token = self._token(config.home(product))
        home, members = self._home(config, product)
        reviewers = _people(home, members)
        wanted = needs(config, product, reviewer=token.login in reviewers)
        slugs = tuple(dict.fromkeys(need.slug for need in wanted))
        self._say(f"asking what the token may do in {len(slugs)} repositories")
        places = dict(zip(slugs, self._client.gather([partial(self._place, slug) for slug in slugs]), strict=True))
        by_slug = {repo.slug: repo for repo in config.repos}
        asked = [partial(self._answer, need, places[need.slug], by_slug[need.slug], product) for need in wanted]
        answers = tuple(self._client.gather(asked))
        self._say("reading workflow files")
        return Facts(
            config=config,
            product=product,
            config_blob=config_blob,
            now=moment(self._client.date).isoformat(),
            token=token,
            answers=answers,
            workflows=self._workflows(config, product),
            ci=self._ci(config.home(product)),
            home=home,
            members=members,
            machine=measure(self._client.date, _largest(home)),
        )

    # --- the token

    def _token(self, home: Repo) -> Token:
        client = self._client
        try:
            rates = convert(client.get("/rate_limit").json, _Rates, "the rate limit").resources
        except Refused:  # a forge of one's own may count nothing
            rates = {}
        owner, _, name = home.slug.partition("/")
        answer = client.graphql(_WHO, {"owner": owner, "name": name, "branch": f"refs/heads/{home.branch}"})
        part = optional(answer.data.get("home"), _Home, home.slug)
        rule = part.ref.ref_update_rule if part and part.ref else None
        login = convert(answer.data.get("viewer"), _Login, "the asker").login if answer.data.get("viewer") else ""
        return Token(
            kind=client.token_kind(login),
            login=login,
            expires=client.expires,
            left={name: quota.remaining for name, quota in rates.items()},
            reset={name: _clock(quota.reset) for name, quota in rates.items()},
            may_push=rule.viewer_can_push if rule else None,
        )

    # --- permissions

    def _place(self, slug: str) -> _Place | Denied | None:
        """The repository, None when it is not there for this token (github-facts G9)."""
        try:
            return convert(self._client.get(f"/repos/{slug}").json, _Place, slug)
        except Denied as error:
            return error
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def _answer(self, need: Need, place: _Place | Denied | None, repo: Repo, product: Product) -> Answer:
        if place is None:
            return Answer(need, None, "the repository is not there for this token")
        if isinstance(place, Denied):
            return Answer(need, None if place.sso_url else False, place.cause, place.sso_url)
        role = next((_ROLES[word] for word in _WORDS if place.permissions.get(word)), "read")
        granted, scopes = self._client.granted, self._client.scopes
        said = declared(need, granted=granted, scopes=scopes, role=role, private=place.private)
        if said is not None:
            return Answer(need, said)
        if need.right.level == "read" and not place.private:
            return Answer(need, True)
        return self._try(need, repo, product)

    def _try(self, need: Need, repo: Repo, product: Product) -> Answer:
        """By asking for something that is answered, or refused for another reason, only with this right."""
        question = self._question(need, repo, product)
        if question is None:
            return Answer(need, None, "it can only be seen when it is used")
        try:
            question()
        except Denied as error:
            return Answer(need, None if error.sso_url else False, "", error.sso_url)
        except Refused as error:
            # 404 is also said for "no right" (github-facts G9); 422 and 409 are about what was asked
            return Answer(need, None, error.cause) if error.status == 404 else Answer(need, True)
        return Answer(need, True)

    def _question(self, need: Need, repo: Repo, product: Product) -> Callable[[], object] | None:
        client, path, branch = self._client, f"/repos/{repo.slug}", segment(repo.branch)
        one = {"per_page": 1}
        if need.right.level == "read":
            return {
                "contents": partial(client.get, f"{path}/git/ref/heads/{branch}"),
                "checks": partial(client.get, f"{path}/commits/{branch}/check-runs", one),
                "pull_requests": partial(client.get, f"{path}/pulls", one),
                "actions": partial(client.get, f"{path}/actions/runs", one),
            }[need.right.permission]
        file = product.workflow if repo.id == product.home else repo.candidate.workflow if repo.candidate else ""
        nothing = partial(client.write, "POST", json={}, idempotent=True)
        match need.right.permission:
            case "contents":
                return partial(nothing, f"{path}/git/refs")
            case "pull_requests":
                return partial(nothing, f"{path}/pulls")
            case "actions":
                return partial(nothing, f"{path}/actions/workflows/{file}/dispatches")
            case "deployments":
                return self._review(path)
            case _:
                return None

    def _review(self, path: str) -> Callable[[], object] | None:
        """A review that names no environment, of any run; None while there is no run yet."""
        try:
            found = convert(self._client.get(f"{path}/actions/runs", {"per_page": 1}).json, _Runs, "workflow runs")
        except (Denied, Refused):
            return None
        if not found.workflow_runs:
            return None
        address = f"{path}/actions/runs/{found.workflow_runs[0].id}/pending_deployments"
        return partial(self._client.write, "POST", address, json={}, idempotent=True)

    # --- what is set up

    def _home(self, config: Config, product: Product) -> tuple[Observation | None, dict[str, tuple[str, ...] | None]]:
        """The home repository with its rules and the members of every team that may approve."""
        try:
            home = self._reader.look_at_home(config, product)
        except CredentialError:
            return None, {}
        try:
            home = self._reader.add_protection(home, product)
        except CredentialError:  # its environment needs a right of its own, which is asked for by itself
            return home, {}
        environment = home.home.environment
        teams = [who for who in (environment.reviewers if environment else ()) if "/" in who]
        return home, {team: self._members(team) for team in teams}

    def _members(self, team: str) -> tuple[str, ...] | None:
        org, _, slug = team.partition("/")
        try:
            found = self._client.pages(f"/orgs/{segment(org)}/teams/{segment(slug)}/members", decode=_Login)
        except (Refused, CredentialError):
            return None
        return tuple(one.login for one in found)

    def _workflows(self, config: Config, product: Product) -> tuple[WorkflowSeen, ...]:
        """The publishing workflow first, then those of the candidates, each with the inputs that are sent to it."""
        home = config.home(product)
        wanted: list[tuple[Repo, str, tuple[str, ...]]] = [(home, product.workflow, _SENT)]
        for repo in config.components(product):
            if repo.candidate is not None:
                sent = ("sha", "tag", *(input_name(id) for id in repo.candidate.inputs))
                wanted.append((repo, repo.candidate.workflow, sent))
        return tuple(self._client.gather([partial(self._workflow, *one) for one in wanted]))

    def _workflow(self, repo: Repo, file: str, sent: tuple[str, ...]) -> WorkflowSeen:
        try:
            path = f"/repos/{repo.slug}/actions/workflows/{segment(file)}"
            state = convert(self._client.get(path).json, _State, file).state
            return WorkflowSeen(repo.slug, file, state, sent, self._parsed(repo, file))
        except Refused as error:
            return WorkflowSeen(repo.slug, file, "" if error.status == 404 else None, sent, problem=error.cause)
        except CredentialError as error:
            return WorkflowSeen(repo.slug, file, None, sent, problem=error.cause)
        except DamagedError as error:
            return WorkflowSeen(repo.slug, file, "active", sent, problem=error.cause)

    def _parsed(self, repo: Repo, file: str) -> workflow.Workflow:
        """The file on the branch on which it is started. Raises DamagedError, and what the client raises."""
        path = f"/repos/{repo.slug}/contents/{workflow.FOLDER}/{segment(file)}"
        content = convert(self._client.get(path, {"ref": repo.branch}).json, _Content, file).content
        try:
            data = base64.b64decode(content)
        except ValueError:
            raise DamagedError(f"{file} did not arrive whole", remedy="Try again.") from None
        return workflow.parse(data, file)

    def _ci(self, home: Repo) -> tuple[workflow.Workflow, ...] | None:
        """Every workflow of the home repository that can be understood; None when the folder could not be read."""
        try:
            path = f"/repos/{home.slug}/contents/{workflow.FOLDER}"
            listed = convert(self._client.get(path, {"ref": home.branch}).json, list[_Listed], "the workflow files")
        except Refused as error:
            return () if error.status == 404 else None
        except CredentialError:
            return None
        names = [one.name for one in listed if one.type == "file" and one.name.endswith((".yml", ".yaml"))]
        found = self._client.gather([partial(self._readable, home, name) for name in names])
        return tuple(one for one in found if one is not None)

    def _readable(self, home: Repo, file: str) -> workflow.Workflow | None:
        try:
            return self._parsed(home, file)
        except (DamagedError, Refused, CredentialError):
            return None


def measured(now: Callable[[], datetime], places: Iterable[Path], date: str, size: int) -> Machine:
    """This machine, beside the forge's `date`. `size`: of the largest release, of which two copies must find room."""
    wanted = 2 * size + _ROOM
    disk = {str(place): (shutil.disk_usage(_existing(place)).free, wanted) for place in places}
    return Machine(_git_version(), (now() - moment(date)).total_seconds(), disk)


def _largest(home: Observation | None) -> int:
    releases = home.home.releases if home else ()
    return max((sum(asset.size for asset in release.assets) for release in releases), default=0)


def _existing(place: Path) -> Path:
    return next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())


def _git_version() -> tuple[int, ...] | None:
    try:
        _, out = git.run(Path.cwd(), ["version"])
    except MachineError:
        return None
    words = out.decode(errors="replace").split()
    numbers = words[2].split(".")[:3] if len(words) > 2 else []
    return tuple(int(number) for number in numbers if number.isdecimal())


def _people(home: Observation | None, members: dict[str, tuple[str, ...] | None]) -> frozenset[str]:
    environment = home.home.environment if home else None
    named = environment.reviewers if environment else ()
    return frozenset(one for who in named for one in (members.get(who) or (who,)))


def _clock(seconds: int) -> str:
    return datetime.fromtimestamp(min(seconds, 4_000_000_000), UTC).strftime("%H:%M UTC")
