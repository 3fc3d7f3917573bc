"""Candidates found by what they were made from, and signed: a release of them, and what is built again and what not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.test_app import PRIVATE, PUBLIC
from ms_release.adapters.signing import public_of, sign
from ms_release.forge import git
from scenarios.moves import CORE, SOMEBODY, commit, head
from scenarios.stage import BETA, COMPONENTS, FIRST, HOME, Saved, Stage, staging

PLUGIN = "midi-studio/plugin-bitwig"
SEED = base64.b64encode(bytes(range(32))).decode()
CANDIDATE = ".github/workflows/candidate.yml"
CORE_RULE = 'candidate = { workflow = "candidate.yml", visibility = "draft"'
PLUGIN_RULE = 'candidate = { workflow = "candidate.yml", visibility = "prerelease"'


def show(stage: Stage, repo: str, path: str) -> str:
    return git.run(stage.forge.git_dir(repo), "show", f"main:{path}").decode()


def sign_candidates(stage: Stage) -> None:
    """Every candidate workflow gets the key, core says how it is built, the plugin what it is built with."""
    for name in COMPONENTS:
        repo = f"midi-studio/{name}"
        secret = {"repo": repo, "name": "MS_CANDIDATE_KEY", "value": SEED}
        stage.store.put("secret", f"{repo}:MS_CANDIDATE_KEY", secret, repo)
        key = "          MS_CANDIDATE_KEY: ${{ secrets.MS_CANDIDATE_KEY }}\n          SHA:"
        text = show(stage, repo, CANDIDATE).replace("          SHA:", key)
        if repo == CORE:
            text = text.replace("--visibility draft", "--visibility draft --recipe build.py")
        if repo == PLUGIN:
            other = "      core_sha:\n        required: true\n        type: string\n\npermissions: {}"
            text = text.replace("\npermissions: {}", other, 1)
            text = text.replace(
                "          SHA:", "          CORE: midi-studio/core=${{ inputs.core_sha }}\n          SHA:"
            )
            text = text.replace("--visibility prerelease", '--visibility prerelease --input "$CORE"')
        commit(stage, repo, "main", {CANDIDATE: text.encode()})
    publish = ".github/workflows/publish.yml"
    text = show(stage, HOME, publish).replace(
        "          MS_CANDIDATES_TOKEN: ${{ secrets.MS_CANDIDATES_TOKEN }}\n",
        "".join(f"          MS_APP_{n}\n" for n in ("ID: '77'", "INSTALLATION: '5'", "KEY: ${{ secrets.MS_APP_KEY }}")),
    )
    secret = {"repo": HOME, "name": "MS_APP_KEY", "value": PRIVATE}
    stage.store.put("secret", f"{HOME}:MS_APP_KEY", secret, HOME)
    stage.store.put("app", "train", {
        "id": 77, "slug": "train", "name": "Train", "public_key": PUBLIC, "installation_id": 5, "org": "midi-studio",
        "permissions": {"metadata": "read", "contents": "write", "checks": "read", "pull_requests": "read",
                        "actions": "read"},
    })  # fmt: skip
    commit(stage, HOME, "main", {publish: text.encode()})
    config = show(stage, HOME, "ms-release.toml")
    config = config.replace(CORE_RULE, f'{CORE_RULE}, recipe = ["build.py"]')
    at = config.index('id = "plugin-bitwig"')
    config = config[:at] + config[at:].replace(PLUGIN_RULE, f'{PLUGIN_RULE}, inputs = ["core"]', 1)
    config = config.replace("[policy]", f'[policy]\ncandidate_key = "{public_of(SEED)}"')
    commit(stage, HOME, "main", {"ms-release.toml": config.encode()})
    (stage.rehearsal.operator / "ms-release.toml").write_text(config)


@pytest.fixture(scope="module")
def signed(saved: Saved) -> Path:
    """The example organisation with its first release out, of candidates that are signed and found by identity."""

    def make(root: Path) -> None:
        with staging(saved.new(), root, direct=True) as stage:
            sign_candidates(stage)
            prepared = stage.type("alice", "prepare", *BETA, "--watch")
            assert prepared.exit == 0, (prepared, candidate_logs(stage))
            with stage.approving():
                published = stage.type("alice", "publish", *BETA, "--watch")
            assert published.exit == 0, (published, stage.failures())

    return saved.once("signed", make) / "forge"


@pytest.fixture
def stage(signed: Path, tmp_path: Path) -> Iterator[Stage]:
    with staging(signed, tmp_path, direct=True) as found:
        yield found


def candidate_logs(stage: Stage) -> list[str]:
    failed = [job for job in stage.store.find("job") if job["conclusion"] == "failure" and job["log"]]
    return [stage.forge.blob(job["log"]).read_text()[-800:] for job in failed]


def planned(stage: Stage, *arguments: str) -> tuple[dict[str, Any], list[str]]:
    """The candidates of a new plan, by repository, and the workflows that it would start."""
    typed = stage.type("alice", "plan", *BETA, *arguments)
    assert typed.exit == 0, typed
    tag = typed.document["tag"]
    file = stage.rehearsal.operator / ".ms" / f"content-{tag}.plan.json"
    found = {c["repo"]: c for c in json.loads(file.read_text())["plan"]["candidates"]}
    file.unlink()
    started = [key for key in typed.document["actions"] if key.startswith("dispatch ") and "candidate.yml" in key]
    return found, started


def pin(stage: Stage, **shas: str) -> list[str]:
    return [word for id, sha in shas.items() for word in ("--repo", f"{id.replace('_', '-')}={sha}")]


def test_they_were_dispatched_together_signed_and_released(stage: Stage) -> None:
    """Missing candidates are started together and awaited together (SPEC 3), each with what its workflow needs."""
    dispatches = [e for e in stage.store.effects() if e["verb"] == "dispatch" and "candidate.yml" in e["subject"]]
    assert len(dispatches) == len(COMPONENTS)
    numbers = [stage.store.effects().index(e) for e in dispatches]
    ended = [n for n, e in enumerate(stage.store.effects()) if e["verb"] == "complete_run" and n > numbers[0]]
    assert max(numbers) < min(ended)
    inputs = {e["subject"].split()[0]: e["detail"]["inputs"] for e in dispatches}
    assert inputs[PLUGIN]["core_sha"] == inputs[CORE]["sha"]
    assert inputs[CORE]["tag"].startswith("rc-core-")
    assert inputs[PLUGIN]["tag"].startswith("rc-plugin-bitwig-")
    assert inputs["midi-studio/loader"]["tag"] == f"rc-{inputs['midi-studio/loader']['sha']}"
    names = {a["name"] for a in stage.store.find("asset", CORE)}
    assert {"candidate.json.sig", "provenance.intoto.jsonl"} <= names
    assert stage.published() == [FIRST]


def test_an_unrelated_commit_builds_nothing_again(stage: Stage, tally: Callable[[str, int], None]) -> None:
    core, plugin = head(stage, CORE), head(stage, PLUGIN)
    before = {r["tag_name"]: r["id"] for repo in (CORE, PLUGIN) for r in stage.store.find("release", repo)}
    commit(stage, "midi-studio/loader", "main", {"README.md": b"other words\n"})  # nobody has declared it as an input
    commit(stage, CORE, "main", {CANDIDATE: (show(stage, CORE, CANDIDATE) + "# a comment\n").encode()})
    commit(stage, PLUGIN, "main", {"README.md": b"other words\n"})
    loader = head(stage, "midi-studio/loader")
    found, started = planned(stage, *pin(stage, core=core, plugin_bitwig=plugin, loader=loader))
    assert {id: found[id]["state"] for id in ("core", "plugin-bitwig")} == {"core": "ready", "plugin-bitwig": "ready"}
    assert {found[id]["tag"]: found[id]["release_id"] for id in ("core", "plugin-bitwig")} == before
    assert started == [f"dispatch midi-studio/loader candidate.yml rc-{loader}"]
    tally("candidates reused after an unrelated commit", 2)


def test_another_recipe_or_input_is_another_candidate(stage: Stage) -> None:
    core, plugin = head(stage, CORE), head(stage, PLUGIN)
    commit(stage, PLUGIN, "main", {CANDIDATE: (show(stage, PLUGIN, CANDIDATE) + "# a comment\n").encode()})
    found, started = planned(stage, *pin(stage, core=core, plugin_bitwig=plugin))
    assert found["core"]["state"] == "ready"
    assert found["plugin-bitwig"]["state"] == "build"
    assert started == [f"dispatch {PLUGIN} candidate.yml {found['plugin-bitwig']['tag']}"]
    commit(stage, CORE, "main", {"README.md": b"other words\n"})
    again, started = planned(stage, *pin(stage, plugin_bitwig=plugin))
    assert again["core"]["state"] == again["plugin-bitwig"]["state"] == "build"
    assert again["plugin-bitwig"]["tag"] != found["plugin-bitwig"]["tag"]
    assert len(started) == 2


def test_a_recipe_that_changes_after_the_plan_makes_it_stale(stage: Stage) -> None:
    commit(stage, PLUGIN, "main", {"README.md": b"other words\n"})
    assert stage.type("alice", "plan", *BETA).exit == 0
    (file,) = (stage.rehearsal.operator / ".ms").glob("content-*.plan.json")
    commit(stage, PLUGIN, "main", {CANDIDATE: (show(stage, PLUGIN, CANDIDATE) + "# a comment\n").encode()})
    typed = stage.type("alice", "prepare", "--plan", str(file), "--watch")
    assert typed.exit == 3
    assert "the recipe of plugin-bitwig: was rc-plugin-bitwig-" in typed.document["error"]["cause"]
    assert stage.performed() == []


def test_a_lost_signature_is_noticed_before_anything_is_planned(stage: Stage) -> None:
    """The candidate counts as not ready, and the job that would build it again refuses to touch what is finished."""
    (asset,) = stage.store.find("asset", CORE, name="candidate.json.sig")
    data = sign(base64.b64encode(bytes(32)).decode(), b"other").encode()
    stage.forge.blob("forged").write_bytes(data)
    changed = {"id": 98_765, "node_id": "RA_forged", "blob": "forged"}
    stage.store.delete("asset", asset["id"])
    stage.store.put("asset", 98_765, {**asset, **changed, "digest": None, "size": len(data)}, CORE)
    commit(stage, PLUGIN, "main", {"README.md": b"other words\n"})
    found, started = planned(stage)
    assert found["core"]["state"] == "build"
    assert f"dispatch {CORE} candidate.yml {found['core']['tag']}" in started
    typed = stage.type("alice", "prepare", *BETA, "--watch")
    assert typed.exit == 3
    assert "the candidate of core could not be built" in typed.document["error"]["cause"]
    assert any("is no signature" in log or "does not carry" in log for log in candidate_logs(stage))


def test_prune_leaves_what_a_plan_names(stage: Stage) -> None:
    """Merged, or on a release branch only; found by tag and repository, whatever the tag is made of."""
    commit(stage, CORE, "main", {"README.md": b"other words\n"})
    found, _ = planned(stage)
    core = found["core"]
    wish = {"ref": "main", "inputs": {"sha": head(stage, CORE), "tag": core["tag"]}}
    answer = stage.ask("alice", "POST", f"/{CORE}/actions/workflows/candidate.yml/dispatches", json=wish)
    assert answer.status_code in (200, 204), answer.text
    stage.settle()
    assert pruned(stage) == [core["tag"]]
    assert stage.type("alice", "plan", *BETA).exit == 0
    (file,) = (stage.rehearsal.operator / ".ms").glob("content-*.plan.json")
    tag = file.name.removeprefix("content-").removesuffix(".plan.json")
    git_dir = stage.forge.git_dir(HOME)
    main = head(stage, HOME)
    sha = git.commit_files(git_dir, main, {f"release-plans/{tag}.json": file.read_bytes()}, [], "plan", SOMEBODY)
    git.update_ref(git_dir, f"refs/heads/release/{tag}", sha, None)
    assert pruned(stage) == []
    git.update_ref(git_dir, f"refs/heads/release/{tag}", None, sha)
    assert pruned(stage) == [core["tag"]]
    typed = stage.type("alice", "candidate", "prune", "--older-than", "0", "--yes")
    assert [key.split()[0] for key in typed.document["performed"]] == ["delete-release"], typed  # a draft has no tag
    assert pruned(stage) == []


def pruned(stage: Stage) -> list[str]:
    typed = stage.type("alice", "candidate", "prune", "--older-than", "0")
    assert typed.exit == 0, typed
    return [row["tag"] for row in typed.document["candidates"] if row["stays"] is None]


def test_drafts_of_other_repositories_are_read_by_an_app(stage: Stage) -> None:
    """By a token of one hour, made in the job, for the repositories of the product alone."""
    tokens = [t for t in stage.store.find("token") if t["login"] == "train[bot]"]
    assert len(tokens) == 1
    assert sorted(tokens[0]["repos"]) == sorted(["midi-studio/distribution", *(f"midi-studio/{c}" for c in COMPONENTS)])
    drafts = {r["id"] for r in stage.store.find("release", CORE) if r["draft"]}
    assert drafts
    read = [r["path"] for r in stage.asked_by("train[bot]") if r["path"].startswith(f"/repos/{CORE}/releases/assets/")]
    ids = {str(a["id"]) for a in stage.store.find("asset", CORE) if a["release_id"] in drafts}
    assert {path.rpartition("/")[2] for path in read} == ids
