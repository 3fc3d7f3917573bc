"""`candidate build|verify|fetch|list` as programs against the served forge: killed, repeated, in each other's way."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge.small_world import OPEN, Small, small_world
from ms_release.adapters.signing import public_of, verify
from ms_release.forge import git
from scenarios.prefork import loaded

FILES = {"firmware.hex": b":00000001FF\n", "map.txt": b"control 1\n", "tool-linux-x86_64": b"\x7fELF" + bytes(5000)}
SEED = base64.b64encode(bytes(range(32))).decode()
META = {"candidate.json", "checksums.txt"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Small]:
    with small_world(tmp_path / "forge") as small:
        yield small


class Producer:
    """A build job of `o/open` at one commit: its directory, its environment, its command."""

    def __init__(self, world: Small, place: Path, commit: str = "") -> None:
        self.world, self.place, self.run_id = world, place, 41
        self.sha = commit or world.heads[OPEN]
        self.tag = f"rc-{self.sha}"
        self.dist = place / "dist"
        self.fill(FILES)

    def fill(self, files: dict[str, bytes]) -> None:
        self.dist.mkdir(parents=True, exist_ok=True)
        for old in self.dist.iterdir():
            old.unlink()
        for name, data in files.items():
            (self.dist / name).write_bytes(data)

    def env(self, **more: str) -> dict[str, str]:
        self.run_id += 1
        url = self.world.url
        job = {"GITHUB_REPOSITORY": OPEN, "GITHUB_RUN_ID": str(self.run_id), "GITHUB_RUN_ATTEMPT": "2"}
        where = {"GITHUB_API_URL": f"{url}/api/v3", "GITHUB_GRAPHQL_URL": f"{url}/api/graphql"}
        home = {"HOME": str(self.place), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
        return {**job, **where, **home, "GITHUB_SERVER_URL": url, "GH_TOKEN": "job-token", **more}

    def command(self, visibility: str = "prerelease", *more: str) -> list[str]:
        ask = ["build", "--dir", str(self.dist), "--sha", self.sha, "--tag", self.tag, "--visibility", visibility]
        return [sys.executable, "-m", "ms_release", "release", "candidate", *ask, *more]

    def build(self, visibility: str = "prerelease", *more: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.command(visibility, *more), self.env(**env))

    def candidate(self, *words: str, token: str = "rita-token") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ms_release", "release", "candidate", *words]
        return self.run(command, self.env(GH_TOKEN=token))

    def run(self, command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """In the loaded program, which saves the start of a process."""
        order = command[command.index("release") :]
        env = {name: value for name, value in env.items() if name != "PYTHONPATH"}
        return subprocess.CompletedProcess(command, *loaded().begin(order, env, self.place).said())

    def releases(self) -> list[dict[str, Any]]:
        return self.world.forge.store.find("release", repo=OPEN)

    def assets(self) -> dict[str, dict[str, Any]]:
        return {a["name"]: a for a in self.world.forge.store.find("asset", repo=OPEN)}

    def bytes_of(self, name: str) -> bytes:
        return bytes(self.world.forge.blob(self.assets()[name]["blob"]).read_bytes())

    def prepare(self, body: str, *, draft: bool = True, files: dict[str, bytes] | None = None) -> int:
        """A release of this tag that somebody made before."""
        document = {
            "tag_name": self.tag,
            "draft": draft,
            "prerelease": True,
            "body": body,
            "target_commitish": self.sha,
        }
        made = self.world.rest("POST", f"/repos/{OPEN}/releases", json=document).json()
        for name, data in (files or {}).items():
            with self.world.client() as client:
                address = made["upload_url"].partition("{")[0]
                kind = {"content-type": "application/octet-stream"}
                assert client.post(address, params={"name": name}, content=data, headers=kind).status_code == 201
        return int(made["id"])

    @property
    def marker(self) -> str:
        return f"<!-- ms-candidate tag={self.tag} -->"

    def is_complete(self, *, draft: bool = False, files: dict[str, bytes] = FILES) -> None:
        (release,) = self.releases()
        assert (release["draft"], release["prerelease"]) == (draft, not draft)
        assert release["target_commitish"] == self.sha
        assert set(self.assets()) == {*files, *META}
        assert {name: self.bytes_of(name) for name in files} == files


@pytest.fixture
def producer(world: Small, tmp_path: Path) -> Producer:
    return Producer(world, tmp_path / "job")


def test_build_describes_ships_and_publishes_last(world: Small, producer: Producer) -> None:
    done = producer.build()
    assert done.returncode == 0, done.stderr
    producer.is_complete()
    verbs = world.verbs()
    assert verbs[:6] == ["create_release", *["upload_asset"] * 5]
    assert set(verbs[6:]) == {"create_tag", "publish_release", "update_release"}
    assert git.read_ref(world.forge.git_dir(OPEN), f"refs/tags/{producer.tag}") == producer.sha
    document = json.loads(producer.bytes_of("candidate.json"))
    assert document["schema"] == "ms-candidate/v1"
    assert (document["producer_repo"], document["workflow_file"]) == (OPEN, "candidate.yml")
    assert (document["run_id"], document["run_attempt"]) == (42, 2)
    assert document["inputs"]["repos"] == [{"id": "open", "repo": OPEN, "sha": producer.sha}]
    listed = {a["filename"]: (a["size"], a["sha256"]) for a in document["artifacts"]}
    assert listed == {n: (len(d), hashlib.sha256(d).hexdigest()) for n, d in FILES.items()}
    assert [a["filename"] for a in document["artifacts"]] == sorted(FILES)
    sums = "".join(f"{hashlib.sha256(FILES[n]).hexdigest()}  {n}\n" for n in sorted(FILES))
    assert producer.bytes_of("checksums.txt").decode() == sums
    assert {p.name for p in producer.dist.iterdir()} == {*FILES, *META}
    checked = subprocess.run(["sha256sum", "-c", "--quiet", "checksums.txt"], cwd=producer.dist, check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize("visibility", ["draft", "prerelease"])
def test_again_changes_nothing(world: Small, producer: Producer, visibility: str) -> None:
    assert producer.build(visibility).returncode == 0
    producer.is_complete(draft=visibility == "draft")
    before, manifest = world.verbs(), producer.bytes_of("candidate.json")
    again = producer.build(visibility, "--json")
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)["candidate"]
    assert report["performed"] == []
    assert report["message"].startswith("nothing to do")
    assert world.verbs() == before
    assert producer.bytes_of("candidate.json") == manifest


@pytest.mark.parametrize("kill_after", [2])
def test_killed_and_repeated(world: Small, producer: Producer, kill_after: int) -> None:
    """SIGKILL within a large upload; every other moment is tried in test_candidate_kills.py."""
    files = {**FILES, "zz-large.bin": bytes(24 << 20)}
    producer.fill(files)
    job = subprocess.Popen(producer.command(), env=producer.env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(world.verbs()) < kill_after and job.poll() is None:
        assert time.monotonic() < deadline
    job.send_signal(signal.SIGKILL)
    assert job.wait() == -signal.SIGKILL
    done = producer.build()
    assert done.returncode == 0, done.stderr
    producer.is_complete(files=files)
    assert world.verbs().count("create_release") == 1
    assert "delete_release" not in world.verbs()


@pytest.mark.parametrize(
    "there",
    [
        {},
        {"map.txt": FILES["map.txt"]},
        {"map.txt": b"other bytes\n"},
        {"firmware.hex": FILES["firmware.hex"], "candidate.json": b"{}"},
        {"stranger.bin": b"?", "checksums.txt": b"rubbish"},
    ],
    ids=["empty", "partly", "differing", "damaged", "strange"],
)
def test_our_incomplete_draft_is_completed(producer: Producer, there: dict[str, bytes]) -> None:
    number = producer.prepare(f"text\n\n{producer.marker}", files=there)
    before = producer.assets()
    done = producer.build()
    assert done.returncode == 0, done.stderr
    producer.is_complete()
    assert producer.releases()[0]["id"] == number
    kept = {n for n, d in there.items() if FILES.get(n) == d}
    assert {n for n, a in producer.assets().items() if a["id"] == before.get(n, {}).get("id")} == kept


def test_a_half_uploaded_asset_is_replaced(world: Small, producer: Producer) -> None:
    producer.prepare(producer.marker, files={"map.txt": FILES["map.txt"]})
    asset = producer.assets()["map.txt"]
    world.forge.store.put("asset", asset["id"], {**asset, "state": "starter", "digest": None}, OPEN)
    assert producer.build().returncode == 0
    producer.is_complete()
    assert producer.assets()["map.txt"]["id"] != asset["id"]


@pytest.mark.parametrize("draft", [True, False], ids=["draft", "published"])
def test_a_foreign_release_is_left_alone(world: Small, producer: Producer, draft: bool) -> None:
    number = producer.prepare("hand-made", draft=draft, files={"map.txt": b"theirs"})
    before = world.verbs()
    done = producer.build()
    assert done.returncode == 3
    assert f"release {number}" in done.stderr
    assert world.verbs() == before


def test_several_releases_block_and_are_named(world: Small, producer: Producer) -> None:
    numbers = [producer.prepare(producer.marker), producer.prepare(producer.marker)]
    before = world.verbs()
    done = producer.build()
    assert done.returncode == 3
    assert ", ".join(map(str, sorted(numbers))) in done.stderr
    assert world.verbs() == before


@pytest.mark.parametrize("visibility", ["draft", "prerelease"])
def test_a_finished_candidate_with_other_bytes_is_an_integrity_error(
    world: Small, producer: Producer, visibility: str
) -> None:
    assert producer.build(visibility).returncode == 0
    before = world.verbs()
    producer.fill({**FILES, "map.txt": b"control 2\n"})
    done = producer.build(visibility)
    assert done.returncode == 7
    assert "map.txt differs" in done.stderr
    assert world.verbs() == before


def test_the_tag_at_another_commit_blocks(world: Small, producer: Producer) -> None:
    git_dir = world.forge.git_dir(OPEN)
    parent = git.log(git_dir, producer.sha, 2)[1].sha
    git.update_ref(git_dir, f"refs/tags/{producer.tag}", parent, None)
    done = producer.build()
    assert done.returncode == 3
    assert parent[:12] in done.stderr
    assert world.verbs() == []


def test_signed_with_the_key(producer: Producer) -> None:
    assert producer.build(MS_CANDIDATE_KEY=SEED).returncode == 0
    signature = producer.bytes_of("candidate.json.sig").decode()
    verify(public_of(SEED), producer.bytes_of("candidate.json"), signature)


def test_the_workflow_file_is_part_of_the_identity(world: Small, producer: Producer) -> None:
    git_dir = world.forge.git_dir(OPEN)
    recipe = b"name: Candidate\n"
    who = git.Person("Carol", "carol@example.org", "2026-01-03T00:00:00Z")
    sha = git.commit_files(git_dir, producer.sha, {".github/workflows/rc.yml": recipe}, [], "ci: rc", who)
    git.update_ref(git_dir, "refs/heads/main", sha, producer.sha)
    other = Producer(world, producer.place / "other", sha)
    ref = f"{OPEN}/.github/workflows/rc.yml@refs/heads/main"
    assert other.build(GITHUB_WORKFLOW_REF=ref).returncode == 0
    document = json.loads((other.dist / "candidate.json").read_text())
    line = f".github/workflows/rc.yml\n{hashlib.sha256(recipe).hexdigest()}\n"
    assert document["workflow_file"] == "rc.yml"
    assert document["recipe_fingerprint"] == hashlib.sha256(line.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "data"), [("..hidden", b"x"), ("a..b", b"x"), ("empty.bin", b""), ("CON.txt", b"x"), ("Map.txt", b"x")]
)
def test_names_that_do_not_travel_are_refused_before_anything_is_written(
    world: Small, producer: Producer, name: str, data: bytes
) -> None:
    (producer.dist / name).write_bytes(data)
    done = producer.build()
    assert done.returncode == 2, done.stderr
    assert world.verbs() == []


def test_links_and_directories_are_refused(world: Small, producer: Producer) -> None:
    (producer.dist / "link").symlink_to("map.txt")
    assert producer.build().returncode == 2
    (producer.dist / "link").unlink()
    (producer.dist / "sub").mkdir()
    assert producer.build().returncode == 2
    assert world.verbs() == []


def test_usage(world: Small, producer: Producer) -> None:
    assert producer.build(GITHUB_RUN_ID="").returncode == 2
    producer.tag = "v1.0.0"
    assert producer.build().returncode == 2
    producer.tag = ""
    assert producer.build().returncode == 2
    assert producer.candidate("verify").returncode == 2
    assert world.verbs() == []


def test_a_token_without_the_right_says_so(world: Small, producer: Producer) -> None:
    done = producer.build(GH_TOKEN="rita-token")
    assert done.returncode == 5, done.stderr
    assert world.verbs() == []


# ---- verify and fetch


def test_verify_a_directory(producer: Producer) -> None:
    assert producer.build().returncode == 0
    assert producer.candidate("verify", "dist").returncode == 0
    (producer.dist / "map.txt").write_bytes(b"changed!!\n")
    (producer.dist / "extra").write_bytes(b"x")
    done = producer.candidate("verify", "dist")
    assert done.returncode == 7
    assert "map.txt has the sha256" in done.stdout
    assert "extra belongs to nothing" in done.stdout
    shown = json.loads(producer.candidate("verify", "dist", "--json").stdout)
    assert shown["error"]["exit"] == 7
    assert "map.txt" in shown["error"]["cause"]
    assert "extra" in shown["error"]["cause"]


def test_verify_on_the_forge(world: Small, producer: Producer) -> None:
    assert producer.build().returncode == 0
    ask = ("verify", "--repo", OPEN, "--tag", producer.tag)
    assert producer.candidate(*ask).returncode == 0
    for name in ("map.txt", "firmware.hex"):
        asset = producer.assets()[name]
        path = world.forge.blob(asset["blob"])
        path.write_bytes(path.read_bytes().swapcase())
    done = producer.candidate(*ask)
    assert done.returncode == 7
    assert "map.txt arrived with the sha256" in done.stdout
    assert "firmware.hex" in done.stdout
    assert list(producer.place.glob("ms-candidate-*")) == []


def test_verify_a_draft_needs_push_right(producer: Producer) -> None:
    assert producer.build("draft").returncode == 0
    ask = ("verify", "--repo", OPEN, "--tag", producer.tag)
    assert producer.candidate(*ask, token="carol-token").returncode == 0
    assert producer.candidate(*ask, token="rita-token").returncode == 3


def test_fetch_brings_everything_or_nothing(world: Small, producer: Producer) -> None:
    assert producer.build().returncode == 0
    ask = ("fetch", "--repo", OPEN, "--tag", producer.tag, "--out", "got")
    assert producer.candidate(*ask).returncode == 0
    got = producer.place / "got"
    assert {p.name: p.read_bytes() for p in got.iterdir()} == {n: producer.bytes_of(n) for n in (*FILES, *META)}
    assert producer.candidate(*ask).returncode == 0
    assert producer.candidate("verify", "got").returncode == 0
    (got / "map.txt").write_bytes(b"mine")
    assert producer.candidate(*ask).returncode == 2
    assert (got / "map.txt").read_bytes() == b"mine"

    asset = producer.assets()["map.txt"]
    world.forge.blob(asset["blob"]).write_bytes(b"control 9\n")
    done = producer.candidate(*ask[:-1], "other")
    assert done.returncode == 7
    assert "map.txt" in done.stderr
    assert sorted(p.name for p in producer.place.iterdir() if "other" in p.name) == []


def test_fetch_of_a_longer_file_stops_at_the_declared_size(world: Small, producer: Producer) -> None:
    assert producer.build().returncode == 0
    asset = producer.assets()["map.txt"]
    world.forge.blob(asset["blob"]).write_bytes(bytes(8 << 20))
    done = producer.candidate("fetch", "--repo", OPEN, "--tag", producer.tag, "--out", "got")
    assert done.returncode == 7
    assert not (producer.place / "got").exists()


# ---- list

CONFIG = """
[config]
schema = 1
home = "o/closed"
[[repo]]
id = "open"
url = "https://github.com/o/open"
checks = [{ name = "test", app = "robot" }]
candidate = { workflow = "candidate.yml", visibility = "prerelease" }
[[repo]]
id = "home"
url = "https://github.com/o/closed"
checks = [{ name = "test", app = "robot" }]
[[product]]
id = "content"
kind = "content"
repos = ["open"]
home = "home"
environment = "release"
workflow = "publish.yml"
[policy]
manifest_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
[roles]
maintainers = "o/crew"
release_managers = "o/crew"
"""


def green(world: Small, sha: str) -> None:
    store = world.forge.store
    robot = {"id": 77, "slug": "robot", "name": "Robot", "public_key": "", "installation_id": 1, "org": "o"}
    store.put("app", "robot", {**robot, "permissions": {}})
    suite, run = store.next_id("check_suite"), store.next_id("check_run")
    now = "2026-01-02T04:00:00Z"
    both = {"repo": OPEN, "head_sha": sha, "app": "robot", "status": "completed", "conclusion": "success"}
    body = {"id": suite, "head_branch": "main", "run_id": None, "event": None, "created_at": now}
    store.put("check_suite", suite, {**both, **body}, OPEN)
    body = {"id": run, "suite_id": suite, "name": "test", "run_id": None, "job_id": None}
    store.put("check_run", run, {**both, **body, "started_at": now, "completed_at": now}, OPEN)


def test_list_says_ready_missing_and_incomplete(world: Small, producer: Producer) -> None:
    commits = [c.sha for c in git.log(world.forge.git_dir(OPEN), producer.sha, 3)]
    for sha in commits[1:]:
        green(world, sha)
    ready = Producer(world, producer.place / "one", commits[1])
    assert ready.build().returncode == 0
    half = Producer(world, producer.place / "two", commits[2])
    half.prepare(half.marker, files={"map.txt": b"x"})
    (producer.place / "ms-release.toml").write_text(CONFIG)
    done = producer.candidate("list", "--json", token="carol-token")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["candidates"]
    assert [(r["sha"], r["tip"], r["state"], r["checks"]) for r in rows] == [
        (commits[0], True, "missing", "missing"),
        (commits[1], False, "ready", "green"),
        (commits[2], False, "incomplete", "green"),
    ]
    text = producer.candidate("list", token="carol-token").stdout
    assert commits[1][:12] in text
    assert "candidate.json is missing" in text
    assert max(map(len, text.splitlines())) <= 80
