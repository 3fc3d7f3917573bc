"""A pnpm that knows `[-C DIR] run SCRIPT` and `[-C DIR] install --frozen-lockfile`; it has no network and says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WORDS = ("dependencies", "devDependencies", "optionalDependencies")


def main(words: list[str]) -> int:
    """The exit code of the script, or 1 with a reason."""
    folder = Path.cwd()
    if words[:1] == ["-C"] and len(words) > 1:
        folder, words = folder / words[1], words[2:]
    package = json.loads((folder / "package.json").read_text())
    if words == ["install", "--frozen-lockfile"]:
        return install(folder, package)
    if len(words) < 2 or words[0] != "run":
        return refuse(f"this stand-in does not know: pnpm {' '.join(words)}")
    script = package.get("scripts", {}).get(words[1])
    if not isinstance(script, str):
        return refuse(f"Missing script: {words[1]}")
    say(f"> {script}")
    return subprocess.run(["sh", "-c", f'{script} "$@"', "sh", *words[2:]], cwd=folder, check=False).returncode


def install(folder: Path, package: dict[str, object]) -> int:
    """Nothing to install is done; anything else needs a network."""
    if not (folder / "pnpm-lock.yaml").is_file():
        return refuse("ERR_PNPM_NO_LOCKFILE: pnpm-lock.yaml is missing")
    if any(package.get(word) for word in WORDS):
        return refuse("this stand-in has no network: it installs nothing")
    say("Already up to date")
    return 0


def say(text: str) -> None:
    """A line of the log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def refuse(why: str) -> int:
    """Say why it cannot."""
    say(why)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
