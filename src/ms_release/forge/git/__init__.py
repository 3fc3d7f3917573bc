"""The git plumbing of the forge: bare repositories read, compared, merged and written without a work tree."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ms_release.forge.git.objects import (
    ENV,
    Entry,
    GitError,
    edit_tree,
    is_sha,
    parse_tree,
    read_object,
    write_object,
    write_tree,
)
from ms_release.forge.git.values import Commit, Person, Tag, parse_commit, parse_tag, plain

__all__ = [
    "Commit",
    "Entry",
    "GitError",
    "Person",
    "Tag",
    "is_sha",
    "parse_tree",
    "read_object",
    "write_object",
    "write_tree",
]

ZERO = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class RefMovedError(GitError):
    """A reference is not where the caller thought it was (or exists already, or is gone)."""


@dataclass(frozen=True)
class FileChange:
    """One changed file between two trees; status added, removed, modified or renamed; counts are lines."""

    path: str
    status: str
    sha: str
    additions: int
    deletions: int
    previous: str | None = None


def run(git_dir: Path, *args: str, input: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
    """Run one git command on a repository and return its output. Raises GitError with git's own words."""
    argv = ["git", f"--git-dir={git_dir}", *args]
    done = subprocess.run(argv, input=input, capture_output=True, env={**ENV, **(env or {})}, check=False)
    if done.returncode != 0:
        raise GitError(done.stderr.decode(errors="replace").strip() or f"git {args[0]} ended with {done.returncode}")
    return done.stdout


def init_bare(git_dir: Path, default_branch: str = "main") -> None:
    """Make an empty bare repository; doing it again is harmless."""
    git_dir.parent.mkdir(parents=True, exist_ok=True)
    run(git_dir, "init", "-q", "--bare", "--template=", f"--initial-branch={default_branch}", str(git_dir))


# ---- references


def valid_ref(ref: str) -> bool:
    """Whether git accepts this full reference name (the rules of git-check-ref-format)."""
    parts = ref.split("/")
    bad = set(' ~^:?*[\\\x7f"') - {'"'}
    return (
        ref.startswith("refs/")
        and len(parts) >= 3
        and not any(not p or p.startswith((".", "-")) or p.endswith((".lock", ".")) for p in parts)
        and ".." not in ref
        and "@{" not in ref
        and not any(c in bad or ord(c) < 32 for c in ref)
    )


def read_ref(git_dir: Path, ref: str) -> str | None:
    """The object that a full reference name points at (a tag object for annotated tags), or None."""
    if not valid_ref(ref):
        return None
    try:
        text = (git_dir / ref).read_text().strip()
        if is_sha(text):
            return text
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        pass
    return _packed(git_dir).get(ref)


def list_refs(git_dir: Path, prefix: str) -> list[tuple[str, str]]:
    """(full name, object) of every reference whose name starts with these characters (G48), sorted by name."""
    found = {ref: sha for ref, sha in _packed(git_dir).items() if ref.startswith(prefix)}
    for file in (git_dir / "refs").rglob("*"):
        ref = file.relative_to(git_dir).as_posix()
        if ref.startswith(prefix) and (sha := read_ref(git_dir, ref)):
            found[ref] = sha
    return sorted(found.items())


def _packed(git_dir: Path) -> dict[str, str]:
    try:
        lines = (git_dir / "packed-refs").read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split(" ", 1) for line in lines if line and line[0] not in "#^")
    return {ref: sha for sha, ref in pairs}


def update_ref(git_dir: Path, ref: str, new: str | None, old: str | None) -> None:
    """Move a reference from `old` (None: it must not exist) to `new` (None: delete it), atomically.

    Raises RefMovedError when it is not at `old`.
    """
    try:
        if new is None:
            run(git_dir, "update-ref", "-d", "--end-of-options", ref, ZERO if old is None else old)
        else:
            _write_ref(git_dir, ref, new, old)
    except (GitError, OSError) as error:
        raise RefMovedError(str(error)) from error


def _write_ref(git_dir: Path, ref: str, new: str, old: str | None) -> None:
    """What git itself does, without starting it: hold `ref.lock`, compare, rename it into place."""
    if not valid_ref(ref) or read_object(git_dir, new) is None:
        raise GitError(f"{ref} cannot be {new}")
    file = git_dir / ref
    if old is None and (list_refs(git_dir, f"{ref}/") or _parent_ref(git_dir, ref)):
        raise GitError(f"{ref} is in the way of another reference")
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = file.with_name(f"{file.name}.lock")
    with lock.open("x") as sink:
        sink.write(f"{new}\n")
    try:
        if read_ref(git_dir, ref) != old:
            raise GitError(f"{ref} is not at {old}")
        if file.is_dir():  # emptied by a deletion
            file.rmdir()
        lock.replace(file)
    finally:
        lock.unlink(missing_ok=True)


def _parent_ref(git_dir: Path, ref: str) -> bool:
    parts = ref.split("/")
    return any(read_ref(git_dir, "/".join(parts[:end])) for end in range(3, len(parts)))


# ---- reading


def rev_parse(git_dir: Path, rev: str) -> str | None:
    """The object that a name means: full SHA, full reference, branch, tag, short SHA; not peeled. None when unknown."""
    if is_sha(rev):
        return rev if read_object(git_dir, rev) else None
    for ref in (rev, f"refs/{rev}", f"refs/heads/{rev}", f"refs/tags/{rev}"):
        if ref.startswith("refs/") and (sha := read_ref(git_dir, ref)):
            return sha
    if not rev or rev.startswith("-") or any(ord(c) < 32 for c in rev):
        return None
    try:
        return run(git_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", rev).decode().strip() or None
    except GitError:
        return None


def commit_of(git_dir: Path, rev: str) -> str | None:
    """The commit that a name means, annotated tags peeled; None when it means none."""
    sha = rev_parse(git_dir, rev)
    while sha is not None:
        found = read_object(git_dir, sha)
        if found is None or found[0] not in ("commit", "tag"):
            return None
        if found[0] == "commit":
            return sha
        sha = parse_tag(sha, found[1]).object
    return None


def read_commit(git_dir: Path, sha: str) -> Commit | None:
    """The commit object with this full name, or None."""
    found = read_object(git_dir, sha)
    return parse_commit(sha, found[1]) if found and found[0] == "commit" else None


def read_tag(git_dir: Path, sha: str) -> Tag | None:
    """The annotated tag object with this full name, or None."""
    found = read_object(git_dir, sha)
    return parse_tag(sha, found[1]) if found and found[0] == "tag" else None


def list_dir(git_dir: Path, rev: str, path: str = "") -> list[Entry]:
    """(mode, type, sha, name) of what lies in a directory at a revision; empty when there is no such directory."""
    found = _at(git_dir, rev, path)
    content = read_object(git_dir, found[2]) if found and found[1] == "tree" else None
    return parse_tree(content[1]) if content else []


def read_file(git_dir: Path, rev: str, path: str) -> bytes | None:
    """The bytes of a file at a revision, or None when there is no such file."""
    found = _at(git_dir, rev, path)
    content = read_object(git_dir, found[2]) if found and found[1] == "blob" else None
    return content[1] if content else None


def entry_at(git_dir: Path, rev: str, path: str) -> Entry | None:
    """What lies at a path at a revision (the root tree has the name ""), or None."""
    return _at(git_dir, rev, path)


def _at(git_dir: Path, rev: str, path: str) -> Entry | None:
    sha = commit_of(git_dir, rev)
    commit = read_commit(git_dir, sha) if sha else None
    if commit is None:
        return None
    entry: Entry = ("040000", "tree", commit.tree, "")
    for name in path.strip("/").split("/") if path.strip("/") else []:
        content = read_object(git_dir, entry[2]) if entry[1] == "tree" else None
        below = next((e for e in parse_tree(content[1]) if e[3] == name), None) if content else None
        if below is None:
            return None
        entry = below
    return entry


def log(git_dir: Path, rev: str, n: int, skip: int = 0, path: str = "") -> list[Commit]:
    """The newest `n` commits reachable from a revision (after `skip`), newest first; only those touching `path`."""
    start = commit_of(git_dir, rev)
    if start is None:
        return []
    args = ["rev-list", f"--max-count={n}", f"--skip={skip}", start, *(["--", path] if path else [])]
    return _commits(git_dir, run(git_dir, *args))


@lru_cache(maxsize=4096)
def commits_between(git_dir: Path, base: str, head: str) -> tuple[Commit, ...]:
    """Commits reachable from `head` (full SHA) and not from `base` (full SHA), oldest first."""
    return tuple(_commits(git_dir, run(git_dir, "rev-list", "--topo-order", "--reverse", head, f"^{base}")))


def _commits(git_dir: Path, listing: bytes) -> list[Commit]:
    return [commit for sha in listing.decode().split() if (commit := read_commit(git_dir, sha))]


@lru_cache(maxsize=8192)
def is_ancestor(git_dir: Path, old: str, new: str) -> bool:
    """Whether commit `new` contains commit `old` (both full SHAs of this repository)."""
    if old == new:
        return True
    return not run(git_dir, "rev-list", "--max-count=1", old, f"^{new}")


@lru_cache(maxsize=4096)
def merge_base(git_dir: Path, a: str, b: str) -> str | None:
    """The best common ancestor of two commits, or None for unrelated histories."""
    try:
        return run(git_dir, "merge-base", a, b).decode().split()[0]
    except GitError:
        return None


@lru_cache(maxsize=1024)
def diff(git_dir: Path, old: str, new: str) -> tuple[FileChange, ...]:
    """Changed files between two tree-ish objects (full SHAs), renames detected, in path order."""
    raw = run(git_dir, "diff-tree", "-r", "-z", "-M", "--raw", "--numstat", "--no-abbrev", old, new).decode(
        "utf-8", "surrogateescape"
    )
    fields = iter(raw.split("\0")[:-1])
    changes: dict[str, FileChange] = {}
    for field in fields:
        if field.startswith(":"):
            _, _, _, sha, letter = field.split(" ")
            renamed = letter[0] in "RC"
            previous = next(fields) if renamed else None
            path = next(fields)
            status = {"A": "added", "D": "removed", "R": "renamed", "C": "copied"}.get(letter[0], "modified")
            changes[path] = FileChange(path, status, sha, 0, 0, previous)
        else:
            added, deleted, path = field.split("\t")
            if not path:  # numstat writes a rename as an empty field, the old and the new name
                next(fields)
                path = next(fields)
            was = changes[path]
            counts = (0, 0) if added == "-" else (int(added), int(deleted))
            changes[path] = FileChange(path, was.status, was.sha, *counts, was.previous)
    return tuple(changes.values())


# ---- writing


def commit_files(
    git_dir: Path,
    parent: str | None,
    additions: Mapping[str, bytes],
    deletions: Sequence[str],
    message: str,
    author: Person,
) -> str:
    """Store a commit that changes some files of its parent (None: the first commit) and return its SHA.

    Executable files stay executable. Raises KeyError(path) when a path to delete is not there, ValueError for a path
    that git cannot hold.
    """
    for path in (*additions, *deletions):
        if any(part in ("", ".", "..", ".git") for part in path.split("/")) or "\0" in path:
            raise ValueError(f"path contains a malformed path component: {path!r}")
    changes: dict[str, tuple[str, str] | None] = dict.fromkeys(deletions, None)
    for path, content in additions.items():
        changes[path] = ("", write_object(git_dir, "blob", content))
    base = read_commit(git_dir, parent) if parent else None
    tree = edit_tree(git_dir, base.tree if base else None, changes) or write_tree(git_dir, [])
    return commit_tree(git_dir, tree, [parent] if parent else [], message, author=author)


def commit_tree(
    git_dir: Path, tree: str, parents: Sequence[str], message: str, *, author: Person, committer: Person | None = None
) -> str:
    """Store a commit of an existing tree and return its SHA."""
    lines = [f"tree {tree}", *(f"parent {sha}" for sha in parents)]
    lines += [f"author {author.line()}", f"committer {(committer or author).line()}", "", message.rstrip("\n") + "\n"]
    return write_object(git_dir, "commit", "\n".join(lines).encode("utf-8", "surrogateescape"))


def tag_object(git_dir: Path, name: str, target: tuple[str, str], message: str, tagger: Person) -> str:
    """Store an annotated tag of `target` = (sha, type) and return its SHA; the reference is another step."""
    head = f"object {target[0]}\ntype {target[1]}\ntag {plain(name)}\ntagger {tagger.line()}\n\n"
    return write_object(git_dir, "tag", (head + message.rstrip("\n") + "\n").encode("utf-8", "surrogateescape"))


@lru_cache(maxsize=4096)
def merge_trees(git_dir: Path, ours: str, theirs: str) -> str | None:
    """The tree of a three-way merge of two commits (full SHAs), or None when they conflict or are unrelated."""
    try:
        return run(git_dir, "merge-tree", "--write-tree", "--no-messages", ours, theirs).decode().split()[0]
    except GitError:
        return None


def pick(git_dir: Path, commit: Commit, onto: str, committer: Person) -> str | None:
    """Store a copy of a commit on top of another one, as a rebase does; None when that conflicts."""
    target = read_commit(git_dir, onto)
    origin = read_commit(git_dir, commit.parents[0]) if commit.parents else None
    if target is None:
        raise GitError(f"no commit {onto}")
    # merge-tree finds the base itself, so hand it three commits whose only common ancestor is the picked one's parent
    base = commit_tree(git_dir, origin.tree if origin else EMPTY_TREE, [], "base", author=committer)
    ours, theirs = (commit_tree(git_dir, tree, [base], "side", author=committer) for tree in (target.tree, commit.tree))
    tree = merge_trees(git_dir, ours, theirs)
    if tree is None:
        return None
    return commit_tree(git_dir, tree, [onto], commit.message, author=commit.author, committer=committer)


@lru_cache(maxsize=256)
def history(git_dir: Path, start: str, limits: tuple[str, ...] = (), path: str = "") -> tuple[str, ...]:
    """SHAs of all commits reachable from a commit (full SHA), newest first; `limits` are options of git rev-list."""
    path = path.strip("/")
    if ".." in path.split("/"):
        return ()
    return tuple(run(git_dir, "rev-list", *limits, start, *(["--", path] if path else [])).decode().split())
