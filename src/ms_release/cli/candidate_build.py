"""`candidate build`: describes what a job has built, from its environment and its files, and ships it as a release."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ms_release.core.candidate import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    METADATA,
    PROVENANCE_NAME,
    SIGNATURE_NAME,
    Artifact,
    Candidate,
    make_input_fingerprint,
    make_recipe_fingerprint,
    render_candidate,
    render_checksums,
)
from ms_release.core.candidate_identity import RecipeFile, make_inputs, recipe_files
from ms_release.core.candidate_release import Built, check_tag, fits_tag
from ms_release.core.names import is_sha, is_slug, refuse_twins
from ms_release.core.promote import DistFile
from ms_release.errors import BlockedError, UsageError

if TYPE_CHECKING:
    from ms_release.adapters.http import Client
    from ms_release.cli.output import Output

DEFAULT_WORKFLOW = "candidate.yml"
KEY_VARIABLE = "MS_CANDIDATE_KEY"
GITHUB = "https://github.com"


class Order(Struct, frozen=True):
    """What the command line asks for. `inputs`: commits of other repositories (`owner/name`) that the build has read.
    `recipe`: paths of the files that say how to build; none = the workflow file.
    """

    folder: Path
    sha: str
    tag: str
    visibility: str
    inputs: dict[str, str] = {}
    recipe: tuple[str, ...] = ()


class Job(Struct, frozen=True):
    """The workflow job that runs this, as its environment says. `commit` and `ref` are those of the workflow file."""

    repo: str
    run_id: int
    run_attempt: int
    workflow_file: str
    commit: str
    ref: str
    server: str


def build(order: Order, env: Mapping[str, str], output: Output) -> dict[str, Any]:
    """Describe and ship; what the command reports. Raises UsageError outside a job or for a directory of other things.

    Nothing is written to the forge when the candidate is complete there already.
    """
    from ms_release.adapters.candidate_write import complete
    from ms_release.cli.common import connect

    if not is_sha(order.sha):
        raise UsageError(f"{order.sha!a} is no full commit id", remedy="Give all 40 digits.")
    job = read_job(env, order.sha)
    with connect(GITHUB, output) as client:
        candidate = describe(order, job, _recipe(client, job, order), _now(client))
        _refuse_tag(order, candidate)
        built = write_metadata(order, job, candidate, env.get(KEY_VARIABLE, ""))
        message, performed = complete(client, built, order.folder, output.say)
    return {
        "message": message if performed else f"nothing to do: {message}",
        "repo": job.repo,
        "tag": order.tag,
        "sha": order.sha,
        "performed": [what.key for what in performed],
        "artifacts": [{"name": a.filename, "size": a.size, "sha256": a.sha256} for a in candidate.artifacts],
    }


def _refuse_tag(order: Order, candidate: Candidate) -> None:
    """Raises UsageError for a tag of another commit or of no candidate, BlockedError for one of other build inputs."""
    if fits_tag(order.tag, order.sha, candidate):
        return
    identity = candidate.build_input_fingerprint[:16]
    cause = f"a candidate of {order.sha[:12]} cannot have the tag {order.tag!a}"
    if order.tag.startswith("rc-") and (problems := check_tag(order.tag, candidate)) and identity in problems[0]:
        raise BlockedError(
            f"{cause}: {problems[0]}",
            remedy="The recipe or an input is not the one that was planned: plan again, or correct --input, --recipe.",
        )
    raise UsageError(cause, remedy=f"Use rc-{order.sha}, or rc-<id>-{identity}.")


def read_inputs(pairs: tuple[str, ...]) -> dict[str, str]:
    """`OWNER/NAME=SHA` options as a table. Raises UsageError for another shape or a repository given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        repo, _, sha = pair.partition("=")
        if not is_slug(repo) or not is_sha(sha) or repo in found:
            raise UsageError(
                f"--input {pair!a} is not OWNER/NAME=SHA, or its repository occurs twice",
                remedy="Give the full commit id that the build has checked out, once per repository.",
            )
        found[repo] = sha
    return found


def read_job(env: Mapping[str, str], sha: str) -> Job:
    """The job's facts from the variables that GitHub Actions sets. Raises UsageError when this is no job."""
    repo, run, attempt = (env.get(f"GITHUB_{n}", "") for n in ("REPOSITORY", "RUN_ID", "RUN_ATTEMPT"))
    if not is_slug(repo) or not run.isascii() or not run.isdecimal():
        raise UsageError(
            "GITHUB_REPOSITORY and GITHUB_RUN_ID do not name a workflow run",
            remedy="This command runs in a producer's workflow; `prepare` starts it.",
        )
    path, _, ref = env.get("GITHUB_WORKFLOW_REF", "").partition("@")
    commit = env.get("GITHUB_WORKFLOW_SHA", "") or env.get("GITHUB_SHA", "")
    return Job(
        repo,
        int(run),
        int(attempt) if attempt.isascii() and attempt.isdecimal() else 1,
        path.rpartition("/")[2] or DEFAULT_WORKFLOW,
        commit if is_sha(commit) else sha,
        ref or env.get("GITHUB_REF", ""),
        env.get("GITHUB_SERVER_URL", "") or GITHUB,
    )


def describe(order: Order, job: Job, recipe: tuple[tuple[str, str], ...], now: str) -> Candidate:
    """What `candidate.json` will say about the files of the directory. Raises UsageError for names that may not be."""
    from ms_release.adapters.fetch import list_files
    from ms_release.adapters.hashing import digests
    from ms_release.cli.output import hashing

    _remove_leftovers(order.folder)
    paths = {name: path for name, path in list_files(order.folder).items() if name not in METADATA}
    if not paths:
        raise UsageError(f"there is nothing in {order.folder}", remedy="Build the artifacts into it first.")
    refuse_twins([*paths, *METADATA])
    sums = digests(paths.values(), hashing)
    artifacts = tuple(_artifact(name, path, sums[path]) for name, path in sorted(paths.items()))
    kind = job.repo.partition("/")[2]
    inputs = make_inputs(job.repo, order.sha, order.inputs)
    fingerprint = make_recipe_fingerprint(recipe)
    return Candidate(
        producer_repo=job.repo,
        producer_kind=kind,
        workflow_file=job.workflow_file,
        run_id=job.run_id,
        run_attempt=job.run_attempt,
        generated_at=now,
        build_input_fingerprint=make_input_fingerprint(kind, fingerprint, inputs),
        recipe_fingerprint=fingerprint,
        inputs=inputs,
        artifacts=artifacts,
    )


def write_metadata(order: Order, job: Job, candidate: Candidate, key: str) -> Built:
    """Write `candidate.json`, `checksums.txt` and, with a key, signature and provenance beside the artifacts."""
    from ms_release.adapters.files import write_private

    manifest = render_candidate(candidate)
    files = {
        CHECKSUMS_NAME: render_checksums({a.filename: a.sha256 for a in candidate.artifacts}),
        MANIFEST_NAME: manifest,
    }
    public = ""
    if key:
        from ms_release.adapters.signing import public_of, sign

        public = public_of(key)
        files[SIGNATURE_NAME] = sign(key, manifest).encode("ascii")
        files[PROVENANCE_NAME] = _provenance(order, job, candidate, key)
    for name in METADATA - files.keys():
        (order.folder / name).unlink(missing_ok=True)
    for name, data in files.items():
        write_private(order.folder / name, data)
    metadata = [DistFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()]
    artifacts = [DistFile(a.filename, a.size, a.sha256) for a in candidate.artifacts]
    every = (*artifacts, *metadata)
    return Built(candidate.producer_repo, order.sha, order.tag, order.visibility, candidate, every, public)


def _provenance(order: Order, job: Job, candidate: Candidate, key: str) -> bytes:
    from ms_release.adapters.signing import fingerprint, public_of, sign
    from ms_release.core.provenance import make_statement, pae, payload_of, render_provenance

    manifest = hashlib.sha256(render_candidate(candidate)).hexdigest()
    payload = payload_of(make_statement(candidate, manifest, job.server, job.ref, order.tag))
    return render_provenance(payload, sign(key, pae(payload)).strip(), fingerprint(public_of(key)))


def _artifact(name: str, path: Path, sha256: str) -> Artifact:
    size = path.stat().st_size
    if size == 0:
        raise UsageError(f"{name} is empty", remedy="No forge keeps an empty file; leave it out or fill it.")
    if ".." in name:
        raise UsageError(f"{name} has two dots in a row", remedy="The forge would rename it; call it otherwise.")
    return Artifact(id=name, filename=name, kind="file", os=None, arch=None, size=size, sha256=sha256)


def _remove_leftovers(folder: Path) -> None:
    """What a killed run of this command was writing."""
    for name in METADATA:
        for path in folder.glob(f".{name}.*"):
            path.unlink()


def _recipe(client: Client, job: Job, order: Order) -> tuple[tuple[str, str], ...]:
    """Path and SHA-256 of each recipe file. Raises UsageError for a declared one that is not there.

    Where none is declared it is the workflow file that built this, and nothing when the forge does not have that one.
    """
    files = recipe_files(order.recipe, job.workflow_file, sha=order.sha, workflow_at=job.commit)
    found = [(file.path, _sha256(client, job.repo, file)) for file in files]
    if order.recipe and (missing := [path for path, sha256 in found if not sha256]):
        raise UsageError(f"{job.repo} has no file {missing[0]!a}", remedy="Correct --recipe.")
    return tuple((path, sha256) for path, sha256 in found if sha256)


def _sha256(client: Client, repo: str, file: RecipeFile) -> str:
    """The SHA-256 of a file at a commit, "" when it is not there."""
    from ms_release.adapters.http import Refused

    try:
        answer = client.get(f"/repos/{repo}/contents/{file.path}", {"ref": file.at}).json
        return hashlib.sha256(base64.b64decode(answer["content"])).hexdigest()
    except Refused as error:
        if error.status != 404:
            raise
        return ""
    except (KeyError, TypeError, binascii.Error):
        return ""


def _now(client: Client) -> str:
    """The forge's own time of its last answer (faults F34), in UTC; this machine's when it did not say."""
    from ms_release.adapters.answers import moment
    from ms_release.adapters.system import Clock

    now = moment(client.date) if client.date else Clock().now()
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def run(order: Order, output: Output) -> None:
    """The command itself."""
    report = build(order, os.environ, output)
    output.document({"candidate": report})
    output.data(f"{report['message']} ({len(report['artifacts'])} artifacts)")
