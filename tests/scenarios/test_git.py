"""Plain git against the example organisation: a branch may be pushed by everybody who works there, `main` by nobody."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ms_release.forge import git
from scenarios.stage import Stage

REPO = "midi-studio/core"


class Clone:
    """A working copy of one person."""

    def __init__(self, stage: Stage, who: str, place: Path) -> None:
        self.url = f"{stage.server.url.replace('://', f'://{who}:{who}-token@')}/{REPO}.git"
        self.place = place
        name = {f"GIT_{role}_{what}": who for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        self.env = {"PATH": os.environ["PATH"], "HOME": str(place), "LC_ALL": "C", **name, **quiet}

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        how = {"cwd": self.place, "env": self.env, "capture_output": True, "text": True}
        done: subprocess.CompletedProcess[str] = subprocess.run(["git", *arguments], check=False, **how)
        assert done.returncode == 0 or not check, done.stderr
        return done


@pytest.mark.parametrize("who", ["carol", "alice", "dana"])
def test_a_branch_is_taken_and_main_is_refused(new_stage: Stage, tmp_path: Path, who: str) -> None:
    bare = new_stage.forge.git_dir(REPO)
    before = git.read_ref(bare, "refs/heads/main")
    home = Clone(new_stage, who, tmp_path)
    home.git("clone", "-q", home.url, "work")
    home.place /= "work"
    assert home.git("rev-parse", "HEAD").stdout.strip() == before
    (home.place / "README.md").write_text(f"changed by {who}\n")
    home.git("commit", "-q", "-am", "docs: say who")
    sha = home.git("rev-parse", "HEAD").stdout.strip()

    home.git("push", "-q", "origin", f"HEAD:refs/heads/{who}/readme")
    assert git.read_ref(bare, f"refs/heads/{who}/readme") == sha

    refused = home.git("push", "origin", "HEAD:main", check=False)
    assert refused.returncode != 0
    said = [line.removeprefix("remote: ").strip() for line in refused.stderr.splitlines()]
    assert "error: GH006: Protected branch update failed for refs/heads/main." in said
    assert "- Changes must be made through a pull request." in said
    assert any(line.startswith("! [remote rejected] HEAD -> main") for line in said)
    assert git.read_ref(bare, "refs/heads/main") == before
