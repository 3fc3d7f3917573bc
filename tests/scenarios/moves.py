"""What others may change between planning and publishing: each fact that a plan stands on, and how it moves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ms_release.forge import git, refs
from ms_release.forge.auth import Identity
from ms_release.forge.git.values import Person
from scenarios.stage import FIRST, HOME, Stage

CORE = "midi-studio/core"
SOMEBODY = Person("Sam Body", "sam@example.org", "2026-01-02T03:04:05Z")


@dataclass(frozen=True)
class Move:
    """One fact. `fields` are those of the plan that it stands for, `told` what the ending says (regular expression)."""

    name: str
    apply: Callable[[Stage], None]
    told: str
    fields: tuple[str, ...] = ()
    compared: bool = False
    """Whether recording a release that is out still compares it."""


def head(stage: Stage, repo: str, branch: str = "main") -> str:
    found = git.read_ref(stage.forge.git_dir(repo), f"refs/heads/{branch}")
    assert found is not None, f"{repo} has no {branch}"
    return found


def commit(stage: Stage, repo: str, branch: str, files: dict[str, bytes], parent: str | None = None) -> None:
    """Somebody's commit on a branch, past all rules; what a push starts is over when this returns."""
    git_dir, old = stage.forge.git_dir(repo), head(stage, repo, branch)
    sha = git.commit_files(git_dir, parent or old, files, [], "chore: something else", SOMEBODY)
    git.update_ref(git_dir, f"refs/heads/{branch}", sha, old)
    with stage.store.writing():
        done = refs.note(stage.forge, Identity("dana"), repo, refs.Wish(f"refs/heads/{branch}", old, sha))
    refs.tell(stage.forge, [done])
    stage.settle()


def parent_of(stage: Stage, repo: str) -> str:
    tip = git.read_commit(stage.forge.git_dir(repo), head(stage, repo))
    assert tip is not None
    return tip.parents[0]


def change(stage: Stage, kind: str, number: str, **fields: Any) -> None:
    """Change a document of the forge, as an administrator may."""
    found = stage.store.get(kind, number)
    assert found is not None, (kind, number)
    stage.store.put(kind, number, {**found, **fields}, found.get("repo", HOME))


def check_of_core(stage: Stage) -> dict[str, Any]:
    return stage.store.find("check_run", CORE, head_sha=pinned(stage), name="test")[0]


def pinned(stage: Stage) -> str:
    return candidate(stage)["tag_name"].removeprefix("rc-")


def candidate(stage: Stage) -> dict[str, Any]:
    return stage.store.find("release", CORE)[0]


def described(stage: Stage) -> dict[str, Any]:
    return stage.store.find("asset", CORE, release_id=candidate(stage)["id"], name="candidate.json")[0]


# ---- the moves


def _rewrite(stage: Stage) -> None:
    commit(stage, CORE, "main", {"other.txt": b"other"}, parent=parent_of(stage, CORE))


def _turn_red(stage: Stage) -> None:
    change(stage, "check_run", str(check_of_core(stage)["id"]), conclusion="failure")


def _run_again(stage: Stage) -> None:
    """The same check ran once more: green as before, but it is another run than the plan names."""
    number = stage.store.next_id("check_run")
    stage.store.put("check_run", number, {**check_of_core(stage), "id": number}, CORE)


def _delete_candidate(stage: Stage) -> None:
    stage.store.delete("release", candidate(stage)["id"])


def _replace_candidate(stage: Stage) -> None:
    old, number = candidate(stage), stage.store.next_id("release")
    stage.store.put("release", number, {**old, "id": number}, CORE)
    for asset in stage.store.find("asset", CORE, release_id=old["id"]):
        stage.store.put("asset", asset["id"], {**asset, "release_id": number}, CORE)
    stage.store.delete("release", old["id"])


def _swap_description(stage: Stage) -> None:
    """Another candidate.json in the place of the one that was read."""
    asset = described(stage)
    body = json.loads(stage.forge.blob(asset["blob"]).read_text()) | {"run_attempt": 7}
    data = json.dumps(body).encode()
    stage.forge.blob("swapped").write_bytes(data)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    change(stage, "asset", asset["id"], blob="swapped", digest=digest, size=len(data))


def _drop_asset(stage: Stage) -> None:
    asset = next(a for a in stage.store.find("asset", CORE) if a["name"] not in ("candidate.json", "checksums.txt"))
    stage.store.delete("asset", asset["id"])


def _configure(stage: Stage) -> None:
    text = git.read_file(stage.forge.git_dir(HOME), "main", "ms-release.toml")
    assert text is not None
    commit(stage, HOME, "main", {"ms-release.toml": text + b"# a word more\n"})


def _require_less(stage: Stage) -> None:
    change(stage, "protection", f"{HOME}:main", required_status_checks=None)


def _environment(**fields: Any) -> Callable[[Stage], None]:
    return lambda stage: change(stage, "environment", f"{HOME}:release", **fields)


def _take_tag(stage: Stage) -> None:
    git_dir = stage.forge.git_dir(HOME)
    old = git.read_ref(git_dir, f"refs/tags/{FIRST}")
    git.update_ref(git_dir, f"refs/tags/{FIRST}", parent_of(stage, HOME), old)


def _push_to_ours(stage: Stage) -> None:
    branch = f"release/{FIRST}"
    commit(stage, HOME, branch, {"tools/evil.py": b"print()"})


def _take_path(stage: Stage) -> None:
    commit(stage, HOME, "main", {f"release-notes/{FIRST}.md": b"Other notes.\n"})


CANDIDATE = r"candidate rc-[0-9a-f]{40} of core: was "
PROTECTION = r"protection \(%s\): was "
EVERY_BRANCH = {"protected_branches": False, "custom_branch_policies": True, "names": ["*"]}

STALE = (
    Move("pin unreachable", _rewrite, r"core [0-9a-f]{7} on main: was reachable, is not reachable", ("pins",)),
    Move("evidence red", _turn_red, r"checks of core [0-9a-f]{7}: was green, is ", ("pins",)),
    Move("evidence of another run", _run_again, r"check test of core [0-9a-f]{7}: was run \d+, is run \d+", ("pins",)),
    Move("candidate gone", _delete_candidate, CANDIDATE + r"release \d+, is gone", ("candidates",), True),
    Move("candidate replaced", _replace_candidate, CANDIDATE + r"release \d+, is release \d+", ("candidates",)),
    Move("candidate of other bytes", _swap_description, CANDIDATE + r"digest \w+, is digest", ("candidates",), True),
    Move("candidate incomplete", _drop_asset, CANDIDATE + "complete, is ", ("candidates",), True),
    Move("configuration", _configure, r"the configuration on the protected branch: was \w+, is \w+", ("config",)),
    Move("required checks", _require_less, PROTECTION % "checks" + "validate, is none", ("protection",)),
    Move(
        "reviewers",
        _environment(reviewers=[{"type": "User", "name": "carol"}]),
        PROTECTION % "reviewers",
        ("protection",),
    ),
    Move(
        "self-review",
        _environment(prevent_self_review=False),
        PROTECTION % "prevent self review" + "True, is False",
        ("protection",),
    ),
    Move(
        "branches of the environment",
        _environment(branch_policy=EVERY_BRANCH),
        PROTECTION % "branches" + r"main, is \*",
        ("protection",),
    ),
    Move("tag taken", _take_tag, rf"tag {FIRST}: was free, is at", ("tag",), True),
    Move("planned path taken", _take_path, "already holds another release-notes/|does not hold what", ("files",)),
)
"""What makes a plan stale whenever it happens, until the release is out."""

FOREIGN_HEAD = Move("head not ours", _push_to_ours, "the head of #1 is not ours|holds another", ("files",))
"""What makes it stale as long as its pull request is open."""

NOT_STALE = (
    Move("newer commit in a component", lambda stage: commit(stage, CORE, "main", {"new.txt": b"new"}), ""),
    Move("home branch moved", lambda stage: commit(stage, HOME, "main", {"notes.txt": b"new"}), ""),
)
