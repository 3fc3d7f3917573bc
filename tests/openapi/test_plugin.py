"""A test run in which the forge answered otherwise than GitHub fails, and says where."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ms_release.forge.witness import VARIABLE
from openapi import plugin
from openapi.answers import description
from openapi.test_answers import GOOD, line

TESTS = Path(__file__).parents[1]
BAD = {**GOOD, "ref": None}


def run(place: Path, lines: list[dict[str, Any]], *arguments: str) -> tuple[int, str]:
    """A test run of its own, whose only test writes down what the forge is to have answered."""
    text = "".join(json.dumps(one) + "\n" for one in lines)
    file = place / "lines"
    file.write_text(text + '{"half a li')  # as a process leaves it that is killed
    copied = f"shutil.copy({str(file)!r}, os.environ[{VARIABLE!r}] + '/x.jsonl')"
    place.joinpath("test_it.py").write_text(f"import os, shutil\ndef test_it():\n    {copied}\n")
    env = {name: value for name, value in os.environ.items() if name != VARIABLE and not name.startswith("PYTEST")}
    env |= {"PYTHONPATH": str(TESTS), "TMPDIR": str(place)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "openapi.plugin", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, check=False, cwd=place, env=env, capture_output=True, text=True)
    assert not list(place.glob("ms-witness-*"))
    return done.returncode, done.stdout + done.stderr


def test_a_run_of_good_answers(tmp_path: Path) -> None:
    assert plugin.VARIABLE == VARIABLE
    code, said = run(tmp_path, [line(GOOD)], "test_it.py")
    assert (code, "operations validated: 1 (1 different answers, 0 problems)" in said) == (0, True), said


def test_a_run_of_everything_with_bad_answers_from_another_process(tmp_path: Path) -> None:
    exchange = {"graphql": "{viewer {login}}", "body": {"data": {"viewer": {"login": 1}}}}
    lines = [line(GOOD), line(BAD), line(BAD), line(None, route="/graphql") | exchange]
    code, said = run(tmp_path, lines, "-n", "1")
    assert code == 1, said
    assert "GET /repos/{owner}/{repo}/git/ref/{ref} 200: ref: None is not of type 'string' (2 times)" in said
    assert "GraphQL .Query.viewer.User.login: 1 is no String" in said
    # nobody asked for anything else
    more = re.search(r"… and (\d+) more", said)
    unasked = said.count("served, and no test asks for it") + int(more[1] if more else 0)
    assert unasked == len(description()["operations"]) - 1
    assert "GET /repos/{owner}/{repo}: served" in said
