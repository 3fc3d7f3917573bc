"""Episodes played side by side, each process its share of the seeds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from scenarios.phases import Undisturbed
from scenarios.stage import Saved
from storm.episode import play


def work(base: Path, first: int, step: int, seconds: float, told: Any) -> None:
    """Play every `step`-th episode from the `first` on, for so long; tell each ending, and None at the end."""
    undisturbed, number, until = Undisturbed(Saved(base)), first, time.monotonic() + seconds
    while time.monotonic() < until:
        told.put(play(number, undisturbed, base / f"episode-{number}"))
        number += step
    told.put(None)
