"""Bad input of every command: one sentence of cause, one remedy, the documented exit code, no write, no traceback."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import CONFIG, HOME, ORG, TOKENS, Organisation, Typed
from ms_release.cli import reference
from ms_release.cli.main import root
from ms_release.core import strict_json

BETA = "--channel beta --auto"
NOWHERE = "0123456789abcdef0123456789abcdef01234567"
REPLACED = {"GITHUB_GRAPHQL_URL": None, "GITHUB_SERVER_URL": None}
SECRETS = ("alice-token", "carol-token", "unknown-token-text", *TOKENS)


@dataclass
class Case:
    """One command: words in `arguments` may be `{name}` of `names`; `says` is in the cause."""

    arguments: str
    exit: int
    says: str
    env: dict[str, str | None] = field(default_factory=dict)
    arrange: Callable[[Path, bytes], object] = lambda folder, plan: None
    more: tuple[str | bytes, ...] = ()
    """Arguments with spaces or worse in them."""
    who: str = "alice"
    shows: bool = False
    """Whether the answer is printed all the same: a plan that a gate blocks."""


# ---- how a case changes the directory that it is typed in


def config(old: str, new: str) -> Callable[[Path, bytes], object]:
    def change(folder: Path, plan: bytes) -> None:
        text = (folder / CONFIG).read_text()
        assert old in text
        (folder / CONFIG).write_text(text.replace(old, new, 1))

    return change


def file(name: str, data: bytes) -> Callable[[Path, bytes], object]:
    return lambda folder, plan: (folder / name).write_bytes(data)


def plan(change: Callable[[bytes], bytes]) -> Callable[[Path, bytes], object]:
    return lambda folder, plan: (folder / "p").write_bytes(change(plan))


def resealed(**changes: Any) -> Callable[[Path, bytes], object]:
    """A plan that somebody edited and gave a new digest."""

    def change(data: bytes) -> bytes:
        document = json.loads(data)
        document["plan"] |= changes
        return json.dumps({**document, "digest": strict_json.digest(document["plan"])}).encode()

    return plan(change)


def pinned(sha: str) -> Callable[[Path, bytes], object]:
    def change(data: bytes) -> bytes:
        document = json.loads(data)
        document["plan"]["pins"][0]["sha"] = sha
        return json.dumps({**document, "digest": strict_json.digest(document["plan"])}).encode()

    return plan(change)


COMMAND_LINE = {
    "unknown repository": Case(f"plan {BETA} --repo nope={NOWHERE}", 2, "'nope' is not a repository"),
    "unknown repository in --ref": Case(f"plan {BETA} --ref nope=main", 2, "'nope' is not a repository"),
    "repository twice": Case(f"plan {BETA} --repo core={NOWHERE} --repo core={NOWHERE}", 2, "--repo"),
    "repository without a commit": Case(f"plan {BETA} --repo core", 2, "'core' is not ID=VALUE"),
    "malformed SHA": Case(f"plan {BETA} --repo core=HEAD", 2, "core='HEAD'"),
    "short SHA": Case(f"plan {BETA} --repo core={NOWHERE[:12]}", 2, NOWHERE[:12]),
    "SHA in capitals": Case(f"plan {BETA} --repo core={NOWHERE.upper()}", 2, NOWHERE.upper()),
    "SHA with a newline": Case(f"plan {BETA}", 2, r"\n' is not a full", more=("--repo", f"core={NOWHERE}\n")),
    "unknown SHA": Case(f"plan {BETA} --repo core={NOWHERE}", 2, f"{ORG}/core has no commit {NOWHERE}"),
    "SHA of another repository": Case(f"plan {BETA} --repo core={{loader}}", 2, "core has no commit {loader}"),
    "SHA on another branch": Case(f"plan {BETA} --repo core={{side}}", 3, "is not on main of midi-studio/core"),
    "red SHA": Case(f"plan {BETA} --repo core={{red}}", 3, "is not green (red: test concluded failure)"),
    "pending SHA": Case(f"plan {BETA} --repo loader={{pending}}", 4, "is pending"),
    "unknown branch": Case(f"plan {BETA} --ref core=nope", 3, "branch nope of midi-studio/core"),
    "a branch that is red": Case(f"plan {BETA} --ref core=side", 3, "core: the tip"),
    "bytes in an argument": Case(f"plan {BETA}", 2, "is not UTF-8", more=("--ref", b"core=\xff")),
    "channel nightly": Case("plan --auto --channel nightly", 2, "'nightly'"),
    "channel nightly, prepare": Case("prepare --auto --channel nightly", 2, "'nightly'"),
    "channel nightly, rehearse": Case("rehearse --channel nightly", 2, "'nightly'"),
    "no channel": Case("plan --auto", 2, "no channel"),
    "no channel, publish": Case("publish --auto", 2, "no channel"),
    "nothing to select": Case("plan --channel beta", 2, "no commit is named for loader"),
    "tag with a newline": Case(f"plan {BETA}", 2, r"'v0.1.0-beta.1\n'", more=("--tag", "v0.1.0-beta.1\n")),
    "tag with a space": Case(f"publish {BETA}", 2, "' v0.1.0-beta.1'", more=("--tag", " v0.1.0-beta.1")),
    "tag that is not above": Case(f"plan {BETA} --tag v0.0.0-beta.1", 2, "v0.0.0-beta.1 is not above"),
    "tag that skips one": Case(f"plan {BETA} --tag v0.1.0-beta.7", 2, "v0.1.0-beta.7 does not follow"),
    "tag that is taken": Case(f"plan {BETA} --tag v0.0.1-beta.1", 2, "v0.0.1-beta.1 is taken"),
    "beta tag on stable": Case("plan --channel stable --auto --tag v0.1.0-beta.1", 2, "not a version of the channel"),
    "tag and bump": Case(f"plan {BETA} --tag v0.1.0-beta.1 --bump minor", 2, "--tag and --bump"),
    "bump nonsense": Case(f"plan {BETA} --bump huge", 2, "'huge'"),
    "from nonsense": Case("plan --channel stable --from nonsense", 2, "'nonsense'"),
    "from a stable version": Case("plan --channel stable --from v1.0.0", 2, "v1.0.0 is no beta"),
    "from a beta that is not out": Case("plan --channel stable --from v9.9.9-beta.1", 2, "v9.9.9-beta.1 is no"),
    "from on beta": Case(f"plan {BETA} --from v0.1.0-beta.1", 2, "--from"),
    "notes missing": Case(f"plan {BETA} --notes-file n.md", 2, "n.md"),
    "notes binary": Case(f"plan {BETA} --notes-file n.md", 2, "n.md", arrange=file("n.md", b"\xff\x00\xfe")),
    "notes too big": Case(f"plan {BETA} --notes-file n.md", 2, "n.md", arrange=file("n.md", b"a" * 200_000)),
    "notes directory": Case(f"plan {BETA} --notes-file .", 2, "notes file ."),
    "unknown command": Case("relase", 2, "'relase'"),
    "unknown option": Case("status --loud", 2, "'--loud'"),
    "missing argument": Case("content approve", 2, "'TAG'"),
    "missing option": Case("candidate build --dir . --sha x --tag y", 2, "'--visibility'"),
    "too many arguments": Case("status now", 2, "now"),
    "approve nonsense": Case("content approve v1", 2, "'v1' is not a version tag"),
    "approve what is not planned": Case("content approve v9.9.9", 2, "holds no plan of v9.9.9"),
    "verify nonsense": Case("content verify latest", 2, "'latest'"),
    "verify what is not planned": Case("content verify v9.9.9", 2, "holds no plan of v9.9.9"),
    "verify nothing": Case("content verify --all", 2, "nothing is published"),
    "assemble without a digest": Case("content assemble v1.0.0", 2, "'--plan-digest'"),
    "assemble a short digest": Case("content assemble v1.0.0 --plan-digest abc --seal abc", 2, "'abc'"),
    "assemble outside a checkout": Case(f"content assemble v1.0.0 --plan-digest {'a' * 64} --seal b", 2, "checkout"),
    "promote outside a checkout": Case(f"content promote v1.0.0 --plan-digest {'a' * 64} --seal b", 2, "checkout"),
    "candidate of no job": Case(f"candidate build --dir . --sha {NOWHERE} --tag rc --visibility draft", 2, "RUN_ID"),
    "candidate of a malformed SHA": Case("candidate build --dir . --sha abc --tag rc --visibility draft", 2, "'abc'"),
    "candidate of no directory": Case(f"candidate build --dir x --sha {NOWHERE} --tag rc --visibility draft", 2, "'x'"),
    "candidate nowhere": Case("candidate verify", 2, "either a directory or --repo and --tag"),
    "candidate of no repository": Case("candidate verify --repo core --tag rc", 2, "'core'"),
    "candidate that is missing": Case("candidate verify --repo midi-studio/core --tag rc", 3, "no candidate rc"),
    "candidate elsewhere": Case("candidate fetch --repo midi-studio/nope --tag rc --out new", 5, "midi-studio/nope"),
    "candidates of no product": Case("candidate list --product app", 2, "'app'"),
    "world missing": Case("forge serve --data d --world w.toml", 2, "'w.toml'"),
    "world of nonsense": Case("forge serve --data d --world w.toml", 2, "w.toml", arrange=file("w.toml", b"[")),
    "world of bytes": Case("rehearse --world w.toml --keep k", 2, "w.toml", arrange=file("w.toml", b"\xff")),
    "data directory in use": Case("forge serve --data .", 2, ". is not empty"),
    "port out of range": Case("forge serve --data d --port 70000", 2, "70000"),
    "rehearse in a file": Case(f"rehearse --keep {CONFIG}", 2, CONFIG),
    "the token as an argument": Case("content approve alice-token", 2, "'***'"),
}  # fmt: skip

PLAN_FILES = {
    "plan missing": Case("prepare --plan p", 2, "there is no plan p"),
    "plan empty": Case("prepare --plan p", 2, "p is no plan", arrange=file("p", b"")),
    "plan not JSON": Case("publish --plan p", 2, "p is no plan", arrange=file("p", b"hello")),
    "plan truncated": Case("prepare --plan p", 2, "p is no plan", arrange=plan(lambda data: data[: len(data) // 2])),
    "plan edited": Case("prepare --plan p", 2, "p was changed after it was made",
                        arrange=plan(lambda data: data.replace(b'"channel": "beta"', b'"channel": "stable"'))),
    "plan with a key twice": Case("prepare --plan p", 2, "p is no plan",
                                  arrange=plan(lambda data: data.replace(b'"digest"', b'"schema": "x", "digest"', 1))),
    "plan of a newer schema": Case("publish --plan p", 2, "'ms-plan/v2'",
                                   arrange=plan(lambda data: data.replace(b"ms-plan/v1", b"ms-plan/v2"))),
    "plan of another channel": Case("prepare --plan p", 2, "'nightly'", arrange=resealed(channel="nightly")),
    "plan with a tag of the other channel": Case("prepare --plan p", 2, "v9.0.0", arrange=resealed(tag="v9.0.0")),
    "plan with a newline in its tag": Case("prepare --plan p", 2, "malformed", arrange=resealed(tag="v0.1.0\n")),
    "plan for another home": Case("publish --plan p", 2, "midi-studio/core", arrange=resealed(home="midi-studio/core")),
    "plan without gates": Case("publish --plan p", 2, "no gate judged it", arrange=resealed(gates=[])),
    "plan that a gate forbids": Case("publish --plan p", 3, "AUDIT x was FAIL", arrange=resealed(
        gates=[{"code": "AUDIT", "subject": "x", "outcome": "FAIL"}])),
    "plan without pins": Case("publish --plan p", 2, "its pins are not", arrange=resealed(pins=[])),
    "plan of other candidates": Case("publish --plan p", 2, "its candidates", arrange=resealed(candidates=[])),
    "plan of a malformed pin": Case("prepare --plan p", 2, "malformed", arrange=pinned("main")),
    "plan of an unknown pin": Case("prepare --plan p", 2, "is none of loader at", arrange=pinned(NOWHERE)),
    "plan of another product": Case("prepare --plan p", 2, "plan of app", arrange=resealed(product="app")),
    "plan and channel": Case("prepare --plan p --channel beta", 2, "already says", arrange=plan(bytes)),
    "plan and bump": Case("publish --plan p --bump minor", 2, "already says", arrange=plan(bytes)),
    "plan and other notes": Case("prepare --plan p --notes-file n", 2, "without these notes",
                                 arrange=lambda folder, data: [(folder / n).write_bytes(data) for n in ("p", "n")]),
    "plan is a directory": Case("prepare --plan .", 2, "plan . is no regular file"),
    "plan is a pipe": Case("prepare --plan p", 2, "plan p is no regular file",
                           arrange=lambda folder, data: os.mkfifo(folder / "p")),
    "plan is a link": Case("prepare --plan p", 2, "plan p is a link",
                           arrange=lambda folder, data: (folder / "p").symlink_to(CONFIG)),
}  # fmt: skip

CONFIGURATION = {
    "no configuration": Case(f"plan {BETA} --config c.toml", 2, "c.toml"),
    "no configuration, status": Case("status --config c.toml", 2, "c.toml"),
    "no configuration, list": Case("candidate list --config c.toml", 2, "c.toml"),
    "configuration is a directory": Case(f"plan {BETA} --config .", 2, "configuration . is no regular file"),
    "configuration is bytes": Case(f"plan {BETA}", 2, CONFIG, arrange=file(CONFIG, b"\xff")),
    "configuration is not TOML": Case(f"plan {BETA}", 2, CONFIG, arrange=file(CONFIG, b"x = [")),
    "key missing": Case(f"plan {BETA}", 2, "`manifest_key` (key policy)", arrange=config("manifest_key", "#")),
    "key unknown": Case("status", 2, "`colour`", arrange=config("[policy]", '[policy]\ncolour = "red"')),
    "key of another type": Case(f"plan {BETA}", 2, "got `int`", arrange=config('id = "content"', "id = 7")),
    "asset of nowhere": Case(f"plan {BETA}", 2, "nope/midi", arrange=config("core/midi", "nope/midi")),
    "product of nowhere": Case(f"plan {BETA}", 2, "'nope'", arrange=config('repos = ["loader"', 'repos = ["nope"')),
    "home that is no repository": Case(f"plan {BETA}", 2, "midi-studio/nope", arrange=config(HOME, f"{ORG}/nope")),
    "home of another name": Case(f"plan {BETA}", 5, "midi-studio/nope", arrange=lambda folder, data: (
        folder / CONFIG).write_text((folder / CONFIG).read_text().replace(HOME, f"{ORG}/nope"))),
    "component of another name": Case("status", 0, "", arrange=config(f"{ORG}/loader", f"{ORG}/nope")),
    "branch of another name": Case(f"plan {BETA}", 2, "has no branch trunk",
                                   arrange=config(f'/{HOME}"\nbranch = "main"', f'/{HOME}"\nbranch = "trunk"')),
    "configuration that differs": Case(f"prepare {BETA}", 3, "the local configuration differs",
                                       arrange=config("[config]", "# mine\n[config]")),
    "configuration that differs, publish": Case(f"publish {BETA}", 3, "the local configuration differs",
                                                arrange=config("[config]", "# mine\n[config]")),
}  # fmt: skip

FORGES = {
    "no token": Case(f"plan {BETA}", 5, "there is no token", env={"GH_TOKEN": None}),
    "no token, candidate": Case("candidate list", 5, "there is no token", env={"GH_TOKEN": None}),
    "token of strange characters": Case("status", 5, "GH_TOKEN", env={"GH_TOKEN": "alice-token\x7f\xe4"}),
    "unknown token": Case(f"plan {BETA}", 5, "Bad credentials", env={"GH_TOKEN": "unknown-token-text"}),
    "unknown token, prepare": Case(f"prepare {BETA}", 5, "credentials", env={"GH_TOKEN": "unknown-token-text"}),
    "expired token": Case("status", 5, "Bad credentials", env={"GH_TOKEN": "alice-expired-token"}),
    "token that only reads": Case(f"plan {BETA}", 3, "this token sees no protection", shows=True,
                                  env={"GH_TOKEN": "alice-read-only-token"}),
    "token that only reads, publish": Case(f"publish {BETA}", 3, "this token sees no protection",
                                           env={"GH_TOKEN": "alice-read-only-token"}),
    "forge down": Case(f"plan {BETA}", 6, "cannot reach 127.0.0.1:1",
                       env={**REPLACED, "GITHUB_API_URL": "http://127.0.0.1:1/api/v3"}),
    "forge down, publish": Case(f"publish {BETA}", 6, "cannot reach 127.0.0.1:1",
                                env={**REPLACED, "GITHUB_API_URL": "http://127.0.0.1:1/api/v3"}),
    "address of nonsense": Case("status", 2, "'nonsense'", env={**REPLACED, "GITHUB_API_URL": "nonsense"}),
    "address without TLS": Case("status", 2, "is not https",
                                env={**REPLACED, "GITHUB_API_URL": "http://forge.example/api/v3"}),
    "address with a password": Case("status", 2, "carries a user name",
                                    env={**REPLACED, "GITHUB_API_URL": "http://me:hunter22@127.0.0.1/api/v3"}),
    "two forges": Case("status", 2, "are two forges", env={"GITHUB_API_URL": "http://127.0.0.1:1/api/v3"}),
}  # fmt: skip

STRANGE = {
    "page": Case(f"plan {BETA}", 6, "it is text/html and not JSON"),
    "garbage": Case(f"plan {BETA}", 6, "it is damaged JSON"),
    "list": Case("status", 6, "it is not what is documented"),
    "odd": Case("status", 5, "cannot be read"),
    "old": Case("status", 6, "it does not understand what this program asks"),
    "forbidden": Case("status", 5, "this token may not read everything"),
    "elsewhere": Case("status", 6, "redirects to another host"),
    "echo": Case("status", 5, "refused the token"),
    "failure": Case(f"plan {BETA}", 6, "failed 3 times (status 500)"),
}
ANSWERS: dict[str, tuple[int, str, str]] = {
    "page": (200, "text/html", "<html><title>Sign in</title></html>"),
    "garbage": (200, "application/json", '{"data": {{{'),
    "list": (200, "application/json", "[1, 2]"),
    "odd": (200, "application/json", '{"data": {"viewer": 7, "home": 7}}'),
    "old": (200, "application/json",
            """{"errors": [{"message": "Field 'refUpdateRule' doesn't exist on type 'Ref'"}]}"""),
    "forbidden": (200, "application/json", '{"data": {"home": null}, "errors": [{"type": "FORBIDDEN", "path": ["home"],'
                                           ' "message": "Resource not accessible by personal access token"}]}'),
    "elsewhere": (307, "text/plain", ""),
    "echo": (401, "application/json", '{"message": "alice-token is not welcome"}'),
    "failure": (500, "text/plain", "out of order"),
}  # fmt: skip


# ---- typing them


@pytest.fixture(scope="session")
def names(organisation: Organisation) -> dict[str, str]:
    """Commits that something is wrong with, and a version that is taken."""
    store, side = organisation.server.forge.store, organisation.git("core", "commit-tree", "main^{tree}", "-m", "side")
    organisation.git("core", "update-ref", "refs/heads/side", side)
    organisation.git("distribution", "update-ref", "refs/tags/v0.0.1-beta.1", "main")
    pending = organisation.history("loader")[-1]
    (check,) = store.find("check_run", f"{ORG}/loader", head_sha=pending)
    store.put("check_run", check["id"], {**check, "status": "in_progress", "conclusion": None}, f"{ORG}/loader")
    red = organisation.git("core", "log", "main", "--format=%H", "--grep", "add a layout for Bitwig")
    return {"red": red, "pending": pending, "side": side, "loader": organisation.history("loader")[0]}


@pytest.fixture(scope="session")
def planned(organisation: Organisation, names: dict[str, str]) -> bytes:
    """A good plan."""
    folder = organisation.directory("planner")
    typed = organisation.type(folder, organisation.environment(), *f"plan {BETA} --out p --json".split())
    assert (typed.exit, typed.err, typed.effects) == (0, "", 0)
    return (folder / "p").read_bytes()


def is_clean(typed: Typed) -> None:
    """What holds of every ending."""
    told = typed.out + typed.err
    assert "Traceback" not in told
    assert "bug of ms" not in told
    assert "\x1b" not in told
    assert [secret for secret in (*SECRETS, "hunter22") if secret in told] == []


def ended_badly(case: Case, says: str, typed: Typed, effects: int = 0) -> str:
    """The cause, after everything about it was looked at."""
    is_clean(typed)
    assert (typed.exit, typed.effects) == (case.exit, effects), typed.err
    (verdict,) = typed.verdicts
    word, cause = verdict.split(": ", 1)
    assert word == ("waiting" if case.exit == 4 else "error")
    assert says in cause
    assert not re.search(r"[a-z]\. [A-Z]", cause), "more than one sentence"
    remedy, *command = typed.err[typed.err.index(verdict) + len(verdict) + 1 :].splitlines()
    assert remedy.startswith("  ")
    assert len(remedy) > 8
    people = [line for line in command if line.startswith("  to ")]
    assert not people or case.exit == 5 or "this token" in cause, "a right that is missing is somebody else's to give"
    command = [line for line in command if line not in people]
    assert len(command) <= 1
    assert all(line.startswith("  next: ") for line in command)
    return cause


def spelled(case: Case, names: dict[str, str]) -> tuple[list[str | bytes], str]:
    """The arguments, and what the cause must say."""
    words: list[str | bytes] = [word.format(**names) for word in case.arguments.split()]
    return words + list(case.more), case.says.format(**names) if "{" in case.says else case.says


def type_badly(case: Case, organisation: Organisation, folder: Path, data: bytes, names: dict[str, str]) -> None:
    case.arrange(folder, data)
    words, says = spelled(case, names)
    env = organisation.environment(case.who, **case.env)
    typed = organisation.type(folder, env, *words, "--json")
    assert case.exit == typed.exit, typed.err
    if case.exit:
        ended_badly(case, says, typed)
        document = typed.document
        assert document["schema"] == 1
        assert set(document) - {"escalations"} == {"schema", "error"} or case.shows
        assert set(document["error"]) == {"exit", "kind", "cause", "remedy", "next"}
        assert document["error"]["exit"] == case.exit
        assert document["error"]["remedy"]


def ended_badly_in_words(case: Case, organisation: Organisation, folder: Path, names: dict[str, str]) -> None:
    words, says = spelled(case, names)
    plain = organisation.type(folder, organisation.environment(case.who, **case.env), *words)
    ended_badly(case, says, plain)
    assert plain.out == "" or case.shows


ALL = {**COMMAND_LINE, **PLAN_FILES, **CONFIGURATION, **FORGES}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", ALL)
def test_bad_input_is_named_and_changes_nothing(
    name: str, organisation: Organisation, planned: bytes, names: dict[str, str], request: pytest.FixtureRequest
) -> None:
    folder = organisation.directory(re.sub(r"\W+", "-", name))
    type_badly(ALL[name], organisation, folder, planned, names)
    if list(ALL).index(name) % 2 == 0 and ALL[name].exit:  # for people, too: every other one, to save time
        ended_badly_in_words(ALL[name], organisation, folder, names)


@pytest.fixture(scope="session")
def strange() -> Iterator[str]:
    """A server that is no forge: the first part of the path says what it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, kind, body = ANSWERS[self.path.split("/")[1]]
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("location", "http://127.0.0.2:1/")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", STRANGE)
def test_a_forge_that_is_none(name: str, organisation: Organisation, strange: str) -> None:
    case = STRANGE[name]
    case.env = {**REPLACED, "GITHUB_API_URL": f"{strange}/{name}/api/v3"}
    type_badly(case, organisation, organisation.directory(f"strange-{name}"), b"", {})


def test_a_local_configuration_may_plan_and_is_marked(organisation: Organisation) -> None:
    folder = organisation.directory("marked")
    config("[config]", "# mine\n[config]")(folder, b"")
    typed = organisation.type(folder, organisation.environment(), *f"plan {BETA} --out p".split())
    assert (typed.exit, typed.effects) == (0, 0)
    assert "marked: the local configuration differs" in typed.out
    later = organisation.type(folder, organisation.environment(), "prepare", "--plan", "p")
    assert ended_badly(Case("", 3, ""), "p is blocked: CONFIG", later)


# ---- streams and signals


@pytest.mark.parametrize(
    ("redirected", "exit"), [("| head -0; exit ${PIPESTATUS[0]}", 141), (">&-", 0), ("2>&-", 0), (">/dev/full", 6)]
)
@pytest.mark.parametrize("words", ["plan --channel beta --auto", "status --json", "--help"])
def test_a_stream_that_takes_nothing(organisation: Organisation, redirected: str, exit: int, words: str) -> None:
    if "/dev/full" in redirected and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    folder = organisation.place / "streams"
    if not folder.exists():
        organisation.directory("streams")
    script = f'"{sys.executable}" -P -m ms_release release {words} {redirected}'
    ran = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=organisation.environment(), capture_output=True, text=True, check=False
    )
    is_clean(Typed(ran.returncode, ran.stdout, ran.stderr, 0))
    assert "Exception ignored" not in ran.stderr
    assert ran.returncode == exit or (exit == 141 and ran.returncode == 0)  # it may have written before head ended


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_a_poor_locale(organisation: Organisation, locale: dict[str, str | None]) -> None:
    folder = organisation.directory(f"locale-{len(locale)}")
    typed = organisation.type(folder, organisation.environment(**locale), *"plan --auto --channel beta --tag ü".split())
    assert ended_badly(Case("", 2, ""), "is not a version tag", typed)
    assert organisation.type(folder, organisation.environment(**locale), "content", "--help").exit == 0


@pytest.mark.parametrize(("env", "colored"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals_that_want_them(
    organisation: Organisation, env: dict[str, str | None], colored: bool
) -> None:
    parent, child = os.openpty()
    folder = organisation.directory(f"terminal-{'-'.join(env)}")
    typed = organisation.type(folder, organisation.environment(**env), "content", "approve", "v1", stderr=child)
    os.close(child)
    shown = os.read(parent, 65536).decode()
    os.close(parent)
    assert typed.exit == 2
    assert "error" in shown
    assert ("\x1b[" in shown) is colored


def test_in_actions_the_error_is_an_annotation(organisation: Organisation) -> None:
    folder = organisation.directory("actions")
    env = organisation.environment(GITHUB_ACTIONS="true")
    typed = organisation.type(folder, env, "content", "approve", "v1\n::stop-commands::x")
    assert typed.exit == 2
    assert re.fullmatch(r"::error::'v1\\n::stop-commands::x' is not a version tag\n", typed.out)


def read_until(running: subprocess.Popen[bytes], words: str) -> None:
    assert running.stderr is not None
    for line in running.stderr:
        if words in line.decode():
            return
    raise AssertionError(f"it never said {words!r}")


def test_interrupted_and_resumed(fresh: Organisation) -> None:
    folder, env = fresh.directory("here"), fresh.environment()
    words = ("prepare", *BETA.split(), "--watch")
    for after, number, code in (
        ("start candidate.yml", signal.SIGINT, 130),
        ("planned v0.1.0-beta.1", signal.SIGTERM, 143),
    ):
        running = fresh.start(folder, env, *words)
        read_until(running, after if code == 130 else "v0.1.0-beta.1")
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
        typed = Typed(running.returncode, out.decode(), err.decode(), 0)
        is_clean(typed)
        assert typed.exit == code
        assert typed.verdicts == [f"interrupted: stopped by {number.name}"]
    last = fresh.type(folder, env, *words)
    assert last.exit == 0, last.err
    verbs = [e["verb"] for e in fresh.server.forge.store.effects()]
    assert [verbs.count(verb) for verb in ("dispatch", "open_pull", "merge_pull")] == [4, 1, 1]


def test_what_somebody_without_the_right_to_merge_began_is_finished_by_another(fresh: Organisation) -> None:
    words = ("prepare", *BETA.split(), "--watch")
    carol = fresh.type(fresh.directory("carol"), fresh.environment("carol"), *words)
    is_clean(carol)
    assert carol.exit == 5, carol.err
    assert carol.verdicts == [f"error: this token may not merge #1 of {HOME}"]
    alice = fresh.type(fresh.directory("alice"), fresh.environment(), *words)
    assert alice.exit == 0, alice.err
    verbs = [e["verb"] for e in fresh.server.forge.store.effects()]
    assert [verbs.count(verb) for verb in ("dispatch", "open_pull", "merge_pull")] == [4, 1, 1]


def test_a_token_that_may_not_start_workflows(fresh: Organisation) -> None:
    """Its person may do everything: only the write shows that the token may not. Others go on with the rest."""
    store = fresh.server.forge.store
    body = store.get("token", "alice-token")
    assert body is not None
    rights = {"contents": "write", "pull_requests": "write", "actions": "read", "checks": "read"}
    store.put("token", "alice-token", {**body, "kind": "fine-grained", "permissions": rights})
    typed = fresh.type(fresh.directory("here"), fresh.environment(), "prepare", *BETA.split())
    opened = len(("branch", "commit", "pull request", "its check begins"))
    assert typed.effects in (opened, opened + 1)  # that check may have ended meanwhile
    cause = ended_badly(Case("", 5, ""), "this token may not start candidate.yml", typed, typed.effects)
    assert cause.endswith(f"{ORG}/loader")
    assert "actions: write" in typed.err


# ---- the shell


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ms release pl", {"plan"}),
        ("ms release content ap", {"approve"}),
        ("ms release plan --channel ", {"stable", "beta"}),
        ("ms release plan --chan", {"--channel"}),
        ("ms-release forge s", {"serve"}),
    ],
)
def test_the_shell_completes(tmp_path: Path, typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    entry, variable = words[0].replace("-", "_"), f"_{words[0].replace('-', '_').upper()}_COMPLETE"
    command = [sys.executable, "-P", "-c", f"from ms_release.cli.main import {entry}; {entry}()"]
    asked = {variable: "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **asked}
    ran = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert {line.partition(",")[2] for line in ran.stdout.split()} == offered
    script = subprocess.run(command, env={**env, variable: "bash_source"}, capture_output=True, text=True, check=True)
    assert f"{variable}=bash_complete" in script.stdout


def test_completing_a_group_imports_none_of_its_commands() -> None:
    program = (
        "import sys\n"
        "from ms_release.cli.main import release\n"
        "import click\n"
        "print(*[i.value for i in release.shell_complete(click.Context(release), '')])\n"
        "print(*sorted(m for m in sys.modules if m.startswith('ms_release.')))\n"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    offered, modules = ran.stdout.splitlines()
    assert {"plan", "status", "forge"} <= set(offered.split())
    assert modules.split() == ["ms_release.cli", "ms_release.cli.main", "ms_release.errors"]


def test_every_help_has_an_example() -> None:
    assert [c.command_path for c in reference.walk(root, "ms") if "Example" not in c.command.get_help(c)] == []
