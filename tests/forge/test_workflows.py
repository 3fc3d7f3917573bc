"""Workflow files, expressions, filters and dispatch inputs mean what they mean on GitHub."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release.forge.engine.expressions import ExpressionError, as_text, condition, evaluate, interpolate
from ms_release.forge.engine.triggers import (
    check_inputs,
    matches,
    pull_wanted,
    push_wanted,
    skipped_by_message,
    typed_inputs,
)
from ms_release.forge.engine.workflows import Workflow, WorkflowError, ancestors, order, parse, single_job
from ms_release.forge.errors import Refusal

CONTEXT = {
    "github": {"ref": "refs/heads/main", "event": {"pull_request": {"number": 3}}, "run_id": 7},
    "inputs": {"tag": "v1.2.0", "force": True, "empty": ""},
    "needs": {"build": {"result": "success", "outputs": {"x-y": "1"}}},
    "list": ["a", "B"],
}


def flow(**more: Any) -> Workflow:
    job = {"runs-on": "ubuntu-latest", "steps": [{"run": "true"}]}
    return parse(json.dumps({"on": "push", "jobs": {"test": job}, **more}), "p/ci.yml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ("1.5", 1.5),
        ("0x10", 16),
        ("null", None),
        ("inputs.tag", "v1.2.0"),
        ("INPUTS.Tag", "v1.2.0"),
        ("inputs['tag']", "v1.2.0"),
        ("needs.build.outputs.x-y", "1"),
        ("inputs.nothing.at.all", None),
        ("list[1]", "B"),
        ("github.event.pull_request.number || github.ref", 3),
        ("inputs.empty || 'other'", "other"),
        ("inputs.force && 'yes' || 'no'", "yes"),
        ("'A' == 'a'", True),
        ("1 == '1'", True),
        ("null == 0", True),
        ("'' == false", True),
        ("'x' == 0", False),
        ("'x' != 0", True),
        ("2 > 1 && 1 <= 1", True),
        ("!(true && false)", True),
        ("true || false && false", True),
        ("contains(list, 'b')", True),
        ("contains('Hello', 'ell')", True),
        ("startsWith(github.ref, 'refs/HEADS/')", True),
        ("endsWith('abc', 'bc')", True),
        ("format('{0}-{{x}}-{1}', inputs.tag, 2)", "v1.2.0-{x}-2"),
        ("join(list, '+')", "a+B"),
        ("fromJSON('[1]')[0]", 1),
        ("toJSON(fromJSON('{\"a\":1}'))", '{\n  "a": 1\n}'),
    ],
)
def test_an_expression_has_githubs_value(text: str, value: Any) -> None:
    found = evaluate(text, CONTEXT)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["", "1 +", "'open", "f(", "unknown()", "a b", "format('{3}', 1)", "a..b", "a.*.b"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXT)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${{ inputs.force }}", True),
        ("ci-${{ github.ref }}", "ci-refs/heads/main"),
        ("${{ inputs.tag }}/${{ inputs.force }}/${{ null }}", "v1.2.0/true/"),
        ("${{ '}}' }}x", "}}x"),
        ("${ not ours }", "${ not ours }"),
    ],
)
def test_expressions_in_texts_are_filled_in(text: str, value: Any) -> None:
    assert interpolate(text, CONTEXT) == value


@given(st.text())
def test_any_text_survives_as_a_literal(text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert interpolate("<${{ " + quoted + " }}>", {}) == f"<{text}>"


@given(st.text(alphabet="abc'{}$.()[]!&|=<>0 ,"))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        as_text(interpolate(text, CONTEXT))
    except ExpressionError:
        return


@pytest.mark.parametrize(
    ("text", "succeeded", "holds"),
    [
        ("", True, True),
        ("", False, False),
        ("inputs.force", False, False),
        ("always() && inputs.force", False, True),
        ("${{ failure() }}", False, True),
        ("${{ success() && inputs.tag == 'v1' }}", True, False),
        ("'failure()' == ''", False, False),
    ],
)
def test_success_is_implied_in_conditions(text: str, succeeded: bool, holds: bool) -> None:
    functions = {"success": lambda: succeeded, "failure": lambda: not succeeded, "always": lambda: True}
    assert condition(text, CONTEXT, functions) is holds


@pytest.mark.parametrize(
    ("patterns", "name", "fits"),
    [
        (["main"], "main", True),
        (["main"], "mainly", False),
        (["release/*"], "release/1", True),
        (["release/*"], "release/1/2", False),
        (["release/**"], "release/1/2", True),
        (["**/docs/**"], "docs/a.md", True),
        (["v[12].[0-9]+"], "v1.10", True),
        (["v[12].[0-9]+"], "v3.1", False),
        (["colou?r"], "color", True),
        (["*", "!beta*"], "beta-1", False),
        (["*", "!beta*", "beta-1"], "beta-1", True),
        (["a.b"], "axb", False),
    ],
)
def test_filter_patterns_match_as_githubs(patterns: list[str], name: str, fits: bool) -> None:
    assert matches(patterns, name) is fits


PUSHES = [
    ("push", "refs/heads/x", [], True),
    (["push", "pull_request"], "refs/tags/v1", [], True),
    ({"push": None}, "refs/heads/x", [], True),
    ({"pull_request": {}}, "refs/heads/x", [], False),
    ({"push": {"branches": ["main"]}}, "refs/heads/main", [], True),
    ({"push": {"branches": ["main"]}}, "refs/heads/x", [], False),
    ({"push": {"branches": ["main"]}}, "refs/tags/main", [], False),
    ({"push": {"tags": ["v*"]}}, "refs/tags/v1", [], True),
    ({"push": {"tags": ["v*"]}}, "refs/heads/v1", [], False),
    ({"push": {"branches-ignore": ["x"]}}, "refs/heads/x", [], False),
    ({"push": {"branches-ignore": ["x"]}}, "refs/heads/y", [], True),
    ({"push": {"paths": ["src/**"]}}, "refs/heads/x", ["src/a/b", "c"], True),
    ({"push": {"paths": ["src/**"]}}, "refs/heads/x", ["c"], False),
    ({"push": {"paths": ["src/**"]}}, "refs/tags/x", ["c"], True),
    ({"push": {"paths-ignore": ["docs/**"]}}, "refs/heads/x", ["docs/a"], False),
    ({"push": {"paths-ignore": ["docs/**"]}}, "refs/heads/x", ["docs/a", "b"], True),
]


@pytest.mark.parametrize(("on", "ref", "paths", "wanted"), PUSHES)
def test_pushes_start_what_their_filters_admit(on: Any, ref: str, paths: list[str], wanted: bool) -> None:
    assert push_wanted(flow(on=on), ref, lambda: paths) is wanted


@pytest.mark.parametrize(
    ("on", "action", "wanted"),
    [
        ("pull_request", "opened", True),
        ("pull_request", "closed", False),
        ({"pull_request": {"types": ["closed"]}}, "closed", True),
        ({"pull_request": {"branches": ["main"]}}, "synchronize", True),
        ({"pull_request": {"branches": ["other"]}}, "synchronize", False),
        ({"pull_request": {"paths": ["x"]}}, "opened", False),
        ("push", "opened", False),
    ],
)
def test_pull_requests_start_what_their_filters_admit(on: Any, action: str, wanted: bool) -> None:
    assert pull_wanted(flow(on=on), "main", action, lambda: ["y"]) is wanted


def test_skip_ci_is_seen_in_the_message() -> None:
    assert skipped_by_message("x\n\n[skip ci]")
    assert not skipped_by_message("skip ci")


INPUTS = {
    "tag": {"required": True, "type": "string"},
    "kind": {"type": "choice", "options": ["a", "b"], "default": "a"},
    "force": {"type": "boolean"},
    "count": {"type": "number"},
}


def test_defaults_and_types_of_inputs() -> None:
    workflow = flow(on={"workflow_dispatch": {"inputs": INPUTS}})
    values = check_inputs(workflow, {"tag": "v1", "force": True})
    assert values == {"tag": "v1", "kind": "a", "force": "true", "count": ""}
    assert typed_inputs(workflow, values)["force"] is True


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tag": "v", "x": "1", "y": "2"}, 'Unexpected inputs provided: ["x", "y"]'),
        ({}, "Required input 'tag' not provided"),
        ({"tag": ""}, "Required input 'tag' not provided"),
        ({"tag": "v", "kind": "c"}, "Provided value 'c' for input 'kind' not in the list of allowed values"),
        ({"tag": "v", "force": "maybe"}, "Provided value 'maybe' for input 'force' not in the list of allowed values"),
        ({"tag": "v", "count": "many"}, "Provided value 'many' for input 'count' is not a number"),
    ],
)
def test_wrong_inputs_are_refused_in_githubs_words(given: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_inputs(flow(on={"workflow_dispatch": {"inputs": INPUTS}}), given)
    assert (refused.value.status, refused.value.message) == (422, message)


def test_only_workflows_with_the_trigger_can_be_dispatched() -> None:
    with pytest.raises(Refusal, match="Workflow does not have 'workflow_dispatch' trigger"):
        check_inputs(flow(on="push"), {})


STEPS = {"runs-on": "x", "steps": [{"run": "true"}]}
BROKEN = [
    ("[1, 2]", "must be a mapping"),
    ("a: b: c", "error in your yaml"),
    ("on: push", "at least one job"),
    ('{"jobs": {"a": {}}}', "event triggers"),
    (json.dumps({"on": "push", "jobs": {"a": {"runs-on": "x"}}}), "`steps`"),
    (json.dumps({"on": "push", "jobs": {"a": {"steps": [{"run": "x"}]}}}), "`runs-on`"),
    (json.dumps({"on": "push", "jobs": {"a": {"runs-on": "x", "steps": [{}]}}}), "either `run` or `uses`"),
    (json.dumps({"on": "push", "jobs": {"a": {**STEPS, "needs": "b"}}}), "unknown job 'b'"),
    (json.dumps({"on": "push", "jobs": {"a": {**STEPS, "needs": "b"}, "b": {**STEPS, "needs": ["a"]}}}), "cycle"),
    (json.dumps({"on": "push", "jobs": {"-j": STEPS}}), "identifier"),
    (json.dumps({"on": "push", "jobs": {"a": {**STEPS, "strategy": {"matrix": "${{ x }}"}}}}), "plain lists"),
    (
        json.dumps({"on": {"workflow_dispatch": {"inputs": {f"i{n}": {} for n in range(26)}}}, "jobs": {"a": STEPS}}),
        "25",
    ),
]


@pytest.mark.parametrize(("text", "reason"), BROKEN)
def test_a_broken_file_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(WorkflowError, match=reason):
        parse(text, "p")


def test_on_is_a_word_and_not_a_truth_value() -> None:
    assert parse(b"on: push\njobs: {a: {runs-on: x, steps: [{run: 'true'}]}}", "p").triggers == {"push": {}}


@pytest.mark.parametrize(
    ("top", "job", "expected"),
    [
        (None, None, {"contents": "read", "metadata": "read"}),
        ({}, None, {"metadata": "read"}),
        ({"contents": "write"}, None, {"contents": "write", "metadata": "read"}),
        ({"contents": "write"}, {"actions": "read", "contents": "none"}, {"actions": "read", "metadata": "read"}),
        ({"pull-requests": "write"}, None, {"pull_requests": "write", "metadata": "read"}),
    ],
)
def test_naming_some_permissions_takes_the_others_away(top: Any, job: Any, expected: dict[str, str]) -> None:
    raw = {"on": "push", "jobs": {"a": STEPS | ({} if job is None else {"permissions": job})}}
    raw |= {} if top is None else {"permissions": top}
    assert parse(json.dumps(raw), "p").jobs["a"].permissions == expected


def test_a_matrix_is_multiplied_excluded_and_included() -> None:
    matrix = {
        "os": ["l", "m"],
        "v": [1, 2],
        "exclude": [{"os": "m", "v": 2}],
        "include": [{"os": "l", "x": 9}, {"os": "w"}],
    }
    job = parse(json.dumps({"on": "push", "jobs": {"a": {**STEPS, "strategy": {"matrix": matrix}}}}), "p").jobs["a"]
    assert job.matrix == (
        {"os": "l", "v": 1, "x": 9}, {"os": "l", "v": 2, "x": 9}, {"os": "m", "v": 1}, {"os": "w"}
    )  # fmt: skip


def test_needs_are_followed_to_the_end() -> None:
    jobs = flow(jobs={"c": {**STEPS, "needs": "b"}, "b": {**STEPS, "needs": ["a"]}, "a": STEPS}).jobs
    assert order(jobs) == ["a", "b", "c"]
    assert ancestors(jobs, "c") == {"a", "b"}


def test_the_copy_for_act_holds_one_job_and_stubs() -> None:
    job = {**STEPS, "needs": "build", "environment": "release", "permissions": {}, "if": "x", "timeout-minutes": 1}
    workflow = flow(jobs={"build": STEPS, "other": STEPS, "ship": job}, env={"A": "1"}, concurrency="g")
    copy = json.loads(single_job(workflow, "ship", {}, {"build": ("failure", {"v": "${{ github.token }}"})}))
    assert set(copy["jobs"]) == {"build", "ship"}
    assert copy["jobs"]["build"]["steps"] == [{"run": "false"}]
    assert copy["jobs"]["build"]["outputs"] == {"v": "${{ '${{' }} github.token }}"}
    assert set(copy["jobs"]["ship"]) == {"runs-on", "steps", "needs", "if"}
    assert (copy["env"], "concurrency" in copy) == ({"A": "1"}, False)
