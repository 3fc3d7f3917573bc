"""Zips files of the workspace and hands them to the forge as an artifact of this run; same files, same zip."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def found(pattern: str, hidden: bool) -> Iterator[Path]:
    """The files that one line of `path` names; a directory means everything below it."""
    for name in glob.glob(pattern, recursive=True, include_hidden=hidden):
        path = Path(name).absolute()
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in below:
            inside = file.relative_to(path).parts if path.is_dir() else ()
            if file.is_file() and (hidden or not any(part.startswith(".") for part in inside)):
                yield file


def chosen(lines: list[str], hidden: bool) -> tuple[Path, list[Path]]:
    """The directory that names in the zip start from, and the files, sorted."""
    wanted = [line for line in lines if not line.startswith("!")]
    unwanted = {file for line in lines if line.startswith("!") for file in found(line[1:].strip(), True)}
    files = sorted({file for line in wanted for file in found(line, hidden)} - unwanted)
    if len(wanted) == 1 and Path(wanted[0]).is_dir():
        return Path(wanted[0]).absolute(), files
    return Path(os.path.commonpath([file.parent for file in files])) if files else Path.cwd(), files


def write_zip(target: IO[bytes], root: Path, files: list[Path]) -> None:
    """A zip without times and owners."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bundle:
        for file in files:
            info = zipfile.ZipInfo(os.path.relpath(file, root), (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16  # the real action loses permissions as well
            info.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, bundle.open(info, "w", force_zip64=True) as sink:
                while block := source.read(1 << 20):
                    sink.write(block)


def send(body: IO[bytes], name: str) -> dict[str, str]:
    """Hand the zip to the forge; its answer is the artifact."""
    env = os.environ
    address = f"{env['GITHUB_API_URL']}/repos/{env['GITHUB_REPOSITORY']}/actions/artifacts/{env['GITHUB_RUN_ID']}/zip"
    query = urllib.parse.urlencode({"name": name, "overwrite": env["OVERWRITE"]})
    size = body.seek(0, os.SEEK_END)
    body.seek(0)
    headers = {"Authorization": f"Bearer {env['TOKEN']}", "Content-Type": "application/zip"}
    headers["Content-Length"] = str(size)
    url = f"{address}?{query}"  # the forge's own address, http
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        artifact: dict[str, str] = json.load(answer)
    return artifact


def main() -> int:
    """Upload; 1 when the files are missing and that is an error, or the forge refuses."""
    name = os.environ["NAME"]
    lines = [line.strip() for line in os.environ["FILES"].splitlines() if line.strip()]
    root, files = chosen(lines, os.environ["HIDDEN"] == "true")
    if not files:
        text = f"No files were found with the provided path: {' '.join(lines)}. No artifacts will be uploaded."
        level = {"warn": "::warning::", "error": "::error::"}.get(os.environ["MISSING"], "")
        sys.stdout.write(f"{level}{text}\n")
        return 1 if level == "::error::" else 0
    with tempfile.TemporaryFile() as bundle:
        write_zip(bundle, root, files)
        bundle.seek(0)
        digest = hashlib.file_digest(bundle, "sha256").hexdigest()
        try:
            artifact = send(bundle, name)
        except urllib.error.HTTPError as error:
            sys.stdout.write(f"::error::Failed to upload artifact {name}: {error.read().decode(errors='replace')}\n")
            return 1
    sys.stdout.write(f"Artifact {name} ({len(files)} files) has ID {artifact['id']} and SHA-256 {digest}\n")
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as outputs:
        outputs.write(f"artifact-id={artifact['id']}\nartifact-digest={digest}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
