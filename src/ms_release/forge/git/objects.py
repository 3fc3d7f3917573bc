"""Reads and writes single git objects of a bare repository without starting a process for each.

Reading goes through one kept `git cat-file --batch` per repository (a few dozen microseconds an object instead of a few
milliseconds); writing makes loose objects, which is all that blobs, trees, commits and tags of an API commit need.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
import zlib
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path
from typing import IO

Entry = tuple[str, str, str, str]
"""mode, type, sha, name"""

_KEPT_READERS = 16
_SMALL = 1 << 20

ENV = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.devnull,
    "LC_ALL": "C",
    "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
}
"""The whole environment of every git process: nothing of the person who runs the forge leaks in."""


class GitError(Exception):
    """A git command failed; the text is git's own."""


class _Reader:
    """One running `git cat-file --batch`."""

    def __init__(self, git_dir: Path) -> None:
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            ["git", f"--git-dir={git_dir}", "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENV,
        )

    def read(self, sha: str) -> tuple[str, bytes] | None:
        source, sink = self._pipes()
        with self.lock:
            sink.write(sha.encode() + b"\n")
            sink.flush()
            head = source.readline().split()
            if not head:
                raise GitError("git cat-file ended unexpectedly")
            if len(head) != 3:
                return None
            data = source.read(int(head[2]))
            source.read(1)
        return head[1].decode(), data

    def close(self) -> None:
        source, sink = self._pipes()
        with self.lock:
            sink.close()
            source.close()
            self.process.wait()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        return self.process.stdout, self.process.stdin


_readers: OrderedDict[Path, _Reader] = OrderedDict()
_readers_lock = threading.Lock()


def close_readers(under: Path) -> None:
    """End the kept git processes of all repositories below a directory (the forge is stopping, or it goes away)."""
    with _readers_lock:
        gone = [_readers.pop(path) for path in list(_readers) if path.is_relative_to(under)]
    for reader in gone:
        reader.close()


def _read(git_dir: Path, sha: str) -> tuple[str, bytes] | None:
    with _readers_lock:
        reader = _readers.pop(git_dir, None)
        if reader is None or reader.process.poll() is not None:
            reader = _Reader(git_dir)
        _readers[git_dir] = reader
        old = _readers.popitem(last=False)[1] if len(_readers) > _KEPT_READERS else None
        if old is not None:
            old.close()
        # The reader's own lock is taken before the pool's is given back: nobody can evict it in between.
        return reader.read(sha)


@lru_cache(maxsize=4096)
def _read_small(git_dir: Path, sha: str) -> tuple[str, bytes]:
    found = _read(git_dir, sha)
    if found is None:
        raise KeyError(sha)
    if len(found[1]) > _SMALL:
        raise _LargeObjectError(found)
    return found


class _LargeObjectError(Exception):
    """Carries an object too big to be kept in memory past the cache."""

    def __init__(self, found: tuple[str, bytes]) -> None:
        self.found = found


def read_object(git_dir: Path, sha: str) -> tuple[str, bytes] | None:
    """(type, content) of the object with this full name, or None when there is none.

    An object never changes, so what was read once is remembered; absence is not.
    """
    if not is_sha(sha):
        return None
    try:
        return _read_small(git_dir, sha)
    except KeyError:
        return None
    except _LargeObjectError as large:
        return large.found


def is_sha(text: str) -> bool:
    """Whether this is a full object name, 40 lower-case hex digits."""
    return len(text) == 40 and not text.strip("0123456789abcdef")


def write_object(git_dir: Path, kind: str, content: bytes) -> str:
    """Store a loose object (`blob`, `tree`, `commit`, `tag`) and return its name; writing it again is harmless."""
    data = f"{kind} {len(content)}\0".encode() + content
    sha = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    file = git_dir / "objects" / sha[:2] / sha[2:]
    if file.exists():
        return sha
    file.parent.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="tmp_obj_", dir=file.parent)
    with os.fdopen(handle, "wb") as sink:
        sink.write(zlib.compress(data, 1))
    os.chmod(name, 0o444)
    os.replace(name, file)
    return sha


def parse_tree(content: bytes) -> list[Entry]:
    """The entries of a tree object, in git's order."""
    entries: list[Entry] = []
    at = 0
    while at < len(content):
        space, zero = content.index(b" ", at), content.index(b"\0", at)
        mode = content[at:space].decode().zfill(6)
        kind = {"040000": "tree", "160000": "commit"}.get(mode, "blob")
        name = content[space + 1 : zero].decode("utf-8", "surrogateescape")
        entries.append((mode, kind, content[zero + 1 : zero + 21].hex(), name))
        at = zero + 21
    return entries


def write_tree(git_dir: Path, entries: list[Entry]) -> str:
    """Store a tree object made of these entries."""
    # git sorts directories as if their names ended in a slash
    ordered = sorted(entries, key=lambda e: (e[3] + ("/" if e[1] == "tree" else "")).encode("utf-8", "surrogateescape"))
    content = b"".join(
        mode.lstrip("0").encode() + b" " + name.encode("utf-8", "surrogateescape") + b"\0" + bytes.fromhex(sha)
        for mode, _, sha, name in ordered
    )
    return write_object(git_dir, "tree", content)


def edit_tree(git_dir: Path, tree: str | None, changes: dict[str, tuple[str, str] | None]) -> str | None:
    """Store a copy of a tree with some paths set to (mode, sha), mode "" = as it was, or removed (None).

    Returns the new tree's name, None when nothing is left in it. Raises KeyError(path) when a removed path is absent.
    """
    found = read_object(git_dir, tree) if tree else None
    entries = {entry[3]: entry for entry in parse_tree(found[1])} if found else {}
    deeper: dict[str, dict[str, tuple[str, str] | None]] = {}
    for path, change in changes.items():
        name, slash, rest = path.partition("/")
        if slash:
            deeper.setdefault(name, {})[rest] = change
        elif change is None:
            if name not in entries:
                raise KeyError(path)
            del entries[name]
        else:
            mode = change[0] or (entries[name][0] if name in entries and entries[name][1] == "blob" else "100644")
            kind = {"040000": "tree", "160000": "commit"}.get(mode, "blob")
            entries[name] = (mode, kind, change[1], name)
    for name, below in deeper.items():
        old = entries.get(name)
        new = edit_tree(git_dir, old[2] if old and old[1] == "tree" else None, below)
        entries.pop(name, None)
        if new is not None:
            entries[name] = ("040000", "tree", new, name)
    return write_tree(git_dir, list(entries.values())) if entries else None
