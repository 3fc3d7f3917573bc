"""The mutants themselves: every kind is made, each is other code that runs, and the list of excuses is honest."""

from __future__ import annotations

import marshal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mutate.__main__ import CORE, EQUIVALENT, FILES, equivalent
from mutate.mutants import Mutant, mutants
from mutate.trial import KILLED, SURVIVED, Trial, run_all


@cache
def of(name: str) -> list[Mutant]:
    return list(mutants((CORE / f"{name}.py").read_text()))


SOURCE = '''
def rule(a, b, items):
    """About this rule."""
    if a < 3 and not b:
        return "early"
    if b is None:
        raise ValueError
    kept = [each for each in items if each != a]
    yield from kept
    return found(Finding("X", "PASS"), any(kept), {*items} - {b}, strict=True)

GATES = (Gate("ONE"), Gate("TWO"))
ALL = (*GATES, 1)
'''


def test_every_kind_of_mutant_is_made() -> None:
    kinds = {each.kind for each in mutants(SOURCE)}
    assert kinds == {
        "comparison negated", "boundary moved", "operand dropped", "negation removed", "condition always True",
        "condition always False", "filter removed", "raise removed", "return removed", "yield removed", "part removed",
        "gate removed", "any turned round", "verdict turned", "constant turned",
    }  # fmt: skip


def test_each_mutant_is_other_code_and_has_a_name_of_its_own() -> None:
    found = list(mutants(SOURCE))
    assert len({each.code for each in found}) == len({each.name for each in found}) == len(found) > 20
    assert marshal.dumps(compile(SOURCE, "mutant", "exec", dont_inherit=True)) not in {each.code for each in found}
    assert [each.line for each in found] == sorted(each.line for each in found)


@pytest.mark.parametrize("name", FILES)
def test_each_module_has_mutants_and_tests_about_it(name: str) -> None:
    assert len(of(name)) > 30
    assert all((CORE.parents[2] / f"tests/core/test_{each}.py").exists() for each in FILES[name])


def test_an_excuse_names_a_mutant_that_there_is_and_says_why() -> None:
    listed = equivalent()
    assert len(listed) < 10
    names = {name: {each.name for each in of(name)} for name in FILES}
    assert [each for each in listed if each[1] not in names[each[0]]] == []
    assert all(len(reason) > 30 for reason in listed.values())
    assert EQUIVALENT.read_text().count("[[equivalent]]") == len(listed)


def trial(tmp_path: Path, text: str) -> Trial:
    module = tmp_path / "thing.py"
    module.write_text("RIGHT = True\n")
    test = tmp_path / "test_thing.py"
    test.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport thing\n\ndef test_it():\n    {text}\n")
    code = marshal.dumps(compile("RIGHT = False\n", "mutant", "exec"))
    return Trial("thing", str(module), code, ((str(test),),))


@pytest.mark.parametrize(("text", "outcome"), [("assert thing.RIGHT", KILLED), ("assert thing", SURVIVED)])
def test_the_tests_see_the_mutant_and_not_the_file(tmp_path: Path, text: str, outcome: str) -> None:
    ended: list[Any] = list(run_all([trial(tmp_path, text)], 1, tmp_path))
    assert ended == [(0, outcome)], (tmp_path / "0.log").read_text()
