"""`./dev openapi`: write tests/data/github-openapi.json from the npm package that carries GitHub's own description."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from openapi.answers import ALWAYS, FILE, VERSIONS
from openapi.extract import extract
from openapi.served import bare, served

PACKAGE, VERSION = "@octokit/openapi", "23.0.2"
_MEMBER = "package/generated/api.github.com.json"


def fetch(version: str) -> dict[str, Any]:
    """The description in a version of the package. Raises SystemExit with a remedy."""
    if shutil.which("npm") is None:
        sys.exit("openapi: npm is not on PATH.\n  Install it, for example: apt install npm\n  Then type: ./dev openapi")
    with tempfile.TemporaryDirectory() as place:
        command = ["npm", "pack", "--silent", "--pack-destination", place, f"{PACKAGE}@{version}"]
        packed = subprocess.run(command, check=False, capture_output=True, text=True)
        if packed.returncode:
            sys.exit(f"openapi: npm could not fetch {PACKAGE} {version}.\n{packed.stderr.strip()}")
        with tarfile.open(next(Path(place).glob("*.tgz"))) as bundle:
            file = bundle.extractfile(_MEMBER)
            if file is None:
                sys.exit(f"openapi: {PACKAGE} {version} has no {_MEMBER}.\n  Type: ./dev openapi --package-version …")
            found: dict[str, Any] = json.load(file)
            return found


def names_in(document: dict[str, Any]) -> list[str]:
    """GitHub's names of the operations that the forge serves. Raises SystemExit for one that GitHub does not have."""
    known = {
        bare(f"{method.upper()} {path}"): f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    missing = sorted({name for name in served() if bare(name) not in known})
    if missing:
        listed = "\n".join(f"  {name}" for name in missing)
        sys.exit(f"openapi: GitHub does not describe these:\n{listed}\n  If that is meant, say so in served.OWN.")
    return [known[bare(name)] for name in served()]


def main() -> None:
    """Parse the arguments, fetch, extract, write."""
    parser = argparse.ArgumentParser(prog="./dev openapi", description=__doc__)
    parser.add_argument("--package-version", default=VERSION, help=f"of {PACKAGE}, default %(default)s")
    parser.add_argument("--out", type=Path, default=FILE, help="default tests/data/github-openapi.json")
    asked = parser.parse_args()
    document = fetch(asked.package_version)
    found = extract(document, names_in(document), VERSIONS, ALWAYS)
    origin = {"package": PACKAGE, "version": asked.package_version, "api": list(VERSIONS)}
    asked.out.write_text(json.dumps({"origin": origin, **found}, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{asked.out}: {len(found['operations'])} operations, {len(found['schemas'])} schemas\n")


if __name__ == "__main__":
    main()
