"""The committed runbook is what the example configuration renders to, and says what that configuration says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ms_release.config import Config, parse
from ms_release.render import runbook

ROOT = Path(__file__).resolve().parents[1]


def example() -> str:
    return (ROOT / runbook.CONFIG).read_text(encoding="utf-8")


def config() -> Config:
    return parse(example())


def test_the_committed_page_is_the_rendering() -> None:
    assert (ROOT / runbook.PAGE).read_text(encoding="utf-8") == runbook.render_runbook(config())


def test_it_names_everybody_and_everything() -> None:
    text, conf = runbook.render_runbook(config()), config()
    names = [conf.roles.maintainers, conf.roles.release_managers, *(r.slug for r in conf.repos)]
    names += [n for p in conf.products for n in (p.environment, p.workflow, p.id)]
    names += [c.name for r in conf.repos for c in r.checks]
    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    "said", ["check", "stale", "run failed", "rejected", "killed", "holds the version", "published is not what"]
)
def test_it_answers_what_can_go_wrong(said: str) -> None:
    table = runbook.render_runbook(config()).partition("## What if something fails")[2]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| ")]
    (row, *_) = [cells for cells in rows if said in cells[0]]
    assert "ms release" in row[3]


def test_every_table_row_has_as_many_cells_as_its_head() -> None:
    text = runbook.render_runbook(parse(example().replace('"validate"', '"a|b`c"')))
    widths: set[int] = set()
    for line in text.splitlines():
        if not line.startswith("|"):
            widths = set()
            continue
        widths.add(line.count("|"))
        assert len(widths) == 1, line


def test_a_change_of_the_configuration_changes_the_page() -> None:
    before = runbook.render_runbook(config())
    assert "There is none." in before
    waived = (
        example()
        + '\n[[waiver]]\ncode = "SELF_APPROVAL"\nsubject = "release"\nreason = "alone *until* March"\n'
        + 'approver = "dana"\nexpires = "2027-03-31"\n'
    )
    after = runbook.render_runbook(parse(waived))
    assert "There is none." not in after
    assert "`SELF_APPROVAL`" in after
    assert "2027-03-31" in after
    assert "*until*" not in after.replace("\\*", "")
    assert "`other-team`" in runbook.render_runbook(
        parse(example().replace("petitechose-midi-studio/release-managers", "other-team"))
    )


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ms_release.render.runbook", *words]
    env = {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=place, env=env, check=False, capture_output=True, text=True)


def test_check_and_write(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / runbook.CONFIG).write_text(example(), encoding="utf-8")
    assert run(tmp_path, "--check").returncode == 3
    assert run(tmp_path, "--write").returncode == 0
    assert run(tmp_path, "--check").returncode == 0
    (tmp_path / runbook.PAGE).write_text("edited\n", encoding="utf-8")
    assert run(tmp_path, "--check").returncode == 3
    assert run(tmp_path).returncode == 2
