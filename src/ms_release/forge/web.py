"""What every request handler needs: the forge, the asker, the repository, JSON bodies, pages and addresses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeVar, cast
from urllib.parse import parse_qsl, quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ms_release.forge.auth import Identity, repo_body, role
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.state import Forge

_MAX_JSON = 64 << 20
T = TypeVar("T")


@dataclass(frozen=True)
class Links:
    """Where this forge is reached by the asker: all URLs in answers start with one of these (no slash at the end)."""

    web: str
    rest: str
    uploads: str
    graphql: str

    @classmethod
    def of_host(cls, scheme: str, host: str) -> Links:
        """From a Host header; a host that starts with `api.` serves the API at its root, as github.com does."""
        web = f"{scheme}://{host.removeprefix('api.')}"
        if host.startswith("api."):
            api = f"{scheme}://{host}"
            return cls(web, api, f"{api}/uploads", f"{api}/graphql")
        return cls(web, f"{web}/api/v3", f"{web}/api/uploads", f"{web}/api/graphql")


def forge_of(request: Request) -> Forge:
    """The forge that serves this request."""
    return cast(Forge, request.app.state.forge)


def identity_of(request: Request) -> Identity:
    """Who asks (already checked: a bad token never gets this far)."""
    return cast(Identity, request.scope["ms.identity"])


def links_of(request: Request) -> Links:
    """The addresses for this asker."""
    return Links.of_host(request.scope["scheme"], request.headers.get("host", "localhost"))


def url(request: Request, path: str) -> str:
    """The REST address of a path like `/repos/o/r`."""
    return links_of(request).rest + quote(path, safe="/:@?&=+,;~{}%")


def repo_name(request: Request) -> str:
    """`owner/name` from the path, in the spelling of its document; 404 when the asker may not see it."""
    name: str = repo_of(request)["full_name"]
    return name


def repo_of(request: Request) -> dict[str, Any]:
    """The document of the repository in the path; 404 when there is none or the asker may not see it (G9)."""
    forge = forge_of(request)
    body = repo_body(forge, f"{request.path_params['owner']}/{request.path_params['repo']}")
    if body is None or role(forge, identity_of(request), body["full_name"]) is None:
        raise not_found()
    return body


def body_file(request: Request) -> IO[bytes]:
    """The request's body, spooled, at its start; its size is in `body_size`."""
    file = cast("IO[bytes]", request.scope["ms.body"])
    file.seek(0)
    return file


def body_size(request: Request) -> int:
    """Bytes in the request's body."""
    return cast(int, request.scope["ms.body_size"])


def body_whole(request: Request) -> bool:
    """Whether all of the request's body came."""
    return cast(bool, request.scope["ms.body_whole"])


def json_body(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object ({} when empty); 400 for anything else."""
    if body_size(request) > _MAX_JSON:
        raise Refusal(413, "Payload Too Large")
    text = body_file(request).read()
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError as error:
        raise Refusal(400, "Problems parsing JSON") from error
    if not isinstance(body, dict):
        raise Refusal(400, "Body should be a JSON object")
    return body


def field(body: dict[str, Any], name: str, kind: type | tuple[type, ...], default: Any = ...) -> Any:
    """One field of a JSON body; 422 when it is missing (and has no default) or of another type."""
    value = body.get(name)
    if value is None:
        if default is ...:
            raise Refusal(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
        return default
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = {str: "string", int: "integer", dict: "object", list: "array", bool: "boolean"}.get(kinds[0], "value")
        raise Refusal(422, f"Invalid request.\n\nFor 'properties/{name}', {json.dumps(value)} is not a {wanted}.")
    return value


def list_of(body: dict[str, Any], name: str, kind: type, default: Any = ...) -> list[Any]:
    """A list field whose items are all of one type; 422 otherwise."""
    items: list[Any] = field(body, name, list, default)
    if not all(isinstance(item, kind) for item in items):
        raise Refusal(422, f"Invalid request.\n\nFor 'properties/{name}', an item is of the wrong type.")
    return items


def path_int(request: Request, name: str) -> int:
    """A number from the path; 404 when it is none."""
    text = str(request.path_params[name])
    if not text.isdecimal() or len(text) > 18:
        raise not_found()
    return int(text)


def page(request: Request, items: Sequence[T]) -> tuple[list[T], dict[str, str]]:
    """The part of a list that `per_page` (at most 100, default 30) and `page` ask for, and the Link header."""
    size, number = _page_numbers(request)
    start = (number - 1) * size
    last = max(1, -(-len(items) // size))
    rels: list[tuple[str, int]] = []
    if number > 1:
        rels.append(("prev", min(number - 1, last)))
    if number < last:
        rels += [("next", number + 1), ("last", last)]
    if number > 1:
        rels.append(("first", 1))
    query = [(k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k != "page"]
    base = url(request, request.scope["path"])
    link = ", ".join(f'<{base}?{urlencode([*query, ("page", str(at))])}>; rel="{rel}"' for rel, at in rels)
    return list(items[start : start + size]), {"link": link} if link else {}


def _page_numbers(request: Request) -> tuple[int, int]:
    def read(name: str, default: int) -> int:
        text = request.query_params.get(name, "")
        return int(text) if text.isdecimal() and len(text) < 10 and int(text) > 0 else default

    return min(read("per_page", 30), 100), read("page", 1)


def listing(request: Request, items: Sequence[Any], present: Any) -> JSONResponse:
    """A paged answer that is a plain array; `present` turns one body into its JSON."""
    part, headers = page(request, items)
    return JSONResponse([present(item) for item in part], headers=headers)


def counted(request: Request, name: str, items: Sequence[Any], present: Any) -> JSONResponse:
    """A paged answer of the form `{"total_count": n, name: […]}`."""
    part, headers = page(request, items)
    return JSONResponse({"total_count": len(items), name: [present(item) for item in part]}, headers=headers)


def no_content() -> Response:
    """204."""
    return Response(status_code=204)
