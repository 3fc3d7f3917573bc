"""The way of files into a protected branch, decided from every state it can be found in (SPEC 5)."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from core.world import absent, check, merged, opened, pushed, sha
from ms_release.config import CheckRule
from ms_release.core.action import (
    Act,
    Blocked,
    CommitFiles,
    CreateBranch,
    Done,
    MergePullRequest,
    Next,
    OpenPullRequest,
    UpdatePullRequest,
    Wait,
)
from ms_release.core.change import Change, next_change
from ms_release.core.model import File
from ms_release.core.observation import ChangeFacts

A, B = File("release-plans/v1.json", b"plan"), File("release-notes/v1.md", b"notes")
VALIDATE = check(5, "validate", event="pull_request")
CHANGE = Change(
    "studio/distribution", "main", "release/v1", (A, B), "chore: v1", "why", (CheckRule("validate", "github-actions"),)
)
HEAD = sha("home")


def step(facts: ChangeFacts) -> Next:
    return next_change(CHANGE, facts, HEAD)


def test_files_are_known_by_the_id_that_git_gives_them() -> None:
    assert File("x", b"hello\n").blob == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert CHANGE.wanted == {A.path: A.blob, B.path: B.blob}


def test_from_nothing_everything_is_due_at_once() -> None:
    assert step(absent(CHANGE)) == Act(
        (
            CreateBranch("studio/distribution", "release/v1", HEAD),
            CommitFiles("studio/distribution", "release/v1", HEAD, "chore: v1", (A, B)),
            OpenPullRequest("studio/distribution", "release/v1", "main", "chore: v1", "why"),
        )
    )


def test_an_empty_branch_gets_its_commit_at_the_head_it_has() -> None:
    found = step(replace(absent(CHANGE), branch=sha("empty")))
    assert found == Act(
        (
            CommitFiles("studio/distribution", "release/v1", sha("empty"), "chore: v1", (A, B)),
            OpenPullRequest("studio/distribution", "release/v1", "main", "chore: v1", "why"),
        )
    )


def test_a_branch_with_our_files_lacks_only_the_pull_request() -> None:
    assert step(pushed(CHANGE)) == Act(
        (OpenPullRequest("studio/distribution", "release/v1", "main", "chore: v1", "why"),)
    )


@pytest.mark.parametrize(
    "on_branch",
    [{A.path: "f" * 40, B.path: None}, {A.path: "f" * 40, B.path: B.blob}, {A.path: A.blob, B.path: None}],
    ids=["other plan", "other plan, same notes", "half of ours"],
)
@pytest.mark.parametrize("with_pull", [False, True], ids=["branch", "pull request"])
def test_a_branch_that_holds_something_else_is_somebody_elses(on_branch: Any, with_pull: bool) -> None:
    found = step(replace(opened(CHANGE, VALIDATE) if with_pull else pushed(CHANGE), on_branch=on_branch))
    assert isinstance(found, Blocked)
    assert found.stale
    assert f"release/v1 holds another {A.path}" in found.cause
    assert found.next_command == "ms release status"


def test_green_checks_merge_exactly_the_head_that_was_seen() -> None:
    assert step(opened(CHANGE, VALIDATE)) == Act(
        (MergePullRequest("studio/distribution", "release/v1", 7, sha("head"), "chore: v1 (#7)"),)
    )


@pytest.mark.parametrize(
    ("checks", "seen"),
    [
        pytest.param((), (), id="none yet"),
        pytest.param((check(5, "lint"),), ((5, "success"),), id="only others"),
        pytest.param((replace(VALIDATE, status="queued", conclusion=None),), (), id="queued"),
        pytest.param(
            (replace(VALIDATE, check_run_id=9, status="in_progress", conclusion=None), VALIDATE),
            ((5, "success"),),
            id="running again",
        ),
    ],
)
def test_checks_that_may_still_come_are_waited_for(checks: Any, seen: Any) -> None:
    found = step(opened(CHANGE, *checks))
    assert isinstance(found, Wait)
    assert (found.awaited, found.who) == ("checks", "the forge's runners")
    assert [(w.kind, w.repo, w.id, w.concluded) for w in found.watch] == [
        ("checks", "studio/distribution", sha("head"), seen)
    ]
    assert "https://forge.example/pull/7" in found.reason


@pytest.mark.parametrize(
    ("facts", "words", "stale"),
    [
        pytest.param(
            opened(CHANGE, replace(VALIDATE, conclusion="failure")), "the checks of #7 failed (red: ", False, id="red"
        ),
        pytest.param(
            opened(CHANGE, replace(VALIDATE, conclusion="skipped")),
            "the checks of #7 failed (red: ",
            False,
            id="skipped",
        ),
        pytest.param(opened(CHANGE, checks=None), "the checks of #7 could not be read", False, id="unreadable"),
        pytest.param(
            opened(CHANGE, VALIDATE, state="CLOSED"), "#7 of release/v1 was closed without merging", False, id="closed"
        ),
        pytest.param(
            opened(CHANGE, VALIDATE, paths=(*CHANGE.wanted, ".github/workflows/publish.yml")),
            "is not ours: it differs in .github/workflows/publish.yml",
            True,
            id="another file added",
        ),
        pytest.param(
            opened(CHANGE, VALIDATE, paths=(A.path,)),
            f"is not ours: it differs in {B.path}",
            True,
            id="a file left out",
        ),
        pytest.param(
            replace(pushed(CHANGE), on_base=CHANGE.wanted),
            "main holds the files of release/v1, but no merged",
            False,
            id="committed past us",
        ),
        pytest.param(
            replace(opened(CHANGE, VALIDATE), on_base={A.path: "f" * 40, B.path: None}),
            f"main already holds another {A.path}",
            True,
            id="other on base",
        ),
        pytest.param(
            replace(absent(CHANGE), on_base={A.path: None, B.path: B.blob}),
            f"main already holds another {B.path}",
            True,
            id="half on base",
        ),
        pytest.param(
            replace(merged(CHANGE), on_base={A.path: "f" * 40, B.path: B.blob}),
            "main does not hold what pull request #7",
            True,
            id="merged otherwise",
        ),
        pytest.param(
            merged(CHANGE, merge_commit=None), "the merge commit of #7 is unknown", False, id="merge commit unknown"
        ),
    ],
)
def test_what_stops_it(facts: ChangeFacts, words: str, stale: bool) -> None:
    found = step(facts)
    assert isinstance(found, Blocked), found
    assert words in found.cause
    assert found.remedy
    assert found.stale is stale


def test_a_base_that_moved_is_brought_in_before_anything_is_judged() -> None:
    red = replace(VALIDATE, conclusion="failure")
    for checks in ((VALIDATE,), (red,), ()):
        found = step(replace(opened(CHANGE, *checks), behind=True))
        assert found == Act((UpdatePullRequest("studio/distribution", "release/v1", 7, sha("head")),))


def test_merged_is_done_whatever_became_of_the_branch() -> None:
    for facts in (
        merged(CHANGE),
        replace(merged(CHANGE), branch=None, on_branch=dict.fromkeys(CHANGE.wanted), behind=True),
    ):
        found = step(facts)
        assert isinstance(found, Done)
        assert found.release_commit == sha("merge")


# --- a change that takes the place of older files

OLD = {A.path: File(A.path, b"old").blob, B.path: B.blob}
REPLACING = replace(CHANGE, replaces=True)


def replacing(facts: ChangeFacts) -> Next:
    return next_change(REPLACING, facts, HEAD)


def test_older_files_are_in_nobodys_way() -> None:
    facts = replace(absent(CHANGE), on_base=OLD)
    assert isinstance(step(facts), Blocked)
    assert isinstance(replacing(facts), Act)


def test_a_branch_with_nothing_but_older_files_is_committed_to() -> None:
    facts = replace(absent(CHANGE), on_base=OLD, on_branch=OLD, branch=sha("begun"))
    found = replacing(facts)
    assert isinstance(found, Act)
    assert [type(each) for each in found.actions] == [CommitFiles, OpenPullRequest]


def test_a_branch_with_other_files_is_somebody_elses() -> None:
    theirs = {A.path: File(A.path, b"theirs").blob, B.path: B.blob}
    assert isinstance(replacing(replace(absent(CHANGE), on_base=OLD, on_branch=theirs, branch=sha("x"))), Blocked)


def test_what_is_there_already_needs_no_pull_request() -> None:
    facts = replace(absent(CHANGE), on_base=CHANGE.wanted)
    assert isinstance(step(facts), Blocked)
    assert replacing(facts) == Done("main holds it already")
