"""`ms-release.toml`: what is read, and errors that say file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.world import CONFIG, TOML
from ms_release.config import Member, parse
from ms_release.core.model import Waiver
from ms_release.errors import UsageError

EXAMPLE = Path(__file__).parents[2] / "ms-release.example.toml"


def line_of(text: str, words: str) -> int:
    return text[: text.index(words)].count("\n") + 1


def changed(old: str, new: str) -> str:
    assert TOML.count(old) == 1, old
    return TOML.replace(old, new)


def refusal(text: str, file: str = "ms-release.toml") -> str:
    with pytest.raises(UsageError) as caught:
        parse(text, file)
    assert caught.value.remedy
    return caught.value.cause


def test_the_example_is_whole() -> None:
    config = parse(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name)
    assert config.product("content").home == "distribution"
    assert config.repo("loader").slug == "petitechose-midi-studio/loader"


def test_what_is_written_is_what_is_read() -> None:
    assert (CONFIG.config.schema, CONFIG.config.home, CONFIG.forge.url) == (
        1,
        "studio/distribution",
        "https://github.com",
    )
    assert [(r.id, r.slug, r.branch, r.select) for r in CONFIG.repos] == [
        ("loader", "studio/loader", "main", "carry"),
        ("core", "studio/core", "main", "head"),
        ("distribution", "studio/distribution", "main", "head"),
    ]
    product = CONFIG.product("content")
    assert [r.id for r in CONFIG.components(product)] == ["loader", "core"]
    assert CONFIG.home(product).id == "distribution"
    assert product.trigger == "dispatch"
    assert [a.sources for a in product.assets] == [("core/firmware.hex",), ("loader/loader",)]
    assert product.assets[1].members == (Member("bin/loader", "loader/loader"),)
    assert CONFIG.waivers == ()


def test_waivers_are_read() -> None:
    waiver = '\n[[waiver]]\ncode = "A"\nsubject = "*"\nreason = "r"\napprover = "dana"\nexpires = "2026-01-01"\n'
    assert parse(TOML + waiver).waivers == (Waiver("A", "*", "r", "dana", "2026-01-01"),)
    assert "waiver" in refusal(TOML + waiver.replace('approver = "dana"\n', ""))


@pytest.mark.parametrize(
    ("text", "where", "message", "key"),
    [
        pytest.param(
            changed('select = "head"', 'selct = "head"'),
            'selct = "head"',
            "unknown field `selct`",
            "repo[1]",
            id="unknown key",
        ),
        pytest.param(
            changed('workflow = "publish.yml"', 'workflow = "publish.yml"\nfoo = 1'),
            "foo = 1",
            "unknown field `foo`",
            "product[0]",
            id="unknown in product",
        ),
        pytest.param(
            changed('select = "head"', "select = 7"),
            "select = 7",
            "Expected `str`, got `int`",
            "repo[1].select",
            id="wrong type",
        ),
        pytest.param(
            changed('select = "head"', 'select = "newest"'),
            'select = "newest"',
            "Invalid enum value 'newest'",
            "repo[1].select",
            id="unknown value",
        ),
        pytest.param(
            changed('repos = ["loader", "core"]', "repos = 5"),
            "repos = 5",
            "Expected `array`, got `int`",
            "product[0].repos",
            id="no list",
        ),
        pytest.param(
            changed('manifest_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="', ""),
            "[policy]",
            "missing required field `manifest_key`",
            "policy",
            id="missing key",
        ),
        pytest.param(
            changed('url = "https://forge.example/studio/loader"\n', ""),
            "[[repo]]",
            "missing required field `url`",
            "repo[0]",
            id="missing in a list",
        ),
        pytest.param(
            changed("schema = 1", "schema = 2"),
            "schema = 2",
            "Invalid enum value 2",
            "config.schema",
            id="newer schema",
        ),
        pytest.param(
            changed('app = "scanner"', "app = 1"),
            'checks = [{ name = "test", app = "github-actions" }, {',
            "Expected `str`",
            "repo[1].checks",
            id="deep inside",
        ),
        pytest.param(
            changed('visibility = "draft"', 'visibility = "secret"'),
            'workflow = "build.yml"',
            "Invalid enum value",
            "repo[1].candidate",
            id="inline",
        ),
    ],
)
def test_a_wrong_value_is_shown_with_file_line_and_key(text: str, where: str, message: str, key: str) -> None:
    cause = refusal(text, "some.toml")
    assert cause.startswith(f"some.toml:{line_of(text, where)}: ")
    assert message in cause
    assert f"(key {key}" in cause


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        pytest.param(
            changed('from = "core/firmware.hex"', 'from = "cor/firmware.hex"'),
            '"cor/firmware.hex"',
            "asset firmware takes cor/firmware.hex, not of this product (key product.assets.from)",
            id="asset source",
        ),
        pytest.param(
            changed('from = "loader/loader"', 'from = "distribution/x"'),
            '"distribution/x"',
            "asset bundle takes distribution/x, not of this product (key product.assets.from)",
            id="member source",
        ),
        pytest.param(
            changed('assets = ["firmware", "bundle"]', 'assets = ["firmware", "bundel"]'),
            '"bundel"',
            "install set default names bundel (key product.install_sets.assets)",
            id="install set",
        ),
        pytest.param(
            changed('home = "distribution"', 'home = "distributoin"'),
            '"distributoin"',
            "no repository has the id 'distributoin' (key product.home)",
            id="home",
        ),
        pytest.param(
            changed('repos = ["loader", "core"]', 'repos = ["loader", "kore"]'),
            '"kore"',
            "no repository has the id 'kore' (key product.repos)",
            id="component",
        ),
        pytest.param(
            changed('"https://forge.example/studio/loader"', '"https://forge.example/loader"'),
            '"https://forge.example/loader"',
            "url of loader is not …/owner/name (key repo.url)",
            id="url",
        ),
        pytest.param(
            changed('"https://forge.example/studio/loader"', '"https://forge.example/a/b/c"'),
            '"https://forge.example/a/b/c"',
            "url of loader is not …/owner/name (key repo.url)",
            id="url too deep",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_shown_where_it_is_used(text: str, where: str, words: str) -> None:
    assert refusal(text) == f"ms-release.toml:{line_of(text, where)}: {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            changed('id = "core"', 'id = "loader"'), "two repositories share the id loader (key repo.id)", id="twins"
        ),
        pytest.param(
            changed('checks = [{ name = "validate", app = "github-actions" }]', "checks = []"),
            "distribution names no checks (key repo.checks)",
            id="no checks",
        ),
        pytest.param(
            changed('candidate = { workflow = "build.yml", visibility = "draft" }', ""),
            "core has no candidate (key repo.candidate)",
            id="no candidate",
        ),
        pytest.param(
            changed('from = "core/firmware.hex"', ""),
            "asset firmware needs either `from` or `members` (key product.assets)",
            id="no source",
        ),
        pytest.param(
            changed("members = [{", 'from = "core/x"\nmembers = [{'),
            "asset bundle needs either `from` or `members` (key product.assets)",
            id="two sources",
        ),
    ],
)
def test_parts_that_do_not_fit_together(text: str, words: str) -> None:
    assert refusal(text) == f"ms-release.toml: {words}"


def test_what_is_no_toml_is_said_so_with_its_line() -> None:
    cause = refusal("[config]\nschema = \n", "x.toml")
    assert cause.startswith("x.toml: ")
    assert "line 2" in cause


def test_a_table_that_is_left_out_is_named() -> None:
    rest = TOML[: TOML.index("[policy]")] + TOML[TOML.index("[roles]") :]
    assert refusal(rest) == "ms-release.toml: Object missing required field `policy`"


def test_unknown_ids_name_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no repository has the id 'cor'") as caught:
        CONFIG.repo("cor")
    assert "loader, core, distribution" in caught.value.remedy
    with pytest.raises(UsageError, match="no product has the id 'app'") as caught:
        CONFIG.product("app")
    assert "content" in caught.value.remedy


@pytest.mark.parametrize(
    "url",
    ["https://x/studio/core", "https://x/studio/core/", "https://x/studio/core.git", "https://x/studio/core.git/"],
)
def test_the_address_says_the_slug(url: str) -> None:
    assert replace(CONFIG.repo("core"), url=url).slug == "studio/core"
