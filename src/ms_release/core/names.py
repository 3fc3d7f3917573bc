"""Which names from outside may become file names, commits, digests and refs: allow-lists, never deny-lists alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from ms_release.errors import DamagedError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
# Windows opens devices under these names, with any extension.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_SHA = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REF = re.compile(r"[A-Za-z0-9._/@+#=,-]{1,200}")
_REPO_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/(.+)")
_SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")


def is_safe_name(text: str) -> bool:
    """Whether a file may be called that on every system: short ASCII, no path, device or trailing dot (faults F38)."""
    return bool(_NAME.fullmatch(text)) and not text.endswith(".") and not _DEVICE.fullmatch(text)


def refuse_twins(names: Iterable[str]) -> None:
    """Raise DamagedError when two names are one on a file system that ignores case or Unicode composition."""
    seen: dict[str, str] = {}
    for name in names:
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())
        if folded in seen:
            raise DamagedError(
                f"the names {seen[folded]!a} and {name!a} are the same file on some systems",
                remedy="Rename one of them where they are made.",
            )
        seen[folded] = name


def is_sha(text: str) -> bool:
    """Whether this is a full commit id: 40 lowercase hex digits."""
    return bool(_SHA.fullmatch(text))


def is_sha256(text: str) -> bool:
    """Whether this is a SHA-256: 64 lowercase hex digits."""
    return bool(_SHA256.fullmatch(text))


def is_slug(text: str) -> bool:
    """Whether this is `owner/name` as the forge allows it."""
    return bool(_SLUG.fullmatch(text)) and text.partition("/")[2] not in (".", "..")


def is_repo_url(text: str) -> bool:
    """Whether this is a repository's web address `http(s)://host[:port]/owner/name`."""
    found = _REPO_URL.fullmatch(text)
    return found is not None and is_slug(found[1])


def is_ref_name(text: str) -> bool:
    """Whether a short branch or tag name may reach git: `git check-ref-format --branch` and stricter (faults F44).

    Stricter: ASCII of an allow-list, at most 200 characters, no part that starts with a hyphen, nothing that git would
    read as something else (`refs/…`, HEAD, a commit id).
    """
    if not _REF.fullmatch(text) or text.startswith("refs/") or text in ("HEAD", "@") or is_sha(text):
        return False
    if ".." in text or text.endswith("."):
        return False
    return all(part and part[0] not in "-." and not part.endswith(".lock") for part in text.split("/"))
