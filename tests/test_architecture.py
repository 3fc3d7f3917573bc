"""Keeps the house of DESIGN.md true: who may import what, how big a room may be, what no committed file may say."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
PACKAGE = SRC / "ms_release"
# What our users' repositories contain, kept as data in the package: not modules of ours.
DATA = (PACKAGE / "forge" / "example", PACKAGE / "forge" / "actions")

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not any(path.is_relative_to(data) for data in DATA))


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


# Standard modules that compute and do nothing else; a new one needs the same property.
PURE = set(
    "__future__ abc base64 binascii bisect collections dataclasses datetime decimal difflib enum fractions functools "
    "hashlib heapq hmac html itertools json math operator re string struct textwrap types typing unicodedata "
    "urllib.parse".split()
)
CORE_MAY_IMPORT = {*PURE, "msgspec", "tomllib", "ruamel", "ms_release.core", "ms_release.config", "ms_release.errors"}
CORE_MAY_NOT_CALL = set("open print input eval exec compile __import__ breakpoint globals exit quit".split())
CLOCK_READERS = {"now", "today", "utcnow"}

OUTSIDE_WORLD = set("httpx httpcore subprocess socket ssl urllib.request http.client requests ftplib asyncio".split())
FORGE_USERS = ("cli/forge", "cli/rehears", "cli/demo")
# A rehearsal types the real commands as processes, and its user downloads with plain tools: that is what they are for.
OUTSIDE_USERS = ("cli/rehearsal", "cli/demo")
HEAVY = set("httpx ssl socket starlette uvicorn graphql cryptography ruamel rich sqlite3 asyncio".split())

# With spaces for dots, so that this file does not name them either.
REGISTRY_HOSTS = [
    name.replace(" ", ".")
    for name in (
        "pypi org|files pythonhosted org|registry npmjs org|registry yarnpkg com|index crates io|static crates io|"
        "proxy golang org|rubygems org|registry-1 docker io"
    ).split("|")
]
UNFINISHED = ["TO" + "DO", "FIX" + "ME"]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported anywhere in a file, `from a import b` as `a.b`."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def within(name: str, allowed: set[str]) -> bool:
    return any(name == one or name.startswith(one + ".") for one in allowed)


def inside(path: Path, *folders: str) -> bool:
    return path.relative_to(PACKAGE).parts[0] in folders


def committed_files() -> list[Path]:
    """What is, or would be, committed: tracked and new files that are not ignored."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
    )
    paths = [ROOT / os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def test_there_is_something_to_check() -> None:
    folders = {path.relative_to(PACKAGE).parts[0] for path in MODULES}
    assert {"core", "adapters", "forge", "cli", "render", "operate.py"} <= folders


@pytest.mark.parametrize("path", [p for p in MODULES if inside(p, "core", "config.py")], ids=name_of)
def test_core_is_pure(path: Path) -> None:
    """The configuration is a value that core decides on: reading its file is somebody else's work."""
    wrong = [f"line {line}: imports {name}" for line, name in imports_of(path) if not within(name, CORE_MAY_IMPORT)]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in CORE_MAY_NOT_CALL:
                wrong.append(f"line {node.lineno}: calls {called.id}")
            if isinstance(called, ast.Attribute) and called.attr in CLOCK_READERS:
                wrong.append(f"line {node.lineno}: reads a clock with {called.attr}()")
    assert wrong == []


@pytest.mark.parametrize("path", [p for p in MODULES if not inside(p, "adapters", "forge")], ids=name_of)
def test_only_adapters_and_forge_reach_outside(path: Path) -> None:
    found = [(line, name) for line, name in imports_of(path) if within(name, OUTSIDE_WORLD)]
    assert name_of(path).startswith(OUTSIDE_USERS) or found == []


@pytest.mark.parametrize("path", [p for p in MODULES if not inside(p, "forge")], ids=name_of)
def test_the_program_does_not_know_the_embedded_forge(path: Path) -> None:
    users = name_of(path).startswith(FORGE_USERS)
    found = [(line, name) for line, name in imports_of(path) if within(name, {"ms_release.forge"})]
    assert users or found == []


@pytest.mark.parametrize("path", [p for p in MODULES if inside(p, "forge")], ids=name_of)
def test_the_embedded_forge_does_not_know_the_program(path: Path) -> None:
    """A forge that shared the program's decisions would agree with its mistakes."""
    program = {f"ms_release.{part}" for part in ("core", "adapters", "cli", "render", "operate", "ports", "config")}
    assert [(line, name) for line, name in imports_of(path) if within(name, program)] == []


@pytest.mark.parametrize("path", [p for p in MODULES if inside(p, "render")], ids=name_of)
def test_render_does_not_observe(path: Path) -> None:
    assert [
        (line, name) for line, name in imports_of(path) if within(name, {"ms_release.adapters", "ms_release.cli"})
    ] == []


@pytest.mark.parametrize("path", [p for p in MODULES if inside(p, "adapters")], ids=name_of)
def test_adapters_do_not_talk_to_people(path: Path) -> None:
    assert [
        (line, name) for line, name in imports_of(path) if within(name, {"ms_release.cli", "ms_release.render"})
    ] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_why_it_exists(path: Path) -> None:
    assert (ast.get_docstring(tree_of(path)) or "").strip()
    assert path.read_text(encoding="utf-8").startswith('"""')


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_outgrows_its_room(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_left_open(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [word for word in UNFINISHED if word in text] == []
    raised = [ast.unparse(node.exc) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Raise) and node.exc]
    assert [text for text in raised if text.startswith("NotImplementedError")] == []


def test_no_committed_file_names_a_registry_or_this_machine() -> None:
    configured = {
        urllib.parse.urlsplit(url).hostname
        for variable in (
            "PIP_INDEX_URL",
            "PIP_EXTRA_INDEX_URL",
            "UV_DEFAULT_INDEX",
            "UV_INDEX_URL",
            "npm_config_registry",
        )
        for url in os.environ.get(variable, "").split()
    }
    forbidden = [*REGISTRY_HOSTS, *sorted(host for host in configured if host), f"{ROOT}/"]
    found = []
    for path in committed_files():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in forbidden if word in text]
    assert found == []


def test_the_lock_is_hashed() -> None:
    blocks = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert len(blocks) > 20
    assert [block for block in blocks if "==" not in block or "--hash=sha256:" not in block] == []


def test_help_imports_nothing_heavy() -> None:
    """DESIGN: nothing heavy at module level; the network libraries alone cost more than the whole help."""
    program = (
        "import sys\n"
        "from ms_release.cli.main import ms\n"
        "sys.argv = ['ms', 'release', '--help']\n"
        "try:\n    ms()\n"
        "finally:\n    print(*sorted(sys.modules), sep='\\n', file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "Usage: ms release" in ran.stdout
    loaded = set(ran.stderr.splitlines())
    assert "click" in loaded
    assert HEAVY & loaded == set()


TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT / "tests").as_posix())
def test_no_test_patches_what_it_tests_and_none_sleeps(path: Path) -> None:
    """A test that replaces our functions tests itself; a test that sleeps is slow when right and wrong when slow."""
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                assert not any("mock" in name.name for name in names), ast.unparse(node)
                assert not any(name.name == "sleep" for name in names), ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="monkeypatch"), attr=done)):
                assert done in ("setenv", "delenv", "chdir"), ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep")):
                raise AssertionError(ast.unparse(node))
