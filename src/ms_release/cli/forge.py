"""`forge serve`: the embedded forge alone, for people and other programs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ms_release.cli.common import Settings, standard_options
from ms_release.errors import MachineError, UsageError

if TYPE_CHECKING:
    from ms_release.forge.faults import Fault

FILE = click.Path(exists=True, dir_okay=False)
fault_option = click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="'KIND [METHOD] [PATH] [NTH]'",
    help="Let the forge fail at the NTH request of this kind (docs/rehearsal.md); may be repeated.",
)


def read_faults(texts: tuple[str, ...]) -> list[Fault]:
    """The faults that `--fault` names; raises UsageError for one that there is not."""
    from ms_release.forge.faults import Fault

    try:
        return [Fault.of_words(text) for text in texts]
    except ValueError as error:
        raise UsageError(
            f"--fault: {error}", remedy="For example: --fault 'commit_then_502 POST /repos/*/pulls'."
        ) from None


@click.group()
def forge() -> None:
    """The embedded GitHub-compatible forge.

    \b
    Example:
      ms release forge serve --data /tmp/world
    """


@forge.command()
@click.option("--data", default=".ms/forge", metavar="DIR", help="Where the forge keeps its data.")
@click.option("--world", metavar="FILE", type=FILE, help="Make this world first (default: the example organisation).")
@click.option(
    "--port", default=0, type=click.IntRange(0, 65535), help="The port on loopback (default: the last or a free one)."
)
@fault_option
@standard_options
def serve(settings: Settings, data: str, world: str | None, port: int, faults: tuple[str, ...]) -> None:
    """Serve the embedded forge on loopback until interrupted.

    An empty data directory is filled with the example organisation or the given world. The directory that
    `rehearse --keep` left behind is served as it is. Faults stay with the data until they are removed
    (DELETE /_forge/faults).

    \b
    Example:
      ms release forge serve --data /tmp/world --port 8080
    """
    from ms_release.forge.serve import Server
    from ms_release.forge.world import EXAMPLE, build, is_made

    wanted = read_faults(faults)
    root = Path(data)
    if is_made(root / "forge"):  # what `rehearse --keep` leaves behind
        root = root / "forge"
    if not is_made(root):
        settings.output.say(f"making the world in {root}")
        build(Path(world) if world else EXAMPLE, root)
    try:
        server = Server(root, port)
    except BlockingIOError:
        raise MachineError(f"{root} is being served already", remedy="Use that forge, or another directory.") from None
    except OSError as error:
        where = f"port {port}" if port else "the forge's port"
        raise MachineError(
            f"{where} cannot be used: {(error.strerror or 'it is taken').lower()}", remedy="Name another with --port."
        ) from error
    for fault in wanted:
        server.forge.faults.add(fault)
    server.start()
    output = settings.output
    output.data(f"serving {root} at {server.url}\n  export GITHUB_API_URL={server.url}/api/v3 GH_TOKEN=alice-token")
    output.document({"url": server.url, "api": f"{server.url}/api/v3", "graphql": f"{server.url}/api/graphql"})
    try:
        threading.Event().wait()
    finally:
        server.stop()
