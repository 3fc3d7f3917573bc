"""Version skew: the files of one repository that say which version it is must say the same (SPEC 6, 8)."""

from __future__ import annotations

from collections.abc import Mapping

from ms_release.core.model import Finding
from ms_release.core.version_files import comparable, places, read

MANIFESTS = (
    "package.json", "package-lock.json", ".sentinel/package.json", "Cargo.toml", "Cargo.lock", "src-tauri/Cargo.toml",
    "src-tauri/Cargo.lock", "src-tauri/tauri.conf.json", "pyproject.toml", "version.txt", "release/version.txt",
)  # fmt: skip
"""The files that may name a version."""


def versions(texts: Mapping[str, str]) -> dict[str, str]:
    """The version at each place that names one, by what people call the place.

    Raises DamagedError or UsageError for a file that cannot be read.
    """
    found = {place.label: read(place, texts[place.path]) for place in places(texts)}
    return {label: version for label, version in found.items() if version is not None}


def judge(subject: str, texts: Mapping[str, str]) -> Finding | None:
    """The finding about these files, or None where fewer than two places name a version."""
    found = versions(texts)
    if len(found) < 2:
        return None
    if len({comparable(version) for version in found.values()}) == 1:
        return Finding("VERSION_SKEW", subject, "PASS", f"{len(found)} version files agree")
    told = ", ".join(f"{label} says {version}" for label, version in found.items())
    return Finding("VERSION_SKEW", subject, "FAIL", told, "Set them to one version, in one pull request.")
