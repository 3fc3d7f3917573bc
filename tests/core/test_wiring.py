"""The rules of workflow wiring: each with a file that breaks it and says so, beside one that keeps them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from ms_release import config
from ms_release.core.wiring import RULES, Role, judge, judge_file, role_of
from ms_release.core.wiring_jobs import is_pinned
from ms_release.core.workflow import parse
from ms_release.errors import DamagedError
from ms_release.forge import world

EXAMPLE = world.EXAMPLE.parent
PUBLISH = (EXAMPLE / "distribution/.github/workflows/publish.yml").read_text()
CANDIDATE = (EXAMPLE / "core/.github/workflows/candidate.yml").read_text()
CI = (EXAMPLE / "core/.github/workflows/ci.yml").read_text()
KNOWN = frozenset({"release", "app-release"})
ROLES = {
    "publish.yml": Role("o/home", "publish.yml", "release", KNOWN, ("tag", "plan", "seal")),
    "candidate.yml": Role("o/core", "candidate.yml", inputs=("sha", "tag"), environments=KNOWN),
    "ci.yml": Role("o/core", "ci.yml", environments=KNOWN),
}
GOOD = {"publish.yml": PUBLISH, "candidate.yml": CANDIDATE, "ci.yml": CI}
SHA = "0" * 40
PINNED = "checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
CHECKOUT = "      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1\n"
PROMOTE = "      - name: Promote\n"
LAST = "        run: ms-release content promote"
KEY = "          MS_MANIFEST_KEY: ${{ secrets.MS_MANIFEST_KEY }}\n"
BUILD = "        run: python3 build.py dist\n"

# rule, file, what is replaced, by what, words of the finding
BAD = [
    ("WIRE_DISPATCH", "publish.yml", "workflow_dispatch:", "workflow_call:", "no workflow_dispatch"),
    ("WIRE_DISPATCH", "publish.yml", "      seal:\n", "      stamp:\n", "takes no input seal"),
    ("WIRE_DISPATCH", "candidate.yml", "      sha:\n", "      commit:\n", "takes no input sha"),
    ("WIRE_DISPATCH", "candidate.yml", "      tag:\n        description: The tag of the candidate, rc-<sha>\n",
     "      tag:\n        type: string\n      os:\n", "requires the input os"),
    ("WIRE_GROUP", "publish.yml", "cancel-in-progress: false", "cancel-in-progress: true", "cancels the one in prog"),
    ("WIRE_GROUP", "publish.yml", "cancel-in-progress: false", "cancel-in-progress: ${{ inputs.tag != '' }}", "cancel"),
    ("WIRE_GROUP", "publish.yml", "group: publish", "group: publish-${{ inputs.tag }}", "one for each tag"),
    ("WIRE_GROUP", "publish.yml", "  queue: max\n", "", "no queue: max"),
    ("WIRE_GROUP", "publish.yml",
     "concurrency:\n  group: publish\n  cancel-in-progress: false\n  queue: max\n", "", "two publications"),
    ("WIRE_GROUP", "publish.yml", "    environment: release\n",
     "    environment: release\n    concurrency: { group: x, cancel-in-progress: true }\n", "job promote: a new run"),
    ("WIRE_ENVIRONMENT", "publish.yml", "    environment: release\n", "", "nobody is asked"),
    ("WIRE_ENVIRONMENT", "publish.yml", "    environment: release\n", "    environment: app-release\n", "nobody"),
    ("WIRE_ENVIRONMENT", "publish.yml", "    permissions:\n      contents: read\n",
     "    permissions:\n      contents: write\n", "job assemble can publish"),
    ("WIRE_ENVIRONMENT", "publish.yml", "    environment: release\n@@jobs:\n",
     "    environment: app-release\n@@jobs:\n  noop:\n    environment: release\n    steps: [{ run: 'true' }]\n",
     "stands behind app-release"),
    ("WIRE_ENVIRONMENT", "publish.yml", "    permissions:\n      contents: read\n",
     "    permissions:\n      contents: read\n      id-token: write\n", "job assemble can publish"),
    ("WIRE_ENVIRONMENT_NAME", "publish.yml", "environment: release\n", "environment: relaese\n", "is not release"),
    ("WIRE_ENVIRONMENT_NAME", "publish.yml", "environment: release\n", "environment: { name: Release }\n", "unprotec"),
    ("WIRE_ENVIRONMENT_NAME", "ci.yml", "  test:\n", "  test:\n    environment: app_release\n", "is not app-release"),
    ("WIRE_ENVIRONMENT_NAME", "publish.yml", "environment: release\n", "environment: ${{ inputs.tag }}\n", "whoever"),
    ("WIRE_VERIFY_KEY", "publish.yml", LAST,
     "        run: openssl pkey -in key -pubout > pub && ms-release content promote", "makes the public key"),
    ("WIRE_VERIFY_KEY", "publish.yml", KEY, KEY + "          MS_VERIFY_KEY: ${{ secrets.MS_MANIFEST_KEY }}\n",
     "MS_VERIFY_KEY is a secret that also signs"),
    ("WIRE_VERIFY_KEY", "publish.yml", KEY, "          MS_DIST_ED25519_PK: ${{ secrets.MS_DIST_ED25519_SK }}\n",
     "MS_DIST_ED25519_PK"),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT, f"      - uses: actions/cache@{SHA}\n{CHECKOUT}", "build restores a cac"),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT,
     f"      - uses: actions/setup-node@{SHA}\n        with: {{ cache: pnpm }}\n{CHECKOUT}", "actions/setup-node"),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT, f"      - uses: astral-sh/setup-uv@{SHA}\n{CHECKOUT}", "setup-uv"),
    ("WIRE_CACHE", "publish.yml", PROMOTE, f"      - uses: actions/cache/restore@{SHA}\n{PROMOTE}", "job promote"),
    ("WIRE_THIRD_PARTY", "publish.yml", PROMOTE, f"      - uses: tj/changed@{SHA}\n{PROMOTE}", "runs tj/changed"),
    ("WIRE_THIRD_PARTY", "publish.yml", PROMOTE, f"      - uses: ./local\n{PROMOTE}", "runs ./local"),
    ("WIRE_THIRD_PARTY", "publish.yml", LAST, "        run: npm ci && ms-release content promote", "“npm ci”"),
    ("WIRE_THIRD_PARTY", "publish.yml", LAST, "        run: curl -s //x | sh; ms-release content promote", "curl"),
    ("WIRE_THIRD_PARTY", "publish.yml", "    environment: release\n",
     f"    environment: release\n    container: img@sha256:{'a' * 64}\n", "the image img"),
    ("WIRE_THIRD_PARTY", "candidate.yml", "          TAG: ${{ inputs.tag }}\n        run: ",
     "          TAG: ${{ inputs.tag }}\n        run: pip install x && ", "“pip install”"),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        with: {{ t: '${{{{ secrets.NPM_TOKEN }}}}' }}\n{CHECKOUT}",
     "NPM_TOKEN and runs a/b"),
    ("WIRE_SECRETS", "ci.yml", "permissions:\n", "env: { T: '${{ secrets.T }}' }\npermissions:\n", None),
    ("WIRE_SHELL", "ci.yml", BUILD, "        run: echo ${{ github.event.pull_request.title }}\n", "title }}"),
    ("WIRE_SHELL", "ci.yml", BUILD, "        run: echo ${{ github.head_ref }}\n", "github.head_ref"),
    ("WIRE_SHELL", "ci.yml", BUILD, "        run: echo ${{ inputs.x }}\n", "inputs.x"),
    ("WIRE_SHELL", "ci.yml", BUILD,
     f"        uses: actions/github-script@{SHA}\n        with: {{ script: 'x(${{{{ inputs.x }}}})' }}\n", "inputs.x"),
    ("WIRE_SHELL", "candidate.yml", BUILD, "        run: echo ${{ github.sha }}\n", "github.sha"),
    ("WIRE_SHELL", "publish.yml", 'e "$TAG" --plan-digest', 'e "${{ inputs.tag }}" --plan-digest', "inputs.tag"),
    ("WIRE_PINS", "ci.yml", PINNED, "checkout@v7", "uses actions/checkout@v7"),
    ("WIRE_PINS", "ci.yml", PINNED, "checkout@3d3c42e", "@3d3c42e"),
    ("WIRE_PINS", "ci.yml", "  test:\n", "  called:\n    uses: o/r/.github/workflows/x.yml@main\n  test:\n", "@main"),
    ("WIRE_PINS", "ci.yml", "  test:\n", "  test:\n    container: ubuntu:24.04\n", "uses ubuntu:24.04"),
    ("WIRE_PERMISSIONS", "ci.yml", "permissions:\n  contents: read\n", "", "does not say its permissions"),
    ("WIRE_PERMISSIONS", "ci.yml", "  contents: read\n", "  contents: write\n", "every job may write contents"),
    ("WIRE_PERMISSIONS", "ci.yml", "permissions:\n  contents: read\n", "permissions: write-all\n", "everything"),
    ("WIRE_PERMISSIONS", "ci.yml", "  test:\n", "  test:\n    permissions: write-all\n", "job test may write every"),
    ("WIRE_TARGET", "ci.yml", "  pull_request:\n", "  pull_request_target:\n", None),
    ("WIRE_TARGET", "ci.yml", "  pull_request:\n@@persist-credentials: false\n",
     "  pull_request_target:\n@@ref: ${{ github.event.pull_request.head.sha }}\n", "fetches the head"),
    ("WIRE_DISPATCH", "candidate.yml", "      sha:\n", "      os: { required: false }\n      sha:\n", None),
    ("WIRE_GROUP", "publish.yml", "    environment: release\n",
     "    environment: release\n    concurrency: { group: x }\n", None),
    ("WIRE_ENVIRONMENT", "publish.yml", "          TAG: ${{ inputs.tag }}\n", f"{KEY}          TAG: x\n",
     "assemble can"),
    ("WIRE_ENVIRONMENT", "publish.yml", "      contents: read\n", "      contents: read\n      issues: write\n", None),
    ("WIRE_ENVIRONMENT_NAME", "ci.yml", "  test:\n", "  test:\n    environment: staging\n", None),
    ("WIRE_VERIFY_KEY", "publish.yml", KEY, KEY + "          MS_VERIFY_KEY: abc\n", None),
    ("WIRE_VERIFY_KEY", "publish.yml", KEY,
     KEY + "          A: ${{ secrets.GPG_KEY }}\n          PUBLIC_KEY: ${{ secrets.GPG_KEY }}\n",
     "PUBLIC_KEY is a secret"),
    ("WIRE_CACHE", "ci.yml", CHECKOUT, f"      - uses: actions/cache@{SHA}\n{CHECKOUT}", None),
    ("WIRE_CACHE", "ci.yml", CHECKOUT, f"      - uses: actions/setup-node@{SHA}\n{CHECKOUT}", None),
    ("WIRE_CACHE", "ci.yml", f"jobs:\n@@{CHECKOUT}",
     f"jobs:\n  signs:\n    env: {{ K: '${{{{ secrets.GPG_KEY }}}}' }}\n    steps:\n      - run: x\n"
     f"@@      - uses: actions/cache@{SHA}\n{CHECKOUT}", None),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT,
     f"      - uses: actions/setup-node@{SHA}\n        with: {{ cache: '' }}\n{CHECKOUT}", "setup-node"),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT,
     f"      - uses: actions/setup-node@{SHA}\n        with: {{ package-manager-cache: false }}\n{CHECKOUT}", None),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT, f"      - uses: Actions/Cache@{SHA}\n{CHECKOUT}", "build restores a cac"),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT,
     f"      - uses: gradle/actions/setup-gradle@{SHA}\n        with: {{ cache-disabled: true }}\n{CHECKOUT}", None),
    ("WIRE_CACHE", "candidate.yml", CHECKOUT, f"      - uses: gradle/actions/setup-gradle@{SHA}\n{CHECKOUT}", "gradle"),
    ("WIRE_THIRD_PARTY", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        env: {{ K: '${{{{ secrets.GPG_KEY }}}}' }}\n{CHECKOUT}", "runs a/b"),
    ("WIRE_THIRD_PARTY", "ci.yml", f"  test:\n@@{CHECKOUT}",
     f"  test:\n    environment: release\n@@      - uses: a/b@{SHA}\n{CHECKOUT}", "runs a/b"),
    ("WIRE_THIRD_PARTY", "ci.yml", f"  test:\n@@{CHECKOUT}",
     f"  test:\n    permissions: {{ contents: write }}\n@@      - uses: a/b@{SHA}\n{CHECKOUT}", None),
    ("WIRE_THIRD_PARTY", "candidate.yml", CHECKOUT, f"      - uses: a/b@{SHA}\n{CHECKOUT}", None),
    ("WIRE_THIRD_PARTY", "candidate.yml", f"      contents: read\n@@{CHECKOUT}",
     f"      contents: read\n      issues: write\n@@      - uses: a/b@{SHA}\n{CHECKOUT}", None),
    ("WIRE_THIRD_PARTY", "candidate.yml", "jobs:\n",
     f"jobs:\n  called:\n    permissions: {{ contents: write }}\n    uses: o/r/.github/workflows/x.yml@{SHA}\n",
     "runs o/r"),
    ("WIRE_SECRETS", "ci.yml", "jobs:\n",
     f"jobs:\n  called:\n    uses: o/r/.github/workflows/x.yml@{SHA}\n    secrets: inherit\n",
     "called has * and runs o/r"),
    ("WIRE_SECRETS", "ci.yml", f"permissions:\n@@{CHECKOUT}",
     f"env: {{ T: '${{{{ secrets.T }}}}' }}\npermissions:\n@@      - uses: a/b@{SHA}\n{CHECKOUT}", "job test has T"),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        with: {{ t: '${{{{ secrets.GITHUB_TOKEN }}}}' }}\n{CHECKOUT}", None),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        with: {{ t: '${{{{ toJSON(secrets) }}}}' }}\n{CHECKOUT}", "has * and"),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        with: {{ t: '${{{{ Secrets.npm_token }}}}' }}\n{CHECKOUT}", "has NPM_TOKEN"),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        with: {{ t: \"${{{{ join(secrets.*, ' ') }}}}\" }}\n{CHECKOUT}", "has * and"),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        with: {{ t: '${{{{ secrets.github_token }}}}' }}\n{CHECKOUT}", None),
    ("WIRE_SECRETS", "ci.yml", "  test:\n",
     f"  test:\n    container: img@sha256:{'a' * 64}\n    env: {{ T: '${{{{ secrets.T }}}}' }}\n", "the image img"),
    ("WIRE_VERIFY_KEY", "publish.yml", KEY,
     KEY + "          MS_VERIFY_KEY: ${{ secrets['MS_MANIFEST_KEY'] }}\n", "MS_VERIFY_KEY is a secret"),
    ("WIRE_THIRD_PARTY", "publish.yml", LAST,
     "        run: pnpm -C .sentinel install && ms-release content promote", "“pnpm -C”"),
    ("WIRE_THIRD_PARTY", "publish.yml", LAST, "        run: npm  --silent ci; ms-release content promote", "“npm --si"),
    ("WIRE_THIRD_PARTY", "publish.yml", LAST, "        run: sh -c \"$(curl x)\"; ms-release content promote", "“curl"),
    ("WIRE_THIRD_PARTY", "publish.yml", LAST, "        run: npm publish && ms-release content promote", None),
    ("WIRE_TARGET", "ci.yml", f"  pull_request:\n@@{BUILD}",
     "  issue_comment:\n@@        run: gh pr checkout 1\n", "fetches the head"),
    ("WIRE_TARGET", "ci.yml", "  pull_request:\n@@  test:\n",
     "  pull_request_target:\n@@  test:\n    env: { R: \"${{ GitHub['head_ref'] }}\" }\n", "fetches the head"),
    ("WIRE_SHELL", "ci.yml", BUILD, "        run: echo ${{ github.sha }} ${{ runner.os }}\n", None),
    ("WIRE_SHELL", "ci.yml", BUILD, "        run: echo ${{ matrix.os }}\n", "matrix.os"),
    ("WIRE_PERMISSIONS", "ci.yml", "permissions:\n  contents: read\n@@  test:\n",
     "@@  test:\n    permissions: { contents: read }\n", None),
    ("WIRE_PERMISSIONS", "candidate.yml", "permissions: {}\n@@    permissions:\n      contents: read\n", "@@",
     "does not say"),
    ("WIRE_TARGET", "ci.yml", "persist-credentials: false\n",
     "ref: ${{ github.event.pull_request.head.sha }}\n", None),
    ("WIRE_TARGET", "ci.yml", f"  pull_request:\n@@{BUILD}",
     "  pull_request_target:\n@@        run: git fetch origin refs/pull/1/head\n", "fetches the head"),
    ("WIRE_TARGET", "ci.yml", f"  pull_request:\n@@{BUILD}",
     f"  pull_request_target:\n@@        env: {{ R: '${{{{ github.head_ref }}}}' }}\n{BUILD}", "fetches the head"),
    ("WIRE_PINS", "ci.yml", "  test:\n", f"  test:\n    container: img@{SHA}\n", "uses img@"),
    ("WIRE_PINS", "ci.yml", "  test:\n", f"  test:\n    container: {{ image: 'img@sha256:{'a' * 64}' }}\n", None),
    ("WIRE_PINS", "ci.yml", "  test:\n", "  test:\n    services: { db: { image: 'db:1' } }\n", "uses db:1"),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT,
     f"      - uses: a/b@{SHA}\n        with: {{ t: \"${{{{ secrets['NPM_TOKEN'] }}}}\" }}\n{CHECKOUT}",
     "has NPM_TOKEN"),
    ("WIRE_SECRETS", "ci.yml", "jobs:\n",
     f"jobs:\n  called:\n    uses: o/r/.github/workflows/x.yml@{SHA}\n", None),
    ("WIRE_SECRETS", "ci.yml", CHECKOUT, f"      - uses: a/b@{SHA}\n        with: {{ t: inherit }}\n{CHECKOUT}", None),
    ("WIRE_TARGET", "ci.yml", f"  pull_request:\n@@{BUILD}",
     "  workflow_run:\n@@        run: gh pr checkout 1\n", "fetches the head"),
]  # fmt: skip


ALSO = {
    ("WIRE_ENVIRONMENT_NAME", "publish.yml"): {"WIRE_ENVIRONMENT"},
    ("WIRE_CACHE", "publish.yml"): {"WIRE_THIRD_PARTY"},
}
"""What else is broken then: without the right environment nobody is asked, and a cache is foreign."""


def broken(file: str, old: str, new: str) -> str:
    """A good file with a change, or several between @@."""
    text = GOOD[file]
    for before, after in zip(old.split("@@"), new.split("@@"), strict=True):
        assert before in text
        text = text.replace(before, after, 1)
    return text


@pytest.mark.parametrize("file", GOOD)
def test_the_example_keeps_every_rule(file: str) -> None:
    found = judge_file(ROLES[file], GOOD[file].encode())
    assert {f.outcome for f in found} == {"PASS"}
    assert len(found) == len({f.code for f in found})


@pytest.mark.parametrize(("code", "file", "old", "new", "words"), BAD, ids=lambda v: str(v)[:30])
def test_a_broken_rule_is_named(code: str, file: str, old: str, new: str, words: str | None) -> None:
    """With None: what looks alike, and is allowed."""
    found = judge_file(ROLES[file], broken(file, old, new).encode())
    failed = {f.code: f for f in found if f.outcome != "PASS"}
    if words is None:
        assert failed == {}
        return
    assert set(failed) == {code} | ALSO.get((code, file), set())
    assert failed[code].outcome == "FAIL"
    assert failed[code].subject == f"{ROLES[file].slug}:{file}"
    assert any(words in f.message for f in found if f.code == code), [f.message for f in found if f.code == code]
    assert failed[code].remedy


def test_every_rule_has_a_sample_that_breaks_it() -> None:
    assert {code for code, *_, words in BAD if words} == set(RULES)


def test_a_file_that_cannot_be_read_or_understood_is_unknown() -> None:
    for data in (None, b"on: [", b"{}", b"jobs: 7\non: push"):
        (only,) = judge_file(ROLES["ci.yml"], data)
        assert (only.code, only.outcome, bool(only.remedy)) == ("WIRE_FILE", "UNKNOWN", True)


def example() -> config.Config:
    text = (EXAMPLE / "distribution/ms-release.toml.tmpl").read_text().replace("@{url}", "https://forge.example")
    return config.parse(text)


def test_the_whole_example_organisation_is_clean() -> None:
    known = example()
    judged = 0
    for repo in known.repos:
        folder = EXAMPLE / repo.slug.partition("/")[2] / ".github/workflows"
        found = judge(known, repo, {file.name: file.read_bytes() for file in folder.iterdir()})
        judged += len(found)
        assert [f for f in found if f.outcome != "PASS"] == []
    assert judged > 60


def test_a_named_file_that_is_missing_fails() -> None:
    known = example()
    home = next(r for r in known.repos if r.slug == known.config.home)
    assert [(f.code, f.subject, f.outcome) for f in judge(known, home, {})] == [
        ("WIRE_FILE", f"{home.slug}:publish.yml", "FAIL")
    ]
    assert role_of(known, home, "publish.yml").environment == "release"
    assert not role_of(known, home, "ci.yml").releases


def test_a_file_that_nobody_can_start_is_told_once() -> None:
    found = judge_file(ROLES["publish.yml"], PUBLISH.replace("workflow_dispatch:", "workflow_call:").encode())
    assert [f.message for f in found if f.code == "WIRE_DISPATCH"] == [
        "it has no workflow_dispatch trigger: nobody can start it"
    ]


def test_a_job_that_says_no_rights_has_those_of_the_file() -> None:
    text = broken("publish.yml", "permissions: {}\n@@    permissions:\n      contents: read\n",
                  "permissions: { contents: write }\n@@")  # fmt: skip
    found = [f.message for f in judge_file(ROLES["publish.yml"], text.encode()) if f.outcome == "FAIL"]
    assert found == ["job assemble can publish, and has no environment", "every job may write contents"]


def test_what_a_file_is_says_the_configuration() -> None:
    known = example()
    home, core = (next(r for r in known.repos if r.slug == f"midi-studio/{name}") for name in ("distribution", "core"))
    reads = replace(core, candidate=replace(core.candidate, inputs=("oc-bridge", "loader")))
    assert role_of(known, core, "candidate.yml") == Role("midi-studio/core", "candidate.yml", inputs=("sha", "tag"))
    assert role_of(known, reads, "candidate.yml").inputs == ("sha", "tag", "oc-bridge_sha", "loader_sha")
    for repo, file in ((core, "publish.yml"), (home, "candidate.yml"), (core, "ci.yml")):
        found = role_of(known, repo, file)
        assert (found.publishes, found.releases, found.inputs) == (False, False, None)
    assert role_of(known, home, "publish.yml").inputs == ("tag", "plan", "seal")
    assert role_of(known, home, "ci.yml").environments == {"release"}
    assert [(f.subject, f.outcome) for f in judge(known, core, {})] == [("midi-studio/core:candidate.yml", "FAIL")]


@pytest.mark.parametrize(
    ("uses", "pinned"),
    [
        (f"a/b@{SHA}", True), (f"a/b/c@{SHA}", True), ("./x", True), (f"docker://x@sha256:{'a' * 64}", True),
        ("a/b@v1", False), ("a/b", False), (f"a/b@{SHA[1:]}", False), (f"a/b@{SHA}x", False), ("docker://x:1", False),
        (f"a/b@{'A' * 40}", False),
    ],
)  # fmt: skip
def test_only_what_cannot_change_is_pinned(uses: str, pinned: bool) -> None:
    assert is_pinned(uses) is pinned


# ---- the parser


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("on: push", "jobs must be"),
        ("jobs: {a: {steps: [{run: x}]}}", "names no event"),
        ("on: 7\njobs: {}", "jobs must be"),
        ("on: push\njobs: {a: {}}", "has no steps"),
        ("on: push\njobs: {a: {steps: []}}", "has no steps"),
        ("on: push\njobs: {a b: {steps: [{run: x}]}}", "cannot have that name"),
        ("on: push\njobs: {a: {steps: [{run: x, uses: y}]}}", "either run or uses"),
        ("on: push\njobs: {a: {needs: b, steps: [{run: x}]}}", "needs a job"),
        ("on: push\njobs: {a: {needs: a, steps: [{run: x}]}}", "needs a job"),
        ("on: push\njobs: {a: {needs: [[a]], steps: [{run: x}]}}", "a list of names"),
        ("on: push\njobs: {a: {permissions: [x], steps: [{run: x}]}}", "a mapping is expected"),
        ("on: push\njobs: {a: {environment: [x], steps: [{run: x}]}}", "a text is expected"),
        ("on: push\nconcurrency: {group: [x]}\njobs: {a: {steps: [{run: x}]}}", "wrong type"),
        ("on: {push: 7}\njobs: {a: {steps: [{run: x}]}}", "wrong type"),
        ("on: push\nOn: x\njobs: {a: {steps: [{run: x}]}}", "occurs twice"),
        ("on: push\nx: !!python/name:os.system\njobs: {a: {steps: [{run: x}]}}", "a tag"),
        ("on: push\na: &a [*a]\njobs: {}", "names nothing"),
        ("on: push\n---\non: push", "more than one document"),
        ("a: &a {x: 1}\nb: {<<: *a}", "merge key"),
        ("? [a]\n: b", "a key is no plain text"),
        ("[]", "no mapping"),
    ],
)
def test_what_github_would_not_run_is_refused(text: str, words: str) -> None:
    with pytest.raises(DamagedError) as told:
        parse(text.encode(), "x.yml")
    assert words in told.value.cause
    assert told.value.cause.startswith("x.yml")


def test_values_stay_what_is_written() -> None:
    text = """\
on: [push]
env: {A: 1.10, B: 'true', C: true, D: no, E: ~, F: 0x1f}
jobs: {a: {steps: &s [{run: x}]}, b: {steps: *s}}
"""
    found = parse(text.encode(), "x.yml")
    assert found.env == {"A": "1.10", "B": "true", "C": "true", "D": "no", "E": "", "F": "0x1f"}
    assert found.jobs[0].steps == found.jobs[1].steps


def test_the_programs_own_workflows_are_clean() -> None:
    file = Path(__file__).parents[2] / ".github/workflows/ci.yml"
    found = judge_file(Role("o/r", "ci.yml"), file.read_bytes())
    assert [f for f in found if f.outcome != "PASS"] == []
