"""Candidates that are not what they say: refused with exit 7 or 3, with both digests (or the reason) shown."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.test_app import BOTH, PUBLIC
from cli.test_candidate import CONFIG, FILES, META, OPEN, SEED, Producer
from forge.small_world import CLOSED, Small, small_world
from ms_release.adapters.signing import public_of, sign
from ms_release.core.candidate import Inputs, Source, identity, make_recipe_fingerprint
from ms_release.core.provenance import pae, parse_provenance, payload_of, render_provenance

SIGNED = {*META, "candidate.json.sig", "provenance.intoto.jsonl"}
OTHER = base64.b64encode(bytes(range(1, 33))).decode()
Tally = Callable[[str, int], None]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Small]:
    with small_world(tmp_path / "forge") as small:
        yield small


@pytest.fixture
def producer(world: Small, tmp_path: Path) -> Producer:
    """A producer whose candidates must be signed by the key that it has."""
    made = Producer(world, tmp_path / "job")
    key = f'candidate_key = "{public_of(SEED)}"\n[roles]'
    (made.place / "ms-release.toml").write_text(CONFIG.replace("[roles]", key))
    return made


def short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def swap(producer: Producer, name: str, data: bytes, *, told: bool = True) -> None:
    """Somebody puts other bytes in an asset's place; `told`: the forge tells their size and digest."""
    store, asset = producer.world.forge.store, producer.assets()[name]
    if not told:
        producer.world.forge.blob(asset["blob"]).write_bytes(data)
        return
    with producer.world.client() as client:
        path = f"/api/v3/repos/{OPEN}/releases/assets/{asset['id']}"
        assert client.delete(path).status_code == 204
        address = f"/api/uploads/repos/{OPEN}/releases/{asset['release_id']}/assets"
        kind = {"content-type": "application/octet-stream"}
        answer = client.post(address, params={"name": name}, content=data, headers=kind)
        assert answer.status_code == 201, answer.text
    assert store.get("asset", answer.json()["id"]) is not None


def refused(producer: Producer, *words: str, exits: tuple[int, ...] = (7,)) -> None:
    """`verify` and `fetch` refuse it and say these words."""
    where = ("--repo", OPEN, "--tag", producer.tag)
    for ask in (("verify", *where), ("fetch", *where, "--out", "got")):
        done = producer.candidate(*ask, token="carol-token")
        assert done.returncode in exits, (done.returncode, done.stdout, done.stderr)
        for word in words:
            assert word in done.stdout + done.stderr
        assert not (producer.place / "got").exists()


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("data", [b"control 2\n", b"cont"], ids=["swapped", "truncated"])
def test_other_bytes_of_an_artifact(producer: Producer, tally: Tally, data: bytes, told: bool) -> None:
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    swap(producer, "map.txt", data, told=told)
    refused(producer, "map.txt", short(data), short(FILES["map.txt"]))
    tally("candidates refused", 1)


def test_a_half_uploaded_asset(world: Small, producer: Producer) -> None:
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    asset = producer.assets()["map.txt"]
    world.forge.store.put("asset", asset["id"], {**asset, "state": "starter", "digest": None}, OPEN)
    refused(producer, "map.txt' is not completely uploaded")


def test_an_asset_twice(world: Small, producer: Producer, tally: Tally) -> None:
    """No forge lets one upload it; one that lies may show it."""
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    store, asset = world.forge.store, producer.assets()["map.txt"]
    twin = {**asset, "id": 99_999, "digest": f"sha256:{hashlib.sha256(b'other').hexdigest()}"}
    store.put("asset", 99_999, twin, OPEN)
    refused(producer, "two assets share a name: map.txt", short(b"other"), short(FILES["map.txt"]))
    tally("candidates refused", 1)


def test_a_second_draft_for_the_tag(producer: Producer, tally: Tally) -> None:
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    own = short(producer.bytes_of("candidate.json"))
    number = producer.prepare(producer.marker, files={"candidate.json": b"{}"})
    refused(producer, own, f"{number} (candidate.json {short(b'{}')})", exits=(3,))
    done = producer.build("draft", MS_CANDIDATE_KEY=SEED)
    assert done.returncode == 3
    assert own in done.stderr
    assert short(b"{}") in done.stderr
    tally("candidates refused", 1)


def test_other_bytes_under_the_same_tag(world: Small, producer: Producer, tally: Tally) -> None:
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    before = world.verbs()
    producer.fill({**FILES, "map.txt": b"control 2\n"})
    done = producer.build("draft", MS_CANDIDATE_KEY=SEED)
    assert done.returncode == 7
    assert f"map.txt differs ({short(FILES['map.txt'])} there, {short(b'control 2' + bytes([10]))} here)" in done.stderr
    assert world.verbs() == before
    tally("candidates refused", 1)


@pytest.mark.parametrize("name", ["map.txt", "stranger.bin", "candidate.json"])
def test_what_somebody_else_put_into_our_draft_is_never_touched(
    world: Small, producer: Producer, tally: Tally, name: str
) -> None:
    producer.prepare(producer.marker, files={"firmware.hex": FILES["firmware.hex"], name: b"theirs"})
    asset = producer.assets()[name]
    world.forge.store.put("asset", asset["id"], {**asset, "uploader": "alice"}, OPEN)
    before = world.verbs()
    done = producer.build("draft")
    assert done.returncode == 3, done.stderr
    assert f"{name} ({short(b'theirs')})" in done.stderr
    assert "@alice and not by @carol" in done.stderr
    assert name != "map.txt" or f"this build has {short(FILES[name])}" in done.stderr
    assert world.verbs() == before
    assert producer.bytes_of(name) == b"theirs"
    tally("candidates refused", 1)


# ---- build inputs


def identity_of(producer: Producer, inputs: dict[str, str]) -> str:
    sources = (Source("open", OPEN, producer.sha), *(Source(r.partition("/")[2], r, c) for r, c in inputs.items()))
    return identity("open", make_recipe_fingerprint([]), Inputs(sources))


def test_other_build_inputs(world: Small, producer: Producer, tally: Tally) -> None:
    closed = world.heads[CLOSED]
    planned = identity_of(producer, {CLOSED: closed})
    producer.tag = f"rc-open-{planned}"
    done = producer.build("draft", "--input", f"{CLOSED}={'0' * 40}")
    assert done.returncode == 3, done.stderr
    assert planned in done.stderr
    assert identity_of(producer, {CLOSED: "0" * 40}) in done.stderr
    assert world.verbs() == []
    assert producer.build("draft").returncode == 3
    assert producer.build("draft", "--input", f"{CLOSED}={closed}", MS_CANDIDATE_KEY=SEED).returncode == 0
    document = json.loads(producer.bytes_of("candidate.json"))
    assert {s["repo"]: s["sha"] for s in document["inputs"]["repos"]} == {OPEN: producer.sha, CLOSED: closed}
    assert producer.candidate("verify", "dist").returncode == 0
    tally("candidates refused", 1)


@pytest.mark.parametrize("value", ["closed", f"{CLOSED}=main", f"{CLOSED}={'A' * 40}", f"../x={'0' * 40}", "=", ""])
def test_an_input_that_is_none(world: Small, producer: Producer, value: str) -> None:
    assert producer.build("draft", "--input", value).returncode == 2
    assert world.verbs() == []


def test_a_recipe_that_is_not_there(world: Small, producer: Producer) -> None:
    done = producer.build("draft", "--recipe", "build.py")
    assert done.returncode == 2
    assert "build.py" in done.stderr
    assert world.verbs() == []


# ---- signature and provenance


def test_signed_and_with_provenance(producer: Producer) -> None:
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    assert set(producer.assets()) == {*FILES, *SIGNED}
    found = parse_provenance(producer.bytes_of("provenance.intoto.jsonl"))
    assert {s.name: s.digest.sha256 for s in found.statement.subject} == {
        name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()
    }
    details = found.statement.predicate.run_details
    assert details.metadata.invocation_id == f"{producer.world.url}/{OPEN}/actions/runs/{producer.run_id}/attempts/2"
    where = ("--repo", OPEN, "--tag", producer.tag)
    for ask in (("verify", *where), ("fetch", *where, "--out", "got"), ("verify", "got"), ("verify", "dist")):
        done = producer.candidate(*ask, token="carol-token")
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        pytest.param(None, "candidate.json.sig is missing", id="missing"),
        pytest.param(b"AAAA\n", "is no signature of candidate_key", id="rubbish"),
        pytest.param(sign(SEED, b"other bytes").encode(), "is no signature of candidate_key", id="of other bytes"),
        pytest.param(OTHER.encode(), "is no signature of candidate_key", id="of another key"),
    ],
)
def test_a_wrong_signature(producer: Producer, tally: Tally, signature: bytes | None, words: str) -> None:
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    manifest = producer.bytes_of("candidate.json")
    if signature is None:
        asset = producer.assets()["candidate.json.sig"]
        assert producer.world.rest("DELETE", f"/repos/{OPEN}/releases/assets/{asset['id']}").status_code == 204
    else:
        swap(
            producer, "candidate.json.sig", sign(OTHER, manifest).encode() if signature == OTHER.encode() else signature
        )
    refused(producer, words, short(manifest))
    tally("candidates refused", 1)


def test_a_candidate_without_a_signature_is_as_before_where_no_key_is_configured(producer: Producer) -> None:
    (producer.place / "ms-release.toml").unlink()
    assert producer.build().returncode == 0
    assert producer.candidate("verify", "--repo", OPEN, "--tag", producer.tag).returncode == 0


def test_provenance_that_says_something_else(producer: Producer, tally: Tally) -> None:
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    data = producer.bytes_of("provenance.intoto.jsonl")
    text = payload_of(parse_provenance(data).statement).decode()
    lies = {
        "sha256 of map.txt": text.replace(hashlib.sha256(FILES["map.txt"]).hexdigest(), "0" * 64),
        f"commit of {OPEN}": text.replace(f'gitCommit":"{producer.sha}', f'gitCommit":"{"0" * 40}'),
        "producer": text.replace(OPEN, "o/evil"),
        "the run": text.replace(f"runs/{producer.run_id}/", "runs/7/"),
        "sha256 of candidate.json": text.replace(short(producer.bytes_of("candidate.json")), "0" * 12),
    }
    for number, (words, lie) in enumerate(lies.items()):
        assert lie != text, words
        payload = lie.encode()
        swap(producer, "provenance.intoto.jsonl", render_provenance(payload, sign(SEED, pae(payload)).strip(), ""))
        done = producer.candidate("verify", "--repo", OPEN, "--tag", producer.tag, token="carol-token")
        assert done.returncode == 7, (words, done.stdout)
        assert words in done.stdout + done.stderr
        tally("candidates refused", 1)
        if number:
            continue
        payload = text.encode()
        forged = render_provenance(payload, sign(OTHER, pae(payload)).strip(), "")
        swap(producer, "provenance.intoto.jsonl", forged)
        refused(producer, "carries no signature of candidate_key")
        swap(producer, "provenance.intoto.jsonl", b"{}\n")
        refused(producer, "provenance.intoto.jsonl is refused")


# ---- an App in the place of a token


@pytest.mark.parametrize(("level", "exit"), [("write", 0), ("read", 3)])
def test_a_draft_of_another_repository_is_fetched_by_an_app(producer: Producer, level: str, exit: int) -> None:
    """Drafts are shown to whoever may push (github-facts G32): contents: read is not enough."""
    assert producer.build("draft", MS_CANDIDATE_KEY=SEED).returncode == 0
    app = {"id": 77, "slug": "train", "name": "Train", "public_key": PUBLIC, "installation_id": 5, "org": "o"}
    permissions = {"metadata": "read", "contents": level}
    producer.world.forge.store.put("app", "train", {**app, "permissions": permissions})
    words = ["release", "candidate", "fetch", "--repo", OPEN, "--tag", producer.tag, "--out", "got"]
    env = {name: value for name, value in producer.env(**BOTH).items() if name != "GH_TOKEN"}
    done = producer.run(words, env)
    assert done.returncode == exit, done.stderr
    assert (producer.place / "got").exists() is (exit == 0)
    assert "PRIVATE KEY" not in done.stdout + done.stderr
