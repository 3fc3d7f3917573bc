"""Fetching a candidate: its bytes are those of candidate.json, of checksums.txt and of the forge's own digest."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from msgspec import Struct

from ms_release.adapters.candidate_trust import untrusted
from ms_release.adapters.candidates import release_from_rest
from ms_release.adapters.files import read_limited
from ms_release.adapters.hashing import Told, digests
from ms_release.adapters.http import Client, Refused
from ms_release.core.candidate import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    MAX_ARTIFACTS,
    MAX_BYTES,
    METADATA,
    Candidate,
    parse_candidate,
    twins,
)
from ms_release.core.candidate_release import check_bytes, name_releases
from ms_release.core.names import is_safe_name
from ms_release.core.observation import Asset, Release
from ms_release.errors import BlockedError, CredentialError, DamagedError, IntegrityError, MachineError, UsageError

_REMEDY = "Do not use it: find out who changed it, delete that candidate and build it again."


class Checked(Struct, frozen=True):
    """A candidate that was read byte by byte: its name for messages, `candidate.json`'s SHA-256, and what is wrong."""

    name: str
    digest: str
    candidate: Candidate | None
    problems: tuple[str, ...]

    def sound(self) -> Candidate:
        """The candidate. Raises IntegrityError that lists every problem."""
        if self.problems or self.candidate is None:
            raise IntegrityError(f"{self.name} is not what it says: {'; '.join(self.problems)}", remedy=_REMEDY)
        return self.candidate


class Expected(Struct, frozen=True):
    """What a candidate must be besides consistent: `digest`, the SHA-256 (hex) of its `candidate.json` as plans record
    it, and `key`, the public key (base64) that must have signed it. "" = not known, not asked for."""

    digest: str = ""
    key: str = ""


ANY = Expected()


def fetch(client: Client, slug: str, which: int | str, out: Path, expected: Expected = ANY) -> Candidate:
    """Bring a candidate's files into the directory `out`, which appears only when everything in it agrees.

    `which`: release id, or tag.
    An `out` that holds exactly this candidate already is left as it is; an empty one is filled.
    Raises IntegrityError for any difference, BlockedError when there is no such candidate or more than one, UsageError
    when `out` holds something else, MachineError, and what the client raises.
    """
    release = find_release(client, slug, which)
    _refuse_taken(out)
    with _beside(out) as folder:
        checked = download(client, slug, release, folder, expected)
        candidate = checked.sound()
        if out.exists() and any(out.iterdir()):
            there = check_directory(out, expected.key)
            if there.problems or there.digest != checked.digest:
                raise UsageError(f"{out} holds other files", remedy="Name a directory that does not exist yet.")
            return candidate
        try:
            folder.chmod(0o755)
            folder.replace(out)
        except OSError as error:
            raise MachineError(f"cannot make {out}: {error.strerror}", remedy="Check what is there.") from error
    return candidate


def find_release(client: Client, slug: str, which: int | str) -> Release:
    """The one release with that id or tag, drafts included (github-facts G31, G32). Raises BlockedError."""
    if isinstance(which, int):
        try:
            return release_from_rest(client.get(f"/repos/{slug}/releases/{which}").json)
        except Refused as error:
            if error.status != 404:
                raise
            found = []
    else:
        try:
            found = [r for d in client.pages(f"/repos/{slug}/releases") if (r := release_from_rest(d)).tag == which]
        except Refused as error:
            if error.status != 404:
                raise
            raise CredentialError(
                f"{slug} cannot be read", remedy="Check its name, and that the token may read it."
            ) from None
    if len(found) == 1:
        return found[0]
    if found:
        cause = f"several releases of {slug} have the tag {which}: {name_releases(found)}"
        raise BlockedError(cause, remedy="Find out which is yours, and delete the others by their id.")
    raise BlockedError(
        f"{slug} has no candidate {which} that this token may see",
        remedy="Build it, or use a token with push right if it is a draft.",
    )


def download(client: Client, slug: str, release: Release, folder: Path, expected: Expected = ANY) -> Checked:
    """All files of a candidate release into an empty directory, with every difference found.

    Nothing is read beyond the size that `candidate.json` declares, and nothing at all that it does not name.
    """
    name = f"candidate {release.tag} of {slug}"
    assets = {a.name: a for a in release.assets}
    problems = [f"{n} is missing" for n in (MANIFEST_NAME, CHECKSUMS_NAME) if n not in assets]
    problems += [f"{a.name!a} is not completely uploaded" for a in release.assets if a.size < 0]
    problems += twins((a.name, a.digest) for a in release.assets)
    if problems:
        return Checked(name, "", None, tuple(problems))
    small = [a for n, a in assets.items() if n in METADATA]
    read = client.gather([partial(_download, client, slug, a, folder, MAX_BYTES) for a in small])
    digest = next(sha256 for n, _, sha256 in read if n == MANIFEST_NAME)
    if expected.digest and digest != expected.digest:
        problems.append(f"its {MANIFEST_NAME} was {expected.digest[:12]}, is {digest[:12]}")
        return Checked(name, digest, None, tuple(problems))
    metadata = {n: read_limited(folder / n, MAX_BYTES) for n, _, _ in read}
    manifest = metadata[MANIFEST_NAME]
    try:
        listed = parse_candidate(manifest).artifacts
    except DamagedError as error:
        return Checked(name, digest, None, (error.cause,))
    # Only what is there in the declared size is worth a download; the rest is a difference already.
    wanted = [assets[a.filename] for a in listed if a.filename in assets and assets[a.filename].size == a.size]
    read += client.gather([partial(_download, client, slug, asset, folder, asset.size) for asset in wanted])
    got = {n for n, _, _ in read}
    skipped = [(a.name, a.size, (a.digest or "")[7:]) for a in release.assets if a.name not in got]
    candidate, differences = check_bytes(
        manifest, metadata[CHECKSUMS_NAME], [*read, *skipped], repo=slug, tag=release.tag
    )
    told = [
        f"{n} arrived with the sha256 {sha256[:12]}, the forge announced {(assets[n].digest or '')[7:19]}"
        for n, _, sha256 in read
        if assets[n].digest not in (None, f"sha256:{sha256}")
    ]
    return Checked(name, digest, candidate, (*differences, *told, *untrusted(expected.key, metadata)))


def check_directory(folder: Path, key: str = "", told: Told | None = None) -> Checked:
    """The same comparison for a directory on this machine; there is no forge to be asked. `told` hears of hashing."""
    paths = list_files(folder)
    missing = tuple(f"{n} is missing" for n in (MANIFEST_NAME, CHECKSUMS_NAME) if n not in paths)
    if missing:
        return Checked(str(folder), "", None, missing)
    sums = digests(paths.values(), told)
    files = [(name, path.stat().st_size, sums[path]) for name, path in paths.items()]
    metadata = {n: read_limited(path, MAX_BYTES) for n, path in paths.items() if n in METADATA}
    candidate, problems = check_bytes(metadata[MANIFEST_NAME], metadata[CHECKSUMS_NAME], files)
    if candidate is not None:
        problems = [*problems, *untrusted(key, metadata)]
    return Checked(str(folder), sums[paths[MANIFEST_NAME]], candidate, tuple(problems))


def list_files(folder: Path) -> dict[str, Path]:
    """The regular files of a flat directory, by name in order. Raises UsageError for anything else in it (F38)."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror}", remedy="Name a directory with files.") from error
    for entry in entries:
        if not entry.is_file(follow_symlinks=False):
            raise UsageError(f"{entry.name!a} in {folder} is no regular file", remedy="Keep files only in there.")
        if not is_safe_name(entry.name):
            raise UsageError(
                f"{entry.name!a} in {folder} is not a name for every system",
                remedy="Use letters, digits and . _ + - , beginning with a letter or digit.",
            )
    if len(entries) > MAX_ARTIFACTS + len(METADATA):
        raise UsageError(f"{folder} holds more than {MAX_ARTIFACTS} files", remedy="Name the right directory.")
    return {entry.name: Path(entry.path) for entry in entries}


def _download(client: Client, slug: str, asset: Asset, folder: Path, limit: int) -> tuple[str, int, str]:
    """One asset into its file: name, size and SHA-256 of what arrived. The caller knows that the name is safe."""
    path = folder / asset.name
    try:
        with path.open("xb") as sink:
            sha256, size = client.download(f"/repos/{slug}/releases/assets/{asset.id}", sink, max_bytes=limit)
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}", remedy="Make room.") from error
    return asset.name, size, sha256


def _refuse_taken(out: Path) -> None:
    try:
        mode = os.lstat(out).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise MachineError(f"cannot look at {out}: {error.strerror}", remedy="Check the path.") from error
    if not stat.S_ISDIR(mode):
        raise UsageError(f"{out} is no directory", remedy="Name a directory that does not exist yet.")


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A new private directory on the same disk as `out`, gone afterwards unless it was moved away."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name[:64]}.", dir=out.parent))
    except OSError as error:
        raise MachineError(f"cannot write beside {out}: {error.strerror}", remedy="Check its rights.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
