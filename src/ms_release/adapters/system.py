"""Time and signals of this machine, so that nothing else has to know them."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from ms_release.errors import Interrupted


class Clock:
    """The wall clock, in UTC."""

    def now(self) -> datetime:
        """This moment, aware, UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait; a signal ends it by an exception."""
        time.sleep(seconds)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM become `Interrupted` with exit code 130 or 143 (faults F48). Main thread only."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}
    for number in signals:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(128 + number)
