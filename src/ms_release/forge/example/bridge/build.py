"""Builds dist/oc-bridge.pyz and its default configuration; the same sources give the same bytes."""

import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
MAIN = "import sys\nfrom oc_bridge.__main__ import main\nsys.exit(main())\n"


def build(dist: Path) -> list[Path]:
    """Write the zipapp and the configuration into `dist` and return them."""
    dist.mkdir(parents=True, exist_ok=True)
    target = dist / "oc-bridge.pyz"
    package = HERE / "oc_bridge"
    files = {f"oc_bridge/{file.name}": file.read_bytes() for file in sorted(package.glob("*.py"))}
    files["__main__.py"] = MAIN.encode()
    with target.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(files):
                # A fixed date and mode: nothing of the building machine may enter the archive.
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.create_system, entry.external_attr = 3, 0o100644 << 16
                archive.writestr(entry, files[name])
    config = dist / "oc-bridge-default.toml"
    config.write_bytes((HERE / "config/default.toml").read_bytes())
    return [target, config]


if __name__ == "__main__":
    print(*build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist")), sep="\n")
