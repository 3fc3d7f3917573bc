"""Every fact about GitHub that the program depends on is held by a test that has the fact's number in its name.

This file is the table: what each fact says, where a test holds it under another name, and why some have none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"

FACTS = {
    1: "a dispatch tells its run when asked, and always in version 2026-03-10",
    2: "the version is 2022-11-28 unless told",
    3: "a lost dispatch is found by its display title; lists of runs end after 1,000",
    4: "why a dispatch is refused",
    5: "what a workflow's own token does starts no workflows, except a dispatch",
    6: "reads lag behind writes; a write's answer is the truth",
    7: "a 502 may have been done",
    8: "other clients send a POST again and make duplicates",
    9: "404 may mean: no right to know",
    10: "a merged pull request may be shown open again",
    11: "a merge is 409 when the head moved, 405 for everything else, also for what passes",
    12: "a merge guards the head and not the base",
    13: "merge_commit_sha is a test merge first; mergeable is null until a job has ended",
    14: "update-branch makes a new head",
    15: "auto-merge and merge queues merge later",
    16: "checks and statuses are two things; both are required; no statuses are pending",
    17: "skipped and neutral satisfy a required check; a skipped workflow leaves it pending",
    18: "a required check may be bound to an app, else anyone can forge it",
    19: "a re-run keeps number and commit; its attempt and conclusion change; 30 days",
    20: "fine-grained tokens read no checks of private repositories",
    21: "a first page of checks is not all of them",
    22: "compare stops at 250 commits and 300 files",
    23: "a concurrency group has one running and one pending, or with queue: max a hundred",
    24: "protection of environments depends on the plan that is paid for",
    25: "up to six reviewers, one suffices; 30 days; wait timers",
    26: "admins may bypass an environment by default",
    27: "one 422 means three things; pending_deployments says who may approve",
    28: "self-review is compared with who started the run",
    29: "protected branches only means all where none is; a missing environment is made",
    30: "branch rules of environments see the ref that runs",
    31: "drafts are in lists only, and only with push access",
    32: "several drafts share a tag",
    33: "a draft makes no tag; publishing makes it at its target, unless it is there",
    34: "a tag of other workflow files needs workflows: write",
    35: "assets: what a broken upload leaves, taken names, odd names, sizes",
    36: "an immutable release is closed, and its tag burned",
    37: "only administrators know beforehand whether releases will be immutable",
    38: "latest goes by commit date or by make_latest; a refused tag leaves a draft",
    39: "classic protection is for administrators; readers see a little",
    40: "rulesets are for readers, without the bypass list; layers add up",
    41: "tokens tell their end, answers what they need; single sign-on gives parts of lists",
    42: "which permission each request needs",
    43: "primary and secondary limits",
    44: "GraphQL's errors and limits come as success; pages of at most 100",
    45: "a 304 is free",
    46: "30 a page, no slash at the end, redirects without the token",
    47: "a 422 has a code and a field",
    48: "matching-refs is a prefix; annotated tags are peeled",
}

# fact → tests that hold it, or the other half of it, and are about something wider (below tests/)
ELSEWHERE = {
    7: ["forge/test_faults.py::test_a_write_is_answered_and_done_as_the_fault_says"],
    8: ["adapters/test_http_writes.py::test_a_write_of_unknown_outcome_is_not_sent_again"],
    17: ["forge/test_rules.py::test_conclude"],
    41: [
        "forge/test_faults.py::test_required",
        "forge/test_faults.py::test_a_list_in_part",
        "adapters/test_http_reads.py::test_a_part_of_a_list_is_no_list",
    ],
    43: ["forge/test_faults.py::test_primary", "forge/test_faults.py::test_secondary"],
    44: ["forge/test_faults.py::test_primary_of_graphql_is_a_success"],
    46: [
        "adapters/test_http_downloads.py::test_the_token_is_not_forwarded_to_another_port_nor_taken_up_again_on_return",
        "adapters/test_credentials.py::test_origins_and_segments",
    ],
}

# fact → why the forge does not behave so, and why that does no harm
NOT_MODELLED = {
    15: "neither auto-merge nor a merge queue: the program enables none, it merges itself with the head it saw",
    24: "no paid plans: every environment has its protection; the program reads the protection and never the plan",
}

# fact → the part of it that the forge leaves out although the rest is modelled
PARTLY = {
    1: "no old server that answers 400 to return_run_details: the program speaks the versions above",
    10: "the repeated event and the 409 of a right that comes late: the program gets no events, and ends on any 409",
    13: "mergeable is never null while a pull request is open: the program does not read it",
    14: "a status of the test merge does not win over the head's: the program requires checks, and of the head",
    21: "no end after 1,000 suites of a commit, and no forks",
    23: "concurrency of a single job is ignored: the workflows that the program writes use that of the workflow",
    30: "no pull_request_target",
    35: "every asset has a digest, and a file of 2 GiB is refused by its size only",
    41: "a token that an organisation has yet to admit; one owner per fine-grained token",
    43: "secondary limits come by a fault when a test wants them, they are not counted",
    46: "an unencoded slash in a ref is understood here: the program always encodes it, which a test of its own holds",
}


@cache
def known_tests() -> dict[str, list[str]]:
    """Every test function, by its name: in which files (below tests/)."""
    found: dict[str, list[str]] = {}
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                found.setdefault(node.name, []).append(str(file.relative_to(TESTS)))
    return found


def named(fact: int) -> list[str]:
    return [name for name in known_tests() if name.startswith(f"test_g{fact}_")]


def cited() -> Iterator[tuple[str, int]]:
    """Each mention of a fact in the program: `G12`, and ranges like `G31–G36`."""
    for file in sorted((ROOT / "src").rglob("*.py")):
        if "example" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        for first, last in re.findall(r"\bG(\d{1,2})\b(?:[–-]G?(\d{1,2})\b)?", text):
            for fact in range(int(first), int(last or first) + 1):
                yield str(file.relative_to(ROOT)), fact


def test_there_are_48_facts() -> None:
    assert list(FACTS) == list(range(1, 49))


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_has_a_test_or_a_reason(fact: int, tally: Callable[[str, int], None]) -> None:
    held = bool(named(fact) or fact in ELSEWHERE)
    assert held is (fact not in NOT_MODELLED), f"G{fact}, {FACTS[fact]}: a test, or else a reason"
    tally("facts of GitHub held by a test", int(held))


def test_only_modelled_facts_are_modelled_in_part() -> None:
    assert not PARTLY.keys() & NOT_MODELLED.keys()
    assert PARTLY.keys() <= FACTS.keys()


@pytest.mark.parametrize("place", [place for places in ELSEWHERE.values() for place in places])
def test_tests_under_other_names_are_there(place: str) -> None:
    file, _, name = place.partition("::")
    assert file in known_tests().get(name, [])


def test_numbers_in_names_are_numbers_of_facts() -> None:
    numbers = {int(found[1]) for name in known_tests() if (found := re.match(r"test_g(\d+)_", name))}
    assert numbers <= FACTS.keys()


def test_what_the_program_relies_on_is_held() -> None:
    relied = dict.fromkeys(cited())
    assert len({fact for _, fact in relied}) > 40
    assert [place for place in relied if place[1] not in FACTS or place[1] in NOT_MODELLED] == []
