"""Bringing a candidate release to completion: look, decide, perform, look again, until it is complete (faults F26)."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from ms_release.adapters.answers_graph import convert
from ms_release.adapters.candidate_trust import unsigned
from ms_release.adapters.candidates import release_from_rest
from ms_release.adapters.github_write import GitHubWriter
from ms_release.adapters.http import Client, Refused
from ms_release.core import action
from ms_release.core.action import Act, Action, Blocked, Done
from ms_release.core.candidate import MANIFEST_NAME, MAX_BYTES, SIGNATURE_NAME
from ms_release.core.candidate_release import Built, Found, next_candidate
from ms_release.core.observation import Release
from ms_release.errors import BlockedError, CredentialError, ForgeError, MsError, UnknownOutcomeError

_ROUNDS = 8


class _Target(Struct):
    sha: str


class _Ref(Struct):
    object: _Target


def observe(client: Client, built: Built, made: frozenset[int] = frozenset()) -> Found:
    """The releases of a build's tag, drafts included, with what the one says of itself.

    `made`: releases that this run created; they count although the list may not show them yet (github-facts G6).
    """
    slug, tag = built.repo, built.tag
    listed = [release_from_rest(document) for document in client.pages(f"/repos/{slug}/releases")]
    lagging = made - {r.id for r in listed}
    listed += [release_from_rest(client.get(f"/repos/{slug}/releases/{id}").json) for id in sorted(lagging)]
    ours = tuple(r for r in listed if r.tag == tag)
    manifest = _small(client, slug, ours[0], MANIFEST_NAME) if len(ours) == 1 else None
    distrust: list[str] = []
    if manifest is not None and built.key:
        signature = _small(client, slug, ours[0], SIGNATURE_NAME)
        metadata = {MANIFEST_NAME: manifest, **({SIGNATURE_NAME: signature} if signature is not None else {})}
        distrust = unsigned(built.key, metadata)
    return Found(ours, manifest, _tag_commit(client, slug, tag), tuple(distrust))


def complete(client: Client, built: Built, folder: Path, say: Callable[[str], None]) -> tuple[str, tuple[Action, ...]]:
    """Do what is missing, and nothing when nothing is; what stands now, and the effects it took.

    Raises BlockedError for a release that is not ours or not the only one, IntegrityError for a finished candidate with
    other bytes, ForgeError when the forge keeps something else than was sent, and what the client raises.
    """
    writer = GitHubWriter(client, folder)
    made: set[int] = set()
    performed: list[Action] = []
    for _ in range(_ROUNDS):
        step = next_candidate(built, observe(client, built, frozenset(made)))
        match step:
            case Done():
                return step.message, tuple(performed)
            case Blocked():
                raise BlockedError(step.cause, remedy=step.remedy)
            case Act():
                for what in step.actions:
                    say(what.key)
                    outcome = _perform(writer, what)
                    if outcome is None:
                        break
                    performed.append(what)
                    if isinstance(what, action.CreateDraft):
                        made.add(outcome)
    raise ForgeError(
        f"{built.tag} of {built.repo} is not what was sent, after {_ROUNDS} attempts",
        remedy="Look at that release: the forge may have renamed or damaged a file.",
    )


def _perform(writer: GitHubWriter, what: Action) -> int | None:
    """The id that the forge gave; None when only another look can tell whether it was done (github-facts G7, G35)."""
    try:
        return writer.perform(what).id
    except UnknownOutcomeError:
        # A draft that may exist is not made twice: the list may lag behind (G6), so a person looks first.
        if isinstance(what, action.CreateDraft):
            raise
        return None
    except Refused as error:
        if isinstance(what, action.UploadAsset) and error.has("already_exists"):
            return None
        if isinstance(what, action.DeleteAsset) and error.status == 404:
            return None
        raise _refused(what, error) from None


def _refused(what: Action, error: Refused) -> MsError:
    if isinstance(what, action.CreateDraft | action.PublishRelease) and error.status == 404:
        return CredentialError(
            f"the forge does not let this token make {what.tag} in {what.repo}",
            remedy="The job needs contents: write. For a commit with other workflows than the default branch (G34) it "
            "needs a token that may change workflows: start the candidate before the workflows change.",
        )
    return BlockedError(f"{what.key} was refused: {error.message}", remedy="Check tag and commit.")


def _small(client: Client, slug: str, release: Release, name: str) -> bytes | None:
    asset = next((a for a in release.assets if a.name == name), None)
    if asset is None or asset.id is None or not 0 <= asset.size <= MAX_BYTES:
        return None
    sink = io.BytesIO()
    client.download(f"/repos/{slug}/releases/assets/{asset.id}", sink, max_bytes=MAX_BYTES)
    return sink.getvalue()


def _tag_commit(client: Client, slug: str, tag: str) -> str | None:
    """What the tag points to, None when there is no such tag."""
    try:
        answer = client.get(f"/repos/{slug}/git/ref/tags/{tag}").json
    except Refused as error:
        if error.status == 404:
            return None
        raise
    return convert(answer, _Ref, "a tag").object.sha
