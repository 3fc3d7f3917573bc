"""`ms release candidate …`: make, check, fetch and list what was built once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Session, Settings, connect, load_config, standard_options
from ms_release.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from ms_release.adapters.fetch import Checked
    from ms_release.adapters.http import Client

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def candidate() -> None:
    """Candidates: artifacts of one commit, built once, later only moved.

    \b
    Example:
      ms release candidate list
    """


@candidate.command()
@click.option("--dir", "folder", type=FOLDER, required=True, help="The artifacts, flat.")
@click.option("--sha", required=True, help="The commit they were built from.")
@click.option("--tag", required=True, help="The candidate's tag: rc-SHA or rc-ID-IDENTITY.")
@click.option("--visibility", type=click.Choice(["draft", "prerelease"]), required=True, help="Who may see it.")
@click.option("--input", "inputs", multiple=True, metavar="OWNER/NAME=SHA", help="Another repository the build read.")
@click.option("--recipe", multiple=True, metavar="PATH", help="A file that says how to build [default: the workflow].")
@standard_options
def build(settings: Settings, inputs: tuple[str, ...], recipe: tuple[str, ...], **order: Any) -> None:
    """In a producer's workflow: describe artifacts, ship them as a release.

    Writes candidate.json and checksums.txt beside the artifacts (and, when
    MS_CANDIDATE_KEY is set, signature and provenance). Does only what is
    missing; a finished candidate is never changed.

    \b
    Example:
      ms release candidate build --dir dist --sha "$SHA" --tag "$TAG" \\
        --visibility prerelease
    """
    from ms_release.cli.candidate_build import Order, read_inputs, run

    run(Order(**order, inputs=read_inputs(inputs), recipe=recipe), settings.output)


@candidate.command()
@click.argument("folder", type=FOLDER, required=False, metavar="[DIR]")
@click.option("--repo", "slug", metavar="OWNER/NAME", help="The repository on the forge.")
@click.option("--tag", help="The candidate's tag there.")
@standard_options
def verify(settings: Settings, folder: Path | None, slug: str | None, tag: str | None) -> None:
    """Check a candidate, in a directory or on the forge, byte by byte.

    Bytes, candidate.json, checksums.txt and the forge's own digest must
    agree; every difference is listed, and ends with exit code 7.

    \b
    Examples:
      ms release candidate verify dist
      ms release candidate verify --repo midi-studio/core --tag rc-0123…
    """
    from ms_release.adapters.fetch import check_directory
    from ms_release.cli.output import hashing

    if folder is not None and slug is None and tag is None:
        _report(settings, check_directory(folder, _key(settings), hashing))
    elif folder is None and slug and tag:
        with _connect(settings) as client:
            _report(settings, _on_forge(client, slug, tag, _key(settings)))
    else:
        raise UsageError(
            "either a directory or --repo and --tag are needed",
            remedy="Name one of the two.",
            next_command="ms release candidate verify --help",
        )


@candidate.command()
@click.option("--repo", "slug", required=True, metavar="OWNER/NAME", help="The repository.")
@click.option("--tag", required=True, help="The candidate's tag.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A new directory.")
@standard_options
def fetch(settings: Settings, slug: str, tag: str, out: Path) -> None:
    """Download a candidate; the directory appears only if all of it is right.

    \b
    Example:
      ms release candidate fetch --repo midi-studio/core --tag rc-0123… \\
        --out core
    """
    from ms_release.adapters.fetch import Expected
    from ms_release.adapters.fetch import fetch as bring

    _check_slug(slug)
    with _connect(settings) as client:
        found = bring(client, slug, tag, out, Expected(key=_key(settings)))
    artifacts = [{"name": a.filename, "size": a.size, "sha256": a.sha256} for a in found.artifacts]
    settings.output.document({"candidate": {"repo": slug, "tag": tag, "out": str(out), "artifacts": artifacts}})
    settings.output.data(f"{out}: {len(artifacts)} artifacts of {slug} {tag}, verified")


@candidate.command(name="list")
@click.option("--product", default="content", show_default=True, help="Whose components.")
@standard_options
def list_(settings: Settings, product: str) -> None:
    """Which commits have their artifacts: the tip and five green ones each.

    ready, missing, incomplete (with the reason) or building; and the newest
    release whose plan or spec names the candidate.

    \b
    Example:
      ms release candidate list --json
    """
    from ms_release.cli.candidate_list import run

    run(Session(settings, product))


@candidate.command()
@click.option("--older-than", "days", type=click.IntRange(0, 3650), default=30, show_default=True, metavar="DAYS",
              help="Leave younger ones alone.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Remove them; without it nothing is changed.")
@standard_options
def prune(settings: Settings, days: int, yes: bool) -> None:
    """Remove candidates that no release names.

    Stays: what a plan or spec names (merged, or on a release branch), what is
    being built, what is young, what somebody else made. Each is looked at
    again right before it is removed. Stopped, it can be typed again.

    \b
    Examples:
      ms release candidate prune
      ms release candidate prune --older-than 90 --yes
    """
    from ms_release.cli.candidate_prune import run

    run(Session(settings, "content"), days, yes=yes)


def _connect(settings: Settings) -> Client:
    """The forge of the configuration where there is one, else the one of the environment or github.com."""
    from ms_release.config import ForgeRule

    url = ForgeRule().url
    if settings.config_file.exists():
        url = load_config(settings.config_file)[1].forge.url
    return connect(url, settings.output)


def _key(settings: Settings) -> str:
    """The public key that must have signed candidates; "" without one, and without a configuration."""
    return load_config(settings.config_file)[1].policy.candidate_key if settings.config_file.exists() else ""


def _on_forge(client: Client, slug: str, tag: str, key: str) -> Checked:
    """The check of a release whose bytes are thrown away afterwards."""
    import tempfile

    from ms_release.adapters.fetch import Expected, download, find_release

    _check_slug(slug)
    release = find_release(client, slug, tag)
    with tempfile.TemporaryDirectory(prefix="ms-candidate-") as folder:
        return download(client, slug, release, Path(folder), Expected(key=key))


def _check_slug(slug: str) -> None:
    from ms_release.core.names import is_slug

    if not is_slug(slug):
        raise UsageError(f"{slug!a} is no repository", remedy="Write owner/name.")


def _report(settings: Settings, checked: Checked) -> None:
    """Say that all is well, or every difference; raises IntegrityError then."""
    output = settings.output
    if not checked.problems and checked.candidate is not None:
        files = len(checked.candidate.artifacts)
        output.document({"verified": {"candidate": checked.name, "digest": checked.digest, "artifacts": files}})
        output.data(f"{checked.name}: {files} artifacts, all as they should be")
        return
    if output.as_json or len(checked.problems) == 1:
        checked.sound()
    for problem in checked.problems:
        output.data(f"- {problem}")
    raise IntegrityError(
        f"{checked.name} is not what it says: the {len(checked.problems)} differences are listed above",
        remedy="Do not use it: find out who changed it, delete that candidate and build it again.",
    )
