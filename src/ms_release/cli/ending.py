"""How a program ends that does not end well: every exception becomes an exit code, a cause and a remedy."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable

import click

from ms_release.cli import following
from ms_release.cli.output import current
from ms_release.errors import Interrupted, MachineError, MsError, UsageError

PIPE_CLOSED = 141
"""128 + SIGPIPE, as of every program whose reader goes away."""
_HINTED = re.compile(r"(.*?)\.?(?: \(?(Choose from: .*?|Did you mean .*?|Possible .*?)\)?)?")


def end(error: Exception, *, as_json: bool) -> int:
    """Say how it ended, if anybody still listens, and leave nothing for the interpreter to stumble over."""
    show, code = _ending(error, as_json=as_json)
    try:
        show()
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        _silence()
    return code


def _ending(error: Exception, *, as_json: bool) -> tuple[Callable[[], None], int]:
    match error:
        case click.ClickException():
            return lambda: _show_usage(error, as_json=as_json), UsageError.exit_code
        case click.Abort():
            return lambda: _show_error(Interrupted(130), as_json=as_json), 130
        case MsError():
            return lambda: _show_error(error, as_json=as_json), error.exit_code
        case BrokenPipeError():
            return _silence, PIPE_CLOSED
        case OSError():
            return lambda: _show_machine(error, as_json=as_json), MachineError.exit_code
        case _:
            return lambda: _show_bug(error, as_json=as_json), 1


def _silence() -> None:
    """Nobody reads any more: what is still buffered goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)


def _show_usage(error: click.ClickException, *, as_json: bool) -> None:
    """A command line that click refuses, in our own form."""
    group_alone = getattr(click.exceptions, "NoArgsIsHelpError", None)
    if group_alone is not None and isinstance(error, group_alone):
        error.show()
        return
    context = getattr(error, "ctx", None)
    text = " ".join(error.format_message().split())
    found = _HINTED.fullmatch(text)
    assert found is not None
    cause, hint = found.groups()
    ours = UsageError(
        cause[:1].lower() + cause[1:],
        remedy=hint or "See what the command takes.",
        next_command=f"{context.command_path if context else 'ms release'} --help",
    )
    _show_error(ours, as_json=as_json)


def _show_error(error: MsError, *, as_json: bool) -> None:
    """Cause, remedy and next command, on stderr; one JSON document on stdout where JSON was asked for."""
    current(as_json=as_json).error(error)


def _show_machine(error: OSError, *, as_json: bool) -> None:
    """A disk that is full, a directory that may not be written: what the system said of which file."""
    where = str(error.filename) if error.filename is not None else "this machine"
    ours = MachineError(
        f"{where}: {(error.strerror or type(error).__name__).lower()}",
        remedy="Correct that, and run the same command again.",
    )
    _show_error(ours, as_json=as_json)


def _show_bug(error: Exception, *, as_json: bool) -> None:
    """A bug: what happened in one line, and the traceback only with MS_DEBUG set."""
    if os.environ.get("MS_DEBUG"):
        current().say_all("".join(traceback.format_exception(error)))
    bug = MsError(
        f"this is a bug of ms: {type(error).__name__}: {error}",
        remedy="Please report it with what the next command says. Running it again is safe.",
        next_command=f"MS_DEBUG=1 {following.again()}",
    )
    _show_error(bug, as_json=as_json)
