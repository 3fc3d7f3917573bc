"""Builds dist/midi_studio.bwextension; the same sources give the same bytes."""

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent


def build(dist: Path) -> Path:
    """Write the extension into `dist` and return it."""
    dist.mkdir(parents=True, exist_ok=True)
    target = dist / "midi_studio.bwextension"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted((HERE / "src").iterdir()):
            # A fixed date and mode: nothing of the building machine may enter the archive.
            entry = zipfile.ZipInfo(file.name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, file.read_bytes())
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")))
