"""The forge as one ASGI application: finds the handler, knows the asker, keeps limits, counts, answers like GitHub."""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import IO, Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from ms_release.forge import auth, faulty, graphql, web
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.faults import Fault
from ms_release.forge.git.front import PATH as GIT_PATH
from ms_release.forge.git.front import GitFront
from ms_release.forge.limits import LimitError, Limits, Quota
from ms_release.forge.rest import (
    actions,
    apps,
    checks,
    environments,
    issues,
    protection,
    pulls,
    releases,
    repos,
    versions,
)
from ms_release.forge.state import Forge
from ms_release.forge.witness import witness

Handler = Callable[[Request], Response]

VERSIONS = ("2022-11-28", "2026-03-10")
_HOOK = "/_forge/hook"
_SPOOL = 1 << 20
_ABSOLUTE = re.compile(r"\Ahttp://[^/]+")
_POLL = re.compile(r"/repos/[^/]+/[^/]+/(actions/runs/\d+(/jobs)?|commits/.+/check-runs)")
_ASSET = re.compile(r"/repos/[^/]+/[^/]+/(releases/assets/\d+|actions/artifacts/\d+/zip)")
_DOWNLOAD = re.compile(r"/[^/]+/[^/]+/releases/(download/|latest/download/).*|/_storage/[^/]+")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Aim:
    """Where a request goes: which table of routes, under which path, and how it is counted ("" = not at all)."""

    area: str
    path: str
    kind: str


def aim(method: str, path: str, host: str, headers: Mapping[str, str]) -> Aim:
    """Decide from the address alone, as a GitHub Enterprise Server does; a host `api.…` has the API at its root."""
    if path.startswith("/_forge/"):
        return Aim("own", path, "")
    api = host.startswith("api.")
    for prefix in ("/api/uploads", "/uploads"):
        if path.startswith(prefix + "/") and (api or prefix == "/api/uploads"):
            return Aim("uploads", path.removeprefix(prefix), "asset")
    if path in ("/api/graphql", "/api/graphql/") or (api and path == "/graphql"):
        return Aim("graphql", "/graphql", "graphql")
    if path.startswith("/api/v3/") or api:
        rest = path.removeprefix("/api/v3")
        return Aim("rest", rest, _rest_kind(method, rest, headers))
    if GIT_PATH.fullmatch(path):
        return Aim("git", path, "git")
    return Aim("web", path, "asset" if _DOWNLOAD.fullmatch(path) else "rest")


def _rest_kind(method: str, path: str, headers: Mapping[str, str]) -> str:
    if method == "GET" and "if-none-match" in headers and _POLL.fullmatch(path):
        return "poll"
    if _ASSET.fullmatch(path) and (path.endswith("/zip") or "octet-stream" in headers.get("accept", "")):
        return "asset"
    return "rest"


class _Table:
    """Routes by their own words first: `/branches/{branch:path}/protection` wins over `/branches/{branch:path}`."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = sorted(routes, key=lambda r: -sum(not part.startswith("{") for part in r.path.split("/")))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, Any]]:
        """The route and the path's parameters; 404 for an unknown path or method, as on GitHub."""
        for route in self._routes:
            match = route.path_regex.match(path) if method in (route.methods or ()) else None
            if match:
                values = match.groupdict()
                return route, {k: route.param_convertors[k].convert(v) for k, v in values.items()}
        raise not_found()


class _Front(BaseRoute):
    """The only route of the application: everything goes through `handle`."""

    def __init__(self, forge: Forge, tables: Mapping[str, Sequence[Route]]) -> None:
        self._forge = forge
        self._git = GitFront(forge)
        self._tables = {area: _Table(routes) for area, routes in tables.items()}
        self._numbers = itertools.count(1)
        self._hooks = CapacityLimiter(4)
        self._history = faulty.History()
        self._witness = witness()
        self.limits = Limits()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Everything."""
        return (Match.FULL if scope["type"] == "http" else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the body in, then do all the work in one thread."""
        # A client that takes us for its proxy names the whole address (RFC 9112, 3.2.2); its host is also in Host.
        scope["path"] = _ABSOLUTE.sub("", scope["path"], count=1) or "/"
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL) as body:
            scope["ms.body"] = body
            scope["ms.body_size"], scope["ms.body_whole"] = await _spool(receive, body)
            request = Request(scope)
            # A push waits in its thread for its hook's answer: hooks have threads of their own, or all would wait.
            limiter = self._hooks if scope["path"] == _HOOK else None
            response = await to_thread.run_sync(self._work, request, limiter=limiter)
            fault: Fault | None = scope.get("ms.fault")
            if fault is None:
                await response(scope, receive, send)
            else:
                await faulty.deliver(fault, response, scope, receive, send)

    def _work(self, request: Request) -> Response:
        scope = request.scope
        target = aim(request.method, scope["path"], request.headers.get("host", ""), request.headers)
        scope["path"], scope["ms.identity"] = target.path, auth.ANONYMOUS
        try:
            response = self._hit(request, target) or self._respond(request, target)
        except Refusal as refusal:
            response = _refused(refusal, target.area)
        except Exception:
            _log.exception("%s %s", request.method, target.path)
            response = JSONResponse({"message": "Server Error"}, 500)
        who: auth.Identity = scope["ms.identity"]
        fault: Fault | None = scope.get("ms.fault")
        # the forge's own time, by which those who ask decide (faults F34), and not the machine's
        response.headers["date"] = format_datetime(self._forge.clock().astimezone(UTC), usegmt=True)
        if target.area in ("rest", "uploads", "graphql"):
            self._decorate(response, request, who)
            if self._witness is not None and (fault is None or fault.kind in faulty.LIMIT_KINDS):
                self._witness.note(request, target.path, scope.get("ms.route", ""), response)
        if target.kind:
            status = faulty.status(fault, response)
            self._forge.store.log_request(target.kind, request.method, target.path, status, who.login)
        return response

    def _hit(self, request: Request, target: Aim) -> Response | None:
        """Who asks, and by which fault the request is hit; its answer, if it lets nothing happen."""
        scope, faults = request.scope, self._forge.faults
        if target.area == "own":
            return None
        who = scope["ms.identity"] = auth.identify(self._forge, request.headers)
        if not faults.waiting:
            return None
        asked = faulty.question(request, target.area)
        fault = scope["ms.fault"] = faults.hit(request.method, target.path, asked, who.login)
        return None if fault is None else faulty.instead(fault, request, target.area, self.limits, self._forge.clock())

    def _respond(self, request: Request, target: Aim) -> Response:
        scope = request.scope
        if not scope["ms.body_whole"] and target.area != "uploads":
            raise Refusal(400, "Bad Content-Length")  # nobody hears it; what matters is that nothing is done
        if target.area == "own":
            return self._own(request)
        if target.area == "git":
            return self._git.handle(request)
        route, scope["path_params"] = self._tables[target.area].find(request.method, target.path)
        scope["ms.route"] = route.path
        handler: Handler = route.endpoint
        if target.area == "web":
            return handler(request)
        _version(request)
        resource = "graphql" if target.area == "graphql" else "core"
        now = self._forge.clock()
        free = target.path == "/rate_limit"
        who: auth.Identity = scope["ms.identity"]
        quota = self.limits.take(who, resource, now, 0 if free else 1)
        response = self._seen(request, _answer(handler, request, target.area), target.area)
        if _same(request, response):
            quota = self.limits.take(who, resource, now, -1)
            response = Response(status_code=304, headers={"etag": response.headers["etag"]})
        for name, value in quota.headers().items():
            response.headers.setdefault(name, value)  # a limit that the handler itself met says more
        return response

    def _seen(self, request: Request, response: Response, area: str) -> Response:
        """What the asker is to see of the true answer."""
        fault: Fault | None = request.scope.get("ms.fault")
        if fault is not None and fault.kind == "stale":
            earlier = self._history.earlier(request, response, area)
            if earlier is not None:
                return earlier
        self._history.note(request, response, area)
        if fault is not None and fault.kind == "sso_partial":
            return faulty.in_part(request, response, area)
        return response

    def _own(self, request: Request) -> Response:
        path = request.scope["path"]
        if path == _HOOK:
            return self._git.hook(request)
        route, request.scope["path_params"] = self._tables["own"].find(request.method, path)
        response: Response = route.endpoint(request)
        return response

    def _decorate(self, response: Response, request: Request, who: auth.Identity) -> None:
        headers = response.headers
        headers["x-github-request-id"] = f"{next(self._numbers):04X}:0001"
        headers["x-github-media-type"] = "github.v3; format=json"
        headers["x-github-api-version-selected"] = request.headers.get("x-github-api-version", VERSIONS[0])
        if who.kind == "classic":
            headers["x-oauth-scopes"] = "read:org, repo, workflow"
        if who.expires_at is not None and who.kind in ("classic", "fine-grained"):
            end = datetime.fromisoformat(who.expires_at).astimezone(UTC)
            headers["github-authentication-token-expiration"] = end.strftime("%Y-%m-%d %H:%M:%S UTC")


async def _spool(receive: Receive, body: IO[bytes]) -> tuple[int, bool]:
    """Its size, and whether all of it came: the asker may have hung up in the middle."""
    size = 0
    while True:
        message = await receive()
        block = message.get("body", b"")
        body.write(block)
        size += len(block)
        if not message.get("more_body", False):
            return size, message["type"] == "http.request"


def _version(request: Request) -> None:
    asked = request.headers.get("x-github-api-version")
    if asked is not None and asked not in VERSIONS:
        raise Refusal(400, f"{asked} is not a supported version. Supported versions: {', '.join(VERSIONS)}")


def _same(request: Request, response: Response) -> bool:
    """Give a JSON answer its ETag, and say whether the asker has it already (G45)."""
    if request.method not in ("GET", "HEAD") or response.status_code != 200 or not isinstance(response, JSONResponse):
        return False
    digest = hashlib.sha256(bytes(response.body))
    digest.update(response.headers.get("link", "").encode())
    response.headers.setdefault("etag", f'W/"{digest.hexdigest()}"')
    response.headers["cache-control"] = "private, max-age=60, s-maxage=60"
    response.headers["vary"] = "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With"
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return response.headers["etag"].removeprefix("W/") in known


def _answer(handler: Handler, request: Request, area: str) -> Response:
    try:
        return handler(request)
    except Refusal as refusal:
        return _refused(refusal, area)


def _refused(refusal: Refusal, area: str) -> Response:
    if isinstance(refusal, LimitError):
        return faulty.limited(refusal, area)
    headers: dict[str, str] = {}
    if isinstance(refusal, auth.ForbiddenError):
        headers["x-accepted-github-permissions"] = refusal.accepted
    if refusal.status == 401:
        headers["www-authenticate"] = 'Basic realm="GitHub"'
    return JSONResponse(refusal.body(), refusal.status, headers)


# ---- the forge's own pages for programs


def _health(_request: Request) -> Response:
    return JSONResponse({"ok": True})


def _requests(request: Request) -> Response:
    log = request.app.state.forge.store.requests()
    counts = dict.fromkeys(("rest", "graphql", "git", "asset", "poll"), 0)
    for entry in log:
        counts[entry["kind"]] += 1
    return JSONResponse({**counts, "log": log})


def _effects(request: Request) -> Response:
    return JSONResponse(request.app.state.forge.store.effects())


def _rate_limit(request: Request) -> Response:
    """GET /rate_limit, which costs nothing."""
    limits, now = request.app.state.limits, request.app.state.forge.clock()
    who = request.scope["ms.identity"]
    quotas: dict[str, Quota] = {name: limits.take(who, name, now, 0) for name in ("core", "graphql", "search")}
    older = {} if versions.is_newer(request) else {"rate": quotas["core"].body()}
    return JSONResponse({"resources": {name: quota.body() for name, quota in quotas.items()}, **older})


def _faults(request: Request) -> Response:
    return JSONResponse(request.app.state.forge.faults.all())


def _add_fault(request: Request) -> Response:
    try:
        fault = Fault.of_body(web.json_body(request))
    except ValueError as error:
        raise Refusal(422, str(error)) from None
    return JSONResponse({"number": request.app.state.forge.faults.add(fault)}, 201)


def _clear_faults(request: Request) -> Response:
    request.app.state.forge.faults.clear()
    return Response(status_code=204)


_OWN = [
    Route("/_forge/health", _health),
    Route("/_forge/faults", _faults),
    Route("/_forge/faults", _add_fault, methods=["POST"]),
    Route("/_forge/faults", _clear_faults, methods=["DELETE"]),
    Route("/_forge/requests", _requests),
    Route("/_forge/effects", _effects),
]


def routes() -> dict[str, list[Route]]:
    """Everything that is served, by the areas of `Aim`; git has no table."""
    modules = (repos, pulls, issues, checks, protection, releases, actions, environments, apps)
    return {
        "own": _OWN,
        "rest": [Route("/rate_limit", _rate_limit), *(route for module in modules for route in module.routes)],
        "graphql": graphql.routes,
        "uploads": releases.upload_routes,
        "web": releases.download_routes,
    }


def make_app(forge: Forge) -> Starlette:
    """The application that serves one forge."""
    front = _Front(forge, routes())
    app = Starlette(routes=[front])
    app.state.forge = forge
    app.state.limits = front.limits
    return app
