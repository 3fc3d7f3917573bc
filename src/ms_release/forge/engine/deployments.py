"""Environments as gates in front of jobs: who may review, which refs may deploy, what is still being waited for."""

from __future__ import annotations

import fnmatch
from datetime import datetime, timedelta
from typing import Any, Literal

from ms_release.forge import git
from ms_release.forge.auth import in_team, login_role
from ms_release.forge.errors import Refusal
from ms_release.forge.state import Forge

Body = dict[str, Any]
Verdict = Literal["open", "waiting", "expired"]

EXPIRY = timedelta(days=30)
NOT_PENDING = "No pending deployment requests to approve or reject"
NOT_ALLOWED = "There was a problem approving one of the gates"


def find_environment(forge: Forge, repo: str, name: str) -> Body | None:
    """The environment of this name (compared without case), or None."""
    wanted = name.casefold()
    return next((body for body in forge.store.find("environment", repo) if body["name"].casefold() == wanted), None)


def ensure_environment(forge: Forge, repo: str, name: str) -> Body:
    """The environment of this name; a missing one is made, unprotected, as GitHub does (G29)."""
    found = find_environment(forge, repo, name)
    if found is not None:
        return found
    body = {
        "id": forge.store.next_id("environment"),
        "name": name,
        "reviewers": [],
        "prevent_self_review": False,
        "wait_timer": 0,
        "can_admins_bypass": True,
        "branch_policy": None,
        "created_at": forge.now(),
        "updated_at": forge.now(),
    }
    return forge.store.put("environment", f"{repo}:{name}", body, repo)


def refusal(forge: Forge, repo: str, environment: Body, ref: str) -> str | None:
    """Why a job on this full ref may not deploy to the environment at all, or None (branch policy, G29, G30)."""
    policy = environment["branch_policy"]
    if policy is None:
        return None
    name = ref.split("/", 2)[-1]
    if policy["protected_branches"]:
        protected = _protected(forge, repo)
        admitted = not protected or (ref.startswith("refs/heads/") and name in protected)
    else:
        admitted = any(_fits(pattern, ref, name) for pattern in policy["names"])
    if admitted:
        return None
    kind = "Tag" if ref.startswith("refs/tags/") else "Branch"
    return f'{kind} "{name}" is not allowed to deploy to {environment["name"]} due to environment protection rules.'


def _fits(pattern: str, ref: str, name: str) -> bool:
    """A plain pattern fits branches and tags; one that starts with refs/ fits full names; `*` stops at a slash."""
    subject = ref if pattern.startswith("refs/") else name
    parts, wanted = subject.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _protected(forge: Forge, repo: str) -> set[str]:
    """Branches under classic protection; rulesets do not count for environments."""
    names = [ref.removeprefix("refs/heads/") for ref, _ in git.list_refs(forge.git_dir(repo), "refs/heads/")]
    return {name for name in names if forge.store.get("protection", f"{repo}:{name}") is not None}


def verdict(forge: Forge, environment: Body, job: Body) -> Verdict:
    """Whether a job that asked at `waiting_since` may start now: reviewed where needed, and the timer is over (G25)."""
    since = datetime.fromisoformat(job["waiting_since"])
    if environment["reviewers"] and not job["approved"]:
        return "expired" if forge.clock() >= since + EXPIRY else "waiting"
    return "open" if forge.clock() >= opens_at(environment, job) else "waiting"


def opens_at(environment: Body, job: Body) -> datetime:
    """When the wait timer of this job is over."""
    return datetime.fromisoformat(job["waiting_since"]) + timedelta(minutes=environment["wait_timer"])


def may_review(forge: Forge, repo: str, environment: Body, run: Body, login: str) -> bool:
    """Whether a person may decide: listed, or an admin where admins may bypass; not about his own run (G26, G28)."""
    if environment["prevent_self_review"] and login == run["triggering_actor"]:
        return False
    body = forge.store.get("repo", repo)
    role = None if body is None else login_role(forge, login, body)
    if role is None and (body is None or body["private"]):
        return False
    if environment["can_admins_bypass"] and role == "admin":
        return True
    return any(
        reviewer["name"] == login if reviewer["type"] == "User" else in_team(forge, login, reviewer["name"])
        for reviewer in environment["reviewers"]
    )


def pending(forge: Forge, run: Body, jobs: list[Body]) -> list[tuple[Body, list[Body]]]:
    """The environments that this run waits for, each with its waiting jobs, in order of environment id."""
    found: dict[int, tuple[Body, list[Body]]] = {}
    for job in jobs:
        if job["status"] == "waiting":
            environment = ensure_environment(forge, run["repo"], job["environment"])
            found.setdefault(environment["id"], (environment, []))[1].append(job)
    return [found[number] for number in sorted(found)]


def reviewable(
    forge: Forge, run: Body, jobs: list[Body], environment_ids: list[int], login: str
) -> list[tuple[Body, list[Body]]]:
    """The environments and jobs that a review by `login` decides.

    Raises Refusal 422: nothing is pending there (also the answer to a self-review, G27), or not a reviewer.
    """
    gates = {
        environment["id"]: (environment, [job for job in waiting if not job["approved"]])
        for environment, waiting in pending(forge, run, jobs)
        if environment["reviewers"]
    }
    chosen = [gates[number] for number in environment_ids if number in gates and gates[number][1]]
    if not environment_ids or len(chosen) != len(set(environment_ids)):
        raise Refusal(422, NOT_PENDING)
    for environment, _ in chosen:
        if not may_review(forge, run["repo"], environment, run, login):
            own = environment["prevent_self_review"] and login == run["triggering_actor"]
            raise Refusal(422, NOT_PENDING if own else NOT_ALLOWED)
    return chosen
