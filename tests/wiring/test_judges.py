"""What others say of the workflows that we write: zizmor, the published schema, and GitHub's own parser."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import PARSER
from wiring.shapes import EXAMPLES, every_workflow

TOOLS = Path(sys.executable).parent
HERE = Path(__file__).parent / "parser"
BAD = """\
on: {pull_request_target: }
permissions: write-all
jobs:
  test:
    runs-on: ubuntu-latest
    enviroment: release
    steps:
      - uses: actions/checkout@v7
      - run: echo ${{ github.event.pull_request.title }}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every shape of a generated file, and the workflows of the example organisation."""
    folder = tmp_path_factory.mktemp("workflows")
    for name, data in every_workflow().items():
        (folder / name).write_bytes(data)
    for file in EXAMPLES:
        (folder / f"example-{file.parts[-4]}-{file.name}").write_bytes(file.read_bytes())
    found = sorted(str(file) for file in folder.iterdir())
    assert len(found) > 25
    return found


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def zizmor(*files: str) -> subprocess.CompletedProcess[str]:
    return ran(str(TOOLS / "zizmor"), "--offline", "--no-config", "--no-progress", "--strict-collection", *files)


def schema(*files: str) -> subprocess.CompletedProcess[str]:
    return ran(str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *files)


def parser(*files: str) -> dict[str, list[str]]:
    """Complaints by file."""
    place = str(Path(PARSER).parents[2])
    done = ran("node", "--import", str(HERE / "register.mjs"), str(HERE / "check.mjs"), place, *files)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_zizmor_finds_nothing(files: list[str], tally: Callable[[str, int], None]) -> None:
    done = zizmor(*files)
    assert (done.returncode, "No findings to report" in done.stdout + done.stderr) == (0, True), done.stdout
    tally("workflow files without a finding of zizmor", len(files))


def test_the_schema_holds(files: list[str], tally: Callable[[str, int], None]) -> None:
    done = schema(*files)
    assert done.returncode == 0, done.stdout
    tally("workflow files that the published schema takes", len(files))


@pytest.mark.node
def test_githubs_own_parser_takes_them(files: list[str], tally: Callable[[str, int], None]) -> None:
    found = parser(*files)
    assert {file: told for file, told in found.items() if told} == {}
    assert sorted(found) == files
    tally("workflow files that GitHub's own parser takes", len(files))


def test_zizmor_and_the_schema_can_say_no(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(BAD)
    told = zizmor(str(bad))
    assert told.returncode > 10
    for rule in ("template-injection", "unpinned-uses", "dangerous-triggers"):
        assert rule in told.stdout
    assert "enviroment" in schema(str(bad)).stdout


@pytest.mark.node
def test_githubs_parser_can_say_no(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(BAD)
    assert any("enviroment" in told for told in parser(str(bad))[str(bad)])
