"""Candidates: what was built once, from what, and whether a candidate release is complete (upstream.md 2.6)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from ms_release.core import strict_json
from ms_release.core.names import is_safe_name, is_sha, is_sha256, is_slug, refuse_twins
from ms_release.core.sanitize import terminal_line
from ms_release.errors import DamagedError

SCHEMA = "ms-candidate/v1"
MANIFEST_NAME = "candidate.json"
CHECKSUMS_NAME = "checksums.txt"
SIGNATURE_NAME = "candidate.json.sig"
PROVENANCE_NAME = "provenance.intoto.jsonl"
METADATA = frozenset({MANIFEST_NAME, CHECKSUMS_NAME, SIGNATURE_NAME, PROVENANCE_NAME})
MAX_BYTES = 1 << 20
MAX_ARTIFACTS = 1000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII)
_CHECKSUM = re.compile(r"([0-9a-f]{64}) [ *](?:([^/]+)/)?([^/]+)")


class Artifact(Struct, frozen=True, forbid_unknown_fields=True):
    """One built file. `size` in bytes; `os` and `arch` are None where they do not matter."""

    id: str
    filename: str
    kind: str
    os: str | None
    arch: str | None
    size: int
    sha256: str


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """One repository (`owner/name`) at the commit that the build read."""

    id: str
    repo: str
    sha: str


class Inputs(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything declared that the bytes depend on."""

    repos: tuple[Source, ...]
    toolchain: dict[str, str] = {}
    config: dict[str, str] = {}


class Candidate(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `candidate.json`. The fingerprints are "" when it was read from the older schema 1."""

    producer_repo: str
    producer_kind: str
    workflow_file: str
    run_id: int
    run_attempt: int
    generated_at: str
    build_input_fingerprint: str
    recipe_fingerprint: str
    inputs: Inputs
    artifacts: tuple[Artifact, ...]
    schema: Literal["ms-candidate/v1"] = "ms-candidate/v1"


class _OldArtifact(Struct, frozen=True, forbid_unknown_fields=True):
    filename: str
    size: int
    sha256: str


class _OldCandidate(Struct, frozen=True, forbid_unknown_fields=True):
    """Schema 1, as the runbook's producers wrote it."""

    schema: Literal[1]
    repo: str
    sha: str
    workflow: str
    run_id: int
    run_attempt: int
    generated_at: str
    artifacts: tuple[_OldArtifact, ...]

    def modern(self) -> Candidate:
        """The same facts in the one shape; what the old schema did not say stays empty."""
        return Candidate(
            producer_repo=self.repo,
            producer_kind="",
            workflow_file=self.workflow,
            run_id=self.run_id,
            run_attempt=self.run_attempt,
            generated_at=self.generated_at,
            build_input_fingerprint="",
            recipe_fingerprint="",
            inputs=Inputs((Source(self.repo.rpartition("/")[2], self.repo, self.sha),)),
            artifacts=tuple(Artifact(a.filename, a.filename, "", None, None, a.size, a.sha256) for a in self.artifacts),
        )


def parse_candidate(data: bytes) -> Candidate:
    """Read `candidate.json`, schema 1 or ms-candidate/v1. Raises DamagedError for anything else."""
    document: Any = strict_json.parse(data, max_bytes=MAX_BYTES, max_depth=8, max_items=20_000)
    schema = document.get("schema") if isinstance(document, dict) else None
    try:
        if type(schema) is int and schema == 1:
            candidate = msgspec.convert(document, _OldCandidate).modern()
            old = True
        elif schema == SCHEMA:
            candidate, old = msgspec.convert(document, Candidate), False
        else:
            raise _damaged(f"its schema is {ascii(schema)[:80]}, not 1 or {SCHEMA}")
    except msgspec.ValidationError as error:
        raise _damaged(terminal_line(str(error)[:300])) from None
    _check_content(candidate, old=old)
    return candidate


def render_candidate(candidate: Candidate) -> bytes:
    """The bytes of `candidate.json`: sorted keys, two spaces, a newline.

    Raises DamagedError for what `parse_candidate` would not read.
    """
    _check_content(candidate, old=False)
    document = msgspec.to_builtins(candidate)
    ordered = msgspec.json.decode(strict_json.canonical(document))
    return strict_json.pretty(ordered)


def parse_checksums(data: bytes, *, one_directory: bool = False) -> dict[str, str]:
    """Read GNU checksum lines into SHA-256 by file name.

    `one_directory`: names may carry one and the same directory, which is dropped (the runbook's `dist_flat/`).
    Raises DamagedError on any other line, unsafe or repeated names, or an empty file.
    """
    if len(data) > MAX_BYTES:
        raise _damaged(f"it has more than {MAX_BYTES} bytes", CHECKSUMS_NAME)
    try:
        lines = data.decode("ascii").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        raise _damaged("it is not ASCII", CHECKSUMS_NAME) from None
    found = [_CHECKSUM.fullmatch(line) for line in lines]
    sums: dict[str, str] = {}
    for number, line in enumerate(found, 1):
        if line is None or not is_safe_name(line[3]) or (line[2] and not is_safe_name(line[2])):
            raise _damaged(f"line {number} is not `<sha256>  <file name>`", CHECKSUMS_NAME)
        if line[2] and not one_directory:
            raise _damaged(f"line {number} names a directory", CHECKSUMS_NAME)
        if line[3] in sums:
            raise _damaged(f"{line[3]} occurs twice", CHECKSUMS_NAME)
        sums[line[3]] = line[1]
    if len({line[2] for line in found if line}) > 1:
        raise _damaged("it names several directories", CHECKSUMS_NAME)
    refuse_twins(sums)
    return sums


def render_checksums(sums: Mapping[str, str]) -> bytes:
    """`<sha256>  <file name>` lines in name order, as `sha256sum -c` reads them."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode("ascii")


def make_recipe_fingerprint(files: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over `path\\n<sha256 of the file>\\n` of the files that say how to build, in the order given."""
    return hashlib.sha256("".join(f"{path}\n{sha256}\n" for path, sha256 in files).encode()).hexdigest()


def make_input_fingerprint(producer_kind: str, recipe_fingerprint: str, inputs: Inputs) -> str:
    """SHA-256 of everything the bytes depend on; the order in which repositories were declared does not matter.

    The digested document is upstream's (2.6), whose `extra` is not recorded in the manifest and therefore empty.
    """
    repos = sorted(inputs.repos, key=lambda source: (source.id, source.repo, source.sha))
    return strict_json.digest(
        {
            "producer_kind": producer_kind,
            "recipe_fingerprint": recipe_fingerprint,
            "repos": [msgspec.to_builtins(source) for source in repos],
            "toolchain": inputs.toolchain,
            "config": inputs.config,
            "extra": {},
        }
    )


def identity(producer_kind: str, recipe_fingerprint: str, inputs: Inputs) -> str:
    """By what a candidate is found: 16 hex digits of its input fingerprint (SPEC 6)."""
    return make_input_fingerprint(producer_kind, recipe_fingerprint, inputs)[:16]


def candidate_tag(repo_id: str, sha: str, identity: str | None) -> str:
    """`rc-<sha>` for a build from that repository alone (identity None), else `rc-<id>-<identity>` (SPEC 6)."""
    return f"rc-{sha}" if identity is None else f"rc-{repo_id}-{identity}"


def check_candidate(
    candidate: Candidate,
    *,
    repo: str,
    sha: str,
    checksums: Mapping[str, str],
    assets: Iterable[tuple[str, int, str | None]],
) -> list[str]:
    """What is wrong with a candidate release of `repo` at `sha`; an empty list means complete and consistent.

    `assets` are (name, size in bytes, `sha256:…` or None) as the forge lists them. A digest that the forge does not
    tell (github-facts G35) is no problem here: the bytes are compared again when they are fetched.
    """
    listed = list(assets)
    return [
        *_check_origin(candidate, repo, sha),
        *_check_assets(candidate, listed),
        *_check_checksums(candidate, checksums),
    ]


def _check_origin(candidate: Candidate, repo: str, sha: str) -> Iterable[str]:
    if candidate.producer_repo.casefold() != repo.casefold():
        yield f"it was produced by {candidate.producer_repo}, not by {repo}"
        return
    built = [source.sha for source in candidate.inputs.repos if source.repo.casefold() == repo.casefold()]
    if built != [sha]:
        yield f"it was built from {built[0][:12] if built else 'other repositories'}, not from {sha[:12]} of {repo}"
    expected = make_input_fingerprint(candidate.producer_kind, candidate.recipe_fingerprint, candidate.inputs)
    if candidate.build_input_fingerprint not in ("", expected):
        yield "its build_input_fingerprint is not that of its inputs"


def _check_assets(candidate: Candidate, assets: list[tuple[str, int, str | None]]) -> Iterable[str]:
    by_name = {name: (size, digest) for name, size, digest in assets}
    yield from twins((name, digest) for name, _, digest in assets)
    for name in (MANIFEST_NAME, CHECKSUMS_NAME):
        if name not in by_name:
            yield f"{name} is missing"
    for artifact in candidate.artifacts:
        if artifact.filename not in by_name:
            yield f"{artifact.filename} is missing"
            continue
        size, digest = by_name[artifact.filename]
        there, said = short(digest), f"{MANIFEST_NAME} says"
        if size != artifact.size:
            have = (
                f"{artifact.filename} has {size} bytes ({there})" if size >= 0 else f"{artifact.filename} is half there"
            )
            yield f"{have}, {said} {artifact.size} ({artifact.sha256[:12]})"
        elif digest is not None and digest != f"sha256:{artifact.sha256}":
            yield f"{artifact.filename} has the sha256 {there}, {said} {artifact.sha256[:12]}"
    known = {artifact.filename for artifact in candidate.artifacts} | METADATA
    for name in sorted(set(by_name) - known):
        yield f"{ascii(name)[1:-1]} belongs to nothing in {MANIFEST_NAME}"


def twins(assets: Iterable[tuple[str, str | None]]) -> Iterable[str]:
    """The names that more than one asset has, each with the digests of all of them."""
    digests: dict[str, list[str]] = {}
    for name, digest in assets:
        digests.setdefault(name, []).append(short(digest))
    for name, found in digests.items():
        if len(found) > 1:
            yield f"two assets share a name: {ascii(name)[1:-1]} ({' and '.join(found)})"


def short(digest: str | None) -> str:
    """The forge's digest of an asset as messages show it."""
    return ascii(digest)[1:-1].removeprefix("sha256:")[:12] if digest and digest != "sha256:" else "digest not told"


def _check_checksums(candidate: Candidate, checksums: Mapping[str, str]) -> Iterable[str]:
    expected = {artifact.filename: artifact.sha256 for artifact in candidate.artifacts}
    for name in sorted(expected.keys() - checksums.keys()):
        yield f"{name} is not in {CHECKSUMS_NAME}"
    for name in sorted(checksums.keys() - expected.keys()):
        yield f"{CHECKSUMS_NAME} names {ascii(name)[1:-1]}, which {MANIFEST_NAME} does not"
    for name in sorted(expected.keys() & checksums.keys()):
        if expected[name] != checksums[name]:
            both = f"{checksums[name][:12]} and {expected[name][:12]}"
            yield f"{CHECKSUMS_NAME} and {MANIFEST_NAME} differ about {name}: {both}"


def _check_content(candidate: Candidate, *, old: bool) -> None:
    for source in candidate.inputs.repos:
        if not is_slug(source.repo) or not is_sha(source.sha) or not _WORD.fullmatch(source.id):
            raise _damaged(f"the input {ascii(source.id)[:80]} names no repository at a full commit id")
    if not is_slug(candidate.producer_repo) or not candidate.inputs.repos:
        raise _damaged("it does not say what it was built from")
    if len({source.id for source in candidate.inputs.repos}) != len(candidate.inputs.repos):
        raise _damaged("two inputs share an id")
    prints = (candidate.build_input_fingerprint, candidate.recipe_fingerprint)
    if not old and not (all(map(is_sha256, prints)) and _WORD.fullmatch(candidate.producer_kind)):
        raise _damaged("its producer kind or a fingerprint is malformed")
    if candidate.run_id < 1 or candidate.run_attempt < 1 or not _TIME.fullmatch(candidate.generated_at):
        raise _damaged("its run or time is malformed")
    if not 1 <= len(candidate.artifacts) <= MAX_ARTIFACTS:
        raise _damaged(f"it lists {len(candidate.artifacts)} artifacts")
    _check_artifacts(candidate.artifacts, old=old)


def _check_artifacts(artifacts: tuple[Artifact, ...], *, old: bool) -> None:
    for artifact in artifacts:
        if not is_safe_name(artifact.filename) or artifact.filename.lower() in METADATA:
            raise _damaged(f"an artifact may not be called {ascii(artifact.filename)[:160]}")
        if artifact.size < 0 or not is_sha256(artifact.sha256):
            raise _damaged(f"size or sha256 of {artifact.filename} is malformed")
        words = (artifact.id, "x" if old else artifact.kind, artifact.os or "x", artifact.arch or "x")
        if not all(map(_WORD.fullmatch, words)):
            raise _damaged(f"id, kind, os or arch of {artifact.filename} is malformed")
    if len({artifact.id for artifact in artifacts}) != len(artifacts):
        raise _damaged("two artifacts share an id")
    refuse_twins(artifact.filename for artifact in artifacts)


def _damaged(reason: str, name: str = MANIFEST_NAME) -> DamagedError:
    return DamagedError(f"{name} is refused: {reason}", remedy="Delete that candidate and build it again.")
