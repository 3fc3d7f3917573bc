"""Reading the files that say how candidates are built: one question for all, their exact bytes by git's own id."""

from __future__ import annotations

import hashlib

from ms_release.adapters import answers_graph as graph
from ms_release.adapters import queries
from ms_release.adapters.asking import ask
from ms_release.adapters.facts import part_of
from ms_release.adapters.http import Client
from ms_release.adapters.queries import Query
from ms_release.config import Config
from ms_release.core.candidate_identity import RecipeFile, recipe_of
from ms_release.core.model import File, Pin
from ms_release.errors import BlockedError

Recipe = tuple[tuple[str, str], ...]


def read_recipes(client: Client, config: Config, pins: tuple[Pin, ...]) -> dict[str, Recipe]:
    """(path, SHA-256) of the recipe files of every pin whose candidate is found by identity, by repository id.

    Raises BlockedError for a file that is not there or is no text.
    """
    wanted = [(pin, files) for pin in pins if (files := recipe_of(config.repo(pin.repo), pin))]
    if not wanted:
        return {}
    query = Query()
    for number, (pin, files) in enumerate(wanted):
        parts = [queries.file_of(query, f"f{i}", f"{f.at}:{f.path}", text=True) for i, f in enumerate(files)]
        query.repository(f"r{number}", pin.slug, " ".join(parts))
    answer, found = ask(client, query), dict[str, Recipe]()
    for number, (pin, files) in enumerate(wanted):
        part = part_of(answer, f"r{number}", pin.slug)
        blobs = (graph.optional(part.get(f"f{i}"), graph.BlobNode, f.path) for i, f in enumerate(files))
        found[pin.repo] = tuple((f.path, _sha256(pin, f, blob)) for f, blob in zip(files, blobs, strict=True))
    return found


def _sha256(pin: Pin, file: RecipeFile, blob: graph.BlobNode | None) -> str:
    """Of exactly the bytes that git keeps: a text that the forge has altered or cut has another id."""
    data = (blob.text or "").encode("utf-8", "surrogatepass") if blob else b""
    if blob is None or File(file.path, data).blob != blob.oid:
        why = "is not there" if blob is None else "is no text that the forge shows whole"
        raise BlockedError(
            f"the recipe of {pin.repo}: {file.path} at {file.at[:12]} of {pin.slug} {why}",
            remedy="Correct repo.candidate.recipe (or workflow) in the configuration.",
        )
    return hashlib.sha256(data).hexdigest()
