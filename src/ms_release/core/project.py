"""What a repository is made with, and the gates that it can therefore run: the one place that knows their commands."""

from __future__ import annotations

import re
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from ms_release.config import WireRule
from ms_release.core import strict_json, strict_toml
from ms_release.errors import DamagedError, UsageError

Kind = Literal["pnpm", "npm", "python", "rust", "plain"]

NAMES = ("lint", "typecheck", "test", "contracts", "sentinels", "build")
"""The gates of the playbook, in the order in which they are shown; those of the configuration follow."""

TEXTS = ("package.json", ".sentinel/package.json", "pyproject.toml", "Cargo.toml")
"""The files whose text decides."""

MARKS = (
    *TEXTS, "pnpm-lock.yaml", "package-lock.json", ".sentinel/pnpm-lock.yaml", "uv.lock", "requirements.txt",
    "requirements-dev.txt", "ruff.toml", "mypy.ini", "pytest.ini", "setup.py", "Cargo.lock", "tests",
)  # fmt: skip
"""The paths whose presence decides: whoever looks at a repository looks for these, and for nothing else."""

_SCRIPTS = {
    "lint": ("lint",),
    "typecheck": ("typecheck", "type-check"),
    "test": ("test",),
    "contracts": ("validate:contracts", "contracts"),
    "sentinels": ("sentinels",),
    "build": ("build",),
}
_NO_TEST = "no test specified"  # what `npm init` writes: it fails always, and tests nothing
_JOB = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_PNPM = ("node", "pnpm")


class Found(Struct, frozen=True):
    """What a look at a repository has found: which of MARKS are there, and the texts of those of TEXTS that are."""

    paths: frozenset[str]
    texts: dict[str, str] = {}


class Gate(Struct, frozen=True):
    """One question that a commit must answer with exit code 0.

    `command` is a line for `sh -e`, typed in the root of a clean checkout after the lines of `setup`. `needs` are the
    programs that both call, beside the shell's own. Gates never wait for each other: one that is skipped because
    another failed would count as passed for a required check (github-facts G17).
    """

    name: str
    command: str
    needs: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()


def kind_of(rule: WireRule, found: Found) -> Kind:
    """The configured kind, else the first that the files fit. Raises DamagedError for a package.json that is none."""
    if rule.kind is not None:
        return rule.kind
    if "package.json" in found.paths:
        manager = str(_package(found, "package.json").get("packageManager", ""))
        return "pnpm" if "pnpm-lock.yaml" in found.paths or manager.startswith("pnpm@") else "npm"
    if found.paths & {"pyproject.toml", "setup.py", "requirements.txt"}:
        return "python"
    return "rust" if "Cargo.toml" in found.paths else "plain"


def gates_of(rule: WireRule, found: Found) -> tuple[Gate, ...]:
    """The gates that the repository can run, in the order of NAMES; those that only the configuration names come last.

    Raises UsageError when there is none (SPEC 1.6), or for one that no job can have; DamagedError for damaged files.
    """
    kind = kind_of(rule, found)
    base = _base(kind, found)
    gates = {gate.name: gate for gate in _KINDS[kind](base, found)}
    if rule.sentinel:
        gates |= _sentinel(gates.get("test"), found)
    for name, command in rule.gates.items():
        gates[name] = replace(gates.get(name, base), name=name, command=command.strip())
    for gate in gates.values():
        _check(gate)
    order = [*NAMES, *rule.gates]
    kept = sorted((g for g in gates.values() if g.command), key=lambda gate: order.index(gate.name))
    if not kept:
        raise UsageError(
            f"no gate is known for this repository (kind {kind})",
            remedy='Say how it is checked: [repo.wire] gates = { test = "…", build = "…" }.',
        )
    return tuple(kept)


def _check(gate: Gate) -> None:
    """A gate becomes a job and a line of shell: its name must be one, and no expression may reach the shell (F43)."""
    if not _JOB.fullmatch(gate.name):
        raise UsageError(
            f"{gate.name[:80]!a} cannot be the name of a gate (key repo.wire.gates)",
            remedy="Use letters, digits, - and _ , beginning with a letter.",
        )
    if "${{" in gate.command or any(not (c.isprintable() or c in "\n\t") for c in gate.command):
        raise UsageError(
            f"the command of the gate {gate.name} holds ${{{{ or a control character (key repo.wire.gates)",
            remedy="Write a plain shell command; what varies comes from the environment.",
        )


def _base(kind: Kind, found: Found) -> Gate:
    """A gate without name and command: what every gate of this kind needs before its own line."""
    match kind:
        case "pnpm":
            lock = ("pnpm install --frozen-lockfile",) if "pnpm-lock.yaml" in found.paths else ()
            return Gate("", "", _PNPM, lock)
        case "npm":
            return Gate("", "", ("node", "npm"), ("npm ci",) if "package-lock.json" in found.paths else ())
        case "python":
            uv = "uv.lock" in found.paths
            return Gate("", "", ("python3", "uv") if uv else ("python3",), _python_setup(found, uv))
        case "rust":
            return Gate("", "", ("cargo",))
        case "plain":
            return Gate("", "")


def _scripted(base: Gate, found: Found) -> list[Gate]:
    """One gate for each script of package.json that is called like one."""
    runner = "pnpm run" if "pnpm" in base.needs else "npm run"
    scripts = _package(found, "package.json").get("scripts")
    return [
        replace(base, name=name, command=f"{runner} {script}")
        for name, script in _named(scripts if isinstance(scripts, dict) else {}).items()
    ]


def _named(scripts: dict[str, Any]) -> dict[str, str]:
    """Gate → the script that runs it."""
    known = {name for name, text in scripts.items() if isinstance(text, str) and text and _NO_TEST not in text}
    first = {gate: next((name for name in names if name in known), None) for gate, names in _SCRIPTS.items()}
    return {gate: name for gate, name in first.items() if name is not None}


def _sentinel(test: Gate | None, found: Found) -> dict[str, Gate]:
    """The playbook's gates of `.sentinel`: its contracts, its sentinels, and its tests after those of the repository.

    Raises UsageError when the configuration promises a folder that is not there.
    """
    if ".sentinel/package.json" not in found.paths:
        raise UsageError(
            "sentinel = true, but the repository has no .sentinel/package.json (key repo.wire.sentinel)",
            remedy="Commit that folder, or take the key away.",
        )
    scripts = _package(found, ".sentinel/package.json").get("scripts")
    named = _named(scripts if isinstance(scripts, dict) else {})
    lock = ("pnpm -C .sentinel install --frozen-lockfile",) if ".sentinel/pnpm-lock.yaml" in found.paths else ()
    gates: dict[str, Gate] = {
        name: Gate(name, f"pnpm -C .sentinel run {named[name]}", _PNPM, lock)
        for name in ("test", "contracts", "sentinels")
        if name in named
    }
    if test is not None and (inner := gates.get("test")):
        needs = tuple(dict.fromkeys((*test.needs, *inner.needs)))
        gates["test"] = Gate("test", f"{test.command} && {inner.command}", needs, (*test.setup, *lock))
    return gates


def _python(base: Gate, found: Found) -> list[Gate]:
    project = _toml(found, "pyproject.toml")
    tool = project.get("tool")
    tools = tool if isinstance(tool, dict) else {}
    uv = "uv" in base.needs
    run = "uv run --locked" if uv else "python3 -m"
    commands = {}
    if "ruff" in tools or "ruff.toml" in found.paths:
        commands["lint"] = f"{run} ruff check ."
    if "mypy" in tools or "mypy.ini" in found.paths:
        settings = tools.get("mypy")
        named = "mypy.ini" in found.paths or (isinstance(settings, dict) and settings.keys() & {"files", "packages"})
        commands["typecheck"] = f"{run} mypy" if named else f"{run} mypy ."
    if "pytest" in tools or "pytest.ini" in found.paths:
        commands["test"] = f"{run} pytest"
    elif "tests" in found.paths:
        commands["test"] = f"{'uv run --locked python' if uv else 'python3'} -m unittest discover -s tests"
    if "build-system" in project:
        commands["build"] = "uv build --wheel --out-dir dist" if uv else "python3 -m pip wheel --no-deps -w dist ."
    return [replace(base, name=name, command=command) for name, command in commands.items()]


def _python_setup(found: Found, uv: bool) -> tuple[str, ...]:
    if uv:
        return ("uv sync --locked --all-extras",)
    files = [name for name in ("requirements.txt", "requirements-dev.txt") if name in found.paths]
    project = _toml(found, "pyproject.toml")
    lines = [f"python3 -m pip install {' '.join(f'-r {name}' for name in files)}"] if files else []
    if "build-system" in project:
        table = project.get("project")
        extras = table.get("optional-dependencies") if isinstance(table, dict) else None
        lines.append(f'python3 -m pip install -e ".{"[dev]" if isinstance(extras, dict) and "dev" in extras else ""}"')
    return tuple(lines)


def _rust(base: Gate, found: Found) -> list[Gate]:
    locked = " --locked" if "Cargo.lock" in found.paths else ""
    commands = {
        "lint": f"cargo fmt --check && cargo clippy --all-targets{locked} -- -D warnings",
        "typecheck": f"cargo check --all-targets{locked}",
        "test": f"cargo test{locked}",
    }
    if "package" in _toml(found, "Cargo.toml"):  # else a workspace: which of its programs are shipped, only people know
        install = f"cargo install --path .{locked} --root target/dist"
        commands["build"] = f"{install} && mkdir -p dist && cp target/dist/bin/* dist/"
    return [replace(base, name=name, command=command) for name, command in commands.items()]


def _plain(_base: Gate, _found: Found) -> list[Gate]:
    """Nothing is assumed: the gates are those of the configuration."""
    return []


_KINDS = {"pnpm": _scripted, "npm": _scripted, "python": _python, "rust": _rust, "plain": _plain}


def _package(found: Found, path: str) -> dict[str, Any]:
    value = strict_json.parse(found.texts.get(path, "{}").encode())
    if not isinstance(value, dict):
        raise DamagedError(f"{path} is no JSON object", remedy="Correct the file.")
    return value


def _toml(found: Found, path: str) -> dict[str, Any]:
    return strict_toml.parse(found.texts.get(path, ""), path)
