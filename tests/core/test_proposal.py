"""What is proposed from which facts: home, components, checks, selection, candidates, assets, roles; and the file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.world import TOML
from ms_release import config as configuration
from ms_release.adapters.workflow_files import MAX_CHARACTERS, read_workflow
from ms_release.config import CheckRule
from ms_release.core.candidate import Artifact, Candidate, Inputs, Source
from ms_release.core.observation import Check, Commit, Environment, Release
from ms_release.core.proposal import NO_KEY, Found, Proposal, propose
from ms_release.core.proposal_checks import NO_CHECK, Note, propose_checks, propose_select
from ms_release.core.proposal_components import candidate_rule, find_components
from ms_release.core.proposal_facts import Details, Job, LeftOut, OrganisationSeen, Papers, RepoSeen, Workflow
from ms_release.core.proposal_home import find_home, named_elsewhere, paper_paths, read_papers
from ms_release.core.sanitize import terminal_line
from ms_release.core.spec import Spec, parse_spec
from ms_release.errors import BlockedError
from ms_release.render.proposal import comment, string, toml

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "tests" / "data" / "distribution" / "release-specs"
SCHEMA = json.loads((ROOT / "ms-release.schema.json").read_text())
CI = Workflow("ci.yml", ("push", "pull_request"), jobs=(Job("test"),))
CANDIDATE = Workflow(
    "candidate.yml", ("workflow_dispatch",), ("sha", "tag"), jobs=(Job("build"),), builds_candidate=True
)
PUBLISH = Workflow(
    "publish.yml", ("workflow_dispatch",), ("tag", "plan", "seal"), jobs=(Job("assemble"), Job("promote", "release"))
)
RELEASE = Workflow("release.yml", ("push",), push_tags=("v*",), jobs=(Job("promote", "app-release"),))


def commits(*checks: str, app: str = "github-actions", event: str | None = "push") -> tuple[Commit, ...]:
    """Newest first: each text lists checks, `name` (success) or `name!` (failure)."""
    made = []
    for number, names in enumerate(checks):
        run = tuple(
            Check(n.rstrip("!"), app, "completed", "failure" if n.endswith("!") else "success", 9, 1, event, "main")
            for n in names.split()
        )
        made.append(Commit(f"{number:040x}", "feat: x", checks=run))
    return tuple(made)


def repo(slug: str = "o/core", **more: Any) -> RepoSeen:
    usual: dict[str, Any] = {
        "branch": "main", "head": "f" * 40, "commits": commits("test", "test"), "required": ("test",),
        "workflows": (CI, CANDIDATE),
    }  # fmt: skip
    return RepoSeen(slug, **{**usual, **more})


def home(slug: str = "o/distribution", **more: Any) -> RepoSeen:
    usual: dict[str, Any] = {"workflows": (CI, PUBLISH), "root": ("release-specs", "README.md")}
    return repo(slug, **{**usual, **more})


def built(slug: str, *names: str) -> Candidate:
    artifacts = tuple(Artifact(n, n, "file", None, None, 5, "a" * 64) for n in names)
    inputs = Inputs((Source("x", slug, "b" * 40),))
    return Candidate(slug, "x", "candidate.yml", 1, 1, "2026-01-02T03:04:05Z", "c" * 64, "d" * 64, inputs, artifacts)


def specs() -> tuple[Spec, ...]:
    numbers = range(16, 11, -1)
    return tuple(parse_spec((SPECS / f"v0.0.1-beta.{n}.json").read_bytes()) for n in numbers)


def proposed(
    *repos: RepoSeen,
    papers: Papers | None = None,
    details: Details | None = None,
    server: str = "https://github.com",
    left_out: tuple[LeftOut, ...] = (),
) -> Proposal:
    seen = OrganisationSeen("o", repos, left_out)
    found, note = find_home(seen)
    known = papers or Papers()
    return propose(Found(seen, found, note, known, find_components(seen, known, found)), details or Details(), server)


def marked(notes: tuple[Note, ...], key: str) -> list[str]:
    return [note.text for note in notes if note.check and note.key == key]


def read(proposal: Proposal) -> configuration.Config:
    """The file as the program and as the published schema read it."""
    text = toml(proposal)
    jsonschema.validate(tomllib.loads(text), SCHEMA)
    return configuration.parse(text)


# ---- checks


@pytest.mark.parametrize(
    ("facts", "expected", "sure", "said"),
    [
        pytest.param({}, [("test", "github-actions")], True, "required on main, seen on 2 of", id="required"),
        pytest.param({"required": None}, [("test", "github-actions")], False, "no rule of the", id="no rule seen"),
        pytest.param(
            {"commits": commits("test lint", "test lint", "test")},
            [("test", "github-actions")], True, "also seen, and not needed: lint (github-actions)", id="others named",
        ),
        pytest.param(
            {"commits": commits("test lint", "test", "test"), "required": ()},
            [("test", "github-actions")], False, "seen on 3 of the last 3", id="what most commits have",
        ),
        pytest.param(
            {"commits": commits("flaky! test", "flaky! test"), "required": ()},
            [("test", "github-actions")], False, "test: seen", id="never green is no gate",
        ),
        pytest.param(
            {"commits": commits("red!", "red!"), "required": ()},
            [("red", "github-actions")], False, "red: seen", id="but better than nothing",
        ),
        pytest.param(
            {"commits": commits("build publish", event="workflow_dispatch")},
            [("test", "github-actions")], False, "so the app is a guess", id="candidates are no gate",
        ),
        pytest.param(
            {"commits": commits("scan", app="scanner", event=None), "required": ("scan",)},
            [("scan", "scanner")], True, "reported by scanner", id="another app",
        ),
        pytest.param(
            {"commits": commits("forged", event=None), "required": ("forged",), "workflows": ()},
            [("forged", "github-actions")], False, "so the app is a guess", id="a check of Actions without a run",
        ),
        pytest.param(
            {"required": ("test", "review")}, [("test", "github-actions")], False,
            "review is required on main, but was not seen", id="required and never seen",
        ),
        pytest.param(
            {"commits": None, "required": None}, [("test", "github-actions")], False,
            "this token may not read checks; these are the jobs of ci.yml", id="checks unreadable",
        ),
        pytest.param(
            {"commits": None, "required": ("a", "b")}, [("a", "github-actions"), ("b", "github-actions")], False,
            "this token may not read checks", id="checks unreadable, protection readable",
        ),
        pytest.param(
            {"commits": (), "required": (), "workflows": (CANDIDATE,)}, [("ci", "github-actions")], False,
            "name the check", id="nothing at all",
        ),
        pytest.param(
            {"commits": (), "required": (), "workflows": None}, [("ci", "github-actions")], False,
            "name the check", id="workflows unreadable",
        ),
    ],
)  # fmt: skip
def test_checks(facts: dict[str, Any], expected: list[tuple[str, str]], sure: bool, said: str) -> None:
    rules, notes = propose_checks(repo(**facts))
    assert [(rule.name, rule.app) for rule in rules] == expected
    assert any(said in note.text for note in notes), notes
    assert sure == (not any(note.check for note in notes))


def test_two_apps_that_report_one_name_are_to_be_looked_at() -> None:
    both = tuple(
        replace(one, checks=(*(one.checks or ()), *(two.checks or ())))
        for one, two in zip(commits("test", "test"), commits("test", "test", app="ci-bot", event=None), strict=True)
    )
    rules, notes = propose_checks(repo(commits=both))
    assert {rule.app for rule in rules} == {"github-actions", "ci-bot"}
    assert marked(notes, "checks") == ["several apps report test; keep the one that counts"]


# ---- selection


TEST = (CheckRule("test", "github-actions"),)


@pytest.mark.parametrize(
    ("id", "seen", "expected", "sure"),
    [
        pytest.param("loader", repo(), "carry", False, id="stayed once while others moved"),
        pytest.param("core", repo(), "head", True, id="moved from spec to spec"),
        pytest.param("new", repo(), "head", True, id="in no spec"),
        pytest.param("new", repo(commits=commits("test!", "test!", "test")), "latest-green", False, id="mostly red"),
        pytest.param("new", repo(commits=commits("test!", "test", "test")), "head", True, id="red once"),
        pytest.param("new", repo(commits=None), "head", True, id="checks unreadable"),
    ],
)
def test_selection(id: str, seen: RepoSeen, expected: str, sure: bool) -> None:
    select, notes = propose_select(seen, id, TEST, specs())
    assert (select, not any(n.check for n in notes)) == (expected, sure)


def test_a_repository_without_new_commits_is_not_carried() -> None:
    """Nothing says that it was left behind on purpose: there was nothing else to release."""
    pin = next(r.sha for r in specs()[0].repos if r.id == "loader")
    assert propose_select(repo(head=pin), "loader", TEST, specs())[0] == "head"
    assert propose_select(repo(), "loader", TEST, specs()[:1])[0] == "head"
    assert propose_select(repo(), "loader", TEST, specs()[1:])[0] == "head"


# ---- home


@pytest.mark.parametrize(
    ("repos", "expected", "sure"),
    [
        pytest.param([repo(), home()], "o/distribution", True, id="specs and publish.yml"),
        pytest.param([home(), repo("o/x", root=("ms-release.toml",))], "o/x", True, id="a configuration before all"),
        pytest.param([repo(), home("o/elsewhere")], "o/elsewhere", True, id="any name"),
        pytest.param([home("o/a"), home("o/b")], "o/a", False, id="two that look alike"),
        pytest.param([repo(), repo("o/releases", workflows=())], "o/releases", False, id="only its name"),
        pytest.param([repo(), repo("o/app", workflows=(RELEASE,))], None, False, id="a tag publishes: no home"),
        pytest.param([repo()], None, False, id="none"),
        pytest.param([], None, False, id="nothing"),
        pytest.param([repo(workflows=None, root=None)], None, False, id="unreadable"),
    ],
)
def test_home(repos: list[RepoSeen], expected: str | None, sure: bool) -> None:
    found, note = find_home(OrganisationSeen("o", tuple(repos)))
    assert ((found.slug if found else None), not note.check) == (expected, sure)


def test_a_home_that_is_left_out_is_told() -> None:
    left = (LeftOut("o/distribution", "it is empty"),)
    assert "o/distribution is left out: it is empty" in find_home(OrganisationSeen("o", (repo(),), left))[1].text


def test_papers_are_the_configuration_and_the_newest_specs_by_version() -> None:
    tags = tuple(f"v0.0.1-beta.{n}" for n in range(1, 17))
    seen = home(root=("ms-release.toml", "release-specs"), specs=(*tags, "draft", "v0.0.1"))
    newest = [f"v0.0.1-beta.{n}" for n in (16, 15, 14, 13)]
    assert list(paper_paths(seen)) == ["ms-release.toml", *(f"release-specs/{t}.json" for t in ("v0.0.1", *newest))]
    papers = read_papers(
        seen, {"ms-release.toml": "no =", "release-specs/v0.0.1-beta.16.json": (SPECS / f"{tags[15]}.json").read_text()}
    )
    assert (papers.config, [s.tag for s in papers.specs]) == (None, ["v0.0.1-beta.16"])
    assert len(papers.unread) == 5
    assert "o/distribution:ms-release.toml" in papers.unread[0]


# ---- components


def names(*repos: RepoSeen, papers: Papers | None = None) -> list[tuple[str, str, bool]]:
    seen = OrganisationSeen("petitechose-midi-studio", repos)
    found, _ = find_home(seen)
    return [(c.id, c.repo.slug, c.note.check) for c in find_components(seen, papers or Papers(), found)]


def test_components_are_what_has_a_candidate_workflow() -> None:
    plain = repo("o/site", workflows=(CI,))
    app = repo("o/manager", workflows=(CI, CANDIDATE, RELEASE), root=("package.json",))
    assert names(repo(), plain, app, home(), repo("o/.github")) == [("core", "o/core", False)]


def test_without_candidate_workflows_whatever_has_checks_is_offered() -> None:
    plain, bare = repo("o/site", workflows=(CI,)), repo("o/notes", workflows=(), commits=(), required=None)
    assert names(plain, bare, home()) == [("site", "o/site", True)]


def test_nothing_to_release_is_an_ending() -> None:
    with pytest.raises(BlockedError, match="none of its 2 readable repositories has checks"):
        names(repo("o/notes", workflows=(), commits=(), required=None), home())


def test_the_newest_spec_names_components_of_other_organisations_too() -> None:
    papers = Papers(specs=specs())
    loader = repo("petitechose-midi-studio/Loader")
    seen = OrganisationSeen("petitechose-midi-studio", (loader, home()))
    assert named_elsewhere(seen, papers) == (
        "open-control/bridge", "petitechose-midi-studio/core", "petitechose-midi-studio/plugin-bitwig",
    )  # fmt: skip
    found = names(repo("petitechose-midi-studio/tool"), loader, repo("open-control/bridge"), papers=papers)
    assert found == [
        ("loader", "petitechose-midi-studio/Loader", False),
        ("oc-bridge", "open-control/bridge", False),
        ("tool", "petitechose-midi-studio/tool", True),
    ]


def test_ids_are_words_and_differ() -> None:
    odd = [repo(f"o/{n}") for n in ("core", "con", "_core", "-x-")] + [repo("p/core"), repo("o/p-core")]
    assert [id for id, _, _ in names(*odd)] == ["core", "repo-con", "o-_core", "x-", "p-core", "o-p-core"]


# ---- candidates


@pytest.mark.parametrize(
    ("facts", "expected", "sure"),
    [
        pytest.param(
            {"workflows": (replace(CANDIDATE, visibility="draft"),)}, ("candidate.yml", "draft"), True, id="it says so"
        ),
        pytest.param(
            {"releases": (Release(2, "v1.0.0", False, False), Release(1, "rc-1", True, True))},
            ("candidate.yml", "draft"), True, id="as candidates were so far",
        ),
        pytest.param({}, ("candidate.yml", "prerelease"), False, id="public, nothing seen"),
        pytest.param({"private": True}, ("candidate.yml", "draft"), False, id="private, nothing seen"),
        pytest.param({"workflows": (CI,)}, ("candidate.yml", "prerelease"), False, id="no such workflow"),
        pytest.param({"workflows": None}, ("candidate.yml", "prerelease"), False, id="workflows unreadable"),
        pytest.param(
            {"workflows": (replace(CANDIDATE, inputs=("source_sha",), visibility="draft"),)},
            ("candidate.yml", "draft"), False, id="other inputs",
        ),
        pytest.param(
            {"workflows": (Workflow("candidate-x.yml", CANDIDATE.events), replace(CANDIDATE, file="build.yml"))},
            ("build.yml", "prerelease"), False, id="what it does counts before its name",
        ),
    ],
)  # fmt: skip
def test_candidate(facts: dict[str, Any], expected: tuple[str, str], sure: bool) -> None:
    rule, notes = candidate_rule(repo(**facts))
    assert ((rule.workflow, rule.visibility), not any(n.check for n in notes)) == (expected, sure)


# ---- the whole file


def test_an_ordinary_organisation() -> None:
    release = Environment("release", ("o/release-managers",), True, False, ("main",))
    details = Details(
        {"o/distribution": (release,)},
        {"o/core": built("o/core", "fw.hex", "tool-linux-x86_64", "tool-macos-arm64")},
        ("maintainers", "release-managers", "writers"),
    )
    proposal = proposed(repo(), home(), repo("o/site", workflows=(CI,)), details=details)
    config = read(proposal)
    assert (config.config.home, config.forge.url) == ("o/distribution", "https://github.com")
    assert [(r.id, r.slug, r.select) for r in config.repos] == [
        ("core", "o/core", "head"), ("distribution", "o/distribution", "head"),
    ]  # fmt: skip
    product = config.products[0]
    assert (product.environment, product.workflow, product.repos) == ("release", "publish.yml", ("core",))
    assert [(a.source, a.os, a.arch) for a in product.assets] == [
        ("core/fw.hex", None, None), ("core/tool-linux-x86_64", "linux", "x86_64"),
        ("core/tool-macos-arm64", "macos", "arm64"),
    ]  # fmt: skip
    assert [(s.os, s.assets) for s in product.install_sets] == [
        ("linux", ("fw.hex", "tool-linux-x86_64")), ("macos", ("fw.hex", "tool-macos-arm64")),
    ]  # fmt: skip
    assert (config.roles.maintainers, config.roles.release_managers) == ("o/maintainers", "o/release-managers")
    assert [text.partition(":")[0] for text in proposal.to_check] == [
        "core candidate", "manifest_key", "install_sets",
    ]  # fmt: skip
    assert "# - o/site: it has no candidate workflow" in toml(proposal)


def test_a_real_history_of_specs_becomes_bundles_and_install_sets() -> None:
    org = "petitechose-midi-studio"
    repos = (repo(f"{org}/loader"), repo("open-control/bridge"), repo(f"{org}/core"), repo(f"{org}/plugin-bitwig"))
    platforms = ("windows-x86_64.exe", "macos-x86_64", "macos-arm64", "linux-x86_64")
    candidates = {
        f"{org}/loader": built(f"{org}/loader", *(f"midi-studio-loader-{p}" for p in platforms)),
        "open-control/bridge": built("open-control/bridge", *(f"oc-bridge-{p}" for p in platforms), "oc-bridge.toml"),
        f"{org}/core": built(f"{org}/core", "midi-studio-default-firmware.hex"),
    }
    proposal = proposed(*repos, home(), papers=Papers(specs=specs()), details=Details({}, candidates))
    product = read(proposal).products[0]
    assert product.repos == ("loader", "oc-bridge", "core", "plugin-bitwig")
    assets = {a.id: a for a in product.assets}
    assert [(m.path, m.source) for m in assets["bundle-windows-x86_64"].members] == [
        ("bin/midi-studio-loader.exe", "loader/midi-studio-loader-windows-x86_64.exe"),
        ("bin/oc-bridge.exe", "oc-bridge/oc-bridge-windows-x86_64.exe"),
        ("bin/oc-bridge.toml", "oc-bridge/oc-bridge.toml"),
    ]
    assert assets["firmware-default"].source == "core/midi-studio-default-firmware.hex"
    assert assets["bitwig-extension"].source == "plugin-bitwig/midi_studio.bwextension"
    assert len(product.install_sets) == len(specs()[0].install_sets)
    unsure = [text for text in proposal.to_check if text.startswith("assets: ")]
    assert [text.split(": ")[1] for text in unsure] == [
        "bundle-windows-x86_64", "bundle-macos-x86_64", "bundle-macos-arm64", "bundle-linux-x86_64",
        "firmware-bitwig", "bitwig-extension",
    ]  # fmt: skip


def test_what_the_home_repository_says_already_is_kept() -> None:
    papers = Papers(config=configuration.parse(TOML))
    repos = (repo("studio/loader"), repo("studio/core"), home("studio/distribution"))
    config, before = read(proposed(*repos, papers=papers)), papers.config
    assert before is not None
    assert [(r.id, r.select) for r in config.repos] == [(r.id, r.select) for r in before.repos]
    assert config.products[0].assets == before.products[0].assets
    assert config.products[0].install_sets == before.products[0].install_sets
    assert config.policy.manifest_key == before.policy.manifest_key
    gone = proposed(repo("studio/core"), home("studio/distribution"), papers=papers)
    assert read(gone).products[0].assets != before.products[0].assets


def test_without_home_a_name_for_it_is_proposed() -> None:
    proposal = proposed(repo(), left_out=(LeftOut("o/distribution", "archived"),))
    config = read(proposal)
    assert (config.config.home, config.home(config.products[0]).checks) == ("o/distribution", (NO_CHECK,))
    assert any(text.startswith("home: no repository holds") for text in proposal.to_check)


def test_another_forge_is_named() -> None:
    config = read(proposed(repo(), home(), server="https://git.example"))
    assert (config.forge.url, config.repos[0].url) == ("https://git.example", "https://git.example/o/core")


@pytest.mark.parametrize(
    ("environments", "teams", "said"),
    [
        pytest.param(None, None, {"environment: it could not be read", "maintainers: the teams"}, id="unread"),
        pytest.param((), (), {"environment: it does not exist yet", "release_managers: no team"}, id="nothing there"),
        pytest.param(
            (Environment("release", (), None, None, None),), (), {"environment: it has no required"}, id="unguarded"
        ),
        pytest.param(
            (Environment("release", ("bob",), None, None, None),), ("maintainers", "release-team"),
            {"release_managers: release is reviewed by bob"}, id="a person reviews",
        ),
    ],
)  # fmt: skip
def test_what_is_not_sure_about_people_is_marked(
    environments: tuple[Environment, ...] | None, teams: tuple[str, ...] | None, said: set[str]
) -> None:
    proposal = proposed(repo(), home(), details=Details({"o/distribution": environments}, {}, teams))
    read(proposal)
    assert [one for one in said if not any(text.startswith(one) for text in proposal.to_check)] == []


def test_an_app_is_told_and_not_configured() -> None:
    proposal = proposed(repo(), home(), repo("o/manager", workflows=(CI, RELEASE), root=("package.json", "src-tauri")))
    assert [(a.id, a.environment, a.workflow, a.trigger) for a in proposal.apps] == [
        ("manager", "app-release", "release.yml", "tag")
    ]
    assert [p.kind for p in read(proposal).products] == ["content"]
    assert "# o/manager looks like a product of its own" in toml(proposal)
    assert "o/manager" not in {one.slug for one in proposal.left_out}


def test_two_candidates_with_one_file_name_cannot_both_be_published() -> None:
    details = Details({}, {"o/a": built("o/a", "tool.zip"), "o/b": built("o/b", "Tool.zip")})
    proposal = proposed(repo("o/a"), repo("o/b"), home(), details=details)
    assert [a.source for a in read(proposal).products[0].assets] == ["a/tool.zip"]
    assert "assets: b/Tool.zip is left out: a/tool.zip has the same name" in proposal.to_check


def test_a_component_without_a_candidate_gets_a_place_to_fill_in() -> None:
    proposal = proposed(repo("o/a"), repo("o/b"), home(), details=Details({}, {"o/a": built("o/a", "tool.zip")}))
    assert [a.source for a in read(proposal).products[0].assets] == ["a/tool.zip", "b/b.zip"]
    assert any(text.startswith("assets: b: no candidate shows") for text in proposal.to_check)


# ---- hostile text


HOSTILE = [
    "a\nb = 1",
    'x"\n[policy]',
    "\u202eevil",
    "\x1b[31mred",
    "'''",
    "\\u0041\\",
    "\x00",
    "\x85[roles]",
    "𝔘\ud800",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_names_stay_values(text: str, tally: Any) -> None:
    check = (Commit("a" * 40, "s", checks=(Check(text, text, "completed", "success", 1, 1, "push", "main"),)),)
    tool = repo(
        commits=check, required=None, branch=text,
        workflows=(replace(CANDIDATE, inputs=(text,)), CI), broken_workflows=(text,),
    )  # fmt: skip
    guarded = home(
        workflows=(replace(PUBLISH, jobs=(Job("x", text),), inputs=(text,)),), required=(text,), commits=None
    )
    left = (LeftOut(text, text),)
    proposal = proposed(tool, guarded, details=Details({}, {}, (text,), (text,)), left_out=left)
    config = read(proposal)
    shown = text.encode("utf-8", "replace").decode()
    assert (config.repos[0].branch, config.repos[0].checks[0].name) == ("main", shown)
    assert any(note.startswith("core branch: its default branch") for note in proposal.to_check)
    assert config.products[0].environment == shown
    assert [c for c in toml(proposal) if not c.isprintable() and c != "\n"] == []
    assert config.policy.manifest_key == NO_KEY
    tally("hostile samples: names in a proposed configuration", 1)


@given(st.text())
def test_every_string_is_read_back_as_it_was(text: str) -> None:
    line = string(text)
    assert tomllib.loads(f"x = {line}")["x"] == text
    assert line.isprintable()


@given(st.text())
def test_no_comment_ends_early(text: str) -> None:
    assert all(line.startswith("# ") and line == terminal_line(line) for line in comment(text))
    assert tomllib.loads("\n".join(comment(text, check=True))) == {}


# ---- workflow files


FULL = """\
name: Candidate
on:
  workflow_dispatch:
    inputs:
      sha: { required: true }
      tag:
  push:
    tags: ["v*"]
jobs:
  build:
    strategy: { matrix: { os: [a, b] } }
  named: { name: "Build it", environment: { name: release, url: x } }
  guarded:
    environment: app
    steps:
      - run: ms-release candidate build --dir dist --visibility draft
  unknown: { name: "x ${{ inputs.sha }}", environment: "${{ inputs.env }}" }
"""


def test_a_workflow_file_says_what_starts_it_and_what_guards_it() -> None:
    found = read_workflow("candidate.yml", FULL)
    assert found is not None
    assert (found.events, found.inputs, found.push_tags) == (("workflow_dispatch", "push"), ("sha", "tag"), ("v*",))
    assert [(job.name, job.environment) for job in found.jobs] == [
        (None, ""), ("Build it", "release"), ("guarded", "app"), (None, ""),
    ]  # fmt: skip
    assert (found.environments, found.builds_candidate, found.visibility) == (("release", "app"), True, "draft")


@pytest.mark.parametrize(
    ("on", "events"),
    [("push", ("push",)), ("[push, pull_request]", ("push", "pull_request")), ("{push: }", ("push",)), ("7", ("7",))],
)
def test_triggers_have_three_forms(on: str, events: tuple[str, ...]) -> None:
    found = read_workflow("ci.yml", f"on: {on}\njobs: {{test: {{}}}}")
    assert found is not None
    assert found.events == events


BROKEN = [
    "", "[", "just text", "jobs: 7", "on: push", "a: &a [*a]", "x: !!python/object:os.system {}\njobs: {}", "- " * 9000,
    "[" * 9000, "jobs: {a: 1}\nx: *none", "? [a, b]\n: c", "#" * (MAX_CHARACTERS + 1), "jobs:\n\t- x",
]  # fmt: skip


@pytest.mark.parametrize("text", BROKEN, ids=[ascii(text[:20]) for text in BROKEN])
def test_a_file_that_is_no_workflow_is_none(text: str, tally: Any) -> None:
    found = read_workflow("x.yml", text)
    assert found is None or found.jobs == ()
    tally("hostile samples: workflow files", 1)


@pytest.mark.parametrize("name", ["a b.yml", "-x.yml", "con.yml", "\u202e.yml", "a/b.yml"], ids=ascii)
def test_a_file_whose_name_no_system_takes_is_none(name: str) -> None:
    assert read_workflow(name, FULL) is None


def test_what_stayed_twice_is_carried_for_sure() -> None:
    newest, before = specs()[:2]
    loader = next(r for r in newest.repos if r.id == "loader")
    older = replace(before, repos=tuple(loader if r.id == "loader" else replace(r, sha="e" * 40) for r in before.repos))
    select, notes = propose_select(repo(), "loader", TEST, (newest, before, older))
    assert (select, notes[0].check) == ("carry", False)


@pytest.mark.parametrize("value", ["7", "[]", "{}", "~", "[[x]]", "{a: {b: [c]}}"])
def test_odd_values_in_a_workflow_are_no_facts(value: str) -> None:
    text = f"on: {{workflow_dispatch: {{inputs: {value}}}, push: {{tags: {value}}}}}\n"
    found = read_workflow("x.yml", f"{text}jobs: {{a: {value}, b: {{name: {value}, environment: {value}}}}}")
    assert found is not None
    assert len(found.jobs) == 2
