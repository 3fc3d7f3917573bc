"""Release specs: the sixteen real ones keep their content in schema 3; what does not fit together is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ms_release.core import strict_json
from ms_release.core.spec import Spec, SpecCandidate, parse_spec, render_spec
from ms_release.errors import DamagedError

FILES = sorted((Path(__file__).parents[1] / "data" / "distribution" / "release-specs").glob("*.json"))
NEWEST = next(path for path in FILES if path.stem == "v0.0.1-beta.16")
PLAN = "5" * 64


def promised(spec: Spec) -> Spec:
    candidates = tuple(SpecCandidate(repo.id, f"rc-{repo.sha}", "6" * 64) for repo in spec.repos)
    return replace(spec, plan=PLAN, candidates=candidates)


def test_all_sixteen_are_there() -> None:
    assert len(FILES) == 16
    assert {json.loads(path.read_bytes())["schema"] for path in FILES} == {1, 2}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_real_specs_keep_their_content_in_schema_3(path: Path) -> None:
    data = path.read_bytes()
    spec = promised(parse_spec(data))
    written = render_spec(spec)
    assert parse_spec(written) == spec
    before, after = json.loads(data), json.loads(written)
    assert (after.pop("schema"), after.pop("plan")) == (3, PLAN)
    assert [c["repo"] for c in after.pop("candidates")] == [repo.id for repo in spec.repos]
    assert before.pop("schema") in (1, 2)
    # Same fields in the same order, at every depth.
    assert json.dumps(after) == json.dumps(before)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_pretty_form_is_the_one_upstream_writes(path: Path) -> None:
    data = path.read_bytes()
    assert strict_json.pretty(strict_json.parse(data)) == data


def test_key_order_of_schema_3() -> None:
    written = render_spec(promised(parse_spec(NEWEST.read_bytes())))
    assert list(json.loads(written)) == (
        "schema channel tag repos tooling assets install_sets pages plan candidates".split()
    )
    assert written.endswith(b"]\n}\n")
    assert b'\n  "channel": "beta",\n' in written


def test_a_candidate_that_is_still_to_be_built_has_no_digest() -> None:
    spec = promised(parse_spec(NEWEST.read_bytes()))
    waiting = replace(spec, candidates=tuple(replace(c, digest=None) for c in spec.candidates))
    assert "digest" not in json.loads(render_spec(waiting))["candidates"][0]
    assert parse_spec(render_spec(waiting)) == waiting


@pytest.mark.parametrize("changes", [{"plan": None}, {"plan": "x"}, {"candidates": ()}])
def test_schema_3_is_not_written_without_its_promise(changes: dict[str, Any]) -> None:
    with pytest.raises(DamagedError, match="no plan or no candidates"):
        render_spec(replace(promised(parse_spec(NEWEST.read_bytes())), **changes))


def edit(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(render_spec(promised(parse_spec(NEWEST.read_bytes()))))
    change(document)
    return json.dumps(document).encode()


def test_newer_schemas_ask_for_a_newer_program() -> None:
    with pytest.raises(DamagedError, match="newer than 3") as caught:
        parse_spec(edit(lambda d: d.update(schema=4)))
    assert "newer version of this program" in caught.value.remedy


BROKEN: list[Callable[[dict[str, Any]], object]] = [
    lambda d: d.pop("schema"),
    lambda d: d.update(schema="3"),
    lambda d: d.update(schema=True),
    lambda d: d.update(schema=0),
    lambda d: d.update(schema=2),
    lambda d: d.update(more=1),
    lambda d: d.update(channel="stable"),
    lambda d: d.update(channel="nightly"),
    lambda d: d.update(tag="v0.0.1-beta.16\n"),
    lambda d: d.update(tag="../x"),
    lambda d: d.update(repos=[]),
    lambda d: d["repos"].append(d["repos"][0]),
    lambda d: d["repos"][0].update(sha="main"),
    lambda d: d["repos"][0].update(ref="--upload-pack=x"),
    lambda d: d["repos"][0].update(url="file:///etc/passwd"),
    lambda d: d["repos"][0].update(url="https://user@github.com/a/b"),
    lambda d: d["repos"][0].update(url="https://github.com/a/b/c"),
    lambda d: d["repos"][0].update(url="https://github.com/a/b)"),
    lambda d: d["repos"][0].update(id="a b"),
    lambda d: d["repos"][0].update(required_ci_workflow_file="/etc/passwd"),
    lambda d: d["repos"][0].update(required_ci_workflow_file="a b"),
    lambda d: d["repos"][0].update(branch="main"),
    lambda d: d["tooling"].update(sha="x"),
    lambda d: d["tooling"].update(repo="x"),
    lambda d: d["tooling"].pop("ref"),
    lambda d: d.update(assets=[]),
    lambda d: d["assets"].append(d["assets"][0]),
    lambda d: d["assets"][0].update(id="other-id"),
    lambda d: d["assets"][0].update(filename="../x.zip"),
    lambda d: d["assets"][0].update(filename=d["assets"][1]["filename"].upper()),
    lambda d: d["assets"][0].update(kind=""),
    lambda d: d["assets"][0].update(os="win dows"),
    lambda d: d["install_sets"][0].update(assets=["nothing"]),
    lambda d: d["install_sets"][0].update(assets=[]),
    lambda d: d["install_sets"][0].update(arch="x y"),
    lambda d: d["install_sets"][0].update(os="x y"),
    lambda d: d["install_sets"].append(d["install_sets"][0]),
    lambda d: d.update(install_sets=[]),
    lambda d: d["pages"].update(demo_url="javascript:alert(1)"),
    lambda d: d["pages"].update(demo_url="https://x/\n"),
    lambda d: d.pop("plan"),
    lambda d: d.update(plan=PLAN[1:]),
    lambda d: d["candidates"].append(d["candidates"][0]),
    lambda d: d["candidates"][0].update(repo="nothing"),
    lambda d: d["candidates"][0].update(tag="-x"),
    lambda d: d["candidates"][0].update(digest="x"),
    lambda d: d["candidates"][0].update(digest=""),
    lambda d: d.update({"\x1b[2J": 1}),
]


@pytest.mark.parametrize("change", BROKEN)
def test_specs_that_do_not_fit_together_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(DamagedError) as caught:
        parse_spec(edit(change))
    assert caught.value.cause.isprintable()


def test_old_schemas_do_not_say_what_they_do_not_have() -> None:
    document = json.loads(NEWEST.read_bytes())
    for schema, extra in ((1, {}), (2, {"plan": PLAN}), (2, {"candidates": []})):
        with pytest.raises(DamagedError, match="has no"):
            parse_spec(json.dumps(document | {"schema": schema} | extra).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b'{"schema":3,"schema":3}'])
def test_other_documents_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedError):
        parse_spec(data)
