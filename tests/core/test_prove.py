"""What attempts prove, which checks have flipped, which lines of a log come first, and whether manifests agree."""

from __future__ import annotations

import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import check, commit, component, observation, pin
from ms_release.core import flaky, skew
from ms_release.core.flaky import Flip, flips
from ms_release.core.observation import Check
from ms_release.core.prove import MOST_LINES, Attempt, findings, prove, telling
from ms_release.errors import DamagedError

# --- attempts


def attempts(*exits: int | None) -> list[Attempt]:
    return [Attempt("test", number, code, 1.0, f"test-{number}.log") for number, code in enumerate(exits, 1)]


@pytest.mark.parametrize(
    ("exits", "verdict", "failed", "log"),
    [
        ((0,), "green", 0, "test-1.log"),
        ((0, 0, 0), "green", 0, "test-3.log"),
        ((1,), "red", 1, "test-1.log"),
        ((2, 1), "red", 2, "test-1.log"),
        ((0, 1, 0), "flaky", 1, "test-2.log"),
        ((0, None), "stopped", 0, "test-1.log"),
        ((1, None), "red", 1, "test-1.log"),
        ((None, None), "stopped", 0, ""),
        ((), "stopped", 0, ""),
    ],
)
def test_the_verdict_on_a_gate(exits: tuple[int | None, ...], verdict: str, failed: int, log: str) -> None:
    (proof,) = prove(["test"], attempts(*exits))
    assert (proof.verdict, proof.failed, proof.log) == (verdict, failed, log)
    assert [f.code for f in findings("core", "abc1234", [proof])] == {
        "red": ["GATE"],
        "flaky": ["FLAKY"],
        "stopped": ["GATE"],
    }.get(verdict, [])


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_a_gate_is_green_only_when_every_attempt_was(exits: list[int]) -> None:
    (proof,) = prove(["test"], attempts(*exits))
    assert (proof.verdict == "green") == (not any(exits))
    assert (proof.verdict == "flaky") == (0 < proof.failed < len(exits))
    assert proof.rate == sum(map(bool, exits)) / len(exits)


def test_the_rate_is_told() -> None:
    (finding,) = findings("core", "abc1234", prove(["test"], attempts(0, 0, 1, 0, 0)))
    assert (finding.subject, finding.message) == ("core test", "failed in 1 of 5 attempts at abc1234")


# --- what the forge remembers


def history(*conclusions: str | None, name: str = "test", app: str = "github-actions") -> list[Check]:
    numbers = count(1)
    return [check(next(numbers), name, app, conclusion=conclusion) for conclusion in conclusions]


@pytest.mark.parametrize(
    ("conclusions", "failed", "total"),
    [
        (("failure", "success"), 1, 2),
        (("FAILURE", "SUCCESS"), 1, 2),
        (("success", "failure", "success", "timed_out"), 2, 4),
        (("success", "cancelled", "failure", None), 1, 2),
    ],
)
def test_a_check_that_has_said_both(conclusions: tuple[str, ...], failed: int, total: int) -> None:
    assert flips(history(*conclusions)) == (Flip("test", "github-actions", failed, total),)


@pytest.mark.parametrize("conclusions", [(), ("success",), ("failure", "failure"), ("success", "skipped", "neutral")])
def test_a_check_that_says_one_thing(conclusions: tuple[str, ...]) -> None:
    assert flips(history(*conclusions)) == ()


def test_checks_of_one_name_by_two_apps_are_two() -> None:
    assert flips([*history("success"), *history("failure", app="other")]) == ()


def test_only_what_is_above_the_rate_is_escalated() -> None:
    found = flips([*history("failure", "success"), *history("failure", "success", "success", "success", name="lint")])
    assert [f.subject for f in flaky.findings("core", "abc1234", found, 0.0)] == ["core lint", "core test"]
    assert [f.subject for f in flaky.findings("core", "abc1234", found, 0.25)] == ["core test"]
    assert flaky.findings("core", "abc1234", found, 0.5) == ()


# --- logs


def noise(lines: int) -> str:
    return "\n".join(f"compiling part {n}" for n in range(lines))


def test_the_failing_lines_come_first_and_the_noise_does_not() -> None:
    log = "\n".join((noise(500), "src/a.py:3: error: no such name", noise(500), "1 failed"))
    shown = telling(log)
    assert shown[0] == "src/a.py:3: error: no such name"
    assert shown[-1] == "1 failed"
    assert len(shown) <= MOST_LINES


def test_a_thousand_errors_are_cut_and_the_end_is_kept() -> None:
    shown = telling("\n".join(f"error {n}" for n in range(1000)))
    assert (shown[0], shown[-1], len(shown)) == ("error 0", "error 999", MOST_LINES)


def test_what_a_json_validator_says_comes_in_full() -> None:
    report = [{"instancePath": f"/a/{n}", "message": "must be string"} for n in range(60)]
    document = json.dumps({"valid": False, "errors": report}, indent=2)
    shown = telling("\n".join((noise(200), document, noise(200), "done")))
    assert [line for line in shown if line in document.splitlines()] == document.splitlines()
    words = [f"contracts/{n}.json: 'id' is a required property" for n in range(90)]
    assert set(words) <= set(telling("\n".join((noise(50), *words, noise(50)))))


def test_a_hostile_log_reaches_no_terminal() -> None:
    assert all("\x1b" not in line for line in telling("error \x1b]52;c;x\x07\nerror: \u202e"))


@given(st.text(max_size=400))
def test_no_log_is_too_odd(log: str) -> None:
    assert all(isinstance(line, str) for line in telling(log))


def test_a_log_of_brackets_takes_no_time() -> None:
    assert telling("[" * 100_000 + "\n" + "\n".join("{" for _ in range(2000)))


# --- manifests

AGREE = {
    "package.json": '{"version": "1.2.0-beta.3"}',
    "src-tauri/Cargo.toml": '[package]\nname = "x"\nversion = "1.2.0-beta.3"\n',
    "pyproject.toml": '[project]\nname = "x"\nversion = "1.2.0b3"\n',
    "version.txt": "v1.2.0-beta.3\n",
}


def test_manifests_that_agree() -> None:
    finding = skew.judge("app", AGREE)
    assert finding is not None
    assert finding.outcome == "PASS"


@pytest.mark.parametrize("path", AGREE)
def test_one_manifest_that_does_not(path: str) -> None:
    finding = skew.judge("app", {**AGREE, path: AGREE[path].replace("1.2.0", "1.2.1")})
    assert finding is not None
    assert finding.outcome == "FAIL"
    assert f"{path} says" in finding.message


def test_manifests_that_name_no_version_do_not_count() -> None:
    assert skew.judge("app", {"package.json": "{}", "Cargo.toml": "[workspace]\n", "version.txt": "1.0.0"}) is None
    inherited = {"Cargo.toml": "[package]\nversion.workspace = true\n", "version.txt": "1.0.0"}
    assert skew.judge("app", inherited) is None


def test_a_damaged_manifest_is_refused() -> None:
    with pytest.raises(DamagedError):
        skew.judge("app", {"package.json": '{"version": "1", "version": "2"}', "version.txt": "1"})


def test_a_plan_sees_the_attempts_of_the_tip() -> None:
    repeated = replace(commit("core-1"), attempts=tuple(history("failure", "success")))
    facts = observation()
    facts = replace(facts, repos={**facts.repos, "core": component("core", repeated)})
    pins = (pin("core", "core-1"), pin("core", "gone"))
    assert [f.subject for f in flaky.of_pins(pins, facts, 0.0)] == ["core test"]
    assert flaky.of_pins(pins, facts, 0.5) == ()
    assert flaky.of_pins((pin("core", "core-1"),), observation(), 0.0) == ()
