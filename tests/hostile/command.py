"""`ms release …` behind the guard: it may write in its directory, its HOME and its TMPDIR, and nowhere else."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from hostile.guard import forbid
from ms_release.cli.main import release, run

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    allowed = [Path.cwd(), *(Path(os.environ[name]) for name in ("HOME", "TMPDIR") if name in os.environ)]
    forbid(*allowed, programs=True, network=True)
    sys.exit(run(release, sys.argv[1:], "ms release"))
