"""What every command of a product shares: its options, and the session of configuration, forge and output."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ms_release.cli import following
from ms_release.cli.output import Output, begin
from ms_release.config import DEFAULT_FILE, Config, Product, parse
from ms_release.core.model import File
from ms_release.errors import UsageError

if TYPE_CHECKING:
    from ms_release.adapters.app_auth import App
    from ms_release.adapters.credentials import Endpoints
    from ms_release.adapters.github_read import GitHubReader
    from ms_release.adapters.github_write import GitHubWriter
    from ms_release.adapters.http import Client

F = TypeVar("F", bound=Callable[..., Any])
CONFIG_LIMIT = 1024 * 1024


@dataclass
class Settings:
    """The options that every command has."""

    config_file: Path
    output: Output


def standard_options(command: F) -> F:
    """`--json`, `--config`, `-v/-q`, `--no-color`: handed to the command as one `settings`."""

    def settled(
        *args: Any, as_json: bool, config_file: str, verbose: int, quiet: bool, no_color: bool, **kwargs: Any
    ) -> Any:
        output = Output(as_json=as_json, verbose=-1 if quiet else verbose, color=False if no_color else None)
        following.reached(click.get_current_context().command_path, "" if config_file == DEFAULT_FILE else config_file)
        return command(*args, settings=Settings(Path(config_file), begin(output)), **kwargs)

    settled.__doc__, settled.__name__ = command.__doc__, command.__name__
    settled.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--no-color", is_flag=True, help="No colours, on a terminal either."),
        click.option("-q", "--quiet", is_flag=True, help="No progress."),
        click.option("-v", "--verbose", count=True, help="Say more."),
        click.option("--config", "config_file", default=DEFAULT_FILE, metavar="FILE", help="The configuration."),
        click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    ):
        settled = option(settled)
    return settled  # type: ignore[return-value]


class Session:
    """One command's configuration, its connection to the forge, and what it prints through."""

    def __init__(self, settings: Settings, product_id: str) -> None:
        from ms_release.adapters import system

        self.output = settings.output
        self.clock = system.Clock()
        data, self.config = load_config(settings.config_file)
        self.output.config = self.config
        self.config_blob = File(DEFAULT_FILE, data).blob
        self.product: Product = self.config.product(product_id)
        self._client: Client | None = None

    @property
    def client(self) -> Client:
        """The connection, made when it is first needed."""
        if self._client is None:
            self._client = connect(self.config.forge.url, self.output)
        return self._client

    @property
    def reader(self) -> GitHubReader:
        """The reading side."""
        from ms_release.adapters.candidates import Cache
        from ms_release.adapters.github_read import GitHubReader

        return GitHubReader(self.client, Cache(cache_directory() / "candidates"))

    def writer(self, dist: Path | None = None) -> GitHubWriter:
        """The writing side."""
        from ms_release.adapters.github_write import GitHubWriter

        return GitHubWriter(self.client, dist)


def connect(forge_url: str, output: Output, token: str = "", only: tuple[str, ...] = ()) -> Client:
    """A client of the forge, as a given token, a GitHub App, or the operator, in this order.

    The App is MS_APP_ID, MS_APP_INSTALLATION and MS_APP_KEY (PEM): a token of one hour that is never written down, and
    that reaches `only` these repositories (names without owner) where they are given.
    Raises CredentialError when there is no credential.
    """
    from functools import partial
    from urllib.parse import urlsplit

    from ms_release.adapters import app_auth, credentials, system

    found = credentials.endpoints(os.environ, forge_url)
    make = partial(_client, found, output)
    if not token and os.environ.get("MS_APP_ID"):
        given = app_auth.app_token(_app(), system.Clock().now(), make, only)
        client = make(given.token)
        client.granted = given.permissions
        return client
    return make(token or credentials.find_token(os.environ, urlsplit(found.server).hostname or "github.com")[0])


def _client(found: Endpoints, output: Output, token: str) -> Client:
    from ms_release.adapters import system
    from ms_release.adapters.http import Client

    clock = system.Clock()
    output.hide(token)
    return Client(
        api_url=found.api,
        graphql_url=found.graphql,
        token=token,
        clock=clock.now,
        sleep=clock.sleep,
        etags=cache_directory() / "etags",
        on_wait=lambda reason, seconds: output.say(f"{reason}: waiting {seconds:.0f} s"),
    )


def _app() -> App:
    from ms_release.adapters.app_auth import App
    from ms_release.errors import CredentialError

    installation, key = os.environ.get("MS_APP_INSTALLATION", ""), os.environ.get("MS_APP_KEY", "")
    if not installation.isdigit() or not key:
        raise CredentialError(
            "MS_APP_ID is set, but not the number MS_APP_INSTALLATION and the key MS_APP_KEY",
            remedy="Set all three, or none of them and a token.",
        )
    return App(os.environ["MS_APP_ID"], int(installation), key)


def cache_directory() -> Path:
    """Where caches are kept; losing them costs requests only."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "ms-release"


def read_named(path: Path, max_bytes: int, *, what: str, remedy: str, next_command: str = "") -> bytes:
    """A file that the operator named. Raises UsageError when it is missing, a link or no file."""
    from ms_release.adapters.files import read_limited

    if path.is_symlink():
        raise UsageError(f"{what} {path} is a link", remedy="Name the file itself.", next_command=next_command)
    if not path.exists():
        raise UsageError(f"there is no {what} {path}", remedy=remedy, next_command=next_command)
    if not path.is_file():
        raise UsageError(f"{what} {path} is no regular file", remedy=remedy, next_command=next_command)
    return read_limited(path, max_bytes)


def load_config(file: Path) -> tuple[bytes, Config]:
    """The configuration, as bytes and read. Raises UsageError where it is missing or wrong."""
    data = read_named(
        file,
        CONFIG_LIMIT,
        what="configuration",
        remedy="Type it in a clone of the home repository, name the file with --config, or let `init` propose one.",
        next_command="ms release init",
    )
    try:
        return data, parse(data.decode(), str(file))
    except UnicodeDecodeError:
        cause, remedy = f"{file} is not UTF-8 text", "Compare with ms-release.example.toml."
        raise UsageError(cause, remedy=remedy, next_command=following.again()) from None
    except UsageError as error:
        error.next_command = following.again()
        raise
