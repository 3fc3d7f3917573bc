"""What all tests share: Hypothesis profiles, and the loud list of test groups that could not be run on this machine."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["openapi.plugin"]

# What `./dev setup --all` installs for the group node, beside the program: GitHub's own parser of workflow files.
PARSER = str(Path(sys.prefix) / "workflow-parser" / "node_modules" / "@actions" / "workflow-parser")
# Marker → the programs that a test of this group starts. The names are the markers of pyproject.toml.
GROUPS = {
    "gh": ("gh",),
    "node": ("node", PARSER),
    "chromium": ("chromium",),
    "registries": ("docker-registry", "skopeo"),
}
RUN_ALL = os.environ.get("MS_TEST_ALL") == "1"

# The same examples every time: a failure seen once can be seen again. `--all` looks further.
settings.register_profile(
    "default",
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("all", settings.get_profile("default"), max_examples=100)
settings.load_profile("all" if RUN_ALL else "default")


def missing_programs(group: str) -> list[str]:
    return [Path(p).name for p in GROUPS[group] if shutil.which(p) is None and not Path(p).is_dir()]


def pytest_configure(config: pytest.Config) -> None:
    missing = {group: programs for group in GROUPS if (programs := missing_programs(group))}
    if RUN_ALL and missing and not hasattr(config, "workerinput"):
        listed = "; ".join(f"{group}: {', '.join(programs)}" for group, programs in missing.items())
        raise pytest.UsageError(f"--all was asked for and programs are missing ({listed}). Type: ./dev setup --all")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        sampled = item.get_closest_marker("sampled")
        # by the test's name and not by chance: the same cases every time
        if sampled and not RUN_ALL and zlib.crc32(item.nodeid.encode()) % sampled.args[0]:
            item.user_properties.append(("group", "sampled"))
            item.add_marker(pytest.mark.skip(reason=f"one in {sampled.args[0]} of these cases"))
        for group in GROUPS:
            if item.get_closest_marker(group) is None:
                continue
            item.user_properties.append(("group", group))
            if missing := missing_programs(group):
                item.add_marker(pytest.mark.skip(reason=f"group {group}: {', '.join(missing)} not on PATH"))


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[[str, int], None]:
    """Add to a number that the end of the test run prints; it travels with the test's report, from any process."""

    def add(name: str, number: int) -> None:
        request.node.user_properties.append(("tally", (name, number)))

    return add


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    measured: Counter[str] = Counter()
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", "") == "call":
            for name, number in (value for key, value in report.user_properties if key == "tally"):
                measured[name] += number
    for name in sorted(measured):
        terminalreporter.write_line(f"MEASURED: {name}: {measured[name]:,}", bold=True)
    skipped: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        skipped.update(value for name, value in report.user_properties if name == "group")
    if skipped["sampled"]:
        line = f"NOT RUN: {skipped['sampled']} cases of large tables, of which a sample was run (./dev test --all)"
        terminalreporter.write_line(line, yellow=True, bold=True)
    for group in GROUPS:
        if missing := missing_programs(group):
            why = f"{', '.join(missing)} not on PATH; tests of it left out: {skipped[group]}"
            terminalreporter.write_line(f"NOT RUN: group {group} ({why}; ./dev setup --all)", yellow=True, bold=True)
    return (yield)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: looking for garbage in it takes a tenth of the time, and finds none."""
    gc.collect()
    gc.freeze()
