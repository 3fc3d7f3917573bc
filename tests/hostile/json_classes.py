"""Samples of the JSON files that the program reads: candidates, manifests, specs, plans, ledger entries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from hostile import seeds
from hostile.odd_json import Path, field_samples, raw_samples, replaced
from hostile.sample import Kind, Sample
from ms_release.core import candidate, ledger, manifest, plan, spec, strict_json

NAMES = {
    "climbs": "../../x", "absolute": "/etc/passwd", "folder": "a/b", "backslash": "a\\b", "drive": "C:x", "NUL": "a\0b",
    "device": "CON", "device with ending": "nul.txt", "dot at the end": "a.", "space at the end": "a ", "empty": "",
    "hidden": ".a", "option": "--help", "right to left": "a\u202etxt.exe", "zero width": "a\u200bb", "Cyrillic": "соre",
    "decomposed": "e\u0301", "full width": "ａ", "newline": "a\nb", "escape": "a\x1b[2J", "long": "a" * 129,
    "dots": "..",
    "stream": "a::$DATA", "tilde": "a~1", "percent": "%2e%2e%2fx", "quote": "a'b", "shell": "$(id)", "semicolon": "a;b",
}  # fmt: skip
SHAS = {"short": "a" * 39, "long": "a" * 41, "capitals": "A" * 40, "newline": "a" * 40 + "\n", "name": "HEAD",
        "option": "-" * 40,
        "Arabic digits": "٠" * 40, "empty": ""}  # fmt: skip
DIGESTS = {
    "short": "a" * 63,
    "capitals": "A" * 64,
    "newline": "a" * 64 + "\n",
    "prefix": "sha256:" + "a" * 57,
    "empty": "",
}
SLUGS = {"climbs": "../x", "dots": "a/..", "three": "a/b/c", "one": "a", "query": "a/b?c", "option": "-a/b",
         "newline": "a/b\n",
         "Cyrillic": "а/b"}  # fmt: skip
URLS = {"script": "javascript:alert(1)", "file": "file:///etc/passwd", "user": "https://u:p@x/a/b",
        "ends a link": "https://x/a/b)c",
        "newline": "https://x/a/b\n", "bracket": "http://[", "no host": "https:///a/b", "git": "ext::sh -c id",
        "option": "--upload-pack=x",
        "data": "data:text/html,x", "relative": "//x/a/b"}  # fmt: skip
TAGS = {"no version": "latest", "newline": "v1.0.0\n", "leading zero": "v01.0.0", "build": "v1.0.0+x",
        "huge": "v1." + "9" * 5000 + ".0",
        "climbs": "../v1.0.0", "Arabic digits": "v١.0.0", "option": "--v1.0.0", "empty": ""}  # fmt: skip
REFS = {"option": "--upload-pack=x", "shell": "$(id)", "newline": "main\n", "up": "a..b", "reflog": "a@{1}",
        "full": "refs/heads/x",
        "lock": "a.lock", "control": "a\x07", "Cyrillic": "mаin", "long": "a" * 201, "empty": ""}  # fmt: skip
TIMES = {"word": "yesterday", "newline": "2026-04-17T21:00:00Z\n", "empty": "", "Arabic digits": "٢٠٢٦-01-01T00:00:00Z"}


def _never(path: Path, how: str) -> bool:
    return False


def _candidates() -> Iterator[Sample]:
    def fine(path: Path, how: str) -> bool:
        last = path[-1] if path else ""
        nullable = last in ("os", "arch") and (how == "null")
        tables = path in (("inputs", "toolchain"), ("inputs", "config"))
        return nullable or (tables and how in ("gone", "empty")) or (path[:1] == ("inputs",
                                                                                  ) and len(path) == 3 and how == "gone"
            and path[1] in ("toolchain", "config"))  # fmt: skip

    good = seeds.CANDIDATE
    yield Sample("as it should be", good, 0)
    yield Sample("schema 1 as it should be", seeds.CANDIDATE_1, 0)
    yield from raw_samples(good, candidate.MAX_BYTES)
    yield from field_samples(good, fine)
    yield from field_samples(seeds.CANDIDATE_1, _never)
    artifact: Path = ("artifacts", 0)
    own = {"metadata": "candidate.json", "metadata in capitals": "CHECKSUMS.TXT", "signature": "candidate.json.sig",
           "twin": "CONFIG.zip", "again": "config.zip"}  # fmt: skip
    yield from replaced(good, (*artifact, "filename"), {**NAMES, **own})
    yield from replaced(seeds.CANDIDATE_1, (*artifact, "filename"), NAMES)
    yield from replaced(good, (*artifact, "sha256"), DIGESTS)
    for field in ("id", "kind", "os", "arch"):
        yield from replaced(
            good, (*artifact, field), {n: v for n, v in NAMES.items() if v not in ("", "a.", "CON", "nul.txt")}
        )
    yield from replaced(good, ("producer_repo",), SLUGS)
    yield from replaced(good, ("inputs", "repos", 0, "repo"), SLUGS)
    yield from replaced(good, ("inputs", "repos", 0, "sha"), SHAS)
    yield from replaced(good, ("generated_at",), TIMES)
    yield from replaced(good, ("build_input_fingerprint",), DIGESTS)
    yield from replaced(
        good, ("schema",), {"newer": "ms-candidate/v2", "older": 0, "true": True, "long": "x" * 100_000}
    )
    one = json.loads(good)["artifacts"][0]
    many = [{**one, "id": f"a{n}", "filename": f"a{n}"} for n in range(1001)]
    yield from replaced(good, ("artifacts",), {"too many": many, "the same twice": [one, one]})


def _checksums() -> Iterator[Sample]:
    line = b"a" * 64 + b"  a.bin\n"
    yield Sample("as it should be", seeds.CHECKSUMS, 0)
    yield Sample("binary mark", b"a" * 64 + b" *a.bin\n", 0)
    bad = {
        "empty": b"", "newline alone": b"\n", "twice": line + line, "twin": line + b"b" * 64 + b"  A.BIN\n",
        "BOM": b"\xef\xbb\xbf" + line,
        "carriage return": line.replace(b"\n", b"\r\n"), "one space": line.replace(b"  ", b" "),
        "tab": line.replace(b"  ", b"\t"),
        "short digest": line[1:], "capitals": line.replace(b"a" * 64, b"A" * 64), "escaped name": b"\\" + line,
        "comment": b"# x\n" + line,
        "directory": b"a" * 64 + b"  dist/a.bin\n", "blank line": line + b"\n" + line.replace(b"a.", b"b."),
        "NUL": line.replace(b"a.", b"\0."),
        "SHA-1": b"a" * 40 + b"  a.bin\n", "vertical tab": line.replace(b"\n", b"\x0b") + line,
        "too large": line * 20_000,
        "BSD style": b"SHA256 (a.bin) = " + b"a" * 64 + b"\n", "UTF-16": line.decode().encode("utf-16"),
        "no line ends": b"a" * 1_000_000,
        "two spaces more": line.replace(b"  ", b"    "), "folders": line.replace(b"  ",
                                                                                 b"  x/") + b"b" * 64 + b"  y/b\n",
    }  # fmt: skip
    for name, data in bad.items():
        yield Sample(name, data, 2)
    for name, value in NAMES.items():
        yield Sample(f"name: {name}", b"a" * 64 + b"  " + value.encode() + b"\n", 2)
    for part in range(1, 64):
        yield Sample(f"cut off after {part}", seeds.CHECKSUMS[:part], 2)


def _manifests() -> Iterator[Sample]:
    def fine(path: Path, how: str) -> bool:
        return bool(path) and (
            path[-1] in ("os", "arch", "tooling", "pages", "url") and how in ("gone", "null") and path[0] != "repos"
        )

    good = seeds.MANIFEST
    yield Sample("as it should be", good, 0)
    yield from raw_samples(good, manifest.MAX_BYTES)
    yield from field_samples(good, fine)
    yield from replaced(good, ("assets", 0, "filename"), NAMES)
    yield from replaced(good, ("assets", 0, "sha256"), DIGESTS)
    yield from replaced(good, ("repos", 0, "sha"), SHAS)
    yield from replaced(good, ("repos", 0, "url"), URLS)
    yield from replaced(good, ("tag",), {**TAGS, "of another channel": "v1.0.0"})
    yield from replaced(good, ("published_at",), TIMES)


def _specs(good: bytes) -> Iterator[Sample]:
    optional = ("os", "arch", "tooling", "pages", "required_ci_workflow_file", "demo_url")

    def fine(path: Path, how: str) -> bool:
        if path == ("pages",) and how == "empty":
            return True
        if path and path[0] == "candidates":
            return path[-1] == "digest" and how in ("gone", "null")
        return bool(path) and path[-1] in optional and how in ("gone", "null")

    yield Sample("as it should be", good, 0)
    yield from raw_samples(good, spec.MAX_BYTES)
    yield from field_samples(good, fine)
    yield from replaced(good, ("assets", 0, "filename"), NAMES)
    yield from replaced(good, ("repos", 0, "sha"), SHAS)
    yield from replaced(good, ("repos", 0, "url"), URLS)
    yield from replaced(good, ("repos", 0, "ref"), REFS)
    yield from replaced(good, ("tag",), {**TAGS, "of another channel": "v1.0.0"})
    yield from replaced(good, ("schema",), {"newer": 4, "older": 0, "text": "3", "true": True})
    yield from replaced(
        good, ("assets", 0, "id"), {n: v for n, v in NAMES.items() if v not in ("", "a.", "CON", "nul.txt")}
    )


def _reseal(document: Any) -> Any:
    """An edited plan with a digest that fits again."""
    if not isinstance(document, dict) or "plan" not in document:
        return document
    try:
        return {**document, "digest": strict_json.digest(document["plan"])} if "digest" in document else document
    except Exception:  # what cannot be digested keeps the old digest
        return document


def _plans() -> Iterator[Sample]:
    def fine(path: Path, how: str) -> bool:
        last = path[-1] if path else ""
        inside = path[:1] == ("plan",)
        if path == ("digest",):
            return how != "gone"  # sealed again
        if how == "negative":
            return inside and last in ("check_run_id", "run_id", "release_id")  # such facts are read again anyway
        if how == "empty":
            return inside and len(path) >= 2
        if how in ("null", "gone") and last == "run_id":
            return inside and (how == "null" or "evidence" in path)
        if how == "null" and inside:
            return last == "from_sha"
        if how == "gone" and inside:
            return last in ("evidence", "passed_over", "source", "waived_by") or (
                path[1:2] == ("candidates",) and last in ("workflow", "release_id", "digest"))  # fmt: skip
        return False

    good = seeds.PLAN
    yield Sample("as it should be", good, 0)
    yield from raw_samples(good, plan.MAX_BYTES)
    yield from field_samples(good, fine, seal=_reseal)
    yield from field_samples(good, lambda path, how: False)
    yield from replaced(good, ("plan", "pins", 0, "sha"), SHAS, seal=_reseal)
    yield from replaced(good, ("plan", "tag"), TAGS, seal=_reseal)
    yield from replaced(
        good, ("schema",), {"newer": "ms-plan/v2", "number": 1, "long": "x" * 1_000_000, "escape": "\x1b[2J"}
    )
    yield from replaced(good, ("plan", "channel"), {"unknown": "nightly", "long": "x" * 1_000_000}, seal=_reseal)


def _ledgers() -> Iterator[Sample]:
    good = seeds.LEDGER

    def fine(path: Path, how: str) -> bool:
        """What a later plan does not read is for whoever audits the entry."""
        if not path or path[0] not in ("schema", "candidates"):
            return True
        if path == ("candidates",):
            return how == "empty"
        return path[-1] == "tag" or (how == "more")

    yield Sample("as it should be", good, 0)
    for sample in raw_samples(good, 1 << 20):
        yield replace(sample, exit=0) if sample.name == "huge fraction" else sample
    # Integers that no reader keeps exactly are refused wherever they stand.
    for sample in field_samples(good, fine):
        number = any(word in sample.name for word in (str(2**53), str(2**70)[:30], str(-(2**63))))
        yield replace(sample, exit=2 if number else sample.exit)
    yield from replaced(good, ("candidates", 0, "sha256"), DIGESTS)
    one = json.loads(good)["candidates"][0]
    yield from replaced(good, ("candidates",), {"the same twice": [one, one]})


def _read_checksums(data: bytes) -> object:
    return candidate.parse_checksums(data)


CLASSES: dict[str, Kind] = {
    "candidate.json": Kind(candidate.parse_candidate, _candidates),
    "checksums.txt": Kind(_read_checksums, _checksums),
    "manifest.json": Kind(manifest.parse_manifest, _manifests),
    "release specs, schema 1": Kind(spec.parse_spec, partial(_specs, seeds.SPEC_1)),
    "release specs, schema 2": Kind(spec.parse_spec, partial(_specs, seeds.SPEC_2)),
    "release specs, schema 3": Kind(spec.parse_spec, partial(_specs, seeds.SPEC_3)),
    "plan files": Kind(lambda data: plan.parse_file(data, "p"), _plans),
    "ledger entries": Kind(lambda data: ledger.read_candidates(data.decode("utf-8", "surrogateescape"), "x"), _ledgers),
}
