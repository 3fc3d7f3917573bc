"""Which candidate belongs to a pin: by commit alone, or by sources, recipe and declared inputs, and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.test_candidate_release import described
from core.world import CONFIG, pin
from ms_release.config import CandidateRule, Config
from ms_release.core.candidate import Inputs, Source
from ms_release.core.candidate_identity import (
    check_inputs,
    dispatch_inputs,
    has_identity,
    input_commits,
    is_tag_of,
    make_inputs,
    planned_question,
    question,
    recipe_of,
)
from ms_release.core.model import CandidatePin, Pin
from ms_release.core.observation import CandidateQuestion
from ms_release.errors import UsageError

PINS = {p.repo: p for p in (pin("loader", "loader-1"), pin("core", "core-1"))}
RECIPE = ((".github/workflows/candidate.yml", "0" * 64),)
HEX = st.text("0123456789abcdef", min_size=40, max_size=40)


def ruled(*, inputs: tuple[str, ...] = (), recipe: tuple[str, ...] = ()) -> Config:
    """The configuration in which core's candidate declares this."""
    rule = CandidateRule("candidate.yml", "draft", inputs, recipe)
    return replace(CONFIG, repos=tuple(replace(r, candidate=rule) if r.id == "core" else r for r in CONFIG.repos))


def tag_of(config: Config, pins: dict[str, Pin], recipe: tuple[tuple[str, str], ...] = RECIPE) -> str:
    return question(config, config.repo("core"), pins, recipe).tag


def test_where_nothing_is_declared_the_commit_is_all() -> None:
    assert not has_identity(CONFIG.repo("core"))
    assert tag_of(CONFIG, PINS) == f"rc-{PINS['core'].sha}" == tag_of(CONFIG, PINS, ())
    assert recipe_of(CONFIG.repo("core"), PINS["core"]) == ()


@pytest.mark.parametrize("declared", [{"inputs": ("loader",)}, {"recipe": ("build.py",)}], ids=["inputs", "recipe"])
def test_what_is_declared_makes_the_identity(declared: dict[str, tuple[str, ...]]) -> None:
    config = ruled(**declared)
    tag = tag_of(config, PINS)
    assert is_tag_of(config.repo("core"), PINS["core"].sha, tag)
    assert not is_tag_of(CONFIG.repo("core"), PINS["core"].sha, tag)
    assert not is_tag_of(config.repo("core"), PINS["core"].sha, f"rc-{PINS['core'].sha}")
    assert tag_of(config, PINS, ((RECIPE[0][0], "1" * 64),)) != tag
    assert tag_of(config, {**PINS, "core": replace(PINS["core"], sha="1" * 40)}) != tag


@given(HEX)
def test_only_a_declared_input_counts(sha: str) -> None:
    """The tooling commit of upstream's tags: it is no part of what was not declared."""
    moved = {**PINS, "loader": replace(PINS["loader"], sha=sha)}
    assert tag_of(ruled(recipe=("build.py",)), moved) == tag_of(ruled(recipe=("build.py",)), PINS)
    assert tag_of(ruled(inputs=("loader",)), moved) != tag_of(ruled(inputs=("loader",)), PINS)


def test_workflow_files_come_from_the_branch_and_everything_else_from_the_commit() -> None:
    config = ruled(recipe=("build.py", ".github/workflows/candidate.yml"))
    files = recipe_of(config.repo("core"), PINS["core"])
    assert [f.at for f in files] == [PINS["core"].sha, PINS["core"].ref]
    (only,) = recipe_of(ruled(inputs=("loader",)).repo("core"), PINS["core"])
    assert (only.path, only.at) == (".github/workflows/candidate.yml", PINS["core"].ref)


def test_the_workflow_is_started_with_every_input() -> None:
    config = ruled(inputs=("loader",))
    planned = CandidatePin("core", PINS["core"].slug, "rc-core-" + "0" * 16, "build", "candidate.yml")
    assert dispatch_inputs(config, planned, PINS) == {
        "sha": PINS["core"].sha,
        "tag": planned.tag,
        "loader_sha": PINS["loader"].sha,
    }


def test_an_input_must_be_pinned() -> None:
    with pytest.raises(UsageError, match="takes loader as an input, which no commit is pinned for"):
        tag_of(ruled(inputs=("loader",)), {"core": PINS["core"]})


def test_a_repository_without_candidates_has_none_of_it() -> None:
    home = CONFIG.repo("distribution")
    assert not has_identity(home)
    assert recipe_of(home, PINS["core"]) == ()
    assert input_commits(CONFIG, home, PINS) == {}


def test_a_plan_keeps_its_tag_and_wants_its_pins() -> None:
    config = ruled(inputs=("loader",))
    planned = CandidatePin("core", PINS["core"].slug, "rc-core-" + "0" * 16, "build", "candidate.yml")
    asked = planned_question(config, planned, PINS)
    assert (asked.tag, asked.sha, asked.visibility) == (planned.tag, PINS["core"].sha, "draft")
    assert asked.inputs == {PINS["loader"].slug: PINS["loader"].sha}
    assert asked.inputs == question(config, config.repo("core"), PINS, RECIPE).inputs


def test_sources_that_share_a_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two inputs of a/core are called core"):
        make_inputs("a/core", "0" * 40, {"b/core": "1" * 40})
    with pytest.raises(UsageError, match="two inputs of a/core are called ui"):
        make_inputs("a/core", "0" * 40, {"b/ui": "1" * 40, "c/ui": "1" * 40})


@pytest.mark.parametrize(
    ("built", "pinned", "words"),
    [
        ({}, {}, ""),
        ({"octo/ui": "1" * 40}, {"octo/ui": "1" * 40}, ""),
        ({"octo/ui": "1" * 40}, {"octo/ui": "2" * 40}, "from 111111111111 of octo/ui, pinned is 222222222222"),
        ({}, {"octo/ui": "2" * 40}, "from nothing of octo/ui, pinned is 222222222222"),
        ({"octo/ui": "1" * 40}, {}, "from 111111111111 of octo/ui, pinned is nothing"),
    ],
)
def test_other_sources_than_pinned_are_named(built: dict[str, str], pinned: dict[str, str], words: str) -> None:
    candidate = described({"a.bin": b"a"})
    sources = (*candidate.inputs.repos, *(Source("ui", repo, sha) for repo, sha in built.items()))
    found = check_inputs(
        replace(candidate, inputs=Inputs(sources)), "octo/core", CandidateQuestion("t", "0" * 40, "draft", pinned)
    )
    assert (words in found[0]) if words else found == []
