"""Saved worlds for the scenarios, shared by all processes of the test run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.phases import Undisturbed
from scenarios.stage import Saved, Stage, staging


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "saved-worlds"
    shared.mkdir(exist_ok=True)
    return Saved(shared)


@pytest.fixture(scope="session")
def undisturbed(saved: Saved) -> Undisturbed:
    """The worlds between the phases of a release in which nothing goes wrong."""
    return Undisturbed(saved)


@pytest.fixture
def new_stage(saved: Saved, tmp_path: Path) -> Iterator[Stage]:
    """The example organisation, with nothing built."""
    with staging(saved.new(), tmp_path) as stage:
        yield stage


@pytest.fixture
def stage(saved: Saved, tmp_path: Path) -> Iterator[Stage]:
    """The example organisation with its candidates built."""
    with staging(saved.ready(), tmp_path) as stage:
        yield stage
