"""Four small repositories, one of each kind, with the configuration that describes them.

They need nothing but git, a shell and Python: a `pnpm` that runs the scripts of package.json comes with the embedded
forge, `rust/tools/cargo` stands in for cargo and compiles nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ms_release.adapters.project_files import look
from ms_release.config import WireRule
from ms_release.core.project import gates_of

EXAMPLES = Path(__file__).parent / "examples"
CARGO = 'cargo() { sh tools/cargo "$@"; }; '


@dataclass(frozen=True)
class Example:
    """One repository: its gates, in order, and the keys that `wire = { … }` needs beside what is found."""

    name: str
    gates: tuple[str, ...]
    keys: str = ""


PYTHON = {
    "lint": "python3 -m compileall -q greeter tests",
    "typecheck": "python3 -m tabnanny greeter",
    "build": "python3 build.py",
}


def _cargo() -> dict[str, str]:
    """The default commands, with the stand-in in front: cargo is not on every machine."""
    return {gate.name: CARGO + gate.command for gate in gates_of(WireRule(), look(EXAMPLES / "rust"))}


def _table(gates: dict[str, str]) -> str:
    return ", ".join(f"{name} = {json.dumps(command)}" for name, command in gates.items())


ALL = {
    example.name: example
    for example in (
        Example("pnpm", ("lint", "typecheck", "test", "contracts", "sentinels", "build"), "sentinel = true"),
        Example("python", ("lint", "typecheck", "test", "build"), f"gates = {{ {_table(PYTHON)} }}"),
        Example("rust", ("lint", "typecheck", "test", "build"), f"gates = {{ {_table(_cargo())} }}"),
        Example("plain", ("test", "build"), 'gates = { test = "sh check.sh", build = "make build" }'),
    )
}


def configuration(example: Example, url: str, slug: str = "o/r") -> str:
    """An organisation of this one repository."""
    checks = ", ".join(f'{{ name = "{gate}", app = "github-actions" }}' for gate in example.gates)
    return f"""
product = []

[config]
schema = 1
home = "{slug}"

[forge]
url = "{url}"

[[repo]]
id = "{example.name}"
url = "{url}/{slug}"
checks = [{checks}]
candidate = {{ workflow = "candidate.yml", visibility = "prerelease" }}
wire = {{ {example.keys} }}

[policy]
manifest_key = "{"A" * 43}="

[roles]
maintainers = "o/maintainers"
release_managers = "o/managers"
"""


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file of a checkout, by its path."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and ".git" not in file.relative_to(folder).parts
    }
