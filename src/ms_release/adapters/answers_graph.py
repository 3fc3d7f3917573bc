"""GraphQL answers, typed: what the forge may say, and what becomes of it. All else is a ForgeError, never a guess."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Struct

from ms_release.core import observation as seen
from ms_release.errors import ForgeError

T = TypeVar("T")
# What no JSON reader can confuse (RFC 7493), and what git makes; "" where an alternative of the union has none.
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Sha = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}\Z")]


class Camel(Struct, rename="camel"):
    """GraphQL spells its fields in camel case."""


class PageInfo(Camel):
    has_next_page: bool = False
    end_cursor: str | None = None


class App(Camel):
    slug: str


class Named(Camel):
    name: str


class Login(Camel):
    login: str


class Oid(Camel):
    oid: Sha


class RunNode(Camel):
    database_id: Number | None
    event: str


class CheckRunNode(Camel):
    database_id: Number | None
    name: str
    status: str
    conclusion: str | None


class CheckRuns(Camel):
    nodes: list[CheckRunNode]
    page_info: PageInfo


class SuiteNode(Camel):
    app: App | None
    branch: Named | None
    workflow_run: RunNode | None
    check_runs: CheckRuns


class Suites(Camel):
    nodes: list[SuiteNode]
    page_info: PageInfo


class CommitNode(Camel):
    oid: Sha
    message_headline: str = ""
    message_body: str = ""
    author: Named | None = None
    check_suites: Suites | None = None


class History(Camel):
    nodes: list[CommitNode]
    page_info: PageInfo = msgspec.field(default_factory=PageInfo)


class Target(Camel):
    """What a ref points to: a commit, or a tag object that points further."""

    oid: Sha
    checked: History | None = None
    tip: History | None = None
    history: History | None = None
    check_suites: Suites | None = None
    target: Oid | None = None


class Comparison(Camel):
    status: str = ""
    behind_by: Number = 0


class RefNode(Camel):
    name: str = ""
    target: Target | None = None
    compare: Comparison | None = None


class Refs(Camel):
    nodes: list[RefNode]
    page_info: PageInfo


class Branches(Camel):
    nodes: list[RefNode]


class AssetNode(Camel):
    id: str
    name: str
    size: Number


class Assets(Camel):
    nodes: list[AssetNode]
    page_info: PageInfo


class ReleaseNode(Camel):
    database_id: Number
    tag_name: str
    is_draft: bool
    is_prerelease: bool
    published_at: str | None
    description: str | None
    release_assets: Assets


class Releases(Camel):
    nodes: list[ReleaseNode]
    page_info: PageInfo


class BlobNode(Camel):
    oid: str = ""
    text: str | None = None
    is_truncated: bool = False


class Entry(Camel):
    name: str


class TreeNode(Camel):
    entries: list[Entry] = []


class PathNode(Camel):
    path: str


class Paths(Camel):
    nodes: list[PathNode] = []


class PullNode(Camel):
    number: Number
    url: str
    state: seen.PullState
    author: Login | None
    head_ref_oid: Sha
    merged_by: Login | None
    merge_commit: Oid | None
    files: Paths | None


class Pulls(Camel):
    nodes: list[PullNode]


def convert(value: Any, kind: type[T], what: str) -> T:
    """A part of an answer as its type. Raises ForgeError that names the part."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise ForgeError(
            f"the forge's answer about {what} is not what GitHub documents: {str(error)[:300]}",
            remedy="Try again; report it if it stays.",
        ) from None


def optional(value: Any, kind: type[T], what: str) -> T | None:
    """The same for a part that may be null."""
    return None if value is None else convert(value, kind, what)


def checks_of(suites: Suites | None) -> tuple[seen.Check, ...] | None:
    """The check runs of a commit; None when part of the list was cut off, because a part is no list."""
    if suites is None or suites.page_info.has_next_page:
        return None
    checks: list[seen.Check] = []
    for suite in suites.nodes:
        if suite.check_runs.page_info.has_next_page:
            return None
        checks += [_check_of(suite, run) for run in suite.check_runs.nodes]
    return tuple(checks)


def _check_of(suite: SuiteNode, run: CheckRunNode) -> seen.Check:
    return seen.Check(
        name=run.name,
        app=suite.app.slug if suite.app else "",
        status=run.status.lower(),
        conclusion=run.conclusion.lower() if run.conclusion else None,
        check_run_id=run.database_id or 0,
        run_id=suite.workflow_run.database_id if suite.workflow_run else None,
        event=suite.workflow_run.event if suite.workflow_run else None,
        branch=suite.branch.name if suite.branch else None,
    )


def commit_of(node: CommitNode) -> seen.Commit:
    """A commit with its checks, if they were asked for."""
    author = node.author.name if node.author else ""
    return seen.Commit(node.oid, node.message_headline, node.message_body, author, checks_of(node.check_suites))


def release_of(node: ReleaseNode) -> seen.Release:
    """A release or draft. Digests and asset numbers are not in GraphQL: the REST reader adds them where needed."""
    assets = tuple(seen.Asset(a.id, a.name, a.size) for a in node.release_assets.nodes)
    return seen.Release(
        node.database_id,
        node.tag_name,
        node.is_draft,
        node.is_prerelease,
        assets,
        node.description or "",
        node.published_at,
    )


def tag_target(node: RefNode) -> str:
    """The commit of a tag, peeled (github-facts G48)."""
    assert node.target is not None
    return node.target.target.oid if node.target.target else node.target.oid


def pull_of(node: PullNode, checks: tuple[seen.Check, ...] | None) -> seen.Pull:
    """A pull request with the checks of its head."""
    return seen.Pull(
        number=node.number,
        url=node.url,
        state=node.state,
        author=node.author.login if node.author else "",
        head_sha=node.head_ref_oid,
        paths=tuple(f.path for f in node.files.nodes) if node.files else (),
        merge_commit=node.merge_commit.oid if node.merge_commit and node.state == "MERGED" else None,
        merged_by=node.merged_by.login if node.merged_by else None,
        checks=checks,
    )
