"""Part of every test run: all answers that the forge gave in it are held to GitHub's own description.

A pytest plugin. `start` makes every forge of the run, in any process, write down its answers; `finish` judges them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# What the forge's witness listens to. The forge is not imported here: every process of every run reads this file.
VARIABLE = "MS_FORGE_WITNESS"
_SHOWN = 100
_PLACE = pytest.StashKey[Path]()
_PROBLEMS = pytest.StashKey[list[str]]()
_COUNTS = pytest.StashKey[Counter[str]]()


def start(config: pytest.Config) -> None:
    """Before any worker starts: they inherit the environment. Nothing in a worker, or if somebody set it before."""
    if not hasattr(config, "workerinput") and VARIABLE not in os.environ:
        config.stash[_PLACE] = Path(tempfile.mkdtemp(prefix="ms-witness-"))
        os.environ[VARIABLE] = str(config.stash[_PLACE])


def finish(config: pytest.Config, complete: bool) -> tuple[list[str], Counter[str]]:
    """Every problem of the run, in sentences, and the numbers to print; the recorded answers are deleted.

    `complete`: no test failed, so that what nobody asked for can be told if the run was of all tests.
    """
    place = config.stash.get(_PLACE, None)
    if place is None:
        return [], Counter()
    del os.environ[VARIABLE]
    try:
        return judged(lines(place), complete and _is_whole(config))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def lines(place: Path) -> Iterator[dict[str, Any]]:
    """The recorded answers; only whole lines, since a process may have been killed while it wrote its last one."""
    for file in sorted(place.glob("*.jsonl")):
        for text in file.read_text().split("\n")[:-1]:
            yield json.loads(text)


def judged(answers: Iterator[dict[str, Any]], whole: bool) -> tuple[list[str], Counter[str]]:
    """Judge answers; of a whole test run also which operations nobody asked for."""
    from openapi.answers import Judge, description
    from openapi.deviations import UNUSED
    from openapi.queries import judge as judge_query

    judge, problems, counts = Judge(description()), Counter[str](), Counter[str]()
    for line in answers:
        counts["answers"] += 1
        in_graphql = "graphql" in line and line["status"] == 200
        problems.update(judge_query(line) if in_graphql else judge.judge(line))
    counts["operations"] = len(+judge.seen)
    if whole:
        unused = judge.served - {*+judge.seen, *UNUSED}
        problems.update(f"{name}: served, and no test asks for it" for name in unused)
    return [text if number == 1 else f"{text} ({number} times)" for text, number in sorted(problems.items())], counts


def _is_whole(config: pytest.Config) -> bool:
    chosen = ("file_or_dir", "keyword", "markexpr", "lf", "deselect", "ignore", "ignore_glob", "maxfail", "collectonly")
    return not any(config.getoption(name, None) for name in chosen)


# ---- the plugin


def pytest_configure(config: pytest.Config) -> None:
    start(config)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    problems, counts = finish(session.config, session.exitstatus == pytest.ExitCode.OK)
    session.config.stash[_PROBLEMS], session.config.stash[_COUNTS] = problems, counts
    if problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    problems, counts = config.stash.get(_PROBLEMS, []), config.stash.get(_COUNTS, Counter())
    if counts["answers"]:
        told = f"{counts['operations']} ({counts['answers']:,} different answers, {len(problems)} problems)"
        terminalreporter.write_line(f"MEASURED: operations validated: {told}", bold=True)
    if problems:
        terminalreporter.section("the forge answers otherwise than GitHub says it does", red=True)
        for problem in problems[:_SHOWN]:
            terminalreporter.write_line(problem)
        if len(problems) > _SHOWN:
            terminalreporter.write_line(f"… and {len(problems) - _SHOWN} more")
