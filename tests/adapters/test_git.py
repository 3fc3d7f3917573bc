"""The git program on real repositories: exact answers, unknown is not "no", nobody steers it (faults F44)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ms_release.adapters import git
from ms_release.errors import DamagedError, MachineError

MESSAGE = "feat: one\n\nbody \x1f \x1e é\n\nCloses: #1"


def command(repo: Path, *arguments: str, **more: str) -> str:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(repo), "GIT_AUTHOR_NAME": "Ann\x1fx", "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@d", "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
        "GIT_COMMITTER_DATE": "2026-01-02T03:04:06Z", **more,
    }  # fmt: skip
    return subprocess.run(
        ["git", *arguments], cwd=repo, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    command(path, "init", "-q", "-b", "main")
    (path / "dir").mkdir()
    (path / "dir" / "f é").write_bytes(b"\0one\n")
    (path / "link").symlink_to("dir")
    command(path, "add", ".")
    command(path, "commit", "-q", "-m", MESSAGE)
    command(path, "commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
    command(path, "tag", "-a", "v1", "-m", "x", "HEAD~1")
    return path


def test_revisions(repo: Path) -> None:
    first, second = command(repo, "rev-parse", "HEAD~1"), command(repo, "rev-parse", "HEAD")
    assert git.head(repo) == second
    assert git.rev_parse(repo, "v1") == first
    assert git.rev_parse(repo, "nothing") is None
    assert git.rev_parse(repo, "--all") is None
    assert git.rev_parse(repo, "0" * 40) is None


def test_ancestry_and_the_unknown(repo: Path) -> None:
    first, second = command(repo, "rev-parse", "HEAD~1"), command(repo, "rev-parse", "HEAD")
    assert git.is_ancestor(repo, first, second)
    assert not git.is_ancestor(repo, second, first)
    with pytest.raises(MachineError):
        git.is_ancestor(repo, "1" * 40, second)


def test_files_of_a_commit(repo: Path) -> None:
    assert git.show(repo, "HEAD", "dir/f é") == b"\0one\n"
    for path in ("nothing", "dir", "link", "dir/", ":(glob)*", "*", "--help", "../repo"):
        if path == "../repo":
            with pytest.raises(MachineError):
                git.show(repo, "HEAD", path)
        else:
            assert git.show(repo, "HEAD", path) is None
    with pytest.raises(MachineError):
        git.show(repo, "nothing", "dir")


def test_a_huge_file_is_not_read(repo: Path) -> None:
    with (repo / "big").open("wb") as file:
        file.truncate((32 << 20) + 1)
    command(repo, "add", "big")
    command(repo, "commit", "-q", "-m", "big")
    with pytest.raises(DamagedError):
        git.show(repo, "HEAD", "big")


def test_the_log_has_every_field_whatever_is_in_them(repo: Path) -> None:
    first, second = command(repo, "rev-parse", "HEAD~1"), command(repo, "rev-parse", "HEAD")
    commits = list(git.log(repo, None, second))
    assert [commit.sha for commit in commits] == [second, first]
    assert [commit.parents for commit in commits] == [(first,), ()]
    assert [commit.message for commit in commits] == ["", MESSAGE]
    assert (commits[1].author, commits[1].email, commits[1].date) == ("Ann\x1fx", "a@b", "2026-01-02T03:04:06Z")
    assert [commit.sha for commit in git.log(repo, first, second)] == [second]
    assert list(git.log(repo, second, second)) == []


def test_a_long_log_is_streamed_and_may_be_left_early(repo: Path) -> None:
    lines = "".join(f"commit refs/heads/many\ncommitter C <c@d> {n} +0000\ndata 5\nn{n:04d}\n" for n in range(3000))
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repo, input=lines.encode(), check=True)
    sha = command(repo, "rev-parse", "many")
    assert [commit.message for commit in git.log(repo, None, sha)] == [f"n{n:04d}" for n in reversed(range(3000))]
    stream = git.log(repo, None, sha)
    assert next(stream).message == "n2999"
    stream.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("rev", ["main", "--output=x", "HEAD", "", "a" * 41, "A" * 40])
def test_the_log_takes_shas_only(repo: Path, rev: str) -> None:
    with pytest.raises(MachineError, match="not a full commit SHA"):
        list(git.log(repo, None, rev))
    with pytest.raises(MachineError):
        list(git.log(repo, "1" * 40, git.head(repo)))


def test_the_callers_environment_does_not_steer_it(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git.head(repo)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("GH_TOKEN", "canary-token")
    assert git.head(repo) == head
    command(repo, "config", "alias.show-env", "!env")
    seen = git.run(repo, ["show-env"])[1].decode()
    assert "canary-token" not in seen
    assert "nowhere" not in seen
    assert "GIT_TERMINAL_PROMPT=0" in seen


def test_hooks_do_not_run_and_protocols_only_when_asked(repo: Path, tmp_path: Path) -> None:
    hook = repo / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch ran\n", encoding="utf-8")
    hook.chmod(0o755)
    git.run(repo, ["checkout", "-q", "--detach"])
    assert not (repo / "ran").exists()
    with pytest.raises(MachineError, match="not allowed"):
        git.run(tmp_path, ["clone", "-q", repo.as_uri(), "copy"])
    with pytest.raises(MachineError, match="not allowed"):
        git.run(tmp_path, ["clone", "-q", repo.as_uri(), "copy"], ("http", "https"))
    git.run(tmp_path, ["clone", "-q", repo.as_uri(), "copy"], ("file",))
    assert git.head(tmp_path / "copy") == git.head(repo)


def test_what_is_wrong_is_told(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MachineError, match="failed in"):
        git.head(empty)
    with pytest.raises(MachineError, match="No such file"):
        git.head(tmp_path / "none")
    command(empty, "init", "-q")
    with pytest.raises(MachineError, match="no commit yet"):
        git.head(empty)
    monkeypatch.setenv("PATH", str(empty))
    with pytest.raises(MachineError, match="git is missing"):
        git.head(repo)
