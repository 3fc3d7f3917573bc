"""The steps that generated workflows are made of, as lines of YAML: one way to write each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ms_release.core import strict_json
from ms_release.core.pins import uses
from ms_release.core.project import Found, Gate
from ms_release.errors import DamagedError

DIST = "dist"
PULL_REQUEST = "github.event_name == 'pull_request'"


def indent(lines: Iterable[str], by: int) -> list[str]:
    """Lines further to the right; empty ones stay empty."""
    return [f"{' ' * by}{line}" if line else "" for line in lines]


def action(name: str, inputs: Mapping[str, str] | None = None) -> list[str]:
    """A step that uses a pinned action."""
    lines = [f"- uses: {uses(name)}"]
    if inputs:
        lines += ["  with:", *(f"    {key}: {value}" for key, value in inputs.items())]
    return lines


def run(name: str, script: str, env: Mapping[str, str] | None = None) -> list[str]:
    """A step that runs a script. What varies comes by `env`, never as text of the script (F43)."""
    lines = [f"- name: {name}"]
    if env:
        lines += ["  env:", *(f"    {key}: {value}" for key, value in env.items())]
    return [*lines, "  run: |", *indent(script.split("\n"), 4)]


def checkout(**inputs: str) -> list[str]:
    """The sources; no token stays behind in them."""
    return action("actions/checkout", {**{k.replace("_", "-"): v for k, v in inputs.items()},
                                       "persist-credentials": "false"})  # fmt: skip


def upload(path: str, days: int | None = None) -> list[str]:
    """Files for a later job; an empty directory is an error."""
    kept = {"retention-days": str(days)} if days else {}
    return action("actions/upload-artifact", {"name": DIST, "path": f"{path}/", "if-no-files-found": "error", **kept})


def download() -> list[str]:
    """The files of an earlier job."""
    return action("actions/download-artifact", {"name": DIST, "path": DIST})


def tool() -> list[str]:
    """This program."""
    return action("ms-release/setup")


def toolchain(gate: Gate, found: Found, *, cached: bool) -> list[str]:
    """The programs that a gate needs, and what it must fetch first.

    `cached`: what a pull request fetched is kept for that pull request, and for nobody else. A cache is never read on
    the branch that releases are taken from, nor where bytes are built: whoever fills it would decide what they are.
    """
    steps: list[str] = []
    if "pnpm" in gate.needs:
        steps += action("pnpm/action-setup", _pnpm(found))
    if "node" in gate.needs:
        kind = "pnpm" if "pnpm" in gate.needs else "npm"
        kept = _kept(kind) if cached and gate.setup else {}
        steps += action("actions/setup-node", {"node-version": "lts/*", **kept, "package-manager-cache": "false"})
    if "python3" in gate.needs:
        asked = (
            {"python-version-file": "pyproject.toml"}
            if "requires-python" in found.texts.get("pyproject.toml", "")
            else {"python-version": '"3.x"'}
        )
        steps += action("actions/setup-python", asked)
    if "uv" in gate.needs:
        kept_if = f"${{{{ {PULL_REQUEST} }}}}" if cached else "false"
        steps += action("astral-sh/setup-uv", {"enable-cache": kept_if})
    if gate.setup:
        steps += run("Set up", "\n".join(gate.setup))
    return steps


def _kept(kind: str) -> dict[str, str]:
    lock = {"pnpm": "pnpm-lock.yaml", "npm": "package-lock.json"}[kind]
    return {"cache": f"${{{{ {PULL_REQUEST} && '{kind}' || '' }}}}", "cache-dependency-path": f'"**/{lock}"'}


def _pnpm(found: Found) -> dict[str, str]:
    """Which pnpm: the one that a package.json names, else the newest of a known line."""
    for path in ("package.json", ".sentinel/package.json"):
        try:
            package = strict_json.parse(found.texts.get(path, "{}").encode())
        except DamagedError:
            continue
        if isinstance(package, dict) and str(package.get("packageManager", "")).startswith("pnpm@"):
            return {} if path == "package.json" else {"package_json_file": path}
    return {"version": '"10"'}
