"""What a candidate release still needs until it is complete, and whether it is what its tag says (SPEC 6, G31–G36)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from msgspec import Struct

from ms_release.core import action
from ms_release.core.action import Act, Blocked, Done
from ms_release.core.candidate import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    METADATA,
    Candidate,
    check_candidate,
    identity,
    parse_candidate,
    parse_checksums,
    render_checksums,
    short,
)
from ms_release.core.observation import Asset, Release
from ms_release.core.promote import DistFile
from ms_release.errors import DamagedError, IntegrityError

_OF_COMMIT = re.compile(r"rc-([0-9a-f]{40})")
_OF_IDENTITY = re.compile(r"rc-[A-Za-z0-9][A-Za-z0-9._+-]*-([0-9a-f]{16})")


class Built(Struct, frozen=True):
    """What one build has made, as it shall be on the forge: `files` holds artifacts and metadata alike.

    `key`: the public key (base64) that it was signed with, "" = unsigned.
    """

    repo: str
    sha: str
    tag: str
    visibility: str
    candidate: Candidate
    files: tuple[DistFile, ...]
    key: str = ""

    @property
    def in_order(self) -> tuple[DistFile, ...]:
        """`candidate.json` last: a draft that has it has everything."""
        return tuple(sorted(self.files, key=lambda f: (f.name == MANIFEST_NAME, f.name in METADATA, f.name)))


class Found(Struct, frozen=True):
    """A release that has the tag, with its `candidate.json` if it has one, and the commit that the tag is at.

    `unsigned`: why that `candidate.json` does not carry the signature of the build's key.
    """

    releases: tuple[Release, ...]
    manifest: bytes | None = None
    tag_commit: str | None = None
    unsigned: tuple[str, ...] = ()


def name_releases(releases: Iterable[Release]) -> str:
    """Releases of one tag by their ids, each with the digest of its `candidate.json` where the forge tells one."""
    named = []
    for release in sorted(releases, key=lambda r: r.id):
        digests = [short(a.digest) for a in release.assets if a.name == MANIFEST_NAME]
        named.append(f"{release.id} ({MANIFEST_NAME} {digests[0]})" if digests else str(release.id))
    return ", ".join(named)


def marker(tag: str) -> str:
    """The hidden line by which a candidate release is known as ours."""
    return f"<!-- ms-candidate tag={tag} -->"


def next_candidate(built: Built, found: Found) -> Act | Blocked | Done:
    """Decide from the facts alone. Raises IntegrityError when a finished candidate of this tag has other bytes.

    A draft is finished when drafts are what is asked for: a plan may already name it by digest.
    """
    if found.tag_commit is not None and found.tag_commit != built.sha:
        cause = f"tag {built.tag} of {built.repo} is not at {built.sha[:12]} but at {found.tag_commit[:12]}"
        return Blocked(cause, "Find out who made it; tags never move.")
    if len(found.releases) > 1:
        cause = f"several releases of {built.repo} have the tag {built.tag}: {name_releases(found.releases)}"
        return Blocked(cause, "Delete all but one by their id, then run the job again.")
    if not found.releases:
        draft = action.CreateDraft(
            built.repo, built.tag, built.sha, built.tag, _body(built), built.visibility == "prerelease"
        )
        return Act((draft, *_uploads(built, 0, ())))
    release = found.releases[0]
    if marker(built.tag) not in release.body:
        cause = f"release {release.id} of {built.repo} has the tag {built.tag} and was not made by this program"
        return Blocked(cause, "Find out whose it is; nothing of it was changed.")
    return _next_of_ours(built, release, found)


def _next_of_ours(built: Built, release: Release, found: Found) -> Act | Blocked | Done:
    manifest = found.manifest
    problems = _problems(built, release, manifest) or list(found.unsigned)
    if not problems:
        if release.draft and built.visibility == "prerelease":
            return Act((action.PublishRelease(built.repo, built.tag, release.id, True),))
        return Done(f"{built.tag} of {built.repo} is complete")
    finished = manifest is not None and not _incomplete(built, release, manifest)
    if not release.draft or (finished and built.visibility == "draft"):
        raise IntegrityError(
            f"{built.tag} of {built.repo} is finished and not what this build made: {'; '.join(problems)}",
            remedy="A candidate is built once: use it as it is, or delete it and start its workflow again.",
        )
    return _repair(built, release)


def _repair(built: Built, release: Release) -> Act | Blocked:
    """Bring a draft of ours to exactly the wanted files; without `candidate.json` it is incomplete meanwhile."""
    wanted = {f.name: f for f in built.files}
    wrong = [a for a in release.assets if a.name == MANIFEST_NAME or not _same(a, wanted.get(a.name))]
    if unnumbered := [a.name for a in wrong if a.id is None]:
        return Blocked(f"asset {unnumbered[0]} of release {release.id} has no id", "Run the job again.")
    if strange := [a for a in wrong if a.uploader != release.author]:
        return _foreign(built, release, strange[0], wanted.get(strange[0].name))
    wrong.sort(key=lambda a: a.name != MANIFEST_NAME)
    deletions = [action.DeleteAsset(built.repo, built.tag, a.id, a.name) for a in wrong if a.id is not None]
    kept = {a.name for a in release.assets} - {a.name for a in wrong}
    return Act((*deletions, *_uploads(built, release.id, kept)))


def _foreign(built: Built, release: Release, asset: Asset, file: DistFile | None) -> Blocked:
    """Whoever made the draft has its assets replaced; what somebody else put into it is for people."""
    ours = f"this build has {file.sha256[:12]}" if file else "this build has no such file"
    name = ascii(asset.name)[1:-1]
    cause = f"{name} ({short(asset.digest)}) of release {release.id} of {built.repo} was put there by @{asset.uploader}"
    return Blocked(f"{cause} and not by @{release.author}; {ours}", "Find out why; nothing of it was changed.")


def _problems(built: Built, release: Release, manifest: bytes | None) -> list[str]:
    """Why the release is not a complete candidate with this build's artifacts; times and run numbers may differ."""
    if problems := _incomplete(built, release, manifest):
        return problems
    assert manifest is not None
    theirs = {a.filename: (a.size, a.sha256) for a in parse_candidate(manifest).artifacts}
    ours = {a.filename: (a.size, a.sha256) for a in built.candidate.artifacts}
    return [
        f"{name} differs ({_sha256(theirs.get(name))} there, {_sha256(ours.get(name))} here)"
        for name in sorted(set(theirs) | set(ours))
        if theirs.get(name) != ours.get(name)
    ]


def _sha256(artifact: tuple[int, str] | None) -> str:
    return artifact[1][:12] if artifact else "nothing"


def _incomplete(built: Built, release: Release, manifest: bytes | None) -> list[str]:
    """What is wrong with the release by itself, whatever this build has made."""
    if manifest is None:
        return [f"{MANIFEST_NAME} is missing"]
    try:
        candidate = parse_candidate(manifest)
    except DamagedError as error:
        return [error.cause]
    sums = {a.filename: a.sha256 for a in candidate.artifacts}
    assets = [(a.name, a.size, a.digest) for a in release.assets]
    problems = check_candidate(candidate, repo=built.repo, sha=built.sha, checksums=sums, assets=assets)
    lines = render_checksums(sums)
    expected = (len(lines), f"sha256:{hashlib.sha256(lines).hexdigest()}")
    for asset in release.assets:
        if asset.size < 0:
            problems.append(f"{asset.name} is not completely uploaded")
        elif asset.name == CHECKSUMS_NAME and (asset.size, asset.digest or expected[1]) != expected:
            problems.append(f"{CHECKSUMS_NAME} and {MANIFEST_NAME} differ")
    return problems


def _uploads(built: Built, release_id: int, kept: Iterable[str]) -> tuple[action.UploadAsset, ...]:
    there = set(kept)
    return tuple(
        action.UploadAsset(built.repo, built.tag, release_id, f.name, f.size, f.sha256)
        for f in built.in_order
        if f.name not in there
    )


def _same(asset: Asset, file: DistFile | None) -> bool:
    return file is not None and (asset.size, asset.digest) == (file.size, f"sha256:{file.sha256}")


def _body(built: Built) -> str:
    return f"Artifacts of {built.repo} at {built.sha}, built once. This is no release.\n\n{marker(built.tag)}\n"


def check_bytes(
    manifest: bytes, checksums: bytes, files: Iterable[tuple[str, int, str]], *, repo: str = "", tag: str = ""
) -> tuple[Candidate | None, list[str]]:
    """What is wrong with a candidate whose files were read: (name, size in bytes, SHA-256) of every one.

    `repo` and `tag`, where known, must be the ones that it was made in and for.
    """
    try:
        candidate = parse_candidate(manifest)
        sums = parse_checksums(checksums, one_directory=not candidate.producer_kind)
    except DamagedError as error:
        return None, [error.cause]
    repo = repo or candidate.producer_repo
    built_from = [s.sha for s in candidate.inputs.repos if s.repo.casefold() == repo.casefold()]
    sha, problem = _commit_of(tag, candidate, built_from[0] if built_from else "")
    assets = [(name, size, f"sha256:{sha256}") for name, size, sha256 in files]
    problems = check_candidate(candidate, repo=repo, sha=sha, checksums=sums, assets=assets)
    return candidate, [*([problem] if problem else []), *problems]


def _commit_of(tag: str, candidate: Candidate, own: str) -> tuple[str, str]:
    """The commit that a candidate of this tag must be built from, and what is wrong with the tag itself."""
    if not tag:
        return own, ""
    if found := _OF_COMMIT.fullmatch(tag):
        return found[1], ""
    if (found := _OF_IDENTITY.fullmatch(tag)) and candidate.build_input_fingerprint:
        made = identity(candidate.producer_kind, candidate.recipe_fingerprint, candidate.inputs)
        return own, "" if found[1] == made else f"its tag names the identity {found[1]}, its inputs have {made}"
    return own, f"{tag[:80]!a} is no tag of a candidate"


def check_tag(tag: str, candidate: Candidate) -> list[str]:
    """What is wrong with the tag itself: it names an identity that is not that of the candidate's inputs."""
    problem = _commit_of(tag, candidate, "")[1]
    return [problem] if problem else []


def fits_tag(tag: str, sha: str, candidate: Candidate) -> bool:
    """Whether a candidate that was built from `sha` may carry this tag."""
    return tag != "" and _commit_of(tag, candidate, sha) == (sha, "")
