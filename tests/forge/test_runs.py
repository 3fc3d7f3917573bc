"""Runs start, wait, end and come back as on GitHub; their jobs really run and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge.running import REPO, World, jobs, serving, workflow
from ms_release.forge import git
from ms_release.forge.errors import Refusal

BOB = [{"type": "User", "name": "bob"}]
GATED = jobs({"test": {}, "ship": {"needs": "test", "environment": "release"}})
SHA = "9" * 40
STATUS = """
import os, sys, urllib.request
data = b"{}" if sys.argv[1] == "POST" else None
request = urllib.request.Request(os.environ["GITHUB_API_URL"] + sys.argv[2], method=sys.argv[1], data=data)
request.add_header("Authorization", "Bearer " + os.environ["T"])
try:
    print(sys.argv[1], urllib.request.urlopen(request).status)
except urllib.error.HTTPError as error:
    print(sys.argv[1], error.code)
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with serving(tmp_path / "forge") as world:
        yield world


def slow(mark: Path, **top: Any) -> str:
    """A workflow whose job says that it runs and then takes a minute."""
    far = f"HOME=/ nohup sh -c 'sleep 61; : {mark}' >nohup.out"  # known by its parents only
    step = {"run": f"(sleep 61 & sleep 61) & {far} & touch {mark}; sleep 60"}
    return jobs({"test": {"steps": [step], **top.pop("job", {})}}, **top)


def alive(text: str) -> list[str]:
    """The processes whose command line holds a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        found += [line] if text in line else []
    return found


# ---- what a job gets


def test_a_job_has_its_own_home_and_nothing_of_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/agent")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    show = 'echo names $(env | grep -o "^[A-Za-z_]*=" | sort); test -t 0 || test -t 1 || echo no terminal'
    facts = 'echo "$GITHUB_REPOSITORY $GITHUB_REF $GITHUB_SHA $GITHUB_RUN_ID.$GITHUB_RUN_ATTEMPT $GITHUB_ACTOR $HOME"'
    sha = world.push({"ci.yml": workflow([{"run": show}, {"run": facts}])})
    world.settle()
    home = world.forge.root / "jobs" / "1" / "home"
    assert world.ends() == ["success"], world.log()
    assert world.said(f"{REPO} refs/heads/main {sha} 1.1 alice {home}")
    assert world.said("no terminal")
    names = next(line for line in world.log().splitlines() if "Z names " in line).split()[2:]
    known = {"ACT", "CI", "HOME", "ImageOS", "LANG", "OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR", "_"}
    left = {name.rstrip("=") for name in names if not name.startswith(("GITHUB_", "RUNNER_", "MS_FORGE_"))}
    assert left <= known
    assert not list((world.forge.root / "jobs").iterdir())


def test_the_token_may_what_the_file_says_and_dies_with_the_job(world: World) -> None:
    ask = 'python3 status.py GET "/repos/o/r/commits/main"; python3 status.py POST "/repos/o/r/git/refs"'
    look = "tr '\\0' ' ' </proc/$PPID/cmdline; ls $HOME/.."
    steps = [
        {"uses": f"actions/checkout@{SHA}"},
        {"run": f"{ask}; {look}", "env": {"T": "${{ github.token }}"}},
        {"run": 'echo "token: $T"', "env": {"T": "${{ secrets.GITHUB_TOKEN }}"}},
    ]
    world.push({"ci.yml": workflow(steps), "status.py": STATUS})
    world.settle()
    assert world.said("GET 200"), world.log()
    assert world.said("POST 403")
    assert world.said("token: ***")
    assert "ghs_" not in world.log()
    assert "secrets.yml" not in [line.split(" ")[-1] for line in world.log().splitlines()]
    assert [token["kind"] for token in world.store.find("token")] == ["classic"] * 4


def test_secrets_reach_only_those_who_name_them_and_no_log(world: World) -> None:
    with world.store.writing():
        world.store.put("secret", f"{REPO}:KEY", {"value": "top$ecret\nsecond line"}, REPO)
        world.store.put("secret", f"{REPO}:release:KEY", {"value": "of the environment"}, REPO)
        world.store.put("secret", f"{REPO}:OTHER", {"value": "other-secret"}, REPO)
    world.environment()
    steps = [{"run": 'echo "${#K} [$O]"; echo "$K"', "env": {"K": "${{ secrets.KEY }}", "O": "${{ secrets.NONE }}"}}]
    world.push({"ci.yml": jobs({"a": {"steps": steps}, "b": {"steps": steps, "environment": "release"}})})
    world.settle()
    assert world.said("21 []", "a"), world.log("a")
    assert world.said("18 []", "b"), world.log("b")
    assert not any(word in world.log("a") + world.log("b") for word in ("ecret", "second", "environment"))


def test_checkout_and_artifacts_carry_files_from_job_to_job(world: World) -> None:
    checkout = {"uses": f"actions/checkout@{SHA}", "with": {"fetch-depth": 0, "persist-credentials": False}}
    make = "mkdir -p dist/sub; cp hello dist/; echo deep > dist/sub/file; echo hidden > dist/.x"
    make += "; echo n=$(git log --oneline | wc -l)"
    build = [
        checkout,
        {"run": "echo headers=$(grep -c extraheader .git/config); git rev-parse --abbrev-ref HEAD"},
        {"id": "make", "run": make + "; echo v=$(cat hello) >> $GITHUB_OUTPUT"},
        {"uses": f"actions/upload-artifact@{SHA}", "with": {"name": "dist", "path": "dist/"}},
    ]
    use = [
        {"uses": f"actions/download-artifact@{SHA}", "with": {"name": "dist", "path": "got"}},
        {
            "run": "cd got; echo files $(find . -type f | sort); echo got $V",
            "env": {"V": "${{ needs.build.outputs.v }}"},
        },
    ]
    specs = {
        "build": {"steps": build, "outputs": {"v": "${{ steps.make.outputs.v }}"}},
        "use": {"needs": "build", "steps": use},
    }
    world.push({"hello": "hi\n"})
    world.push({"ci.yml": jobs(specs, permissions={"contents": "read"})})
    world.settle()
    assert world.ends() == ["success"], world.log("build")
    assert world.said("headers=0", "build")
    assert world.said("n=2", "build")
    assert world.said("main", "build")
    assert world.said("files ./hello ./sub/file", "use")
    assert world.said("got hi", "use")


def test_a_step_survives_the_end_of_its_terminal(world: World) -> None:
    """Seen twice under load: act hung up a step's terminal, and the step died of it."""
    world.push({"ci.yml": jobs({"a": {"steps": [{"run": "kill -HUP $PPID; kill -HUP $$; echo still here"}]}})})
    world.settle()
    assert world.ends() == ["success"], world.log("a")
    assert world.said("still here", "a")


@pytest.mark.parametrize("depth", [0, 1])
@pytest.mark.parametrize("what", ["main", "side", "v1", "refs/tags/v2", "sha", ""])
def test_checkout_finds_branches_tags_and_commits(world: World, what: str, depth: int) -> None:
    git_dir = world.forge.git_dir(REPO)
    first = world.push({"name": "first\n"})
    world.push({"name": "side\n"}, "side")
    git.update_ref(git_dir, "refs/tags/v1", first, None)
    person = git.Person("Ann", "ann@example.org", "2026-01-02T03:04:05Z")
    git.update_ref(git_dir, "refs/tags/v2", git.tag_object(git_dir, "v2", (first, "commit"), "two", person), None)
    step = {"uses": "actions/checkout@v7", "with": {"ref": first if what == "sha" else what, "fetch-depth": depth}}
    world.push({"ci.yml": workflow([step, {"run": "cat name; git status --short"}]), "name": "last\n"})
    world.settle()
    expected = {"main": "last", "side": "side", "": "last"}.get(what, "first")
    assert world.said(expected), world.log()


def test_a_failing_step_fails_the_job_and_skips_the_rest(world: World) -> None:
    steps = [
        {"name": "fails", "run": "echo oops; exit 3"},
        {"run": "echo never"},
        {"if": "always()", "run": "echo after"},
    ]
    world.push({"ci.yml": workflow(steps)})
    world.settle()
    assert world.ends() == ["failure"]
    shown = [(step["name"], step["conclusion"]) for step in world.job()["steps"]]
    assert shown == [
        ("Set up job", "success"), ("fails", "failure"), ("Run echo never", "skipped"),
        ("Run echo after", "success"), ("Complete job", "success"),
    ]  # fmt: skip
    assert world.said("##[error]Process completed with exit code 3.")


def test_the_tool_of_this_installation_is_on_the_path(world: World) -> None:
    steps = [
        {"uses": f"ms-release/setup@{SHA}"},
        {"run": "for tool in ms ms-release; do sed -n '$p' $(command -v $tool); done"},
    ]
    world.push({"ci.yml": workflow(steps)})
    world.settle()
    assert world.said(f'exec "{sys.executable}" -m ms_release "$@"'), world.log()
    assert world.said(f'exec "{sys.executable}" -m ms_release release "$@"')


# ---- which jobs run


def test_conditions_and_needs_decide_which_jobs_run(world: World) -> None:
    fail = {"steps": [{"run": "false"}]}
    specs: dict[str, Any] = {
        "ok": {},
        "bad": fail,
        "after-ok": {"needs": "ok"},
        "after-bad": {"needs": ["ok", "bad"]},
        "cleanup": {"needs": "bad", "if": "failure() && needs.bad.result == 'failure'"},
        "always": {"needs": "after-bad", "if": "${{ always() }}"},
        "never": {"if": "github.ref != 'refs/heads/main'"},
        "after-never": {"needs": "never"},
    }
    world.push({"ci.yml": jobs(specs)})
    world.settle()
    ends = {job["key"]: job["conclusion"] for job in world.store.find("job", REPO)}
    assert ends == {
        "ok": "success", "bad": "failure", "after-ok": "success", "after-bad": "skipped", "cleanup": "success",
        "always": "success", "never": "skipped", "after-never": "skipped",
    }  # fmt: skip
    assert world.ends() == ["failure"]
    checks = {check["name"]: check["conclusion"] for check in world.store.find("check_run", REPO)}
    assert checks == ends
    assert [suite["conclusion"] for suite in world.store.find("check_suite", REPO)] == ["failure"]


def test_a_matrix_makes_a_job_of_each_combination(world: World) -> None:
    job = {"strategy": {"matrix": {"v": [1, 2]}}, "steps": [{"run": 'echo "v=${{ matrix.v }}"'}]}
    world.push({"ci.yml": jobs({"test": job, "end": {"needs": "test"}})})
    world.settle()
    made = world.store.find("job", REPO, key="test")
    assert [job["name"] for job in made] == ["test (1)", "test (2)"]
    assert ["v=2" in world.forge.blob(job["log"]).read_text() for job in made] == [False, True]
    assert world.job("end")["conclusion"] == "success"


# ---- what starts a run


def test_pushes_start_every_workflow_that_matches(world: World) -> None:
    world.push(
        {"a.yml": workflow([{"run": "true"}]), "b.yml": workflow([{"run": "true"}], on={"push": {"branches": ["x"]}})}
    )
    assert [run["path"] for run in world.store.find("run")] == [".github/workflows/a.yml"]
    world.push({"f": "1"}, message="more [skip ci]")
    world.push({"f": "2"}, by_workflow=True)
    assert len(world.store.find("run")) == 1
    world.push({"f": "3"}, "x")
    assert [run["head_branch"] for run in world.store.find("run")] == ["main", "x", "x"]
    assert [run["run_number"] for run in world.store.find("run")] == [1, 2, 1]
    world.settle()


def test_a_file_that_cannot_be_read_is_a_run_that_fails_at_once(world: World) -> None:
    world.push({"ci.yml": "on: [push\n"})
    assert world.ends() == ["startup_failure"]
    assert world.run()["name"] == ".github/workflows/ci.yml"
    assert not world.store.find("job")


def test_pull_requests_run_on_the_test_merge_and_report_on_the_head(world: World) -> None:
    show = [
        {"uses": f"actions/checkout@{SHA}"},
        {"run": "echo $(git rev-parse HEAD) $GITHUB_REF $GITHUB_HEAD_REF $GITHUB_BASE_REF; ls"},
    ]
    world.push({"ci.yml": workflow(show, on="pull_request")})
    head = world.push({"theirs": "1"}, "topic")
    world.push({"ours": "1"})
    answer = world.ask("POST", "/pulls", json={"title": "Topic", "head": "topic", "base": "main"})
    assert answer.status_code == 201, answer.text
    world.settle()
    run = world.run()
    merge = git.read_ref(world.forge.git_dir(REPO), "refs/pull/1/merge")
    assert (run["head_sha"], run["sha"], run["head_branch"], run["display_title"]) == (head, merge, "topic", "Topic")
    assert world.said(f"{merge} refs/pull/1/merge topic main"), world.log()
    assert world.said("ours")
    assert world.said("theirs")
    assert [check["head_sha"] for check in world.store.find("check_run", REPO)] == [head]


def test_g3_a_run_is_named_after_its_inputs(world: World) -> None:
    on = {"workflow_dispatch": {"inputs": {"tag": {"required": True}, "force": {"type": "boolean", "default": False}}}}
    raw = jobs(
        {"test": {"name": "Test ${{ inputs.tag }}", "steps": [{"run": "echo ${{ inputs.tag }} ${{ !inputs.force }}"}]}},
        on=on, **{"run-name": "Publish ${{ inputs.tag }} · ${{ github.actor }}"},
    )  # fmt: skip
    world.push({"ci.yml": raw})
    run = world.engine.dispatch(REPO, "ci.yml", "main", {"tag": "v1"}, "carol")
    world.settle()
    assert (run["display_title"], run["event"], run["actor"]) == ("Publish v1 · carol", "workflow_dispatch", "carol")
    assert world.job()["name"] == "Test v1"
    assert world.said("v1 true"), world.log()


@pytest.mark.parametrize(
    ("workflow_id", "ref", "inputs", "status", "message"),
    [
        ("none.yml", "main", {}, 404, "Not Found"),
        ("side.yml", "side", {}, 404, "Not Found"),
        ("ci.yml", "gone", {}, 422, "No ref found for: gone"),
        ("ci.yml", "SHA", {}, 422, "No ref found for: "),
        ("ci.yml", "main", {"x": "1"}, 422, 'Unexpected inputs provided: ["x"]'),
        ("push.yml", "main", {}, 422, "Workflow does not have 'workflow_dispatch' trigger"),
        ("ci.yml", "bare", {}, 422, "failed to parse workflow"),
    ],
)
def test_g4_dispatch_is_refused_as_on_github(
    world: World, workflow_id: str, ref: str, inputs: dict[str, str], status: int, message: str
) -> None:
    only = {"workflow_dispatch": {}}
    sha = world.push(
        {"ci.yml": workflow([{"run": "true"}], on=only), "push.yml": workflow([{"run": "true"}], on="issues")}
    )
    world.push({"side.yml": workflow([{"run": "true"}], on=only)}, "side")
    world.push({"ci.yml": None}, "bare")
    with pytest.raises(Refusal) as refused:
        world.engine.dispatch(REPO, workflow_id, ref.replace("SHA", sha), inputs, "alice")
    assert refused.value.status == status
    assert refused.value.message.startswith(message)
    assert not world.store.find("run")


# ---- concurrency (G23)


def test_g23_one_runs_one_waits_and_a_newer_one_takes_the_waiting_place(world: World, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    raw = slow(mark, on="workflow_dispatch", concurrency={"group": "g-${{ github.ref_name }}"})
    world.push({"ci.yml": raw, "other.yml": jobs({"x": {}}, on="workflow_dispatch", concurrency="G-MAIN")})
    for file in ("ci.yml", "other.yml", "other.yml"):
        world.engine.dispatch(REPO, file, "main", {}, "alice")
    world.until(mark.exists)
    assert world.ends() == ["in_progress", "cancelled", "pending"]
    world.engine.cancel(REPO, 1, "alice")
    world.settle()
    assert world.ends() == ["cancelled", "cancelled", "success"]


def test_g23_queue_max_keeps_all_in_order(world: World, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    group = {"group": "g", "queue": "max", "cancel-in-progress": False}
    world.push(
        {
            "slow.yml": slow(mark, on="workflow_dispatch", concurrency=group),
            "ci.yml": jobs({"x": {}}, on="workflow_dispatch", concurrency=group),
        }
    )
    for file in ("slow.yml", "ci.yml", "ci.yml"):
        world.engine.dispatch(REPO, file, "main", {}, "alice")
    assert world.ends()[1:] == ["pending", "pending"]
    world.until(mark.exists)
    world.engine.cancel(REPO, 1, "alice")
    world.settle()
    assert world.ends() == ["cancelled", "success", "success"]


def test_g23_cancel_in_progress_ends_the_running_one(world: World, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    group = {"group": "ci-${{ github.ref }}", "cancel-in-progress": "${{ github.event_name == 'push' }}"}
    world.push({"ci.yml": slow(mark, on="push", concurrency=group)})
    world.until(mark.exists)
    world.push({"ci.yml": jobs({"test": {}}, on="push", concurrency=group)})
    world.settle()
    assert world.ends() == ["cancelled", "success"]
    assert not alive(str(mark))


def test_a_run_that_waits_for_a_review_holds_its_group(world: World) -> None:
    world.environment(reviewers=BOB)
    raw = jobs({"ship": {"environment": "release"}}, on="workflow_dispatch", concurrency="g")
    world.push({"ci.yml": raw})
    for _ in range(2):
        world.engine.dispatch(REPO, "ci.yml", "main", {}, "alice")
    world.settle()
    assert world.ends() == ["waiting", "pending"]
    world.engine.review(REPO, 1, [1], "rejected", "no", "bob")
    world.settle()
    assert world.ends() == ["failure", "waiting"]


# ---- environments (G24–G30)


def test_an_approval_lets_the_job_go_and_is_kept(world: World) -> None:
    world.environment(reviewers=BOB)
    world.push({"ci.yml": GATED})
    world.settle()
    assert (world.ends(), world.job("ship")["status"]) == (["waiting"], "waiting")
    world.engine.review(REPO, 1, [1], "approved", "looks right", "bob")
    world.settle()
    assert world.ends() == ["success"]
    approval = world.store.find("approval", REPO)[0]
    assert (approval["state"], approval["user"], approval["comment"]) == ("approved", "bob", "looks right")
    with pytest.raises(Refusal, match="No pending deployment requests to approve or reject"):
        world.engine.review(REPO, 1, [1], "approved", "again", "bob")
    verbs = [(effect["verb"], effect["actor"]) for effect in world.store.effects()]
    assert verbs == [("start_run", "alice"), ("review", "bob"), ("complete_run", "github-actions[bot]")]


def test_a_rejection_fails_the_run(world: World) -> None:
    world.environment(reviewers=BOB)
    world.push({"ci.yml": GATED})
    world.settle()
    world.engine.review(REPO, 1, [1], "rejected", "no", "bob")
    assert (world.ends(), world.job("ship")["conclusion"]) == (["failure"], "failure")
    assert "bob rejected the deployment." in world.log("ship")


REVIEWERS = [
    ({"reviewers": BOB}, "bob", None),
    ({"reviewers": BOB}, "carol", "There was a problem approving one of the gates"),
    ({"reviewers": BOB}, "dana", "There was a problem approving one of the gates"),
    ({"reviewers": BOB, "can_admins_bypass": True}, "dana", None),
    ({"reviewers": [{"type": "Team", "name": "o/managers"}]}, "carol", None),
    ({"reviewers": [{"type": "Team", "name": "o/managers"}]}, "bob", "There was a problem approving one of the gates"),
    ({"reviewers": [{"type": "User", "name": "alice"}]}, "alice", None),
    (
        {"reviewers": [{"type": "User", "name": "alice"}], "prevent_self_review": True},
        "alice",
        "No pending deployment requests to approve or reject",
    ),
]


@pytest.mark.parametrize(("settings", "login", "message"), REVIEWERS)
def test_g27_only_reviewers_decide(world: World, settings: dict[str, Any], login: str, message: str | None) -> None:
    with world.store.writing():
        world.store.put(
            "team", "o/managers", {"org": "o", "slug": "managers", "name": "M", "id": 5, "members": ["carol"]}
        )
    world.environment(**settings)
    world.push({"ci.yml": jobs({"ship": {"environment": {"name": "release"}}})})
    world.settle()
    answer = world.ask("GET", "/actions/runs/1/pending_deployments", login).json()
    assert answer[0]["current_user_can_approve"] is (message is None)
    if message is None:
        world.engine.review(REPO, 1, [1], "approved", "", login)
        return
    with pytest.raises(Refusal) as refused:
        world.engine.review(REPO, 1, [1], "approved", "", login)
    assert (refused.value.status, refused.value.message) == (422, message)


@pytest.mark.parametrize(
    ("names", "branch", "admitted"),
    [
        (["main"], "main", True),
        (["main"], "x", False),
        (["release/*"], "release/1", True),
        (["refs/tags/*"], "main", False),
        ([], "main", False),
    ],
)
def test_g30_only_admitted_refs_deploy(world: World, names: list[str], branch: str, admitted: bool) -> None:
    policy = {"protected_branches": False, "custom_branch_policies": True, "names": names}
    world.environment(branch_policy=policy)
    world.push({"f": "1"})
    world.push({"ci.yml": jobs({"ship": {"environment": "release"}})}, branch)
    world.settle()
    assert world.ends() == ["success" if admitted else "failure"]
    text = f'Branch "{branch}" is not allowed to deploy to release due to environment protection rules.'
    assert (text in world.log("ship")) is not admitted


@pytest.mark.parametrize(("protected", "end"), [((), "success"), (("main",), "failure"), (("main", "x"), "success")])
def test_g29_protected_branches_only_means_all_when_none_is(world: World, protected: tuple[str, ...], end: str) -> None:
    world.environment(branch_policy={"protected_branches": True, "custom_branch_policies": False, "names": []})
    with world.store.writing():
        for branch in protected:
            world.store.put("protection", f"{REPO}:{branch}", {}, REPO)
    world.push({"f": "1"})
    world.push({"ci.yml": jobs({"ship": {"environment": "release"}})}, "x")
    world.settle()
    assert world.ends() == [end]


def test_g29_a_missing_environment_is_made_without_protection(world: World) -> None:
    world.push({"ci.yml": jobs({"ship": {"environment": "${{ github.ref_name }}-env"}})})
    world.settle()
    assert world.ends() == ["success"]
    made = world.store.find("environment", REPO)[0]
    assert (made["name"], made["reviewers"], made["branch_policy"]) == ("main-env", [], None)


def test_g25_wait_timers_and_the_thirty_days_follow_the_clock(world: World) -> None:
    world.environment("slow", wait_timer=30)
    world.environment(reviewers=BOB)
    world.push({"ci.yml": jobs({"wait": {"environment": "slow"}, "ship": {"environment": "release"}})})
    world.settle()
    world.later(minutes=29)
    world.settle()
    assert world.job("wait")["status"] == "waiting"
    world.later(minutes=1)
    world.settle()
    assert (world.job("wait")["conclusion"], world.job("ship")["status"]) == ("success", "waiting")
    world.later(days=30)
    assert (world.job("ship")["conclusion"], world.ends()) == ("failure", ["failure"])


# ---- ending and repeating


def test_cancelling_kills_everything_the_job_started(world: World, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    world.push({"ci.yml": slow(mark)})
    world.until(mark.exists)
    home = str(world.forge.root / "jobs" / "1")
    assert alive(home)
    world.engine.cancel(REPO, 1, "alice")
    world.settle()
    assert (world.ends(), world.job()["conclusion"]) == (["cancelled"], "cancelled")
    assert not alive(home)
    assert not alive(str(mark))
    with pytest.raises(Refusal, match="Cannot cancel a workflow run that is completed"):
        world.engine.cancel(REPO, 1, "alice")


def test_a_job_that_takes_too_long_is_ended(world: World, tmp_path: Path) -> None:
    world.push({"ci.yml": slow(tmp_path / "mark", job={"timeout-minutes": 0.01})})
    world.settle()
    assert world.ends() == ["cancelled"]
    assert "exceeded the maximum execution time" in world.log()


def test_g19_a_new_attempt_keeps_commit_and_number(world: World) -> None:
    flag = world.forge.root / "flag"
    raw = jobs(
        {
            "ok": {},
            "test": {"steps": [{"run": f"test -e {flag}"}]},
            "after": {"needs": "test"},
            "gate": {"environment": "release"},
        }
    )
    world.environment(reviewers=BOB)
    world.push({"ci.yml": raw})
    world.settle()
    world.engine.review(REPO, 1, [1], "approved", "", "bob")
    world.settle()
    assert world.ends() == ["failure"]
    flag.touch()
    first = world.job("ok")
    world.engine.rerun(REPO, 1, "carol", failed_only=True)
    world.settle()
    run = world.run()
    assert (run["run_attempt"], run["conclusion"], run["actor"], run["triggering_actor"]) == (
        2,
        "success",
        "alice",
        "carol",
    )
    assert world.job("ok")["id"] != first["id"]
    assert (world.job("ok")["log"], world.job("after")["conclusion"]) == (first["log"], "success")
    world.engine.rerun(REPO, 1, "carol")
    world.settle()
    assert (world.run()["run_attempt"], world.ends(), world.job("gate")["status"]) == (3, ["waiting"], "waiting")
    with pytest.raises(Refusal, match="already running"):
        world.engine.rerun(REPO, 1, "carol")
    world.engine.cancel(REPO, 1, "carol")
    world.now = world.now.replace(month=5)
    with pytest.raises(Refusal, match="over a month ago"):
        world.engine.rerun(REPO, 1, "carol")


# ---- the forge's own end


def test_a_forge_that_is_stopped_takes_up_its_jobs_again(tmp_path: Path) -> None:
    mark, flag = tmp_path / "mark", tmp_path / "flag"
    steps = [
        {"run": "echo x > file"},
        {"uses": "actions/upload-artifact@v7", "with": {"name": "a", "path": "file"}},
        {"run": f"touch {mark}; test -e {flag} || sleep 60"},
    ]
    with serving(tmp_path / "forge") as world:
        world.push({"ci.yml": jobs({"test": {"steps": steps}, "after": {"needs": "test"}})})
        world.until(mark.exists)
    assert not alive(str(tmp_path))
    flag.touch()
    with serving(tmp_path / "forge") as world:
        world.settle()
        assert world.ends() == ["success"], world.log()
        assert len(world.store.find("artifact", REPO)) == 1


KILLED = """
import sys, pathlib
from forge.running import serving, jobs
folder = pathlib.Path(sys.argv[1])
with serving(folder / "forge") as world:
    step = {"run": f"touch {folder}/mark; test -e {folder}/flag || sleep 60"}
    world.push({"ci.yml": jobs({"test": {"steps": [step]}})})
    world.engine.wait_idle(60)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="what a killed forge leaves is found on Linux only")
def test_a_forge_that_is_killed_leaves_nothing_that_the_next_one_does_not_find(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], env=env) as other:
        while not (tmp_path / "mark").exists():
            assert other.poll() is None
        other.send_signal(signal.SIGKILL)
        other.wait()
    (tmp_path / "flag").touch()
    with serving(tmp_path / "forge") as world:
        world.settle()
        assert world.ends() == ["success"], world.log()
        assert not alive(str(tmp_path / "forge" / "jobs"))
        assert [token["kind"] for token in world.store.find("token")] == ["classic"] * 4


def test_at_most_three_jobs_run_at_once(world: World, tmp_path: Path) -> None:
    step = {"run": f"touch {tmp_path}/job-$GITHUB_JOB; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done"}
    world.push({"ci.yml": jobs({f"j{n}": {"steps": [step]} for n in range(5)})})
    world.until(lambda: len(list(tmp_path.glob("job-*"))) == 3)
    running = [job["status"] for job in world.store.find("job", REPO)]
    assert sorted(running) == ["in_progress"] * 3 + ["queued"] * 2
    (tmp_path / "go").touch()
    world.settle()
    assert world.ends() == ["success"]
