"""Markdown links to a repository's own pages; whatever could end a link early is shown as text instead."""

from __future__ import annotations

import re
from urllib.parse import quote

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/(?:[A-Za-z0-9._~-]|%[0-9A-F]{2})+)+")


def link(text: str, url: str) -> str:
    """A link to an address from configuration, or, where that is no address, the text alone. `text` is Markdown."""
    return f"[{text}]({url})" if _URL.fullmatch(url) else text


def page(repo_url: str, *path: str) -> str:
    """The address of a page of a repository, by the parts of its path; a part may hold slashes, and is escaped."""
    return "/".join((repo_url.removesuffix(".git"), *(quote(part) for part in path)))
