"""Keeps the written pages true: commands and options exist, links lead somewhere, the reference is current."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from ms_release.cli import reference
from ms_release.cli.main import root

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:ms release|ms-release|\./dev)(?: [^`]*)?)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
OURS = ("ms", "ms-release", "./dev")

CONTEXTS = {context.command_path: context for context in reference.walk(root, "ms")}
VERBS = set(re.findall(r"^\./dev ([a-z]+)", subprocess.run(
    [str(ROOT / "dev"), "help"], check=True, capture_output=True, text=True
).stdout, re.MULTILINE))  # fmt: skip


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands_in(page: Path) -> list[str]:
    """Every command line of ours on a page: lines of `sh` blocks and inline code."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in SHELL.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    found = [line.removeprefix("$ ").strip() for line in lines] + INLINE.findall(FENCE.sub("", text))
    return [line for line in found if line.split(" ")[0] in OURS]


def complaint(line: str) -> str | None:
    """Why `line` cannot be typed, None when it can: unknown verb, unknown option."""
    words = shlex.split(line, comments=True)
    if words[0] == "./dev":
        return None if len(words) == 1 or words[1] in VERBS else f"./dev has no verb {words[1]}"
    words[0:1] = ["ms", "release"] if words[0] == "ms-release" else ["ms"]
    path = words.pop(0)
    while words and f"{path} {words[0]}" in CONTEXTS:
        path += f" {words.pop(0)}"
    command = CONTEXTS[path].command
    if words and not words[0].startswith("-") and isinstance(command, click.Group):
        return f"{path} has no command {words[0]}"
    known = {
        name
        for parameter in command.get_params(CONTEXTS[path])
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
    return f"{path} has no option {unknown[0]}" if unknown else None


def anchors_of(text: str) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_can_be_typed(page: Path) -> None:
    assert [said for line in commands_in(page) if (said := complaint(line))] == []


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors_of(file.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


def test_the_reference_says_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == reference.render(root)


def test_every_command_says_what_it_is_for_and_gives_an_example() -> None:
    leaves = [context for context in CONTEXTS.values() if not isinstance(context.command, click.Group)]
    assert leaves
    assert [context.command_path for context in CONTEXTS.values() if not context.command.help] == []
    assert [context.command_path for context in leaves if "ms release" not in (context.command.help or "")] == []


def test_the_readme_names_the_two_commands_first() -> None:
    typed = [shlex.join(shlex.split(line, comments=True)) for line in commands_in(ROOT / "README.md")]
    assert typed[:2] == ["./dev demo", "./dev test"]


def test_the_decision_on_the_embedded_forge_lists_every_stand_in() -> None:
    page = (ROOT / "docs" / "adr" / "0003-embedded-forge.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `[\w-]+/([\w-]+)` \|", page, re.MULTILINE))
    assert listed == {folder.parent.name for folder in (ROOT / "src/ms_release/forge/actions").glob("*/action.yml")}


def test_the_checks_of_this_file_can_fail() -> None:
    assert complaint("ms release no-such-command") == "ms release has no command no-such-command"
    assert complaint("ms-release status --no-such-option") == "ms release status has no option --no-such-option"
    assert complaint("./dev dance") == "./dev has no verb dance"
    assert complaint("ms release status") is None
