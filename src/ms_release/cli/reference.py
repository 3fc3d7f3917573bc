"""Writes the reference and the configuration's schema from the code, so that they cannot lie (`./dev reference`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ms_release import errors

HEADER = """\
# Reference of the commands

Written by `./dev reference` from the commands' own help; do not edit. `ms-release` is a second name of `ms release`.
"""
SIGNALS = "Interrupted by SIGINT (130) or SIGTERM (143); the same command goes on where it stopped."
WIDTH = 80


def walk(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Every command below `command` as the context that its help is rendered in, groups before what they hold."""
    context = click.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, max_content_width=WIDTH)
    yield context
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is None:
                raise LookupError(f"{context.command_path} lists {child_name}, which it does not have")
            if not child.hidden:
                yield from walk(child, child_name, context)


def exit_codes() -> dict[int, list[str]]:
    """What each exit code means, from the classes that carry them (SPEC 3)."""
    meanings: dict[int, list[str]] = {0: ["Done, or nothing to do."], 1: ["A bug of this program."]}
    waiting = [errors.MsError]
    while waiting:
        parent = waiting.pop(0)
        waiting += parent.__subclasses__()
        code = parent.exit_code
        if parent.__module__ == errors.__name__ and parent.__name__ not in ("MsError", "Interrupted"):
            meanings.setdefault(code, []).append((parent.__doc__ or "").splitlines()[0])
    return dict(sorted(meanings.items()))


def render(root: click.Command) -> str:
    """The whole page for the program whose outermost command is `root`."""
    parts = [HEADER, "## Exit codes\n\n| code | meaning |\n|---|---|"]
    parts += [f"| {code} | {' '.join(texts)} |" for code, texts in exit_codes().items()]
    parts.append(f"| 130, 143 | {SIGNALS} |")
    first_path: dict[int, str] = {}
    for context in walk(root, "ms"):
        path = context.command_path
        parts.append(f"\n## `{path}`\n")
        same = first_path.setdefault(id(context.command), path)
        if same != path:
            parts.append(f"The same as `{same}`.")
        else:
            parts.append(f"```text\n{context.get_help()}\n```")
    return "\n".join(line.rstrip() for line in "\n".join(parts).splitlines()) + "\n"


def pages() -> dict[Path, str]:
    """Every generated file with its text: the commands' reference, and the JSON schema of the configuration."""
    from ms_release.cli.main import root
    from ms_release.config import json_schema

    return {
        Path("docs/reference.md"): render(root),
        Path("ms-release.schema.json"): json.dumps(json_schema(), indent=2) + "\n",
    }


def main(arguments: list[str]) -> int:
    """Write the generated files below the current directory; with `--check` compare, and answer 3 when one differs."""
    for page, text in pages().items():
        if arguments != ["--check"]:
            page.write_text(text, encoding="utf-8")
        elif not page.is_file() or page.read_text(encoding="utf-8") != text:
            click.echo(f"{page} does not say what the code says.\nType: ./dev reference", err=True)
            return errors.BlockedError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
