"""What to type next, exactly as it can be typed here: by this program's name, with this command's configuration."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ms_release.errors import MsError, UsageError

_NAME = "ms release"


@dataclass
class _Line:
    """The command line of this process, as far as it is known."""

    program: str = _NAME
    words: tuple[str, ...] = ()
    path: str = _NAME
    config: str = ""
    instead: str = ""


_line = _Line()


def typed(program: str, words: Sequence[str]) -> None:
    """What this process was started with. `program` is `ms`, of which `release` is a word, or `ms-release`."""
    global _line  # noqa: PLW0603 - one process runs one command
    own = program == "ms-release"
    _line = _Line("ms-release" if own else _NAME, tuple(words if own or words[:1] != ["release"] else words[1:]))
    _line.path = _line.program


def reached(path: str, config: str) -> None:
    """The command that the words name (`ms release content plan`), and its configuration where that is named too."""
    _line.path, _line.config = path, config


def otherwise(command: str) -> None:
    """Where an ending of this command names nothing, say this: for what runs in a job, where nobody types."""
    _line.instead = command


def again(options: Mapping[str, str] | None = None) -> str:
    """The command that was typed, with options that it does not have yet (option → its value, "" for none)."""
    given = {word.partition("=")[0] for word in _line.words}
    more = (
        word for option, value in (options or {}).items() if option not in given for word in (option, value) if word
    )
    return " ".join((_line.program, shlex.join((*(w for w in _line.words if w != "--json"), *more)))).strip()


def without(option: str) -> str:
    """The command that was typed, without an option that takes no value."""
    return " ".join((_line.program, shlex.join(w for w in _line.words if w not in ("--json", option))))


def here(command: str) -> str:
    """A command of ours as it is typed here; any other is left as it is."""
    if not command.startswith(f"{_NAME} "):
        return command
    words = command.removeprefix(_NAME)
    if _line.config and "--config" not in words and not words.endswith("--help"):
        words += f" --config {shlex.quote(_line.config)}"
    return f"{_line.program}{words}"


def after(error: MsError) -> str:
    """What to type after an ending: what it names itself, help for wrong words, or the same command once more."""
    if error.next_command:
        return here(error.next_command)
    if _line.instead:
        return here(_line.instead)
    return f"{_line.path} --help" if isinstance(error, UsageError) else again()
