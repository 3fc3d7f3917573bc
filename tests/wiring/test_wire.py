"""`wire` as people type it: what is around its marks stays, what differs has a name, no file of others is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release import config
from ms_release.cli.main import release, run
from ms_release.config import WireRule
from ms_release.core import yaml_text
from ms_release.core.marked import Generated, drift, merge
from ms_release.core.pins import PINS
from ms_release.core.project import Found
from ms_release.core.wiring import judge, judge_file, role_of
from ms_release.core.workflow import FOLDER, expressions, parse
from ms_release.errors import BlockedError, DamagedError, UsageError
from ms_release.render.wire import files_of
from wiring.repos import ALL, EXAMPLES, configuration, files_below
from wiring.shapes import ORGANISATION, PLAIN, URL, every_workflow, made_for, organisation

CI = f"{FOLDER}/ci.yml"
Wire = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    shutil.copytree(EXAMPLES / "pnpm", folder)
    (tmp_path / "ms-release.toml").write_text(configuration(ALL["pnpm"], URL))
    return folder


@pytest.fixture
def wire(checkout: Path, capsys: pytest.CaptureFixture[str]) -> Wire:
    """Type it, with --json: exit code, document, progress."""

    def typed(*options: str, repo: str = "pnpm") -> tuple[int, dict[str, Any], str]:
        named = ["--repo", repo] if repo else []
        file = str(checkout.parent / "ms-release.toml")
        code = run(release, ["wire", str(checkout), "--config", file, "--json", *named, *options], "ms-release")
        told = capsys.readouterr()
        return code, json.loads(told.out), told.err

    return typed


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


# ---- writing


def test_the_first_wire_writes_and_the_second_changes_nothing(checkout: Path, wire: Wire) -> None:
    before = files_below(checkout)
    code, told, _ = wire()
    assert (code, told["changed"]) == (0, told["files"])
    assert told["files"] == [CI, f"{FOLDER}/candidate.yml", f"{FOLDER}/policy-audit.yml", "release/plan.md"]
    written = files_below(checkout)
    assert {path: written[path] for path in before} == before
    times = {path: (checkout / path).stat().st_mtime_ns for path in written}
    code, told, _ = wire()
    assert (code, told["changed"], told["drift"], told["broken"]) == (0, [], [], [])
    assert {path: (checkout / path).stat().st_mtime_ns for path in written} == times
    assert wire("--check")[0] == 0
    assert (checkout / CI).stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


def test_hand_edits_around_the_marks_stay(checkout: Path, wire: Wire) -> None:
    wire()
    file, plan = checkout / CI, checkout / "release/plan.md"
    own = "  mine:\n    runs-on: ubuntu-latest\n    permissions: {}\n    steps:\n      - run: 'true'\n"
    file.write_text(f"# ours\nenv: {{ A: b }}\n{file.read_text()}{own}")
    plan.write_text(plan.read_text() + "\nAsk Ann first.\n")
    code, told, _ = wire("--check")
    assert (code, told["drift"]) == (0, [])
    edit(
        checkout.parent / "ms-release.toml", "sentinel = true", 'sentinel = true, gates = { lint = "sh tools/lint.sh" }'
    )
    code, told, _ = wire()
    assert (code, told["changed"]) == (0, [CI, "release/plan.md"])
    assert file.read_text().startswith("# ours\nenv: { A: b }\n# ms-release wire: begin")
    assert file.read_text().endswith(own)
    assert plan.read_text().endswith("\nAsk Ann first.\n")
    assert "mine" in [job.key for job in parse(file.read_bytes(), "ci.yml").jobs]
    assert wire("--check")[0] == 0


def test_a_hand_edit_that_breaks_a_rule_is_named(checkout: Path, wire: Wire) -> None:
    wire()
    with (checkout / CI).open("a") as file:
        file.write("  mine:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: a/b@v1\n")
    code, told, _ = wire("--check")
    assert (code, told["drift"], len(told["broken"])) == (3, [], 1)
    assert "job mine uses a/b@v1 (WIRE_PINS)" in told["error"]["cause"]


# ---- drift


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  typecheck:\n", "  types:\n", "ci.yml: the gate typecheck was removed, or is new"),
        ("  typecheck:\n", "  types:\n", "ci.yml: the gate types was added, or is no longer wanted"),
        ("pnpm run lint", "true", "ci.yml: the gate lint was changed: steps"),
        ("timeout-minutes: 30", "timeout-minutes: 300", "ci.yml: the gate lint was changed: timeout-minutes"),
        ("permissions: {}", "permissions: write-all", "ci.yml: permissions was changed"),
        ("  pull_request:\n", "", "ci.yml: on was changed"),
        ("name: CI\n", "name: CI\n\n", "ci.yml: comments or layout were changed"),
        ("jobs:\n", "jobs: [\n", "ci.yml: the generated part is damaged"),
        ("# ms-release wire: end\n", "", "ci.yml: its marks are broken"),
    ],
)
def test_drift_has_a_name(checkout: Path, wire: Wire, old: str, new: str, line: str) -> None:
    wire()
    edit(checkout / CI, old, new)
    before = files_below(checkout)
    code, told, _ = wire("--check")
    assert code == 3
    assert any(found.startswith(line) for found in told["drift"]), told["drift"]
    assert told["error"]["next"].endswith("--repo pnpm")
    assert files_below(checkout) == before


def test_a_removed_gate_is_reported_and_written_again(checkout: Path, wire: Wire) -> None:
    wire()
    good = (checkout / CI).read_text()
    jobs = good.split("\n\n  ")
    (checkout / CI).write_text("\n\n  ".join(job for job in jobs if not job.startswith("typecheck:")))
    code, told, _ = wire("--check")
    assert (code, told["drift"]) == (3, ["ci.yml: the gate typecheck was removed, or is new"])
    assert wire()[0] == 0
    assert (checkout / CI).read_text() == good


def test_missing_files_are_drift(checkout: Path, wire: Wire) -> None:
    code, told, _ = wire("--check")
    assert (code, len(told["drift"])) == (3, 4)
    assert not (checkout / ".github").exists()


def test_a_check_that_no_gate_makes_is_noted(checkout: Path, wire: Wire) -> None:
    edit(checkout.parent / "ms-release.toml", '"lint", app', '"deploy", app')
    code, told, progress = wire()
    assert (code, len(told["notes"])) == (0, 1)
    assert "no gate is called deploy" in progress


# ---- refusing


def test_a_file_of_others_is_not_overwritten(checkout: Path, wire: Wire) -> None:
    (checkout / FOLDER).mkdir(parents=True)
    (checkout / FOLDER / "candidate.yml").write_text("on: push\n")
    before = files_below(checkout)
    code, told, _ = wire()
    assert (code, told["error"]["kind"]) == (3, "BlockedError")
    assert "candidate.yml: the file exists" in told["error"]["cause"]
    assert "Move it away" in told["error"]["remedy"]
    assert files_below(checkout) == before  # not one of the others was written either
    assert "candidate.yml: the file exists, and was not written by wire" in wire("--check")[1]["drift"]


@pytest.mark.parametrize("link", [".github", FOLDER, CI, "release", "release/plan.md"])
def test_no_link_is_followed(checkout: Path, wire: Wire, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("theirs\n")
    (checkout / link).parent.mkdir(parents=True, exist_ok=True)
    (checkout / link).symlink_to(outside / "file" if "." in link[1:] else outside)
    code, told, _ = wire()
    assert (code, told["error"]["kind"]) == (6, "MachineError")
    assert files_below(outside) == {"file": b"theirs\n"}


def test_a_pipe_is_no_file(checkout: Path, wire: Wire) -> None:
    (checkout / FOLDER).mkdir(parents=True)
    os.mkfifo(checkout / CI)
    assert wire()[0] == 6


@pytest.mark.parametrize(
    ("options", "repo", "words"),
    [((), "nobody", "no repository has the id"), ((), "", "no remote called origin")],
)
def test_the_repository_must_be_known(wire: Wire, options: tuple[str, ...], repo: str, words: str) -> None:
    code, told, _ = wire(*options, repo=repo)
    assert code == 2
    assert words in told["error"]["cause"]


def test_bytes_that_are_no_text_are_refused(checkout: Path, wire: Wire) -> None:
    (checkout / FOLDER).mkdir(parents=True)
    (checkout / CI).write_bytes(b"\xff\xfe")
    assert wire()[0] == 2


# ---- the marks, as a property


MADE = Generated("x/ci.yml", "on: push\njobs:\n  a:\n    steps: []\n", True)
LINES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"))
).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(LINES, LINES)
def test_whatever_is_around_stays(before: str, after: str) -> None:
    if "ms-release wire" in before + after:
        return
    text = f"{before}{MADE.part}{after}"
    assert merge(MADE, text) == text
    assert drift(MADE, text) == ()
    other = Generated(MADE.path, MADE.body + "  b: {}\n", True)
    assert merge(other, text) == f"{before}{other.part}{after}"
    assert drift(other, text) == ("ci.yml: the gate b was removed, or is new",)
    assert drift(MADE, text.replace("\n", "\r\n")) == ()


@pytest.mark.parametrize("text", ["", "x\n", MADE.body])
def test_a_file_without_marks_is_not_ours(text: str) -> None:
    with pytest.raises(BlockedError):
        merge(MADE, text)


@pytest.mark.parametrize("text", [MADE.part * 2, MADE.part.splitlines()[0], MADE.part.splitlines()[-1]])
def test_broken_marks_are_damage(text: str) -> None:
    with pytest.raises(DamagedError):
        merge(MADE, text)


# ---- what is written


def scripts(value: Any) -> Any:
    """A workflow without the layout of its scripts."""
    if isinstance(value, dict):
        return {key: scripts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [scripts(item) for item in value]
    return value.strip() if isinstance(value, str) else value


def test_the_publishing_workflow_is_the_one_of_the_example() -> None:
    """Which every scenario runs, interrupts and attacks. It can act as an App, which the example lacks."""
    known = organisation()
    made = scripts(yaml_text.load(made_for(known.repo("distribution"))["publish.yml"], "made"))
    for step in made["jobs"]["assemble"]["steps"]:
        for name in ("MS_APP_ID", "MS_APP_INSTALLATION", "MS_APP_KEY"):
            step.get("env", {}).pop(name, None)
    example = (ORGANISATION / "distribution/.github/workflows/publish.yml").read_bytes()
    assert made == scripts(yaml_text.load(example, "example"))


@pytest.mark.parametrize("id", ["loader", "oc-bridge", "core", "plugin-bitwig"])
def test_the_candidate_workflows_are_those_of_the_example(id: str) -> None:
    known = organisation()
    made = scripts(yaml_text.load(made_for(known.repo(id))["candidate.yml"], "made"))
    folder = ORGANISATION / known.repo(id).slug.partition("/")[2]
    example = scripts(yaml_text.load((folder / ".github/workflows/candidate.yml").read_bytes(), "example"))
    for workflow in (made, example):
        workflow["on"]["workflow_dispatch"]["inputs"]["tag"].pop("description")
        for job in workflow["jobs"].values():
            job.pop("timeout-minutes")
    assert made == example


def test_what_is_written_breaks_no_rule() -> None:
    known, judged = organisation(), 0
    for repo in known.repos:
        files = {name: data for name, data in made_for(repo).items() if name.endswith(".yml")}
        found = judge(known, repo, files)
        judged += len(found)
        assert [f for f in found if f.outcome != "PASS"] == []
    assert judged > 100


def test_every_shape_breaks_no_rule_and_uses_only_what_is_pinned() -> None:
    known = organisation()
    for name, data in every_workflow().items():
        file = name.partition("-")[2] if not name.startswith(("oc-", "plugin-")) else name.split("-", 2)[2]
        role = role_of(known, known.repo("distribution" if "distribution" in name else "core"), file)
        role = role if role.publishes else type(role)(role.slug, file, environments=role.environments)
        assert [f for f in judge_file(role, data) if f.outcome != "PASS"] == [], name
        workflow = parse(data, name)
        for job in workflow.jobs:
            assert [step.uses for step in job.steps if step.uses and step.uses.partition("@")[0] not in PINS] == []
            assert [step.run for step in job.steps if expressions(step.run)] == []
            assert job.permissions is not None
        if not name.endswith("-ci.yml"):
            assert b"github.event_name == 'pull_request'" not in data  # caches, and runs that cancel others


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("build", ""), "no gate build that makes it"),
        (("build", "echo ${{ github.ref }}"), "holds ${{"),
    ],
)
def test_what_cannot_be_wired_is_a_usage_error(change: tuple[str, str], words: str) -> None:
    rule = WireRule(gates={**PLAIN.gates, change[0]: change[1]})
    with pytest.raises(UsageError) as told:
        made_for(organisation().repo("core"), rule)
    assert words in told.value.cause


def test_an_environment_that_the_run_decides_is_refused() -> None:
    known = organisation()
    text = (ORGANISATION / "distribution/ms-release.toml.tmpl").read_text().replace("@{url}", URL)
    odd = config.parse(text.replace('environment = "release"', 'environment = "${{ inputs.tag }}"'))
    with pytest.raises(UsageError, match="name of an environment"):
        files_of(odd, known.repo("distribution"), Found(frozenset({"requirements.txt", "tests"}), {}))
