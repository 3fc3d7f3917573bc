"""GitHub's own client, gh, finds the embedded forge to be a GitHub: it speaks to the example organisation."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ms_release.forge import git, world
from ms_release.forge.engine.processes import Process
from ms_release.forge.engine.runner import Result, Task
from ms_release.forge.serve import Server

pytestmark = pytest.mark.gh

HOME, LOADER = "midi-studio/distribution", "midi-studio/loader"
SECONDS = 30


class Gh:
    """gh as typed by people of the example organisation. Jobs end at once, as `verdict` says, unless `held`."""

    def __init__(self, server: Server, place: Path) -> None:
        self.server, self.forge, self.place = server, server.forge, place
        self.verdict = "success"
        self.held = threading.Event()
        self.held.set()
        server.forge.engine.run_job = self._run_job

    def _run_job(self, task: Task, process: Process, progress: Callable[[list[dict[str, Any]]], None]) -> Result:
        self.held.wait(SECONDS)
        return Result(self.verdict, log=[f"{task.now()} said by {task.key}"])

    def run(self, *arguments: str, who: str = "alice", typed: str = "") -> subprocess.CompletedProcess[str]:
        # The forge is gh's proxy and its host at once: so it needs neither a name in DNS, nor TLS, nor port 80.
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.place), "GH_HOST": "github.localhost",
            "GH_TOKEN": f"{who}-token", "HTTP_PROXY": self.server.url, "NO_COLOR": "1",
            "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1",
        }  # fmt: skip
        return subprocess.run(
            ["gh", *arguments], cwd=self.place, env=env, input=typed, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip

    def __call__(self, *arguments: str, **more: str) -> str:
        """What gh prints; it must end well."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout.strip()

    def json(self, *arguments: str, **more: str) -> Any:
        return json.loads(self(*arguments, **more))

    def refused(self, *arguments: str, **more: str) -> str:
        """What gh says when it ends with an error."""
        done = self.run(*arguments, **more)
        assert done.returncode == 1, (arguments, done.stdout)
        return done.stderr.strip()

    def settle(self) -> None:
        assert self.forge.engine.wait_idle(SECONDS)

    def tip(self, repo: str, ref: str = "refs/heads/main") -> str | None:
        return git.read_ref(self.forge.git_dir(repo), ref)

    def branch(self, repo: str, name: str) -> str:
        """A branch with one commit more than main, made by gh alone; returns its head."""
        base = self.tip(repo)
        assert base is not None
        self("api", f"repos/{repo}/git/refs", "-f", f"ref=refs/heads/{name}", "-f", f"sha={base}")
        query = "mutation($input: CreateCommitOnBranchInput!) {createCommitOnBranch(input: $input) {commit {oid}}}"
        file = {"path": f"docs/{name}.md", "contents": base64.b64encode(b"# Notes\n").decode()}
        wish = {
            "branch": {"repositoryNameWithOwner": repo, "branchName": name}, "expectedHeadOid": base,
            "message": {"headline": f"docs: {name}"}, "fileChanges": {"additions": [file]},
        }  # fmt: skip
        body = json.dumps({"query": query, "variables": {"input": wish}})
        made = self.json("api", "graphql", "--input", "-", typed=body)
        return str(made["data"]["createCommitOnBranch"]["commit"]["oid"])


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("example")
    world.build(world.EXAMPLE, place)
    return place


@pytest.fixture(scope="module")
def served(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gh]:
    server = Server(example)
    gh = Gh(server, tmp_path_factory.mktemp("home"))
    server.start()
    try:
        yield gh
    finally:
        server.stop()


@pytest.fixture
def gh(served: Gh) -> Iterator[Gh]:
    served.verdict = "success"
    yield served
    served.held.set()
    served.settle()


# ---- api


def test_api_reads_pages_and_queries(gh: Gh) -> None:
    assert gh("api", f"repos/{LOADER}", "--jq", ".full_name") == LOADER
    shas = gh("api", "--paginate", f"repos/{LOADER}/commits?per_page=1", "--jq", ".[].sha").split()
    assert shas == [commit.sha for commit in git.log(gh.forge.git_dir(LOADER), "main", 99)]
    assert len(shas) > 2
    query = 'query($name: String!) {viewer {login} repository(owner: "midi-studio", name: $name) {nameWithOwner}}'
    found = gh.json("api", "graphql", "-f", f"query={query}", "-f", "name=loader", who="carol")["data"]
    assert found == {"viewer": {"login": "carol"}, "repository": {"nameWithOwner": LOADER}}


def test_api_pages_through_graphql(gh: Gh) -> None:
    query = """query($endCursor: String) {repository(owner: "midi-studio", name: "loader") {defaultBranchRef {target {
        ... on Commit {history(first: 1, after: $endCursor) {nodes {oid} pageInfo {hasNextPage endCursor}}}}}}}"""
    jq = ".data.repository.defaultBranchRef.target.history.nodes[].oid"
    oids = gh("api", "graphql", "--paginate", "-f", f"query={query}", "--jq", jq).split()
    assert oids == [commit.sha for commit in git.log(gh.forge.git_dir(LOADER), "main", 99)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("repos/midi-studio/none",), "Not Found (HTTP 404)"),
        ((f"repos/{HOME}/branches/main/protection",), "Not Found (HTTP 404)"),
        ((f"repos/{HOME}/git/refs", "-f", "ref=refs/heads/main", "-f", f"sha={'0' * 40}"), "Object does not exist"),
        (("graphql", "-f", "query={viewer {nonsense}}"), "Field 'nonsense' doesn't exist on type 'User'"),
    ],
)
def test_api_tells_refusals_as_gh_tells_them(gh: Gh, arguments: tuple[str, ...], words: str) -> None:
    assert words in gh.refused("api", *arguments)


def test_a_token_that_is_not_known_is_told_so(gh: Gh) -> None:
    assert "Bad credentials (HTTP 401)" in gh.refused("api", "user", who="nobody")


# ---- releases


def test_a_draft_is_filled_published_and_fetched(gh: Gh, tmp_path: Path) -> None:
    first, second = tmp_path / "first.bin", tmp_path / "second file.bin"
    first.write_bytes(b"1" * 70_000)
    second.write_bytes(b"22")
    on = ("-R", LOADER)
    gh("release", "create", "v9.0.0", *on, "--draft", "--title", "Nine", "--notes", "the ninth", str(first))
    assert "Nine\tDraft\tv9.0.0" in gh("release", "list", *on)
    assert gh.tip(LOADER, "refs/tags/v9.0.0") is None
    gh("release", "upload", "v9.0.0", *on, str(second))
    gh("release", "edit", "v9.0.0", *on, "--draft=false")
    assert gh.tip(LOADER, "refs/tags/v9.0.0") == gh.tip(LOADER)
    seen = gh.json("release", "view", "v9.0.0", *on, "--json", "isDraft,name,body,assets,author")
    assert (seen["isDraft"], seen["name"], seen["body"], seen["author"]["login"]) == (
        False,
        "Nine",
        "the ninth",
        "alice",
    )
    assert {asset["name"]: asset["size"] for asset in seen["assets"]} == {"first.bin": 70_000, "second.file.bin": 2}
    gh("release", "download", "v9.0.0", *on, "--dir", str(tmp_path / "got"))
    got = {file.name: file.read_bytes() for file in (tmp_path / "got").iterdir()}
    assert got == {"first.bin": b"1" * 70_000, "second.file.bin": b"22"}
    assert "Nine\tLatest\tv9.0.0" in gh("release", "list", *on, who="bob")


def test_a_taken_asset_name_is_refused_or_clobbered(gh: Gh, tmp_path: Path) -> None:
    on, file = ("-R", HOME), tmp_path / "a.txt"
    file.write_text("old")
    gh("release", "create", "v0.0.1", *on, "--draft", "--notes", "", str(file))
    file.write_text("new!")
    assert "asset under the same name already exists: [a.txt]" in gh.refused(
        "release", "upload", "v0.0.1", *on, str(file)
    )
    number = gh("api", f"repos/{HOME}/releases", "--jq", '.[] | select(.tag_name == "v0.0.1").id')
    raw = ("-X", "POST", "-H", "content-type: text/plain", "--input", str(file))
    address = f"http://api.github.localhost/uploads/repos/{HOME}/releases/{number}/assets?name=a.txt"
    assert "already_exists" in gh.run("api", address, *raw).stdout
    gh("release", "upload", "v0.0.1", *on, "--clobber", str(file))
    gh("release", "download", "v0.0.1", *on, "--dir", str(tmp_path / "got"))
    assert (tmp_path / "got" / "a.txt").read_text() == "new!"
    gh("release", "delete", "v0.0.1", *on, "--yes")
    assert "release not found" in gh.refused("release", "view", "v0.0.1", *on)


def test_a_tag_has_one_published_release(gh: Gh) -> None:
    gh("release", "create", "v0.0.2", "-R", LOADER, "--notes", "", "--prerelease")
    said = gh.refused("release", "create", "v0.0.2", "-R", LOADER, "--notes", "")
    assert "HTTP 422: Validation Failed" in said
    assert "tag_name already exists" in said


# ---- pull requests


def test_a_pull_request_is_merged_once_its_checks_are_green(gh: Gh) -> None:
    on = ("-R", LOADER)
    gh.held.clear()
    head = gh.branch(LOADER, "topic")
    before = gh.tip(LOADER)
    made = gh("pr", "create", *on, "--head", "topic", "--base", "main", "--title", "Topic", "--body", "Because.")
    number = made.rpartition("/")[2]
    assert made == f"http://github.localhost/{LOADER}/pull/{number}"
    assert f"{number}\tTopic\ttopic\tOPEN" in gh("pr", "list", *on)
    assert "already exists" in gh.refused("pr", "create", *on, "--head", "topic", "--title", "T", "--body", "B")
    fields = "state,mergeStateStatus,headRefOid,files,isCrossRepository,headRepositoryOwner,statusCheckRollup"
    seen = gh.json("pr", "view", number, *on, "--json", fields)
    assert (seen["state"], seen["mergeStateStatus"], seen["headRefOid"]) == ("OPEN", "BLOCKED", head)
    assert [file["path"] for file in seen["files"]] == ["docs/topic.md"]
    assert seen["headRepositoryOwner"]["login"] == "midi-studio"
    merge = ("pr", "merge", number, *on, "--merge")
    assert "is not mergeable: the base branch policy prohibits the merge" in gh.refused(*merge)
    assert 'Required status check "test" is' in gh.refused(*merge, "--admin")
    gh.held.set()
    gh.settle()
    assert gh("pr", "checks", number, *on, "--required").split("\t")[:2] == ["test", "pass"]
    assert "Head branch was modified" in gh.refused(*merge, "--match-head-commit", str(before))
    assert gh.tip(LOADER) == before
    gh(*merge, "--match-head-commit", head, "--delete-branch")
    after = gh.json("pr", "view", number, *on, "--json", "state,mergeCommit,mergedBy")
    assert (after["state"], after["mergedBy"]["login"]) == ("MERGED", "alice")
    assert after["mergeCommit"]["oid"] == gh.tip(LOADER) != before
    assert gh.tip(LOADER, "refs/heads/topic") is None


def test_a_red_check_keeps_a_pull_request_open(gh: Gh) -> None:
    gh.verdict, on = "failure", ("-R", HOME)
    gh.branch(HOME, "broken")
    number = gh("pr", "create", *on, "--head", "broken", "--title", "Broken", "--body", "").rpartition("/")[2]
    gh.settle()
    assert "fail" in gh.run("pr", "checks", number, *on).stdout
    assert "the base branch policy prohibits the merge" in gh.refused("pr", "merge", number, *on, "--merge")
    assert "is failing" in gh.refused("pr", "merge", number, *on, "--merge", "--admin")
    assert gh.json("pr", "view", number, *on, "--json", "state") == {"state": "OPEN"}


# ---- runs


def test_a_workflow_is_started_watched_and_run_again(gh: Gh) -> None:
    on = ("-R", LOADER)
    listed = {line.split("\t")[0] for line in gh("workflow", "list", *on).splitlines()}
    assert listed == {"CI", "Candidate"}
    sha = gh.tip(LOADER)
    gh.held.clear()
    gh("workflow", "run", "candidate.yml", *on, "-f", f"sha={sha}", "-f", "tag=rc-by-gh")
    fields = "databaseId,displayTitle,event,headSha,status,conclusion"
    [run] = gh.json("run", "list", *on, "--workflow", "candidate.yml", "--json", fields)
    assert (run["displayTitle"], run["event"], run["headSha"]) == ("Candidate rc-by-gh", "workflow_dispatch", sha)
    number = str(run["databaseId"])
    gh.held.set()
    gh("run", "watch", number, *on, "--interval", "1", "--exit-status")
    seen = gh.json("run", "view", number, *on, "--json", "conclusion,jobs")
    assert (seen["conclusion"], [job["name"] for job in seen["jobs"]]) == ("success", ["build", "publish"])
    gh.verdict = "failure"
    gh("run", "rerun", number, *on)
    gh.settle()
    assert f"X main Candidate · {number}" in gh("run", "view", number, *on)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("candidate.yml", "-f", "sha=x"), "HTTP 422: Required input 'tag' not provided"),
        (("candidate.yml", "-f", "sha=x", "-f", "tag=y", "-f", "z=1"), 'HTTP 422: Unexpected inputs provided: ["z"]'),
        (("candidate.yml", "--ref", "none", "-f", "sha=x", "-f", "tag=y"), "HTTP 422: No ref found for: none"),
        (("ci.yml",), "HTTP 422: Workflow does not have 'workflow_dispatch' trigger"),
        (("none.yml",), "HTTP 404: Not Found"),
    ],
)
def test_a_dispatch_is_refused_in_githubs_words(gh: Gh, arguments: tuple[str, ...], words: str) -> None:
    before = len(gh.forge.store.find("run"))
    assert words in gh.refused("workflow", "run", arguments[0], "-R", LOADER, *arguments[1:])
    assert len(gh.forge.store.find("run")) == before


def test_readers_may_not_start_workflows(gh: Gh) -> None:
    said = gh.refused("workflow", "run", "publish.yml", "-R", HOME, "-f", "tag=v1", who="release-bot")
    assert "HTTP 403: Must have admin rights to Repository." in said
