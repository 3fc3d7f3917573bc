"""Requests and answers as bytes: retries, waits, redirects and limits, one for all endpoints (faults F3–F9, F40)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

from ms_release.adapters import answers, pace, urls
from ms_release.adapters.answers import BadAnswer, Overloaded, Raw
from ms_release.adapters.etags import EtagStore
from ms_release.adapters.redact import Redactor
from ms_release.errors import CredentialError, ForgeError, UnknownOutcomeError, UsageError

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 3
_VERSION = "2026-03-10"
_REDIRECTS = 5
_GRACE = 30.0
_LEAST_RATE = 1024.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request as the caller means it."""

    method: str
    url: str
    kind: str
    once: bool = False
    """A write that must not be sent again once it may have arrived."""
    paced: bool = False
    """A write of any kind: it takes its turn."""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Callable[[], bytes | Iterable[bytes]] | None = None
    receive: Callable[[httpx.Response], bytes] | None = None
    strays: bool = False
    """Whether redirects may lead to another host (then without the token)."""
    attempts: int = ATTEMPTS

    @property
    def where(self) -> str:
        """What an error message calls it: no query, which may be long or private."""
        parts = urlsplit(self.url)
        return f"{self.method} {parts.hostname}{parts.path}"


@dataclass(slots=True, eq=False, kw_only=True)
class Transport:
    """The connection of one run to one forge. Thread-safe; use as a context manager or `close` it.

    `clock` gives the time (aware), `sleep` waits seconds, `on_wait(reason, seconds)` hears of each wait first;
    `etags` is a private directory, None keeps ETags in memory. A wait that would bring one request above `budget`
    seconds in all ends it (faults F6). `counts`: requests sent, by kind (rest, graphql, asset, poll); `date`: the
    forge's own time of its last answer (faults F34: no decision stands on the local clock). Of the token: `expires` and
    `scopes` are what the forge has said of it in its headers (G41; scopes: only of classic ones), `granted` what an App
    was given, `left` how many requests of the hour it has, by resource.
    Raises UsageError for an address that may not carry a token, CredentialError for text that is no token.
    """

    api_url: str
    graphql_url: str
    token: str = field(repr=False)
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    etags: Path | None = None
    on_wait: Callable[[str, float], None] | None = None
    user_agent: str = "ms-release"
    budget: float = 900.0
    counts: Counter[str] = field(default_factory=Counter, init=False)
    date: str = field(default="", init=False)
    expires: str = field(default="", init=False)
    scopes: str | None = field(default=None, init=False)
    left: dict[str, int] = field(default_factory=dict, init=False)
    granted: Mapping[str, str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _bucket: pace.Bucket = field(default_factory=pace.Bucket, init=False, repr=False)
    _quiet_until: float = field(default=0.0, init=False, repr=False)
    _http: httpx.Client | None = field(default=None, init=False, repr=False)
    _store: EtagStore = field(init=False, repr=False)
    _redactor: Redactor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.api_url = self.api_url.rstrip("/")
        for url in (self.api_url, self.graphql_url):
            if why := urls.refusal(url):
                raise UsageError(f"the forge's address {url!r} {why}", remedy="Correct the forge's address.")
        if not self.token or not all(33 <= ord(char) <= 126 for char in self.token):
            raise CredentialError("the token has characters that no token has", remedy="Set GH_TOKEN to a token.")
        self._store = EtagStore(self.etags, self.token)
        self._redactor = Redactor([self.token])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        if self._http is not None:
            self._http.close()

    def _exchange(self, call: Call) -> Raw:
        """Send until there is an answer below 500 that is no rate limit, within the rules for reads and writes."""
        import httpx

        failures = limits = 0
        waited = 0.0
        while True:
            self._hold(call)
            try:
                raw = self._once(call)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:  # nothing was sent
                failures += 1
                if failures >= call.attempts:
                    raise self._unreachable(call) from error
                self._rest(f"cannot reach {urlsplit(call.url).hostname}", 0.5 * 2 ** (failures - 1))
                continue
            except (httpx.TransportError, httpx.InvalidURL) as error:
                failures = self._failed(call, failures, type(error).__name__)
                continue
            except BadAnswer as bad:
                raise self._unusable(call, bad) from None
            if self._is_limited(call, raw):
                limits += 1
                waited = self._obey(raw, limits, waited)
            elif raw.status >= 500:
                failures = self._failed(call, failures, f"status {raw.status}")
            else:
                return raw

    def _once(self, call: Call) -> Raw:
        """One request and its redirects. The token goes only to the origin of `api_url`, and not back once it left."""
        connection, url, trusted = self._connection(), call.url, True
        for _ in range(_REDIRECTS + 1):
            trusted = trusted and self._is_ours(url, call)
            headers = {**self._headers(trusted), **call.headers}
            with self._lock:
                self.counts[call.kind] += 1
            content = call.content() if call.content else None
            with connection.stream(call.method, url, headers=headers, content=content) as response:
                target = self._redirect(call, response, url)
                if not target:
                    self._note(response.headers)
                    receive = call.receive or (lambda response: self._body(response, answers.JSON_LIMIT))
                    body = receive(response)
                    return self._clean(Raw(response.status_code, dict(response.headers), body))
            url = target
        raise self._stray(call, f"more than {_REDIRECTS} times")

    def _note(self, headers: Mapping[str, str]) -> None:
        self.date = headers.get("date", self.date)
        self.expires = headers.get("github-authentication-token-expiration", self.expires)
        self.scopes = headers.get("x-oauth-scopes", self.scopes)
        resource, left = headers.get("x-ratelimit-resource", ""), headers.get("x-ratelimit-remaining", "")
        if resource and left.isascii() and left.isdecimal() and len(left) < 10:
            self.left[resource] = int(left)

    def token_kind(self, login: str) -> str:
        """What kind of token this is, once the forge has answered: classic, fine-grained, app, or a workflow's own."""
        if self.granted is not None or login.endswith("[bot]"):
            return "workflow" if login == "github-actions[bot]" else "app"
        return "classic" if self.scopes is not None else "fine-grained"

    def _redirect(self, call: Call, response: httpx.Response, url: str) -> str:
        """Where to go on, or "" when this is the answer. A write follows only 307 and 308, which keep its method."""
        if response.status_code not in ((307, 308) if call.method != "GET" else (301, 302, 303, 307, 308)):
            return ""
        try:
            target = urljoin(url, str(response.headers.get("location", "")))
        except ValueError:
            target = ""
        if urls.refusal(target) or (url.startswith("https:") and not target.startswith("https:")):
            raise self._stray(call, "to an address that may not be used")
        if not call.strays and not answers.same_place(target, url):
            raise self._stray(call, "to another host")
        return target

    def _body(self, response: httpx.Response, limit: int) -> bytes:
        encoding = response.headers.get("content-encoding", "").strip().lower()
        return b"".join(answers.unpack(self._steady(response), encoding, limit))

    def _steady(self, response: httpx.Response) -> Iterator[bytes]:
        """The body as it comes; too slow (below 1 KiB a second after half a minute) counts as a time-out (F40)."""
        import httpx

        begin, total = self._now(), 0
        for chunk in response.iter_raw():
            total += len(chunk)
            if self._now() - begin > _GRACE + total / _LEAST_RATE:
                raise httpx.ReadTimeout("too slow")
            yield chunk

    def _failed(self, call: Call, failures: int, why: str) -> int:
        """Sent, and no usable answer came: a write's outcome is now unknown, a read is tried again after a pause."""
        if call.once:
            raise self._unknown(call, why)
        failures += 1
        if failures >= call.attempts:
            raise Overloaded(f"{call.where} failed {failures} times ({why})", remedy="Try again in a few minutes.")
        self._rest(f"{call.where}: {why}", 2.0 ** (failures - 1))
        return failures

    def _is_limited(self, call: Call, raw: Raw) -> bool:
        if call.kind == "graphql" and answers.is_graph_limit(raw):
            return True
        page = answers.documentation_url(raw) if raw.status == 403 else ""
        return pace.is_limited(raw.status, raw.headers, page)

    def _obey(self, raw: Raw, nth: int, waited: float) -> float:
        """Make every thread quiet for as long as the forge says; raises ForgeError when that is above the budget."""
        now = self._now()
        seconds = pace.pause(raw.headers, now, nth)
        until = datetime.fromtimestamp(min(now + seconds, 4e9), UTC).strftime("%Y-%m-%d %H:%M UTC")
        if waited + seconds > self.budget:
            raise ForgeError(f"the forge's rate limit is reached until {until}", remedy="Run the same command then.")
        with self._lock:
            self._quiet_until = max(self._quiet_until, now + seconds)
        return waited + seconds

    def _hold(self, call: Call) -> None:
        """Before each request: writes take their turn, and nobody sends while the forge wants quiet (F6)."""
        if call.paced:
            with self._lock:
                turn = self._bucket.take(self._now())
            if turn > 0:
                self._rest("writes are paced", turn)
        while (left := self._quiet_until - self._now()) > 0:
            self._rest("the forge's rate limit", left)

    def _rest(self, reason: str, seconds: float) -> None:
        if self.on_wait is not None:
            self.on_wait(reason, seconds)
        self.sleep(seconds)

    def _now(self) -> float:
        return self.clock().timestamp()

    def _connection(self) -> httpx.Client:
        import ssl

        import httpx

        with self._lock:
            if self._http is None:
                local = urls.is_loopback(urls.origin(self.api_url)[1])
                # Loading the trusted certificates costs 18 ms. A loopback forge needs none: this context trusts nobody.
                verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if local else True
                # Kept shorter than servers keep an idle connection, so that no write is sent into a closing one.
                limits = httpx.Limits(max_connections=32, max_keepalive_connections=16, keepalive_expiry=4.0)
                self._http = httpx.Client(
                    verify=verify, trust_env=not local, limits=limits, follow_redirects=False,
                    timeout=httpx.Timeout(30.0, connect=10.0, pool=60.0),
                )  # fmt: skip
            return self._http

    def _headers(self, trusted: bool) -> dict[str, str]:
        headers = {"user-agent": self.user_agent, "accept-encoding": "gzip"}
        if not trusted:
            return headers
        return headers | {
            "authorization": f"Bearer {self.token}",
            "accept": "application/vnd.github+json",
            "x-github-api-version": _VERSION,
        }

    def _is_ours(self, url: str, call: Call) -> bool:
        uploads = call.paced and call.kind == "asset" and self._takes_uploads(url)
        return answers.same_place(url, self.api_url) or answers.same_place(url, self.graphql_url) or uploads

    def _takes_uploads(self, url: str) -> bool:
        """GitHub takes uploads at `uploads.` of the host whose interface is at `api.`; others at the same origin."""
        scheme, host, port = urls.origin(self.api_url)
        return urls.origin(url) in ((scheme, host, port), (scheme, "uploads." + host.removeprefix("api."), port))

    @property
    def _tokens_page(self) -> str:
        """Where people see to their tokens: on the web side of the forge, which github.com has at another host."""
        parts = urlsplit(self.api_url)
        return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}/settings/tokens"

    def _clean(self, raw: Raw) -> Raw:
        """An answer without our token, should a forge or proxy echo it: a subject or a name may end up in a plan."""
        headers = {name: self._redactor.text(value) for name, value in raw.headers.items()}
        if raw.status < 300 and b'"errors"' not in raw.body and not self._redactor.sees(raw.body):
            return Raw(raw.status, headers, raw.body)
        return Raw(raw.status, headers, self._redactor.text(raw.body.decode(errors="replace")).encode())

    def _unreachable(self, call: Call) -> ForgeError:
        host = urlsplit(call.url).netloc
        return ForgeError(f"cannot reach {host}", remedy="Check the network and the forge's address, then try again.")

    def _stray(self, call: Call, how: str) -> ForgeError:
        """A redirect is no answer: nothing was done, so a write's outcome is not unknown."""
        return ForgeError(
            f"{call.where} redirects {how}", remedy="Check the repository's name and the forge's address."
        )

    def _unusable(self, call: Call, bad: BadAnswer) -> ForgeError:
        why = self._redactor.text(str(bad))
        if call.once:
            return self._unknown(call, why)
        return ForgeError(f"the answer to {call.where} cannot be used: {why}", remedy="Check the forge's address.")

    def _unknown(self, call: Call, why: str) -> UnknownOutcomeError:
        return UnknownOutcomeError(
            f"{call.where} was sent and its outcome is unknown ({why})",
            remedy="Run the same command again: it looks for the effect before it does anything.",
        )
