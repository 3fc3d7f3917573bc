"""`init` as a program against the served forge: the file it proposes plans what the real configuration plans."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import CONFIG, HOME, ORG, Organisation, Typed
from ms_release import config as configuration
from ms_release.cli.init import owner_of
from ms_release.forge import git, world
from ms_release.forge.faults import Fault
from ms_release.forge.git.values import Person
from ms_release.forge.serve import Server

PLAN = ("plan", "--channel", "beta", "--auto", "--json")
READ_ONLY = "alice-read-only-token"
DANA = Person("Dana", "1+dana@users.noreply.github.com", "2026-03-02T00:00:00Z")


def pins(typed: Typed, config: configuration.Config) -> dict[str, str]:
    """What a plan pins, by repository."""
    return {config.repo(pin["repo"]).slug: pin["sha"] for pin in typed.document["pins"]}


def real_pins(organisation: Organisation, name: str) -> dict[str, str]:
    """What the configuration pins that the example organisation comes with."""
    folder = organisation.directory(name)
    planned = organisation.type(folder, organisation.environment(), *PLAN)
    return pins(planned, configuration.parse((folder / CONFIG).read_text()))


def change_home(organisation: Organisation, files: dict[str, bytes], gone: list[str]) -> None:
    """A commit on the home repository's main that nobody had to review."""
    git_dir = organisation.server.forge.git_dir(HOME)
    tip = git.read_ref(git_dir, "refs/heads/main")
    made = git.commit_files(git_dir, tip, files, gone, "chore: change", DANA)
    git.update_ref(git_dir, "refs/heads/main", made, tip)


@pytest.mark.parametrize("token", ["alice-token", READ_ONLY])
def test_the_proposed_file_plans_what_the_real_one_plans(
    organisation: Organisation, tmp_path: Path, token: str
) -> None:
    env = organisation.environment(GH_TOKEN=token)
    typed = organisation.type(tmp_path, env, "init", ORG)
    assert (typed.exit, typed.effects) == (0, 0), typed.err
    config = configuration.parse((tmp_path / CONFIG).read_text())
    planned = organisation.type(tmp_path, organisation.environment(), *PLAN)
    assert planned.exit in (0, 4), planned.err
    assert pins(planned, config) == real_pins(organisation, f"real-{token}")
    unsure = {line.split()[-1] for line in typed.out.splitlines() if line.startswith("CHECK ")}
    assert unsure == (set() if token == "alice-token" else {"one"}), "only the protection is not shown to a reader"
    assert typed.out.endswith("next: ms release plan --channel beta --auto\n")


def test_an_organisation_without_a_configuration_plans_too(fresh: Organisation, tmp_path: Path) -> None:
    """The use of it: `plan` marks the file as local, and pins what the real configuration would pin."""
    expected = real_pins(fresh, "real")
    change_home(fresh, {}, [CONFIG])
    place = tmp_path / "new"
    place.mkdir()
    typed = fresh.type(place, fresh.environment(), "init", ORG, "--json")
    assert typed.exit == 0, typed.err
    document = typed.document
    assert document["file"] == CONFIG
    assert document["toml"] == (place / CONFIG).read_text()
    assert [repo["id"] for repo in document["repos"]] == ["loader", "bridge", "core", "plugin-bitwig", "distribution"]
    assert [text.split(": ")[0] for text in document["check"]] == ["manifest_key", *["assets"] * 4, "install_sets"]
    config = configuration.parse(document["toml"])
    assert {r.slug: r.candidate.visibility for r in config.repos if r.candidate} == {
        "midi-studio/loader": "prerelease", "midi-studio/bridge": "prerelease",
        "midi-studio/core": "draft", "midi-studio/plugin-bitwig": "prerelease",
    }  # fmt: skip
    planned = fresh.type(place, fresh.environment(), *PLAN)
    assert (planned.exit, planned.effects) == (0, 0), planned.err
    assert pins(planned, config) == expected
    refused = fresh.type(place, fresh.environment(), "prepare", "--channel", "beta", "--auto")
    assert (refused.exit, refused.effects) == (3, 0)


def test_a_damaged_configuration_in_the_home_repository_is_told(fresh: Organisation, tmp_path: Path) -> None:
    change_home(fresh, {CONFIG: b"no =", "release-specs/v0.0.1.json": b"{}"}, [])
    typed = fresh.type(tmp_path, fresh.environment(), "init", ORG, "--json")
    assert typed.exit == 0, typed.err
    told = typed.document["unread"]
    assert [text.split(" of ")[0] for text in told] == [CONFIG, "release-specs/v0.0.1.json"]
    assert configuration.parse(typed.document["toml"]).config.home == HOME


def test_one_look_is_a_handful_of_requests(organisation: Organisation, tmp_path: Path) -> None:
    before = len(organisation.server.forge.store.requests())
    assert organisation.type(tmp_path, organisation.environment(), "init", ORG).exit == 0
    asked = organisation.server.forge.store.requests()[before:]
    assert sum(request["path"].endswith("/graphql") for request in asked) == 2
    assert len(asked) <= 14, [request["path"] for request in asked]


# ---- the file


@pytest.mark.parametrize("kind", ["file", "link to nothing", "directory"])
def test_what_exists_is_never_overwritten(organisation: Organisation, tmp_path: Path, kind: str) -> None:
    target = tmp_path / CONFIG
    make_target = {
        "file": lambda: target.write_text("mine"),
        "link to nothing": lambda: target.symlink_to("nowhere"),
        "directory": target.mkdir,
    }
    make_target[kind]()
    requests = len(organisation.server.forge.store.requests())
    typed = organisation.type(tmp_path, organisation.environment(), "init", ORG)
    assert typed.exit == 2
    assert typed.err.splitlines() == [
        f"error: {CONFIG} exists, and is not overwritten",
        "  Move it away, or write another file and compare the two.",
        f"  next: ms release init {ORG} --out new-{CONFIG}",
    ]
    assert len(organisation.server.forge.store.requests()) == requests
    assert os.listdir(tmp_path) == [CONFIG]
    assert kind != "file" or target.read_text() == "mine"
    again = organisation.type(tmp_path, organisation.environment(), "init", ORG, "--out", f"new-{CONFIG}")
    assert again.exit == 0
    assert again.out.endswith(f"next: ms release plan --channel beta --auto --config new-{CONFIG}\n")


def test_the_file_on_stdout_is_the_file(organisation: Organisation, tmp_path: Path) -> None:
    env = organisation.environment()
    shown = organisation.type(tmp_path, env, "init", ORG, "--out", "-")
    assert (shown.exit, os.listdir(tmp_path)) == (0, [])
    named = organisation.type(tmp_path, env, "init", ORG, "--config", "other.toml")
    assert (named.exit, (tmp_path / "other.toml").read_text()) == (0, shown.out)
    both = organisation.type(tmp_path, env, "init", ORG, "--out", "-", "--json")
    assert (both.document["file"], both.document["toml"]) == (None, shown.out)


def test_a_place_that_cannot_be_written_is_told(organisation: Organisation, tmp_path: Path) -> None:
    typed = organisation.type(tmp_path, organisation.environment(), "init", ORG, "--out", "no/such/place.toml")
    assert typed.exit == 6
    assert "cannot write no/such/place.toml" in typed.err


# ---- which organisation


def clone_of(place: Path, remote: str) -> Path:
    place.mkdir()
    for words in (["init", "-q"], ["remote", "add", "origin", remote]):
        subprocess.run(["git", *words], cwd=place, check=True, env={"PATH": os.environ["PATH"], "HOME": str(place)})
    return place


def test_without_a_name_it_is_the_one_of_the_clone(organisation: Organisation, tmp_path: Path) -> None:
    place = clone_of(tmp_path / "clone", f"{organisation.server.url}/{ORG}/core.git")
    typed = organisation.type(place, organisation.environment(), "init", "--json")
    assert (typed.exit, typed.document["organisation"]) == (0, ORG)
    assert "/user/repos" not in {r["path"] for r in organisation.server.forge.store.requests()}


@pytest.mark.parametrize(
    ("remote", "owner"),
    [
        ("https://github.com/o/core.git", "o"),
        ("https://github.com/o/core", "o"),
        ("https://GitHub.com/o/core/", "o"),
        ("git@github.com:o/core.git", "o"),
        ("ssh://git@github.com/o/core.git", "o"),
        ("ssh://git@github.com:22/o/core.git", "o"),
        ("https://x:y@github.com/o/core.git", "o"),
        ("https://evil.example/o/core.git", None),
        ("https://github.com.evil.example/o/core.git", None),
        ("https://github.com:99999999/o/core.git", None),
        ("https://github.com:444/o/core.git", None),
        ("git@evil.example:github.com/o/core.git", None),
        ("https://github.com/o", None),
        ("https://github.com/o/core/x", None),
        ("/srv/git/o/core.git", None),
        ("", None),
        ("https://[", None),
        ("https://github.com/-o/core", None),
    ],
)
def test_the_owner_in_a_remote(remote: str, owner: str | None) -> None:
    assert owner_of(remote, "https://github.com") == owner


def test_an_unknown_organisation_is_a_usage_error(organisation: Organisation, tmp_path: Path) -> None:
    for name in ("nowhere", "../../user", "a b", "ü"):
        typed = organisation.type(tmp_path, organisation.environment(), "init", name)
        assert (typed.exit, len(typed.verdicts), os.listdir(tmp_path)) == (2, 1, []), typed.err


def test_a_token_that_is_over_writes_nothing(organisation: Organisation, tmp_path: Path) -> None:
    env = organisation.environment(GH_TOKEN="alice-expired-token")
    typed = organisation.type(tmp_path, env, "init", ORG)
    assert (typed.exit, os.listdir(tmp_path)) == (5, [])


# ---- an odd organisation


HOSTILE = 'te"st\n[policy] \u202e'
CI = r"""
on: [push, pull_request]
jobs:
  unit:
    name: "te\"st\n[policy] \u202e"
    runs-on: ubuntu-latest
    steps: [{ run: "true" }]
"""
CANDIDATE = """\
on:
  workflow_dispatch:
    inputs: { sha: { type: string }, tag: { type: string } }
jobs:
  build:
    runs-on: ubuntu-latest
    steps: [{ run: "ms-release candidate build --dir dist --visibility draft" }]
"""
PUBLISH = """\
on:
  workflow_dispatch:
    inputs: { tag: { type: string }, plan: { type: string }, seal: { type: string } }
jobs:
  promote:
    runs-on: ubuntu-latest
    environment: release
    steps: [{ run: "true" }]
"""
WORLD = r"""
[world]
schema = 1

[[user]]
login = "alice"
tokens = ["alice-token"]

[[user]]
login = "zoe"
tokens = ["zoe-token"]

[[token]] # contents of everything that alice may read, and nothing else
value = "alice-read-only-token"
user = "alice"
kind = "fine-grained"
permissions = { contents = "read", metadata = "read" }

[[org]]
login = "odd"

[[org]]
login = "bare"

[[org]]
login = "hidden"

[[repository]]
name = "odd/tool"
private = true
access = { alice = "write", zoe = "write" }
from = "tool"
checks = { "te\"st\n[policy] \u202e" = "success" }
candidate = [{ from = "built", visibility = "draft" }]

[[repository]]
name = "odd/home"
private = true
access = { alice = "write" }
from = "home"
checks = { validate = "success" }

[[repository]]
name = "odd/empty"
access = { alice = "write" }

[[repository]]
name = "odd/words"
access = { alice = "write" }
from = "words"

[[repository]]
name = "bare/words"
access = { alice = "write" }
from = "words"

[[repository]]
name = "bare/one"
from = "tool"

[[repository]]
name = "hidden/one"
private = true
from = "words"
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organisation]:
    root = tmp_path_factory.mktemp("odd")
    files = {
        "tool/.github/workflows/ci.yml": CI,
        "tool/.github/workflows/candidate.yml": CANDIDATE,
        "tool/.github/workflows/broken.yml": "on: [",
        "built/tool-linux-x86_64": "bytes",
        "home/.github/workflows/publish.yml": PUBLISH,
        "home/.github/workflows/ci.yml": CI,
        "words/README.md": "words",
        "world.toml": WORLD,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    world.build(root / "world.toml", root / "forge")
    server = Server(root / "forge")
    server.start()
    yield Organisation(server, root)
    server.stop()


def proposed(
    odd: Organisation, place: Path, *words: str, token: str = "alice-token"
) -> tuple[Any, configuration.Config]:
    typed = odd.type(place, odd.environment(GH_TOKEN=token), "init", *words, "--json")
    assert typed.exit == 0, typed.err
    return typed.document, configuration.parse(typed.document["toml"])


def test_hostile_check_names_and_repositories_that_are_no_components(odd: Organisation, tmp_path: Path) -> None:
    document, config = proposed(odd, tmp_path, "odd")
    assert [c.name for c in config.repo("tool").checks] == [HOSTILE]
    assert document["left_out"] == [
        {"repo": "odd/empty", "why": "it is empty"},
        {"repo": "odd/words", "why": "it has no candidate workflow"},
    ]
    assert config.config.home == "odd/home"
    assert [a.source for a in config.products[0].assets] == ["tool/tool-linux-x86_64"]
    assert any("environment: it does not exist yet" in text for text in document["check"])
    shown = odd.type(tmp_path, odd.environment(), "init", "odd", "--out", "other.toml")
    assert "\u202e" not in shown.out + shown.err


def test_a_token_that_may_not_read_everything_says_what_is_missing(odd: Organisation, tmp_path: Path) -> None:
    document, config = proposed(odd, tmp_path, "odd", token=READ_ONLY)
    assert [c.name for c in config.repo("tool").checks] == [HOSTILE]
    told = {text.split(":")[0] for text in document["unread"]}
    assert told == {"checks of odd/tool", "checks of odd/home", "the environments of odd/home"}
    unsure = [text for text in document["check"] if text.startswith("tool checks")]
    assert unsure == ["tool checks: this token may not read checks; these are the jobs of ci.yml"]
    assert any(text.startswith("assets: tool: no candidate shows") for text in document["check"])
    file = (tmp_path / CONFIG).read_text()
    assert "# CHECK: - the environments of odd/home" in file


def test_a_repository_that_is_not_visible_does_not_exist(odd: Organisation, tmp_path: Path) -> None:
    document, _ = proposed(odd, tmp_path, "odd", token="zoe-token")
    assert document["home"] == "odd/distribution"
    assert "odd/home" not in json.dumps(document)
    hidden = odd.type(tmp_path, odd.environment(), "init", "hidden", "--out", "x.toml")
    assert hidden.exit == 5
    assert "sees no repository of 'hidden'" in hidden.err


def test_without_a_home_one_is_proposed_and_the_plan_says_that_it_is_missing(odd: Organisation, tmp_path: Path) -> None:
    document, config = proposed(odd, tmp_path, "bare")
    assert (config.config.home, [r.id for r in config.repos]) == ("bare/distribution", ["one", "distribution"])
    assert any(text.startswith("home: no repository holds release specs") for text in document["check"])
    planned = odd.type(tmp_path, odd.environment(), *PLAN)
    assert planned.exit == 5
    assert "bare/distribution" in planned.document["error"]["cause"]


def test_nothing_that_can_be_released_is_blocked(odd: Organisation, tmp_path: Path) -> None:
    before = git.read_ref(odd.server.forge.git_dir("bare/one"), "refs/heads/main")
    assert before is not None
    body = odd.server.forge.store.get("repo", "bare/one")
    assert body is not None
    odd.server.forge.store.put("repo", "bare/one", {**body, "private": True})
    try:
        typed = odd.type(tmp_path, odd.environment(), "init", "bare")
    finally:
        odd.server.forge.store.put("repo", "bare/one", body)
    assert (typed.exit, os.listdir(tmp_path)) == (3, [])
    assert "none of its 1 readable repositories" in typed.err


@pytest.mark.parametrize(
    ("token", "exit", "said"),
    [
        ("zoe-token", 0, ""),
        ("alice-token", 2, "this token knows bare, odd"),
        (READ_ONLY, 2, "this token knows bare, odd"),
    ],
)
def test_without_a_name_and_a_clone_the_token_decides(
    odd: Organisation, tmp_path: Path, token: str, exit: int, said: str
) -> None:
    typed = odd.type(tmp_path, odd.environment(GH_TOKEN=token), "init")
    assert typed.exit == exit, typed.err
    assert said in typed.err


def test_the_remote_of_another_host_does_not_decide(odd: Organisation, tmp_path: Path) -> None:
    place = clone_of(tmp_path / "clone", "https://evil.example/bare/one.git")
    typed = odd.type(place, odd.environment(GH_TOKEN="zoe-token"), "init", "--json")
    assert (typed.exit, typed.document["organisation"]) == (0, "odd")


def test_what_is_too_much_for_the_forge_is_asked_in_halves(odd: Organisation, tmp_path: Path) -> None:
    """Twice the same question fails (github-facts G44); then each half of it is answered."""
    number = odd.server.forge.faults.add(Fault("fail_before", "POST", "*graphql", times=2))
    try:
        document, _ = proposed(odd, tmp_path, "odd")
        assert odd.server.forge.faults.fired(number) == 2
    finally:
        odd.server.forge.faults.clear()
    assert [repo["repo"] for repo in document["repos"]] == ["odd/tool", "odd/home"]
    assert [one["repo"] for one in document["left_out"]] == ["odd/empty", "odd/words"]
