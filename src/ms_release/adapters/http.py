"""A thin client of GitHub's HTTP interface that never re-sends a write blindly and never lets its token stray.

It knows transport only: what the endpoints mean is the readers' and writers' business. Rules: faults F3–F9, F40, F47.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from ms_release.adapters import answers, urls
from ms_release.adapters.answers import Answer, BadAnswer, Denied, Graph, GraphError, Overloaded, Raw, Refused
from ms_release.adapters.etags import Kept
from ms_release.adapters.transport import ATTEMPTS, Call, Transport
from ms_release.errors import ForgeError, IntegrityError, MachineError, MsError, UsageError

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Client", "Denied", "Graph", "GraphError", "Overloaded", "Refused"]

T = TypeVar("T")


_THREADS = 8
_PER_PAGE = 100
_POLLED = re.compile(r"/repos/[^/]+/[^/]+/(?:actions/runs/\d+(?:/jobs)?|commits/[0-9a-f]+/check-runs)\Z")


class Client(Transport):
    """What the readers and writers ask of the forge. Made as `Transport` says."""

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, decode: Any = Any) -> Answer:
        """Read; sends the ETag of what is stored and uses the stored body only when the forge says 304 (G45).

        Raises CredentialError, Refused (404 and other 4xx), Overloaded (5xx, time-out), ForgeError.
        """
        return self._get(self._url(path, params), decode)[0]

    def pages(
        self, path: str, params: Mapping[str, Any] | None = None, cap: int = 100, *, key: str = "", decode: Any = Any
    ) -> list[Any]:
        """Every item of every page; `key` names the list where a page is an object (`check_runs`); `decode`: one item.

        Raises ForgeError when there are more than `cap` pages, when they loop, or lead to another host: a part of a
        list is no list. Else as `get`.
        """
        page: Any = list[decode] if not key else msgspec.defstruct("Page", [(key, list[decode])])
        items: list[Any] = []
        url, seen = self._url(path, {"per_page": _PER_PAGE, **(params or {})}), set[str]()
        while url:
            if url in seen or len(seen) >= cap:
                why = "its pages lead in a circle" if url in seen else f"it has more than {cap} pages"
                raise self._unusable(Call("GET", url, "rest"), BadAnswer(why))
            seen.add(url)
            answer, link = self._get(url, page)
            found = answer.json if not key else getattr(answer.json, key)
            if len(found) > _PER_PAGE:
                raise self._unusable(Call("GET", url, "rest"), BadAnswer("a page holds more than was asked for"))
            items += found
            try:
                url = answers.next_page(link, url)
            except BadAnswer as bad:
                raise self._unusable(Call("GET", url, "rest"), bad) from None
        return items

    def write(self, method: str, path: str, json: Any = None, *, idempotent: bool = False, decode: Any = Any) -> Answer:
        """Change something. Sent again only when it certainly was not processed, unless `idempotent` (G7, G8).

        Raises UnknownOutcomeError when it may or may not have been done, and whatever `get` raises.
        """
        content = None if json is None else msgspec.json.encode(json)
        headers = {} if content is None else {"content-type": "application/json"}
        call = Call(
            method, self._url(path, None), "rest", once=not idempotent, paced=True, headers=headers,
            content=None if content is None else lambda: content,
        )  # fmt: skip
        return self._answer(call, self._exchange(call), decode)

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None, *, attempts: int = ATTEMPTS) -> Graph:
        """Read by GraphQL. The answer may be partial: look at `errors`. Waits out a limit that comes as HTTP 200 (G44).

        Raises Overloaded after `attempts` (ask for less), CredentialError when nothing was answered for want of rights.
        """
        return self._graph(query, variables, once=False, attempts=attempts)

    def mutate(self, query: str, variables: Mapping[str, Any] | None = None) -> Graph:
        """Change by GraphQL; never sent again when its outcome is unknown (UnknownOutcomeError)."""
        return self._graph(query, variables, once=True, attempts=ATTEMPTS)

    def download(
        self, url: str, sink: BinaryIO, *, max_bytes: int, accept: str = "application/octet-stream"
    ) -> tuple[str, int]:
        """Stream bytes into `sink`: their SHA-256 (hex) and size. Redirects lose the token at another host (F40, G46).

        Raises IntegrityError when there are more than `max_bytes`, ForgeError when they stop or crawl; the sink then
        holds a part. Else as `get`.
        """
        digest, size = hashlib.sha256(), 0

        def receive(response: httpx.Response) -> bytes:
            nonlocal size
            if response.status_code != 200:
                return self._body(response, answers.JSON_LIMIT)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise BadAnswer("its bytes are packed")
            try:
                for chunk in self._steady(response):
                    size += len(chunk)
                    if size > max_bytes:
                        raise IntegrityError(
                            f"{call.where} gives more than the {max_bytes} bytes expected", remedy="Do not use it."
                        )
                    digest.update(chunk)
                    sink.write(chunk)
            except (MsError, OSError):  # also the signal that interrupts us
                raise
            except Exception as error:  # httpx's, which cannot be named here without importing it early
                raise ForgeError(
                    f"{call.where} broke off after {size} bytes ({type(error).__name__})", remedy="Try again."
                ) from error
            return b""

        headers = {"accept": accept, "accept-encoding": "identity"}
        call = Call("GET", self._url(url, None, anywhere=True), "asset", headers=headers, receive=receive, strays=True)
        try:
            raw = self._exchange(call)
        except OSError as error:
            raise MachineError(f"cannot store {call.where}: {error.strerror}", remedy="Make room.") from error
        answers.check(raw, call.where, self._tokens_page)
        if raw.status != 200:
            raise self._unusable(call, BadAnswer(f"its status is {raw.status}"))
        return digest.hexdigest(), size

    def upload(self, url: str, path: Path, *, name: str, content_type: str, size: int) -> Answer:
        """Send a file as a release asset to the release's `upload_url`; never sent again when its outcome is unknown.

        Raises IntegrityError when the file does not have `size` bytes, ForgeError for an address of another forge.
        """
        target = self._url(url.partition("{")[0], {"name": name}, anywhere=True)
        if not self._takes_uploads(target):
            raise ForgeError("the forge names another host for uploads", remedy="Check the forge's address.")
        try:
            found = path.stat().st_size
        except OSError as error:
            raise MachineError(f"cannot read {path}: {error.strerror}", remedy="Check the file.") from error
        if found != size:
            raise IntegrityError(f"{path} has {found} bytes and not {size}", remedy="Make the files again.")
        headers = {"content-type": content_type, "content-length": str(size)}
        call = Call("POST", target, "asset", once=True, paced=True, headers=headers, content=lambda: _file(path))
        return self._answer(call, self._exchange(call), Any)

    def gather(self, tasks: Iterable[Callable[[], T]]) -> list[T]:
        """Results of independent reads, in order, at most 8 at a time; the first failure in order is raised.

        Daemon threads, so that an interrupted run ends now and not after the longest wait of a worker.
        """
        work = list(enumerate(tasks))
        results: list[Any] = [None] * len(work)
        failures: dict[int, BaseException] = {}
        work.reverse()
        answers.know_types()

        def worker() -> None:
            while not failures:
                try:
                    at, task = work.pop()
                except IndexError:
                    return
                try:
                    results[at] = task()
                except BaseException as error:  # raised again below, in the caller's thread
                    failures[at] = error

        threads = [threading.Thread(target=worker, daemon=True) for _ in range(min(_THREADS, len(work)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[min(failures)]
        return results

    def _get(self, url: str, decode: Any) -> tuple[Answer, str]:
        kept = self._store.get(url)
        headers = {"if-none-match": kept.etag} if kept else {}
        polled = kept is not None and _POLLED.search(urlsplit(url).path)
        call = Call("GET", url, "poll" if polled else "rest", headers=headers)
        raw = self._exchange(call)
        if raw.status == 304 and kept is not None:
            raw = Raw(200, {**raw.headers, "content-type": "application/json", "link": kept.link}, kept.body)
            return self._answer(call, raw, decode), kept.link
        answer = self._answer(call, raw, decode)
        etag, link = raw.headers.get("etag", ""), raw.headers.get("link", "")
        if etag and raw.status == 200:
            self._store.put(url, Kept(etag, link, raw.body))
        return answer, link

    def _graph(self, query: str, variables: Mapping[str, Any] | None, *, once: bool, attempts: int) -> Graph:
        content = msgspec.json.encode({"query": query, "variables": dict(variables or {})})
        headers = {"content-type": "application/json"}
        call = Call(
            "POST",
            self.graphql_url,
            "graphql",
            once=once,
            paced=once,
            headers=headers,
            content=lambda: content,
            attempts=attempts,
        )
        raw = self._exchange(call)
        answers.check(raw, call.where, self._tokens_page)
        try:
            body = answers.decode_graph(raw)
        except BadAnswer as bad:
            raise self._unusable(call, bad) from None
        for error in body.errors:
            if error.extensions.get("saml_failure") is True:
                raise answers.single_sign_on(raw, call.where, self._tokens_page)
            if body.data is None and error.type in ("FORBIDDEN", "INSUFFICIENT_SCOPES"):
                raise Denied(
                    f"GraphQL is not allowed to this token: {answers.printable(error.message)}",
                    remedy="Use a token with more rights.",
                )
        return Graph(body.data or {}, body.errors)

    def _answer(self, call: Call, raw: Raw, decode: Any) -> Answer:
        answers.check(raw, call.where, self._tokens_page)
        try:
            return Answer(raw.status, raw.headers, answers.decode(raw, decode))
        except BadAnswer as bad:
            raise self._unusable(call, bad) from None

    def _url(self, path: str, params: Mapping[str, Any] | None, *, anywhere: bool = False) -> str:
        """A full address from a path or an address that the forge gave."""
        url = path if "://" in path else f"{self.api_url}/{path.lstrip('/')}"
        why = urls.refusal(url)
        if not why and (not anywhere and not answers.same_place(url, self.api_url)):
            why = "is at another forge"
        if not why and ("#" in url or {".", ".."} & set(urlsplit(url).path.split("/"))):
            why = "leads elsewhere"
        if why:
            cause = f"the address {answers.printable(path)!r} {why}"
            raise ForgeError(cause, remedy="Check the forge.") if "://" in path else UsageError(cause)
        if not params:
            return url
        return url + ("&" if "?" in url else "?") + urlencode({name: str(value) for name, value in params.items()})


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 18):
            yield chunk
