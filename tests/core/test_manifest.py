"""manifest.json: made from a spec and measured files, read back, and every difference of bytes named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ms_release.core.manifest import compare_files, make_manifest, parse_manifest, render_manifest
from ms_release.core.spec import Spec, parse_spec
from ms_release.errors import DamagedError, IntegrityError

DATA = Path(__file__).parents[1] / "data" / "distribution" / "release-specs"
TIME = "2026-05-01T00:00:00Z"


def spec(name: str = "v0.0.1-beta.16") -> Spec:
    return parse_spec((DATA / f"{name}.json").read_bytes())


def measured(of: Spec) -> dict[str, tuple[int, str]]:
    return {asset.filename: (n, f"{n:064x}") for n, asset in enumerate(of.assets, 1)} | {"checksums.txt": (9, "9" * 64)}


MANIFEST = make_manifest(spec(), TIME, measured(spec()))


def test_a_manifest_says_what_the_spec_says_and_the_bytes_are() -> None:
    document = json.loads(render_manifest(MANIFEST))
    source = json.loads((DATA / "v0.0.1-beta.16.json").read_bytes())
    assert list(document) == "schema channel tag published_at repos tooling assets install_sets pages".split()
    assert (document["schema"], document["published_at"]) == (3, TIME)
    for key in ("channel", "tag", "tooling", "install_sets", "pages"):
        assert document[key] == source[key]
    assert document["repos"] == [{k: repo[k] for k in ("id", "url", "sha")} for repo in source["repos"]]
    assert document["assets"] == [
        asset | {"size": n, "sha256": f"{n:064x}"} for n, asset in enumerate(source["assets"], 1)
    ]
    assert parse_manifest(render_manifest(MANIFEST)) == MANIFEST


def test_tooling_is_left_out_where_there_is_none() -> None:
    old = spec("v0.0.1-beta.1")
    data = render_manifest(make_manifest(old, TIME, measured(old)))
    assert "tooling" not in json.loads(data)
    assert parse_manifest(data).tooling is None


def test_equal_input_gives_equal_bytes() -> None:
    files = dict(reversed(measured(spec()).items()))
    assert render_manifest(make_manifest(spec(), TIME, files)) == render_manifest(MANIFEST)


def test_an_asset_that_was_not_laid_out_is_an_error() -> None:
    files = measured(spec())
    del files[spec().assets[2].filename]
    with pytest.raises(IntegrityError, match=spec().assets[2].filename):
        make_manifest(spec(), TIME, files)


def test_every_difference_of_bytes_is_named() -> None:
    files = measured(spec())
    assert compare_files(MANIFEST, files) == []
    names = [asset.filename for asset in spec().assets]
    del files[names[0]]
    files[names[1]] = (99, files[names[1]][1])
    files[names[2]] = (files[names[2]][0], "f" * 64)
    found = compare_files(MANIFEST, files)
    assert found == [
        f"{names[0]} is missing",
        f"{names[1]} has 99 bytes, the manifest says 2",
        f"{names[2]} has the sha256 ffffffffffff…, the manifest says 000000000000…",
    ]


def test_schema_2_is_read() -> None:
    document = json.loads(render_manifest(replace(MANIFEST, tooling=None)))
    assert parse_manifest(json.dumps(document | {"schema": 2}).encode()) == replace(MANIFEST, tooling=None)


BROKEN: list[Callable[[dict[str, Any]], object]] = [
    lambda d: d.update(schema=4),
    lambda d: d.update(schema=True),
    lambda d: d.pop("schema"),
    lambda d: d.update(more=1),
    lambda d: d.update(channel="stable"),
    lambda d: d.update(tag="v0.0.1-beta.16 "),
    lambda d: d.update(published_at="2026-05-01"),
    lambda d: d.update(published_at="2026-05-01T00:00:00+02:00"),
    lambda d: d.update(repos=[]),
    lambda d: d["repos"].append(d["repos"][0]),
    lambda d: d["repos"][0].update(sha="x"),
    lambda d: d["repos"][0].update(url="javascript:x"),
    lambda d: d.update(assets=[]),
    lambda d: d["assets"][0].update(size=-1),
    lambda d: d["assets"][0].update(size="1"),
    lambda d: d["assets"][0].update(sha256="x"),
    lambda d: d["assets"][0].update(filename="../../x"),
    lambda d: d["assets"][0].update(filename=d["assets"][1]["filename"]),
    lambda d: d["install_sets"][0].update(assets=["x"]),
]


@pytest.mark.parametrize("change", BROKEN)
def test_damaged_manifests_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(render_manifest(MANIFEST))
    change(document)
    with pytest.raises(DamagedError) as caught:
        parse_manifest(json.dumps(document).encode())
    assert caught.value.cause.isprintable()


def test_a_manifest_that_could_not_be_read_is_not_written() -> None:
    for changes in ({"published_at": "now"}, {"tag": "x"}, {"repos": ()}):
        with pytest.raises(DamagedError):
            render_manifest(replace(MANIFEST, **changes))
