"""The `git` program, by argument lists only, with an environment that nobody can steer it by (faults F44)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from ms_release.errors import DamagedError, MachineError

_KEPT = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_LARGEST = 32 * 1024 * 1024
_FIELDS = 6
_LAST_SECOND = 253402300799


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit as `log` tells it; `date` is the committer's, like 2026-01-02T03:04:05Z."""

    sha: str
    parents: tuple[str, ...]
    author: str
    email: str
    date: str
    message: str


def run(directory: Path, arguments: Sequence[str], protocols: Sequence[str] = ()) -> tuple[int, bytes]:
    """Exit code and output of one git command in `directory`.

    `protocols`: which of http, https and file it may use; none unless asked. Raises MachineError when git is missing or
    fails in a way (128 and above) that is no answer.
    """
    try:
        done = subprocess.run(
            _argv(arguments), cwd=directory, env=_environment(protocols), stdin=subprocess.DEVNULL, capture_output=True,
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise _unusable(directory, error) from error
    if done.returncode < 0 or done.returncode >= 128:
        raise _failed(directory, arguments, done.stderr)
    return done.returncode, done.stdout


def rev_parse(directory: Path, rev: str) -> str | None:
    """The commit that a revision names (tags peeled), or None when there is none."""
    code, out = run(directory, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"])
    return out.decode().strip() if code == 0 else None


def head(directory: Path) -> str:
    """The commit that is checked out. Raises MachineError when there is none yet."""
    sha = rev_parse(directory, "HEAD")
    if sha is None:
        raise MachineError(f"{directory} has no commit yet", remedy="Check the directory.")
    return sha


def is_ancestor(directory: Path, older: str, newer: str) -> bool:
    """Whether `older` is reachable from `newer`. Raises MachineError when either is unknown: unknown is not "no"."""
    return run(directory, ["merge-base", "--is-ancestor", "--end-of-options", older, newer])[0] == 0


def show(directory: Path, rev: str, path: str) -> bytes | None:
    """The bytes of a regular file in a commit; None when it is not there, or is a link, a folder or a submodule.

    Raises MachineError when `rev` is unknown, DamagedError when the file is larger than 32 MiB.
    """
    _, out = run(directory, ["ls-tree", "-z", "-l", "--full-tree", "--end-of-options", rev, "--", path])
    for entry in out.split(b"\0"):
        facts, _, name = entry.partition(b"\t")
        fields = facts.split()
        if name != path.encode() or len(fields) != 4 or fields[0] not in (b"100644", b"100755"):
            continue
        if int(fields[3]) > _LARGEST:
            raise DamagedError(f"{path} is larger than {_LARGEST} bytes", remedy="Check the file in the repository.")
        return run(directory, ["cat-file", "blob", fields[2].decode()])[1]
    return None


def log(directory: Path, older: str | None, newer: str) -> Iterator[Commit]:
    """Commits reachable from `newer` and not from `older`, newest first, streamed. Both are full SHAs.

    Raises MachineError for a revision that is no SHA (ask `rev_parse` first) and when git fails, also half-way.
    """
    for rev in (newer, older):
        if rev is not None and not _SHA.match(rev):
            raise MachineError(f"{rev!a} is not a full commit SHA", remedy="Name the commit by its full SHA.")
    # NUL can be in no field of a commit, so nothing that a commit says can shift the fields.
    arguments = [
        "log", "-z", "--format=tformat:%H%x00%P%x00%an%x00%ae%x00%ct%x00%B", "--no-show-signature", "--no-color",
        "--encoding=UTF-8", "--end-of-options", newer, *([f"^{older}"] if older else []), "--",
    ]  # fmt: skip
    try:
        process = subprocess.Popen(
            _argv(arguments), cwd=directory, env=_environment(()), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise _unusable(directory, error) from error
    with process:
        assert process.stdout is not None
        try:
            yield from _commits(process.stdout)
        finally:
            process.stdout.close()
            process.terminate()
            code = process.wait()
    if code:
        raise _failed(directory, arguments, b"")


def _commits(stream: IO[bytes]) -> Iterator[Commit]:
    fields: list[str] = []
    rest = b""
    while chunk := stream.read(1 << 16):
        *whole, rest = (rest + chunk).split(b"\0")
        fields += [field.decode(errors="replace") for field in whole]
        done = len(fields) // _FIELDS * _FIELDS
        for at in range(0, done, _FIELDS):
            sha, parents, author, email, seconds, message = fields[at : at + _FIELDS]
            yield Commit(sha, tuple(parents.split()), author, email, _date(seconds), message.rstrip("\n"))
        del fields[:done]


def _date(seconds: str) -> str:
    """Made here from seconds, since versions of git write ISO dates differently; a commit may claim any number."""
    told = int(seconds) if seconds.isascii() and seconds.isdecimal() and len(seconds) <= 12 else 0
    moment = min(told, _LAST_SECOND)
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _argv(arguments: Sequence[str]) -> list[str]:
    return [
        "git", "--no-pager", "--literal-pathspecs", "--no-replace-objects",
        "-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *arguments,
    ]  # fmt: skip


def _environment(protocols: Sequence[str]) -> dict[str, str]:
    """An allow list: no GIT_* of the caller, no token, no prompt, one language."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(protocols) or "none",
    }


def _unusable(directory: Path, error: OSError) -> MachineError:
    if directory.is_dir():
        return MachineError("the program git is missing or cannot run", remedy="Install git.")
    return MachineError(f"{directory}: {error.strerror}", remedy="Check the directory.")


def _failed(directory: Path, arguments: Sequence[str], stderr: bytes) -> MachineError:
    told = stderr.decode(errors="replace").strip().splitlines()
    why = ascii(told[-1][:200])[1:-1] if told else "no reason given"
    return MachineError(f"git {arguments[0]} failed in {directory}: {why}", remedy="Check the repository.")
