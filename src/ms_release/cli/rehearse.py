"""`rehearse`: the whole release, end to end, offline: real commands, real git, real workflow runs, a second person."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Settings, standard_options
from ms_release.cli.following import again
from ms_release.cli.forge import fault_option, read_faults
from ms_release.core.sanitize import terminal_line
from ms_release.errors import BlockedError, IntegrityError, MsError, WaitingError

_AGAIN = (5, 6)
"""Exits that are the forge's doing, not the release's."""

if TYPE_CHECKING:
    from ms_release.cli.output import Output
    from ms_release.cli.rehearsal import Rehearsal, Verb
    from ms_release.forge.faults import Fault


@click.command()
@click.option("--channel", type=click.Choice(["stable", "beta"]), default="beta", help="The channel to rehearse.")
@click.option("--product", type=click.Choice(["content"]), default="content", help="The product to rehearse.")
@click.option(
    "--world",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="The world to rehearse in (default: the example organisation).",
)
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Keep the world here; the same command resumes in it.",
)
@click.option("--yes", is_flag=True, help="Let the second person approve without asking.")
@fault_option
@standard_options
def rehearse(
    settings: Settings,
    *,
    channel: str,
    product: str,
    world: str | None,
    keep: str | None,
    yes: bool,
    faults: tuple[str, ...],
) -> None:
    """Rehearse a whole release on the embedded forge.

    Every step is the real command against real repositories and really run workflows on this machine. The approval is a
    second person's: asked for on a terminal, given at once with --yes; without one the rehearsal stops with exit 4, and
    the same command with --keep goes on. With --fault the forge fails at the requests you name; a command that a fault
    ends is typed again, as a person would.

    \b
    Examples:
      ms release rehearse
      ms release rehearse --yes --keep /tmp/world --json
      ms release rehearse --yes --fault 'commit_then_502 POST /repos/*/pulls'
    """
    from ms_release.cli.rehearsal import open_rehearsal

    wanted = read_faults(faults)
    place = nullcontext(keep) if keep else tempfile.TemporaryDirectory(prefix="ms-rehearse-")
    with place as root:
        directory = Path(root).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        settings.output.say(f"making the world, or finding it, in {directory}")
        with open_rehearsal(directory, product, Path(world) if world else None) as rehearsal:
            with _meeting(rehearsal, settings.output, wanted):
                document = run_train(rehearsal, settings.output, channel, yes=yes)
            settings.output.document(document)


@contextmanager
def _meeting(rehearsal: Rehearsal, output: Output, wanted: list[Fault]) -> Iterator[None]:
    """Meanwhile the forge has these faults; in the end it says which of them were met."""
    faults = rehearsal.server.forge.faults
    numbers = [faults.add(fault) for fault in wanted]
    try:
        yield
    finally:
        for number, fault in zip(numbers, wanted, strict=True):
            fired = faults.fired(number)
            met = f"met by {fired} request{'s' * (fired != 1)}" if fired else "never met: no request was its"
            output.data(f"fault {fault.kind} {fault.method} {fault.path}: {met}")
            faults.remove(number)


def run_train(rehearsal: Rehearsal, output: Output, channel: str, *, yes: bool) -> dict[str, Any]:
    """One release from plan to verify, as two people do it. Raises what the failing command ended with."""
    how = ("--channel", channel, "--auto")
    operator, approver = rehearsal.people()
    _plan(rehearsal, output, channel, operator)
    _step(rehearsal, output, operator, "prepare", *how, "--watch")
    waiting = _step(rehearsal, output, operator, "publish", *how, allowed=(0, 4))
    if waiting.document.get("nothing"):
        output.data("nothing to release: the newest release is exactly what would be released now")
        return {"verbs": _verbs(rehearsal), "nothing": True}
    tag = _remembered(rehearsal, channel)["tag"]
    if waiting.exit == 4:
        _approve(rehearsal, output, approver, tag, yes=yes)
        _step(rehearsal, output, operator, "publish", *how, "--watch")
    _step(rehearsal, output, operator, "verify", tag)
    return _report(rehearsal, output, tag, channel)


def _plan(rehearsal: Rehearsal, output: Output, channel: str, operator: str) -> None:
    """Plan, and keep what the plan foretells beside the world, so that a resumed rehearsal can still compare."""
    start = len(rehearsal.server.forge.store.effects())
    verb = _step(rehearsal, output, operator, "plan", "--channel", channel, "--auto", allowed=(0, 4))
    if "actions" in verb.document:
        kept = {"tag": verb.document["tag"], "predicted": verb.document["actions"], "start": start}
        _memory(rehearsal, channel).write_text(json.dumps(kept))


def _memory(rehearsal: Rehearsal, channel: str) -> Path:
    return rehearsal.root / f"rehearsal-{channel}.json"


def _remembered(rehearsal: Rehearsal, channel: str) -> dict[str, Any]:
    file = _memory(rehearsal, channel)
    if not file.exists():
        raise BlockedError(
            f"what goes on in {rehearsal.root} was not started by a rehearsal", remedy="Use another directory."
        )
    kept: dict[str, Any] = json.loads(file.read_text())
    return kept


def _approve(rehearsal: Rehearsal, output: Output, approver: str, tag: str, *, yes: bool) -> None:
    if not yes:
        if not sys.stdin.isatty():
            raise WaitingError(
                f"{tag} waits for the approval of @{approver}",
                remedy="Approve it (--yes lets the second person do it), then run the same command again.",
                next_command=again({"--yes": "", "--keep": str(rehearsal.root)}),
            )
        sys.stderr.write(f"\nYou are now @{approver}, a release manager. Type {tag} to approve: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip() != tag:
            raise BlockedError(f"{tag} was not approved", remedy="Run the same command again.")
    _step(rehearsal, output, approver, "approve", tag, typed=f"{tag}\n")


def _step(
    rehearsal: Rehearsal, output: Output, who: str, *arguments: str, allowed: tuple[int, ...] = (0,), typed: str = ""
) -> Verb:
    shown = " ".join(("ms release", rehearsal.product, *arguments))
    met, before = _met(rehearsal), -1
    while met > before:  # what a fault has ended is typed again, as a person would
        output.data(f"\n@{who} $ {shown}")
        verb = rehearsal.run(who, *arguments, typed=typed, show=not output.as_json)
        _tell(output, verb.document)
        asked = ", ".join(f"{n} {kind}" for kind, n in verb.requests.items() if n)
        output.data(f"  exit {verb.exit} in {verb.seconds:.1f} s ({asked or 'no requests'})")
        before, met = met, _met(rehearsal) if verb.exit in _AGAIN else met
    if verb.exit not in allowed:
        error = verb.document.get("error", {})
        raise _failure(verb, error.get("cause", verb.errors[-2000:] or "it said nothing"), error.get("remedy", ""))
    return verb


def _met(rehearsal: Rehearsal) -> int:
    return sum(fault["fired"] for fault in rehearsal.server.forge.faults.all())


def _tell(output: Output, document: dict[str, Any]) -> None:
    """The gist of what a command answered."""
    for pin in document.get("pins", ()):
        output.data(f"  {pin['repo']:<14} {pin['sha'][:7]}  {pin['select']:<12} {terminal_line(pin['reason'])}")
    if "actions" in document and "plan" in document:
        output.data(
            f"  plan {document['digest'][:16]}…: {len(document['actions'])} effects foretold, every gate passed"
        )
    if "approved_by" in document:
        output.data(f"  approved plan {document['plan'][:16]}… under seal {document['seal'][:16]}…")
    for release in document.get("releases", ()):
        output.data(f"  {release['tag']}: {release['files']} files are what was planned, approved and recorded")


def _failure(verb: Verb, cause: str, remedy: str) -> MsError:
    failure = BlockedError(f"`{verb.verb}` ended with exit {verb.exit}: {cause}", remedy=remedy)
    failure.exit_code = verb.exit
    return failure


def _report(rehearsal: Rehearsal, output: Output, tag: str, channel: str) -> dict[str, Any]:
    from ms_release.cli.effects import performed_keys
    from ms_release.core.plan import ledger_path

    kept = _remembered(rehearsal, channel)
    performed = performed_keys(rehearsal.server.forge.store, rehearsal.home, kept["start"])
    text = rehearsal.file(ledger_path(tag))
    if text is None:
        raise IntegrityError(f"{tag} has no ledger entry", remedy="Run the same command again.")
    entry = json.loads(text)
    same = sorted(kept["predicted"]) == sorted(performed)
    output.data(
        f"\n{tag} is published: {len(performed)} effects, {'exactly' if same else 'NOT'} those that the plan foretold"
    )
    return {
        "verbs": _verbs(rehearsal),
        "predicted": kept["predicted"],
        "performed": performed,
        "tag": tag,
        "digest": entry["plan"],
        "seal": entry["seal"],
        "assets": [{"name": a["name"], "sha256": a["sha256"]} for a in entry["assets"]],
        "approved_by": entry["approved_by"],
    }


def _verbs(rehearsal: Rehearsal) -> list[dict[str, Any]]:
    return [{"verb": v.verb, "exit": v.exit, "seconds": v.seconds, "requests": v.requests} for v in rehearsal.verbs]
