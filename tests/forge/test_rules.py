"""The pure rules of protected branches, as tables and properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release.forge.rules import (
    UNAUTHORIZED,
    Check,
    Layer,
    Merge,
    Push,
    Seen,
    Violation,
    api_message,
    check_messages,
    conclude,
    git_message,
    refuse_merge,
    refuse_push,
)

CI = Check("ci")
OK, BAD, RUNNING = (Seen("ci", 15368, state) for state in ("success", "failure", "pending"))
PULL = "Changes must be made through a pull request."
EXPECTED = 'Required status check "ci" is expected.'


def needed(some: str) -> str:
    return f"At least {some} required by reviewers with write access."


BASE_MOVED = "Base branch was modified. Review and try the merge again."


@pytest.mark.parametrize(
    ("check", "seen", "state"),
    [
        (CI, [], "expected"),
        (CI, [Seen("CI", 15368, "success")], "expected"),
        (CI, [OK], "success"),
        (CI, [BAD], "failure"),
        (CI, [RUNNING], "pending"),
        (CI, [OK, Seen("ci", None, "failure", status=True)], "failure"),  # G16: both are required
        (CI, [OK, Seen("ci", None, "success", status=True)], "success"),
        (CI, [RUNNING, Seen("ci", 9, "failure")], "failure"),
        (Check("ci", 15368), [Seen("ci", 9, "success")], "expected"),  # G18: another app does not count
        (Check("ci", 15368), [Seen("ci", None, "success", status=True)], "expected"),
        (Check("ci", 15368), [OK, Seen("ci", 9, "failure")], "success"),
    ],
)
def test_conclude(check: Check, seen: list[Seen], state: str) -> None:
    assert conclude(check, seen) == state


@pytest.mark.parametrize(
    ("names", "seen", "message"),
    [
        ("ci", {}, EXPECTED),
        ("ci", {"ci": "failure"}, 'Required status check "ci" is failing.'),
        ("ci", {"ci": "pending"}, 'Required status check "ci" is in progress.'),
        ("ci lint", {"ci": "success"}, 'Required status check "lint" is expected.'),
        ("ci lint docs", {"ci": "success"}, "2 of 3 required status checks are expected."),
        ("ci lint", {"ci": "failure"}, "2 of 2 required status checks have not succeeded: 1 failing and 1 expected."),
    ],
)
def test_check_messages(names: str, seen: dict[str, str], message: str) -> None:
    found = [Seen(name, 1, state) for name, state in seen.items()]
    assert check_messages([Check(name) for name in names.split()], found) == [message]


def test_no_message_when_all_succeeded() -> None:
    assert check_messages([CI], [OK]) == check_messages([], []) == []


STRICT = Layer("classic", checks=(CI,), reviews=0, no_force=True, no_delete=True)
RULES = Layer("ruleset", no_create=True, no_update=True, no_delete=True)


@pytest.mark.parametrize(
    ("layer", "push", "messages"),
    [
        (STRICT, Push("update"), [PULL, EXPECTED]),
        (STRICT, Push("update", seen=(OK,)), [PULL]),
        (STRICT, Push("update", forced=True, seen=(OK,)), ["Cannot force-push to this branch", PULL]),
        (STRICT, Push("delete"), ["Cannot delete this branch"]),
        (STRICT, Push("create"), []),
        (Layer("classic", checks=(CI,)), Push("update", seen=(OK,)), []),
        (
            Layer("classic", checks=(CI,)),
            Push("update", seen=(RUNNING,)),
            ['Required status check "ci" is in progress.'],
        ),
        (Layer("classic", no_push=True), Push("update"), [UNAUTHORIZED]),
        (Layer("classic", no_push=True), Push("create"), [UNAUTHORIZED]),
        (Layer("ruleset", checks=(CI,), checks_on_create=True), Push("create"), [EXPECTED]),
        (RULES, Push("create"), ["Cannot create ref due to creations being restricted."]),
        (RULES, Push("update"), ["Cannot update this protected ref."]),
        (RULES, Push("delete"), ["Cannot delete this branch"]),
        (Layer("classic"), Push("update", forced=True), []),
        (Layer("classic"), Push("delete"), []),
    ],
)
def test_refuse_push(layer: Layer, push: Push, messages: list[str]) -> None:
    assert [violation.message for violation in refuse_push([layer], push)] == messages


@pytest.mark.parametrize(
    ("layer", "merge", "first"),
    [
        (STRICT, Merge("merge", (OK,)), None),
        (STRICT, Merge("merge"), EXPECTED),
        (STRICT, Merge("merge", (BAD,)), 'Required status check "ci" is failing.'),
        (STRICT, Merge("merge", (OK,), conflict=True), "Pull Request is not mergeable"),
        (STRICT, Merge("merge", (OK,), draft=True), "Pull Request is still a draft"),
        (STRICT, Merge("merge", (OK,), behind=True), None),
        (Layer("classic", checks=(CI,), strict=True), Merge("merge", (OK,), behind=True), BASE_MOVED),
        (Layer("classic", checks=(CI,), strict=True), Merge("merge", (OK,)), None),
        (Layer("classic", reviews=1), Merge("merge"), needed("1 approving review is")),
        (Layer("classic", reviews=2), Merge("merge", approvals=1), needed("2 approving reviews are")),
        (Layer("classic", reviews=1), Merge("merge", approvals=1), None),
        (Layer("classic", no_push=True), Merge("merge"), UNAUTHORIZED),
        (Layer("classic", linear=True), Merge("merge"), "Merge commits are not allowed on this repository."),
        (Layer("classic", linear=True), Merge("squash"), None),
        (Layer("ruleset", methods=("squash",)), Merge("rebase"), "Rebase merges are not allowed on this repository."),
    ],
)  # fmt: skip
def test_refuse_merge(layer: Layer, merge: Merge, first: str | None) -> None:
    found = refuse_merge([layer], merge)
    assert (found[0].message if found else None) == first


layers = st.builds(
    Layer,
    source=st.sampled_from(["classic", "ruleset"]),
    checks=st.sampled_from([(), (CI,), (CI, Check("lint", 3))]),
    reviews=st.sampled_from([None, 0, 2]),
    **dict.fromkeys(
        ["strict", "no_push", "no_force", "no_delete", "no_create", "no_update", "linear", "checks_on_create"],
        st.booleans(),
    ),
)
pushes = st.builds(Push, st.sampled_from(["create", "update", "delete"]), st.booleans(), st.sampled_from([(), (OK,)]))


@given(st.lists(layers, max_size=3), layers, pushes)
def test_one_more_layer_never_allows_more(some: list[Layer], more: Layer, push: Push) -> None:
    assert len(refuse_push([*some, more], push)) >= len(refuse_push(some, push))


@given(st.lists(layers, max_size=3), pushes)
def test_an_update_that_is_forced_is_refused_at_least_as_often(some: list[Layer], push: Push) -> None:
    forced, plain = Push("update", True, push.seen), Push("update", False, push.seen)
    assert {v.message for v in refuse_push(some, plain)} <= {v.message for v in refuse_push(some, forced)}


def test_wording_by_layer() -> None:
    classic, ruleset = [Violation("classic", "A."), Violation("classic", "B.")], [Violation("ruleset", "A.")]
    assert api_message(classic) == "A. B."
    assert api_message(ruleset) == "Repository rule violations found\n\nA.\n\n"
    assert git_message("refs/heads/m", classic).startswith(
        "error: GH006: Protected branch update failed for refs/heads/m.\n"
    )
    assert git_message("refs/heads/m", ruleset).startswith(
        "error: GH013: Repository rule violations found for refs/heads/m.\n"
    )
