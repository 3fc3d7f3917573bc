"""Parts of GraphQL answers → facts. Pure: what was not answered stays None, what is odd is a ForgeError."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ms_release.adapters import answers_graph as graph
from ms_release.adapters.answers import Graph
from ms_release.config import Config, Repo
from ms_release.core import observation as seen
from ms_release.core.model import Pin
from ms_release.errors import CredentialError, ForgeError


def part_of(answer: Graph, alias: str, slug: str) -> dict[str, Any]:
    """What was answered about one repository. Raises CredentialError when nothing was: absent, or not ours to see."""
    part = answer.data.get(alias)
    if not isinstance(part, dict):
        raise CredentialError(
            f"{slug} cannot be read", remedy="Check the name in the configuration, and that the token may read it."
        )
    return part


def names_of(part: dict[str, Any], alias: str) -> tuple[str, ...]:
    """The names of the JSON files in a directory, without their ending; empty when there is no directory."""
    tree = graph.optional(part.get(alias), graph.TreeNode, alias)
    return tuple(e.name.removesuffix(".json") for e in tree.entries if e.name.endswith(".json")) if tree else ()


def text_of(part: dict[str, Any], alias: str, what: str) -> str | None:
    """A text file, or None where there is none. Raises ForgeError for one that was cut off."""
    blob = graph.optional(part.get(alias), graph.BlobNode, what)
    if blob is not None and blob.is_truncated:
        raise ForgeError(f"{what} is too large to be read in one piece", remedy="Make it smaller.")
    return blob.text if blob else None


def component_of(answer: Graph, alias: str, repo: Repo) -> seen.RepoFacts:
    """A component as a new plan needs it: its history, the newest commits with their checks, its newest releases."""
    part = part_of(answer, alias, repo.slug)
    facts = releases_of(part, repo)
    ref = graph.optional(part.get("ref"), graph.RefNode, repo.slug)
    if ref is None or ref.target is None or ref.target.history is None or ref.target.checked is None:
        return facts
    checked = {c.oid: graph.commit_of(c) for c in ref.target.checked.nodes}
    for tip in ref.target.tip.nodes if ref.target.tip else ():
        if tip.oid in checked:
            checked[tip.oid] = replace(checked[tip.oid], attempts=graph.checks_of(tip.check_suites))
    commits = tuple(checked.get(c.oid) or graph.commit_of(c) for c in ref.target.history.nodes)
    return replace(facts, head=ref.target.oid, commits=commits, more_commits=ref.target.history.page_info.has_next_page)


def releases_of(part: dict[str, Any], repo: Repo) -> seen.RepoFacts:
    """A component of which only the newest releases were asked for."""
    releases = graph.convert(part.get("releases"), graph.Releases, f"the releases of {repo.slug}")
    found = tuple(map(graph.release_of, releases.nodes))
    return seen.RepoFacts(
        repo.id, repo.slug, repo.branch, None, (), False, found, more_releases=releases.page_info.has_next_page
    )


def pinned_of(answer: Graph, alias: str, pin: Pin, config: Config) -> seen.RepoFacts:
    """A component as far as one pinned commit needs it."""
    part = part_of(answer, alias, pin.slug)
    bare = releases_of(part, config.repo(pin.repo))
    return with_commit(bare, pin.sha, part.get("commit"), part.get("ref"))


def with_commit(repo: seen.RepoFacts, sha: str, commit: Any, ref: Any) -> seen.RepoFacts:
    """The same facts with one more commit, and whether the branch holds it (None = not answered)."""
    node = graph.optional(commit, graph.CommitNode, f"{repo.slug} {sha[:7]}") if commit else None
    on = graph.optional(ref, graph.RefNode, f"{repo.slug} {repo.branch}")
    others = {**repo.others, **({node.oid: graph.commit_of(node)} if node else {})}
    # compared from the branch's side, a commit that the branch holds is BEHIND it or IDENTICAL with it
    contained = on.compare.status in ("BEHIND", "IDENTICAL") if on and on.compare else None
    return replace(repo, others=others, reachable={**repo.reachable, sha: contained if node else False})


def change_of(part: dict[str, Any], alias: str, branch: str, paths: tuple[str, ...]) -> seen.ChangeFacts:
    """How far a set of files has come: the newest pull request of the branch counts, a merged one before all others."""
    ref = graph.optional(part.get(alias), graph.RefNode, branch)
    base = graph.optional(part.get(f"{alias}_base"), graph.RefNode, branch)
    pulls = graph.convert(part.get(f"{alias}_pulls"), graph.Pulls, "pull requests").nodes
    head = ref.target if ref else None
    merged = [p for p in pulls if p.state == "MERGED"]
    newest = next(iter(merged or pulls), None)
    checks = graph.checks_of(head.check_suites) if head and newest and newest.head_ref_oid == head.oid else None
    return seen.ChangeFacts(
        name=branch,
        branch=head.oid if head else None,
        on_branch={p: _blob(part, f"{alias}_head{i}") for i, p in enumerate(paths)},
        on_base={p: _blob(part, f"{alias}_base{i}") for i, p in enumerate(paths)},
        pull=graph.pull_of(newest, checks) if newest else None,
        behind=bool(base and base.compare and base.compare.behind_by),
    )


def _blob(part: dict[str, Any], alias: str) -> str | None:
    blob = graph.optional(part.get(alias), graph.BlobNode, alias)
    return blob.oid if blob else None
