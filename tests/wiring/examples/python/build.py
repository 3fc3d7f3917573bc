"""One program in one file, the same bytes every time."""

import pathlib
import zipfile

pathlib.Path("dist").mkdir(exist_ok=True)
with zipfile.ZipFile("dist/greeter.zip", "w") as archive:
    archive.writestr(zipfile.ZipInfo("greeter/__init__.py"), pathlib.Path("greeter/__init__.py").read_bytes())
