"""Every place in the program that makes a command to type next, found in its source; and typing what it made."""

from __future__ import annotations

import ast
import os
import pty
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ms_release
from scenarios.prefork import Typed, loaded
from scenarios.stage import Stage

PACKAGE = Path(ms_release.__file__).parent
ELSEWHERE = ("forge", "render")
"""Rooms of which no ending comes: the page that `render` writes for operators leaves a tag to be filled in."""
_COMMAND = re.compile(r"(MS_DEBUG=1 .*|(ms\\ release|gh\\ auth\\ login)\\ .+|.+\\ \\-\\-help)")
_MAKERS = {"again", "without"}


@dataclass(frozen=True)
class Site:
    """One place. `next` and `cause` are regular expressions of what it prints, and of the ending that it stands in."""

    id: str
    next: str
    cause: str

    def made(self, cause: str, following: str) -> bool:
        """Whether an ending can come from here. The command may name the configuration, the cause may say more."""
        plain = following.partition(" --config ")[0]
        fits = re.fullmatch(self.next, plain) or re.fullmatch(self.next, following)
        return bool(fits and re.match(self.cause, cause, re.DOTALL))


@cache
def sites() -> dict[str, Site]:
    """All of them; the id is module:function, with a number where there are several."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ELSEWHERE:
            for function, following, cause in _in_module(ast.parse(path.read_text())):
                found[f"{'/'.join(parts)}:{function}"].append((following, cause))
    return {
        (name := f"{place}#{number}" if len(several) > 1 else place): Site(name, following, cause)
        for place, several in found.items()
        for number, (following, cause) in enumerate(several, 1)
    }


def hidden_commands() -> Iterator[str]:
    """Remedies and causes that hold a whole command of ours."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            words = [*call.args[:2], *(named.value for named in call.keywords if named.arg == "remedy")]
            if _cause(call) is not None:
                said = (_pattern(word) or "" for word in words)
                yield from (f"{path.name}: {text}" for text in said if re.search(r"ms\\ release\\ ", text))


def _in_module(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    yield from _below(tree, "", ".*")


def _below(node: ast.AST, function: str, cause: str) -> Iterator[tuple[str, str, str]]:
    """Commands in the order of the source, with the function and the cause of the ending that they stand in."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
        function = getattr(node, "name", function)
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        for child in body:
            yield from _below(child, function, ".*")
        return
    if isinstance(node, ast.Call):
        cause = _cause(node) or cause
    if (following := _command(node)) is not None:
        yield function, following, cause
        return
    for child in ast.iter_child_nodes(node):
        yield from _below(child, function, cause)


def _cause(call: ast.Call) -> str | None:
    """The cause of an ending that is made by this call."""
    name = ast.unparse(call.func).rpartition(".")[2]
    if not (name == "Blocked" or name.endswith("Error")) or not call.args:
        return None
    return _pattern(call.args[0]) or ".*"


def _command(node: ast.AST) -> str | None:
    """The command that an expression makes, as a regular expression."""
    if isinstance(node, ast.Call):
        return ".+" if ast.unparse(node.func).rpartition(".")[2] in _MAKERS else None
    pattern = _pattern(node)
    return pattern if pattern is not None and _COMMAND.fullmatch(pattern) else None


def _pattern(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=values):
            return "".join(_pattern(value) or ".*" for value in values)
        case _:
            return None


# ---- typing what an ending says


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it says to type next."""

    exit: int
    cause: str
    next: str

    @staticmethod
    def of(typed: Typed) -> Told:
        """What a command has said: in its error, or beside its answer, or in the first line of `status`."""
        document = typed.document
        if error := document.get("error"):
            return Told(typed.exit, error["cause"], error["next"])
        rows = [row for row in document.get("releases", ()) if "state" in row]
        return Told(typed.exit, "", document.get("next") or (rows[-1]["next"] if rows else ""))


def told_by(site: str, typed: Typed) -> Told:
    """What a command has said; it must be what this site makes."""
    told = Told.of(typed)
    assert sites()[site].made(told.cause, told.next), (site, told, typed.errors)
    return told


def type_it(
    stage: Stage, who: str, told: Told | str, answer: str = "", *, cwd: Path | None = None, **env: str | None
) -> Typed:
    """Type exactly what was said, as a shell takes it. `env` is what this person's shell holds otherwise."""
    variable, words = re.fullmatch(r"(?:(\w+=\w+) )?(.*)", told if isinstance(told, str) else told.next).groups()  # type: ignore[union-attr]
    command = shlex.split(words)
    assert command[:2] == ["ms", "release"], told
    if variable:
        env = {**env, variable.partition("=")[0]: variable.partition("=")[2]}
    shell = {name: value for name, value in {**stage.rehearsal.environment(who), **env}.items() if value is not None}
    here = cwd or stage.rehearsal.operator
    if command[-1] == "--help":
        ms = [sys.executable, "-P", "-m", "ms_release"]
        done = subprocess.run([*ms, *command[1:]], env=shell, cwd=here, capture_output=True, text=True, check=False)
        return Typed(done.returncode, {"help": done.stdout}, done.stderr)
    return loaded().begin([*command[1:], "--json"], shell, here, answer).end()


def follow(stage: Stage, who: str, site: str, typed: Typed, answer: str = "", **more: Any) -> Typed:
    """Type the next command of an ending that comes from this site: it is no wrong one, and something is different."""
    told = told_by(site, typed)
    after = type_it(stage, who, told, answer, **more)
    assert after.exit != 2, (told, after)
    assert after.exit in (0, 4) or Told.of(after) != told, f"{told} leads nowhere: {after}"
    return after


def walk(stage: Stage, who: str, typed: Typed, **more: Any) -> Typed:
    """Type what each ending says, until one is done or waits; none may come twice."""
    seen = [Told.of(typed)]
    while typed.exit not in (0, 4):
        typed = type_it(stage, who, seen[-1], **more)
        assert Told.of(typed) not in seen, f"in a circle: {seen}"
        seen.append(Told.of(typed))
    return typed


def at_a_terminal(stage: Stage, who: str, told: Told | str, answer: str) -> int:
    """Type it where a question can be asked, and answer it; the exit code."""
    command = shlex.split(told if isinstance(told, str) else told.next)
    assert command[:2] == ["ms", "release"], told
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "ms_release", *command[1:]],
        env=stage.rehearsal.environment(who), cwd=stage.rehearsal.operator, stdin=slave,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as running:  # fmt: skip
        os.write(master, f"{answer}\n".encode())
        code = running.wait(timeout=60)
    os.close(slave)
    os.close(master)
    return code
