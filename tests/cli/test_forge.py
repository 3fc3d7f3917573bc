"""`forge serve`: one forge per directory, and the directory that a rehearsal left behind."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ms_release.forge.serve import Server

if TYPE_CHECKING:
    from cli.conftest import Organisation


def test_a_directory_is_served_once(organisation: Organisation) -> None:
    root = organisation.server.forge.root
    done = organisation.type(
        organisation.directory("twice"), organisation.environment(), "forge", "serve", "--data", str(root)
    )
    assert done.exit == 6
    assert "is being served already" in done.err


def test_it_can_be_served_again_when_it_is_not_any_more(tmp_path: Path) -> None:
    first = Server(tmp_path)
    first.start()
    with pytest.raises(BlockingIOError):
        Server(tmp_path)
    first.stop()
    again = Server(tmp_path)
    again.start()
    assert again.url == first.url
    again.stop()


def test_it_makes_its_world_below_the_directory_it_is_typed_in(organisation: Organisation) -> None:
    here = organisation.directory("fresh")
    serving = organisation.start(here, organisation.environment(), "forge", "serve")
    assert serving.stdout is not None
    assert serving.stdout.readline().decode().startswith("serving .ms/forge at http://127.0.0.1:")
    serving.send_signal(signal.SIGINT)
    serving.communicate(timeout=60)
    assert serving.returncode == 130
    assert (here / ".ms/forge/forge.sqlite").exists()
