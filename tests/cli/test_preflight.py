"""`preflight` as a program: the right that a token lacks, the setting that is wrong, by name, before any write."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import CONFIG, HOME, ORG, Organisation, Typed, make
from cli.test_app import BOTH, install
from ms_release.core.rights import RIGHTS
from ms_release.forge import git
from ms_release.forge.faults import Fault
from ms_release.forge.git.values import Person
from scenarios.prefork import loaded

LEVELS = {"read": 1, "write": 2}
ALL = {
    permission: max((r.level for r in RIGHTS if r.permission == permission), key=LEVELS.__getitem__)
    for permission in dict.fromkeys(r.permission for r in RIGHTS)
}
"""Every permission of the table, at the level that a release needs."""


def less(permission: str) -> dict[str, str]:
    """All rights but this one: one level lower, or none."""
    low = {permission: "read"} if ALL[permission] == "write" and permission != "workflows" else {}
    return {"metadata": "read", **{name: level for name, level in ALL.items() if name != permission}, **low}


def token(organisation: Organisation, permissions: dict[str, str], who: str = "alice", **more: Any) -> str:
    """A token with exactly these permissions."""
    text = f"{who}-{os.urandom(6).hex()}-token"
    store = organisation.server.forge.store
    like = store.get("token", f"{who}-token") or {}
    store.put("token", text, {**like, "kind": "fine-grained", "permissions": permissions, **more})
    return text


def bot_token(organisation: Organisation, permissions: dict[str, str]) -> str:
    """An App's token that does not say what it may do."""
    repos = [body["full_name"] for body in organisation.server.forge.store.find("repo")]
    return token(organisation, permissions, "alice", kind="installation", login="train[bot]", repos=repos)


def preflight(organisation: Organisation, *words: str, **env: str | None) -> Typed:
    """Typed into a program that is loaded already: there are many of these."""
    folder = organisation.directory(f"p-{os.urandom(4).hex()}")
    before = organisation.count()
    arguments = ["release", "preflight", *words, "--json"]
    done = loaded().begin(arguments, organisation.environment(**env), folder, "").end()
    effects = organisation.count() - before
    assert "--open-issue" in words or effects == 0, "before any write"
    return Typed(done.exit, json.dumps(done.document), done.errors, effects)


def bad(typed: Typed) -> set[tuple[str, str]]:
    """What blocks, by code and subject."""
    return {(g["code"], g["subject"]) for g in typed.document["gates"] if g["outcome"] in ("FAIL", "UNKNOWN")}


def named(typed: Typed) -> set[str]:
    """The permissions that are said to be missing."""
    return {subject.partition(" ")[2] for code, subject in bad(typed) if code == "PERMISSION"}


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    """The example organisation with nothing public, so that reading needs rights as well; an App is installed."""
    found = make(tmp_path_factory.mktemp("private"))
    store = found.server.forge.store
    for body in store.find("repo"):
        store.put("repo", body["full_name"], {**body, "private": True}, body["full_name"])
    install(found, **ALL)
    yield found
    found.server.stop()


# --- rights

NAMED = "preflight: tokens that lack one right, named before any write"
Tally = Callable[[str, int], None]


def test_with_every_right_nothing_is_named(organisation: Organisation) -> None:
    typed = preflight(organisation)
    assert (typed.exit, bad(typed)) == (0, set()), typed.out
    fine = preflight(organisation, GH_TOKEN=token(organisation, {"metadata": "read", **ALL}))
    assert (fine.exit, bad(fine)) == (0, set()), fine.out


@pytest.mark.parametrize("permission", [p for p, level in ALL.items() if level == "write" and p != "workflows"])
def test_a_fine_grained_token_that_lacks_one_right(organisation: Organisation, permission: str, tally: Tally) -> None:
    """Whatever is public can be read by everybody: what is left are the rights to write."""
    who = "bob" if permission == "deployments" else "alice"
    typed = preflight(organisation, GH_TOKEN=token(organisation, less(permission), who))
    assert typed.exit == 5, typed.err
    assert named(typed) == {f"{permission}: write"}
    tally(NAMED, 1)
    gates = [g for g in typed.document["gates"] if g["code"] == "PERMISSION" and g["outcome"] == "FAIL"]
    label = permission.replace("_", " ").capitalize()
    assert all(f"set {label} to Read and write" in gate["remedy"] for gate in gates)
    assert [e["role"] for e in typed.document["escalations"]] == ["Integrator / Owner"] * len(bad(typed))


@pytest.mark.sampled(2)
@pytest.mark.parametrize("permission", [p for p in ALL if p not in ("deployments", "workflows")])
def test_a_token_that_does_not_say_what_it_may_lacks_one_right(
    private: Organisation, permission: str, tally: Tally
) -> None:
    typed = preflight(private, GH_TOKEN=bot_token(private, less(permission)))
    assert typed.exit == 5, typed.err
    assert named(typed) == {f"{permission}: {ALL[permission]}"}, typed.out
    tally(NAMED, 1)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("permission", [p for p in ALL if p != "deployments"])
def test_an_app_that_lacks_one_right(private: Organisation, permission: str, tally: Tally) -> None:
    install(private, **less(permission))
    typed = preflight(private, GH_TOKEN=None, **BOTH)
    install(private, **ALL)
    assert typed.exit == 5, typed.err
    assert named(typed) == {f"{permission}: {ALL[permission]}"}, typed.out
    tally(NAMED, 1)


def test_an_app_with_every_right(private: Organisation) -> None:
    typed = preflight(private, GH_TOKEN=None, **BOTH)
    assert (typed.exit, bad(typed)) == (0, set()), typed.out


def test_a_fine_grained_token_cannot_read_private_checks(private: Organisation) -> None:
    typed = preflight(private, GH_TOKEN=token(private, {"metadata": "read", **ALL}))
    assert (typed.exit, named(typed)) == (5, {"checks: read"})
    gate = next(g for g in typed.document["gates"] if g["outcome"] == "FAIL")
    assert "use a GitHub App" in gate["remedy"]


def test_a_plan_without_checks_is_unknown_and_not_refused(private: Organisation) -> None:
    folder = private.directory("plan-without-checks")
    env = private.environment(GH_TOKEN=token(private, {"metadata": "read", **ALL}))
    typed = private.type(folder, env, "plan", "--channel", "beta", "--auto", "--json")
    assert typed.exit == 3, typed.err
    assert "could not be read" in typed.document["error"]["cause"]
    assert {e["role"] for e in typed.document["escalations"]} == {"Integrator / Owner"}


@pytest.mark.parametrize(("who", "named_first"), [("carol", "MERGE"), ("zoe", "PERMISSION")])
def test_somebody_who_may_not_release(organisation: Organisation, who: str, named_first: str) -> None:
    store = organisation.server.forge.store
    store.put("user", "zoe", {"login": "zoe", "id": 990, "type": "User", "name": "Zoe"})
    like = store.get("token", "alice-token") or {}
    store.put("token", "zoe-token", {**like, "login": "zoe"})
    typed = preflight(organisation, GH_TOKEN=f"{who}-token")
    assert typed.exit == 5
    assert named_first in {code for code, _ in bad(typed)}, typed.out


# --- tokens


def test_a_token_that_ends_soon_and_one_that_has_ended(organisation: Organisation) -> None:
    ends = (organisation.server.forge.clock() + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    soon = token(organisation, {"metadata": "read", **ALL}, expires_at=ends)
    typed = preflight(organisation, GH_TOKEN=soon)
    assert (typed.exit, {code for code, _ in bad(typed)}) == (5, {"TOKEN"}), typed.out
    over = preflight(organisation, GH_TOKEN="alice-expired-token")
    assert (over.exit, "Bad credentials" in over.err) == (5, True)


def test_single_sign_on(organisation: Organisation) -> None:
    faults = organisation.server.forge.faults
    login = "alice"
    for kind in ("sso", "sso_partial"):
        faults.add(Fault(kind, "GET", f"/repos/{HOME}" if kind == "sso" else "/orgs/*", "*", actor=login))
        typed = preflight(organisation)
        faults.clear()
        assert typed.exit == (5 if kind == "sso" else 0), typed.out
        if kind == "sso":
            assert {code for code, _ in bad(typed)} == {"SSO"}
            assert "Authorise the token at http" in typed.document["error"]["remedy"]


# --- settings


def change(fresh: Organisation, kind: str, key: str, **more: Any) -> None:
    store = fresh.server.forge.store
    body = store.get(kind, key)
    assert body is not None
    store.put(kind, key, {**body, **more}, HOME if kind == "environment" else "")


def test_every_setting_that_is_wrong_is_named(fresh: Organisation) -> None:
    """One after the other in one world, each mended again."""
    environment = f"{HOME}:release"
    store = fresh.server.forge.store
    whole = store.get("environment", environment) or {}
    team = store.get("team", f"{ORG}/release-managers") or {}
    cases: list[tuple[str, str, str, dict[str, Any], str]] = [
        ("empty team", "team", f"{ORG}/release-managers", {"members": []}, "REVIEWERS"),
        ("only the requester", "team", f"{ORG}/release-managers", {"members": ["alice"]}, "REVIEWERS"),
        ("no reviewers", "environment", environment, {"reviewers": []}, "ENVIRONMENT"),
        ("self-review", "environment", environment, {"prevent_self_review": False}, "SELF_APPROVAL"),
        ("admin bypass", "environment", environment, {"can_admins_bypass": True}, "ENVIRONMENT"),
        ("every branch", "environment", environment, {"branch_policy": None}, "ENVIRONMENT"),
    ]
    for name, kind, key, wrong, code in cases:
        change(fresh, kind, key, **wrong)
        typed = preflight(fresh)
        change(fresh, kind, key, **(whole if kind == "environment" else team))
        assert (typed.exit, code in {c for c, _ in bad(typed)}) == (3, True), f"{name}: {typed.out}"
    assert preflight(fresh).exit == 0


PUBLISH, CANDIDATE, CI = (f".github/workflows/{name}.yml" for name in ("publish", "candidate", "ci"))
BOARD = "      board:\n        required: true\n"
CORE = f"{ORG}/core"
# name → repository, file, what is replaced by what (None = the file is gone), what is said
WRONG: dict[str, tuple[str, str, tuple[str, str] | None, str]] = {
    "renamed": (HOME, PUBLISH, None, "there is no such workflow"),
    "no trigger": (HOME, PUBLISH, ("workflow_dispatch:", "workflow_call:"), "started by name"),
    "input gone": (HOME, PUBLISH, ("      seal:\n", "      sael:\n"), "does not take the input seal"),
    "input more": (CORE, CANDIDATE, ("      tag:\n", f"{BOARD}      tag:\n"), "requires the input board"),
    "damaged": (CORE, CANDIDATE, ("jobs:", "jobs: ["), "cannot be understood"),
    "misspelt": (HOME, PUBLISH, ("environment: release", "environment: relaese"), "no job of publish.yml names it"),
    "no CI": (HOME, CI, ("  pull_request:\n", ""), "no job called validate runs for pull requests"),
}


def test_every_workflow_that_would_not_start_is_named(fresh: Organisation) -> None:
    dana = Person("Dana", "1+dana@users.noreply.github.com", "2026-03-02T00:00:00Z")
    for name, (repo, path, edit, says) in WRONG.items():
        git_dir = fresh.server.forge.git_dir(repo)
        tip = git.read_ref(git_dir, "refs/heads/main")
        assert tip is not None
        before = fresh.git(repo.partition("/")[2], "show", f"main:{path}") + "\n"
        files = {} if edit is None else {path: before.replace(*edit).encode()}
        assert edit is None or files[path].decode() != before
        made = git.commit_files(git_dir, tip, files, [path] if edit is None else [], "chore: break it", dana)
        git.update_ref(git_dir, "refs/heads/main", made, tip)
        typed = preflight(fresh)
        git.update_ref(git_dir, "refs/heads/main", tip, made)
        told = [g["message"] for g in typed.document["gates"] if g["outcome"] != "PASS"]
        assert (typed.exit, any(says in text for text in told)) == (3, True), f"{name}: {told}"


def test_a_disabled_workflow(fresh: Organisation) -> None:
    assert preflight(fresh).exit == 0
    store = fresh.server.forge.store
    (body,) = [w for w in store.find("workflow", f"{ORG}/core") if w["path"].endswith("candidate.yml")]
    store.put("workflow", body["id"], {**body, "state": "disabled_manually"}, f"{ORG}/core")
    typed = preflight(fresh)
    assert (typed.exit, bad(typed)) == (3, {("WORKFLOW", "midi-studio/core candidate.yml")})
    assert "gh workflow enable candidate.yml -R midi-studio/core" in typed.document["error"]["remedy"]


def test_issues_are_opened_once_for_whoever_must_act(fresh: Organisation) -> None:
    change(fresh, "team", f"{ORG}/release-managers", members=[])
    effects = [preflight(fresh, "--open-issue").effects for _ in range(2)]
    assert effects == [1, 0]
    (issue,) = fresh.server.forge.store.find("issue", HOME)
    assert issue["title"] == "Release: REVIEWERS release"


# --- words


def test_the_page_fits_eighty_columns(organisation: Organisation, tmp_path: Path) -> None:
    folder = organisation.directory("columns")
    few = token(organisation, {"metadata": "read", "contents": "read"})
    typed = organisation.type(folder, organisation.environment(GH_TOKEN=few), "preflight")
    assert typed.exit == 5
    assert max(map(len, typed.out.splitlines())) <= 80
    assert typed.out.startswith("  NO  PERMISSION"), "what blocks comes first"
    assert os.listdir(folder) == [CONFIG]


def test_a_machine_without_git(organisation: Organisation) -> None:
    typed = preflight(organisation, PATH="/nowhere")
    assert (typed.exit, bad(typed)) == (6, {("GIT", "git")}), typed.err
