"""Hostile workflow files: what a reader of YAML can be made to spend or to read in two ways, values of other types."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hostile import seeds
from hostile.sample import Kind, Sample
from ms_release.core import workflow, yaml_text
from ms_release.core.wiring import Role, judge_file

GOOD = seeds.WORKFLOW
HEAD = b"on: push\njobs:\n  a:\n    steps:\n      - run: x\n"
FULL = yaml_text.MAX_BYTES
ROLE = Role("o/r", "publish.yml", "release", frozenset({"release"}), ("tag", "plan", "seal"))


def _bomb(levels: int, width: int) -> bytes:
    """Aliases of aliases: `width` to the power of `levels` values in a few hundred bytes."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


RAW = {
    "empty": b"", "spaces": b" " * 1000, "no YAML": b"{", "JSON list": b"[]", "one word": b"push",
    "HTML": b"<!doctype>",
    "not UTF-8": b"\xff\xfe", "UTF-16": "on: push".encode("utf-16"), "NUL": b"on: push\0", "escape": b"on: \x1b[2J",
    "tab": b"on: push\njobs:\n\ta: {}", "tabs": b"\t" * 1000, "vertical tab": b"on: \x0bpush",
    "10 MB": b"a" * 10_000_000,
    "10 MB of lists": b"- " * 5_000_000, "10 MB of lines": b"\n" * 10_000_000, "just too large": b"#" * (FULL + 1),
    "alias bomb": _bomb(20, 9), "wide alias bomb": _bomb(3, 400), "an alias of itself": b"a: &a [*a]\non: push",
    "an alias of its mapping": b"on: push\njobs: &j {a: *j}", "an alias of nothing": b"on: *x",
    "one long text, often": b"x: &x '" + b"x" * 40_000 + b"'\ny: [" + b"*x," * 2000 + b"]",
    "an anchor twice": b"on: push\nx: &a 1\ny: &a 2\njobs: *a", "an anchor on a key": b"&a on: push\njobs: {}",
    "deep lists": b"a: " + b"[" * 30_000, "deep mappings": b"a: " + b"{a: " * 10_000, "deep dashes": b"- " * 30_000,
    "deep keys": b"? " * 30_000, "deep blocks": b"\n".join(b" " * n + b"a:" for n in range(300)),
    "closed deep lists": b"a: " + b"[" * 5000 + b"]" * 5000, "many values": b"a: [" + b"x," * 30_000 + b"]",
    "many keys": b"".join(b"k%d: v\n" % n for n in range(6000)), "many items": b"- x\n" * 16_000,
    "many documents": b"---\n" * 15_000, "two documents": HEAD + b"---\n" + HEAD, "many quotes": b"- ''\n" * 12_000,
    "key twice": b"on: push\non: push\njobs: {}", "key twice in other letters": HEAD + b"ON: push\n",
    "merge key": b"x: &x {a: 1}\ny: {<<: *x}\n" + HEAD, "a key that is a list": b"? [a]\n: b\n" + HEAD,
    "a key that is an alias": b"x: &x a\n*x : b\n" + HEAD, "tag": b"x: !!python/object/apply:os.system [id]\n" + HEAD,
    "plain tag": b"x: !foo bar\n" + HEAD, "typed tag": b"x: !!str bar\n" + HEAD, "set": b"x: !!set {a, b}\n" + HEAD,
    "bad tag": b"x: !<tag:%%> y\n" + HEAD, "bad escape": b'x: "\\q"\n' + HEAD, "surrogate": b'x: "\\ud800"\n' + HEAD,
    "wide escape": b'x: "\\UFFFFFFFF"\n' + HEAD, "open quote": b"x: '" + b"a" * 60_000, "open block": b"x: [a\n" + HEAD,
    "directive": b"%YAML 9.9\n---\n" + HEAD, "many directives": b"%X y\n" * 10_000, "reserved": b"x: @y\n" + HEAD,
    "colons": b":" * 60_000, "questions": b"?\n" * 30_000, "commas": b"[" + b"," * 60_000, "stars": b"*" * 60_000,
    "ampersands": b"&" * 60_000, "pipes": b"|\n" * 30_000, "hashes": b"# x\n" * 15_000, "bang": b"!" * 60_000,
    "indented": b"\n".join(b" " * (n % 200) + b"- x" for n in range(600)),
    "block of 10,000 indents": b"x: |\n" + b" " * 50_000 + b"x\n", "bad block": b"x: |99\n  y\n" + HEAD,
    "long key": b"a" * 60_000 + b": b", "long keys": (b"a" * 1100 + b": b\n") * 50,
    "no jobs": b"on: push", "no event": b"jobs: {a: {steps: [{run: x}]}}", "jobs: none": b"on: push\njobs: {}",
    "300 jobs": b"on: push\njobs:\n" + b"".join(b"  a%d: {steps: [{run: x}]}\n" % n for n in range(300)),
    "circle": b"on: push\njobs: {a: {needs: b, steps: [{run: x}]}, b: {needs: a, steps: [{run: x}]}}",
    "a job of another": b"on: push\njobs: {a: {needs: z, steps: [{run: x}]}}",
    "job name": b"on: push\njobs: {'a b': {steps: [{run: x}]}}",
    "job name, bidi": "on: push\njobs: {\u202e: {}}".encode(),
    "job name of lines": b'on: push\njobs: {"a\\nb": {}}',
    "long job name": b"on: push\njobs: {" + b"a" * 60_000 + b": {}}",
    "nothing to do": b"on: push\njobs: {a: {steps: [{name: x}]}}",
    "both": b"on: push\njobs: {a: {steps: [{run: x, uses: y}]}}",
    "no steps": b"on: push\njobs: {a: {runs-on: x}}",
}  # fmt: skip
FINE = {
    "aliases": b"on: push\njobs: {a: &a {steps: [{run: x}]}, b: *a}", "comments": b"# x\n" * 10_000 + HEAD,
    "carriage returns": HEAD.replace(b"\n", b"\r\n"), "byte order mark": b"\xef\xbb\xbf" + HEAD, "JSON": json.dumps(
        {"on": "push", "jobs": {"a": {"steps": [{"run": "x"}]}}}
    ).encode(), "end of document": HEAD + b"...\n", "long text": HEAD + b"    name: '" + b"x" * 50_000 + b"'\n",
    "hostile text": "on: push\njobs: {a: {name: \u202e, steps: [{run: 'echo ::error::x', name: '@x #1'}]}}".encode(),
}  # fmt: skip
# Where a text, a list or a mapping stands: what another type in its place leads to.
ODD: dict[str, Any] = {"list": ["x"], "mapping": {"x": "y"}, "deep": [[["x"]]], "number": 7, "text": "x"}
PLACES: dict[tuple[str | int, ...], set[str]] = {
    ("on",): {"list", "number", "text"}, ("jobs",): set(), ("permissions",): {"mapping"},
    ("concurrency",): {"number", "text"}, ("concurrency", "group"): {"number", "text"},
    ("concurrency", "cancel-in-progress"): {"number", "text"}, ("run-name",): {"number", "text"},
    ("on", "workflow_dispatch"): {"mapping"}, ("on", "workflow_dispatch", "inputs"): set(),
    ("on", "workflow_dispatch", "inputs", "tag"): {"mapping"}, ("jobs", "assemble"): set(),
    ("jobs", "assemble", "steps"): set(), ("jobs", "assemble", "permissions"): {"mapping"},
    ("jobs", "promote", "environment"): {"number", "text"}, ("jobs", "promote", "steps", 0): set(),
    ("jobs", "promote", "steps", 0, "with"): {"mapping"}, ("jobs", "promote", "steps", 0, "uses"): {"number", "text"},
    ("jobs", "assemble", "steps", 2, "env"): {"mapping"}, ("jobs", "assemble", "steps", 2, "run"): {"number", "text"},
}  # fmt: skip


def _samples() -> Iterator[Sample]:
    yield Sample("as it should be", GOOD, 0)
    for name, data in RAW.items():
        yield Sample(name, data, 2)
        if len(data) < 2000 and name not in ("empty", "spaces"):
            yield Sample(f"{name}, behind a good one", GOOD + b"\n" + data, 2)
    for name, data in FINE.items():
        yield Sample(name, data, 0)
    for length in range(0, len(GOOD) // 3, 97):  # cut short, it has no steps or no jobs yet
        yield Sample(f"cut after {length} bytes", GOOD[:length], 2)
    good = yaml_text.load(GOOD, "good")
    for place, fine in PLACES.items():
        for name, value in ODD.items():
            changed = copy.deepcopy(good)
            holder: Any = changed
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = value
            yield Sample(f"{place} is a {name}", json.dumps(changed).encode(), 0 if name in fine else 2)


def _read(data: bytes) -> object:
    """Read, and judge as what publishes: a file that is refused is UNKNOWN there, never an exception."""
    found = judge_file(ROLE, data)
    read = workflow.parse(data, "publish.yml")
    assert found[0].outcome == "PASS"
    return read


CLASSES = {"workflow files": Kind(_read, _samples)}
