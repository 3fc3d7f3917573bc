"""The actions that workflows may use, each by its commit: the only place in the program that knows them.

From the table of action pins; a new version is a change of this file, and `wire --check` then names every repository
whose files are older.
"""

from __future__ import annotations

PINS = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/setup-node": ("820762786026740c76f36085b0efc47a31fe5020", "v7.0.0"),
    "astral-sh/setup-uv": ("20cfd1bf945f4377ade1205e4dbc17946fc9a30d", "v10.0.1"),
    "pnpm/action-setup": ("fe02b34f77f8bc703788d5817da081398fad5dd2", "v4.0.0"),
    "ms-release/setup": ("5c0e1d9a7f3b46c2880d5e9f61a4b7c3d2e8f019", "v0.1.0"),
}
"""Action → commit and the version that it is. The last one is this tool's own."""


def uses(action: str) -> str:
    """The text behind `uses:`: pinned, with the version for people. Raises KeyError for an action that has no pin."""
    commit, version = PINS[action]
    return f"{action}@{commit} # {version}"
