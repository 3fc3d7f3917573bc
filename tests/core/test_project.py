"""Which gates a repository can run: by what it is made with, by what its files say, by what the configuration adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ms_release.adapters.project_files import look
from ms_release.config import WireRule
from ms_release.core.project import Found, Gate, gates_of, kind_of
from ms_release.errors import DamagedError, MsError, UsageError


def found(*paths: str, **texts: str) -> Found:
    """Marks, and texts by the first word of their file's name."""
    names = {"package": "package.json", "inner": ".sentinel/package.json", "pyproject": "pyproject.toml",
             "cargo": "Cargo.toml"}  # fmt: skip
    read = {names[key]: text for key, text in texts.items()}
    return Found(frozenset({*paths, *read}), read)


def package(*scripts: str, **more: object) -> str:
    return json.dumps({"scripts": dict.fromkeys(scripts, "true"), **more})


def commands(rule: WireRule, seen: Found) -> dict[str, str]:
    return {gate.name: gate.command for gate in gates_of(rule, seen)}


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (found("pnpm-lock.yaml", package="{}"), "pnpm"),
        (found(package=package(packageManager="pnpm@10.1.0")), "pnpm"),
        (found("package-lock.json", package=package(packageManager="npm@11")), "npm"),
        (found(package="{}", cargo=""), "npm"),
        (found(pyproject=""), "python"),
        (found("requirements.txt", cargo=""), "python"),
        (found(cargo=""), "rust"),
        (found("tests"), "plain"),
        (found(), "plain"),
    ],
)
def test_the_kind_is_found_by_looking(seen: Found, kind: str) -> None:
    assert kind_of(WireRule(), seen) == kind
    assert kind_of(WireRule(kind="rust"), seen) == "rust"


def test_pnpm_runs_the_scripts_that_are_there() -> None:
    seen = found("pnpm-lock.yaml", package=package("build", "lint", "type-check", "start"))
    assert commands(WireRule(), seen) == {
        "lint": "pnpm run lint",
        "typecheck": "pnpm run type-check",
        "build": "pnpm run build",
    }
    assert {(g.needs, g.setup) for g in gates_of(WireRule(), seen)} == {
        (("node", "pnpm"), ("pnpm install --frozen-lockfile",))
    }


def test_the_test_that_npm_invents_is_no_gate() -> None:
    text = json.dumps({"scripts": {"test": 'echo "Error: no test specified" && exit 1', "lint": "true"}})
    assert commands(WireRule(), found("package-lock.json", package=text)) == {"lint": "npm run lint"}


def test_sentinel_adds_the_gates_of_the_playbook() -> None:
    seen = found(
        "pnpm-lock.yaml", ".sentinel/pnpm-lock.yaml",
        package=package("test"), inner=package("validate:contracts", "test", "sentinels"),
    )  # fmt: skip
    assert commands(WireRule(sentinel=True), seen) == {
        "test": "pnpm run test && pnpm -C .sentinel run test",
        "contracts": "pnpm -C .sentinel run validate:contracts",
        "sentinels": "pnpm -C .sentinel run sentinels",
    }
    test, contracts, _ = gates_of(WireRule(sentinel=True), seen)
    assert test.setup == ("pnpm install --frozen-lockfile", "pnpm -C .sentinel install --frozen-lockfile")
    assert contracts.setup == ("pnpm -C .sentinel install --frozen-lockfile",)
    assert "contracts" not in commands(WireRule(), seen)


def test_sentinel_beside_another_language_asks_for_both() -> None:
    seen = found("tests", pyproject="", inner=package("test", "validate:contracts"))
    test, contracts = gates_of(WireRule(sentinel=True), seen)
    assert (test.needs, contracts.needs) == (("python3", "node", "pnpm"), ("node", "pnpm"))
    assert test.command == "python3 -m unittest discover -s tests && pnpm -C .sentinel run test"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (
            found("tests", pyproject="[tool.ruff]\n[tool.mypy]\nfiles = ['src']\n[tool.pytest.ini_options]\n"),
            ["python3 -m ruff check .", "python3 -m mypy", "python3 -m pytest"],
        ),
        (found("tests", "ruff.toml", pyproject="[tool.mypy]"), [
            "python3 -m ruff check .", "python3 -m mypy .", "python3 -m unittest discover -s tests",
        ]),
        (found("uv.lock", pyproject="[tool.ruff]\n[build-system]\nrequires = []"), [
            "uv run --locked ruff check .", "uv build --wheel --out-dir dist",
        ]),
        (found(pyproject="[build-system]\nrequires = []"), ["python3 -m pip wheel --no-deps -w dist ."]),
    ],
)  # fmt: skip
def test_python_runs_the_tools_that_are_configured(seen: Found, expected: list[str]) -> None:
    assert list(commands(WireRule(), seen).values()) == expected


@pytest.mark.parametrize(
    ("seen", "setup"),
    [
        (found("tests", pyproject=""), ()),
        (found("tests", "requirements.txt"), ("python3 -m pip install -r requirements.txt",)),
        (found("tests", pyproject="[build-system]\n[project.optional-dependencies]\ndev = []"),
         ('python3 -m pip install -e ".[dev]"',)),
        (found("tests", "uv.lock", pyproject=""), ("uv sync --locked --all-extras",)),
    ],
)  # fmt: skip
def test_python_fetches_what_it_names(seen: Found, setup: tuple[str, ...]) -> None:
    assert gates_of(WireRule(), seen)[0].setup == setup


def test_rust_builds_its_programs_into_dist() -> None:
    seen = found("Cargo.lock", cargo='[package]\nname = "x"')
    assert [gate.name for gate in gates_of(WireRule(), seen)] == ["lint", "typecheck", "test", "build"]
    assert commands(WireRule(), seen)["test"] == "cargo test --locked"
    assert "build" not in commands(WireRule(), found(cargo="[workspace]"))


def test_the_configuration_overrides_adds_and_removes() -> None:
    seen = found("pnpm-lock.yaml", package=package("lint", "test", "build"))
    rule = WireRule(gates={"smoke": "sh smoke.sh", "lint": "", "test": "pnpm run test --bail\n", "absent": ""})
    assert commands(rule, seen) == {"test": "pnpm run test --bail", "build": "pnpm run build", "smoke": "sh smoke.sh"}
    assert gates_of(rule, seen)[2] == Gate(
        "smoke", "sh smoke.sh", ("node", "pnpm"), ("pnpm install --frozen-lockfile",)
    )


@pytest.mark.parametrize(
    ("rule", "seen", "error", "words"),
    [
        (WireRule(), found(), UsageError, "no gate is known"),
        (WireRule(gates={"test": ""}), found("tests", pyproject=""), UsageError, "no gate is known"),
        (WireRule(sentinel=True), found("tests", pyproject=""), UsageError, "no .sentinel/package.json"),
        (WireRule(gates={"1st": "true"}), found(), UsageError, "'1st' cannot be the name"),
        (WireRule(gates={"a.b": "true"}), found(), UsageError, "cannot be the name"),
        (WireRule(gates={"t": "echo ${{ github.head_ref }}"}), found(), UsageError, "gate t holds ${{"),
        (WireRule(gates={"t": "echo \x1b[2J"}), found(), UsageError, "control character"),
        (WireRule(), found(package="[]"), DamagedError, "no JSON object"),
        (WireRule(), found(package='{"a": 1, "a": 2}'), DamagedError, "twice"),
        (WireRule(), found(pyproject="x"), UsageError, "pyproject.toml"),
    ],
)
def test_what_cannot_be_gates_is_refused(rule: WireRule, seen: Found, error: type[MsError], words: str) -> None:
    with pytest.raises(error) as told:
        gates_of(rule, seen)
    assert words in told.value.cause
    assert told.value.remedy


@pytest.mark.parametrize("text", ['{"scripts": 7}', '{"scripts": {"test": 7}}', '{"scripts": []}'])
def test_scripts_of_other_types_are_no_gates(text: str) -> None:
    with pytest.raises(UsageError, match="no gate"):
        gates_of(WireRule(), found(package=text))


def test_a_look_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n")
    (tmp_path / "package.json").symlink_to(tmp_path / "pyproject.toml")
    (tmp_path / ".sentinel").symlink_to(tmp_path / "tests")
    (tmp_path / "tests" / "package.json").write_text("{}")
    assert look(tmp_path) == Found(frozenset({"tests", "pyproject.toml"}), {"pyproject.toml": "[tool.ruff]\n"})


def test_a_look_refuses_what_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(DamagedError, match="UTF-8"):
        look(tmp_path)
