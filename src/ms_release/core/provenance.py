"""Provenance of a candidate: which workflow run made which bytes from which commits (in-toto, SLSA, DSSE).

One DSSE envelope on one line, around an in-toto Statement v1 with the predicate `https://slsa.dev/provenance/v1`, in
the build type of GitHub's workflows. Everything in it is compared with `candidate.json`, which says the same.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from ms_release.core import strict_json
from ms_release.core.candidate import MANIFEST_NAME, MAX_BYTES, PROVENANCE_NAME, Candidate
from ms_release.core.names import is_safe_name, is_sha, is_sha256, is_slug, refuse_twins
from ms_release.core.sanitize import terminal_line
from ms_release.errors import DamagedError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_URL = re.compile(r"(https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?)/([A-Za-z0-9-]+/[A-Za-z0-9._-]+)")
_GIT = "git+"
T = TypeVar("T")


class FileDigest(Struct, frozen=True, forbid_unknown_fields=True):
    """The digest of a file, hex."""

    sha256: str


class CommitDigest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A commit id, hex."""

    git_commit: str


class Subject(Struct, frozen=True, forbid_unknown_fields=True):
    """A file by name and SHA-256."""

    name: str
    digest: FileDigest


class Dependency(Struct, frozen=True, forbid_unknown_fields=True):
    """A repository (`git+https://host/owner/name`) at the commit that the build read."""

    uri: str
    digest: CommitDigest


class Workflow(Struct, frozen=True, forbid_unknown_fields=True):
    """The workflow file that ran: where it is, and the ref it was taken from."""

    ref: str
    repository: str
    path: str


class External(Struct, frozen=True, forbid_unknown_fields=True):
    """What whoever started the build chose."""

    inputs: dict[str, str]
    workflow: Workflow


class Definition(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What was built from what."""

    external_parameters: External
    resolved_dependencies: tuple[Dependency, ...]
    build_type: Literal["https://actions.github.io/buildtypes/workflow/v1"]


class Builder(Struct, frozen=True, forbid_unknown_fields=True):
    """Who built: the workflow file at its ref."""

    id: str


class Metadata(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Which run it was: the address of the run and its attempt."""

    invocation_id: str


class Details(Struct, frozen=True, forbid_unknown_fields=True):
    """Who built, in which run; the byproduct is `candidate.json`."""

    builder: Builder
    metadata: Metadata
    byproducts: tuple[Subject, ...]


class Predicate(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """SLSA provenance v1, the part that we write."""

    build_definition: Definition
    run_details: Details


class Statement(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"type": "_type", "predicate_type": "predicateType"},
):
    """An in-toto Statement v1 about the artifacts of one candidate."""

    subject: tuple[Subject, ...]
    predicate: Predicate
    type: Literal["https://in-toto.io/Statement/v1"]
    predicate_type: Literal["https://slsa.dev/provenance/v1"]


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """`sig` is base64; `keyid` only hints at the key and proves nothing."""

    sig: str
    keyid: str = ""


class _Envelope(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    payload: str
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: tuple[Signature, ...]


class Provenance(Struct, frozen=True):
    """A parsed file: the statement, the bytes that are signed (DSSE's PAE), and the signature in base64."""

    statement: Statement
    signed: bytes
    signature: str


def make_statement(candidate: Candidate, manifest_sha256: str, server: str, ref: str, tag: str) -> Statement:
    """What a candidate's provenance says. `server`: the forge's web address; `ref`: where the workflow was taken from;
    `tag`: the input that the run was started with."""
    home = f"{server.rstrip('/')}/{candidate.producer_repo}"
    own = next(s.sha for s in candidate.inputs.repos if s.repo == candidate.producer_repo)
    path = f".github/workflows/{candidate.workflow_file}"
    dependencies = tuple(
        Dependency(f"{_GIT}{server.rstrip('/')}/{s.repo}", CommitDigest(s.sha)) for s in candidate.inputs.repos
    )
    inputs = {"sha": own, "tag": tag}
    external = External(inputs, Workflow(ref, home, path))
    definition = Definition(external, dependencies, "https://actions.github.io/buildtypes/workflow/v1")
    run = f"{home}/actions/runs/{candidate.run_id}/attempts/{candidate.run_attempt}"
    details = Details(
        Builder(f"{home}/{path}@{ref}"), Metadata(run), (Subject(MANIFEST_NAME, FileDigest(manifest_sha256)),)
    )
    subjects = tuple(Subject(a.filename, FileDigest(a.sha256)) for a in candidate.artifacts)
    said = Predicate(definition, details)
    return Statement(subjects, said, "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1")


def payload_of(statement: Statement) -> bytes:
    """The bytes of a statement: canonical JSON, so that the same build says the same."""
    return strict_json.canonical(msgspec.to_builtins(statement))


def pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed, type and length included."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def render_provenance(payload: bytes, signature: str, keyid: str) -> bytes:
    """The file: one envelope on one line. `signature` is base64 over `pae(payload)`."""
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": keyid, "sig": signature}],
    }
    return strict_json.canonical(envelope) + b"\n"


def parse_provenance(data: bytes) -> Provenance:
    """Read the file. Raises DamagedError for anything but one envelope with one signature around such a statement.

    The signature itself is for the caller, who has the key.
    """
    document = _parsed(data, max_depth=6, max_items=64)
    if b"\n" in data.removesuffix(b"\n"):
        raise _damaged("it is not one line")
    envelope = _converted(document, _Envelope)
    if len(envelope.signatures) != 1:
        raise _damaged(f"it has {len(envelope.signatures)} signatures, not one")
    signature = envelope.signatures[0].sig
    if len(_decoded(signature)) != 64:
        raise _damaged("its signature is not 64 bytes")
    payload = _decoded(envelope.payload)
    statement = _converted(_parsed(payload, max_depth=10, max_items=20_000), Statement)
    _check(statement)
    return Provenance(statement, pae(payload), signature)


def compare_provenance(statement: Statement, candidate: Candidate, manifest_sha256: str) -> Iterator[str]:
    """How a statement differs from the `candidate.json` beside it; nothing = they say the same."""
    told = {s.name: s.digest.sha256 for s in statement.subject}
    made = {a.filename: a.sha256 for a in candidate.artifacts}
    for name in sorted(told.keys() | made.keys()):
        if told.get(name) != made.get(name):
            yield _differ(f"the sha256 of {name}", told.get(name), made.get(name))
    definition, details = statement.predicate.build_definition, statement.predicate.run_details
    repo, path = candidate.producer_repo, f".github/workflows/{candidate.workflow_file}"
    workflow = definition.external_parameters.workflow
    home = workflow.repository
    if _slug(home) != repo:
        yield _differ("the producer", _slug(home), repo)
    if workflow.path != path:
        yield _differ("the workflow", workflow.path, path)
    if details.builder.id != f"{home}/{path}@{workflow.ref}":
        yield _differ("the builder", details.builder.id, f"{home}/{path}@…")
    run = f"{home}/actions/runs/{candidate.run_id}/attempts/{candidate.run_attempt}"
    if details.metadata.invocation_id != run:
        yield _differ("the run", details.metadata.invocation_id, run)
    yield from _compare_commits(definition, candidate)
    manifest = details.byproducts[0].digest.sha256
    if manifest != manifest_sha256:
        yield _differ(f"the sha256 of {MANIFEST_NAME}", manifest, manifest_sha256)


def _compare_commits(definition: Definition, candidate: Candidate) -> Iterator[str]:
    server = definition.external_parameters.workflow.repository.removesuffix(candidate.producer_repo)
    told = {d.uri.removeprefix(f"{_GIT}{server}"): d.digest.git_commit for d in definition.resolved_dependencies}
    made = {s.repo: s.sha for s in candidate.inputs.repos}
    for repo in sorted(told.keys() | made.keys()):
        if told.get(repo) != made.get(repo):
            yield _differ(f"the commit of {repo}", told.get(repo), made.get(repo))


def _differ(what: str, told: str | None, made: str | None) -> str:
    said, wanted = (terminal_line(text)[:160] if text else "nothing" for text in (told, made))
    return f"{PROVENANCE_NAME} and {MANIFEST_NAME} differ about {what}: {said} and {wanted}"


def _check(statement: Statement) -> None:
    details, definition = statement.predicate.run_details, statement.predicate.build_definition
    files = (*statement.subject, *details.byproducts)
    if not statement.subject or [s.name for s in details.byproducts] != [MANIFEST_NAME]:
        raise _damaged(f"it names no files, or another byproduct than {MANIFEST_NAME}")
    if not all(is_safe_name(s.name) and is_sha256(s.digest.sha256) for s in files):
        raise _damaged("a file name or sha256 is malformed")
    refuse_twins(s.name for s in files)
    uris = [d.uri for d in definition.resolved_dependencies]
    if len(set(uris)) != len(uris) or not uris:
        raise _damaged("it names no commits, or one repository twice")
    for dependency in definition.resolved_dependencies:
        found = dependency.uri.startswith(_GIT) and _slug(dependency.uri.removeprefix(_GIT))
        if not found or not is_sha(dependency.digest.git_commit):
            raise _damaged(f"{ascii(dependency.uri)[:160]} is no repository at a full commit id")


def _slug(url: str) -> str:
    """`owner/name` of a repository's web address, "" for anything else."""
    found = _URL.fullmatch(url)
    return found[2] if found and is_slug(found[2]) else ""


def _parsed(data: bytes, *, max_depth: int, max_items: int) -> Any:
    try:
        return strict_json.parse(data, max_bytes=MAX_BYTES, max_depth=max_depth, max_items=max_items)
    except DamagedError as error:
        raise _damaged(error.cause.removeprefix("the JSON document is refused: ")) from None


def _converted(document: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise _damaged(terminal_line(str(error)[:300])) from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _damaged("its base64 is damaged") from None


def _damaged(reason: str) -> DamagedError:
    return DamagedError(f"{PROVENANCE_NAME} is refused: {reason}", remedy="Delete that candidate and build it again.")
