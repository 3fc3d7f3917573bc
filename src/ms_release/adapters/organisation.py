"""Looking at a whole organisation: REST lists its repositories, batched GraphQL reads them. Nothing here writes.

A part that this token may not read does not end the look: it becomes None and a sentence in `unread`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ms_release.adapters import answers_graph as graph
from ms_release.adapters import candidates, queries
from ms_release.adapters.answers import Denied, Graph, GraphError, Overloaded, Refused, about, printable
from ms_release.adapters.facts import names_of
from ms_release.adapters.http import Client
from ms_release.adapters.protection import CLASSIC, ClassicRule, add_rulesets, classic_rules, read_environment
from ms_release.adapters.queries import Query
from ms_release.adapters.urls import segment
from ms_release.adapters.workflow_files import read_workflow
from ms_release.core.names import is_slug
from ms_release.core.observation import CandidateQuestion, Environment, Ready, RepoFacts
from ms_release.core.proposal_facts import Details, LeftOut, OrganisationSeen, RepoSeen
from ms_release.errors import CredentialError, ForgeError, Interrupted, MsError, UsageError

T = TypeVar("T")

_BATCH = 25
_WORKFLOWS = ".github/workflows"
_ENVIRONMENTS = 10


class _Owner(Struct):
    login: str
    type: str


class _Listed(Struct):
    """A repository as the lists of REST describe it."""

    full_name: str
    private: bool
    owner: _Owner
    fork: bool = False
    archived: bool = False
    disabled: bool = False


class _Team(Struct):
    slug: str


class _Named(Struct):
    name: str


class _Blob(Struct, rename="camel"):
    text: str | None = None
    is_truncated: bool = False


class _File(Struct):
    name: str
    object: _Blob | None = None


class _Folder(Struct):
    entries: list[_File] = []


class OrganisationReader:
    """The reading side of `init`; `say` is told what takes time."""

    def __init__(self, client: Client, cache: candidates.Cache, say: Callable[[str], None]) -> None:
        self._client = client
        self._cache = cache
        self._say = say

    def organisations(self) -> tuple[str, ...]:
        """The organisations whose repositories this token is given. Raises CredentialError where nobody can tell."""
        listed = self._client.pages("/user/repos", decode=_Listed)
        return tuple(sorted({r.owner.login for r in listed if r.owner.type == "Organization"}))

    def survey(self, login: str) -> OrganisationSeen:
        """Every repository of an organisation. Raises UsageError when there is no such organisation for this token."""
        try:
            listed = self._client.pages(f"/orgs/{segment(login)}/repos", {"type": "all"}, decode=_Listed)
        except Refused as error:
            if error.status != 404:
                raise
            raise UsageError(
                f"{login!a} is no organisation that this token can see",
                remedy="Check the name, and that the token may read it.",
            ) from None
        why = {r.full_name: _why_not(r) for r in listed}
        seen = self.look([r.full_name for r in listed if not why[r.full_name]])
        left = tuple(LeftOut(name, reason) for name, reason in why.items() if reason)
        return replace(seen, login=login, left_out=(*left, *seen.left_out))

    def look(self, slugs: Iterable[str]) -> OrganisationSeen:
        """Some repositories, by name; one that is not ours to see is left out, with that as the reason."""
        wanted = list(slugs)
        found: list[OrganisationSeen] = []
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            if len(wanted) > 1:
                self._say(f"reading repositories {start + 1} to {start + len(batch)} of {len(wanted)}")
            found.append(self._batch(batch))
        return OrganisationSeen(
            "",
            tuple(r for part in found for r in part.repos),
            tuple(one for part in found for one in part.left_out),
            tuple(text for part in found for text in part.unread),
        )

    def texts(self, repo: RepoSeen, paths: tuple[str, ...]) -> dict[str, str]:
        """Files of the default branch, by path; one that is not there or too long is left out."""
        query = Query()
        files = (queries.file_of(query, f"t{i}", f"HEAD:{path}", text=True) for i, path in enumerate(paths))
        query.repository("r0", repo.slug, " ".join(files))
        part = self._client.graphql(query.text, query.variables).data.get("r0") or {}
        found: dict[str, str] = {}
        for number, path in enumerate(paths):
            blob = graph.optional(part.get(f"t{number}"), graph.BlobNode, path)
            if blob is not None and blob.text is not None and not blob.is_truncated:
                found[path] = blob.text
        return found

    def details(self, login: str, homes: tuple[RepoSeen, ...], components: tuple[RepoSeen, ...]) -> Details:
        """What is asked of few repositories only: environments, the newest candidates, and the organisation's teams."""
        self._say(f"reading environments, teams and the candidates of {len(components)} repositories")
        unread: list[str] = []

        built = self._client.gather([partial(self._candidate, repo) for repo in components])
        teams = self._allowed(
            lambda: tuple(t.slug for t in self._client.pages(f"/orgs/{segment(login)}/teams", decode=_Team)),
            f"the teams of {login}",
            unread,
        )
        by_slug = {
            repo.slug: self._allowed(partial(self._environments, repo), f"the environments of {repo.slug}", unread)
            for repo in homes
        }
        ready = {
            repo.slug: found.candidate
            for repo, found in zip(components, built, strict=True)
            if found is not None and found.candidate is not None
        }
        return Details(by_slug, ready, teams, tuple(unread))

    def add_rules(self, repo: RepoSeen) -> RepoSeen:
        """The checks that rulesets require, which every reader may see (github-facts G40), beside the classic ones."""
        if repo.branch is None:
            return repo
        classic = replace(classic_rules(None), checks=repo.required or ())
        try:
            rules = add_rulesets(self._client, repo.slug, repo.branch, classic)
        except (Refused, CredentialError):
            return repo
        return replace(repo, required=rules.checks or repo.required)

    # --- parts

    def _allowed(self, read: Callable[[], T], what: str, unread: list[str]) -> T | None:
        """What `read` gives, or None with a sentence about it where the token may not."""
        try:
            return read()
        except Denied as error:
            needs = f"; the forge asks for {printable(error.permissions)}" if error.permissions else ""
            unread.append(f"{what}: this token may not{needs}")
        except Refused as error:
            unread.append(f"{what}: the forge answered {error.status}, as it does where a permission is missing")
        return None

    def _environments(self, repo: RepoSeen) -> tuple[Environment, ...]:
        listed = self._client.pages(f"/repos/{repo.slug}/environments", key="environments", decode=_Named)
        found = [read_environment(self._client, repo.slug, one.name) for one in listed[:_ENVIRONMENTS]]
        return tuple(one for one in found if one is not None)

    def _candidate(self, repo: RepoSeen) -> Ready | None:
        """The newest candidate release that says what it holds. One that is damaged is as good as none here."""
        tags = [r.tag for r in repo.releases if r.tag.startswith("rc-")]
        if not tags:
            return None
        facts = RepoFacts(repo.slug, repo.slug, repo.branch or "", None, (), False, repo.releases)
        asked = CandidateQuestion(tags[0], tags[0].removeprefix("rc-"), "draft")
        try:
            return candidates.find(self._client, self._cache, facts, asked)
        except Interrupted:
            raise
        except MsError:
            return None

    def _batch(self, slugs: list[str]) -> OrganisationSeen:
        """One request; where it is too much for the forge, two for half of them each."""
        query = Query()
        for number, slug in enumerate(slugs):
            query.repository(f"r{number}", slug, _selection())
        try:
            answer = self._client.graphql(query.text, query.variables, attempts=2 if len(slugs) > 1 else 4)
        except Overloaded:
            if len(slugs) == 1:
                raise
            half = len(slugs) // 2
            one, two = self._batch(slugs[:half]), self._batch(slugs[half:])
            return OrganisationSeen(
                "", (*one.repos, *two.repos), (*one.left_out, *two.left_out), (*one.unread, *two.unread)
            )
        return _seen(answer, slugs)


def _why_not(listed: _Listed) -> str:
    """Why a listed repository is not looked at; "" when it is."""
    if not is_slug(listed.full_name):
        return "its name is none that the forge allows"
    states = {"archived": listed.archived, "disabled": listed.disabled, "a fork": listed.fork}
    return next((state for state, is_so in states.items() if is_so), "")


def _selection() -> str:
    """What is asked of one repository: history with checks, protection, workflow files, specs, newest releases."""
    return f"""
      ...Component isPrivate
      branch: defaultBranchRef {{
        name {CLASSIC}
        target {{ oid ... on Commit {{ checked: history(first: 20) {{ nodes {{ ...Checked }} }} }} }}
      }}
      root: object(expression: "HEAD:") {{ ... on Tree {{ entries {{ name }} }} }}
      workflows: object(expression: "HEAD:{_WORKFLOWS}") {{
        ... on Tree {{ entries {{ name object {{ ... on Blob {{ text isTruncated }} }} }} }}
      }}
      specs: object(expression: "HEAD:release-specs") {{ ... on Tree {{ entries {{ name }} }} }}"""


def _seen(answer: Graph, slugs: list[str]) -> OrganisationSeen:
    repos: list[RepoSeen] = []
    left: list[LeftOut] = []
    unread: list[str] = []
    failed: dict[str, list[GraphError]] = {}
    for error in answer.errors:
        if not error.path:
            raise ForgeError(f"the forge could not answer: {about(error)}", remedy="Try again.")
        failed.setdefault(str(error.path[0]), []).append(error)
    for number, slug in enumerate(slugs):
        part = answer.data.get(f"r{number}")
        errors = failed.get(f"r{number}", [])
        if not isinstance(part, dict):
            left.append(LeftOut(slug, f"it cannot be read: {about(errors[0])}" if errors else "it cannot be read"))
            continue
        missing = {_part(error) for error in errors}
        unread += [f"{what} of {slug}: {about(errors[0])}" for what in sorted(missing)]
        seen = _repo(part, slug, missing)
        if seen.branch is None and "commits" not in missing:
            left.append(LeftOut(slug, "it is empty"))
        else:
            repos.append(seen)
    return OrganisationSeen("", tuple(repos), tuple(left), tuple(unread))


def _part(error: GraphError) -> str:
    """Which part of a repository an error is about, in our words."""
    if "checkSuites" in error.path:
        return "checks"
    parts = {"branch": "commits", "root": "files", "workflows": "workflows", "specs": "specs", "releases": "releases"}
    return parts.get(str(error.path[1]) if len(error.path) > 1 else "", "a part")


def _repo(part: dict[str, Any], slug: str, missing: set[str]) -> RepoSeen:
    ref = graph.optional(part.get("branch"), graph.RefNode, f"the default branch of {slug}")
    rule = graph.optional((part.get("branch") or {}).get("refUpdateRule"), ClassicRule, "branch protection")
    target = ref.target if ref else None
    history = target.checked.nodes if target and target.checked else []
    releases = graph.optional(part.get("releases"), graph.Releases, f"the releases of {slug}")
    root = graph.optional(part.get("root"), graph.TreeNode, f"the files of {slug}")
    folder = graph.optional(part.get("workflows"), _Folder, f"the workflows of {slug}")
    files = {f.name: f.object for f in folder.entries if f.name.endswith((".yml", ".yaml"))} if folder else {}
    read = {
        name: read_workflow(name, blob.text) if blob and blob.text and not blob.is_truncated else None
        for name, blob in files.items()
    }
    return RepoSeen(
        slug=slug,
        private=part.get("isPrivate") is True,
        branch=ref.name if ref and target else None,
        head=target.oid if target else "",
        commits=None if missing & {"checks", "commits"} else tuple(map(graph.commit_of, history)),
        required=tuple(rule.required_status_check_contexts or ()) if rule else None,
        root=None if "files" in missing else tuple(e.name for e in root.entries) if root else (),
        workflows=None if "workflows" in missing else tuple(w for w in read.values() if w is not None),
        broken_workflows=tuple(name for name, workflow in read.items() if workflow is None),
        specs=names_of(part, "specs"),
        releases=tuple(map(graph.release_of, releases.nodes)) if releases else (),
    )
