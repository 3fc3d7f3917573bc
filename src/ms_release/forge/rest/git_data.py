"""REST: the git database (references, tags, commits, trees, blobs)."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, git, present, pulls, refs, web
from ms_release.forge.errors import Refusal, not_found
from ms_release.forge.git.objects import edit_tree
from ms_release.forge.present import Json
from ms_release.forge.state import Forge

_MODES = {"100644": "blob", "100755": "blob", "120000": "blob", "040000": "tree", "160000": "commit"}


def _reading(request: Request) -> tuple[str, Path]:
    forge, name = web.forge_of(request), web.repo_name(request)
    auth.require(forge, web.identity_of(request), name, "contents", "read")
    return name, forge.git_dir(name)


def _writing(request: Request) -> tuple[str, Path]:
    forge, name = web.forge_of(request), web.repo_name(request)
    auth.require(forge, web.identity_of(request), name, "contents", "write")
    return name, forge.git_dir(name)


# ---- references


def _ref_body(request: Request, name: str, ref: str, sha: str) -> Json:
    found = git.read_object(web.forge_of(request).git_dir(name), sha)
    kind = found[0] if found else "commit"
    api = f"/repos/{name}/git"
    return {
        "ref": ref,
        "node_id": present.node_id("REF", f"{name}:{ref}"),
        "url": web.url(request, f"{api}/{ref}"),
        "object": {"sha": sha, "type": kind, "url": web.url(request, f"{api}/{kind}s/{sha}")},
    }


def get_ref(request: Request) -> Response:
    """GET git/ref/{ref}: exactly this one."""
    name, git_dir = _reading(request)
    ref = f"refs/{request.path_params['ref']}"
    sha = git.read_ref(git_dir, ref)
    if sha is None:
        raise not_found()
    return JSONResponse(_ref_body(request, name, ref, sha))


def matching_refs(request: Request) -> Response:
    """GET git/matching-refs/{ref}: every reference that starts so (G48)."""
    name, git_dir = _reading(request)
    found = git.list_refs(git_dir, f"refs/{request.path_params['ref']}")
    return JSONResponse([_ref_body(request, name, ref, sha) for ref, sha in found])


def create_ref(request: Request) -> Response:
    """POST git/refs: atomic, 422 "Reference already exists" (G33)."""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, git_dir = _writing(request)
    body = web.json_body(request)
    ref, sha = str(web.field(body, "ref", str)), str(web.field(body, "sha", str))
    if not git.valid_ref(ref) or ref.startswith("refs/pull/"):
        raise Refusal(422, f"{ref} is not a valid ref name.")
    _need_object(git_dir, ref, sha)
    with forge.store.writing():
        if git.read_ref(git_dir, ref) is not None:
            raise Refusal(422, "Reference already exists")
        done = refs.change(forge, who, name, refs.Wish(ref, None, sha))
    refs.tell(forge, [done])
    answer = _ref_body(request, name, ref, sha)
    return JSONResponse(answer, 201, {"location": answer["url"]})


def update_ref(request: Request) -> Response:
    """PATCH git/refs/{ref}: 422 unless it is a fast forward or `force`."""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, git_dir = _writing(request)
    body, ref = web.json_body(request), f"refs/{request.path_params['ref']}"
    sha, force = str(web.field(body, "sha", str)), bool(web.field(body, "force", bool, False))
    _need_object(git_dir, ref, sha)
    with forge.store.writing():
        before = git.read_ref(git_dir, ref)
        if before is None:
            raise Refusal(422, "Reference does not exist")
        if before == sha:
            return JSONResponse(_ref_body(request, name, ref, sha))
        if not force and not _fast_forward(git_dir, before, sha):
            raise Refusal(422, "Update is not a fast forward")
        done = refs.change(forge, who, name, refs.Wish(ref, before, sha))
    refs.tell(forge, [done])
    return JSONResponse(_ref_body(request, name, ref, sha))


def delete_ref(request: Request) -> Response:
    """DELETE git/refs/{ref}"""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, git_dir = _writing(request)
    ref = f"refs/{request.path_params['ref']}"
    with forge.store.writing():
        before = git.read_ref(git_dir, ref)
        if before is None:
            raise Refusal(422, "Reference does not exist")
        if ref == f"refs/heads/{web.repo_of(request)['default_branch']}":
            raise Refusal(422, "Cannot delete the default branch")
        done = refs.change(forge, who, name, refs.Wish(ref, before, None))
    refs.tell(forge, [done])
    return web.no_content()


def _fast_forward(git_dir: Path, before: str, after: str) -> bool:
    old, new = git.commit_of(git_dir, before), git.commit_of(git_dir, after)
    return old is not None and new is not None and git.is_ancestor(git_dir, old, new)


def _need_object(git_dir: Path, ref: str, sha: str) -> None:
    found = git.read_object(git_dir, sha)
    if found is None:
        raise Refusal(422, "Object does not exist")
    if ref.startswith("refs/heads/") and found[0] != "commit":
        raise Refusal(422, "Object is not a commit")


# ---- tags, commits


def _tag_body(request: Request, name: str, tag: git.Tag) -> Json:
    api = f"{web.links_of(request).rest}/repos/{name}/git"
    text, mark, signature = tag.message.partition("-----BEGIN ")
    return {
        "node_id": present.node_id("TA", tag.sha),
        "tag": tag.tag,
        "sha": tag.sha,
        "url": f"{api}/tags/{tag.sha}",
        "message": tag.message,
        "tagger": {"name": tag.tagger.name, "email": tag.tagger.email, "date": tag.tagger.date},
        "object": {"sha": tag.object, "type": tag.type, "url": f"{api}/{tag.type}s/{tag.object}"},
        "verification": present.verification(mark + signature, text),
    }


def get_tag(request: Request) -> Response:
    """GET git/tags/{sha}: an annotated tag object."""
    name, git_dir = _reading(request)
    tag = git.read_tag(git_dir, request.path_params["sha"])
    if tag is None:
        raise not_found()
    return JSONResponse(_tag_body(request, name, tag))


def create_tag(request: Request) -> Response:
    """POST git/tags: the object only; its reference is POST git/refs."""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, git_dir = _writing(request)
    body = web.json_body(request)
    target = str(web.field(body, "object", str))
    found = git.read_object(git_dir, target)
    if found is None or found[0] != web.field(body, "type", str):
        raise Refusal(422, "Object does not exist")
    tagger = _person(forge, who.login, body.get("tagger"))
    texts = web.field(body, "tag", str), web.field(body, "message", str)
    sha = git.tag_object(git_dir, texts[0], (target, found[0]), texts[1], tagger)
    tag = git.read_tag(git_dir, sha)
    assert tag is not None
    return JSONResponse(_tag_body(request, name, tag), 201)


def _person(forge: Forge, login: str, given: Any) -> git.Person:
    own = pulls.person(forge, login)
    if not isinstance(given, dict):
        return own
    try:
        datetime.fromisoformat(str(given.get("date") or own.date))
    except ValueError as error:
        raise Refusal(422, "Invalid request.\n\ndate is not a valid ISO 8601 time.") from error
    return git.Person(
        str(given.get("name", own.name)), str(given.get("email", own.email)), given.get("date") or own.date
    )


def get_commit(request: Request) -> Response:
    """GET git/commits/{sha}"""
    name, git_dir = _reading(request)
    commit = git.read_commit(git_dir, request.path_params["sha"])
    if commit is None:
        raise not_found()
    return JSONResponse(present.git_commit(web.links_of(request), name, commit))


def create_commit(request: Request) -> Response:
    """POST git/commits: a commit object of an existing tree."""
    forge, who = web.forge_of(request), web.identity_of(request)
    name, git_dir = _writing(request)
    body = web.json_body(request)
    tree, parents = str(web.field(body, "tree", str)), web.list_of(body, "parents", str, [])
    found = git.read_object(git_dir, tree)
    if found is None or found[0] != "tree":
        raise Refusal(422, "Tree SHA does not exist")
    if any(git.read_commit(git_dir, str(sha)) is None for sha in parents):
        raise Refusal(422, "Parent SHA does not exist or is not a commit object")
    author = _person(forge, who.login, body.get("author"))
    committer = _person(forge, who.login, body.get("committer") or body.get("author"))
    message = str(web.field(body, "message", str))
    sha = git.commit_tree(git_dir, tree, parents, message, author=author, committer=committer)
    commit = git.read_commit(git_dir, sha)
    assert commit is not None
    return JSONResponse(present.git_commit(web.links_of(request), name, commit), 201)


# ---- trees, blobs


def get_tree(request: Request) -> Response:
    """GET git/trees/{tree_sha}, a tree, commit or name; `recursive` for everything below."""
    name, git_dir = _reading(request)
    sha = _tree_of(git_dir, request.path_params["sha"])
    if sha is None:
        raise not_found()
    return JSONResponse(_tree_body(request, name, sha, "recursive" in request.query_params))


def _tree_of(git_dir: Path, rev: str) -> str | None:
    found = git.read_object(git_dir, rev)
    if found is not None and found[0] == "tree":
        return rev
    commit = git.commit_of(git_dir, rev)
    parsed = git.read_commit(git_dir, commit) if commit else None
    return parsed.tree if parsed else None


def _tree_body(request: Request, name: str, sha: str, recursive: bool) -> Json:
    git_dir, api = web.forge_of(request).git_dir(name), f"{web.links_of(request).rest}/repos/{name}/git"

    def below(tree: str, prefix: str) -> list[Json]:
        found = git.read_object(git_dir, tree)
        items: list[Json] = []
        for mode, kind, entry, short in git.parse_tree(found[1]) if found else []:
            item: Json = {"path": prefix + short, "mode": mode, "type": kind, "sha": entry}
            if kind == "blob":
                blob = git.read_object(git_dir, entry)
                item["size"] = len(blob[1]) if blob else 0
            items.append({**item, "url": f"{api}/{kind}s/{entry}"})
            if recursive and kind == "tree":
                items += below(entry, f"{prefix}{short}/")
        return items

    return {"sha": sha, "url": f"{api}/trees/{sha}", "tree": below(sha, ""), "truncated": False}


def create_tree(request: Request) -> Response:
    """POST git/trees: entries with `sha` (null removes) or `content`, upon `base_tree`."""
    name, git_dir = _writing(request)
    body = web.json_body(request)
    base = body.get("base_tree")
    if base is not None and _tree_of(git_dir, str(base)) is None:
        raise Refusal(422, "base_tree is not a valid tree oid")
    changes: dict[str, tuple[str, str] | None] = {}
    for entry in web.list_of(body, "tree", dict):
        path, mode = str(entry.get("path", "")), str(entry.get("mode", "100644"))
        if mode not in _MODES or any(part in ("", ".", "..", ".git") for part in path.split("/")):
            raise Refusal(422, "tree.path contains a malformed path component")
        if "content" in entry:
            changes[path] = (mode, git.write_object(git_dir, "blob", str(entry["content"]).encode()))
        elif entry.get("sha") is None:
            changes[path] = None
        elif (git.read_object(git_dir, str(entry["sha"])) or ("",))[0] != _MODES[mode]:
            raise Refusal(422, f"tree.sha {entry['sha']} is not a valid {_MODES[mode]}")
        else:
            changes[path] = (mode, str(entry["sha"]))
    try:
        sha = edit_tree(git_dir, _tree_of(git_dir, str(base)) if base else None, changes)
    except KeyError as error:
        raise Refusal(422, "GitRPC::BadObjectState") from error
    return JSONResponse(_tree_body(request, name, sha or git.write_tree(git_dir, []), False), 201)


def get_blob(request: Request) -> Response:
    """GET git/blobs/{sha}"""
    name, git_dir = _reading(request)
    sha = request.path_params["sha"]
    found = git.read_object(git_dir, sha)
    if found is None or found[0] != "blob":
        raise not_found()
    if "raw" in request.headers.get("accept", ""):
        return Response(found[1], media_type="application/vnd.github.raw+json; charset=utf-8")
    body = {"content": base64.encodebytes(found[1]).decode(), "encoding": "base64", "size": len(found[1])}
    where = {"sha": sha, "url": web.url(request, f"/repos/{name}/git/blobs/{sha}")}
    return JSONResponse({**where, "node_id": present.node_id("B", sha), **body})


def create_blob(request: Request) -> Response:
    """POST git/blobs"""
    name, git_dir = _writing(request)
    body = web.json_body(request)
    data = str(web.field(body, "content", str)).encode()
    if body.get("encoding", "utf-8") == "base64":
        try:
            data = base64.b64decode(data)
        except binascii.Error as error:
            raise Refusal(422, "content is not valid Base64") from error
    sha = git.write_object(git_dir, "blob", data)
    return JSONResponse({"sha": sha, "url": web.url(request, f"/repos/{name}/git/blobs/{sha}")}, 201)


_GIT = "/repos/{owner}/{repo}/git"

routes = [
    Route(_GIT + "/ref/{ref:path}", get_ref),
    Route(_GIT + "/matching-refs/{ref:path}", matching_refs),
    Route(_GIT + "/refs", create_ref, methods=["POST"]),
    Route(_GIT + "/refs/{ref:path}", update_ref, methods=["PATCH"]),
    Route(_GIT + "/refs/{ref:path}", delete_ref, methods=["DELETE"]),
    Route(_GIT + "/tags", create_tag, methods=["POST"]),
    Route(_GIT + "/tags/{sha}", get_tag),
    Route(_GIT + "/commits", create_commit, methods=["POST"]),
    Route(_GIT + "/commits/{sha}", get_commit),
    Route(_GIT + "/trees", create_tree, methods=["POST"]),
    Route(_GIT + "/trees/{sha:path}", get_tree),
    Route(_GIT + "/blobs", create_blob, methods=["POST"]),
    Route(_GIT + "/blobs/{sha}", get_blob),
]
