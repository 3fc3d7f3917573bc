"""The operator's own copy of ledger entries: what a stolen token cannot rewrite together with the forge (SPEC 6).

One file per entry below `$XDG_STATE_HOME/ms-release/ledger`, written once an entry was seen to be right, never changed.
"""

from __future__ import annotations

import os
from pathlib import Path

from ms_release.adapters.files import read_limited, write_private
from ms_release.core.names import is_safe_name
from ms_release.errors import MachineError

_LARGEST = 4 << 20


class KeptLedger:
    """The entries of one home repository (`owner/name`) on one forge (`host[:port]`) that this machine has seen."""

    def __init__(self, base: Path, host: str, slug: str) -> None:
        self._place = base / "ledger" / host.replace(":", "+") / slug

    def read(self) -> dict[str, str]:
        """The entries by tag. Raises MachineError for one that cannot be read: what is unknown proves nothing."""
        if not self._place.is_dir():
            return {}
        files = sorted(file for file in self._place.iterdir() if file.suffix == ".json")
        try:
            return {file.stem: read_limited(file, _LARGEST).decode() for file in files}
        except UnicodeDecodeError:
            raise MachineError(f"{self._place} holds what is no text", remedy="Look at that directory.") from None

    def keep(self, tag: str, text: str) -> None:
        """Write down an entry that is not kept yet. Raises MachineError when it cannot be written."""
        file = self._place / f"{tag}.json"
        if is_safe_name(file.name) and not file.exists():
            write_private(file, text.encode())


def state_directory() -> Path:
    """Where what this machine has seen is kept; losing it costs the proof that the past was not rewritten."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return Path(base) / "ms-release"
