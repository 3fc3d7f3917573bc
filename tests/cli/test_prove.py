"""`prove` as a program in a clone: real gates in clean checkouts, what the forge remembers, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import CONFIG, ORG, Organisation, Typed

CORE = f"{ORG}/core"
Clone = Callable[..., Path]


@pytest.fixture
def clone(organisation: Organisation, tmp_path: Path) -> Clone:
    """Makes a clone of core with gates of its own in the configuration beside it."""

    def make(**gates: str) -> Path:
        place = tmp_path / "core"
        source = organisation.server.forge.git_dir(CORE)
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        url = f"{organisation.server.url}/{CORE}.git"
        for words in (["clone", "-q", str(source), str(place)], ["-C", str(place), "remote", "set-url", "origin", url]):
            subprocess.run(["git", *words], check=True, env=env)
        text = organisation.git("distribution", "show", f"main:{CONFIG}")
        inline = ", ".join(f"{name} = '''{command}'''" for name, command in gates.items())
        (place / CONFIG).write_text(text.replace('id = "core"', f'id = "core"\nwire.gates = {{ {inline} }}', 1))
        return place

    return make


def prove(organisation: Organisation, place: Path, *words: str, who: str = "alice") -> Typed:
    typed = organisation.type(place, organisation.environment(who), "prove", *words, "--json")
    assert typed.effects == 0
    return typed


def verdicts(typed: Typed) -> dict[str, str]:
    return {gate["name"]: gate["verdict"] for gate in typed.document["gates"]}


def left_behind() -> set[str]:
    return {name for name in os.listdir(os.environ.get("TMPDIR", "/tmp")) if name.startswith("ms-prove-")}


def test_a_gate_that_fails_every_third_time_is_flaky_and_goes_to_the_verifier(
    organisation: Organisation, clone: Clone, tmp_path: Path
) -> None:
    counter = tmp_path / "counter"
    counter.write_text("")
    every_third = f'echo . >>{counter}; test $(( $(wc -l <{counter}) % 3 )) != 0 || {{ echo "Error: lost"; exit 1; }}'
    place = clone(contracts=every_third, lint="echo fine")
    typed = prove(organisation, place, "--repeat", "5", "--gate", "contracts", "--gate", "lint")
    assert typed.exit == 3, typed.err
    assert verdicts(typed) == {"lint": "green", "contracts": "flaky"}
    (found,) = [gate for gate in typed.document["gates"] if gate["verdict"] == "flaky"]
    assert (found["failed"], found["attempts"]) == (1, 5)
    (escalation,) = typed.document["escalations"]
    assert (escalation["code"], escalation["role"]) == ("FLAKY", "Verifier / Observer")
    assert escalation["subject"] == "core contracts"
    assert "  to Verifier / Observer (midi-studio/maintainers): FLAKY core contracts" in typed.err.splitlines()
    assert (place / found["log"]).read_text() == "Error: lost\n"
    assert typed.document["history"] == []


def test_green_gates_and_the_commit_that_was_asked_for(organisation: Organisation, clone: Clone) -> None:
    place = clone(
        test="git rev-parse HEAD; test ! -e dirt; test -n HOME; test ! -e $HOME/.gitconfig", lint="env | sort"
    )
    (place / "dirt").write_text("not committed")
    older = organisation.history("core")[1]
    typed = prove(organisation, place, "--ref", older)
    assert (typed.exit, typed.document["sha"]) == (0, older), typed.err
    assert verdicts(typed) == {"lint": "green", "test": "green"}
    logs = {gate["name"]: (place / gate["log"]).read_text() for gate in typed.document["gates"]}
    assert logs["test"].strip() == older
    names = {line.split("=")[0] for line in logs["lint"].splitlines()}
    assert names <= {"PATH", "HOME", "TMPDIR", "LANG", "CI", "PWD", "SHLVL", "OLDPWD", "_", "RUSTUP_HOME"}
    assert "alice-token" not in logs["lint"]
    assert left_behind() == set()


def test_a_red_gate_shows_the_lines_that_say_why(organisation: Organisation, clone: Clone) -> None:
    place = clone(test='seq 1 300; echo "a.py:3: error: no such name"; seq 1 300; exit 4')
    typed = organisation.type(place, organisation.environment(), "prove")
    assert typed.exit == 3
    lines = typed.out.splitlines()
    assert lines[1].startswith("  NO  test: red")
    assert lines[2].strip() == "a.py:3: error: no such name"
    assert len(lines) < 20
    assert "GATE core test: failed at" in typed.err
    assert "to Verifier" not in typed.err, "a gate that always fails is the author's"


def test_fail_fast_ends_the_others(organisation: Organisation, clone: Clone) -> None:
    typed = prove(organisation, clone(lint="exit 1", test="sleep 1000"), "--fail-fast")
    assert (typed.exit, verdicts(typed)) == (3, {"lint": "red", "test": "stopped"})
    assert left_behind() == set()


def test_what_the_forge_has_seen_counts(fresh: Organisation, tmp_path: Path) -> None:
    """The check `test` of this commit failed in its first attempt: repeated until green, it is flaky all the same."""
    store = fresh.server.forge.store
    sha = fresh.history("core")[0]
    (run,) = [r for r in store.find("check_run", CORE, head_sha=sha) if r["name"] == "test"]
    earlier = {**run, "id": run["id"] + 900_000, "conclusion": "failure"}
    with store.writing():
        store.put("check_run", earlier["id"], earlier, CORE)
    place = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(fresh.server.forge.git_dir(CORE)), str(place)], check=True)
    url = f"{fresh.server.url}/{CORE}.git"
    subprocess.run(["git", "-C", str(place), "remote", "set-url", "origin", url], check=True)
    text = fresh.git("distribution", "show", f"main:{CONFIG}")
    (place / CONFIG).write_text(text.replace('id = "core"', "id = \"core\"\nwire.gates = { test = 'true' }", 1))
    typed = prove(fresh, place)
    assert typed.exit == 3, typed.err
    assert verdicts(typed) == {"test": "green"}
    assert typed.document["history"] == [{"name": "test", "app": "github-actions", "failed": 1, "attempts": 2}]
    assert [e["role"] for e in typed.document["escalations"]] == ["Verifier / Observer"]
    opened = [fresh.type(place, fresh.environment(), "prove", "--open-issue") for _ in range(2)]
    assert [typed.exit for typed in opened] == [3, 3]
    assert [typed.effects for typed in opened] == [1, 0], "found again, not duplicated"
    (issue,) = store.find("issue", f"{ORG}/distribution")
    assert issue["title"] == "Release: FLAKY core test"
    tolerant = text.replace("[policy]", "[policy]\nflaky_rate = 0.5", 1)
    (place / CONFIG).write_text(tolerant.replace('id = "core"', "id = \"core\"\nwire.gates = { test = 'true' }", 1))
    assert prove(fresh, place).exit == 0


def test_version_skew_goes_to_the_builder(organisation: Organisation, clone: Clone) -> None:
    place = clone(test="true")
    (place / "package.json").write_text('{"version": "1.0.0"}')
    (place / "version.txt").write_text("1.0.1\n")
    who = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(place), "add", "package.json", "version.txt"], check=True)
    subprocess.run(["git", "-C", str(place), *who, "commit", "-qm", "skew"], check=True)
    typed = prove(organisation, place)
    assert typed.exit == 3
    assert [(e["code"], e["role"]) for e in typed.document["escalations"]] == [("VERSION_SKEW", "Builder")]


@pytest.mark.parametrize(
    ("gates", "words", "code", "says"),
    [
        ({"test": "true"}, ["--gate", "nope"], 2, "is no gate of this repository"),
        ({"test": "true"}, ["--ref", "nope"], 2, "is no commit of this clone"),
        ({"test": "true"}, ["--repeat", "0"], 2, "0 is not in the range"),
        ({"test": ""}, [], 2, "no gate is known"),
        ({"test": "true"}, ["--config", "nope.toml"], 2, "there is no configuration nope.toml"),
    ],
)
def test_what_cannot_be_proven(
    organisation: Organisation, clone: Clone, gates: dict[str, str], words: list[str], code: int, says: str
) -> None:
    typed = prove(organisation, clone(**gates), *words)
    assert (typed.exit, says in typed.err) == (code, True), typed.err


def test_without_the_forge_the_gates_run_all_the_same(organisation: Organisation, clone: Clone) -> None:
    typed = organisation.type(clone(test="true"), organisation.environment(GH_TOKEN=None), "prove", "--json")
    assert (typed.exit, typed.document["history"]) == (0, None), typed.err
    assert "earlier attempts on the forge were not read" in typed.err


def test_interrupted_it_leaves_neither_processes_nor_files(
    organisation: Organisation, clone: Clone, tmp_path: Path
) -> None:
    """Also not the one that has left its parent and its session."""
    began = tmp_path / "began"
    os.mkfifo(began)
    hidden = f"setsid sh -c 'echo $$ >{began}; exec sleep 1000' & sleep 1000"
    place = clone(test=hidden)
    running = organisation.start(place, organisation.environment(), "prove")
    child = int(began.read_text())  # waits until the gate is at work
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z", "dead, waited for or not"
    assert left_behind() == set()
