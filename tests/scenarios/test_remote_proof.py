"""`prove --remote`: the forge's runners are asked, and what their jobs say is read back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from ms_release.forge import git
from ms_release.forge.git.values import Person
from scenarios.prefork import Typed, loaded
from scenarios.stage import HOME, Saved, Stage, staging

CORE, CI = "midi-studio/core", ".github/workflows/ci.yml"
DANA = Person("Dana", "1+dana@users.noreply.github.com", "2026-03-02T00:00:00Z")


def set_ci(stage: Stage, run: str) -> str:
    """Let ci.yml of core be started by name, with one job that runs this; the tip of main."""
    git_dir = stage.forge.git_dir(CORE)
    tip = git.read_ref(git_dir, "refs/heads/main")
    assert tip is not None
    steps = [{"uses": "actions/checkout@v7"}, {"run": run}]
    text = json.dumps({"on": ["workflow_dispatch"], "jobs": {"test": {"runs-on": "ubuntu-latest", "steps": steps}}})
    made = git.commit_files(git_dir, tip, {CI: text.encode()}, [], "ci: by name", DANA)
    git.update_ref(git_dir, "refs/heads/main", made, tip)
    return made


def prove(stage: Stage, tmp_path: Path, *words: str) -> Typed:
    place = tmp_path / "clone"
    if not place.exists():
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        subprocess.run(["git", "clone", "-q", str(stage.forge.git_dir(CORE)), str(place)], check=True, env=env)
        url = f"{stage.server.url}/{CORE}.git"
        subprocess.run(["git", "-C", str(place), "remote", "set-url", "origin", url], check=True, env=env)
        config = git.run(stage.forge.git_dir(HOME), "show", "main:ms-release.toml")
        (place / "ms-release.toml").write_bytes(config + b"\n")
    typed = ["release", "prove", "--remote", "--json", *words]
    return loaded().begin(typed, stage.rehearsal.environment("alice"), place, "").end()


def test_a_green_job_and_a_red_one(saved: Saved, tmp_path: Path) -> None:
    with staging(saved.new(), tmp_path / "world", direct=True) as stage:
        tip = set_ci(stage, "echo fine")
        green = prove(stage, tmp_path, "--repeat", "2")
        assert (green.exit, green.document["sha"]) == (0, tip), green
        assert [(g["name"], g["verdict"], g["attempts"]) for g in green.document["gates"]] == [("test", "green", 2)]
        set_ci(stage, 'echo "Error: no such name"; exit 1')
        red = prove(stage, tmp_path, "--ref", "main")
        assert red.exit == 3, red
        (gate,) = red.document["gates"]
        assert gate["verdict"] == "red"
        assert "Error: no such name" in (tmp_path / "clone" / gate["log"]).read_text()
        dispatched = [key for key in stage.performed() if key.startswith(f"dispatch {CORE}")]
        assert dispatched == [f"dispatch {CORE} ci.yml "] * 3
        assert prove(stage, tmp_path, "--gate", "test").exit == 2
