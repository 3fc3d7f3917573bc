"""git over HTTP: who may read and push, what protections say to a pusher, what a push sets off."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from forge.rest_world import PERSON, Clone, World, served
from ms_release.forge import git


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path / "forge") as found:
        yield found


def clone(world: World, tmp_path: Path, token: str = "carol-token", repo: str = "shut") -> Clone:
    return Clone(world, tmp_path / "work", token, repo).clone()


@pytest.mark.parametrize(
    ("token", "repo", "works"),
    [
        ("", "open", True),
        ("", "shut", False),
        ("rita-token", "shut", True),
        ("eve-token", "shut", False),
        ("wrong", "shut", False),
        ("job", "shut", True),
        ("job", "other", False),
        ("job", "open", True),
        ("narrow", "shut", True),
    ],
)
def test_who_may_clone(world: World, tmp_path: Path, token: str, repo: str, works: bool) -> None:
    made = Clone(world, tmp_path / "work", token, repo)
    done = made.run("clone", "-q", made.url, str(made.place), check=False)
    assert (done.returncode == 0) is works, done.stderr
    if works:
        assert (made.place / "src/b.txt").read_text() == "b\n"


@pytest.mark.parametrize(
    ("token", "repo", "status"),
    [
        ("", "open", 401),
        ("rita-token", "shut", 403),
        ("eve-token", "shut", 404),
        ("narrow", "shut", 403),
        ("bad", "open", 401),
    ],
)
def test_who_may_not_push(world: World, token: str, repo: str, status: int) -> None:
    client = world.client("")
    auth = ("x", token) if token else None
    answer = client.get(f"{world.server.url}/octo/{repo}.git/info/refs?service=git-receive-pack", auth=auth)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_push_moves_the_branch_and_is_logged(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path)
    sha = work.commit("new.txt")
    work.run("push", "-q", "origin", "HEAD:refs/heads/topic", "HEAD:main")
    assert world.tip("topic") == world.tip() == sha
    logged = [(e["actor"], e["verb"], e["subject"]) for e in world.effects()]
    assert sorted(logged) == [
        ("carol", "create_ref", "octo/shut refs/heads/topic"),
        ("carol", "update_ref", "octo/shut refs/heads/main"),
    ]
    git.run(world.forge.git_dir("octo/shut"), "fsck", "--strict")


def test_protected_branch_refuses_the_push_in_githubs_words(world: World, tmp_path: Path) -> None:
    world.protect()
    before = world.tip()
    for token in ("carol-token", "dana-token"):  # admins are included
        work = Clone(world, tmp_path / token, token).clone()
        work.commit("new.txt")
        done = work.run("push", "origin", "HEAD:main", "HEAD:refs/heads/beside", check=False)
        assert done.returncode != 0
        assert "remote: error: GH006: Protected branch update failed for refs/heads/main." in done.stderr
        assert "Changes must be made through a pull request." in done.stderr
        assert 'Required status check "ci" is expected.' in done.stderr
    assert world.tip() == before
    assert git.read_ref(world.forge.git_dir("octo/shut"), "refs/heads/beside") is None
    assert world.effects() == []


def test_admins_may_push_where_they_are_not_included_but_never_force(world: World, tmp_path: Path) -> None:
    world.protect(enforce_admins=False)
    work = clone(world, tmp_path, "dana-token")
    sha = work.commit("new.txt")
    work.run("push", "-q", "origin", "HEAD:main")
    assert world.tip() == sha
    work.run("reset", "-q", "--hard", "HEAD~1")
    work.commit("other.txt")
    forced = work.run("push", "-f", "origin", "HEAD:main", check=False)
    assert "Cannot force-push to this branch" in forced.stderr
    deleted = work.run("push", "origin", ":main", check=False)
    assert "Cannot delete this branch" in deleted.stderr
    assert world.tip() == sha


def test_unprotected_branch_may_be_forced_and_deleted(world: World, tmp_path: Path) -> None:
    world.branch("topic")
    work = clone(world, tmp_path)
    sha = work.commit("new.txt")
    work.run("push", "-q", "-f", "origin", "HEAD:topic")
    assert world.tip("topic") == sha
    work.run("push", "-q", "origin", ":topic")
    assert git.read_ref(world.forge.git_dir("octo/shut"), "refs/heads/topic") is None
    assert [e["verb"] for e in world.effects()] == ["update_ref", "delete_ref"]


def test_only_the_named_team_may_push(world: World, tmp_path: Path) -> None:
    open_: dict[str, Any] = {"required_status_checks": None, "required_pull_request_reviews": None}
    world.protect(**open_, restrictions={"users": [], "teams": ["maintainers"], "apps": []})
    work = clone(world, tmp_path)
    sha = work.commit("new.txt")
    assert "You're not authorized to push to this branch" in work.run("push", "origin", "HEAD:main", check=False).stderr
    team = Clone(world, work.place, "mia-token")
    team.run("push", "-q", team.url, "HEAD:main")
    assert world.tip() == sha


def test_ruleset_on_tags(world: World, tmp_path: Path) -> None:
    names = {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}}
    world.ruleset([{"type": "creation"}, {"type": "deletion"}, {"type": "update"}], "tag", conditions=names)
    work = clone(world, tmp_path)
    work.run("tag", "v1.0.0")
    work.run("tag", "rc-1")
    done = work.run("push", "origin", "v1.0.0", check=False)
    assert "GH013: Repository rule violations found for refs/tags/v1.0.0" in done.stderr
    assert "Cannot create ref due to creations being restricted." in done.stderr
    work.run("push", "-q", "origin", "rc-1")


def test_push_moves_open_pull_requests(world: World, tmp_path: Path) -> None:
    world.branch("topic")
    number = world.api().open("topic")
    work = clone(world, tmp_path)
    work.run("checkout", "-q", "topic")
    sha = work.commit("more.txt")
    work.run("push", "-q", "origin", "topic")
    pull = world.api().get(f"pulls/{number}").json()
    assert pull["head"]["sha"] == sha
    git_dir = world.forge.git_dir("octo/shut")
    assert git.read_ref(git_dir, f"refs/pull/{number}/head") == sha
    merge = git.read_ref(git_dir, f"refs/pull/{number}/merge")
    assert merge == pull["merge_commit_sha"]
    assert git.log(git_dir, str(merge), 1)[0].parents == (world.tip(), sha)
    work.run("push", "-q", "origin", ":topic")
    assert world.api().get(f"pulls/{number}").json()["state"] == "closed"


def test_pull_refs_cannot_be_pushed_to(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path)
    done = work.run("push", "origin", "HEAD:refs/pull/9/head", check=False)
    assert "deny updating a hidden ref" in done.stderr


def test_merging_by_push_marks_the_pull_request_merged(world: World, tmp_path: Path) -> None:
    sha = world.branch("topic")
    number = world.api().open("topic")
    work = clone(world, tmp_path)
    work.run("push", "-q", "origin", "origin/topic:main")
    pull = world.api().get(f"pulls/{number}").json()
    assert (pull["state"], pull["merged"], pull["merge_commit_sha"]) == ("closed", True, sha)
    assert pull["merged_by"]["login"] == "carol"


def test_workflow_token_carries_no_new_workflow_files(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path, "job")
    work.commit("src/c.txt")
    work.run("push", "-q", "origin", "HEAD:refs/heads/fine")
    work.commit(".github/workflows/ci.yml", "on: push\n")
    done = work.run("push", "origin", "HEAD:refs/heads/bad", check=False)
    assert "without `workflows` permission" in done.stderr
    assert git.read_ref(world.forge.git_dir("octo/shut"), "refs/heads/bad") is None


def test_protocol_v2_partial_clone_and_fetch_by_sha(world: World, tmp_path: Path) -> None:
    made = Clone(world, tmp_path / "work", "carol-token").clone("--filter=blob:none", "--no-checkout")
    assert "?" in made.run("rev-list", "--objects", "--all", "--missing=print").stdout
    tip = world.branch("topic")
    made.run("fetch", "-q", "origin", tip)
    assert made.run("rev-parse", "FETCH_HEAD").stdout.strip() == tip


def test_big_push_and_requests_are_counted_as_git(world: World, tmp_path: Path) -> None:
    work = clone(world, tmp_path)
    (work.place / "big.bin").write_bytes(bytes(range(256)) * 20000 + tmp_path.as_posix().encode())
    work.run("config", "core.compression", "0")
    work.run("add", "big.bin")
    work.run("commit", "-q", "-m", "big")
    work.run("push", "-q", "origin", "HEAD:main")  # beyond http.postBuffer: chunked
    assert len(git.read_file(world.forge.git_dir("octo/shut"), "main", "big.bin") or b"") > 5_000_000
    assert {entry["kind"] for entry in world.store.requests()} == {"git"}


def test_refs_are_compared_and_swapped(tmp_path: Path) -> None:
    git.init_bare(tmp_path / "r.git")
    shas = [git.commit_files(tmp_path / "r.git", None, {"f": str(n).encode()}, [], str(n), PERSON) for n in range(9)]
    git.update_ref(tmp_path / "r.git", "refs/heads/a", shas[0], None)
    wrong = [("refs/heads/a", shas[1], None), ("refs/heads/a", shas[2], shas[1]), ("refs/heads/a", None, shas[1]),
             ("refs/heads/b", shas[1], shas[0]), ("refs/heads/a/b", shas[1], None), ("refs/heads/c", "1" * 40, None),
             ("refs/heads/../x", shas[1], None)]  # fmt: skip
    for ref, new, old in wrong:
        with pytest.raises(git.RefMovedError):
            git.update_ref(tmp_path / "r.git", ref, new, old)

    def move(sha: str) -> bool:
        try:
            git.update_ref(tmp_path / "r.git", "refs/heads/a", sha, shas[0])
        except git.RefMovedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(move, shas[1:])) == 1
    git.run(tmp_path / "r.git", "pack-refs", "--all")
    tip = git.read_ref(tmp_path / "r.git", "refs/heads/a")
    assert [tip] == git.run(tmp_path / "r.git", "rev-parse", "refs/heads/a").decode().split()
    git.update_ref(tmp_path / "r.git", "refs/heads/a", None, tip)
    git.update_ref(tmp_path / "r.git", "refs/heads/a/b", shas[1], None)
    assert git.list_refs(tmp_path / "r.git", "refs/") == [("refs/heads/a/b", shas[1])]


def test_commits_made_here_are_what_git_would_make(tmp_path: Path) -> None:
    git_dir = tmp_path / "r.git"
    git.init_bare(git_dir)
    files = {"a/b.txt": b"1\n", "a.txt": b"2\n", "a-b/c": b"3\n" * 20, "z": b""}
    first = git.commit_files(git_dir, None, files, [], "one\n\nmore", PERSON)
    second = git.commit_files(git_dir, first, {"moved/c": b"3\n" * 20}, ["a-b/c", "a/b.txt"], "two", PERSON)
    git.update_ref(git_dir, "refs/heads/main", second, None)
    git.run(git_dir, "fsck", "--strict")
    listed = git.run(git_dir, "ls-tree", "-r", "--name-only", second).decode().split()
    assert listed == ["a.txt", "moved/c", "z"]
    assert [(c.path, c.status, c.previous) for c in git.diff(git_dir, first, second)] == [
        ("a/b.txt", "removed", None),
        ("moved/c", "renamed", "a-b/c"),
    ]
    assert [(c.sha, c.parents, c.message) for c in git.log(git_dir, "main", 5)] == [
        (second, (first,), "two\n"),
        (first, (), "one\n\nmore\n"),
    ]
    with pytest.raises(KeyError):
        git.commit_files(git_dir, second, {}, ["absent"], "three", PERSON)
    for bad in ("../x", "a//b", ".git/config", "/x"):
        with pytest.raises(ValueError, match="malformed"):
            git.commit_files(git_dir, second, {bad: b""}, [], "four", PERSON)
