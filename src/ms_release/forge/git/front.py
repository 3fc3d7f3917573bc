"""Serves git over HTTP through git's own http-backend, and decides pushes from its pre-receive hook."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from ms_release.forge import auth, git, refs, web
from ms_release.forge.errors import Refusal
from ms_release.forge.git import hook
from ms_release.forge.git.objects import ENV
from ms_release.forge.state import Forge

PATH = re.compile(r"/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)")

# Set for every backend process, so that a repository's own files need no settings.
_CONFIG = {
    "http.receivepack": "true",
    "receive.autogc": "false",
    "receive.advertisePushOptions": "false",
    "receive.hideRefs": "refs/pull",
    "uploadpack.allowFilter": "true",
    "uploadpack.allowAnySHA1InWant": "true",
    "transfer.fsckObjects": "false",
}
_HOOK = '#!/bin/sh\nexec "$MS_FORGE_PYTHON" -I -S "$MS_FORGE_HOOK"\n'
_BLOCK = 1 << 16
_HEAD_LIMIT = 1 << 16


@dataclass(frozen=True)
class _Push:
    """A push that its hook may ask about while it is being received."""

    repo: str
    who: auth.Identity


class GitFront:
    """The git side of one served forge."""

    def __init__(self, forge: Forge) -> None:
        self._forge = forge
        self._pending: dict[str, _Push] = {}
        self._lock = threading.Lock()
        self._receiving: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._hooks = forge.root / "hooks"
        self._hooks.mkdir(parents=True, exist_ok=True)
        file = self._hooks / "pre-receive"
        file.write_text(_HOOK)
        file.chmod(0o755)

    def handle(self, request: Request) -> Response:
        """Answer `info/refs`, `git-upload-pack` or `git-receive-pack`.

        Without the right, a known asker gets 403, nobody gets 401 with a challenge, so that git asks for a password;
        what the asker may not see is 404.
        """
        match = PATH.fullmatch(request.scope["path"])
        assert match is not None
        owner, name, service = match.groups()
        who = web.identity_of(request)
        if service == "info/refs":
            service_name = request.query_params.get("service", "")
            if service_name not in ("git-upload-pack", "git-receive-pack"):
                return PlainTextResponse("Please upgrade your git client.\n", 403)
        else:
            service_name = service
        found = auth.repo_body(self._forge, f"{owner}/{name}")
        repo = str(found["full_name"]) if found else f"{owner}/{name}"
        pushing = service_name == "git-receive-pack"
        refusal = self._refusal(who, repo, pushing)
        if refusal is not None:
            return refusal
        if pushing and service != "info/refs":
            with self._lock:
                one_at_a_time = self._receiving[repo]
            with one_at_a_time:
                return self._receive(request, repo, service)
        return _answer(self._start(request, repo, service, {}), stream=True)

    def hook(self, request: Request) -> Response:
        """Decide a push for its pre-receive hook: an empty answer lets it in, else the text is for the pusher."""
        with self._lock:
            push = self._pending.get(request.headers.get("x-key", ""))
        if push is None:
            raise Refusal(403, "No such push")
        lines = web.body_file(request).read().decode().splitlines()
        changes = [refs.Wish.of_hook(line) for line in lines]
        return PlainTextResponse(refs.refuse_push(self._forge, push.who, push.repo, changes))

    def _refusal(self, who: auth.Identity, repo: str, pushing: bool) -> Response | None:
        role = auth.role(self._forge, who, repo)
        level = "write" if pushing else "read"
        if role is not None and auth.allowed(self._forge, who, repo, "contents", level):
            return None
        if not who.login:
            return PlainTextResponse(
                "Authentication required\n", 401, headers={"www-authenticate": 'Basic realm="GitHub"'}
            )
        if role is None:
            return PlainTextResponse("Repository not found.\n", 404)
        return PlainTextResponse(f"Permission to {repo}.git denied to {who.login}.\n", 403)

    def _receive(self, request: Request, repo: str, service: str) -> Response:
        """Let git receive the pack, then record what really moved before the pusher hears that it did."""
        who = web.identity_of(request)
        git_dir = self._forge.git_dir(repo)
        # A push that is sent a second time asks for what is there already: git refuses it, and nothing moves.
        wishes = [wish for wish in _commands(web.body_file(request)) if git.read_ref(git_dir, wish.ref) == wish.before]
        key = secrets.token_hex(16)
        with self._lock:
            self._pending[key] = _Push(repo, who)
        try:
            answer = _answer(self._start(request, repo, service, {"MS_FORGE_HOOK_KEY": key}), stream=False)
        finally:
            with self._lock:
                del self._pending[key]
        moved = [w for w in wishes if w.before != w.after and git.read_ref(git_dir, w.ref) == w.after]
        with self._forge.store.writing():
            changes = [refs.note(self._forge, who, repo, wish) for wish in moved]
        refs.tell(self._forge, changes)
        return answer

    def _start(self, request: Request, repo: str, service: str, extra: dict[str, str]) -> subprocess.Popen[bytes]:
        config = {**_CONFIG, "core.hooksPath": str(self._hooks)}
        settings = {"GIT_CONFIG_COUNT": str(len(config))}
        for at, (key, value) in enumerate(config.items()):
            settings |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
        headers = request.headers
        source = web.body_file(request)
        env = {
            **ENV,
            **settings,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(self._forge.root / "git"),
            "PATH_INFO": f"/{repo}.git/{service}",
            "REQUEST_METHOD": request.method,
            "QUERY_STRING": request.url.query,
            "CONTENT_TYPE": headers.get("content-type", ""),
            "CONTENT_LENGTH": str(web.body_size(request)),
            "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", ""),
            "REMOTE_USER": web.identity_of(request).login,
            "REMOTE_ADDR": "127.0.0.1",
            "MS_FORGE_PYTHON": sys.executable,
            "MS_FORGE_HOOK": str(Path(hook.__file__)),
            "MS_FORGE_HOOK_ADDRESS": self._forge.url.removeprefix("http://"),
            **extra,
        }
        process = subprocess.Popen(
            ["git", "http-backend"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
        )
        threading.Thread(target=_feed, args=(source, process), daemon=True).start()
        return process


def _feed(source: IO[bytes], process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    try:
        while block := source.read(_BLOCK):
            process.stdin.write(block)
        process.stdin.close()
    except (BrokenPipeError, ValueError):
        pass  # the backend refused before it had read everything, and the request is over


def _answer(process: subprocess.Popen[bytes], stream: bool) -> Response:
    """Turn CGI output into a response."""
    assert process.stdout is not None
    status, headers = 200, {}
    while line := process.stdout.readline(_HEAD_LIMIT).strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    if stream:
        return StreamingResponse(_blocks(process), status, headers)
    return Response(b"".join(_blocks(process)), status, headers)


def _blocks(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout is not None
    try:
        while block := process.stdout.read1(_BLOCK):  # type: ignore[attr-defined]
            yield block
    finally:
        process.stdout.close()
        process.wait()


def _commands(source: IO[bytes]) -> list[refs.Wish]:
    """The reference changes that a receive-pack request asks for (its first pkt-lines, up to the flush)."""
    wishes: list[refs.Wish] = []
    while (length := source.read(4)) not in (b"", b"0000"):
        try:
            line = source.read(int(length, 16) - 4)
        except ValueError:
            break  # a compressed or damaged request: git itself will complain
        old, new, ref = line.split(b"\0")[0].decode().strip().split(" ", 2)
        wishes.append(refs.Wish(ref, refs.absent(old), refs.absent(new)))
    return wishes
