"""Which files a product is proposed to publish: the newest spec says which, the candidates what they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from ms_release.config import AssetRule, InstallSet, Member, Product
from ms_release.core.candidate import Artifact, Candidate
from ms_release.core.names import is_safe_name
from ms_release.core.proposal_checks import Note
from ms_release.core.spec import Spec, SpecAsset

_PLATFORM = re.compile(r"[-_.]?(windows|macos|linux)[-_](x86_64|arm64|aarch64)(?![A-Za-z0-9])")
_WORDS = re.compile(r"[a-z0-9]+")


class Assets(Struct, frozen=True):
    """Assets and install sets, with their notes (keyed `assets` and `install_sets`)."""

    assets: tuple[AssetRule, ...]
    install_sets: tuple[InstallSet, ...]
    notes: tuple[Note, ...]


class _Part(Struct, frozen=True):
    """An artifact with the repository id that it comes from, and the platform that it or its name says."""

    repo: str
    file: str
    os: str | None
    arch: str | None

    @property
    def source(self) -> str:
        return f"{self.repo}/{self.file}"


def propose_assets(
    components: tuple[str, ...],
    candidates: Mapping[str, Candidate],
    specs: tuple[Spec, ...],
    configured: Product | None,
) -> Assets:
    """What is written already is kept; else the newest spec's files, made from the candidates (by repository id); else
    every artifact as it is; where none is seen, one file of each component as a place to fill in.
    """
    if configured is not None and configured.assets:
        text = "as the configuration in the home repository says"
        notes = (Note("assets", text), Note("install_sets", text))
        return Assets(configured.assets, configured.install_sets, notes)
    parts = [_part(id, artifact) for id, found in candidates.items() for artifact in found.artifacts]
    unbuilt = [id for id in components if id not in candidates]
    if specs:
        return _from_spec(parts, specs[0], components)
    return _from_parts(parts, unbuilt)


def _part(repo: str, artifact: Artifact) -> _Part:
    if artifact.os:
        return _Part(repo, artifact.filename, artifact.os, artifact.arch)
    found = _PLATFORM.search(artifact.filename)
    return _Part(repo, artifact.filename, found[1] if found else None, found[2] if found else None)


def _from_spec(parts: list[_Part], spec: Spec, components: tuple[str, ...]) -> Assets:
    exact = {part.file: part for part in reversed(parts)}
    published = {asset.filename for asset in spec.assets}
    loose = [part for part in parts if part.file not in published]
    assets: list[AssetRule] = []
    notes = [Note("assets", f"what {spec.tag} published")]
    for asset in spec.assets:
        members = () if asset.filename in exact else _members(asset, loose)
        source = None if members else f"{_likely(asset, components)}/{asset.filename}"
        if asset.filename in exact:
            source = exact[asset.filename].source
        elif members:
            text = f"{asset.id}: its members and their places are guessed from the names of the candidates' files"
            notes.append(Note("assets", text, check=True))
        else:
            text = f"{asset.id}: no candidate that this token sees holds {asset.filename}, so its source is a guess"
            notes.append(Note("assets", text, check=True))
        assets.append(AssetRule(asset.id, asset.kind, asset.filename, asset.os, asset.arch, source, members))
    sets = tuple(InstallSet(one.id, one.assets, one.os, one.arch) for one in spec.install_sets)
    return Assets(tuple(assets), sets, (*notes, Note("install_sets", f"those of {spec.tag}")))


def _likely(asset: SpecAsset, components: tuple[str, ...]) -> str:
    """The component whose id shares most words with an asset; the first one where none does."""
    words = set(_WORDS.findall(f"{asset.id} {asset.filename}".lower()))
    return max(components, key=lambda id: len(words & set(_WORDS.findall(id.lower()))))


def _members(asset: SpecAsset, loose: list[_Part]) -> tuple[Member, ...]:
    """For a bundle of one platform: the files of that platform, and those of none, at places made from their names."""
    if asset.os is None or not asset.filename.endswith(".zip"):
        return ()
    fitting = [p for p in loose if (p.os, p.arch) == (asset.os, asset.arch)]
    if not fitting:
        return ()
    taken: dict[str, Member] = {}
    for part in (*fitting, *(p for p in loose if p.os is None)):
        name = _PLATFORM.sub("", part.file)
        place = f"bin/{name if is_safe_name(name) else part.file}"
        place = place if place not in taken else f"bin/{part.repo}/{part.file}"
        taken[place] = Member(place, part.source)
    return tuple(taken.values())


def _from_parts(parts: list[_Part], unbuilt: list[str]) -> Assets:
    """Without a spec: each artifact is published as it is, and one install set for each platform takes what fits."""
    by_name: dict[str, _Part] = {}
    notes = [Note("assets", "the files of the newest candidates, each as it is; nothing was published so far")]
    for part in parts:
        if part.file.lower() in by_name:
            text = f"{part.source} is left out: {by_name[part.file.lower()].source} has the same name"
            notes.append(Note("assets", text, check=True))
        else:
            by_name[part.file.lower()] = part
    for id in unbuilt:
        text = f"{id}: no candidate shows what it builds; name its files, or build one and propose again"
        notes.append(Note("assets", text, check=True))
        by_name.setdefault(f"{id}.zip".lower(), _Part(id, f"{id}.zip", None, None))
    assets = tuple(AssetRule(p.file, "file", p.file, p.os, p.arch, p.source) for p in by_name.values())
    text = "one for each platform, of everything that fits; divide it as your installer needs it"
    return Assets(assets, tuple(_install_sets(assets)), (*notes, Note("install_sets", text, check=True)))


def _install_sets(assets: tuple[AssetRule, ...]) -> Iterable[InstallSet]:
    platforms: list[tuple[str | None, str]] = sorted({(a.os, a.arch or "") for a in assets if a.os})
    for system, arch in platforms or [(None, "")]:
        fitting = tuple(a.id for a in assets if a.os is None or (a.os == system and (a.arch or "") == arch))
        yield InstallSet("default", fitting, system, arch or None)
