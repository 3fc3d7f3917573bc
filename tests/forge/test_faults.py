"""A request that matches a fault gets what the fault says, others the truth; the work is done, or not, as it says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.rest_world import NOW, Clone, World, served
from ms_release.errors import UsageError
from ms_release.forge import auth
from ms_release.forge.faults import KINDS, Fault, Faults
from ms_release.forge.serve import Server
from ms_release.forge.store import Store
from ms_release.forge.world import build

RESET = int(NOW.timestamp()) + 3600
BYTES = {"content-type": "application/octet-stream"}
LOOK = '{repository(owner: "octo", name: "shut") {name} viewer {login}}'


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with served(tmp_path_factory.mktemp("faults")) as world:
        yield world


@pytest.fixture
def world(_world: World) -> Iterator[World]:
    yield _world
    _world.forge.faults.clear()


def add(world: World, kind: str, method: str = "*", path: str = "*", **more: Any) -> int:
    return world.forge.faults.add(Fault(kind, method, path, **more))


def ask(world: World, query: str) -> httpx.Response:
    return world.client("carol-token").post(f"{world.server.url}/api/graphql", json={"query": query})


def label(world: World, name: str) -> httpx.Response:
    """Make a branch: a write whose effect is easily seen."""
    return world.api().post("git/refs", {"ref": f"refs/heads/{name}", "sha": world.tip()})


def identity(world: World, login: str) -> auth.Identity:
    return auth.identify(world.forge, {"authorization": f"Bearer {login}-token"})


def is_there(world: World, name: str) -> bool:
    return f"octo/shut refs/heads/{name}" in {effect["subject"] for effect in world.effects("create_ref")}


# kind → what a write answers ("" = the connection ends), and whether it was done
WRITES: dict[str, tuple[int | str, bool]] = {
    "fail_before": (502, False),
    "drop_before": ("", False),
    "commit_then_502": (502, True),
    "commit_then_drop": ("", True),
    "truncate": ("", True),
    "delay": (201, True),
    "stale": (201, True),
    "primary_limit": (403, False),
    "secondary_limit": (403, False),
    "sso": (403, False),
    "sso_partial": (201, True),
    "expired_token": (401, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_is_answered_and_done_as_the_fault_says(world: World, kind: str) -> None:
    answer, done = WRITES[kind]
    number = add(world, kind, "POST", "/repos/octo/shut/git/refs", seconds=0.01)
    if answer:
        assert label(world, kind).status_code == answer
    else:
        with pytest.raises(httpx.TransportError):
            label(world, kind)
    assert is_there(world, kind) == done
    assert world.forge.faults.fired(number) == 1
    assert world.api().get("git/ref/heads/main").status_code == 200
    assert label(world, f"{kind}-again").status_code == 201, "a fault hits once"


def test_a_failed_request_looks_like_githubs(world: World) -> None:
    add(world, "fail_before")
    answer = world.api().get()
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert "Unicorn!" in answer.text


def test_half_an_answer_announces_the_whole(world: World) -> None:
    whole = world.api().get("git/ref/heads/main").content
    add(world, "truncate")
    got: list[bytes] = []
    with world.client("carol-token").stream("GET", "/repos/octo/shut/git/ref/heads/main") as answer:
        assert answer.headers["content-length"] == str(len(whole))
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(answer.iter_raw())
    assert b"".join(got) == whole[: len(whole) // 2]


def test_a_delay_holds_up_nobody_else(world: World) -> None:
    """The delayed request is answered last although it was asked first; its wait ends only after the other's answer."""
    add(world, "delay", "GET", "/repos/octo/other", seconds=1)
    order: list[str] = []

    def slow() -> None:
        httpx.get(f"{world.server.url}/api/v3/repos/octo/other", headers={"authorization": "Bearer carol-token"})
        order.append("slow")

    thread = threading.Thread(target=slow)
    thread.start()
    for _ in range(20):
        assert world.api().get().status_code == 200
    order.append("fast")
    thread.join()
    assert order == ["fast", "slow"]


class TestLimits:
    def test_primary(self, world: World) -> None:
        add(world, "primary_limit")
        answer = world.api().get()
        assert answer.status_code == 403
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert int(answer.headers["x-ratelimit-reset"]) == RESET
        assert "API rate limit exceeded" in answer.json()["message"]

    def test_primary_until_a_time(self, world: World) -> None:
        add(world, "primary_limit", seconds=7)
        assert int(world.api().get().headers["x-ratelimit-reset"]) == int(NOW.timestamp()) + 7

    def test_primary_of_graphql_is_a_success(self, world: World) -> None:
        add(world, "primary_limit", path="/graphql")
        answer = ask(world, LOOK)
        assert answer.status_code == 200
        assert [error["type"] for error in answer.json()["errors"]] == ["RATE_LIMITED"]
        assert "data" not in answer.json()
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert answer.headers["x-ratelimit-resource"] == "graphql"

    @pytest.mark.parametrize(("seconds", "told"), [(0, None), (3, "3")])
    @pytest.mark.parametrize("graphql", [False, True])
    def test_secondary(self, world: World, seconds: int, told: str | None, graphql: bool) -> None:
        add(world, "secondary_limit", seconds=seconds)
        answer = ask(world, LOOK) if graphql else world.api().get()
        assert answer.status_code == 403
        assert answer.json()["message"].startswith("You have exceeded a secondary rate limit")
        assert "secondary-rate-limits" in answer.json()["documentation_url"]
        assert answer.headers.get("retry-after") == told

    def test_a_quota_that_is_really_used_up(self, world: World) -> None:
        """The same as the fault: REST is refused, GraphQL succeeds with an error, and each counts for itself."""
        limits = world.server.limits
        for resource in ("core", "graphql"):
            quota = limits.take(identity(world, "eve"), resource, NOW, 5000)
            assert quota.remaining == 0
        assert world.api("eve", "open").get().status_code == 403
        answer = world.client("eve-token").post(f"{world.server.url}/api/graphql", json={"query": LOOK})
        assert answer.status_code == 200
        assert answer.json()["errors"][0]["type"] == "RATE_LIMITED"
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert answer.headers["x-ratelimit-reset"] == str(RESET)
        assert world.api().get().status_code == 200, "somebody else's quota"

    def test_a_question_beyond_what_is_left(self, world: World) -> None:
        limits = world.server.limits
        limits.take(identity(world, "rita"), "graphql", NOW, 4998)
        dear = (
            '{repository(owner: "octo", name: "shut") {refs(refPrefix: "refs/", first: 100) {nodes {target {'
            "... on Commit {history(first: 100) {nodes {history(first: 100) {nodes {oid}}}}}}}}}}"
        )
        answer = world.client("rita-token").post(f"{world.server.url}/api/graphql", json={"query": dear})
        assert answer.status_code == 200
        assert [error["type"] for error in answer.json()["errors"]] in (["RATE_LIMITED"], ["MAX_NODE_LIMIT_EXCEEDED"])


class TestSingleSignOn:
    def test_required(self, world: World) -> None:
        add(world, "sso", times=2)
        answer = world.api().get()
        assert answer.status_code == 403
        assert answer.headers["x-github-sso"].startswith("required; url=https://github.com/orgs/octo/sso?")
        asked = ask(world, LOOK)
        assert asked.status_code == 200
        assert asked.json()["errors"][0]["extensions"] == {"saml_failure": True}

    def test_a_list_in_part(self, world: World) -> None:
        whole = world.api().get("commits").json()
        add(world, "sso_partial")
        answer = world.api().get("commits")
        assert answer.status_code == 200
        assert answer.headers["x-github-sso"].startswith("partial-results; organizations=")
        assert answer.json() == whole[: len(whole) // 2]

    def test_a_question_in_part(self, world: World) -> None:
        add(world, "sso_partial")
        answer = ask(world, LOOK).json()
        assert answer["data"] == {"repository": None, "viewer": {"login": "carol"}}
        assert answer["errors"][0]["path"] == ["repository"]


class TestStale:
    def test_a_changed_thing_is_shown_as_it_was(self, world: World) -> None:
        world.branch("moving")
        before = world.api().get("git/ref/heads/moving").json()
        world.branch("moving", {"b": b"2"}, "moving")
        now = world.api().get("git/ref/heads/moving").json()
        assert now != before
        add(world, "stale", times=2)
        stale = [world.api().get("git/ref/heads/moving") for _ in range(3)]
        assert [answer.json() for answer in stale] == [before, before, now]

    def test_a_new_thing_is_not_there_yet(self, world: World) -> None:
        world.branch("newborn")
        add(world, "stale", times=2)
        answers = [world.api().get("git/ref/heads/newborn").status_code for _ in range(3)]
        assert answers == [404, 404, 200]

    def test_what_was_not_there_is_not_there_still(self, world: World) -> None:
        assert world.api().get("git/ref/heads/late").json()["message"] == "Not Found"
        world.branch("late")
        add(world, "stale")
        assert [world.api().get("git/ref/heads/late").status_code for _ in range(2)] == [404, 200]

    def test_what_never_changed_is_true(self, world: World) -> None:
        before = world.api().get().json()
        add(world, "stale")
        assert world.api().get().json() == before

    def test_a_known_etag_of_the_old_answer_is_not_modified(self, world: World) -> None:
        world.branch("tagged")
        old = world.api().get("git/ref/heads/tagged").headers["etag"]
        world.branch("tagged", {"b": b"2"}, "tagged")
        world.api().get("git/ref/heads/tagged")
        add(world, "stale")
        assert world.api().get("git/ref/heads/tagged", headers={"if-none-match": old}).status_code == 304

    def test_of_graphql(self, world: World) -> None:
        world.branch("asked")
        query = '{repository(owner: "octo", name: "shut") {ref(qualifiedName: "refs/heads/asked") {target {oid}}}}'
        before = ask(world, query).json()
        world.branch("asked", {"b": b"2"}, "asked")
        now = ask(world, query).json()
        add(world, "stale", query="query")
        assert [ask(world, query).json() for _ in range(2)] == [before, now]

    def test_others_see_the_truth_of_their_own(self, world: World) -> None:
        world.branch("seen")
        world.api("dana").get("git/ref/heads/seen")
        world.branch("seen", {"b": b"2"}, "seen")
        add(world, "stale")
        assert world.api("rita").get("git/ref/heads/seen").status_code == 404, "rita has never seen it"


class TestWhom:
    """A fault hits what it names, counted from when it was added."""

    @pytest.mark.parametrize(
        ("words", "hit"),
        [
            ({"method": "POST"}, False),
            ({"path": "/repos/octo/*"}, True),
            ({"path": "/repos/octo/other*"}, False),
            ({"query": "*per_page=5*"}, True),
            ({"query": ""}, False),
            ({"actor": "carol"}, True),
            ({"actor": "dana"}, False),
            ({"nth": 2}, False),
        ],
    )
    def test_one_request(self, world: World, words: dict[str, Any], hit: bool) -> None:
        number = world.forge.faults.add(Fault("fail_before", **words))
        assert (world.api().get("commits?per_page=5").status_code == 502) == hit
        assert world.forge.faults.fired(number) == int(hit)

    def test_the_nth_and_those_after_it(self, world: World) -> None:
        add(world, "fail_before", nth=2, times=2)
        assert [world.api().get().status_code for _ in range(5)] == [200, 502, 502, 200, 200]

    def test_two_faults_hit_one_after_the_other(self, world: World) -> None:
        add(world, "fail_before")
        add(world, "expired_token")
        assert [world.api().get().status_code for _ in range(3)] == [502, 401, 200]

    def test_questions_and_mutations(self, world: World) -> None:
        add(world, "fail_before", path="/graphql", query="mutation")
        assert ask(world, LOOK).status_code == 200
        assert ask(world, "mutation {createRef(input: {}) {ref {name}}}").status_code == 502

    def test_the_forges_own_pages_are_spared(self, world: World) -> None:
        add(world, "fail_before", times=9)
        assert httpx.get(f"{world.server.url}/_forge/requests").status_code == 200

    def test_the_log_says_what_was_heard(self, world: World) -> None:
        since = len(world.store.requests())
        for kind in ("commit_then_502", "fail_before", "expired_token"):
            add(world, kind)
            world.api().get()
        add(world, "drop_before")
        with pytest.raises(httpx.TransportError):
            world.api().get()
        assert [entry["status"] for entry in world.store.requests()[since:]] == [502, 502, 401, 0]


class TestGit:
    """git's own client over smart HTTP, and the bytes of assets."""

    KINDS = ("fail_before", "drop_before", "commit_then_502", "commit_then_drop", "truncate")

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("step", ["info/refs", "git-upload-pack"])
    def test_a_clone(self, world: World, tmp_path: Path, kind: str, step: str) -> None:
        """git itself asks again when a connection that it had used before ends without an answer."""
        clone = Clone(world, tmp_path / "clone", "carol-token")
        number = add(world, kind, path=f"/octo/shut.git/{step}", actor="carol")
        ended = clone.run("clone", "-q", clone.url, str(clone.place), check=False)
        assert world.forge.faults.fired(number) == 1
        assert ended.returncode != 0 or "drop" in kind
        if ended.returncode:
            clone.clone()
        assert (clone.place / "README.md").exists()

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_push(self, world: World, tmp_path: Path, kind: str) -> None:
        clone = Clone(world, tmp_path / "clone", "carol-token").clone()
        clone.commit(f"{kind}.txt")
        push = ("push", "-q", "origin", f"HEAD:pushed-{kind}")
        number = add(world, kind, "POST", "/octo/shut.git/git-receive-pack")
        ended = clone.run(*push, check=False)
        assert world.forge.faults.fired(number) == 1
        assert ended.returncode != 0 or kind == "drop_before"
        done = kind != "fail_before" and (kind != "drop_before" or ended.returncode == 0)
        assert is_there(world, f"pushed-{kind}") == done
        clone.run(*push)
        assert [e["subject"] for e in world.effects("create_ref")].count(f"octo/shut refs/heads/pushed-{kind}") == 1

    def test_an_asset_goes_up_and_half_of_it_comes_down(self, world: World) -> None:
        release = world.api().post("releases", {"tag_name": "v1", "draft": True}).json()
        upload = release["upload_url"].partition("{")[0]
        client = world.client("carol-token")
        add(world, "commit_then_drop", "POST", "/repos/*/releases/*/assets")
        with pytest.raises(httpx.TransportError):
            client.post(upload, params={"name": "a.bin"}, content=b"0123456789" * 5000, headers=BYTES)
        (asset,) = world.api().get(f"releases/{release['id']}/assets").json()
        assert asset["size"] == 50000
        bytes_ = {"accept": BYTES["content-type"]}
        add(world, "truncate", "GET", "/_storage/*")
        with pytest.raises(httpx.TransportError):
            client.get(asset["url"], headers=bytes_, follow_redirects=True)
        assert len(client.get(asset["url"], headers=bytes_, follow_redirects=True).content) == 50000


class TestInterface:
    def test_of_the_forge(self, world: World) -> None:
        url = f"{world.server.url}/_forge/faults"
        number = httpx.post(url, json={"kind": "fail_before", "path": "/repos/octo/shut"}).json()["number"]
        world.api().get()
        (listed,) = httpx.get(url).json()
        assert listed == {
            "number": number, "kind": "fail_before", "method": "*", "path": "/repos/octo/shut", "query": "*",
            "actor": "*", "nth": 1, "times": 1, "seconds": 0, "seen": 1, "fired": 1,
        }  # fmt: skip
        assert httpx.delete(url).status_code == 204
        assert httpx.get(url).json() == []

    @pytest.mark.parametrize(
        "body", [{}, {"kind": "rain"}, {"kind": "stale", "when": 1}, {"kind": "stale", "nth": 0},
                 {"kind": "stale", "nth": "1"}, {"kind": "stale", "path": 3}, {"kind": "delay", "seconds": -1},
                 {"kind": "stale", "times": True}, []],
    )  # fmt: skip
    def test_what_is_no_fault_is_refused(self, world: World, body: Any) -> None:
        answer = httpx.post(f"{world.server.url}/_forge/faults", json=body)
        assert answer.status_code in (400, 422)
        assert world.forge.faults.all() == []

    def test_counts_survive_a_restart(self, tmp_path: Path) -> None:
        store = Store(tmp_path / "db")
        first = Faults(store)
        number = first.add(Fault("fail_before", nth=2))
        assert first.hit("GET", "/x", "", "") is None
        again = Faults(store)
        hit = again.hit("GET", "/x", "", "")
        assert hit is not None
        assert hit.kind == "fail_before"
        assert again.fired(number) == 1
        again.clear()
        assert Faults(store).all() == []
        assert again.add(Fault("stale")) > number
        store.close()


class TestWorldFile:
    WORLD = """
[world]
schema = 1
[[user]]
login = "ann"
tokens = ["ann-token"]
[[org]]
login = "o"
[[repository]]
name = "o/r"
access = {ann = "write"}
from = "files"
[[fault]]
"""

    def file(self, folder: Path, fault: str) -> Path:
        (folder / "files").mkdir()
        (folder / "files" / "a.txt").write_text("a")
        (folder / "world.toml").write_text(self.WORLD + fault)
        return folder / "world.toml"

    def test_a_made_world_has_its_faults(self, tmp_path: Path) -> None:
        file = self.file(tmp_path, 'kind = "delay"\nmethod = "GET"\nnth = 2\nseconds = 0.5')
        build(file, tmp_path / "root")
        server = Server(tmp_path / "root")
        (fault,) = server.forge.faults.all()
        server.start()
        server.stop()
        assert (fault["kind"], fault["method"], fault["nth"], fault["seconds"]) == ("delay", "GET", 2, 0.5)
        assert (fault["seen"], fault["fired"]) == (0, 0)

    @pytest.mark.parametrize("fault", ['kind = "rain"', 'method = "GET"', 'kind = "stale"\nwhen = 1', "kind = 3"])
    def test_a_fault_that_there_is_not(self, tmp_path: Path, fault: str) -> None:
        with pytest.raises(UsageError, match=r"world\.toml: \[\[fault\]\]: "):
            build(self.file(tmp_path, fault), tmp_path / "root")


WORDS = {
    "fail_before": Fault("fail_before"),
    "stale GET": Fault("stale", "GET"),
    "commit_then_502 POST /repos/*/pulls": Fault("commit_then_502", "POST", "/repos/*/pulls"),
    "commit_then_502 POST /repos/*/pulls 3": Fault("commit_then_502", "POST", "/repos/*/pulls", nth=3),
    "sso 2": Fault("sso", nth=2),
    "delay * /graphql seconds=0.5 query=mutation": Fault("delay", "*", "/graphql", "mutation", seconds=0.5),
    "stale GET times=4 actor=alice": Fault("stale", "GET", actor="alice", times=4),
}


@pytest.mark.parametrize("text", WORDS)
def test_words_of_the_command_line(text: str) -> None:
    assert Fault.of_words(text) == WORDS[text]


@pytest.mark.parametrize("text", ["", "rain", "stale GET /x 0", "stale GET /x 1 y", "stale when=3", "stale nth=x"])
def test_words_that_mean_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Fault.of_words(text)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 4)), min_size=1, max_size=3), st.integers(1, 30))
def test_a_request_is_hit_by_one_fault_at_most_and_none_is_lost(faults: list[tuple[int, int]], requests: int) -> None:
    """With enough requests every fault fires as often as it should: one that comes second waits, and is not missed."""
    store = Store(Path(":memory:"))
    kept = Faults(store)
    numbers = [kept.add(Fault("fail_before", nth=nth, times=times)) for nth, times in faults]
    hits = sum(kept.hit("GET", "/", "", "") is not None for _ in range(requests))
    assert hits == sum(kept.fired(number) for number in numbers)
    for _ in range(60):
        kept.hit("GET", "/", "", "")
    assert [kept.fired(number) for number in numbers] == [times for _, times in faults]
    store.close()
