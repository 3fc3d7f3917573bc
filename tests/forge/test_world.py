"""A world file becomes exactly the world that it describes, or an error that names what is wrong with it."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ms_release.core.candidate import check_candidate, parse_candidate, parse_checksums
from ms_release.errors import BlockedError, UsageError
from ms_release.forge import git, world
from ms_release.forge.git.objects import close_readers
from ms_release.forge.serve import Server
from ms_release.forge.state import Forge
from ms_release.forge.store import Store
from ms_release.forge.world.file import parse

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SEED = bytes(range(32))
HEAD = """
[world]
schema = 1
[[user]]
login = "ann"
name = "Ann Arbor"
tokens = ["ann-token"]
[[user]]
login = "rob"
bot = true
[[org]]
login = "o"
[[team]]
org = "o"
slug = "crew"
members = ["ann"]
"""
REPO = '[[repository]]\nname = "o/r"\n'
COMMIT = "[[repository.commit]]\nmessage = 'm'\n"
DRAFT = "[[repository.candidate]]\nvisibility = 'draft'\n"
FROM_C = "from = 'c'\n"
CI = "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: {}\n"


def make(folder: Path, text: str, files: dict[str, str] | None = None) -> Path:
    """A world file beside the directories that it names."""
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    file = folder / "world.toml"
    file.write_text(HEAD + text)
    return file


@contextmanager
def built(file: Path, root: Path) -> Iterator[Forge]:
    """The world of a file at a fixed time with a known key, open for reading."""
    world.build(file, root, clock=lambda: NOW, key_seed=SEED)
    store = Store(root / "forge.sqlite")
    try:
        yield Forge(root, store, clock=lambda: NOW)
    finally:
        close_readers(root)
        store.close()


def content(forge: Forge, rev: str, repo: str = "o/r") -> dict[str, str]:
    """Every file at a revision."""
    git_dir = forge.git_dir(repo)
    names = git.run(git_dir, "ls-tree", "-r", "--name-only", rev).decode().split()
    return {name: (git.read_file(git_dir, rev, name) or b"").decode() for name in names}


# ---- what is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[repository]]\nname = "o/r"\ncolour = "red"', r"unknown field `colour` \(key repository\[0\]\)"),
        ("[[repository]]\nname = 3", r"Expected `str`, got `int` \(key repository\[0\]\.name\)"),
        ("[[repository]\n", "world.toml: "),
        ('[[repository]]\nname = "o/r"\naccess = { ann = "owner" }', r"Invalid enum value 'owner'"),
        ('[[repository]]\nname = "p/r"', "repository p/r: there is no user or organisation p"),
        ('[[repository]]\nname = "r"', "repository r: a repository is called owner/name"),
        (REPO + REPO, "repository o/r appears twice"),
        (REPO + "access = { bea = 'read' }", "there is no user bea"),
        (REPO + "team_access = { 'o/x' = 'read' }", "there is no team o/x"),
        (REPO + "from = 'nowhere'", "there is no directory nowhere"),
        (REPO + "from = 'a'\ngit = 'a'", "`from` and `git`"),
        (REPO + "checks = 'run'", "its `checks` belong to"),
        (REPO + "[repository.protection]\nrestrictions = { teams = ['x'] }", "there is no team o/x"),
        (REPO + "[[repository.environment]]\nname = 'e'\nreviewers = ['x']", "there is no user x"),
        (REPO + COMMIT + "author = 'ann'", "commit 'm' changes nothing"),
        (REPO + COMMIT + "author = 'zed'\nfrom = 'a'", "there is no user zed"),
        (REPO + "[[repository.release]]\ntag = 'v1'\nauthor = 'ann'\nfrom = 'no'", "there is no directory no"),
        (REPO + "[[team]]\norg = 'x'\nslug = 's'\nmembers = []", "team s: there is no organisation x"),
        (REPO + "[[team]]\norg = 'o'\nslug = 's'\nmembers = ['zed']", "team s: there is no user zed"),
        (REPO + "[[token]]\nvalue = 'ann-token'\nuser = 'ann'", "token ann-token appears twice"),
        (REPO + "[[token]]\nvalue = 't'\nuser = 'zed'", "a token belongs to zed"),
        (REPO + "[[user]]\nlogin = 'ann'", "user ann appears twice"),
        (REPO + "[audit]\nby = 'ann'\npush_team = 'o/none'", r"\[audit\] names"),
        (REPO + "[[app]]\nslug = 'a'\norg = 'x'\npublic_key = 'k'", "app a: there is no organisation x"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UsageError, match=words) as caught:
        parse(HEAD + text, tmp_path / "world.toml")
    assert "world.toml" in caught.value.cause
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (REPO + "from = 'a'", r"there is no value for @\{nothing\}"),
        (REPO + "from = 'b'", r"there is no value for @\{manifest_private_seed\}"),
        (REPO + "secrets = { S = '@{x}' }", r"secret S: there is no value for @\{x\}"),
        (REPO + COMMIT + "author = 'ann'\ndelete = ['f']", "deletes f, which is not there"),
        (REPO + "git = 'a'", "o/r: .*a cannot be copied"),
        (REPO + FROM_C + "[[repository.release]]\ntag = 'v1'\nauthor = 'ann'\ntarget = 'dev'", "has no commit dev"),
        (REPO + FROM_C + DRAFT + "from = 'c'\nsha = 'dev'", "has no commit dev"),
        (REPO + FROM_C + DRAFT + "from = 'd'", "and no directories"),
        ("[[app]]\nslug = 'a'\norg = 'o'\npublic_key = 'k'\n" + REPO, "key of app a cannot be read"),
    ],
)
def test_what_cannot_be_made_is_said(tmp_path: Path, text: str, words: str) -> None:
    files = {"a/f.tmpl": "@{nothing}", "b/f.tmpl": "@{manifest_private_seed}", "c/f": "f", "d/e/f": "f"}
    with pytest.raises(UsageError, match=words):
        world.build(make(tmp_path, text, files), tmp_path / "root", clock=lambda: NOW)
    assert not world.is_made(tmp_path / "root")


def test_a_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        world.build(make(tmp_path, REPO), tmp_path / "root")
    assert [file.name for file in (tmp_path / "root").iterdir()] == ["mine"]


def test_a_missing_world_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        world.build(tmp_path / "none.toml", tmp_path / "root")


# ---- history

HISTORY = (
    REPO
    + """
from = "base"
[[repository.commit]]
message = "feat: one"
author = "ann"
from = "more"
only = ["sub/*"]
delete = ["old"]
[[repository.commit]]
message = "feat: two"
author = "rob"
from = "more"
branch = "dev"
[[repository.commit]]
message = "feat: not yet"
author = "ann"
from = "base"
later = true
"""
)
FILES = {
    "base/old": "old",
    "base/.github/x": "x",
    "base/key.tmpl": "key @{manifest_public_key} at @{now}",
    "base/__pycache__/a.pyc": "compiled",
    "more/sub/deep/file": "one",
    "more/top": "two",
}


def test_directories_become_commits(tmp_path: Path) -> None:
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    with built(make(tmp_path, HISTORY, FILES), tmp_path / "root") as forge:
        key = f"key {base64.b64encode(public).decode()} at 2026-03-04T05:06:07Z"
        main = {"key": key, ".github/x": "x", "sub/deep/file": "one"}
        assert content(forge, "main~1") == {"key": key, ".github/x": "x", "old": "old"}
        assert content(forge, "main") == main
        assert content(forge, "dev") == {**main, "top": "two"}
        newest, oldest = git.log(forge.git_dir("o/r"), "main", 5)
        assert (newest.message, newest.author.name) == ("feat: one\n", "Ann Arbor")
        assert newest.author.email == "ann@users.noreply.localhost"
        assert oldest.author.date < newest.author.date < forge.now()
        assert forge.store.find("check_suite") == []
    assert world.is_made(tmp_path / "root")


def test_the_same_file_makes_the_same_commits(tmp_path: Path) -> None:
    file = make(tmp_path, HISTORY, FILES)
    shas = []
    for name in ("one", "two"):
        with built(file, tmp_path / name) as forge:
            shas.append([git.rev_parse(forge.git_dir("o/r"), branch) for branch in ("main", "dev")])
    assert shas[0] == shas[1]


def test_an_existing_repository_is_copied_with_branches_and_tags(tmp_path: Path) -> None:
    source = tmp_path / "source"
    run = ["git", "-C", str(source), "-c", "user.name=n", "-c", "user.email=e@x"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(source)], check=True)
    subprocess.run([*run, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    subprocess.run([*run, "tag", "v1"], check=True)
    sha = subprocess.run([*run, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    text = REPO + "git = 'source'\nchecks = { lint = 'success' }\n"
    with built(make(tmp_path, text), tmp_path / "root") as forge:
        assert [git.rev_parse(forge.git_dir("o/r"), f"refs/{ref}") for ref in ("heads/main", "tags/v1")] == [sha, sha]
        assert [check["head_sha"] for check in forge.store.find("check_run")] == [sha]
    with pytest.raises(UsageError, match="has no branch trunk"):
        world.build(make(tmp_path, text + "default_branch = 'trunk'"), tmp_path / "other")


# ---- recorded checks


def test_recorded_checks_look_like_ended_runs(tmp_path: Path) -> None:
    text = REPO + "from = 'base'\nchecks = { test = 'failure', lint = 'success' }\n"
    by_hand = CI.replace("on: push", "on: workflow_dispatch").replace("test:", "lint:")
    two_jobs = CI + "  docs:\n    runs-on: ubuntu-latest\n    steps:\n      - run: true\n"
    files = {"ci.yml": two_jobs.format("true"), "by-hand.yml": by_hand.format("true"), "bad.yml": "on: push"}
    file = make(tmp_path, text, {f"base/.github/workflows/{name}": content for name, content in files.items()})
    with built(file, tmp_path / "root") as forge:
        sha = git.rev_parse(forge.git_dir("o/r"), "main")
        (run,) = forge.store.find("run", "o/r")
        job, unsaid = forge.store.find("job", "o/r")
        (workflow,) = forge.store.find("workflow", "o/r")
        assert (run["event"], run["head_sha"]) == ("push", sha)
        assert (run["status"], run["conclusion"]) == ("completed", "failure")
        assert (run["workflow_id"], run["run_number"], job["run_id"]) == (workflow["id"], 1, run["id"])
        assert (job["status"], job["conclusion"], unsaid["conclusion"]) == ("completed", "failure", "skipped")
        assert job["message"] == "Recorded in the world file."
        assert run["created_at"] < forge.now()
        checks = {check["name"]: check for check in forge.store.find("check_run", "o/r")}
        suites = {suite["id"]: suite for suite in forge.store.find("check_suite", "o/r")}
        for name, run_id, conclusion in [("test", run["id"], "failure"), ("lint", None, "success")]:
            suite = suites[checks[name]["suite_id"]]
            assert (suite["run_id"], checks[name]["run_id"]) == (run_id, run_id)
            assert suite["conclusion"] == checks[name]["conclusion"] == conclusion
            assert (suite["app"], suite["event"], suite["head_branch"]) == ("github-actions", "push", "main")
        assert suites[run["check_suite_id"]]["run_id"] == run["id"]
        assert checks["test"]["job_id"] == job["id"]
        assert job["check_run_id"] == checks["test"]["id"]


# ---- people, rules, secrets


def test_documents_say_what_the_file_says(tmp_path: Path) -> None:
    text = (
        "[[token]]\nvalue = 'fine'\nuser = 'ann'\nkind = 'fine-grained'\nrepos = ['o/r']\n"
        "permissions = { contents = 'write' }\nexpires_at = '2027-01-01T00:00:00Z'\n"
        "[[app]]\nslug = 'helper'\norg = 'o'\npublic_key = 'key.pem'\npermissions = { contents = 'write' }\n"
        + REPO
        + "private = true\naccess = { ann = 'write' }\nteam_access = { 'o/crew' = 'maintain' }\n"
        "secrets = { PLAIN = 'p' }\n"
        "[repository.protection]\nenforce_admins = true\nrestrictions = { teams = ['crew'] }\n"
        "required_status_checks = { strict = true, checks = [{ context = 'test', app_id = 15368 }] }\n"
        "[[repository.ruleset]]\nname = 'tags'\ntarget = 'tag'\ninclude = ['refs/tags/v*']\n"
        "rules = [{ type = 'update' }]\n"
        "[[repository.environment]]\nname = 'release'\nreviewers = ['o/crew', 'rob']\nbranches = ['main']\n"
        "secrets = { KEY = '@{manifest_private_seed}' }\n"
    )
    with built(make(tmp_path, text, {"key.pem": "PEM"}), tmp_path / "root") as forge:
        get: Any = forge.store.get
        assert get("token", "ann-token") == {
            "token": "ann-token", "login": "ann", "kind": "classic",
            "repos": None, "permissions": None, "expires_at": None, "run_id": None,
        }  # fmt: skip
        fine = get("token", "fine")
        assert (fine["repos"], fine["permissions"]) == (["o/r"], {"contents": "write"})
        assert (fine["kind"], fine["expires_at"]) == ("fine-grained", "2027-01-01T00:00:00Z")
        assert (get("user", "rob")["type"], get("team", "o/crew")["members"]) == ("Bot", ["ann"])
        assert (get("app", "github-actions")["id"], get("app", "helper")["public_key"]) == (15368, "PEM")
        repo = get("repo", "o/r")
        assert repo["private"] is True
        assert (repo["access"], repo["team_access"]) == ({"ann": "write"}, {"o/crew": "maintain"})
        assert get("protection", "o/r:main") == {
            "required_status_checks": {"strict": True, "checks": [{"context": "test", "app_id": 15368}]},
            "enforce_admins": True, "required_pull_request_reviews": None,
            "restrictions": {"users": [], "teams": ["crew"], "apps": []},
            "required_conversation_resolution": False, "allow_force_pushes": False, "allow_deletions": False,
        }  # fmt: skip
        (ruleset,) = forge.store.find("ruleset", "o/r")
        assert ruleset["conditions"] == {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}}
        environment = get("environment", "o/r:release")
        assert environment["reviewers"] == [{"type": "Team", "name": "o/crew"}, {"type": "User", "name": "rob"}]
        assert environment["branch_policy"]["names"] == ["main"]
        assert environment["can_admins_bypass"] is True
        assert get("secret", "o/r:PLAIN") == {"value": "p"}
        assert base64.b64decode(get("secret", "o/r:release:KEY")["value"]) == SEED


def audit(tmp_path: Path, rules: str) -> dict[str, str]:
    """Verdicts by code of the audit record that a repository with these rules gets."""
    text = "[audit]\nby = 'ann'\npush_team = 'o/crew'\n" + REPO + "from = 'base'\n" + rules
    file = make(tmp_path, text, {"base/release/policy-audit.json.tmpl": "@{policy_audit}\n"})
    with built(file, tmp_path / "root") as forge:
        record = json.loads(content(forge, "main")["release/policy-audit.json"])
    assert (record["schema"], record["audited_at"], record["audited_by"]) == (
        "ms-policy-audit/v1", "2026-03-04T05:06:07Z", "ann"
    )  # fmt: skip
    return {entry["code"]: entry["outcome"] for entry in record["repos"]["o/r"]}


GOOD = {
    "CHECKS_REQUIRED": "required_status_checks.checks = [{ context = 'test', app_id = 15368 }]",
    "CHECKS_STRICT": "required_status_checks.strict = true",
    "PULL_REQUEST_REQUIRED": "required_pull_request_reviews = {}",
    "CONVERSATIONS_RESOLVED": "required_conversation_resolution = true",
    "NO_FORCE_PUSH": "allow_force_pushes = false",
    "NO_DELETION": "allow_deletions = false",
    "ADMINS_INCLUDED": "enforce_admins = true",
    "PUSH_LIMITED": "restrictions = { teams = ['crew'] }",
    "ENVIRONMENT_NO_BYPASS": "[[repository.environment]]\nname = 'release'\ncan_admins_bypass = false",
}
BAD = {
    "CHECKS_REQUIRED": "required_status_checks.checks = [{ context = 'test' }]",
    "CHECKS_STRICT": "required_status_checks.strict = false",
    "PULL_REQUEST_REQUIRED": "",
    "CONVERSATIONS_RESOLVED": "",
    "NO_FORCE_PUSH": "allow_force_pushes = true",
    "NO_DELETION": "allow_deletions = true",
    "ADMINS_INCLUDED": "",
    "PUSH_LIMITED": "restrictions = { teams = ['crew'], users = ['ann'] }",
    "ENVIRONMENT_NO_BYPASS": "[[repository.environment]]\nname = 'release'",
}


@pytest.mark.parametrize("broken", [None, *GOOD])
def test_the_audit_is_computed_from_the_rules(tmp_path: Path, broken: str | None) -> None:
    rules = {code: BAD[code] if code == broken else line for code, line in GOOD.items()}
    found = audit(tmp_path, "[repository.protection]\n" + "\n".join(rules.values()))
    assert found == {code: "FAIL" if code == broken else "PASS" for code in GOOD}


@pytest.mark.parametrize("rules", ["", "[repository.protection]\nbranch = 'dev'\nenforce_admins = true"])
def test_an_unprotected_default_branch_fails_every_rule(tmp_path: Path, rules: str) -> None:
    assert set(audit(tmp_path, rules).values()) == {"FAIL"}


# ---- releases and candidates


def test_releases_and_candidates_come_from_directories(tmp_path: Path) -> None:
    text = REPO + (
        "from = 'base'\n"
        "[[repository.release]]\ntag = 'v1.0.0'\nauthor = 'ann'\nbody = 'notes'\nfrom = 'files'\n"
        "[[repository.release]]\ntag = 'v2.0.0'\nauthor = 'ann'\ndraft = true\n"
        "[[repository.candidate]]\nfrom = 'files'\nvisibility = 'prerelease'\n"
    )
    files = {"base/f": "f", "files/a.hex": "aaa", "files/b.zip": "bb"}
    with built(make(tmp_path, text, files), tmp_path / "root") as forge:
        git_dir = forge.git_dir("o/r")
        sha = git.rev_parse(git_dir, "main") or ""
        stable, draft, candidate = forge.store.find("release", "o/r")
        assert (stable["tag_name"], stable["body"], stable["published_at"]) == ("v1.0.0", "notes", forge.now())
        assert (draft["draft"], draft["published_at"], candidate["prerelease"]) == (True, None, True)
        assert dict(git.list_refs(git_dir, "refs/tags/")) == {"refs/tags/v1.0.0": sha, f"refs/tags/rc-{sha}": sha}
        assets = forge.store.find("asset", "o/r", release_id=candidate["id"])
        data = {asset["name"]: forge.blob(asset["blob"]).read_bytes() for asset in assets}
        assert {name for name in data if name.startswith(("a", "b"))} == {"a.hex", "b.zip"}
        for asset in assets:
            assert asset["digest"] == f"sha256:{hashlib.sha256(data[asset['name']]).hexdigest()}"
        # The program's own strict reader finds nothing to object to.
        problems = check_candidate(
            parse_candidate(data["candidate.json"]), repo="o/r", sha=sha,
            checksums=parse_checksums(data["checksums.txt"]),
            assets=[(asset["name"], asset["size"], asset["digest"]) for asset in assets],
        )  # fmt: skip
        assert problems == []


# ---- workflows that really run


def running(tmp_path: Path, command: str, more: str = "") -> Path:
    text = REPO + "from = 'base'\nchecks = 'run'\n" + more
    return make(tmp_path, text, {"base/.github/workflows/ci.yml": CI.format(command), "base/f": "f", "new/g": "g"})


def test_checks_really_run_and_later_work_comes_later(tmp_path: Path) -> None:
    more = "[[repository.commit]]\nmessage = 'feat: g'\nauthor = 'ann'\nfrom = 'new'\nchecks = 'run'\nlater = true\n"
    file = running(tmp_path, "echo it-ran", more)
    world.build(file, tmp_path / "root")
    server = Server(tmp_path / "root")
    server.start()
    try:
        forge = server.forge
        (check,) = forge.store.find("check_run", "o/r")
        assert (check["name"], check["conclusion"]) == ("test", "success")
        assert check["head_sha"] == git.rev_parse(forge.git_dir("o/r"), "main")
        (job,) = forge.store.find("job", "o/r")
        assert "it-ran" in forge.blob(job["log"]).read_text()
        (push,) = world.add_later_work(file, forge)
        assert (push.before, push.actor) == (check["head_sha"], "ann")
        assert content(forge, "main")["g"] == "g"
        (run,) = forge.store.find("run", "o/r", head_sha=push.after)
        assert (run["event"], run["conclusion"]) == ("push", "success")
    finally:
        server.stop()


def test_a_failed_run_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(BlockedError, match=r"o/r: job test of .* ended with failure") as caught:
        world.build(running(tmp_path, "echo the-reason && false"), tmp_path / "root")
    assert "the-reason" in caught.value.remedy
    assert not world.is_made(tmp_path / "root")


def test_a_push_that_starts_nothing_is_an_error(tmp_path: Path) -> None:
    file = make(tmp_path, REPO + "from = 'base'\nchecks = 'run'\n", {"base/f": "f"})
    with pytest.raises(UsageError, match="no workflow runs on the push"):
        world.build(file, tmp_path / "root")
