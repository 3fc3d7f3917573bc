"""The ledger entry: a pure function of what is on the forge, chained to the entry before it (SPEC 6)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import APPROVED, opened, planned, prepared, publish_run, released, seal_of, sha
from ms_release.core import train
from ms_release.core.action import Blocked
from ms_release.core.ledger import evidence_change, ledger_files, make_entry, previous_entry, read_candidates
from ms_release.core.observation import Observation
from ms_release.core.version import parse_tag
from ms_release.errors import DamagedError

GOAL = planned()
TAG = GOAL.plan.tag
FACTS = released(GOAL, prepared(GOAL))
RELEASE = FACTS.home.releases[0]


def entry(facts: Observation) -> dict[str, Any]:
    made = make_entry(GOAL, facts, RELEASE)
    assert isinstance(made, bytes), made
    document: dict[str, Any] = json.loads(made)
    return document


@pytest.mark.parametrize(
    ("known", "tag", "before"),
    [
        pytest.param((), "v1.0.0", None, id="none"),
        pytest.param(("v0.9.0", "v1.0.0-beta.1", "v0.10.0"), "v1.0.0", "v1.0.0-beta.1", id="newest below"),
        pytest.param(("v1.0.0", "v1.0.1"), "v1.0.0", None, id="only itself and above"),
        pytest.param(("v0.9.0", "v2.0.0"), "v1.0.0", "v0.9.0", id="not the newest of all"),
        pytest.param(("README", "rc-1"), "v1.0.0", None, id="no versions"),
        pytest.param(("v0.9.0",), "nonsense", None, id="no version asked"),
    ],
)
def test_the_entry_before(known: tuple[str, ...], tag: str, before: str | None) -> None:
    assert previous_entry(known, tag) == before


tags = st.builds("v{}.{}.0".format, st.integers(0, 3), st.integers(0, 3))


@given(st.lists(tags, unique=True, max_size=6), tags)
def test_the_chain_only_ever_points_down(known: list[str], tag: str) -> None:
    before = previous_entry(tuple(known), tag)
    below = [t for t in known if parse_tag(t) < parse_tag(tag)]  # type: ignore[operator]
    assert (before is None) == (below == [])
    assert before is None or before in below


def test_the_entry_says_what_was_published_by_whom() -> None:
    made = entry(FACTS)
    assert list(made) == [
        "schema",
        "product",
        "tag",
        "commit",
        "release_id",
        "plan",
        "seal",
        "run_id",
        "approved_by",
        "candidates",
        "assets",
        "previous",
    ]
    assert (made["schema"], made["product"], made["tag"]) == ("ms-ledger/v1", "content", TAG)
    assert (made["commit"], made["plan"], made["seal"]) == (sha("merge"), GOAL.file.digest, seal_of(GOAL, FACTS))
    assert (made["run_id"], made["approved_by"], made["previous"]) == (900, ["bob"], None)
    assert [a["name"] for a in made["assets"]] == sorted(a.name for a in RELEASE.assets)
    assert read_candidates(json.dumps(made), "it") == {
        repo: found.digest for repo, found in FACTS.ready.items() if found
    }
    digests = {a.name: a.digest for a in RELEASE.assets}
    assert all(digests[a["name"]] == f"sha256:{a['sha256']}" and a["size"] > 0 for a in made["assets"])


@pytest.mark.parametrize("text", ["{}", "[]", '{"candidates": 1}', '{"candidates": [{"repo": "core"}]}', "nonsense"])
def test_what_is_no_entry_has_no_candidates(text: str) -> None:
    with pytest.raises(DamagedError):
        read_candidates(text, "release/ledger/v1.json")


def test_the_order_of_the_answer_changes_no_byte() -> None:
    mixed = replace(
        FACTS,
        runs=(publish_run(GOAL, FACTS, id=901, conclusion="failure"), publish_run(GOAL, FACTS)),
        approvals=(APPROVED, replace(APPROVED, user="zoe", state="rejected"), APPROVED),
    )
    again = make_entry(GOAL, mixed, replace(RELEASE, assets=RELEASE.assets[::-1]))
    assert again == make_entry(GOAL, FACTS, RELEASE)


def test_the_first_run_that_succeeded_published_it() -> None:
    runs = (
        publish_run(GOAL, FACTS, id=950),
        publish_run(GOAL, FACTS, id=900),
        publish_run(GOAL, FACTS, id=890, conclusion="failure"),
    )
    assert entry(replace(FACTS, runs=runs))["run_id"] == 900


def test_every_approver_is_named_once_in_order() -> None:
    approvals = tuple(replace(APPROVED, user=user) for user in ("zoe", "bob", "zoe"))
    assert entry(replace(FACTS, approvals=approvals))["approved_by"] == ["bob", "zoe"]


def test_it_names_the_digest_of_the_entry_before() -> None:
    before = '{"tag": "v0.0.9"}\n'
    facts = FACTS.with_home(ledger=("v0.0.9", "v9.0.0", TAG), texts={"release/ledger/v0.0.9.json": before})
    digest = hashlib.sha256(before.encode()).hexdigest()
    assert entry(facts)["previous"] == {"tag": "v0.0.9", "sha256": digest}
    assert ledger_files("v0.0.9") == ("release/ledger/v0.0.9.json",)
    assert ledger_files(None) == ()


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(FACTS.with_home(ledger=("v0.0.9",)), id="entry before unread"),
        pytest.param(replace(FACTS, release_change=opened(train.release_change(GOAL))), id="not merged"),
        pytest.param(replace(FACTS, ready={}), id="no seal"),
    ],
)
def test_it_is_not_written_from_facts_that_are_missing(facts: Observation) -> None:
    made = make_entry(GOAL, facts, RELEASE)
    assert isinstance(made, Blocked)
    assert "a fact is unreadable" in made.cause


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"runs": ()}, id="no run"),
        pytest.param({"runs": None}, id="runs unread"),
        pytest.param(
            {"runs": (publish_run(GOAL, FACTS, status="in_progress", conclusion=None),)}, id="run that is not over"
        ),
        pytest.param({"approvals": (replace(APPROVED, run=899),)}, id="approved for another run"),
        pytest.param({"runs": (publish_run(GOAL, FACTS, title="Publish by hand"),)}, id="another run"),
        pytest.param({"approvals": ()}, id="not approved"),
        pytest.param({"approvals": None}, id="approvals unread"),
        pytest.param({"approvals": (replace(APPROVED, state="rejected"),)}, id="rejected"),
    ],
)
def test_a_release_without_an_approved_run_is_an_alarm(changes: dict[str, Any]) -> None:
    made = make_entry(GOAL, replace(FACTS, **changes), RELEASE)
    assert isinstance(made, Blocked)
    assert made.cause == f"{TAG} is published, but no approved run of this plan published it"


def test_the_evidence_is_one_file_on_its_own_branch() -> None:
    change = evidence_change(GOAL, b"entry")
    assert (change.branch, change.base, change.repo) == (f"evidence/{TAG}", "main", "studio/distribution")
    assert [(f.path, f.data) for f in change.files] == [(f"release/ledger/{TAG}.json", b"entry")]
    assert change.checks == GOAL.config.repo("distribution").checks
    assert GOAL.file.digest in change.body
