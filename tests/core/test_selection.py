"""Which commit is chosen and what counts as green (SPEC 4): the table of what is not, and each way of selecting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import CORE, GREEN, LOADER, PENDING, RED, TEST, check, commit, component, pin, sha
from ms_release.core.model import Evidence
from ms_release.core.observation import Check, Commit, Pull
from ms_release.core.selection import TRUSTED_EVENTS, judge, judge_pull, select
from ms_release.errors import BlockedError, MsError, UsageError, WaitingError

HEAD = replace(CORE, checks=TEST)
NEWEST = replace(HEAD, select="latest-green")
CARRY = replace(LOADER, checks=TEST)


def checked(*checks: Check) -> Commit:
    return commit("core-1", checks)


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        pytest.param((check(conclusion="skipped"),), "red: test concluded skipped", id="skipped"),
        pytest.param((check(conclusion="neutral"),), "red: test concluded neutral", id="neutral"),
        pytest.param((check(conclusion="failure"),), "red: test concluded failure", id="failure"),
        pytest.param((check(conclusion="cancelled"),), "red: test concluded cancelled", id="cancelled"),
        pytest.param((check(conclusion=None),), "red: test concluded nothing", id="completed without conclusion"),
        pytest.param((), "missing: no check test by github-actions", id="no checks at all"),
        pytest.param((check(name="Test"),), "missing: no check test by github-actions", id="another name"),
        pytest.param(
            (check(app="impostor"),), "missing: no check test by github-actions (only from impostor)", id="wrong app"
        ),
        pytest.param((check(event="pull_request"),), "missing: no check test by github-actions", id="pull request"),
        pytest.param(
            (check(event="pull_request_target"),), "missing: no check test by github-actions", id="untrusted event"
        ),
        pytest.param((check(event=None),), "missing: no check test by github-actions", id="Actions without a run"),
        pytest.param((check(event="issue_comment"),), "missing: no check test by github-actions", id="comment"),
        pytest.param((check(status="queued", conclusion=None),), "pending: test is queued", id="queued"),
        pytest.param((check(status="IN_PROGRESS", conclusion=None),), "pending: test is in progress", id="in progress"),
        pytest.param((check(1), check(2, conclusion="failure")), "red: test concluded failure", id="rerun failed"),
        pytest.param(
            (check(2, conclusion="failure"), check(1)), "red: test concluded failure", id="rerun listed first"
        ),
        pytest.param(
            (check(1), check(2, status="in_progress", conclusion=None)), "pending: test is in progress", id="rerun runs"
        ),
        pytest.param(None, "unknown: its checks could not be read", id="unreadable"),
    ],
)
def test_what_is_not_green(checks: tuple[Check, ...] | None, reason: str) -> None:
    assert judge(commit("core-1", checks), TEST) == (reason, ())


@pytest.mark.parametrize("event", sorted(TRUSTED_EVENTS))
def test_runs_of_the_base_repository_count(event: str) -> None:
    assert judge(checked(check(4, event=event)), TEST) == ("", (Evidence("test", "github-actions", 4, 74),))


def test_trusted_events_are_exactly_those_of_the_base_repository() -> None:
    assert {"push", "workflow_dispatch", "schedule", "merge_group"} <= TRUSTED_EVENTS
    assert not TRUSTED_EVENTS & {"pull_request", "pull_request_target", "workflow_run", "issue_comment", "fork"}


def test_a_later_success_repairs_an_earlier_failure() -> None:
    assert judge(checked(check(1, conclusion="failure"), check(2)), TEST)[0] == ""


def test_a_pull_request_run_neither_helps_nor_harms() -> None:
    green_in_pull = check(9, event="pull_request")
    red_in_pull = replace(green_in_pull, conclusion="failure")
    assert judge(checked(check(1, conclusion="failure"), green_in_pull), TEST)[0].startswith("red")
    assert judge(checked(check(1), red_in_pull), TEST)[0] == ""


def test_every_rule_must_hold() -> None:
    assert judge(checked(*GREEN), CORE.checks)[1] == (
        Evidence("test", "github-actions", 1, 71),
        Evidence("scan", "scanner", 2, 72),
    )
    assert judge(checked(GREEN[0]), CORE.checks)[0] == "missing: no check scan by scanner"


def test_forge_spelling_in_capitals_is_read() -> None:
    assert judge(checked(check(status="COMPLETED", conclusion="SUCCESS")), TEST)[0] == ""


@pytest.mark.parametrize(
    ("checks", "reason"),
    [
        pytest.param((check(event="pull_request"),), "", id="our own pull request"),
        pytest.param((check(event="pull_request", conclusion="failure"),), "red: test concluded failure", id="red"),
        pytest.param((check(event="pull_request_target"),), "missing: no check test by github-actions", id="untrusted"),
        pytest.param(None, "unknown: its checks could not be read", id="unreadable"),
    ],
)
def test_the_head_of_our_pull_request(checks: tuple[Check, ...] | None, reason: str) -> None:
    pull = Pull(1, "", "OPEN", "alice", sha("head"), (), checks=checks)
    assert judge_pull(pull, TEST) == reason


conclusions = st.sampled_from(("success", "failure", "skipped", "neutral", "cancelled", "timed_out", None))
any_check = st.builds(
    check,
    st.integers(1, 9),
    st.sampled_from(("test", "scan")),
    st.sampled_from(("github-actions", "scanner")),
    status=st.sampled_from(("completed", "queued", "in_progress")),
    conclusion=conclusions,
    event=st.sampled_from(("push", "pull_request", "schedule", None)),
)


@given(st.lists(any_check, max_size=6, unique_by=lambda c: c.check_run_id))
def test_green_means_that_the_latest_trusted_one_of_every_rule_succeeded(checks: list[Check]) -> None:
    problem, evidence = judge(checked(*checks), CORE.checks)
    assert (problem == "") == (len(evidence) == len(CORE.checks))
    for proof in evidence:
        same = [c for c in checks if (c.name, c.app) == (proof.check, proof.app) and c.event != "pull_request"]
        newest = max(same, key=lambda c: c.check_run_id)
        assert (newest.check_run_id, newest.status, newest.conclusion) == (proof.check_run_id, "completed", "success")
    if problem:
        assert problem.partition(":")[0] in ("missing", "pending", "red")


@given(st.permutations([check(1), check(2, conclusion="failure"), check(3, event="pull_request"), check(4, app="x")]))
def test_the_order_of_the_answer_does_not_matter(checks: list[Check]) -> None:
    assert judge(checked(*checks), TEST)[0] == "red: test concluded failure"


# --- head


def test_head_takes_the_tip() -> None:
    found = select(HEAD, component("core", commit("b"), commit("a")), None, None)
    assert (found.sha, found.select, found.reason) == (sha("b"), "head", "the tip of main")
    assert (found.repo, found.slug, found.url, found.ref) == ("core", "studio/core", CORE.url, "main")
    assert found.evidence == (Evidence("test", "github-actions", 1, 71),)
    assert found.passed_over == ()


def test_a_pending_head_waits() -> None:
    with pytest.raises(WaitingError, match=rf"core: the tip {sha('b')[:7]} is pending: test is in progress"):
        select(HEAD, component("core", commit("b", PENDING), commit("a")), None, None)


def test_a_red_head_blocks_and_names_the_newest_green() -> None:
    facts = component("core", commit("c", RED), commit("b", subject="feat: knobs"), commit("a"))
    with pytest.raises(BlockedError, match=r"is not green \(red: test concluded failure\)") as caught:
        select(HEAD, facts, None, None)
    newest = f"The newest green commit is {sha('b')[:7]} (feat: knobs)"
    assert caught.value.remedy == f"{newest}: to pin it, add --repo core={sha('b')}."


def test_a_red_head_without_any_green_names_none() -> None:
    with pytest.raises(BlockedError) as caught:
        select(HEAD, component("core", commit("b", RED), commit("a", RED)), None, None)
    assert caught.value.remedy == "None of the last 2 commits is green."


@pytest.mark.parametrize("checks", [None, ()], ids=["unreadable", "no checks"])
def test_a_head_of_which_nothing_is_known_blocks(checks: tuple[Check, ...] | None) -> None:
    with pytest.raises(BlockedError):
        select(HEAD, component("core", commit("b", checks)), None, None)


@pytest.mark.parametrize("repo", [HEAD, NEWEST, CARRY], ids=lambda r: r.select)
def test_an_unreadable_branch_blocks(repo: object) -> None:
    assert isinstance(repo, type(HEAD))
    for facts in (component(repo.id, commit("a"), head=None), component(repo.id, head=sha("a"))):
        with pytest.raises(BlockedError, match=r"branch main of studio/.* could not be read"):
            select(repo, facts, None, None)


# --- latest-green


def test_latest_green_passes_over_what_is_not_green_and_says_why() -> None:
    facts = component("core", commit("d", PENDING), commit("c", RED), commit("b", subject="fix: b"), commit("a"))
    found = select(NEWEST, facts, None, None)
    assert (found.sha, found.select, found.reason) == (sha("b"), "latest-green", "the newest green commit")
    assert [(p.sha, p.reason) for p in found.passed_over] == [
        (sha("d"), "pending: test is in progress"),
        (sha("c"), "red: test concluded failure"),
    ]
    assert found.passed_over[1].subject == "fix: c"


def test_latest_green_waits_while_one_may_still_become_green() -> None:
    with pytest.raises(WaitingError, match=rf"no green commit yet; {sha('b')[:7]} is pending"):
        select(NEWEST, component("core", commit("c", RED), commit("b", PENDING)), None, None)


def test_latest_green_blocks_when_none_is() -> None:
    with pytest.raises(BlockedError, match="none of the last 2 commits is green"):
        select(NEWEST, component("core", commit("c", RED), commit("b", ())), None, None)


# --- carry


def test_carry_keeps_the_pin_and_names_newer_commits() -> None:
    before = pin("loader", "a")
    found = select(CARRY, component("loader", commit("c", RED), commit("b"), commit("a"), commit("z")), before, None)
    assert (found.sha, found.select) == (sha("a"), "carry")
    assert [(p.sha, p.reason) for p in found.passed_over] == [
        (sha("c"), "red: test concluded failure"),
        (sha("b"), "green, but this repository carries its pin"),
    ]


def test_carry_takes_fresh_evidence_while_the_forge_has_it() -> None:
    facts = component("loader", commit("a", (check(8),)))
    assert select(CARRY, facts, pin("loader", "a"), None).evidence == (Evidence("test", "github-actions", 8, 78),)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(component("loader", commit("b"), others={sha("a"): commit("a", ())}), id="no checks kept"),
        pytest.param(component("loader", commit("b"), others={sha("a"): commit("a", None)}), id="checks not asked for"),
        pytest.param(component("loader", commit("b"), commit("a", (check(1, "other"),))), id="only others kept"),
        pytest.param(component("loader", commit("b")), id="commit older than the history"),
    ],
)
def test_carry_without_kept_checks_uses_the_evidence_of_the_previous_plan(facts: object) -> None:
    before = pin("loader", "a", evidence=(Evidence("test", "github-actions", 5, None, "v0.1.0"),))
    found = select(CARRY, facts, before, None)  # type: ignore[arg-type]
    assert (found.sha, found.evidence) == (sha("a"), before.evidence)


def test_carry_without_any_evidence_blocks() -> None:
    with pytest.raises(BlockedError, match="no evidence is left for the carried commit"):
        select(CARRY, component("loader", commit("b")), pin("loader", "a", evidence=()), None)


@pytest.mark.parametrize("checks", [RED, PENDING], ids=["red", "pending"])
def test_carry_of_a_commit_that_is_not_green_any_more_blocks(checks: tuple[Check, ...]) -> None:
    with pytest.raises(BlockedError, match="is not green any more"):
        select(CARRY, component("loader", commit("a", checks)), pin("loader", "a"), None)


def test_carry_with_nothing_to_carry_takes_the_newest_green() -> None:
    found = select(CARRY, component("loader", commit("b", RED), commit("a")), None, None)
    assert (found.sha, found.select, found.reason) == (
        sha("a"),
        "latest-green",
        "the newest green commit (nothing to carry yet)",
    )


def test_only_carry_looks_at_the_previous_pin() -> None:
    assert select(HEAD, component("core", commit("b"), commit("a")), pin("core", "a"), None).sha == sha("b")


# --- named on the command line


def test_explicit_is_taken_whatever_the_rule() -> None:
    facts = component("loader", commit("c", RED), commit("b"), commit("a"))
    found = select(CARRY, facts, pin("loader", "b"), sha("a"))
    assert (found.sha, found.select, found.reason) == (sha("a"), "explicit", "named on the command line")
    assert [p.reason for p in found.passed_over] == [
        "red: test concluded failure",
        "green, but another commit was asked for",
    ]


def test_explicit_outside_the_history_needs_the_branch_to_hold_it() -> None:
    facts = component("core", commit("b"), others={sha("a"): commit("a")}, reachable={sha("a"): True})
    assert select(HEAD, facts, None, sha("a")).sha == sha("a")


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        pytest.param(component("core", commit("b")), UsageError, "studio/core has no commit", id="unknown"),
        pytest.param(
            component("core", commit("b"), others={sha("a"): commit("a")}, reachable={sha("a"): False}),
            BlockedError,
            "is not on main of studio/core",
            id="not on the branch",
        ),
        pytest.param(
            component("core", commit("b"), others={sha("a"): commit("a")}),
            BlockedError,
            "is not on main of studio/core",
            id="nobody knows whether on the branch",
        ),
        pytest.param(component("core", commit("b"), commit("a", RED)), BlockedError, "is not green", id="red"),
        pytest.param(component("core", commit("b"), commit("a", None)), BlockedError, "is not green", id="unreadable"),
        pytest.param(component("core", commit("b"), commit("a", PENDING)), WaitingError, "is pending", id="pending"),
    ],
)
def test_explicit_is_checked_like_any_other(facts: object, error: type[MsError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        select(HEAD, facts, None, sha("a"))  # type: ignore[arg-type]
    assert type(caught.value) is error


@given(
    st.lists(st.sampled_from((GREEN, RED, PENDING, None)), min_size=1, max_size=5),
    st.sampled_from(("head", "latest-green")),
)
def test_what_is_selected_is_green_and_every_newer_commit_has_its_reason(
    states: list[tuple[Check, ...] | None], how: str
) -> None:
    facts = component("core", *(commit(f"c{i}", state) for i, state in enumerate(states)))
    repo = replace(CORE, select=how)
    try:
        found = select(repo, facts, None, None)
    except (BlockedError, WaitingError):
        assert GREEN not in states or (how == "head" and states[0] != GREEN)
        return
    position = [c.sha for c in facts.commits].index(found.sha)
    assert states[position] == GREEN
    assert [p.sha for p in found.passed_over] == [c.sha for c in facts.commits[:position]]
    assert all(p.reason for p in found.passed_over)
    assert found == select(repo, facts, None, None)
