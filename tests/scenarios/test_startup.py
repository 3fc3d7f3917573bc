"""Asking for help is quick, and loads nothing that talks to a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BARE = [sys.executable, "-c", "pass"]
HELP = [str(Path(sys.executable).with_name("ms")), "release", "--help"]
PAIRS, FACTOR = 7, 6
NETWORK = {
    "anyio", "asyncio", "h11", "http.client", "httpcore", "httpx", "socket", "ssl", "starlette", "urllib.request",
    "uvicorn",
}  # fmt: skip

LOADED = """
import json, sys
from ms_release.cli.main import ms
try:
    ms()
except SystemExit:
    pass
sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


def seconds(command: list[str]) -> float:
    """Processor time of a program: unlike the clock on the wall it leaves out the tests that run beside this one."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode == 0
    return used.ru_utime + used.ru_stime


def test_help_takes_no_more_than_six_times_an_empty_program() -> None:
    pairs = [(seconds(BARE), seconds(HELP)) for _ in range(PAIRS)]
    bare, helped = (min(times) for times in zip(*pairs, strict=True))
    assert helped <= FACTOR * bare, f"{helped * 1000:.0f} ms, an empty program {bare * 1000:.0f} ms"


def test_help_loads_no_network_library() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOADED, "release", "--help"], check=True, capture_output=True, text=True
    )
    assert "rehearse" in done.stdout
    assert NETWORK.isdisjoint(json.loads(done.stderr))
