"""Answers kept with their ETag, so that an unchanged one costs no quota; the forge confirms each use (G45)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ms_release.adapters import files
from ms_release.errors import Interrupted, MsError

_LARGEST = 4 * 1024 * 1024
_MOST = 2000


@dataclass(frozen=True, slots=True)
class Kept:
    """One stored answer: its ETag, its Link header (a 304 need not repeat it), its body."""

    etag: str
    link: str
    body: bytes


class EtagStore:
    """Keeps answers in a private directory, or in memory when there is none.

    A cache only: damage and a full disk are as if nothing was stored. The token is part of the key (an ETag belongs to
    one, github-facts performance notes) through SHA-256 and is found nowhere in the files.
    """

    def __init__(self, directory: Path | None, token: str) -> None:
        self._directory = directory
        self._token = token
        self._memory: dict[str, Kept] = {}
        self._pruned = False

    def get(self, url: str) -> Kept | None:
        """What was stored for this address and token."""
        key = self._key(url)
        if key in self._memory or self._directory is None:
            return self._memory.get(key)
        try:
            head, _, body = files.read_limited(self._directory / key, _LARGEST + 4096).partition(b"\n")
            kept = msgspec.json.decode(head, type=_Head)
        except Interrupted:
            raise
        except (MsError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        if hashlib.sha256(body).hexdigest() != kept.sha256:
            return None
        return Kept(kept.etag, kept.link, body)

    def put(self, url: str, kept: Kept) -> None:
        """Store an answer; too large ones are not worth it."""
        if len(kept.body) > _LARGEST or len(kept.etag) + len(kept.link) > 3000:
            return
        if self._directory is None:
            self._memory[self._key(url)] = kept
            return
        head = msgspec.json.encode(_Head(kept.etag, kept.link, hashlib.sha256(kept.body).hexdigest()))
        try:
            self._prune(self._directory)
            files.write_private(self._directory / self._key(url), head + b"\n" + kept.body)
        except Interrupted:
            raise
        except MsError:
            return  # a cache that cannot be written is no reason to stop a release

    def _key(self, url: str) -> str:
        return hashlib.sha256(f"ms-etag/1\0{self._token}\0{url}".encode()).hexdigest()

    def _prune(self, directory: Path) -> None:
        """Once a run: beyond 2,000 files the older half goes."""
        if self._pruned:
            return
        self._pruned = True
        try:
            entries = sorted(os.scandir(directory), key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)
            for entry in entries[: -_MOST // 2] if len(entries) > _MOST else []:
                os.unlink(entry.path)
        except OSError:
            return


class _Head(msgspec.Struct):
    etag: str
    link: str
    sha256: str
