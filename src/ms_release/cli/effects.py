"""What really happened, told by the forge's own effect log and not by us: the keys to compare a prediction with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

# Runs and artifacts are how the forge carries out a dispatch, and a merge moves the base branch: not effects of ours.
_CONSEQUENCES = {"start_run", "complete_run", "upload_artifact"}


class Store(Protocol):
    """As much of the forge's store as the log needs."""

    def effects(self) -> list[dict[str, Any]]:
        """The effect log, oldest first."""

    def get(self, kind: str, id: int | str) -> dict[str, Any] | None:
        """One document."""


def performed_keys(store: Store, home: str, start: int) -> list[str]:
    """Keys of every effect on the home repository, and of every dispatch, since the log had `start` entries."""
    return list(_keys(store, home, store.effects()[start:]))


def _keys(store: Store, home: str, effects: list[dict[str, Any]]) -> Iterator[str]:
    for effect in effects:
        verb, detail = effect["verb"], effect["detail"]
        repo, _, subject = effect["subject"].partition(" ")
        repo, _, number = repo.partition("#")
        if verb == "dispatch":
            yield f"dispatch {repo} {subject.rpartition('/')[2]} {detail['inputs'].get('tag', '')}"
        elif repo == home and verb not in _CONSEQUENCES:
            yield from _home_key(store, verb, repo, subject, number, detail)


def _home_key(store: Store, verb: str, repo: str, subject: str, number: str, detail: dict[str, Any]) -> Iterator[str]:
    kind, _, name = subject.removeprefix("refs/").partition("/")
    match verb:
        case "create_ref" | "create_tag":
            yield f"create-{'tag' if kind == 'tags' else 'branch'} {repo} {name}"
        case "update_ref":
            if name.startswith(("release/", "evidence/", "abandon/")):
                yield f"commit {repo} {name}"
        case "update_pull_branch":
            yield f"update-pull {repo} {name}"
        case "open_pull" | "merge_pull" | "close_pull":
            pull = store.get("pull", f"{repo}#{number}") or {}
            yield f"{verb.replace('_', '-')} {repo} {pull.get('head_ref')}"
        case "review":
            yield f"review {repo} {_title(store, detail).split()[1]} {detail.get('environment', 'release')}"
        case "cancel_run":
            yield f"cancel-run {repo} {_title(store, detail).split()[1]}"
        case "create_release":
            yield f"create-draft {repo} {subject}"
        case "upload_asset":
            yield f"upload {repo} {subject.replace('/', ' ', 1)}"
        case "update_release":
            if detail["changed"] == ["body"]:  # else it is a part of publishing
                yield f"edit-release {repo} {subject}"
        case "publish_release":
            yield f"publish {repo} {subject}"
        case _:
            yield f"{verb} {repo} {subject}"


def _title(store: Store, detail: dict[str, Any]) -> str:
    run = store.get("run", detail.get("run_id", 0)) or {}
    return str(run.get("display_title", "a run that is unknown"))
