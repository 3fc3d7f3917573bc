"""How much memory this process has held at most: what the kernel says, so that no library's own allocator is missed."""

from __future__ import annotations

import re
from pathlib import Path


def fresh_peak() -> int:
    """Forget the peak so far, so that what comes next does not hide behind it; the bytes that are held now."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """Bytes, of this process alone: `ru_maxrss` would start at what its parent held (getrusage(2), exec keeps it)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024
