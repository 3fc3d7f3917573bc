"""The example organisation, served, and people who type commands behind the guard."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.conftest import Organisation, make

TESTS = Path(__file__).parents[1]
BETA = ("--channel", "beta", "--auto")


@dataclass
class Ended:
    """How a command ended."""

    exit: int
    out: bytes
    err: bytes


def type_guarded(folder: Path, env: dict[str, str], *words: str) -> Ended:
    """Type `ms release …` in a process that cannot write outside its own directories."""
    temporary, home = folder.parent / f"{folder.name}-tmp", folder.parent / f"{folder.name}-home"
    for place in (temporary, home):
        place.mkdir(exist_ok=True)
    own = {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(TESTS)}
    env = {"PATH": os.environ["PATH"], **env, **own}
    command = [sys.executable, "-B", "-m", "hostile.command", *words]
    ran = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False
    )
    assert b"Traceback" not in ran.stderr, ran.stderr.decode(errors="replace")[-2000:]
    return Ended(ran.returncode, ran.stdout, ran.stderr)


def is_clean(ended: Ended, exit: int) -> None:
    """The documented exit code, one verdict, and nothing on the terminal that acts."""
    err = ended.err.decode()
    assert ended.exit == exit, err
    assert err.count("error: ") == 1
    assert b"bug of ms" not in ended.err
    assert b"\x1b" not in ended.out + ended.err


def forge_at(url: str) -> dict[str, str]:
    """The environment of somebody whose forge is there."""
    return {"GH_TOKEN": "some-token-0123", "GITHUB_API_URL": f"{url}/api/v3"}


@pytest.fixture(scope="session")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    found = make(tmp_path_factory.mktemp("hostile"))
    yield found
    found.server.stop()
