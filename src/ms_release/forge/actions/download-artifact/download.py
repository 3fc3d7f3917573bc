"""Fetches artifacts of a run from the forge, checks their digests and unpacks them."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path
from typing import Any


def get(path: str) -> Any:
    """An open answer of the forge."""
    address = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['REPOSITORY']}/actions/{path}"
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    return urllib.request.urlopen(urllib.request.Request(address, headers=headers))  # noqa: S310 (http, the forge)


def listed() -> list[dict[str, Any]]:
    """Every artifact of the run, all pages; of several with one name only the newest."""
    newest: dict[str, dict[str, Any]] = {}
    number = 1
    while True:
        with get(f"runs/{os.environ['RUN']}/artifacts?per_page=100&page={number}") as answer:
            part = json.load(answer)["artifacts"]
        for artifact in part:
            if artifact["id"] > newest.get(artifact["name"], {"id": 0})["id"]:
                newest[artifact["name"]] = artifact
        if len(part) < 100:
            return list(newest.values())
        number += 1


def wanted(artifacts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that the inputs ask for."""
    name, pattern, ids = os.environ["NAME"], os.environ["PATTERN"], os.environ["IDS"]
    if name:
        return [artifact for artifact in artifacts if artifact["name"] == name]
    if ids:
        numbers = {int(number) for number in ids.split(",")}
        return [artifact for artifact in artifacts if artifact["id"] in numbers]
    return [artifact for artifact in artifacts if fnmatch.fnmatchcase(artifact["name"], pattern or "*")]


def unpack(artifact: dict[str, Any], folder: Path) -> None:
    """Download, compare with the digest, extract. Raises ValueError when the bytes differ."""
    with tempfile.TemporaryFile() as bundle:
        with get(f"artifacts/{artifact['id']}/zip") as answer:
            shutil.copyfileobj(answer, bundle)
        bundle.seek(0)
        digest = hashlib.file_digest(bundle, "sha256").hexdigest()
        if f"sha256:{digest}" != artifact["digest"]:
            raise ValueError(f"the bytes of artifact {artifact['name']} are not those that were uploaded")
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(bundle) as files:
            files.extractall(folder)
    sys.stdout.write(f"Downloaded artifact {artifact['name']} to {folder}\n")


def main() -> int:
    """Download; 1 when a named artifact is not there or the forge refuses."""
    target = Path(os.environ["GITHUB_WORKSPACE"], os.environ["TARGET"])
    try:
        artifacts = wanted(listed())
        if not artifacts and (os.environ["NAME"] or os.environ["IDS"]):
            sys.stdout.write("::error::Unable to download artifact(s): Artifact not found for the given name or id\n")
            return 1
        flat = bool(os.environ["NAME"]) or os.environ["MERGE"] == "true"
        for artifact in artifacts:
            unpack(artifact, target if flat else target / artifact["name"])
    except (urllib.error.HTTPError, ValueError) as error:
        sys.stdout.write(f"::error::Unable to download artifact(s): {error}\n")
        return 1
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as outputs:
        outputs.write(f"download-path={target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
