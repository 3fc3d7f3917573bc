"""Checks that every release record is JSON and tells of the tag that its file name says."""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
TAG = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-beta\.[1-9]\d*)?")


def problems(root: Path) -> list[str]:
    """One sentence for each thing that is wrong under release-specs/ and release-plans/."""
    found = []
    for file in sorted([*root.glob("release-specs/*.json"), *root.glob("release-plans/*.json")]):
        name = f"{file.parent.name}/{file.name}"
        try:
            record = json.loads(file.read_text("utf-8"))
            tag = (record["plan"] if file.parent.name == "release-plans" else record)["tag"]
        except ValueError as bad:
            found.append(f"{name} is not JSON: {bad}")
        except (KeyError, TypeError):
            found.append(f"{name} names no tag")
        else:
            if tag != file.stem:
                found.append(f"{name} tells of {tag}")
            elif not TAG.fullmatch(tag):
                found.append(f"{name}: {tag} is not a release tag")
    return found


if __name__ == "__main__":
    found = problems(HERE)
    print(*(found or ["release records are well formed"]), sep="\n")
    sys.exit(1 if found else 0)
