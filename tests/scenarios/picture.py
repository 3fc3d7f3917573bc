"""What stands on a forge in the end, without what differs from day to day: numbers, times, ids of new commits."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from ms_release.forge import git
from scenarios.stage import COMPONENTS, HOME, Stage

REPOS = (HOME, *(f"midi-studio/{name}" for name in COMPONENTS))
# Set by the moment at which the release commit was made, and what follows from it.
_MOMENT = {"created_at", "run_id", "commit", "seal", "release_id"}
_DATED = {"manifest.json", "manifest.json.sig", "checksums.txt"}


def take_picture(stage: Stage) -> dict[str, Any]:
    """Everything that a release leaves behind, in a form in which two worlds can be compared, as JSON."""
    picture = {
        "refs": {repo: [name for name, _ in git.list_refs(stage.forge.git_dir(repo), "refs/")] for repo in REPOS},
        "files": _files(stage),
        "pulls": _pulls(stage),
        "releases": {repo: _releases(stage, repo) for repo in REPOS},
        "runs": _runs(stage),
        "effects": _count(stage.performed()),
    }
    found: dict[str, Any] = json.loads(json.dumps(picture, sort_keys=True))
    return found


def _files(stage: Stage) -> dict[str, Any]:
    """Every file of the home branch; of plans and ledger entries all but the moment."""
    git_dir = stage.forge.git_dir(HOME)
    listed = git.run(git_dir, "ls-tree", "-r", "main").decode().splitlines()
    files: dict[str, Any] = {}
    for line in listed:
        about, _, path = line.partition("\t")
        files[path] = about
        if path.startswith(("release-plans/", "release/ledger/")) and path.endswith(".json"):
            document = json.loads(git.read_file(git_dir, "main", path) or b"{}")
            files[path] = {name: value for name, value in document.items() if name not in _MOMENT}
            for asset in document.get("assets", ()):
                if asset["name"] in _DATED:
                    asset.pop("sha256")
    return files


def _pulls(stage: Stage) -> dict[str, Any]:
    fields = ("title", "body", "state", "merged", "user", "merged_by", "base_ref")
    pulls = stage.store.find("pull", HOME)
    found = {pull["head_ref"]: {name: pull[name] for name in fields} for pull in pulls}
    assert len(found) == len(pulls), "two pull requests of one branch"
    return found


def _releases(stage: Stage, repo: str) -> list[Any]:
    found = []
    for release in stage.store.find("release", repo):
        assets = stage.store.find("asset", repo, release_id=release["id"])
        digests = {asset["name"]: _content(stage, asset) for asset in assets if asset["name"] not in _DATED}
        names = sorted(asset["name"] for asset in assets)
        body = re.sub(r"(seal[= ]`?)[0-9a-f]{64}", r"\1…", release["body"] or "")
        found.append([release["tag_name"], release["draft"], release["prerelease"], names, digests, body])
    return sorted(found, key=lambda each: str(each[0]))


def _content(stage: Stage, asset: dict[str, Any]) -> Any:
    """The digest of an asset; of a candidate's description everything but the run that has built it."""
    if asset["name"] != "candidate.json":
        return asset["digest"]
    described = json.loads(stage.forge.blob(asset["blob"]).read_text())
    return {name: value for name, value in described.items() if name not in ("run_id", "run_attempt", "generated_at")}


def _runs(stage: Stage) -> dict[str, int]:
    runs = [run for repo in REPOS for run in stage.store.find("run", repo)]
    return _count([f"{run['repo']} {run['path']} {run['event']} {run['conclusion']}" for run in runs])


def _count(words: list[str]) -> dict[str, int]:
    return dict(Counter(words))
