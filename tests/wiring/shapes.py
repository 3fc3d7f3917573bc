"""Every shape that a generated workflow can have: kinds, declared inputs, signatures, home repositories."""

from __future__ import annotations

import msgspec

from ms_release import config
from ms_release.config import Repo, WireRule
from ms_release.core.project import Found
from ms_release.forge import world
from ms_release.render.wire import files_of

URL = "https://forge.example"
ORGANISATION = world.EXAMPLE.parent
EXAMPLES = sorted(ORGANISATION.glob("*/.github/workflows/*.yml"))


def organisation() -> config.Config:
    text = (ORGANISATION / "distribution/ms-release.toml.tmpl").read_text().replace("@{url}", URL)
    return config.parse(text)


PLAIN = WireRule(gates={"test": "python3 -m unittest discover -s tests", "build": "python3 build.py dist"})
NOTHING = Found(frozenset())


def made_for(repo: Repo, rule: WireRule = PLAIN) -> dict[str, bytes]:
    wired = msgspec.structs.replace(repo, wire=rule)
    return {file.name: file.part.encode() for file in files_of(organisation(), wired, NOTHING)}


def every_workflow() -> dict[str, bytes]:
    """One of each shape: kinds, declared inputs, a signed candidate, and all files of a home repository."""
    known = organisation()
    found = {f"{repo.id}-{name}": data for repo in known.repos for name, data in made_for(repo).items()}
    shapes = {
        "npm": Found(frozenset({"package.json", "package-lock.json"}), {"package.json": '{"scripts": {"build": "x"}}'}),
        "uv": Found(frozenset({"pyproject.toml", "uv.lock"}), {"pyproject.toml": "[build-system]"}),
        "pip": Found(
            frozenset({"pyproject.toml"}), {"pyproject.toml": "[build-system]\n[project]\nrequires-python='>=3'"}
        ),
        "rust": Found(frozenset({"Cargo.toml"}), {"Cargo.toml": "[package]"}),
        "pnpm": Found(
            frozenset({"package.json", "pnpm-lock.yaml", ".sentinel/package.json", ".sentinel/pnpm-lock.yaml"}),
            {"package.json": '{"scripts": {"build": "x"}}', ".sentinel/package.json": '{"scripts": {"test": "x"}}'},
        ),
    }
    text = (ORGANISATION / "distribution/ms-release.toml.tmpl").read_text().replace("@{url}", URL)
    text = text.replace(
        'visibility = "draft"', 'visibility = "draft", inputs = ["oc-bridge", "loader"], recipe = ["build.py"]'
    )
    text = text.replace("[policy]\n", f'[policy]\ncandidate_key = "{"A" * 43}="\n')
    more = config.parse(text)
    for kind, shape in shapes.items():
        wired = msgspec.structs.replace(more.repo("core"), wire=WireRule(sentinel=kind == "pnpm"))
        found |= {f"{kind}-{file.name}": file.part.encode() for file in files_of(more, wired, shape)}
    return {name: data for name, data in found.items() if name.endswith(".yml")}
