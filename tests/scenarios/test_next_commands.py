"""Every next command that an ending prints is typed, exactly as it stands there, and leads on or says why it cannot.

The places that make such commands are found in the source (`endings.sites`); one that no test here types is a failure.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ms_release.cli import ending, following
from ms_release.forge import git
from ms_release.forge.faults import Fault
from scenarios.endings import Told, at_a_terminal, follow, hidden_commands, sites, told_by, type_it, walk
from scenarios.moves import commit, head
from scenarios.phases import APPROVE, PHASES, Undisturbed
from scenarios.prefork import Typed, loaded
from scenarios.stage import BETA, FIRST, HOME, Saved, Stage, broken, staging
from scenarios.wire import Kill

SECOND = "v0.1.0-beta.2"
ANSWER = f"{FIRST}\n"
CORE = "midi-studio/core"

typed_here: set[str] = set()
"""The sites whose commands the tests below type."""


def types(*ids: str) -> Callable[[Any], Any]:
    """Says which sites a test is about; the test itself checks that it meets them."""

    def note(test: Any) -> Any:
        typed_here.update(ids)
        return test

    return note


def test_every_site_is_typed() -> None:
    assert sorted(set(sites()) - typed_here) == [], "places whose next command no test types"
    assert sorted(typed_here - set(sites())) == [], "places that are no more: these tests are about something else now"


def test_no_remedy_hides_a_command() -> None:
    """A command that can be typed stands in its own line, where these tests find it."""
    assert list(hidden_commands()) == []


@pytest.fixture
def opened(undisturbed: Undisturbed, saved: Saved, tmp_path: Path) -> Iterator[Callable[[str], Stage]]:
    """Opens the world at the beginning of a phase; its jobs are run without act."""
    open_ones = []

    def open_(name: str) -> Stage:
        world = {"new": saved.new, "ready": saved.ready}.get(name)
        place = staging(world() if world else undisturbed.before(PHASES[name]), tmp_path, direct=True)
        open_ones.append(place)
        return place.__enter__()

    yield open_
    for place in open_ones:
        place.__exit__(None, None, None)


Open = Callable[[str], Stage]


def faulty(stage: Stage, kind: str, method: str, path: str, who: str = "alice", query: str = "*") -> None:
    """The next such request goes wrong."""
    stage.forge.faults.add(Fault(kind, method, path, query, actor=who))


# --- everything goes well


@types(
    "cli/status:_rows", "cli/plan:_show", "cli/trains:_carry_out#1", "cli/trains:carry_out", "cli/status:_describe#1",
    "cli/approve:approve", "cli/trains:_carry_out#2",
)  # fmt: skip
def test_a_whole_release_by_typing_what_is_said(opened: Open) -> None:
    stage = opened("ready")
    planned = follow(stage, "alice", "cli/status:_rows", stage.type("alice", "status"))
    prepared = follow(stage, "alice", "cli/plan:_show", planned)
    assert prepared.exit == 0, prepared
    told = told_by("cli/trains:_carry_out#1", prepared)
    waiting = type_it(stage, "alice", told.next.removesuffix(" --watch"))
    assert (waiting.exit, told_by("cli/trains:carry_out", waiting).next) == (4, told.next)
    stage.settle()
    approved = follow(stage, "bob", "cli/status:_describe#1", stage.type("bob", "status"), ANSWER)
    assert approved.exit == 0, approved
    published = follow(stage, "alice", "cli/approve:approve", approved)
    assert published.exit == 0, published
    verified = follow(stage, "alice", "cli/trains:_carry_out#2", published)
    assert (verified.exit, Told.of(verified).next) == (0, ""), verified
    assert stage.published() == [FIRST]


@types("cli/preflight:_end")
def test_after_a_look_before_the_first_write(opened: Open) -> None:
    stage = opened("ready")
    ready = stage.type("alice", "preflight")
    assert stage.performed() == []
    planned = follow(stage, "alice", "cli/preflight:_end", ready)
    assert (ready.exit, planned.exit) == (0, 0)


@types("adapters/candidate_use:_read_uses")
def test_prune_while_nobody_knows_what_a_branch_will_name(opened: Open) -> None:
    stage = opened("ready")
    git_dir, main = stage.forge.git_dir(HOME), head(stage, HOME)
    git.update_ref(git_dir, f"refs/heads/release/{FIRST}", main, None)
    refused = stage.type("alice", "candidate", "prune")
    assert refused.exit == 3
    taken = follow(stage, "alice", "adapters/candidate_use:_read_uses", refused)
    assert taken.exit == 0, taken
    assert stage.type("alice", "candidate", "prune").exit == 0


@types("cli/trains:_dry_run")
def test_after_a_dry_run(opened: Open) -> None:
    stage = opened("ready")
    dry = stage.type("alice", "prepare", *BETA, "--dry-run", "--watch")
    assert stage.performed() == []
    assert follow(stage, "alice", "cli/trains:_dry_run", dry).exit == 0
    assert stage.performed() != []


@types("cli/status:_under_way#1", "cli/status:_under_way#2")
def test_status_of_what_stopped_half_way(undisturbed: Undisturbed, tmp_path: Path) -> None:
    phase = PHASES["prepare"]
    with undisturbed.playing(phase, tmp_path) as act:
        commits = next(a for a in undisturbed.asked(phase) if a.write and a.path == "/graphql")
        act.wire.aim(Kill(commits, "before"))
        assert act.type().exit == -9
        begun = follow(act.stage, "erin", "cli/status:_under_way#1", act.stage.type("erin", "status"))
        assert begun.exit == 4, begun
        act.stage.settle()
        seen = act.stage.type("erin", "status")
        with act.stage.approving():
            assert follow(act.stage, "erin", "cli/status:_under_way#2", seen).exit == 0


# --- plans


@types("cli/plan:_end")
def test_a_plan_while_one_is_under_way(opened: Open) -> None:
    stage = opened("publish")
    under_way = stage.type("alice", "plan", *BETA)
    with stage.approving():
        assert follow(stage, "alice", "cli/plan:_end", under_way).exit == 0


@types("cli/planner:read_plan#1", "cli/planner:read_plan#2")
def test_a_plan_file_that_cannot_be_used(opened: Open) -> None:
    stage = opened("ready")
    missing = stage.type("alice", "prepare", "--plan", "nowhere.json")
    planned = follow(stage, "alice", "cli/planner:read_plan#1", missing)
    file = stage.rehearsal.operator / planned.document["plan"]
    whole = file.read_text()
    file.write_text(whole[:-20])
    damaged = stage.type("alice", "prepare", "--plan", str(file))
    assert damaged.exit == 2
    assert follow(stage, "alice", "cli/planner:read_plan#1", damaged).exit == 0
    config = stage.rehearsal.operator / "ms-release.toml"
    config.write_text(config.read_text() + "# a word more\n")
    other = stage.type("alice", "prepare", "--plan", str(file))
    assert (other.exit, "another configuration" in Told.of(other).cause) == (3, True)
    assert follow(stage, "alice", "cli/planner:read_plan#2", other).exit == 0


@types("cli/trains:settle", "cli/following:after#2")
def test_a_gate_that_forbids(opened: Open) -> None:
    stage = opened("ready")
    rules = stage.store.get("protection", f"{HOME}:main")
    assert rules is not None
    stage.store.put("protection", f"{HOME}:main", {**rules, "required_status_checks": None}, HOME)
    blocked = stage.type("alice", "prepare", *BETA)
    judged = follow(stage, "alice", "cli/trains:settle", blocked)
    assert (judged.exit, len(judged.document["gates"]) > 5) == (3, True), "all of them are listed"
    stage.store.put("protection", f"{HOME}:main", rules, HOME)
    assert follow(stage, "alice", "cli/following:after#2", judged).exit == 0


# --- what ends before anything is done


@types("cli/ending:_show_usage", "cli/following:after#1", "cli/candidate:verify")
def test_a_wrong_command_line(opened: Open) -> None:
    stage = opened("ready")
    for site, words in (
        ("cli/ending:_show_usage", ("plann",)),
        ("cli/ending:_show_usage", ("content", "publish", "--chanel", "beta")),
        ("cli/following:after#1", ("publish",)),
        ("cli/following:after#1", ("content", "cancel", "1.0")),
        ("cli/candidate:verify", ("candidate", "verify")),
    ):
        wrong = stage.type("alice", *words)
        assert wrong.exit == 2
        helped = follow(stage, "alice", site, wrong)
        assert helped.exit == 0
        assert helped.document["help"].startswith("Usage: "), helped


@types("cli/common:load_config#1", "cli/init:_own_organisation#1", "cli/init:_show", "cli/init:_refuse_existing")
def test_where_there_is_no_configuration(opened: Open, tmp_path: Path) -> None:
    stage, place = opened("ready"), tmp_path / "elsewhere"
    place.mkdir()
    lost = stage.type("alice", "status", "--config", str(place / "ms-release.toml"))
    assert told_by("cli/common:load_config#1", lost).next == f"ms release init --config {place}/ms-release.toml"
    lost = type_it(stage, "alice", "ms release status", cwd=place)
    asked = follow(stage, "alice", "cli/common:load_config#1", lost, cwd=place)
    if asked.exit == 2:
        asked = follow(stage, "alice", "cli/init:_own_organisation#1", asked, cwd=place)
    assert asked.exit == 0
    judged = follow(stage, "alice", "cli/init:_show", asked, cwd=place)
    assert judged.exit in (0, 3), judged
    there = type_it(stage, "alice", "ms release init midi-studio", cwd=place)
    other = follow(stage, "alice", "cli/init:_refuse_existing", there, cwd=place)
    assert other.exit == 0
    assert Told.of(other).next.endswith("--config new-ms-release.toml")
    assert follow(stage, "alice", "cli/init:_show", other, cwd=place).exit in (0, 3)


@types("cli/init:_own_organisation#2")
def test_init_of_nobody_knows_what(opened: Open, tmp_path: Path) -> None:
    stage = opened("ready")
    unknown = type_it(stage, "alice", "ms release init", cwd=tmp_path, GH_TOKEN="nobody-token")
    assert type_it(stage, "alice", told_by("cli/init:_own_organisation#2", unknown)).exit == 0


@types("cli/common:load_config#2", "cli/common:load_config#3")
@pytest.mark.parametrize(("site", "data"), [(2, b"\xff"), (3, b"[config]\nhome = 7\n")])
def test_a_configuration_that_is_wrong(opened: Open, site: int, data: bytes) -> None:
    stage = opened("ready")
    config = stage.rehearsal.operator / "ms-release.toml"
    whole = config.read_bytes()
    config.write_bytes(data)
    wrong = stage.type("alice", "plan", *BETA)
    assert wrong.exit == 2
    config.write_bytes(whole)
    assert follow(stage, "alice", f"cli/common:load_config#{site}", wrong).exit == 0


@types("adapters/credentials:_from_gh")
def test_without_a_token(opened: Open, tmp_path: Path) -> None:
    """`gh` itself is another program: here it is one that remembers whether somebody has logged in."""
    stage, programs = opened("ready"), tmp_path / "programs"
    programs.mkdir()
    gh, kept = programs / "gh", programs / "token"
    gh.write_text(f'#!/bin/sh\ncase "$2" in login) echo alice-token > {kept};; token) cat {kept};; esac\n')
    gh.chmod(0o755)
    env = {"GH_TOKEN": None, "PATH": f"{programs}:/usr/bin:/bin"}
    nobody = type_it(stage, "alice", "ms release status", **env)
    assert nobody.exit == 5
    told = told_by("adapters/credentials:_from_gh", nobody)
    subprocess.run(["sh", "-c", told.next], env={"PATH": str(env["PATH"])}, check=True)
    assert type_it(stage, "alice", "ms release status", **env).exit == 0


@types("cli/ending:_show_bug")
def test_a_bug(opened: Open, capsys: pytest.CaptureFixture[str]) -> None:
    stage = opened("ready")
    following.typed("ms", ["release", "status", "--json"])
    assert ending.end(RuntimeError("oh"), as_json=True) == 1
    told = Typed(1, json.loads(capsys.readouterr().out), "")
    assert follow(stage, "alice", "cli/ending:_show_bug", told).exit == 0


# --- the same again: what the forge or the machine did


@types("cli/following:after#2", "cli/trains:carry_out")
@pytest.mark.parametrize(
    ("kind", "method", "path", "query", "exit"),
    [
        ("expired_token", "POST", "/graphql", "query", 5),
        ("fail_before", "POST", f"/repos/{HOME}/pulls", "*", 6),
        ("commit_then_drop", "POST", f"/repos/{HOME}/git/refs", "*", 6),
        ("secondary_limit", "POST", "/graphql", "mutation", 6),
    ],
)
def test_the_forge_fails(opened: Open, kind: str, method: str, path: str, query: str, exit: int) -> None:
    stage = opened("ready")
    seconds = 1800 if kind == "secondary_limit" else 0
    stage.forge.faults.add(Fault(kind, method, path, query, actor="alice", seconds=seconds))
    failed = stage.type("alice", "prepare", *BETA, "--watch")
    assert failed.exit == exit, failed
    stage.forge.faults.clear()
    told = told_by("cli/following:after#2", failed)
    assert told.next == "ms release prepare --channel beta --auto --watch"
    assert follow(stage, "alice", "cli/following:after#2", failed).exit == 0


@types("cli/following:after#2")
def test_stopped_by_somebody(opened: Open) -> None:
    stage = opened("approve")
    command = stage.begin("alice", "publish", *BETA, "--watch")
    run = stage.waiting()
    assert run is not None
    path = f"/repos/{HOME}/actions/runs/{run['id']}"
    stage.until(lambda: any(asked["path"] == path for asked in stage.asked_by("alice")))
    command.interrupt()
    stopped = command.end()
    assert stopped.exit == 128 + signal.SIGINT
    with stage.approving():
        assert follow(stage, "alice", "cli/following:after#2", stopped).exit == 0


@types("cli/following:after#2")
def test_a_machine_that_cannot_write(opened: Open) -> None:
    stage = opened("ready")
    blocked = stage.rehearsal.operator / ".ms"
    blocked.write_text("a file where a directory should be")
    failed = stage.type("alice", "plan", *BETA)
    assert failed.exit == 6, failed
    blocked.unlink()
    assert follow(stage, "alice", "cli/following:after#2", failed).exit == 0


def test_the_name_of_the_program_and_the_configuration_stay_as_typed(opened: Open, tmp_path: Path) -> None:
    stage = opened("ready")
    moved = tmp_path / "my file.toml"
    shutil.move(stage.rehearsal.operator / "ms-release.toml", moved)
    wanted = f"ms release content prepare --plan .ms/content-{FIRST}.plan.json --watch --config '{moved}'"
    planned = stage.type("alice", "plan", *BETA, "--config", str(moved))
    assert Told.of(planned).next == wanted
    prepared = follow(stage, "alice", "cli/plan:_show", planned)
    assert prepared.exit == 0, prepared
    code = "from ms_release.cli.main import ms_release; ms_release()"
    own = subprocess.run(
        [sys.executable, "-P", "-c", code, "plan", *BETA, "--config", str(moved), "--json"],
        env=stage.rehearsal.environment("alice"), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert own.returncode == 4, own
    named = json.loads(own.stdout)["error"]["next"]
    assert named == f"ms-release content publish --channel beta --auto --watch --config '{moved}'"


# --- while it is prepared


@types("cli/trains:_after#2")
def test_a_red_check(opened: Open) -> None:
    stage = opened("ready")
    with broken(stage, "validate"):
        failed = stage.type("alice", "prepare", *BETA, "--watch")
    assert failed.exit == 3
    told = told_by("cli/trains:_after#2", failed)
    assert Told.of(type_it(stage, "alice", told)) == told, "as long as it is red"
    red = next(run for run in stage.store.find("run", HOME, event="pull_request") if run["conclusion"] == "failure")
    assert stage.ask("alice", "POST", f"/{HOME}/actions/runs/{red['id']}/rerun-failed-jobs").status_code == 201
    stage.settle()
    assert follow(stage, "alice", "cli/trains:_after#2", failed).exit == 0


@types("cli/trains:_after#1", "cli/status:_describe#2", "cli/cancel:cancel")
def test_a_head_that_is_not_ours(opened: Open) -> None:
    stage = opened("ready")
    assert stage.type("alice", "prepare", *BETA).exit == 4
    stage.settle()
    push_to_release(stage)
    refused = stage.type("alice", "prepare", *BETA)
    assert "is not ours" in Told.of(refused).cause
    seen = follow(stage, "alice", "cli/trains:_after#1", refused)
    given_up = told_by("cli/status:_describe#2", seen)
    assert given_up.next == f"ms release content cancel {FIRST}"
    assert at_a_terminal(stage, "alice", given_up, FIRST) == 0
    cancelled = stage.type("alice", "content", "cancel", FIRST, "--yes")
    assert cancelled.document["performed"] == []
    assert follow(stage, "alice", "cli/cancel:cancel", cancelled).document["tag"] == SECOND


def push_to_release(stage: Stage) -> None:
    """Somebody's commit in the pull request of the release."""
    branch = f"release/{FIRST}"
    commit(stage, HOME, branch, {"README.md": b"mine"})
    for pull in stage.store.find("pull", HOME, head_ref=branch):
        changed = {**pull, "head_sha": head(stage, HOME, branch)}
        stage.store.put("pull", f"{HOME}#{pull['number']}", changed, HOME)


@types("core/change:_held")
def test_a_version_that_somebody_else_holds(opened: Open) -> None:
    stage = opened("ready")
    planned = stage.type("alice", "plan", *BETA).document["plan"]
    assert stage.type("erin", "prepare", *BETA).exit == 4
    stage.settle()
    plan = stage.rehearsal.operator / planned
    plan.write_text(plan.read_text().replace('"created_by": "alice"', '"created_by": "carol"'))
    refused = stage.type("alice", "prepare", "--plan", planned)
    seen = follow(stage, "alice", "core/change:_held", refused)
    with stage.approving():
        assert type_it(stage, "alice", Told.of(seen)).exit == 0, "theirs is continued"


@types("core/stale:blocked", "cli/planner:_unfinished")
@pytest.mark.parametrize("words", [("--plan", f".ms/content-{FIRST}.plan.json"), BETA], ids=["file", "auto"])
def test_a_fact_that_has_moved(opened: Open, words: tuple[str, ...]) -> None:
    stage = opened("ready")
    assert stage.type("alice", "plan", *BETA).exit == 0
    assert stage.type("alice", "prepare", "--plan", f".ms/content-{FIRST}.plan.json", "--watch").exit == 0
    for release in stage.store.find("release", CORE):
        stage.store.delete("release", release["id"])
    stale = stage.type("alice", "publish", *words)
    assert stale.exit == 3
    site = "cli/planner:_unfinished" if words is BETA else "core/stale:blocked"
    planned = follow(stage, "alice", site, stale)
    assert (planned.exit, planned.document["tag"]) == (0, SECOND)
    with stage.approving():
        assert walk(stage, "alice", type_it(stage, "alice", Told.of(planned))).exit == 0


# --- giving it up


@types("cli/cancel:_confirm#1", "cli/cancel:_confirm#2", "cli/cancel:cancel")
def test_cancel_asks_first(opened: Open) -> None:
    stage = opened("approve")
    silent = stage.type("alice", "content", "cancel", FIRST)
    assert silent.exit == 2
    again = f"ms release content cancel {FIRST}"
    assert at_a_terminal(stage, "alice", again, "no") == 2
    # what stands on that terminal is the same command: typed with its answer
    assert sites()["cli/cancel:_confirm#2"].made("the tag was not typed: nothing was changed", again)
    cancelled = follow(stage, "alice", "cli/cancel:_confirm#1", silent)
    assert follow(stage, "alice", "cli/cancel:cancel", cancelled).document["tag"] == SECOND


@types("core/stale:_abandoned", "core/cancel:_next_mark")
def test_a_mark_that_does_not_get_in(opened: Open) -> None:
    stage = opened("approve")
    with broken(stage, "validate"):
        red = stage.type("alice", "content", "cancel", FIRST, "--yes")
    assert (red.exit, "checks of #" in Told.of(red).cause) == (3, True), red
    told_by("cli/following:after#2", red)
    late = stage.type("bob", "content", "approve", FIRST, typed=ANSWER)
    finish = told_by("core/stale:_abandoned", late)
    assert "is being abandoned" in finish.cause
    assert at_a_terminal(stage, "alice", finish, FIRST) == 3, "red as before"
    (pull,) = (p for p in stage.store.find("pull", HOME) if p["head_ref"] == f"abandon/{FIRST}")
    path = f"/{HOME}/pulls/{pull['number']}"
    assert stage.ask("erin", "PATCH", path, json={"state": "closed"}).status_code == 200
    closed = type_it(stage, "alice", Told.of(red))
    told = told_by("core/cancel:_next_mark", closed)
    assert Told.of(type_it(stage, "alice", told)) == told, "until somebody reopens it"
    assert stage.ask("erin", "PATCH", path, json={"state": "open"}).status_code == 200
    runs = (r for r in stage.store.find("run", HOME, event="pull_request") if r["conclusion"] == "failure")
    for run in runs:
        assert stage.ask("alice", "POST", f"/{HOME}/actions/runs/{run['id']}/rerun-failed-jobs").status_code == 201
    stage.settle()
    assert follow(stage, "alice", "core/cancel:_next_mark", closed).exit == 0
    assert walk(stage, "alice", stage.type("alice", "publish", *BETA)).document["tag"] == SECOND


@types("core/cancel:refused")
def test_what_is_published_is_not_cancelled(opened: Open) -> None:
    stage = opened("record")
    refused = stage.type("alice", "content", "cancel", FIRST, "--yes")
    waiting = follow(stage, "alice", "core/cancel:refused", refused)
    assert "is under way" in Told.of(waiting).cause, "its evidence comes first"
    assert follow(stage, "alice", "cli/plan:_end", waiting).exit == 0


# --- the approval


@types("cli/approve:read_train", "cli/approve:_confirm", "core/approval:next_review")
def test_an_approval_that_is_not_given(opened: Open) -> None:
    stage = opened("approve")
    unknown = stage.type("bob", "content", "approve", "v9.9.9", typed="v9.9.9\n")
    assert follow(stage, "bob", "cli/approve:read_train", unknown).exit == 0
    mistyped = stage.type("bob", "content", "approve", FIRST, typed="yes\n")
    assert (mistyped.exit, stage.published()) == (2, [])
    assert follow(stage, "bob", "cli/approve:_confirm", mistyped, ANSWER).exit == 0
    stage.settle()
    late = stage.type("erin", "content", "approve", FIRST, typed=ANSWER)
    seen = follow(stage, "erin", "core/approval:next_review", late)
    assert type_it(stage, "alice", Told.of(seen)).exit == 0


def test_an_approval_whose_answer_was_lost(opened: Open) -> None:
    stage = opened("approve")
    faulty(stage, "commit_then_drop", "POST", f"/repos/{HOME}/actions/runs/*/pending_deployments", "bob")
    lost = stage.type("bob", "content", "approve", FIRST, typed=ANSWER)
    assert lost.exit == 6
    stage.settle()
    effects = len(stage.performed())
    given = follow(stage, "bob", "cli/following:after#2", lost, ANSWER)
    assert (given.exit, given.document["performed"], given.document["approved_by"]) == (0, [], "bob"), given
    assert len(stage.performed()) == effects
    assert follow(stage, "alice", "cli/approve:approve", given).exit == 0
    told_again = stage.type("bob", "content", "approve", FIRST)
    assert (told_again.exit, told_again.document["performed"]) == (0, [])


class Meanwhile:
    """In the place of whom the wire would kill: somebody else reviews first."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def kill(self) -> None:
        assert self._stage.review("dana").status_code == 200
        self._stage.until(lambda: self._stage.waiting() is None)

    def wait(self) -> int:
        return 0


@types("adapters/github_write:_reviewed", "adapters/github_write:_review")
@pytest.mark.parametrize(
    ("path", "site"),
    [("/pending_deployments", "adapters/github_write:_reviewed"), ("/compare/", "adapters/github_write:_review")],
)
def test_somebody_else_reviews_first(undisturbed: Undisturbed, tmp_path: Path, path: str, site: str) -> None:
    asked = next(a for a in undisturbed.asked(APPROVE) if a.who == "bob" and path in a.path and a.method == "GET")
    with undisturbed.playing(APPROVE, tmp_path) as act:
        stage = act.stage
        team = stage.store.get("team", "midi-studio/release-managers")
        assert team is not None
        stage.store.put("team", "midi-studio/release-managers", {**team, "members": ["bob", "dana"]})
        act.wire.introduce("bob-token", Meanwhile(stage))
        act.wire.aim(Kill(asked, "unanswered"))
        command = stage.begin("bob", *APPROVE.arguments, typed=ANSWER, url=act.wire.url)
        second = command.end()
        assert act.wire.killed
        stage.settle()
        seen = follow(stage, "bob", site, second)
        assert type_it(stage, "alice", Told.of(seen)).exit == 0


# --- the publishing run


@types("core/publish:_next_run", "cli/checkout:read_merged")
def test_a_run_that_fails(opened: Open) -> None:
    stage = opened("approve")
    name = f"{HOME}:release:MS_MANIFEST_KEY"
    key = stage.store.get("secret", name)
    assert key is not None
    stage.store.delete("secret", name)
    with stage.approving():
        failed = stage.type("alice", "publish", *BETA, "--watch")
    stage.settle()
    said = re.findall(r"  next: (.*)", stage.failures())
    # a run that has failed before the command looked is started again
    assert set(said) == {told_by("core/publish:_next_run", failed).next}
    assert sites()["cli/checkout:read_merged"].made("", said[0])
    stage.store.put("secret", name, key, HOME)
    with stage.approving():
        assert type_it(stage, "alice", said[0]).exit == 0


@types("core/publish:_rejected")
def test_rejected(opened: Open) -> None:
    stage = opened("publish")
    command = stage.begin("alice", "publish", *BETA, "--watch")
    stage.until(stage.waiting)
    assert stage.review("bob", "rejected", "not on a Friday").status_code == 200
    rejected = command.end()
    assert "rejected by @bob" in Told.of(rejected).cause
    planned = follow(stage, "alice", "core/publish:_rejected", rejected)
    assert (planned.exit, planned.document["tag"]) == (0, SECOND)
    seen = stage.type("alice", "status")
    assert Told.of(seen).next == "ms release content plan --channel beta --auto"


def test_rejected_and_started_again_by_hand(opened: Open) -> None:
    """Past every command, on the forge's own pages: what was rejected does not come out by a second approval."""
    stage = opened("approve")
    run = stage.waiting()
    assert run is not None
    assert stage.review("bob", "rejected", "not on a Friday").status_code == 200
    stage.settle()
    digest, seal = (run["display_title"].split()[place] for place in (4, 7))
    wish = {"ref": "main", "inputs": {"tag": FIRST, "plan": digest, "seal": seal}}
    started = stage.ask("erin", "POST", f"/{HOME}/actions/workflows/publish.yml/dispatches", json=wish)
    assert started.status_code in (200, 204)
    assert stage.review("bob").status_code == 200
    stage.settle()
    assert f"{FIRST} was rejected by @bob: a new approval needs a new plan" in stage.failures()
    assert (stage.published(), stage.tags()) == ([], [])
    refused = stage.type("alice", "publish", *BETA)
    planned = follow(stage, "alice", "cli/planner:_unfinished", refused)
    assert (planned.exit, planned.document["tag"]) == (0, SECOND)


@types("core/publish:_next_evidence", "cli/verify:verify")
def test_what_is_published_is_something_else(opened: Open) -> None:
    stage = opened("record")
    release = next(r for r in stage.store.find("release", HOME) if r["tag_name"] == FIRST)
    asset = next(a for a in stage.store.find("asset", HOME, release_id=release["id"]) if a["name"].endswith(".hex"))
    stage.forge.blob("evil").write_bytes(b"evil")
    stage.store.put("asset", asset["id"], {**asset, "blob": "evil", "digest": "sha256:" + "0" * 64}, HOME)
    odd = stage.type("alice", "publish", *BETA, "--watch")
    listed = follow(stage, "alice", "core/publish:_next_evidence", odd)
    assert listed.exit == 7
    assert follow(stage, "alice", "cli/verify:verify", listed).exit == 0
    stage.store.put("asset", asset["id"], asset, HOME)
    assert walk(stage, "alice", stage.type("alice", "publish", *BETA, "--watch")).exit == 0


@types("cli/verify:_unrecorded")
def test_verified_before_it_is_recorded(opened: Open) -> None:
    stage = opened("record")
    early = stage.type("carol", "content", "verify", FIRST)
    assert early.exit == 4, early
    assert follow(stage, "alice", "cli/verify:_unrecorded", early).exit == 0
    assert stage.type("carol", "content", "verify", FIRST).exit == 0


@types("cli/verify:tags_of", "cli/verify:_verify")
def test_nothing_to_verify(opened: Open) -> None:
    stage = opened("publish")
    for site, words in (("cli/verify:tags_of", ()), ("cli/verify:_verify", (FIRST,))):
        assert follow(stage, "carol", site, stage.type("carol", "content", "verify", *words)).exit == 0


@types("cli/announce:_foretell", "cli/announce:announce", "core/announce:_edit", "core/announce:_different")
def test_what_is_announced(opened: Open) -> None:
    stage = opened("verify")
    dry = stage.type("erin", "content", "announce", "--dry-run")
    done = follow(stage, "erin", "cli/announce:_foretell", dry)
    assert follow(stage, "erin", "cli/announce:announce", done).exit == 0
    (found,) = stage.store.find("release", HOME)
    stage.store.put("release", found["id"], {**found, "body": "mine"}, HOME)
    unmarked = stage.type("erin", "content", "announce")
    assert (unmarked.exit, follow(stage, "erin", "core/announce:_edit", unmarked).exit) == (4, 7)
    stage.store.put("release", found["id"], found, HOME)
    asset = stage.store.find("asset", HOME, release_id=found["id"])[0]
    stage.store.put("asset", asset["id"], {**asset, "size": 1}, HOME)
    other = stage.type("erin", "content", "announce")
    assert (other.exit, follow(stage, "erin", "core/announce:_different", other).exit) == (3, 7)


@types("core/announce:next_announce#2")
def test_what_cannot_be_announced_yet(opened: Open) -> None:
    stage = opened("record")
    early = stage.type("erin", "content", "announce", FIRST)
    assert (early.exit, follow(stage, "alice", "core/announce:next_announce#2", early).exit) == (4, 0)
    assert stage.type("erin", "content", "announce", FIRST).exit == 0


@types("core/announce:next_announce#1")
def test_what_will_never_be_announced(opened: Open) -> None:
    stage = opened("publish")
    assert stage.type("alice", "content", "cancel", FIRST, "--yes").exit == 0
    given_up = stage.type("erin", "content", "announce", FIRST)
    assert (given_up.exit, follow(stage, "erin", "core/announce:next_announce#1", given_up).exit) == (3, 0)


@types("cli/rollback:_busy#1", "cli/rollback:_busy#2")
def test_a_rollback_that_something_is_in_the_way_of(opened: Open) -> None:
    stage = opened("record")
    back = ("content", "rollback", "--to", FIRST, "--reason", "it hangs")
    unrecorded = stage.type("alice", *back)
    assert (unrecorded.exit, follow(stage, "alice", "cli/rollback:_busy#1", unrecorded).exit) == (3, 0)
    merged = json.loads(git.read_file(stage.forge.git_dir(HOME), "main", f"release-plans/{FIRST}.json") or b"")
    same = [word for pin in merged["plan"]["pins"] for word in ("--repo", f"{pin['repo']}={pin['sha']}")]
    assert stage.type("alice", "prepare", "--channel", "beta", "--tag", SECOND, *same, "--watch").exit == 0
    busy = stage.type("alice", *back)
    assert busy.exit == 3
    assert at_a_terminal(stage, "alice", told_by("cli/rollback:_busy#2", busy), SECOND) == 0
    assert stage.type("alice", *back).document["nothing"] is True


@types("cli/rehearse:_approve")
def test_a_rehearsal_without_an_approval(saved: Saved, tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "forge"
    shutil.copytree(saved.ready(), kept, ignore=shutil.ignore_patterns("port", "lock"))
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    words = ["release", "rehearse", "--channel", "beta", "--keep", str(kept.parent), "--json"]
    stopped = loaded().begin(words, env, tmp_path).end()
    assert stopped.exit == 4, stopped
    told = told_by("cli/rehearse:_approve", stopped)
    assert told.next == f"ms release rehearse --channel beta --keep {kept.parent} --yes"
    done = loaded().begin([*told.next.split()[1:], "--json"], env, tmp_path).end()
    assert (done.exit, done.document["tag"]) == (0, FIRST), done


@types("cli/wire:_repo", "cli/wire:_check")
def test_workflows_by_typing_what_is_said(opened: Open) -> None:
    stage = opened("ready")
    checkout = stage.rehearsal.operator / "checkout"
    checkout.mkdir()
    (checkout / "package.json").write_text('{"scripts": {"test": "true", "build": "true"}}')
    written = follow(stage, "alice", "cli/wire:_repo", stage.type("alice", "wire", "checkout"))
    assert (written.exit, len(written.document["changed"])) == (0, 3)
    (checkout / ".github/workflows/ci.yml").unlink()
    drifted = stage.type("alice", "wire", "checkout", "--repo", "loader", "--check")
    assert drifted.exit == 3
    assert follow(stage, "alice", "cli/wire:_check", drifted).document["changed"] == [".github/workflows/ci.yml"]


@types(
    "cli/policy_audit:ending#1", "cli/policy_audit:ending#2", "cli/policy_apply:run", "cli/policy_apply:_ending#1",
    "cli/policy_apply:_ending#2", "cli/policy_apply:_confirm#1", "cli/policy_apply:_confirm#2",
)  # fmt: skip
def test_protections_that_are_repaired(opened: Open) -> None:
    stage = opened("ready")
    place = f"{HOME}:release"
    found = stage.store.get("environment", place)
    assert found is not None
    blind = stage.type("alice", "policy", "audit")
    assert blind.exit == 5
    stage.store.put("environment", place, {**found, "can_admins_bypass": True}, HOME)
    seen = follow(stage, "dana", "cli/policy_audit:ending#1", blind)
    repair = told_by("cli/policy_audit:ending#2", seen)
    assert at_a_terminal(stage, "dana", repair, "no") == 2
    # what stands on that terminal is the same command: typed with its answer
    assert sites()["cli/policy_apply:_confirm#2"].made(
        "the changes were not confirmed: nothing was changed", repair.next
    )
    helpless = stage.type("alice", "policy", "apply", "--yes")
    assert told_by("cli/policy_apply:_ending#1", helpless).next == "ms release policy apply --yes"
    asked = type_it(stage, "dana", repair)
    left = follow(stage, "dana", "cli/policy_apply:_confirm#1", asked)
    assert (left.exit, len(left.document["performed"])) == (3, 1), left
    by_hand = follow(stage, "dana", "cli/policy_apply:_ending#2", left)
    assert by_hand.exit == 3
    stage.store.put("environment", place, found, HOME)
    whole = follow(stage, "dana", "cli/policy_apply:_ending#1", helpless)
    assert whole.exit == 0
    recorded = follow(stage, "dana", "cli/policy_apply:run", whole)
    assert recorded.exit == 4, recorded
    (pull,) = (p for p in stage.store.find("pull", HOME) if p["head_ref"].startswith("audit/"))
    assert pull["state"] == "open"
