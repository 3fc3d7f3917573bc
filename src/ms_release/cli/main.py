"""`ms` and `ms-release`: argv → one command, and the only place where the program ends.

Commands are imported when they run, so that help costs no network library.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import click

from ms_release.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PRODUCT_VERBS = (
    "plan", "prepare", "publish", "approve", "cancel", "verify", "announce", "rollback", "assemble", "promote",
)  # fmt: skip


class Lazy(click.Group):
    """A group whose commands are `module:attribute` until they are asked for."""

    def __init__(self, *args: Any, commands_at: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._at:
            return None
        module, _, attribute = self._at[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"ms_release.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with one line each, from a table, so that listing them imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[self._at[name]]) for name in self._at])
        formatter.write("\n")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The same table for the shell: a key press must not wait for imports."""
        from click.shell_completion import CompletionItem

        fitting = [name for name in self._at if name.startswith(incomplete)]
        found = [CompletionItem(name, help=SUMMARIES[self._at[name]]) for name in fitting]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]


class Release(Lazy):
    """`ms release --json` is `ms release status --json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in ctx.help_option_names:
            args = ["status", *args]
        return super().parse_args(ctx, args)


SUMMARIES = {
    "status:status": "where every product's release stands, and what to type next",
    "content:content": "the product “content”: plan, prepare, publish, approve, verify",
    "init:init": "propose an ms-release.toml from what an organisation has",
    "plan:plan": "choose green commits and say why; writes a plan file",
    "prepare:prepare": "build missing candidates, bring the plan through a pull request",
    "publish:publish": "start the publishing run, wait for the approval, compare, record",
    "approve:approve": "for release managers: look at what is waiting, and approve it",
    "cancel:cancel": "give a release up that is under way; its version is burned",
    "verify:verify": "check a published release from outside",
    "announce:announce": "write links, decisions and capsules into a published release",
    "rollback:rollback": "back to an earlier release: its bytes, under a higher version",
    "assemble:assemble": "in the publishing run: fetch candidates, lay out the files",
    "promote:promote": "in the publishing run, behind the environment: sign and publish",
    "candidate:candidate": "build, verify, fetch, list and prune candidates",
    "preflight:preflight": "look whether a release would go through; changes nothing",
    "prove:prove": "run the gates of a commit here, in clean clones",
    "policy:policy": "hold protections to the rules, and repair them",
    "wire:wire": "write a repository's workflows and its release/plan.md",
    "rehearse:rehearse": "the whole release, offline, on the embedded forge",
    "forge:forge": "the embedded forge alone",
}

_CONTENT = {verb: f"{verb}:{verb}" for verb in PRODUCT_VERBS}
_RELEASE = {
    "status": "status:status",
    "init": "init:init",
    "plan": _CONTENT["plan"],
    "prepare": _CONTENT["prepare"],
    "publish": _CONTENT["publish"],
    "content": "content:content",
    "candidate": "candidate:candidate",
    "preflight": "preflight:preflight",
    "prove": "prove:prove",
    "policy": "policy:policy",
    "wire": "wire:wire",
    "rehearse": "rehearse:rehearse",
    "forge": "forge:forge",
}
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


@click.group(cls=Release, commands_at=_RELEASE, context_settings=_SETTINGS, invoke_without_command=True)
@click.pass_context
def release(ctx: click.Context) -> None:
    """Ship one product from many repositories: plan, prepare, publish.

    Without a command: `status`. Everything can be stopped and typed again.

    \b
    Example:
      ms release plan --channel beta --auto
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(release.get_command(ctx, "status"))  # type: ignore[arg-type]


@click.group(context_settings=_SETTINGS)
def root() -> None:
    """Release operations for products made of many repositories.

    \b
    Example:
      ms release status
    """


root.add_command(release)


def content_verbs() -> dict[str, str]:
    """The verbs of a product, for the group that names the product."""
    return _CONTENT


def ms() -> None:
    """Entry point `ms`."""
    sys.exit(run(root, sys.argv[1:], "ms"))


def ms_release() -> None:
    """Entry point `ms-release`: `ms-release plan` is `ms release plan`."""
    sys.exit(run(release, sys.argv[1:], "ms-release"))


def run(command: click.Command, arguments: list[str], name: str) -> int:
    """Run one command line and return its exit code; every error ends here, in words and never in a traceback."""
    from ms_release.adapters.system import interruptible
    from ms_release.cli import following

    following.typed(name, arguments)
    _prepare_streams()
    stdout = sys.stdout
    try:
        with interruptible():
            _refuse_bytes(arguments)
            code = command.main(arguments, prog_name=name, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except SystemExit:
        if sys.stdout is stdout:
            raise  # the shell's completion ends so
        from ms_release.cli.ending import end

        return end(BrokenPipeError(), as_json=False)  # click has caught it, and put another stream in its place
    except Exception as error:
        from ms_release.cli.ending import end

        return end(error, as_json="--json" in arguments)


def _prepare_streams() -> None:
    """A closed stream (`>&-`) swallows what is written; letters that an encoding lacks are shown as escapes."""
    import io
    import os

    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse_bytes(arguments: list[str]) -> None:
    import os

    for argument in arguments:
        try:
            os.fsencode(argument).decode()
        except UnicodeDecodeError:
            raise UsageError(f"the argument {argument!a} is not UTF-8 text", remedy="Write it in UTF-8.") from None
