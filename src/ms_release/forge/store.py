"""Where the embedded forge keeps everything that is not git: JSON documents in one SQLite file.

A document has a kind (`pull`, `release`, `run` …), an id, the repository it belongs to ("" where there is none) and a
body. Callers change bodies only inside `with store.writing():`, so that one request is one transaction. Two logs sit
beside the documents: `effects` (what changed, by whom, never rewritten) and `requests` (what was asked, by kind).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Body = dict[str, Any]

_SCHEMA = """
create table if not exists document (kind text, id text, repo text, body text, primary key (kind, id));
create index if not exists document_repo on document (kind, repo);
create table if not exists counter (kind text primary key, value integer);
create table if not exists effect (
  seq integer primary key autoincrement, at text, actor text, verb text, subject text, detail text);
create table if not exists request (kind text, method text, path text, status integer, actor text);
"""


class Store:
    """Documents of one world. Safe to share between threads: every use holds one lock."""

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.executescript("pragma journal_mode=wal; pragma synchronous=off;" + _SCHEMA)
        self._depth = 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """One transaction; nested uses join the outer one, and an exception undoes all of it."""
        with self._lock:
            if self._depth == 0:
                self._db.execute("begin immediate")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._db.execute("rollback")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("commit")

    def next_id(self, kind: str) -> int:
        """A number never given before for this kind (`"pull:octo/repo"` counts within one repository)."""
        with self.writing():
            self._db.execute(
                "insert into counter values (?, 1) on conflict(kind) do update set value = value + 1", (kind,)
            )
            value: int = self._db.execute("select value from counter where kind = ?", (kind,)).fetchone()[0]
            return value

    def put(self, kind: str, id: int | str, body: Body, repo: str = "") -> Body:
        """Create or replace a document; returns the body."""
        with self.writing():
            self._db.execute(
                "insert into document values (?, ?, ?, ?)"
                " on conflict(kind, id) do update set repo = excluded.repo, body = excluded.body",
                (kind, str(id), repo, json.dumps(body)),
            )
        return body

    def get(self, kind: str, id: int | str) -> Body | None:
        """A copy of the document's body, or None."""
        with self._lock:
            row = self._db.execute("select body from document where kind = ? and id = ?", (kind, str(id))).fetchone()
        return json.loads(row[0]) if row else None

    def find(self, kind: str, repo: str | None = None, **equal: Any) -> list[Body]:
        """Copies of all bodies of a kind, oldest first, whose top-level fields equal those given."""
        query = "select body from document where kind = ?"
        values: list[Any] = [kind]
        if repo is not None:
            query, values = query + " and repo = ?", [*values, repo]
        for field, value in equal.items():
            query += f" and json_extract(body, '$.{field}') is ?"
            values.append(int(value) if isinstance(value, bool) else value)
        with self._lock:
            rows = self._db.execute(query + " order by rowid", values).fetchall()
        return [json.loads(row[0]) for row in rows]

    def delete(self, kind: str, id: int | str) -> None:
        """Remove a document; removing what is not there is no error."""
        with self.writing():
            self._db.execute("delete from document where kind = ? and id = ?", (kind, str(id)))

    def log_effect(self, at: str, actor: str, verb: str, subject: str, detail: Body | None = None) -> None:
        """Append to the effect log: `verb` like `create_ref`, `subject` like `midi-studio/core refs/tags/v1`."""
        with self.writing():
            self._db.execute(
                "insert into effect (at, actor, verb, subject, detail) values (?, ?, ?, ?, ?)",
                (at, actor, verb, subject, json.dumps(detail or {}, sort_keys=True)),
            )

    def effects(self) -> list[Body]:
        """The effect log, oldest first."""
        with self._lock:
            rows = self._db.execute("select seq, at, actor, verb, subject, detail from effect order by seq").fetchall()
        return [
            dict(zip(("seq", "at", "actor", "verb", "subject", "detail"), (*row[:5], json.loads(row[5])), strict=True))
            for row in rows
        ]

    def log_request(self, kind: str, method: str, path: str, status: int, actor: str) -> None:
        """Count one answered request; kinds: rest, graphql, git, asset, poll."""
        with self.writing():
            self._db.execute("insert into request values (?, ?, ?, ?, ?)", (kind, method, path, status, actor))

    def requests(self) -> list[Body]:
        """Every request answered so far, oldest first."""
        with self._lock:
            rows = self._db.execute("select kind, method, path, status, actor from request order by rowid").fetchall()
        return [dict(zip(("kind", "method", "path", "status", "actor"), row, strict=True)) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
