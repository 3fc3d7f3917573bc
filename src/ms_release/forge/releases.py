"""What GitHub lets one do with releases and their assets, and what publishing one sets off."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from ms_release.forge import auth, git, refs, rules
from ms_release.forge.errors import Refusal, invalid, not_found
from ms_release.forge.state import Forge

Body = dict[str, Any]

BODY_LIMIT = 125_000
SIZE_LIMIT = 2 << 30
_BLOCK = 1 << 20
_SEMVER = re.compile(r"v?(\d+)\.(\d+)\.(\d+)\Z")


@dataclass(frozen=True)
class Asker:
    """Who does something with the releases of which repository (its full name)."""

    forge: Forge
    identity: auth.Identity
    repo: str

    @property
    def may_write(self) -> bool:
        """Whether drafts are shown to this asker (github-facts G31)."""
        return auth.allowed(self.forge, self.identity, self.repo, "contents", "write")

    def log(self, verb: str, subject: str, **detail: Any) -> None:
        """Append to the effect log; `subject` comes after the repository's name."""
        self.forge.store.log_effect(self.forge.now(), self.identity.login, verb, f"{self.repo} {subject}", detail)


# ---- reading


def visible(asker: Asker) -> list[Body]:
    """The releases that the asker may see, newest first; drafts only with push access (G31)."""
    drafts = asker.may_write
    found = [r for r in asker.forge.store.find("release", repo=asker.repo) if drafts or not r["draft"]]
    return sorted(found, key=lambda r: (r["created_at"], r["id"]), reverse=True)


def find(asker: Asker, number: int) -> Body:
    """One release by its id; 404 when it is another repository's or a draft that the asker may not see."""
    body = asker.forge.store.get("release", number)
    if body is None or body["repo"] != asker.repo or (body["draft"] and not asker.may_write):
        raise not_found()
    return body


def published(asker: Asker, tag: str) -> Body | None:
    """The published release of a tag; never a draft (G31)."""
    found = asker.forge.store.find("release", repo=asker.repo, tag_name=tag, draft=False)
    return found[0] if found else None


def latest(forge: Forge, repo: str) -> Body | None:
    """The release called latest: the one marked so last, else the newest by commit date, then by version (G38)."""
    full = [r for r in forge.store.find("release", repo=repo, draft=False) if not r["prerelease"]]
    marked = [r for r in full if r["make_latest"] == "true"]
    if marked:
        return max(marked, key=lambda r: (r["published_at"], r["id"]))
    legacy = [r for r in full if r["make_latest"] != "false"]
    return max(legacy, key=lambda r: (r["created_at"], _version(r["tag_name"]), r["id"]), default=None)


def _version(tag: str) -> tuple[int, ...]:
    match = _SEMVER.match(tag)
    return tuple(int(part) for part in match.groups()) if match else ()


def assets_of(forge: Forge, release: Body) -> list[Body]:
    """The assets of a release, in the order in which they were uploaded."""
    return forge.store.find("asset", repo=release["repo"], release_id=release["id"])


def find_asset(asker: Asker, number: int) -> tuple[Body, Body]:
    """An asset by its id, with its release; 404 as for the release."""
    body = asker.forge.store.get("asset", number)
    if body is None or body["repo"] != asker.repo:
        raise not_found()
    return body, find(asker, body["release_id"])


def page_tag(release: Body) -> str:
    """The last part of a release's address for people."""
    if not release["draft"]:
        return quote(release["tag_name"], safe="/")
    return "untagged-" + hashlib.sha256(f"draft {release['id']}".encode()).hexdigest()[:20]


# ---- writing releases


def create(asker: Asker, wish: Body) -> Body:
    """Make a draft or a published release. Several drafts may share a tag (G32), published ones may not.

    A published one is first a draft: where the rules refuse its tag, that draft stays (G38).
    """
    forge, draft = asker.forge, bool(wish.get("draft"))
    release: Body = {
        "id": 0,
        "repo": asker.repo,
        "tag_name": wish["tag_name"],
        "target_commitish": wish.get("target_commitish") or _default_branch(asker),
        "name": wish.get("name"),
        "body": wish.get("body"),
        "draft": True,
        "prerelease": bool(wish.get("prerelease")),
        "immutable": False,
        "author": asker.identity.login,
        "created_at": forge.now(),
        "updated_at": forge.now(),
        "published_at": None,
        "make_latest": wish.get("make_latest") or "true",
    }
    with forge.store.writing():
        _check(asker, release)
        if not draft:
            _require_workflows(asker, release)
        release["id"] = forge.store.next_id("release")
        asker.log("create_release", release["tag_name"], id=release["id"], draft=draft)
        forge.store.put("release", release["id"], release, repo=asker.repo)
    if draft:
        return release
    with forge.store.writing():
        _check(asker, release)
        change = _publish(asker, release)
        forge.store.put("release", release["id"], release, repo=asker.repo)
    _announce(asker, change)
    return release


def update(asker: Asker, release: Body, wish: Body) -> Body:
    """Change a release; `draft: false` publishes it, which makes its tag when there is none (G33)."""
    forge = asker.forge
    names = ("tag_name", "target_commitish", "name", "body", "prerelease", "make_latest")
    changes = {name: wish[name] for name in names if wish.get(name) is not None}
    publish = release["draft"] and wish.get("draft") is False
    if release["immutable"] and (wish.get("draft") or changes.keys() & {"tag_name", "target_commitish"}):
        raise Refusal(422, "Cannot change the tag of an immutable release.")
    after = {**release, **changes, "updated_at": forge.now()}
    with forge.store.writing():
        _check(asker, after)
        asker.log("update_release", after["tag_name"], id=release["id"], changed=sorted(wish))
        change = None
        if publish:
            change = _publish(asker, after)
        elif wish.get("draft") and not release["draft"]:
            after.update(draft=True, published_at=None)
        elif not after["draft"]:
            change = _ensure_tag(asker, after)
            if changes.get("make_latest") == "true":
                _unmark(asker, after)
        forge.store.put("release", release["id"], after, repo=asker.repo)
    _announce(asker, change)
    return after


def delete(asker: Asker, release: Body) -> None:
    """Remove a release and its assets; its tag stays, and after an immutable one its name is burned (G36)."""
    with asker.forge.store.writing():
        if release["immutable"]:
            tag = release["tag_name"]
            asker.forge.store.put("burned_tag", f"{asker.repo}:{tag}", {"tag_name": tag}, repo=asker.repo)
        for asset in assets_of(asker.forge, release):
            _drop(asker, asset)
        asker.forge.store.delete("release", release["id"])
        asker.log("delete_release", release["tag_name"], id=release["id"])


def _default_branch(asker: Asker) -> str:
    body = auth.repo_body(asker.forge, asker.repo)
    return str(body["default_branch"]) if body else ""


def _check(asker: Asker, release: Body) -> None:
    tag, target = release["tag_name"], release["target_commitish"]
    if not git.valid_ref(f"refs/tags/{tag}"):
        raise _custom("tag_name", "tag_name is not a valid tag")
    if asker.forge.store.get("burned_tag", f"{asker.repo}:{tag}") is not None:
        raise _custom("tag_name", "tag_name was used by an immutable release")
    if len(release["body"] or "") > BODY_LIMIT:
        raise _custom("body", "body is too long (maximum is 125000 characters)")
    if release["make_latest"] not in ("true", "false", "legacy"):
        raise invalid("Release", "make_latest", "invalid")
    git_dir = asker.forge.git_dir(asker.repo)
    if git.read_ref(git_dir, f"refs/tags/{tag}") is None and _target(asker, target) is None:
        raise invalid("Release", "target_commitish", "invalid")
    same = published(asker, tag)
    if same is not None and same["id"] != release["id"]:
        raise invalid("Release", "tag_name", "already_exists")


def _target(asker: Asker, commitish: str) -> str | None:
    """The commit of a branch, or of a full SHA; nothing else names a target."""
    git_dir = asker.forge.git_dir(asker.repo)
    branch = git.read_ref(git_dir, f"refs/heads/{commitish}")
    return branch or (git.commit_of(git_dir, commitish) if git.is_sha(commitish) else None)


def _publish(asker: Asker, release: Body) -> refs.Change | None:
    """Make the tag when it is absent, then the release public; the caller stores it."""
    git_dir, ref = asker.forge.git_dir(asker.repo), f"refs/tags/{release['tag_name']}"
    change = _ensure_tag(asker, release)
    commit = git.read_commit(git_dir, git.commit_of(git_dir, ref) or "")
    release.update(
        draft=False,
        immutable=bool((auth.repo_body(asker.forge, asker.repo) or {}).get("immutable_releases")),
        published_at=asker.forge.now(),
        created_at=commit.committer.date if commit else release["created_at"],
    )
    if release["make_latest"] == "true" and not release["prerelease"]:
        _unmark(asker, release)
    asker.log("publish_release", release["tag_name"], id=release["id"], prerelease=release["prerelease"])
    return change


def _require_workflows(asker: Asker, release: Body) -> None:
    """Refuse a token that may not make the release's tag, because its commit brings other workflow files (G34)."""
    wish = _tag_wish(asker, release)
    if wish is not None and not refs.may_carry_workflows(asker.forge, asker.identity, asker.repo, wish):
        raise refs.workflows_refused(asker.identity)


def _tag_wish(asker: Asker, release: Body) -> refs.Wish | None:
    """The tag that publishing makes; None when it is there."""
    ref = f"refs/tags/{release['tag_name']}"
    if git.read_ref(asker.forge.git_dir(asker.repo), ref) is not None:
        return None
    return refs.Wish(ref, None, _target(asker, release["target_commitish"]))


def _ensure_tag(asker: Asker, release: Body) -> refs.Change | None:
    """Make the tag at its target unless it is there; under the rules for tags, as the asker."""
    wish = _tag_wish(asker, release)
    if wish is None:
        return None
    violations = refs.refuse(asker.forge, asker.identity, asker.repo, wish)
    if violations:
        raise _custom("pre_receive", f"pre_receive {rules.api_message(violations)}")
    return refs.change(asker.forge, asker.identity, asker.repo, wish, "create_tag")


def _custom(field: str, message: str) -> Refusal:
    """422 with words of its own, as GitHub's models give them."""
    entry = {"resource": "Release", "code": "custom", "field": field, "message": message}
    return Refusal(422, "Validation Failed", [entry])


def _announce(asker: Asker, change: refs.Change | None) -> None:
    if change is not None:
        refs.tell(asker.forge, [change])


def _unmark(asker: Asker, newest: Body) -> None:
    """Only one release is marked latest: the one for which it was said last."""
    for other in asker.forge.store.find("release", repo=asker.repo, make_latest="true"):
        if other["id"] != newest["id"] and not other["draft"]:
            asker.forge.store.put("release", other["id"], {**other, "make_latest": "legacy"}, repo=asker.repo)


# ---- writing assets


def asset_name(name: str) -> str:
    """The name under which GitHub keeps an uploaded file: plain ASCII letters, digits and `-_+@`, single dots (G35)."""
    plain = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))
    plain = f"default{plain}" if plain.startswith(".") else plain
    kept = re.sub(r"[^A-Za-z0-9\-_+@]+", ".", plain).strip(".")
    return f"default.{kept}" if kept != name and "." not in kept else kept


def upload(asker: Asker, release: Body, name: str, content_type: str, source: IO[bytes]) -> Body:
    """Keep an uploaded file as an asset, block by block. Raises 422 already_exists for a taken name (G35)."""
    forge, asset = asker.forge, _new_asset(asker, release, name, content_type)
    number, blob, kept = asset["id"], asset["blob"], asset["name"]
    size, digest = _keep(forge, blob, source)
    asset |= {"size": size, "digest": f"sha256:{digest}", "state": "uploaded", "updated_at": forge.now()}
    try:
        with forge.store.writing():
            # the bytes took a while: look again, in the transaction that stores the asset
            find(asker, release["id"])
            _refuse_taken(asker, release, kept)
            forge.store.put("asset", number, asset, repo=asker.repo)
            asker.log("upload_asset", f"{release['tag_name']}/{kept}", id=number, size=size, digest=asset["digest"])
    except Refusal:
        forge.blob(blob).unlink(missing_ok=True)
        raise
    return asset


def leave_starter(asker: Asker, release: Body, name: str, content_type: str) -> None:
    """What is left of an upload that broke off: an asset without bytes, which holds its name (G35)."""
    with asker.forge.store.writing():
        asset = _new_asset(asker, release, name, content_type)
        asker.forge.blob(asset["blob"]).touch()
        asker.forge.store.put("asset", asset["id"], asset, repo=asker.repo)
        asker.log("leave_starter", f"{release['tag_name']}/{asset['name']}", id=asset["id"])


def _new_asset(asker: Asker, release: Body, name: str, content_type: str) -> Body:
    """An asset before its bytes have come, not stored yet. Raises 422 for a taken name or a closed release."""
    kept, now = asset_name(name), asker.forge.now()
    if release["immutable"] and not release["draft"]:
        raise Refusal(422, "Cannot upload assets to an immutable release.")
    _refuse_taken(asker, release, kept)
    number = asker.forge.store.next_id("asset")
    return {
        "id": number,
        "repo": asker.repo,
        "release_id": release["id"],
        "name": kept,
        "size": 0,
        "content_type": content_type,
        "digest": None,
        "state": "starter",
        "uploader": asker.identity.login,
        "created_at": now,
        "updated_at": now,
        "blob": f"asset-{number}",
    }


def rename(asker: Asker, asset: Body, release: Body, wish: Body) -> Body:
    """Change an asset's name or label."""
    after = {**asset, **{key: wish[key] for key in ("label",) if wish.get(key) is not None}}
    after["updated_at"] = asker.forge.now()
    with asker.forge.store.writing():
        if wish.get("name") is not None and wish["name"] != asset["name"]:
            after["name"] = asset_name(wish["name"])
            _refuse_taken(asker, release, after["name"])
        asker.forge.store.put("asset", asset["id"], after, repo=asker.repo)
        asker.log("update_asset", f"{release['tag_name']}/{after['name']}", id=asset["id"])
    return after


def delete_asset(asker: Asker, asset: Body, release: Body) -> None:
    """Remove an asset; refused once an immutable release is published (G36)."""
    if release["immutable"] and not release["draft"]:
        raise Refusal(422, "Cannot delete asset from an immutable release.")
    with asker.forge.store.writing():
        _drop(asker, asset)
        asker.log("delete_asset", f"{release['tag_name']}/{asset['name']}", id=asset["id"])


def _drop(asker: Asker, asset: Body) -> None:
    asker.forge.store.delete("asset", asset["id"])
    if not asker.forge.store.find("asset", blob=asset["blob"]):
        asker.forge.blob(asset["blob"]).unlink(missing_ok=True)


def _refuse_taken(asker: Asker, release: Body, name: str) -> None:
    if not name:
        raise invalid("ReleaseAsset", "name", "missing_field")
    if any(asset["name"] == name for asset in assets_of(asker.forge, release)):
        raise invalid("ReleaseAsset", "name", "already_exists")


def _keep(forge: Forge, blob: str, source: IO[bytes]) -> tuple[int, str]:
    """Copy an upload to its file in blocks and return its size and SHA-256."""
    file, digest, size = forge.blob(blob), hashlib.sha256(), 0
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as sink:
        while block := source.read(_BLOCK):
            digest.update(block)
            size += len(block)
            sink.write(block)
    return size, digest.hexdigest()
