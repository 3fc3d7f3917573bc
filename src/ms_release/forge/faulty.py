"""What a request that is hit by a fault gets: in GitHub's own shapes, or half of it, or nothing at all."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from datetime import datetime
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from ms_release.forge import web, wire
from ms_release.forge.errors import Refusal
from ms_release.forge.faults import Fault
from ms_release.forge.limits import LimitError, Limits, Quota

LIMIT_KINDS = ("primary_limit", "secondary_limit")
_DROPS = ("drop_before", "commit_then_drop")
_MUTATION = re.compile(rb'"query"\s*:\s*"(?:\\[nrt]|\s)*mutation\b')
_KEPT_BYTES = 16 << 20
_Question = tuple[str, str, bytes]
_SSO_PAGE = "https://docs.github.com/articles/authenticating-to-a-github-organization-with-saml-single-sign-on/"
_SAML = (
    "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this"
    " organization."
)
_SECONDARY = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to"
    " GitHub Support for help, please include the request ID."
)
_SECONDARY_PAGE = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"
_UNICORN = """<!DOCTYPE html>
<html>
  <head><meta charset="utf-8"><title>Unicorn! &middot; GitHub</title></head>
  <body>
    <p><strong>We had issues producing the response to your request.</strong></p>
    <p>Sorry about that. Please try refreshing and contact us if the problem persists.</p>
  </body>
</html>
"""


def question(request: Request, area: str) -> str:
    """What a fault's `query` is compared with: the query string, or for GraphQL `query` or `mutation`."""
    if area != "graphql":
        return str(request.url.query)
    return "mutation" if _MUTATION.search(web.body_file(request).read()) else "query"


def instead(fault: Fault, request: Request, area: str, limits: Limits, now: datetime) -> Response | None:
    """The answer of the faults that let nothing happen; None when the request is to be carried out."""
    match fault.kind:
        case "fail_before" | "drop_before":
            return _unicorn()
        case "expired_token":
            return _refuse(area, 401, "Bad credentials", {"www-authenticate": 'Basic realm="GitHub"'})
        case "sso":
            return _sso(area, _organisation(request))
        case "primary_limit":
            quota = limits.take(web.identity_of(request), "graphql" if area == "graphql" else "core", now, 0)
            reset = int(now.timestamp() + fault.seconds) if fault.seconds else quota.reset
            spent = Quota(quota.resource, quota.limit, quota.limit, reset)
            return limited(LimitError(spent, web.identity_of(request)), area)
        case "secondary_limit":
            told = {"retry-after": str(max(1, round(fault.seconds)))} if fault.seconds else {}
            return _refuse(area, 403, _SECONDARY, told, _SECONDARY_PAGE)
    return None


def limited(limit: LimitError, area: str) -> Response:
    """The primary limit: 403, but for GraphQL a success with an error in it (G44)."""
    if area == "graphql":
        errors = [{"type": "RATE_LIMITED", "message": limit.message}]
        return JSONResponse({"errors": errors}, 200, limit.quota.headers())
    return _refuse(area, limit.status, limit.message, limit.quota.headers())


def in_part(request: Request, response: Response, area: str) -> Response:
    """A read without what belongs to an organisation that wants single sign-on: a success, and not the whole (G41)."""
    if response.status_code != 200 or _asked(request, response, area) is None:
        return response
    body = json.loads(bytes(response.body))
    headers = {"x-github-sso": "partial-results; organizations=21955855,20582480"}
    if area == "graphql":
        name = next((name for name, value in (body.get("data") or {}).items() if value is not None), None)
        if name is None:
            return response
        body["data"][name] = None
        body["errors"] = [*body.get("errors", ()), _saml_error([name])]
        return JSONResponse(body, 200, headers)
    for items in [body] if isinstance(body, list) else body.values():
        if isinstance(items, list):
            del items[len(items) // 2 :]
    return JSONResponse(body, 200, headers)


class History:
    """What was answered before: at most two different answers to each question of each asker, the oldest forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Question, list[Response]] = OrderedDict()
        self._bytes = 0

    def note(self, request: Request, response: Response, area: str) -> None:
        """Keep an answer to a read."""
        key = _asked(request, response, area)
        if key is None:
            return
        with self._lock:
            known = self._kept.pop(key, [])
            kept = [*(old for old in known if not _equal(old, response)), response][-2:]
            self._kept[key] = kept
            self._bytes += _size(kept) - _size(known)
            while self._bytes > _KEPT_BYTES:
                self._bytes -= _size(self._kept.popitem(last=False)[1])

    def earlier(self, request: Request, response: Response, area: str) -> Response | None:
        """The last answer that was another than this true one; None when there was none.

        What was never asked before is not there yet: 404. GraphQL has no such word, there it is None.
        """
        key = _asked(request, response, area)
        if key is None:
            return None
        with self._lock:
            known = list(self._kept.get(key, ()))
        for old in reversed(known):
            if not _equal(old, response):
                return JSONResponse(json.loads(bytes(old.body)), old.status_code, _links(old))
        if known or area == "graphql" or response.status_code != 200:
            return None
        return _refuse(area, 404, "Not Found")


def status(fault: Fault | None, response: Response) -> int:
    """What the asker hears, 0 for nothing."""
    if fault is None:
        return response.status_code
    return 0 if fault.kind in _DROPS else 502 if fault.kind == "commit_then_502" else response.status_code


async def deliver(fault: Fault, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the answer in the way of the fault. A wait here holds up nobody else."""
    if fault.kind == "delay":
        await anyio.sleep(fault.seconds)
    if fault.kind not in (*_DROPS, "commit_then_502", "truncate"):
        await response(scope, receive, send)
        return
    sent = await _whole(response, scope, receive)  # also when nobody hears it: a stream's work is done by reading it
    if fault.kind == "commit_then_502":
        await _unicorn()(scope, receive, send)
        return
    half = len(sent.body) // 2
    if fault.kind == "truncate" and half:
        headers = [(name, value) for name, value in sent.raw_headers if name != b"content-length"]
        headers.append((b"content-length", str(len(sent.body)).encode()))
        await send({"type": "http.response.start", "status": sent.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(sent.body)[:half], "more_body": True})
    await wire.cut(scope, receive, flush=half > 0 and fault.kind == "truncate")


async def _whole(response: Response, scope: Scope, receive: Receive) -> Response:
    head: Message = {}
    blocks: list[bytes] = []

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            head.update(message)
        else:
            blocks.append(message.get("body", b""))

    await response(scope, receive, keep)
    whole = Response(b"".join(blocks), head["status"])
    whole.raw_headers = list(head["headers"])
    return whole


def _unicorn() -> Response:
    return HTMLResponse(_UNICORN, 502)


def _refuse(area: str, code: int, message: str, headers: dict[str, str] | None = None, page: str = "") -> Response:
    if area == "git":
        return PlainTextResponse(f"{message}\n", code, headers)
    body = Refusal(code, message).body()
    return JSONResponse({**body, **({"documentation_url": page} if page else {})}, code, headers)


def _sso(area: str, owner: str) -> Response:
    asks = {"x-github-sso": f"required; url=https://github.com/orgs/{owner}/sso?authorization_request=A1B2C3"}
    if area == "graphql":
        return JSONResponse({"data": None, "errors": [_saml_error([])]}, 200, asks)
    return _refuse(area, 403, _SAML, asks, _SSO_PAGE)


def _saml_error(path: list[str]) -> dict[str, Any]:
    return {"type": "FORBIDDEN", "path": path, "extensions": {"saml_failure": True}, "locations": [], "message": _SAML}


def _organisation(request: Request) -> str:
    parts: list[str] = request.scope["path"].strip("/").split("/")
    at = 1 if parts[0] in ("repos", "orgs") else 0
    return parts[at] if len(parts) > 1 else "octo-org"


def _asked(request: Request, response: Response, area: str) -> _Question | None:
    """The question of a read that is answered in JSON."""
    if not isinstance(response, JSONResponse):
        return None
    who, address = web.identity_of(request).login, f"{request.scope['path']}?{request.url.query}"
    if area == "graphql" and question(request, area) == "query":
        return who, address, hashlib.sha256(web.body_file(request).read()).digest()
    return (who, address, b"") if area == "rest" and request.method == "GET" else None


def _equal(one: Response, other: Response) -> bool:
    return (one.status_code, bytes(one.body), _links(one)) == (other.status_code, bytes(other.body), _links(other))


def _links(response: Response) -> dict[str, str]:
    return {"link": response.headers["link"]} if "link" in response.headers else {}


def _size(kept: list[Response]) -> int:
    return sum(len(response.body) for response in kept)
