"""The workflows that `wire` adds to a home repository, really run in the example organisation."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from forge.app_key import KEY, public_key
from ms_release import config
from ms_release.core.project import Found
from ms_release.core.workflow import FOLDER
from ms_release.forge import git
from ms_release.forge.git.values import Person
from ms_release.render.wire import files_of
from scenarios.stage import HOME, Stage

RULE = 'wire = { gates = { validate = "python3 tools/validate.py" } }'


def wired(stage: Stage) -> None:
    """The home repository with everything that `wire` writes, on its main branch."""
    place = stage.forge.git_dir(HOME)
    before = git.read_ref(place, "refs/heads/main")
    text = (git.read_file(place, "main", "ms-release.toml") or b"").decode()
    known = config.parse(text.replace('id = "distribution"', f'id = "distribution"\n{RULE}', 1))
    made = files_of(known, known.repo("distribution"), Found(frozenset()))
    files = {file.path: file.part.encode() for file in made}
    sha = git.commit_files(
        place, before, files, [], "ci: wire", Person("Alice", "alice@example.org", "2026-01-02T03:04:05Z")
    )
    git.update_ref(place, "refs/heads/main", sha, before)
    stage.forge.engine.pushed(HOME, "refs/heads/main", before, sha, "alice")
    assert f"{FOLDER}/release-train.yml" in files


def with_app(stage: Stage) -> None:
    """The App of the organisation, whose key and numbers are secrets of the home repository."""
    rights = ("actions", "administration", "checks", "contents", "environments", "pull_requests", "workflows")
    app = {"id": 77, "slug": "release-app", "name": "Release", "installation_id": 5, "org": "midi-studio"}
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    secrets = {"MS_APP_ID": "77", "MS_APP_INSTALLATION": "5", "MS_APP_KEY": pem}
    with stage.store.writing():
        stage.store.put(
            "app", "release-app", {**app, "public_key": public_key(), "permissions": dict.fromkeys(rights, "write")}
        )
        for name, value in secrets.items():
            stage.store.put("secret", f"{HOME}:{name}", {"name": name, "value": value}, HOME)


def run_by_button(stage: Stage, file: str, **inputs: str) -> tuple[str, str]:
    """Start a workflow of the home repository and wait: how its run ended, and what it said."""
    body = {"ref": "main", "inputs": inputs}
    asked = stage.ask("alice", "POST", f"/{HOME}/actions/workflows/{file}/dispatches", json=body)
    assert asked.status_code in (200, 204), asked.text
    stage.settle()
    run = max((r for r in stage.store.find("run", HOME) if r["path"].endswith(file)), key=lambda r: int(r["id"]))
    (job,) = stage.store.find("job", HOME, run_id=run["id"])
    return run["conclusion"], stage.forge.blob(job["log"]).read_text()


@pytest.mark.sampled(50)
def test_the_train_and_the_audit_run_by_button(stage: Stage) -> None:
    wired(stage)
    train = {"file": "release-train.yml", "channel": "beta"}
    assert run_by_button(stage, **train, command="status")[0] == "success", stage.failures()
    ended, said = run_by_button(stage, **train, command="plan")
    assert (ended, "this token sees no protection" in said) == ("failure", True)  # a job's own token
    with_app(stage)
    ended, said = run_by_button(stage, **train, command="plan")
    assert (ended, "every gate passed" in said or "What will happen" in said) == ("success", True), said
    ended, said = run_by_button(stage, "policy-audit.yml")
    assert "waiting: for a maintainer to merge" in said
    assert ended == "success"
    (pull,) = stage.store.find("pull", HOME)
    assert pull["user"] == "release-app[bot]"
    assert stage.store.find("check_run", HOME, head_sha=pull["head_sha"])[0]["conclusion"] == "success"
