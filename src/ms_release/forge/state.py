"""The embedded forge as one value: where its data lies, what time it is, and who runs the workflows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ms_release.forge.faults import Faults
from ms_release.forge.store import Store

if TYPE_CHECKING:
    from ms_release.forge.engine.runs import Engine


@dataclass
class Forge:
    """One world being served. `url` is the address people use (`http://127.0.0.1:PORT`), set once it is bound."""

    root: Path
    store: Store
    url: str = ""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    engine: Engine = field(init=False)
    faults: Faults = field(init=False)

    def __post_init__(self) -> None:
        self.faults = Faults(self.store)

    def now(self) -> str:
        """The forge's time as GitHub writes it."""
        return self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def git_dir(self, repo: str) -> Path:
        """The bare repository of `owner/name`."""
        return self.root / "git" / f"{repo}.git"

    def blob(self, name: str) -> Path:
        """The file that holds the bytes of an asset or artifact."""
        return self.root / "blobs" / name
