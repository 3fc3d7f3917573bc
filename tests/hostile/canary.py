"""Canary secrets: every form in which one travels, the search for them, and a forge that echoes what it is told."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, quote_plus

from hostile import seeds

SEED = base64.b64encode(b"canary of thirty-two bytes, /+?>").decode()
PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "\n".join(f"MIIEcanary{n}/+abcdefghijklmnopqrstuvwxyz0123" for n in range(4))
    + "\n-----END PRIVATE KEY-----\n"
)
CANARIES = {
    "GH_TOKEN": "ghp_CANARYone/with+odd=chars~&<>%",
    "GITHUB_TOKEN": "ghs_CANARYtwo0123456789",
    "MS_CANDIDATES_TOKEN": "ghs_CANARYthree.0123/456",
    "MS_MANIFEST_KEY": SEED,
    "MS_CANDIDATE_KEY": SEED[::-1].lstrip("="),
    "MS_APP_KEY": PEM,
}


def parts_of(secret: str) -> list[str]:
    """A secret of several lines is as secret in each of them."""
    return [line for line in secret.splitlines() if line and not line.startswith("-----")]


def encodings(secret: str) -> dict[str, list[str]]:
    """Every form in which a secret travels, whole; written without the redactor's code."""
    raw = secret.encode()
    whole = [base64.b64encode(before + raw + b"y").decode() for before in (b"", b"x", b"xx", b"x-access-token:")]
    return {
        "plain": [secret],
        "base64": [*whole, *(text.replace("+", "-").replace("/", "_") for text in whole)],
        "URL": [quote(secret, safe=""), quote_plus(secret), quote(secret, safe="").replace("%2F", "%2f")],
        "JSON": [json.dumps(secret)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/")],
        "hex": [raw.hex(), raw.hex().upper()],
        "lines": ["\n".join(secret[at : at + 9] for at in range(0, len(secret), 9))],
    }


def traces(secret: str) -> dict[str, list[str]]:
    """What to look for: of base64 the middle, which no neighbour changes."""
    return {
        kind: [form[8:-6] if kind == "base64" else form for form in forms] for kind, forms in encodings(secret).items()
    }


def found(data: bytes) -> list[str]:
    """The canaries in some bytes, in any form; line breaks, real or escaped, are taken out first."""
    flat = [text.replace("\\r", "").replace("\\n", "") for text in (data.decode("latin-1"),)]
    flat += [re.sub(r"[\r\n]|\\x0[ad]|%0[AaDd]", "", text) for text in flat] + [data.decode("latin-1")]
    return [
        f"{name} ({kind})"
        for name, secret in CANARIES.items()
        for part in parts_of(secret)
        for kind, forms in traces(part).items()
        for form in forms
        if any(form in text for text in flat)
    ]


# ---- a forge that echoes


def echo_body(kind: str, token: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """What an echoing forge answers: status, headers, body; the token is in all of them."""
    forms = [form for forms in encodings(token).values() for form in forms]
    all_of_it = " ".join(forms)
    headers = {
        "etag": f'"{forms[0]}"',
        "content-type": "application/json",
        "date": seeds.NOW,
        "x-github-request-id": forms[0],
    }
    status = {"401": 401, "403": 403, "404": 404, "422": 422}.get(kind, 200)
    if status != 200:
        errors = [{"message": all_of_it, "code": forms[1], "field": forms[2]}, all_of_it]
        return (
            status,
            headers,
            json.dumps({"message": all_of_it, "errors": errors, "documentation_url": all_of_it}).encode(),
        )
    if kind == "page":
        return 200, {**headers, "content-type": f"text/html; {forms[0]}"}, f"<html>{all_of_it}".encode()
    if kind == "types":
        return 200, headers, json.dumps({"data": {"viewer": all_of_it, "home": all_of_it, "r0": all_of_it}}).encode()
    if kind == "graph errors":
        return 200, headers, json.dumps({"data": {}, "errors": [{"type": "FORBIDDEN", "message": all_of_it}]}).encode()
    if kind == "next":
        return 200, {**headers, "link": f'<https://{quote(token, safe="")}.example/>; rel="next"'}, b"[]"
    if kind == "elsewhere":
        return 302, {**headers, "location": f"https://me:{quote(token, safe='')}@evil.example/{forms[0]}"}, b""
    if kind == "damaged":
        return 200, headers, all_of_it.encode()
    # everything as it should be, but every name and text
    body: Any = seeds.graph() if path.endswith("graphql") else _rest(path)
    return 200, headers, json.dumps(_salted(body, all_of_it)).encode()


def _rest(path: str) -> Any:
    if "/rules/" in path:
        return seeds.RULES
    if "/environments/" in path:
        return seeds.ENVIRONMENT
    if "/releases?" in path or path.endswith("/releases"):
        return [seeds.RELEASE]
    return {**seeds.RELEASE, "workflow_runs": [seeds.RUN]}


KEEP = {
    "oid",
    "headRefOid",
    "state",
    "status",
    "type",
    "event",
    "head_sha",
    "hasNextPage",
    "endCursor",
    "digest",
    "published_at",
}


def _salted(value: Any, salt: str, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _salted(item, salt, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_salted(item, salt, key) for item in value]
    return f"{value} {salt}" if isinstance(value, str) and key not in KEEP else value


KINDS = ("401", "403", "404", "422", "page", "types", "graph errors", "next", "elsewhere", "damaged", "salted")


@contextmanager
def echoing(kind: str) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The forge, and the headers of every request that it got."""
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append({name.lower(): value for name, value in self.headers.items()})
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, headers, body = echo_body(kind, token, self.path)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
