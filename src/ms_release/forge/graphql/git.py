"""References, commits, trees, blobs and tags of the forge's repositories as GraphQL nodes."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import Any

from ms_release.forge import git
from ms_release.forge.git.objects import parse_tree
from ms_release.forge.git.values import parse_commit, parse_tag
from ms_release.forge.graphql.page import Node, connection, index_of, page_info, window
from ms_release.forge.graphql.world import Resolvers, World

_TEXT_LIMIT = 512_000
_ZONE = "+00:00"


# ---- objects


def make_object(world: World, repo: str, oid: str) -> Node | None:
    """The git object with this full name as a node, or None when the repository has none."""
    known = world.objects.get((repo, oid))
    if known is None:
        found = git.read_object(world.forge.git_dir(repo), oid)
        if found is None:
            return None
        make = {"commit": _commit, "tag": _tag, "tree": _tree, "blob": _blob}[found[0]]
        known = world.objects[repo, oid] = make(repo, oid, found[1])
    return known


def make_commit(world: World, repo: str, oid: str | None) -> Node | None:
    """The commit with this full name as a node, or None for anything else."""
    node = make_object(world, repo, oid) if oid else None
    return node if node is not None and node["__typename"] == "Commit" else None


def peel(world: World, repo: str, rev: str) -> Node | None:
    """The commit that a branch, tag or SHA means, annotated tags followed."""
    return make_commit(world, repo, git.commit_of(world.forge.git_dir(repo), rev))


def _base(repo: str, kind: str, oid: str) -> Node:
    prefix = {"Commit": "C", "Tag": "TA", "Tree": "T", "Blob": "B"}[kind]
    return {"__typename": kind, "_id": (prefix, oid), "_repo": repo, "oid": oid}


def _commit(repo: str, oid: str, content: bytes) -> Node:
    commit = parse_commit(oid, content)
    headline, _, rest = commit.message.partition("\n")
    return {
        **_base(repo, "Commit", oid),
        "_commit": commit,
        "message": commit.message.rstrip("\n"),
        "messageHeadline": headline,
        "messageBody": rest.strip("\n"),
        "committedDate": commit.committer.date,
        "authoredDate": commit.author.date,
    }


def _tag(repo: str, oid: str, content: bytes) -> Node:
    tag = parse_tag(oid, content)
    return {**_base(repo, "Tag", oid), "_tag": tag, "name": tag.tag, "message": tag.message}


def _tree(repo: str, oid: str, content: bytes) -> Node:
    return {**_base(repo, "Tree", oid), "_content": content}


def _blob(repo: str, oid: str, content: bytes) -> Node:
    binary = b"\0" in content[:8000]
    return {
        **_base(repo, "Blob", oid),
        "byteSize": len(content),
        "isBinary": binary,
        "isTruncated": len(content) > _TEXT_LIMIT,
        "text": None if binary else content[:_TEXT_LIMIT].decode("utf-8", "replace"),
    }


def _actor(world: World, person: git.Person) -> Node:
    date = person.date.replace("Z", _ZONE)
    return {"name": person.name, "email": person.email, "date": date, "_login": world.login_of(person.email)}


def _user_of_actor(actor: Node, world: World) -> Node | None:
    return world.user(actor["_login"]) if actor["_login"] else None


# ---- history


def _history(commit: Node, world: World, path: str | None = None, since: str | None = None, **page: Any) -> Node:
    query = (world.forge.git_dir(commit["_repo"]), commit["oid"], path or "", since or "")
    if page.get("last") is None and not page.get("before"):
        # the usual case needs no count: one commit more than asked for tells whether there are more
        start = index_of(page["after"]) + 1 if page.get("after") else 0
        oids = _ancestors(*query, start, page["first"] + 1)
        shown = oids[: page["first"]]
        more = len(oids) > len(shown)
    else:
        start, stop = window(_count(*query), page)
        shown = _ancestors(*query, start, stop - start)
        more = stop < _count(*query)
    return {
        "nodes": [make_commit(world, commit["_repo"], oid) for oid in shown],
        "pageInfo": page_info(start, start + len(shown), more),
        "_query": query,
    }


def _history_count(history: Node, _world: World) -> int:
    return _count(*history["_query"])


@lru_cache(maxsize=4096)
def _ancestors(git_dir: Path, oid: str, path: str, since: str, skip: int, size: int) -> tuple[str, ...]:
    limits = [f"--skip={skip}", f"--max-count={size}", *_since(since)]
    return tuple(git.run(git_dir, "rev-list", *limits, oid, *_only(path)).decode().split())


@lru_cache(maxsize=4096)
def _count(git_dir: Path, oid: str, path: str, since: str) -> int:
    return int(git.run(git_dir, "rev-list", "--count", *_since(since), oid, *_only(path)))


def _since(since: str) -> list[str]:
    return [f"--since={since}"] if since else []


def _only(path: str) -> list[str]:
    return ["--", path] if path else ["--"]


def _parents(commit: Node, world: World, **page: Any) -> Node:
    return connection(commit["_commit"].parents, lambda oid: make_commit(world, commit["_repo"], oid), page)


# ---- trees


def _entries(tree: Node, _world: World) -> list[Node]:
    return [
        {"_repo": tree["_repo"], "name": name, "oid": oid, "type": kind, "mode": int(mode, 8)}
        for mode, kind, oid, name in parse_tree(tree["_content"])
    ]


def find_object(world: World, repo: str, oid: str | None, expression: str | None) -> Node | None:
    """`Repository.object`: by full name, or by an expression like `main`, `HEAD:path` or `v1^{commit}`."""
    git_dir = world.forge.git_dir(repo)
    if oid is not None:
        return make_object(world, repo, oid)
    if expression is None:
        return None
    rev, colon, path = expression.partition(":")
    rev = world.repo_body(repo)["default_branch"] if rev == "HEAD" else rev
    if colon:
        entry = git.entry_at(git_dir, rev, path)
        return make_object(world, repo, entry[2]) if entry else None
    sha = git.rev_parse(git_dir, rev)
    return make_object(world, repo, sha) if sha else None


# ---- references


def make_ref(world: World, repo: str, full: str, oid: str, prefix: str | None = None) -> Node:
    """A reference as a node; `prefix` as asked for, else refs/heads/ or refs/tags/."""
    if prefix is None:
        prefix = "/".join(full.split("/")[:2]) + "/"
    name = full.removeprefix(prefix)
    key = ref_key(world.repo_body(repo)["id"], full)
    return {"_id": ("REF", key), "_repo": repo, "_ref": full, "_oid": oid, "name": name, "prefix": prefix}


def ref_key(repo_id: int, full: str) -> str:
    """What follows `REF_` in a reference's node id."""
    return base64.urlsafe_b64encode(f"{repo_id}:{full}".encode()).decode().rstrip("=")


def find_ref(world: World, repo: str, name: str) -> Node | None:
    """The reference with this full name, or the branch or tag with this short one."""
    git_dir = world.forge.git_dir(repo)
    for full in (name, f"refs/{name}", f"refs/heads/{name}", f"refs/tags/{name}"):
        if full.startswith("refs/") and (oid := git.read_ref(git_dir, full)):
            return make_ref(world, repo, full, oid)
    return None


def list_refs(world: World, repo: str, args: dict[str, Any]) -> Node:
    """`Repository.refs`: everything under a prefix, in name order or by the date of the commit (newest first: DESC)."""
    prefix, query, order = args["ref_prefix"], args.get("query"), args.get("order_by")
    git_dir = world.forge.git_dir(repo)
    found = git.list_refs(git_dir, prefix if prefix.endswith("/") else prefix + "/")
    if query:
        found = [pair for pair in found if query in pair[0].removeprefix(prefix)]
    if order and order["field"] == "TAG_COMMIT_DATE":
        found.sort(key=lambda pair: (_date(world, repo, pair[1]), pair[0]))
    if order and order["direction"] == "DESC":
        found.reverse()
    return connection(found, lambda pair: make_ref(world, repo, pair[0], pair[1], prefix), args)


def _date(world: World, repo: str, oid: str) -> str:
    commit = peel(world, repo, oid)
    return str(commit["committedDate"]) if commit else ""


def _compare(ref: Node, world: World, head_ref: str) -> Node | None:
    repo = ref["_repo"]
    base, head = peel(world, repo, ref["_oid"]), peel(world, repo, head_ref)
    if base is None or head is None:
        return None
    git_dir = world.forge.git_dir(repo)
    ahead = len(git.commits_between(git_dir, base["oid"], head["oid"]))
    behind = len(git.commits_between(git_dir, head["oid"], base["oid"]))
    status = {(False, False): "IDENTICAL", (True, False): "AHEAD", (False, True): "BEHIND"}.get(
        (ahead > 0, behind > 0), "DIVERGED"
    )
    return {
        "_id": ("CMP", f"{base['oid']}...{head['oid']}"),
        "status": status,
        "aheadBy": ahead,
        "behindBy": behind,
        "baseTarget": base,
        "headTarget": head,
    }


RESOLVERS: Resolvers = {
    "Commit": {
        "author": lambda c, w: _actor(w, c["_commit"].author),
        "committer": lambda c, w: _actor(w, c["_commit"].committer),
        "tree": lambda c, w: make_object(w, c["_repo"], c["_commit"].tree),
        "parents": _parents,
        "history": _history,
        "url": lambda c, w: f"{w.base}/{c['_repo']}/commit/{c['oid']}",
    },
    "CommitHistoryConnection": {"totalCount": _history_count},
    "GitActor": {"user": _user_of_actor},
    "Tree": {"entries": _entries},
    "TreeEntry": {"object": lambda e, w: make_object(w, e["_repo"], e["oid"])},
    "Tag": {
        "target": lambda t, w: make_object(w, t["_repo"], t["_tag"].object),
        "tagger": lambda t, w: _actor(w, t["_tag"].tagger),
    },
    "Ref": {
        "target": lambda r, w: make_object(w, r["_repo"], r["_oid"]),
        "repository": lambda r, w: w.repository(r["_repo"]),
        "compare": _compare,
    },
}
