"""Where the token comes from and which addresses the forge has: read from the environment, nothing stored."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from ms_release.adapters.urls import origin, refusal
from ms_release.errors import CredentialError, UsageError

_REMEDY = "Set GH_TOKEN or GITHUB_TOKEN to a token of yours, or log in with gh."
_GH_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of one forge, without a slash at the end."""

    api: str
    graphql: str
    server: str


def find_token(env: Mapping[str, str], host: str = "github.com") -> tuple[str, str]:
    """A token for `host` and where it was found: GH_TOKEN, GITHUB_TOKEN, then `gh auth token` (SPEC 3).

    Raises CredentialError when there is none, or when it cannot be a token.
    """
    for name in ("GH_TOKEN", "GITHUB_TOKEN"):
        if env.get(name, "").strip():
            return _checked(env[name], name), name
    return _checked(_from_gh(env, host), "gh auth token"), "gh auth token"


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if not all(33 <= ord(char) <= 126 for char in token):
        raise CredentialError(f"the token from {where} has characters that no token has", remedy=_REMEDY)
    return token


def _from_gh(env: Mapping[str, str], host: str) -> str:
    """Asks gh for this host only, so that a token never meets a forge it was not made for."""
    try:
        done = subprocess.run(
            ["gh", "auth", "token", "--hostname", host],
            env={name: value for name, value in env.items() if not name.startswith("MS_")},  # our keys are not gh's
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_GH_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        done = None
    if done is None or done.returncode or not done.stdout.strip():
        raise CredentialError(f"there is no token for {host}", remedy=_REMEDY, next_command=f"gh auth login -h {host}")
    return done.stdout


def endpoints(env: Mapping[str, str], forge_url: str) -> Endpoints:
    """The forge's addresses: what Actions sets in the environment, else made from `[forge] url`.

    An address that only part of the variables give is completed from those given, never from another forge.
    Raises UsageError for an address that may not carry a token.
    """
    api = env.get("GITHUB_API_URL", "")
    server = env.get("GITHUB_SERVER_URL", "") or (_server_of(api) if api else forge_url)
    made = _of_server(server.rstrip("/"))
    found = Endpoints(
        api=(api or made.api).rstrip("/"),
        graphql=(env.get("GITHUB_GRAPHQL_URL", "") or _graphql_of(api) or made.graphql).rstrip("/"),
        server=made.server,
    )
    for url in (found.api, found.graphql, found.server):
        why = refusal(url)
        if why:
            shown = url.rpartition("@")[2]  # without a name and password
            raise UsageError(f"the forge's address {shown!a} {why}", remedy="Correct [forge] url or GITHUB_API_URL.")
    if origin(found.api) != origin(found.graphql):
        raise UsageError(
            f"{found.api} and {found.graphql} are two forges",
            remedy="Make GITHUB_API_URL and GITHUB_GRAPHQL_URL agree.",
        )
    return found


def _of_server(server: str) -> Endpoints:
    if server.lower() == "https://github.com":
        return Endpoints("https://api.github.com", "https://api.github.com/graphql", server)
    return Endpoints(f"{server}/api/v3", f"{server}/api/graphql", server)


def _server_of(api: str) -> str:
    api = api.rstrip("/")
    if api == "https://api.github.com":
        return "https://github.com"
    return api.removesuffix("/api/v3")


def _graphql_of(api: str) -> str:
    api = api.rstrip("/")
    if not api:
        return ""
    return api.removesuffix("/v3") + "/graphql"
