"""The releases and ready candidates of a world, made from directories of files."""

from __future__ import annotations

import hashlib
import json
import mimetypes
import secrets
from collections.abc import Mapping

from ms_release.errors import UsageError
from ms_release.forge import git
from ms_release.forge.store import Body
from ms_release.forge.world.file import Candidate, Release, Repository
from ms_release.forge.world.history import Site, files_of

_BOT = "github-actions[bot]"


def make_release(site: Site, repo: Repository, release: Release) -> None:
    """A release with its assets; unless it is a draft, its tag points at `target` (default: the default branch)."""
    git_dir = site.forge.git_dir(repo.name)
    target = release.target or repo.default_branch
    ref = f"refs/tags/{release.tag}"
    if not release.draft and git.read_ref(git_dir, ref) is None:
        git.update_ref(git_dir, ref, _commit(site, repo, target), None)
    files = files_of(site.folder / release.source) if release.source else {}
    _store(site, repo, release, files)


def make_candidate(site: Site, repo: Repository, candidate: Candidate) -> None:
    """The candidate of a commit as its workflow would have left it: release `rc-<sha>`, artifacts, what they are."""
    sha = _commit(site, repo, candidate.sha or repo.default_branch)
    files = files_of(site.folder / candidate.source)
    if not files or any("/" in name for name in files):
        text = f"{repo.name}: {candidate.source} must hold the artifacts of a candidate, and no directories"
        raise UsageError(text, remedy="Check `from`.")
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    bare = {"kind": "file", "os": None, "arch": None}
    artifacts: list[Body] = [
        {"id": name, "filename": name, "size": len(data), "sha256": sums[name], **bare} for name, data in files.items()
    ]
    files["candidate.json"] = _describe(site, repo, candidate, sha, artifacts)
    files["checksums.txt"] = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()
    draft = candidate.visibility == "draft"
    release = Release(f"rc-{sha}", _BOT, target=sha, draft=draft, prerelease=True, name=f"Candidate {sha[:12]}")
    if not draft:
        git_dir = site.forge.git_dir(repo.name)
        git.update_ref(git_dir, f"refs/tags/{release.tag}", sha, None)
    _store(site, repo, release, files)


def _describe(site: Site, repo: Repository, candidate: Candidate, sha: str, artifacts: list[Body]) -> bytes:
    """`candidate.json` (upstream 2.6), written without the program's own code, so that the two cannot err together.

    The run that it names is one that the forge no longer keeps.
    """
    name = repo.name.partition("/")[2]
    workflow = f".github/workflows/{candidate.workflow}"
    text = git.read_file(site.forge.git_dir(repo.name), sha, workflow) or b""
    recipe = hashlib.sha256(f"{workflow}\n{hashlib.sha256(text).hexdigest()}\n".encode()).hexdigest()
    inputs: Body = {"repos": [{"id": name, "repo": repo.name, "sha": sha}], "toolchain": {}, "config": {}}
    counted = {"producer_kind": name, "recipe_fingerprint": recipe, **inputs, "extra": {}}
    canonical = json.dumps(counted, sort_keys=True, separators=(",", ":")).encode()
    document = {
        "schema": "ms-candidate/v1", "producer_repo": repo.name, "producer_kind": name,
        "workflow_file": candidate.workflow, "run_id": site.forge.store.next_id("run"), "run_attempt": 1,
        "generated_at": site.forge.now(), "build_input_fingerprint": hashlib.sha256(canonical).hexdigest(),
        "recipe_fingerprint": recipe, "inputs": inputs, "artifacts": artifacts,
    }  # fmt: skip
    return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _commit(site: Site, repo: Repository, rev: str) -> str:
    sha = git.commit_of(site.forge.git_dir(repo.name), rev)
    if sha is None:
        raise UsageError(f"{repo.name} has no commit {rev}", remedy="Name a branch, tag or commit.")
    return sha


def _store(site: Site, repo: Repository, release: Release, files: Mapping[str, bytes]) -> None:
    store, now = site.forge.store, site.forge.now()
    number = store.next_id("release")
    body: Body = {
        "id": number, "repo": repo.name, "tag_name": release.tag,
        "target_commitish": release.target or repo.default_branch, "name": release.name or release.tag,
        "body": release.body, "draft": release.draft, "prerelease": release.prerelease, "immutable": False,
        "author": release.author, "created_at": now, "published_at": None if release.draft else now,
        "make_latest": "false" if release.draft or release.prerelease else "true",
    }  # fmt: skip
    store.put("release", number, body, repo.name)
    for name, data in files.items():
        blob, asset = secrets.token_hex(16), store.next_id("asset")
        site.forge.blob(blob).write_bytes(data)
        body = {
            "id": asset, "repo": repo.name, "release_id": number, "name": name, "size": len(data),
            "content_type": mimetypes.guess_type(name)[0] or "application/octet-stream",
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "state": "uploaded", "uploader": release.author,
            "created_at": now, "updated_at": now, "blob": blob,
        }  # fmt: skip
        store.put("asset", asset, body, repo.name)
