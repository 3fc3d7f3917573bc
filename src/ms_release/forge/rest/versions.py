"""REST: which of the two served versions of the API is asked for; GitHub took some fields out of the newer one."""

from __future__ import annotations

from starlette.requests import Request

NEWER = "2026-03-10"


def is_newer(request: Request) -> bool:
    """Whether the request asks for 2026-03-10; without the header it gets 2022-11-28 (G2)."""
    return request.headers.get("x-github-api-version", "") >= NEWER
