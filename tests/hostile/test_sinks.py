"""Text from outside in everything the program writes: terminal, Markdown, workflow logs, the run's page (F41-F43)."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import BLOB, CONFIG, NOW, PRODUCT, RED, commit, component, observation, planned, ready, tags
from hostile import readers
from hostile.text_samples import PIN, SHA, SUBJECTS
from ms_release.cli.output import Output
from ms_release.core import train
from ms_release.core.model import Finding, PassedOver
from ms_release.core.notes import Change, RepoChanges, render_notes
from ms_release.core.plan import PlanFile, make_file
from ms_release.core.planning import Intent, Parts, make_draft, select_pins
from ms_release.core.train import Train
from ms_release.errors import UsageError, WaitingError
from ms_release.render.text import approval_text, plan_text

# Where each text is a short one of the hostile kind, or anything at all, lone surrogates too.
pieces = st.sampled_from([text for text in SUBJECTS if len(text) < 200])
texts = st.lists(
    pieces | st.text(max_size=10) | st.sampled_from(["::", "##[", "\r", "\n", " ", "\x1b["]), max_size=5
).map("".join)


@contextlib.contextmanager
def speaking(**env: str) -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """Both streams, with these variables set and all other of Actions' unset."""
    before = dict(os.environ)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        os.environ.pop(name, None)
    os.environ.update(env)
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield out, err
    finally:
        os.environ.clear()
        os.environ.update(before)


def tell(text: str, *, as_json: bool, color: bool) -> None:
    """Everything a command can say, with this text in each place."""
    output = Output(as_json=as_json, verbose=1, color=color)
    output.data(text)
    output.say(text)
    output.say_all(text)
    output.error(UsageError(text, remedy=text, next_command=text))
    output.error(WaitingError(text))


@given(texts, st.booleans(), st.booleans())
def test_only_our_own_control_sequences_reach_a_terminal(text: str, as_json: bool, color: bool) -> None:
    with speaking() as (out, err):
        tell(text, as_json=as_json, color=color)
    for shown in (out.getvalue(), err.getvalue()):
        assert readers.acting(shown) == []
        shown.encode()
    assert color or "\x1b" not in out.getvalue() + err.getvalue()


@given(texts)
def test_the_document_says_the_text_itself(text: str) -> None:
    for env in ({}, {"GITHUB_ACTIONS": "true"}):
        with speaking(**env) as (out, _):
            Output(as_json=True).document({"text": text})
        assert json.loads(out.getvalue())["text"] == text
        assert readers.commands(out.getvalue()) == []


@given(texts)
def test_in_a_workflow_log_only_our_own_commands_are_obeyed(text: str) -> None:
    with speaking(GITHUB_ACTIONS="true") as (out, err):
        tell(text, as_json=False, color=False)
    assert readers.commands(err.getvalue()) == []
    found = readers.commands(out.getvalue())
    assert len(found) == 2
    assert all(line.startswith("::error::") for line in found)


@pytest.mark.parametrize(
    "text",
    ["::stop-commands::x", "\n::add-mask::x", "##[add-path]x", "%0A::error::x", "\r::set-output name=a::b", "a##[x"],
)
def test_the_model_of_the_runner_obeys_what_we_do_not_say(text: str) -> None:
    """Else the tests above could not fail."""
    assert readers.commands(text) or readers.commands(text.replace("%0A", "\n"))
    with speaking(GITHUB_ACTIONS="true") as (out, _):
        Output().data(text)
    assert readers.commands(out.getvalue()) == []


@given(texts)
def test_the_page_of_a_run_shows_one_block_of_code(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "summary"
        with speaking(GITHUB_STEP_SUMMARY=str(page)):
            Output().summary(text)
            Output().summary("second")
        shown = page.read_text("utf-8")
    tokens = readers.PARSER.parse(shown)
    assert [token.type for token in tokens] == ["fence", "fence"]
    assert readers.acting(tokens[0].content) == []


def hostile_plan(text: str) -> PlanFile:
    """A plan of which every text that anybody may choose is this one."""
    file = planned().file
    pin = replace(
        file.plan.pins[0],
        repo=text,
        slug=text,
        url=text,
        ref=text,
        reason=text,
        passed_over=(PassedOver(SHA, text, text),),
    )
    candidate = replace(file.plan.candidates[0], repo=text, slug=text, tag=text)
    changes = RepoChanges(text, text, None, SHA, (Change(SHA, text, text, text),), True)
    plan = replace(
        file.plan, product=text, reason=text, previous=text, home=text, branch=text, notes=text, pins=(pin,),
        candidates=(candidate,), changes=(changes,),
    )  # fmt: skip
    return replace(file, plan=plan, created_by=text)


@given(texts)
def test_a_plan_of_hostile_words_shows_as_text(text: str) -> None:
    file = hostile_plan(text)
    finding = Finding("AUDIT", text, "FAIL", text, text, "")
    for env in ({}, {"GITHUB_ACTIONS": "true"}):
        with speaking(**env) as (out, _):
            Output().data(plan_text(file, [finding], ()))
            Output().data(approval_text(file, "seal", text, [text]))
        assert readers.acting(out.getvalue()) == []
        assert readers.commands(out.getvalue()) == [] or not env


NODES = {"heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "bullet_list_open",
         "bullet_list_close",
         "list_item_open", "list_item_close", "table_open", "table_close", "thead_open", "thead_close", "tbody_open",
         "tbody_close",
         "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close", "code_inline", "link_open",
         "link_close"}  # fmt: skip


@given(texts)
def test_notes_of_hostile_commits_have_no_links_but_ours(text: str) -> None:
    repo = RepoChanges(text, PIN.url, None, SHA, (Change(SHA, text, text, text),), False)
    pin = replace(PIN, repo=text, ref=text, reason=text)
    notes = render_notes("v1.0.0", "stable", text, [repo], [pin], "")
    tokens = readers.leaves(readers.PARSER.parse(notes))
    assert {token.type for token in tokens} <= NODES
    assert {str(t.attrGet("href")) for t in tokens if t.type == "link_open"} <= {PIN.url, f"{PIN.url}/commit/{SHA}"}
    assert not readers.AUTOMATIC.search(" ".join(token.content for token in tokens if token.type == "text"))
    assert notes == render_notes("v1.0.0", "stable", text, [repo], [pin], "")


def test_nothing_but_the_summary_is_written_for_the_runner() -> None:
    """`GITHUB_OUTPUT`, `GITHUB_ENV` and their like take delimiters; who begins to write them has to come by here."""
    package = Path(readers.sanitize.__file__).parents[1]
    sources = {file: file.read_text("utf-8") for file in package.rglob("*.py") if "forge" not in file.parts}
    files = re.compile(r"GITHUB_(?:OUTPUT|ENV|PATH|STATE|STEP_SUMMARY)")
    assert [file.name for file, source in sources.items() if files.search(source)] == ["output.py"]
    assert set(files.findall(sources[package / "cli" / "output.py"])) == {"GITHUB_STEP_SUMMARY"}


EAGER = replace(CONFIG, repos=tuple(replace(repo, select="latest-green") for repo in CONFIG.repos))


@given(texts.map(lambda text: text.replace("\ud800", "")))  # no plan can hold it: the digest is of UTF-8
def test_the_body_of_the_pull_request_has_no_links_at_all(text: str) -> None:
    """The subject of a red commit that was passed over is the easiest way into it."""
    red, green = commit("red", RED, subject=text), commit("green", subject=text)
    facts = observation(repos={"loader": component("loader", green), "core": component("core", red, green)})
    facts = replace(facts, ready={"loader": ready("loader", green.sha), "core": None})
    intent = Intent("beta", auto=True)
    pins = select_pins(EAGER, PRODUCT, intent, facts, None)
    assert [p.passed_over[0].sha for p in pins if p.passed_over] == [red.sha]
    draft = make_draft(EAGER, PRODUCT, intent, facts, Parts(pins, None, BLOB, tags(pins)))
    goal = Train(EAGER, PRODUCT, make_file(draft.plan, created_at=NOW, created_by="alice"))
    tokens = readers.leaves(readers.PARSER.parse(train.release_change(goal).body))
    allowed = NODES - {"link_open", "link_close", "heading_open", "heading_close"} | {"strong_open", "strong_close"}
    assert {token.type for token in tokens} <= allowed
    assert not readers.AUTOMATIC.search(" ".join(token.content for token in tokens if token.type == "text"))
