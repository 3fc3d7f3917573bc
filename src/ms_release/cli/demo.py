"""`./dev demo`: two releases of the example organisation, told as a story, and checked at the end with plain tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ms_release.cli.output import Output, begin
from ms_release.errors import IntegrityError, MsError

if TYPE_CHECKING:
    from ms_release.cli.rehearsal import Rehearsal

BEGIN = """\
An organisation of five repositories, on a forge of its own on this machine:
loader, bridge, core and plugin-bitwig are built and tested by themselves;
distribution releases them together. alice is a maintainer, bob a release
manager. Every command below is the real one, every workflow really runs.
"""


def main() -> int:
    """Tell the story; the exit code of what failed, if something did."""
    from ms_release.adapters.system import interruptible

    output = begin(Output())
    started = time.monotonic()
    try:
        with interruptible(), tempfile.TemporaryDirectory(prefix="ms-demo-") as root:
            _tell(Path(root).resolve(), output)
    except MsError as error:
        output.error(error)
        return error.exit_code
    output.data(f"\nThat took {time.monotonic() - started:.0f} s. Nothing left this machine.")
    return 0


def _tell(root: Path, output: Output) -> None:
    from ms_release.cli.rehearsal import open_rehearsal
    from ms_release.cli.rehearse import run_train
    from ms_release.forge.world import EXAMPLE, add_later_work

    output.data(BEGIN)
    with open_rehearsal(root, "content", None) as rehearsal:
        output.data("── The first release " + "─" * 59)
        first = run_train(rehearsal, output, "beta", yes=True)
        output.data("\n── Work goes on: two commits in core, one in plugin-bitwig, one in loader " + "─" * 6)
        for push in add_later_work(EXAMPLE, rehearsal.server.forge):
            output.data(f"  {push.repo} {push.after[:7]} by @{push.actor}, checks green")
        output.data("\n── The second release " + "─" * 58)
        second = run_train(rehearsal, output, "beta", yes=True)
        output.data("\n── What stands now, seen from outside " + "─" * 42)
        _compare_pins(rehearsal, output, first["tag"], second["tag"])
        for report in (first, second):
            _check(rehearsal, root, output, report)


def _compare_pins(rehearsal: Rehearsal, output: Output, first: str, second: str) -> None:
    from ms_release.core.plan import parse_file, plan_path

    plans = [parse_file((rehearsal.file(plan_path(tag)) or "").encode(), tag).plan for tag in (first, second)]
    before = {pin.repo: pin.sha for pin in plans[0].pins}
    for pin in plans[1].pins:
        kept = before[pin.repo] == pin.sha
        output.data(
            f"  {pin.repo:<14} {before[pin.repo][:7]} → {pin.sha[:7]}  {'kept' if kept else 'moved'} ({pin.select})"
        )
        if kept != (pin.select == "carry"):
            raise IntegrityError(
                f"{pin.repo} should have {'kept its pin' if pin.select == 'carry' else 'moved'}",
                remedy="This is a bug.",
            )


def _check(rehearsal: Rehearsal, root: Path, output: Output, report: dict[str, Any]) -> None:
    """The published files as a user gets them: `git` for the tag, `sha256sum` for the bytes."""
    tag, url = report["tag"], f"{rehearsal.server.url}/{rehearsal.home}"
    target = root / f"user-{tag}"
    target.mkdir()
    for asset in report["assets"]:
        with urllib.request.urlopen(f"{url}/releases/download/{tag}/{asset['name']}") as answer:  # noqa: S310 - loopback
            (target / asset["name"]).write_bytes(answer.read())
    _show(output, ["git", "clone", "--quiet", "--branch", tag, f"{url}.git", "distribution"], target)
    _show(output, ["git", "-C", "distribution", "show", "--no-patch", "--format=%h %s", "HEAD"], target)
    checker = ["sha256sum"] if shutil.which("sha256sum") else ["shasum", "-a", "256"]
    _show(output, [*checker, "-c", "checksums.txt"], target)


def _show(output: Output, command: list[str], directory: Path) -> None:
    shown = " ".join(command)
    output.data(f"\n@user $ {shown}")
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ADVICE": "0"}
    done = subprocess.run(command, cwd=directory, env=quiet, capture_output=True, text=True, check=False)
    if done.stdout:
        output.data("\n".join(f"  {line}" for line in done.stdout.splitlines()))
    if done.returncode:
        raise IntegrityError(f"`{shown}` failed: {done.stderr.strip()}", remedy="This is a bug.")


if __name__ == "__main__":
    sys.exit(main())
