"""`ms-release.toml` → one frozen `Config`. Unknown keys, wrong types, dangling names: usage errors that say where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from ms_release.core import strict_toml
from ms_release.core.model import Waiver
from ms_release.core.names import is_ref_name, is_repo_url, is_safe_name
from ms_release.errors import UsageError

DEFAULT_FILE = "ms-release.toml"


class CheckRule(Struct, frozen=True, forbid_unknown_fields=True):
    """A check that must be green, and the app that must have made it (github-facts G18)."""

    name: str
    app: str


class CandidateRule(Struct, frozen=True, forbid_unknown_fields=True):
    """How a repository's candidate is built and who may see it before the release.

    `inputs`: ids of other repositories whose pinned commits the build reads. `recipe`: paths of the files that say how
    to build; none = the workflow file.
    """

    workflow: str
    visibility: Literal["draft", "prerelease"]
    inputs: tuple[str, ...] = ()
    recipe: tuple[str, ...] = ()


class WireRule(Struct, frozen=True, forbid_unknown_fields=True):
    """What `wire` writes and `prove` runs. `kind` None = found by looking at the repository's files.

    `sentinel` adds the gates of a `.sentinel` folder. `gates`: command by name; "" takes a gate away. `artifacts` is
    the directory that the gate `build` fills.
    """

    kind: Literal["pnpm", "npm", "python", "rust", "plain"] | None = None
    sentinel: bool = False
    gates: dict[str, str] = {}
    artifacts: str = "dist"

    def __hash__(self) -> int:
        # a configuration is a key of caches
        return hash((self.kind, self.sentinel, *self.gates.items(), self.artifacts))


class Repo(Struct, frozen=True, forbid_unknown_fields=True):
    """One repository of the organisation."""

    id: str
    url: str
    checks: tuple[CheckRule, ...]
    branch: str = "main"
    select: Literal["head", "latest-green", "carry"] = "head"
    candidate: CandidateRule | None = None
    wire: WireRule = WireRule()

    @property
    def slug(self) -> str:
        """`owner/name`, as the forge's API wants it."""
        return urlsplit(self.url).path.strip("/").removesuffix(".git")


class Member(Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}):
    """A candidate artifact (`repo id/file name`) and its place inside a bundle."""

    path: str
    source: str


class AssetRule(Struct, frozen=True, forbid_unknown_fields=True, rename={"source": "from"}, omit_defaults=True):
    """A published file: one candidate artifact byte for byte (`from`), or a reproducible zip of several (`members`)."""

    id: str
    kind: str
    filename: str
    os: str | None = None
    arch: str | None = None
    source: str | None = None
    members: tuple[Member, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The candidate artifacts that this asset is made of."""
        return (self.source,) if self.source else tuple(m.source for m in self.members)


class InstallSet(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The assets that belong together on one platform."""

    id: str
    assets: tuple[str, ...]
    os: str | None = None
    arch: str | None = None


class Product(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that is released as one: a bundle of pinned commits (`content`)."""

    id: str
    kind: Literal["content"]
    repos: tuple[str, ...]
    home: str
    environment: str
    workflow: str
    trigger: Literal["dispatch"] = "dispatch"
    assets: tuple[AssetRule, ...] = ()
    install_sets: tuple[InstallSet, ...] = ()


class ConfigHead(Struct, frozen=True, forbid_unknown_fields=True):
    """Which format this is, and the repository whose copy of it counts."""

    schema: Literal[1]
    home: str


class ForgeRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the forge is."""

    url: str = "https://github.com"


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """What the rules of SPEC 1 leave open; the rules themselves cannot be switched off here, only waived.

    `manifest_key`, `candidate_key`: base64 of the Ed25519 public keys that published manifests, and the signatures of
    candidates where there is one, must verify against. `approvals`: approving reviews that a pull request needs.
    `tags`: patterns of release tags. `push_app`: the App that may push besides the maintainers. `wait_timer`: minutes.
    `flaky_rate`, `size_growth`: shares (0.1 = a tenth) above which a finding is escalated.
    """

    manifest_key: str
    candidate_key: str = ""
    approvals: Annotated[int, Meta(ge=0, le=10)] = 0
    tags: tuple[str, ...] = ("v*",)
    push_app: str = ""
    immutable_releases: bool = True
    auto_merge: bool = False
    wait_timer: Annotated[int, Meta(ge=0, le=43_200)] = 0
    flaky_rate: Annotated[float, Meta(ge=0, le=1)] = 0.0
    size_growth: Annotated[float, Meta(ge=0)] = 0.1


class Roles(Struct, frozen=True, forbid_unknown_fields=True):
    """Teams (`org/slug`) or logins by role. The optional ones, whom findings are escalated to, are else maintainers."""

    maintainers: str
    release_managers: str
    owner: str = ""
    integrator: str = ""
    builder: str = ""
    verifier: str = ""
    observer: str = ""

    def named(self, role: str) -> str:
        """Who has a role."""
        return str(getattr(self, role)) or self.maintainers


class Config(
    Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"repos": "repo", "products": "product", "waivers": "waiver"},
):
    """The whole configuration. Build it with `parse`, which also checks that its parts fit together."""

    config: ConfigHead
    repos: tuple[Repo, ...]
    products: tuple[Product, ...]
    policy: Policy
    roles: Roles
    forge: ForgeRule = ForgeRule()
    waivers: tuple[Waiver, ...] = ()

    def repo(self, id: str) -> Repo:
        """The repository of that id; UsageError names the known ones."""
        for repo in self.repos:
            if repo.id == id:
                return repo
        known = ", ".join(r.id for r in self.repos)
        raise UsageError(f"no repository has the id {id!r}", remedy=f"The configuration knows: {known}.")

    def repo_of(self, slug: str) -> Repo:
        """The repository of that `owner/name`."""
        return next(r for r in self.repos if r.slug.casefold() == slug.casefold())

    def product(self, id: str) -> Product:
        """The product of that id; UsageError names the known ones."""
        for product in self.products:
            if product.id == id:
                return product
        known = ", ".join(p.id for p in self.products)
        raise UsageError(f"no product has the id {id!r}", remedy=f"The configuration knows: {known}.")

    def components(self, product: Product) -> tuple[Repo, ...]:
        """The repositories whose commits the product pins, in the configured order."""
        return tuple(self.repo(id) for id in product.repos)

    def home(self, product: Product) -> Repo:
        """The repository that the product is released from."""
        return self.repo(product.home)


def json_schema() -> dict[str, Any]:
    """The JSON schema of the configuration, for editors: draft 2020-12, made from the types that read it."""
    schema = msgspec.json.schema(Config)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ms-release.toml", **schema}


def parse(text: str, file: str = DEFAULT_FILE) -> Config:
    """Read the configuration. Raises UsageError with file, line (where known) and key."""
    raw = strict_toml.parse(text, file)
    try:
        config = msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        key = where.rstrip("`").lstrip(".")
        raise UsageError(
            f"{file}{_line(text, raw, key, message)}: {message}" + (f" (key {key})" if key else ""),
            remedy="Compare with ms-release.example.toml.",
        ) from None
    _check_references(config, text, file)
    return config


def _line(text: str, raw: dict[str, Any], key: str, message: str) -> str:
    """`:LINE` of the key, or of the table that lacks one; "" where it cannot be told."""
    table, _, rest = key.partition(".")
    table, _, index = table.partition("[")
    if not table or table not in raw:
        return ""
    header = re.compile(rf"^[ \t]*\[+\s*{re.escape(table)}\s*\]+", re.MULTILINE)
    heads = list(header.finditer(text))
    number = int(index.rstrip("]")) if index.rstrip("]").isdigit() else 0
    if number >= len(heads):
        return ""
    start = heads[number].start()
    missing = re.search(r"(?:unknown field|required field) `([^`]+)`", message)
    name = rest.split("[")[0].split(".")[0] or (missing.group(1) if missing and "unknown" in message else "")
    found = re.compile(rf"^[ \t]*{re.escape(name)}\s*=", re.MULTILINE).search(text, start) if name else None
    return f":{text.count(chr(10), 0, found.start() if found else start) + 1}"


def _at(text: str, value: str) -> str:
    """`:LINE` of the last place that says this value: where it is used, not where it is defined."""
    found = text.rfind(f'"{value}"')
    return f":{text.count(chr(10), 0, found) + 1}" if found >= 0 else ""


def _check_references(config: Config, text: str, file: str) -> None:
    ids = [r.id for r in config.repos]
    if len(set(ids)) != len(ids):
        twin = next(i for i in ids if ids.count(i) > 1)
        raise UsageError(
            f"{file}: two repositories share the id {twin} (key repo.id)", remedy="Ids of [[repo]] must differ."
        )
    for repo in config.repos:
        if not is_repo_url(repo.url.rstrip("/")):
            raise UsageError(
                f"{file}{_at(text, repo.url)}: url of {repo.id} is not …/owner/name (key repo.url)",
                remedy="Write the repository's web address.",
            )
        workflow = repo.candidate.workflow if repo.candidate else None
        _check_words(text, file, "repo", {"id": repo.id, "workflow": workflow})
        if not is_ref_name(repo.branch):
            raise _odd(text, file, "repo.branch", repo.branch)
        _check_candidate(repo, ids, text, file)
        if not repo.checks:
            raise UsageError(
                f"{file}: {repo.id} names no checks (key repo.checks)",
                remedy="A repository without a gate cannot be released.",
            )
    if config.config.home not in (repo.slug for repo in config.repos):
        raise UsageError(
            f"{file}{_at(text, config.config.home)}: no repository is {config.config.home} (key config.home)",
            remedy="Write owner/name of a [[repo]].",
        )
    for product in config.products:
        _check_words(text, file, "product", {"id": product.id, "workflow": product.workflow})
        if missing := [id for id in (*product.repos, product.home) if id not in ids]:
            key = "home" if missing[0] == product.home else "repos"
            raise UsageError(
                f"{file}{_at(text, missing[0])}: no repository has the id {missing[0]!r} (key product.{key})",
                remedy=f"Known ids: {', '.join(ids)}.",
            )
        for repo in config.components(product):
            if repo.candidate is None:
                raise UsageError(
                    f"{file}: {repo.id} has no candidate (key repo.candidate)",
                    remedy=f"Add candidate = … : {product.id} promotes it.",
                )
        _check_assets(product, text, file)


def _check_candidate(repo: Repo, ids: list[str], text: str, file: str) -> None:
    _check_words(text, file, "repo.wire", {"path": repo.wire.artifacts, **{name: name for name in repo.wire.gates}})
    if repo.candidate is None:
        return
    for path in repo.candidate.recipe:
        _check_words(text, file, "repo.candidate.recipe", {"path": path.removeprefix(".")})
    if strange := [id for id in repo.candidate.inputs if id not in ids or id == repo.id]:
        raise UsageError(
            f"{file}{_at(text, strange[0])}: {repo.id} cannot take {strange[0]!r} as an input "
            "(key repo.candidate.inputs)",
            remedy=f"Name other repositories of {', '.join(ids)}.",
        )


def _check_words(text: str, file: str, table: str, words: Mapping[str, str | None]) -> None:
    """Ids and file names end up in tags, paths and addresses: only what is harmless in each of them (faults F38, F44).

    A path is checked part by part.
    """
    for key, word in words.items():
        if word is not None and not all(map(is_safe_name, word.split("/") if key == "path" else [word])):
            raise _odd(text, file, f"{table}.{key}", word)


def _odd(text: str, file: str, key: str, value: str) -> UsageError:
    return UsageError(
        f"{file}{_at(text, value)}: {ascii(value)[:80]} is not a name for every system (key {key})",
        remedy="Use letters, digits and . _ + - , beginning with a letter or digit.",
    )


def _check_assets(product: Product, text: str, file: str) -> None:
    known = {a.id for a in product.assets}
    for asset in product.assets:
        _check_words(text, file, "product.assets", {"id": asset.id, "kind": asset.kind, "filename": asset.filename})
        _check_words(text, file, "product.assets", {"os": asset.os, "arch": asset.arch})
        for member in asset.members:
            _check_words(text, file, "product.assets.members", {"path": member.path})
        if (asset.source is None) == (not asset.members):
            raise UsageError(
                f"{file}: asset {asset.id} needs either `from` or `members` (key product.assets)",
                remedy="Name one of the two.",
            )
        for source in asset.sources:
            if source.partition("/")[0] not in product.repos:
                raise UsageError(
                    f"{file}{_at(text, source)}: asset {asset.id} takes {source}, not of this product "
                    "(key product.assets.from)",
                    remedy="Use repo-id/file.",
                )
    for install_set in product.install_sets:
        words = {"id": install_set.id, "os": install_set.os, "arch": install_set.arch}
        _check_words(text, file, "product.install_sets", words)
        if missing := sorted(set(install_set.assets) - known):
            raise UsageError(
                f"{file}{_at(text, missing[0])}: install set {install_set.id} names {missing[0]} "
                "(key product.install_sets.assets)",
                remedy="No such asset.",
            )
