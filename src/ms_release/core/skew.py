"""Version skew: the manifests of one repository that say which version it is must say the same (SPEC 6, 8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ms_release.core import strict_json, strict_toml
from ms_release.core.model import Finding

MANIFESTS = (
    "package.json", ".sentinel/package.json", "Cargo.toml", "src-tauri/Cargo.toml", "src-tauri/tauri.conf.json",
    "pyproject.toml", "version.txt", "release/version.txt",
)  # fmt: skip
"""The files that may name a version."""
_PLACES = {"Cargo.toml": "package", "pyproject.toml": "project"}
_PYTHON_BETA = re.compile(r"(\d+\.\d+\.\d+)b(\d+)")


def versions(texts: Mapping[str, str]) -> dict[str, str]:
    """The version that each manifest names; one that names none, or takes it from elsewhere, is left out.

    Raises DamagedError for a manifest that cannot be read.
    """
    found = {path: _version(path, text) for path, text in texts.items()}
    return {path: version for path, version in found.items() if version is not None}


def judge(subject: str, texts: Mapping[str, str]) -> Finding | None:
    """The finding about these manifests, or None where fewer than two name a version."""
    found = versions(texts)
    if len(found) < 2:
        return None
    if len({_comparable(version) for version in found.values()}) == 1:
        return Finding("VERSION_SKEW", subject, "PASS", f"{len(found)} manifests agree")
    told = ", ".join(f"{path} says {version}" for path, version in found.items())
    return Finding("VERSION_SKEW", subject, "FAIL", told, "Set them to one version, in one pull request.")


def _version(path: str, text: str) -> str | None:
    name = path.rpartition("/")[2]
    if name == "version.txt":
        return text.strip() or None
    if name.endswith(".json"):
        return _text(strict_json.parse(text.encode()))
    return _text(strict_toml.parse(text, path).get(_PLACES[name]))


def _text(table: Any) -> str | None:
    version = table.get("version") if isinstance(table, dict) else None
    return version if isinstance(version, str) else None


def _comparable(version: str) -> str:
    """Python writes 1.2.0b3 for 1.2.0-beta.3; a leading v is no part of a version."""
    plain = version.removeprefix("v")
    found = _PYTHON_BETA.fullmatch(plain)
    return f"{found[1]}-beta.{found[2]}" if found else plain
