"""Secrets in every byte that the program lets out: no canary in any encoding, whatever a forge echoes (faults F46)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import CONFIG, Organisation
from core.world import TOML
from hostile import seeds
from hostile.canary import CANARIES, KINDS, SEED, echoing, encodings, found, parts_of
from hostile.conftest import BETA, TESTS, type_guarded
from ms_release.adapters.redact import Redactor


def test_the_search_finds_every_form() -> None:
    for name, secret in CANARIES.items():
        for part in parts_of(secret):
            for kind, forms in encodings(part).items():
                for form in forms:
                    assert any(told.startswith(name) for told in found(f"x{form}y".encode())), (name, kind)


@pytest.mark.parametrize("name", CANARIES)
def test_the_redactor_masks_every_form(name: str) -> None:
    redactor = Redactor([CANARIES[name]])
    for part in parts_of(CANARIES[name]):
        for kind, forms in encodings(part).items():
            for form in forms:
                left = redactor.text(f"see {form} there")
                assert "***" in left, kind
                assert found(left.encode()) == [], kind
    assert found(redactor.text(f"https://me:{CANARIES[name]}@host/x").encode()) == []
    assert found(redactor.text(f"cannot read {CANARIES[name]!r}").encode()) == []


SHIM = """#!/bin/sh
{ printf '%s\\n' "$0" "$@"; env; printf '%s\\n' ----; } >>"$(dirname "$0")/children"
exec {real} "$@"
"""


def shims(folder: Path) -> str:
    """A PATH whose programs write down how they were started: argv and environment."""
    folder.mkdir()
    for name in ("git", "gh", "ssh", "openssl"):
        real = shutil.which(name) or "false"
        (folder / name).write_text(SHIM.replace("{real}", real))
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def swept(root: Path) -> list[str]:
    """The files below a directory that hold a canary."""
    return [
        f"{file.relative_to(root)}: {told}"
        for file in sorted(root.rglob("*"))
        if file.is_file() and not file.is_symlink()
        for told in found(file.read_bytes()) + found(file.name.encode())
    ]


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("plan", *BETA, "--out", "p", "-v"),
    ("plan", *BETA, "--json"),
    ("status", "--json"),
    ("prepare", *BETA),
    ("content", "approve", "v0.1.0-beta.1"),
    ("candidate", "fetch", "--repo", "o/n", "--tag", "rc-1", "--out", "new", "-v"),
    ("candidate", "list"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_forge_echoes_comes_out_nowhere(kind: str, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    path = shims(tmp_path / "bin")
    searched = 0
    with echoing(kind) as (url, asked):
        for number, words in enumerate(COMMANDS):
            folder = tmp_path / f"c{number}"
            folder.mkdir()
            (folder / CONFIG).write_text(TOML)
            env = {**CANARIES, "PATH": path, "GITHUB_API_URL": f"{url}/api/v3", "MS_DEBUG": "1"}
            env |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(folder / "summary")} if number % 2 else {}
            ended = type_guarded(folder, env, *words)
            assert found(ended.out) == []
            assert found(ended.err) == []
            assert b"bug of ms" not in ended.err
            searched += len(ended.out) + len(ended.err)
    assert asked
    assert all(headers.get("authorization") == f"Bearer {CANARIES['GH_TOKEN']}" for headers in asked)
    assert swept(tmp_path) == []
    searched += sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    tally("bytes searched for canary secrets", searched)


# ---- the real thing: a plan, and the commands of the publishing job, with every secret set


@pytest.fixture
def canary(organisation: Organisation) -> Organisation:
    """Alice also has the canary as her token."""
    store = organisation.server.forge.store
    token = store.get("token", "alice-token")
    assert token is not None
    for value in (CANARIES["GH_TOKEN"], CANARIES["MS_CANDIDATES_TOKEN"]):
        store.put("token", value, {**token, "token": value})
    return organisation


def test_good_commands_let_nothing_out(canary: Organisation, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    path = shims(tmp_path / "bin")
    url = canary.server.url
    env = {**CANARIES, "PATH": path, "GITHUB_API_URL": f"{url}/api/v3", "GITHUB_GRAPHQL_URL": f"{url}/api/graphql",
           "GITHUB_SERVER_URL": url, "GITHUB_REPOSITORY": "midi-studio/core", "GITHUB_RUN_ID": "1",
           "GITHUB_RUN_ATTEMPT": "1"}  # fmt: skip
    folder = tmp_path / "here"
    folder.mkdir()
    configuration = canary.git("distribution", "show", f"main:{CONFIG}") + "\n"
    (folder / CONFIG).write_text(configuration)
    (folder / "dist").mkdir()
    (folder / "dist" / "a.bin").write_bytes(b"x")
    sha = canary.history("core")[0]
    build = (
        "candidate",
        "build",
        "--dir",
        "dist",
        "--sha",
        sha,
        "--tag",
        "rc-of-another-name",
        "--visibility",
        "draft",
    )
    digest = "a" * 64
    codes = []
    for words in (
        ("plan", *BETA, "--out", "p", "-v"), ("plan", *BETA, "--json"), ("status",), ("candidate", "list", "--json"),
        build,
        ("candidate", "verify", "--repo", "midi-studio/core", "--tag", CANARIES["GH_TOKEN"]), ("content", "verify",
                                                                                               CANARIES["GH_TOKEN"]),
        ("plan", *BETA, "--config", CANARIES["GH_TOKEN"]), ("prepare", "--plan", CANARIES["GITHUB_TOKEN"]),
        ("content", "assemble", "v1.0.0", "--plan-digest", digest, "--seal", SEED),
    ):  # fmt: skip
        ended = type_guarded(folder, env, *words)
        codes.append(ended.exit)
        assert found(ended.out) == [], words
        assert found(ended.err) == [], words
    assert codes[:4] == [0, 0, 0, 0]
    assert swept(tmp_path) == []
    assert (folder / "p").exists()
    tally("bytes searched for canary secrets", sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file()))


def test_no_child_is_given_a_secret(tmp_path: Path) -> None:
    """In a checkout, where git is asked; and without a token, where gh is asked. gh may see its own variables alone."""
    path = shims(tmp_path / "bin")
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / CONFIG).write_text(TOML)
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    own = {name: value for name, value in CANARIES.items() if name.startswith("MS_")}
    digest = "a" * 64
    job = ("v1.0.0", "--plan-digest", digest, "--seal", digest)
    type_guarded(folder, {**CANARIES, "PATH": path}, "content", "promote", *job)
    type_guarded(folder, {**CANARIES, "PATH": path}, "content", "assemble", *job)
    type_guarded(folder, {**own, "PATH": path}, "status")
    told = (tmp_path / "bin" / "children").read_text()
    assert "rev-parse" in told
    assert "auth\ntoken" in told
    assert found(told.encode()) == []


CRASH = """
import os, sys, click
from ms_release.cli.main import run
@click.command()
def crash():
    secret = os.environ["GH_TOKEN"]
    raise RuntimeError(f"{secret} and {os.environ['MS_APP_KEY']!r} and {secret.encode().hex()}")
sys.exit(run(crash, [], "ms"))
"""


@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.parametrize("actions", ["", "true"])
def test_a_crash_lets_nothing_out(debug: str, actions: str, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **CANARIES, "MS_DEBUG": debug, "GITHUB_ACTIONS": actions,
           "PYTHONPATH": str(TESTS)}  # fmt: skip
    ran = subprocess.run([sys.executable, "-B", "-c", CRASH], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert ran.returncode == 1
    assert b"this is a bug of ms" in ran.stderr
    assert (b"Traceback" in ran.stderr) is bool(debug)
    assert found(ran.stdout) == []
    assert found(ran.stderr) == []
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_is_led_to_another_host_takes_no_token_there(tmp_path: Path) -> None:
    """The store of the assets is another place: it may be asked, but without a word about who asks."""
    with echoing("damaged") as (store, asked_there):
        asset = {**seeds.RELEASE["assets"][0], "size": 12, "digest": None}
        release = {**seeds.RELEASE, "assets": [asset, {**asset, "id": 10, "name": "checksums.txt"}]}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = b"" if "assets" in self.path else json.dumps([release]).encode()
                self.send_response(302 if not body else 200)
                for name, value in {"location": f"{store}/{CANARIES['GITHUB_TOKEN']}",
                                    "content-type": "application/json",
                                    "date": seeds.NOW, "content-length": str(len(body))}.items():  # fmt: skip
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder = tmp_path / "here"
        folder.mkdir()
        env = {**CANARIES, "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}/api/v3"}
        ended = type_guarded(folder, env, "candidate", "verify", "--repo", "o/n", "--tag", "rc-1")
        server.shutdown()
        server.server_close()
    assert ended.exit in (6, 7)
    assert asked_there
    assert all("authorization" not in headers for headers in asked_there)
    assert [told for headers in asked_there for told in found(json.dumps(headers).encode())] == []
    assert found(ended.out + ended.err) == []
    assert swept(tmp_path) == []
