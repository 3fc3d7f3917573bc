"""Builds one firmware image for each layout; the same sources give the same bytes."""

import sys
from pathlib import Path

from firmware.image import render, to_hex
from firmware.layout import read

HERE = Path(__file__).parent


def build(dist: Path) -> list[Path]:
    """Write the images into `dist` and return them."""
    dist.mkdir(parents=True, exist_ok=True)
    targets = []
    for layout in sorted((HERE / "controls").glob("*.toml")):
        target = dist / f"midi-studio-{layout.stem}-firmware.hex"
        target.write_text(to_hex(render(read(layout))), "ascii", newline="\n")
        targets.append(target)
    return targets


if __name__ == "__main__":
    print(*build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")), sep="\n")
