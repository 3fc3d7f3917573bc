"""Representatives of each class of hostile input at the real command, in a process of its own, behind the guard."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli.conftest import CONFIG, ORG, Organisation, make
from core.world import TOML, planned
from hostile import readers, seeds
from hostile.archive_samples import samples as archive_samples
from hostile.conftest import BETA, forge_at, is_clean, type_guarded
from hostile.corpus import CLASSES
from hostile.provenance_samples import KEY, SIGNATURE
from hostile.sample import Sample
from ms_release.core import strict_json, train
from ms_release.core.candidate import PROVENANCE_NAME, SIGNATURE_NAME
from ms_release.core.model import File
from ms_release.core.plan import make_file, make_seal
from ms_release.core.train import Train
from ms_release.forge import git


def chosen(name: str, *words: str) -> list[Sample]:
    """The samples of a class whose names begin with one of these words."""
    found = [sample for sample in CLASSES[name].samples() if sample.name.startswith(words)]
    assert len(found) >= len(words)
    return found


# ---- files that a command is given

FILES = {
    "candidate.json": ("as it should be", "HTML", "key twice", "deep lists", "many small objects",
                       "artifacts.0.filename: climbs",
                       "artifacts.0.filename: escape", "one byte too many", "NaN"),
    "checksums.txt": ("twice", "BOM", "name: climbs", "too large", "directory", "empty"),
    "provenance, envelopes": ("as it should be", "HTML", "key twice", "deep lists", "two lines", "payload: bidi",
                              "one byte too many"),
    "provenance, statements": ("subject.0.name: climbs", "subject.0.name: escape", "subject: none", "_type: older"),
    "provenance, beside candidates": ("a lie: ", "signed by another key", "bit flipped at 70"),
    "signatures": ("as it should be", "another text", "raw bytes", "large", "escape", "cut off after 51"),
    "plan files": ("empty", "deep objects", "key twice", "many texts", "schema: long", "schema: escape",
                   "plan.channel: long",
                   "one text, as wide", "plan.pins.0 has one more", "plan.tag: newline", "cut off after 12/24"),
    "configuration files": ("deep lists", "deep keys", "huge integer", "no TOML", "not UTF-8", 'id = "loader": climbs',
                            'filename = "firmware.hex": climbs',
                            'url = "https://forge.example/studio/loader": bracket'),
    "world files": ("deep lists", "deep keys", "huge integer", "not UTF-8", 'login = "o": dots', 'name = "o/r": dots',
                    'from = "x": NUL'),
}  # fmt: skip


def lay_out(folder: Path, kind: str, data: bytes) -> tuple[list[str], int]:
    """Put the sample where its command finds it: the words to type, and the exit code for a bad one."""
    match kind:
        case "candidate.json" | "checksums.txt":
            there = folder / "dist"
            there.mkdir()
            files = {"loader-linux-x86_64": b"abc", "config.zip": b"", "candidate.json": seeds.CANDIDATE,
                     "checksums.txt": seeds.CHECKSUMS, kind: data}  # fmt: skip
            for name, content in files.items():
                (there / name).write_bytes(content)
            return ["candidate", "verify", "dist"], 7
        case "signatures" | "provenance, envelopes" | "provenance, statements" | "provenance, beside candidates":
            there = folder / "dist"
            there.mkdir()
            own = SIGNATURE_NAME if kind == "signatures" else PROVENANCE_NAME
            files = {"loader-linux-x86_64": b"abc", "config.zip": b"", "candidate.json": seeds.CANDIDATE,
                     "checksums.txt": seeds.CHECKSUMS, SIGNATURE_NAME: SIGNATURE, own: data}  # fmt: skip
            for name, content in files.items():
                (there / name).write_bytes(content)
            (folder / CONFIG).write_text(TOML.replace("[roles]", f'candidate_key = "{KEY}"\n\n[roles]'))
            return ["candidate", "verify", "dist"], 7
        case "plan files":
            (folder / CONFIG).write_text(TOML)
            (folder / "p").write_bytes(data)
            return ["prepare", "--plan", "p"], 2
        case "configuration files":
            (folder / CONFIG).write_bytes(data)
            return ["plan", *BETA], 2
        case _:
            (folder / "w.toml").write_bytes(data)
            return ["forge", "serve", "--data", "d", "--world", "w.toml"], 2


@pytest.mark.parametrize("kind", FILES)
def test_files(kind: str, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    samples = chosen(kind, *FILES[kind])
    for number, sample in enumerate(samples):
        folder = tmp_path / str(number)
        folder.mkdir()
        words, bad = lay_out(folder, kind, sample.data)
        before = sorted(folder.rglob("*"))
        ended = type_guarded(folder, {"GH_TOKEN": "nobody-token"}, *words)
        if sample.exit:
            # The parser refuses a file of a candidate (2); the command then says that the candidate is not what it says
            # (7), unless it is too large to be a file of a candidate at all.
            is_clean(ended, 2 if len(sample.data) > 1 << 20 else bad)
        else:
            assert ended.exit == 0, ended.err
        assert sorted(folder.rglob("*")) == before
    tally("hostile samples: at the real command", len(samples))


# ---- a workflow file that lies where a generated one should be

WORKFLOWS = ("as it should be", "not UTF-8", "10 MB", "alias bomb", "an alias of itself", "one long text, often",
             "deep lists", "key twice", "tag", "job name, bidi", "job name of lines", "hostile text")  # fmt: skip


def test_workflow_files(tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    samples = chosen("workflow files", *WORKFLOWS)
    for number, sample in enumerate(samples):
        folder = tmp_path / str(number)
        there = folder / ".github" / "workflows"
        there.mkdir(parents=True)
        (folder / CONFIG).write_text(TOML)
        (folder / "pyproject.toml").write_text("[tool.ruff]\n[build-system]\n")
        (there / "ci.yml").write_bytes(sample.data)
        before = sorted(folder.rglob("*"))
        ended = type_guarded(folder, {}, "wire", "--check", "--repo", "core")
        # no text, or too large for a workflow: damaged; every other file is one that wire has not written
        is_clean(ended, 2 if b"\xff" in sample.data or len(sample.data) > 1 << 20 else 3)
        assert sorted(folder.rglob("*")) == before
    tally("hostile samples: at the real command", len(samples))


# ---- the bundle that `promote` is given


@pytest.fixture(scope="module")
def publishing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A checkout in which the publishing job would run, and the words that it types."""
    folder = tmp_path_factory.mktemp("publishing") / "checkout"
    plan = replace(planned().plan, config=File(CONFIG, TOML.encode()).blob)
    base = planned()
    goal = Train(base.config, base.product, make_file(plan, created_at="2026-01-10T12:00:00Z", created_by="alice"))
    files = {CONFIG: TOML.encode(), **{f.path: f.data for f in train.release_files(goal)}}
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "plan"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    ran = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    digests = {}
    for repo in base.product.repos:
        file = folder / "dist" / "candidates" / f"{repo}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(seeds.CANDIDATE)
        digests[repo] = hashlib.sha256(seeds.CANDIDATE).hexdigest()
    seal = make_seal(goal.file.digest, ran.stdout.strip(), digests)
    return folder, ["content", "promote", plan.tag, "--plan-digest", goal.file.digest, "--seal", seal]


ARCHIVES = ("name: climbs", "symlink", "name with NUL", "same name twice", "bytes before", "bytes between entries",
            "other local name",
            "1,000 entries in one", "bomb of 256 MiB", "second directory", "tar, type 2, ../../x",
            "cut off after 30/60")  # fmt: skip


def test_archives(publishing: tuple[Path, list[str]], tally: Callable[[str, int], None]) -> None:
    folder, words = publishing
    samples = [sample for sample in archive_samples() if sample.name.startswith(ARCHIVES)]
    for sample in samples:
        (folder / "dist" / "bundle.zip").write_bytes(sample.data)
        ended = type_guarded(folder, {"GH_TOKEN": "nobody-token", "GITHUB_RUN_ID": "1"}, *words)
        is_clean(ended, 7)
        assert b"bundle.zip is not an archive to trust" in ended.err
    assert len(samples) >= len(ARCHIVES)
    tally("hostile samples: at the real command", len(samples))


# ---- a plan that somebody edited and sealed again

EDITS: dict[str, tuple[int, str, Any]] = {
    "product": (2, "is a plan of app", "app"),
    "kind": (2, "is damaged", "app"),
    "channel": (2, "none of the channel", "stable"),
    "tag": (2, "none of the channel", "v9.0.0"),
    "mode": (2, "is damaged", "undo"),
    "reason": (0, "", "\x1b[2J because"),
    "previous": (2, "notes of v0.1.0-beta.1", "v0.0.1"),
    "source": (2, "its source v0.0.1 does not fit", "v0.0.1"),
    "home": (2, "its home is", f"{ORG}/core"),
    "branch": (2, "its home is", "trunk"),
    "config": (3, "another configuration", "0" * 40),
    "pins": (2, "its pins are not", []),
    "candidates": (2, "its candidates are not", []),
    "changes": (2, "notes of v0.1.0-beta.1", []),
    "notes": (2, "notes of v0.1.0-beta.1", "other"),
    "files": (2, "notes of v0.1.0-beta.1", []),
    "protection": (3, "was", {"checks": ["validate"], "reviewers": [], "prevent_self_review": False, "branches": []}),
    "gates": (2, "no gate judged it", []),
}


@pytest.fixture(scope="module")
def good_plan(organisation: Organisation) -> bytes:
    folder = organisation.directory("good-plan")
    ended = type_guarded(folder, organisation.environment(), "plan", *BETA, "--out", "p")
    assert ended.exit == 0, ended.err
    return (folder / "p").read_bytes()


@pytest.mark.parametrize("field", EDITS)
def test_no_field_of_a_plan_can_be_edited(field: str, organisation: Organisation, good_plan: bytes) -> None:
    exit, says, value = EDITS[field]
    document = json.loads(good_plan)
    assert set(document["plan"]) == set(EDITS)
    document["plan"][field] = value
    document["digest"] = strict_json.digest(document["plan"])
    folder = organisation.directory(f"edited-{field}")
    (folder / "p").write_text(json.dumps(document))
    before = organisation.count()
    ended = type_guarded(
        folder, organisation.environment(), "prepare", "--plan", "p", *(["--dry-run"] if not exit else [])
    )
    if field == "reason":
        # Words that decide nothing: whoever reads the pull request judges them.
        assert ended.exit == 0, ended.err
        assert b"\x1b" not in ended.out + ended.err
    else:
        is_clean(ended, exit)
        assert says in ended.err.decode()
    assert organisation.count() == before


# ---- what stands in the home repository


def put(organisation: Organisation, path: str, data: bytes) -> None:
    """A file on the protected branch, as only somebody with too many rights could put it there."""
    git_dir = organisation.server.forge.git_dir(f"{ORG}/distribution")
    old = git.read_ref(git_dir, "refs/heads/main")
    who = git.Person("Mallory", "m@x", "2026-01-02T03:04:05Z")
    new = git.commit_files(git_dir, old, {path: data}, (), message="x", author=who)
    git.update_ref(git_dir, "refs/heads/main", new, old)


def release(organisation: Organisation, tag: str) -> None:
    """A published release of that tag."""
    store, home = organisation.server.forge.store, f"{ORG}/distribution"
    organisation.git("distribution", "update-ref", f"refs/tags/{tag}", "main")
    number, now = store.next_id("release"), organisation.server.forge.now()
    body = {"id": number, "repo": home, "tag_name": tag, "target_commitish": "main", "name": tag, "body": "",
            "draft": False,
            "prerelease": True, "immutable": False, "author": "alice", "created_at": now, "published_at": now,
            "make_latest": "false"}  # fmt: skip
    store.put("release", number, body, home)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Organisation]:
    found = make(tmp_path / "fresh")
    yield found
    found.server.stop()


def test_specs_and_ledger_entries_of_the_home_repository(
    fresh: Organisation, good_plan: bytes, tally: Callable[[str, int], None]
) -> None:
    release(fresh, "v0.0.1-beta.1")
    count = 0
    wanted = (
        "HTML",
        "key twice",
        "deep lists",
        "many small objects",
        "repos.0.sha: name",
        "repos.0.ref: option",
        "tag: climbs",
    )
    for kind in ("release specs, schema 1", "release specs, schema 3"):
        for sample in chosen(kind, *wanted):
            put(fresh, "release-specs/v0.0.1-beta.1.json", sample.data)
            folder = fresh.directory(f"spec-{count}")
            is_clean(type_guarded(folder, fresh.environment(), "plan", *BETA), 2 if len(sample.data) < 500_000 else 6)
            count += 1
    put(fresh, "release-plans/v0.1.0-beta.1.json", good_plan)
    release(fresh, "v0.1.0-beta.1")
    for sample in chosen(
        "ledger entries", "HTML", "key twice", "deep lists", "candidates.0.sha256 is 7", "candidates.0.sha256: short"
    ):
        put(fresh, "release/ledger/v0.1.0-beta.1.json", sample.data)
        folder = fresh.directory(f"ledger-{count}")
        is_clean(type_guarded(folder, fresh.environment(), "plan", *BETA), 2)
        count += 1
    tally("hostile samples: at the real command", count)


def test_subjects_and_authors_of_commits(fresh: Organisation) -> None:
    """On a terminal, in a workflow log, in the plan, and in the notes of a release."""
    git_dir = fresh.server.forge.git_dir(f"{ORG}/core")
    subject = "fix: \x1b]52;c;eA==\x07 \u202e ::error::x ##[add-path]y @org/team closes #1 <b> [x](javascript:y)"
    old = git.read_ref(git_dir, "refs/heads/main")
    who = git.Person("\x1b[31mMallory @alice", "m@x", "2026-01-02T03:04:05Z")
    new = git.commit_files(git_dir, old, {"README.md": b"x"}, (), message=subject, author=who)
    git.update_ref(git_dir, "refs/heads/main", new, old)
    store = fresh.server.forge.store
    (check,) = store.find("check_run", f"{ORG}/core", head_sha=old)
    number = store.next_id("check_run")
    (suite,) = [
        s
        for s in store.find("check_suite", f"{ORG}/core")
        if s["id"] == check.get("suite_id", check.get("check_suite_id"))
    ]
    again = store.next_id("check_suite")
    store.put("check_suite", again, {**suite, "id": again, "head_sha": new}, f"{ORG}/core")
    link = {name: again for name in ("suite_id", "check_suite_id") if name in check}
    store.put("check_run", number, {**check, "id": number, "head_sha": new, **link}, f"{ORG}/core")
    for name, env in {"terminal": {}, "actions": {"GITHUB_ACTIONS": "true"}}.items():
        folder = fresh.directory(name)
        ended = type_guarded(folder, {**fresh.environment(), **env}, "plan", *BETA, "--out", "p")
        assert ended.exit == 0, ended.err
        for told in (ended.out.decode(), ended.err.decode()):
            assert readers.acting(told) == []
            assert readers.commands(told) == [] or not env
    plan = json.loads((folder / "p").read_text())["plan"]
    (pin,) = (pin for pin in plan["pins"] if pin["repo"] == "core")
    assert pin["sha"] == new
    (change,) = (change for change in plan["changes"] if change["repo_id"] == "core")
    assert change["commits"][0]["subject"] == subject, change


# ---- words on the command line

WORDS = [
    "../x",
    "--upload-pack=x",
    "$(id)",
    "a\nb",
    "\x1b[2J",
    "\u202e",
    "a" * 5000,
    "refs/heads/x",
    "a..b",
    "HEAD",
    "%0A::error::x",
]


@pytest.mark.parametrize("word", WORDS, ids=ascii)
def test_words(word: str, tmp_path: Path, tally: Callable[[str, int], None]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / CONFIG).write_text(TOML)
    env = forge_at("http://127.0.0.1:1")
    for words in (
        ["plan", *BETA, f"--tag={word}"], ["plan", *BETA, f"--repo=core={word}"], ["content", "verify", "--", word],
        ["candidate", "verify", f"--repo={word}", "--tag=rc-1"], ["content", "approve", "--", word],
    ):  # fmt: skip
        is_clean(type_guarded(folder, env, *words), 2)
    tally("hostile samples: at the real command", 5)


def test_the_classes_have_a_representative_here() -> None:
    """A class added to the corpus must come by here too."""
    here = {*FILES, "archives", "workflow files", "release specs, schema 1", "release specs, schema 3",
            "ledger entries", "REST answers",
            "GraphQL answers",
            "names of files, refs, tags, commits", "commit subjects and authors"}  # fmt: skip
    # Schema 2 is read by the same code as 1; a manifest is read by `verify` alone, of a release that is published.
    # What is signed is candidate.json, which comes by as a file.
    assert set(CLASSES) - here == {"release specs, schema 2", "manifest.json", "signed bytes"}
