"""Names from outside: file names (faults F38), commit ids and refs (faults F44), the last against git itself."""

from __future__ import annotations

import subprocess
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ms_release.core.names import is_ref_name, is_repo_url, is_safe_name, is_sha, is_sha256, is_slug, refuse_twins
from ms_release.errors import DamagedError


@pytest.mark.parametrize(
    "name", ["a", "midi-studio-linux-x86_64-bundle.zip", "a..b", "1+2", "console.txt", "com.txt", "COM10", "a" * 128]
)
def test_safe_names(name: str) -> None:
    assert is_safe_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *[
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "--upload-pack=x",
            "_x",
            "a/b",
            "a\\b",
            "/a",
            "../a",
            "C:a",
            "a:b",
            "a*",
            "a?",
        ],
        *["a ", "a.", "a\0", "a\n", "a\t", "a b", "a~1\u200b", "a\u202etxt", "é", "ａ", "а", "\ufeffa", "a" * 129],
        *["CON", "con", "Con.txt", "NUL", "nul.tar.gz", "aux", "prn.x", "COM1", "com9.zip", "LPT0", "lpt1.a.b"],
    ],
)
def test_unsafe_names(name: str) -> None:
    assert not is_safe_name(name)


@given(st.text(max_size=12) | st.text(alphabet="aZ.-_+/\\:CON1 \n", max_size=12))
def test_a_safe_name_is_one_plain_part_of_a_path(name: str) -> None:
    if is_safe_name(name):
        assert PurePosixPath(name).parts == (name,) == PureWindowsPath(name).parts
        assert not PureWindowsPath(name).is_reserved()
        assert name.isascii()
        assert name.isprintable()


@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a", "A"), ("é", "e\u0301"), ("STRASSE", "straße"), ("ǅ", "ǆ"), ("É", "e\u0301"), ("a", "b", "B")],
)
def test_twins_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(DamagedError) as caught:
        refuse_twins(names)
    assert caught.value.cause.isascii()


def test_different_names_are_no_twins() -> None:
    refuse_twins(["a", "b", "a.zip", "é", "e"])


def test_ids_are_lowercase_hex_of_full_length() -> None:
    assert is_sha("0123456789abcdef" * 2 + "01234567")
    assert is_sha256("0123456789abcdef" * 4)
    for text in ("", "a" * 39, "a" * 41, "A" * 40, "g" * 40, "a" * 40 + "\n", "٠" * 40):
        assert not is_sha(text)
    for text in ("", "a" * 40, "a" * 63, "A" * 64, "a" * 64 + "\n"):
        assert not is_sha256(text)


def test_slugs() -> None:
    for text in ("open-control/bridge", "a/b.c", "A1/_x"):
        assert is_slug(text)
    for text in ("", "a", "a/", "/b", "a/b/c", "a/..", "a/.", "-a/b", "a/b\n", "a b/c", "a/b?c", "a/é"):
        assert not is_slug(text)


def test_repository_addresses() -> None:
    for text in ("https://github.com/open-control/bridge", "http://127.0.0.1:8080/a/b"):
        assert is_repo_url(text)
    bad = ["", "github.com/a/b", "https://github.com/a", "https://github.com/a/b/", "https://github.com/a/b/c"]
    bad += [
        "https://u@github.com/a/b",
        "https://github.com/a/b?c",
        "https://github.com/a/b\n",
        "file:///a/b",
        "//h/a/b",
    ]
    bad += ["https://github.com/../b", "https://git hub.com/a/b", "https://github.com/a/b)"]
    assert not any(map(is_repo_url, bad))


GOOD_REFS = [
    "main",
    "release/v0.1.0-beta.1",
    "v1.0.0",
    "rc-" + "a" * 40,
    "feature/a_b+c=d#1",
    "a@b",
    "dependabot/npm/@x/y-1,2",
]
BAD_REFS = [
    *["", "-x", "--upload-pack=touch x", "a/-x", "$(id)", "a;b", "a b", "a\nb", "main\n", "a..b", "a@{1}", "@", "HEAD"],
    *[
        "refs/heads/main",
        "a.lock",
        "a.lock/b",
        "a/",
        "/a",
        "a//b",
        ".a",
        "a/.b",
        "a.",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
    ],
    *[
        "a\\b",
        "a\x7f",
        "mаin",
        "main\u200b",
        "é",
        "a" * 201,
        "a" * 40,
        "a'b",
        'a"b',
        "a|b",
        "a&b",
        "a<b",
        "a`b`",
        "a!b",
        "%41",
    ],
]


@pytest.mark.parametrize("name", BAD_REFS)
def test_refs_that_are_refused(name: str) -> None:
    assert not is_ref_name(name)


def accepted_by_git(name: str) -> bool:
    return (
        subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize("name", GOOD_REFS)
def test_refs_that_are_allowed_are_gits_too(name: str) -> None:
    assert is_ref_name(name)
    assert accepted_by_git(name)


def test_no_short_ref_passes_that_git_refuses() -> None:
    # Every combination of the characters that git has rules about, and that our alphabet holds.
    pieces = ["a", ".", "/", "@", "-", ".lock"]
    names = {a + b + c for a in pieces for b in ["", *pieces] for c in ["", *pieces]}
    passed = sorted(filter(is_ref_name, names))
    assert passed
    assert all(map(accepted_by_git, passed))
