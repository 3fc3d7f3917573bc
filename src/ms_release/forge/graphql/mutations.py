"""Writes that go through GraphQL: commit on a branch, make and delete references; pull requests: pull_mutations.py."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from ms_release.forge import auth, git, present, pulls, refs, rules
from ms_release.forge.errors import Refusal
from ms_release.forge.graphql.git import make_commit, make_ref
from ms_release.forge.graphql.page import GraphRefusal, Node
from ms_release.forge.graphql.world import World, no_node

_TYPES = {401: "FORBIDDEN", 403: "FORBIDDEN", 404: "NOT_FOUND"}


def _commit_on_branch(world: World, input: Node) -> Node:
    """Commit files on a branch, if its head still is `expectedHeadOid`; the asker is its author."""
    repo, ref = _branch(world, input["branch"])
    _require_push(world, repo, "CreateCommitOnBranch")
    git_dir, expected = world.forge.git_dir(repo), input["expectedHeadOid"]
    before = git.read_ref(git_dir, ref)
    if before is None:
        raise GraphRefusal("NOT_FOUND", f"Branch not found: {ref.removeprefix('refs/heads/')}")
    if before != expected:
        raise _stale(expected)
    additions, deletions = _files(input.get("fileChanges") or {})
    message = "\n\n".join(part for part in (input["message"]["headline"], input["message"].get("body")) if part)
    who = pulls.person(world.forge, world.identity.login)
    try:
        after = git.commit_files(git_dir, before, additions, deletions, message, who)
    except KeyError as missing:
        text = "A path was requested for deletion which does not exist as of commit oid"
        raise GraphRefusal("UNPROCESSABLE", f"{text} `{before}`: {missing.args[0]}") from missing
    except ValueError as malformed:
        raise GraphRefusal("UNPROCESSABLE", f"A {malformed}") from malformed
    _move(world, repo, refs.Wish(ref, before, after))
    made = {"commit": make_commit(world, repo, after), "ref": make_ref(world, repo, ref, after)}
    return {"clientMutationId": input.get("clientMutationId"), **made}


def _create_ref(world: World, input: Node) -> Node:
    """Make a branch or tag that does not exist yet, at an object that does."""
    repo = repository_of(world, input["repositoryId"])
    _require_push(world, repo, "CreateRef")
    ref, oid = input["name"], input["oid"]
    if not git.valid_ref(ref):
        raise GraphRefusal("UNPROCESSABLE", f"{ref} is not a valid ref name.")
    if git.read_object(world.forge.git_dir(repo), oid) is None:
        raise GraphRefusal("NOT_FOUND", f"Could not resolve to a node with the Git object ID of '{oid}'.")
    if git.read_ref(world.forge.git_dir(repo), ref) is not None:
        raise GraphRefusal("UNPROCESSABLE", f'A ref named "{ref}" already exists in the repository.')
    _move(world, repo, refs.Wish(ref, None, oid))
    return {"clientMutationId": input.get("clientMutationId"), "ref": make_ref(world, repo, ref, oid)}


def _delete_ref(world: World, input: Node) -> Node:
    """Delete a branch or tag."""
    repo, ref = _ref_of(world, input["refId"])
    _require_push(world, repo, "DeleteRef")
    before = git.read_ref(world.forge.git_dir(repo), ref)
    if before is None:
        raise no_node(input["refId"])
    _move(world, repo, refs.Wish(ref, before, None))
    return {"clientMutationId": input.get("clientMutationId")}


# ---- what the arguments mean


def _branch(world: World, branch: Node) -> tuple[str, str]:
    if branch.get("id"):
        return _ref_of(world, branch["id"])
    if not branch.get("repositoryNameWithOwner") or not branch.get("branchName"):
        text = "You must specify either `id` or both of `repositoryNameWithOwner` and `branchName`."
        raise GraphRefusal("UNPROCESSABLE", text)
    repo = world.repository(branch["repositoryNameWithOwner"])["_repo"]
    return repo, "refs/heads/" + branch["branchName"].removeprefix("refs/heads/")


def repository_of(world: World, node: str) -> str:
    """The repository with this node id. Raises NOT_FOUND."""
    for body in world.forge.store.find("repo"):
        if present.node_id("R", body["id"]) == node and world.role(body["full_name"]) is not None:
            return str(world.repository(body["full_name"])["_repo"])
    raise no_node(node)


def _ref_of(world: World, node: str) -> tuple[str, str]:
    kind, _, key = node.partition("_")
    try:
        number, _, ref = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise no_node(node) from None
    if kind != "REF" or not git.valid_ref(ref) or not number.isdecimal():
        raise no_node(node)
    return repository_of(world, present.node_id("R", int(number))), ref


def _files(changes: Node) -> tuple[dict[str, bytes], list[str]]:
    additions: dict[str, bytes] = {}
    for file in changes.get("additions") or ():
        try:
            additions[file["path"]] = base64.b64decode(file["contents"], validate=True)
        except (binascii.Error, ValueError):
            raise GraphRefusal("UNPROCESSABLE", f"The contents of {file['path']} are not valid Base64.") from None
    return additions, [file["path"] for file in changes.get("deletions") or ()]


# ---- doing it


def _require_push(world: World, repo: str, operation: str) -> None:
    if not world.may(repo, "contents", "write"):
        raise world.forbid(operation)


def _stale(expected: str) -> GraphRefusal:
    return GraphRefusal("STALE_DATA", f'Expected branch to point to "{expected}" but it did not.  Pull and try again.')


def _move(world: World, repo: str, wish: refs.Wish) -> None:
    """Move a reference under its rules, then tell the engine."""
    violations = refs.refuse(world.forge, world.identity, repo, wish)
    if violations:
        rulesets = any(violation.source == "ruleset" for violation in violations)
        kind = "UNPROCESSABLE" if rulesets else "BRANCH_PROTECTION_RULE_VIOLATION"
        raise GraphRefusal(kind, rules.api_message(violations))
    try:
        with world.forge.store.writing():
            done = refs.change(world.forge, world.identity, repo, wish)
    except auth.ForbiddenError as error:
        raise GraphRefusal("FORBIDDEN", error.message) from error
    except Refusal as error:
        if wish.before is not None and wish.after is not None and error.status == 422:
            raise _stale(wish.before) from error
        raise GraphRefusal(_TYPES.get(error.status, "UNPROCESSABLE"), error.message) from error
    refs.tell(world.forge, [done])


MUTATIONS: dict[str, Any] = {
    "createCommitOnBranch": _commit_on_branch,
    "createRef": _create_ref,
    "deleteRef": _delete_ref,
}
