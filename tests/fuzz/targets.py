"""Every parser of something from outside: good input to start from, and the only exceptions that may come out."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from core.world import CONFIG, PRODUCT, planned
from hostile import seeds
from hostile.provenance_samples import PROVENANCE, STATEMENT, wrapped
from hostile.scripted import saying
from ms_release import config
from ms_release.adapters import answers, archives, candidates, etags, git, protection, runs, urls
from ms_release.adapters.github_read import GitHubReader
from ms_release.adapters.redact import Redactor
from ms_release.core import (
    candidate,
    conventional,
    ledger,
    manifest,
    names,
    notes,
    plan,
    provenance,
    sanitize,
    spec,
    strict_json,
    wiring,
)
from ms_release.core import version as versions
from ms_release.core import workflow as core_workflow
from ms_release.core.model import Pin
from ms_release.errors import CredentialError, DamagedError, ForgeError, IntegrityError, UsageError
from ms_release.forge.engine import expressions, workflows
from ms_release.forge.world import file as world

Run = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """One parser. `structured`: the seeds are JSON, and mutations keep it so half of the time."""

    run: Run
    seeds: tuple[bytes, ...]
    documented: tuple[type[Exception], ...] = ()
    structured: bool = False
    words: tuple[bytes, ...] = field(default=())


def _text(data: bytes) -> str:
    """What Python makes of bytes from outside; undecodable ones become lone surrogates, as in file names."""
    return data.decode("utf-8", "surrogateescape")


# ---- files


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    """Kept until the process ends, then gone."""
    return tempfile.TemporaryDirectory(prefix="ms-fuzz-")


def _folder() -> Path:
    return Path(_temporary().name)


def _archive(data: bytes) -> None:
    path = _folder() / "x.zip"
    path.write_bytes(data)
    listed = archives.list_zip(path)
    assert set(archives.hash_zip(path)) == {name for name, _ in listed}


def _zip(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        for name, data in members:
            made.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


ZIPS = (
    _zip(("a.bin", b"one"), ("dir/b.bin", bytes(300))),
    _zip(("a", b"x" * 500), ("b", b"y"), method=zipfile.ZIP_DEFLATED),
    _zip(),
)


def _strict(data: bytes) -> None:
    value = strict_json.parse(data, max_bytes=1 << 20)
    assert value == json.loads(data)


def _plan(data: bytes) -> None:
    found = plan.parse_file(data, "p")
    assert plan.make_file(found.plan, created_at=found.created_at, created_by=found.created_by).digest == found.digest


def _candidate(data: bytes) -> None:
    found = candidate.parse_candidate(data)
    assert all(names.is_safe_name(a.filename) for a in found.artifacts)


def _provenance(data: bytes) -> None:
    found = provenance.parse_provenance(data)
    assert found.signed.startswith(b"DSSEv1 28 application/vnd.in-toto+json ")


def _statement(data: bytes) -> None:
    """Inside a good envelope; what can be read can be compared."""
    found = provenance.parse_provenance(wrapped(data)).statement
    assert all(names.is_safe_name(s.name) for s in found.subject)
    list(provenance.compare_provenance(found, candidate.parse_candidate(seeds.CANDIDATE), "0" * 64))


def _checksums(data: bytes) -> None:
    found = candidate.parse_checksums(data, one_directory=True)
    assert candidate.parse_checksums(candidate.render_checksums(found)) == found


def _spec(data: bytes) -> None:
    found = spec.parse_spec(data)
    assert all(names.is_safe_name(a.filename) for a in found.assets)


def _manifest(data: bytes) -> None:
    assert manifest.parse_manifest(manifest.render_manifest(found := manifest.parse_manifest(data))) == found


def _ledger(data: bytes) -> None:
    for digest in ledger.read_candidates(_text(data), "x").values():
        assert names.is_sha256(digest)


def _world(data: bytes) -> None:
    world.parse(data.decode("utf-8", "replace"), _folder() / "world.toml")


def _configuration(data: bytes) -> None:
    found = config.parse(data.decode("utf-8", "replace"))
    assert all(repo.slug.count("/") == 1 for repo in found.repos)


def _kept_in() -> Path:
    return _folder() / "etags"


def _kept(data: bytes) -> None:
    """The store of answers: damage is as if nothing was stored."""
    store = etags.EtagStore(_kept_in(), "token-of-the-store")
    store.put("https://x", etags.Kept('"e"', "", b"{}"))
    for file in _kept_in().iterdir():
        file.write_bytes(data)
    store.get("https://x")


# ---- answers


def _rest(read: Callable[[Any], object]) -> Run:
    return lambda data: read(saying(data))


def _reader(data: bytes) -> GitHubReader:
    return GitHubReader(saying(data), candidates.Cache(None))


def _survey(data: bytes) -> None:
    reader = _reader(data)
    facts = reader.survey(CONFIG, PRODUCT)
    reader.add_texts(facts, ("a", "b"))
    reader.read_plans(facts, ("v0.1.0-beta.1",))


def _look(data: bytes) -> None:
    _reader(data).look(planned())


def _pages(data: bytes) -> None:
    """A Link header from outside, with and without more pages."""
    head = bytes(byte for byte in data if byte >= 32 and byte != 127)
    client = saying(b"[{}]", headers={b"link": head})
    client.pages("/repos/o/n/releases", cap=5)


def _refusal(data: bytes) -> None:
    for status in (401, 403, 404, 422):
        try:
            saying(data, status).get("/repos/o/n")
        except (ForgeError, CredentialError) as error:
            if not error.cause.isprintable():
                raise ValueError("the cause holds control characters") from error


def _gzip(data: bytes) -> None:
    saying(data, headers={"content-encoding": "gzip"}).get("/repos/o/n")


def _address(data: bytes) -> None:
    text = _text(data)
    answers.same_place(text, "https://forge.example/")
    if not urls.refusal(text):
        assert text.isascii()
        assert urls.origin(text)[0] in ("https", "http")


# ---- text


def _names(data: bytes) -> None:
    text = _text(data)
    kinds = (names.is_safe_name, names.is_ref_name, names.is_slug, names.is_repo_url, names.is_sha, names.is_sha256)
    for kind in kinds:
        assert not kind(text) or (text.isascii() and text.isprintable())
    names.refuse_twins([text, text + "x"])
    assert not archives.is_safe_name(text) or names.is_safe_name(text)


def _version(data: bytes) -> None:
    text = _text(data)
    found = versions.parse_tag(text)
    assert found is None or found.tag == text


def _conventional(data: bytes) -> None:
    subject, _, body = _text(data).partition("\n")
    assert conventional.classify(subject, body) in ("breaking", "feat", "fix", "other")
    versions.infer_bump([(subject, body)], None)


SHA = "a" * 40


def _notes(data: bytes) -> None:
    text = _text(data)
    change = notes.Change(SHA, text, text, text)
    repo = notes.RepoChanges("core", "https://forge.example/o/core", None, SHA, (change,), False)
    pin = Pin("core", "o/core", "https://forge.example/o/core", "main", SHA, "head", text)
    notes.render_notes("v1.0.0", "stable", None, [repo], [pin], text).encode()


def _terminal(data: bytes) -> None:
    text = _text(data)
    for shown in (sanitize.terminal(text), sanitize.terminal_line(text), sanitize.commit_subject(text)):
        assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert "\n" not in sanitize.workflow_command(text) + sanitize.markdown(text)
    assert not any(line.lstrip().startswith("::") for line in sanitize.stop(text).splitlines())


def _redact(data: bytes) -> None:
    secret = "ghp_canary0123456789"
    assert secret not in Redactor([secret]).text(_text(data) + secret)


def _git_log(data: bytes) -> None:
    list(git._commits(io.BytesIO(data)))


def _workflow(data: bytes) -> None:
    found = workflows.parse(data, "x.yml")
    for key, job in found.jobs.items():
        workflows.single_job(found, key, job.matrix[0], {})


ROLE = wiring.Role("o/r", "x.yml", "release", frozenset({"release"}), wiring.PUBLISH_INPUTS)


def _wiring(data: bytes) -> None:
    """Whatever the forge's reader takes, this one takes or refuses; what it takes it can judge."""
    found = wiring.judge_file(ROLE, data)
    assert all(f.message.isprintable() for f in found if f.code == "WIRE_FILE")
    core_workflow.parse(data, "x.yml")


CONTEXT: dict[str, Any] = {"github": {"ref": "refs/heads/main", "n": 3}, "inputs": {"tag": "v1"}, "l": [1, "a"]}


def _expression(data: bytes) -> None:
    text = _text(data)
    functions = {name: (lambda: True) for name in expressions.STATUS_FUNCTIONS}
    for read in (
        lambda: expressions.interpolate(text, CONTEXT),
        lambda: expressions.condition(text, CONTEXT, functions),
    ):
        try:
            read()
        except expressions.ExpressionError:
            continue


def dumped(value: object) -> tuple[bytes, ...]:
    return (json.dumps(value).encode(),)


FORGE = (ForgeError, CredentialError)
EXPRESSIONS = (
    b"${{ github.ref == 'refs/heads/main' && inputs.tag || 'x' }}-${{ format('{0} {1}', 1, 'a') }}",
    b"always() && contains(fromJSON('[1]'), 1) && !startsWith(github.ref, 'x')",
    b"${{ l[0] >= 0x1f }}",
)
SUBJECTS = (
    b"feat(core)!: add a thing (#12)\n\nBREAKING CHANGE: gone",
    b"fix: \xe2\x80\xae\x1b[2J @octocat closes #1 ::error::x",
    b"[a](javascript:x) <script> ``` | x | https://x ##[error]",
)
TARGETS: dict[str, Target] = {
    "archives": Target(_archive, ZIPS, (IntegrityError,), words=(b"PK\5\6", b"PK\1\2", b"PK\3\4", b"PK\6\7", b"../")),
    "provenance": Target(_provenance, (PROVENANCE,), (DamagedError,), True),
    "provenance statement": Target(_statement, (STATEMENT,), (DamagedError,), True),
    "candidate": Target(_candidate, (seeds.CANDIDATE, seeds.CANDIDATE_1), (DamagedError,), True),
    "checksums": Target(_checksums, (seeds.CHECKSUMS,), (DamagedError,), words=(b"  ", b" *", b"/", b"../")),
    "config": Target(_configuration, (seeds.CONFIGURATION,), (UsageError,), words=(b"[[", b"= {", b'"', b"1979-13-01")),
    "conventional": Target(_conventional, SUBJECTS),
    "etags": Target(_kept, (b'{"etag":"x","link":"","sha256":"x"}\n{}',)),
    "expressions": Target(_expression, EXPRESSIONS, words=(b"${{", b"}}", b"'", b"(", b"!", b"fromJSON(", b"[")),
    "git": Target(_git_log, (b"a\0b c\0An\0a@x\x001700000000\0msg\n\n\0" * 2,), words=(b"\0",)),
    "graphql look": Target(_look, (seeds.GRAPH,), (*FORGE, UsageError), True),
    "graphql survey": Target(_survey, (seeds.GRAPH,), (*FORGE, UsageError), True),
    "gzip": Target(_gzip, (b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xab\xae\x05\0C\xbf\xa6\xa3\x02\0\0\0",), FORGE),
    "ledger": Target(_ledger, (seeds.LEDGER,), (DamagedError,), True),
    "links": Target(_pages,
                    (b'<https://forge.example/api/v3/x?page=2>; rel="next", <https://forge.example/>; rel="last"',),
                    FORGE, words=(b'rel="next"', b"<", b">", b"file:///", b"http://[", b",")),
    "manifest": Target(_manifest, (seeds.MANIFEST,), (DamagedError,), True),
    "names": Target(_names, (b"core.zip", b"release/v1.0.0", b"o/n", b"https://x/o/n", SHA.encode()), (DamagedError,)),
    "notes": Target(_notes, SUBJECTS),
    "plan": Target(_plan, (seeds.PLAN,), (DamagedError,), True),
    "redact": Target(_redact, SUBJECTS, words=(b"ghp_canary", b"0123456789")),
    "refusals": Target(_refusal, (b'{"message":"no","errors":[{"code":"x","field":"y"},"z"],"documentation_url":"u"}',),
                       FORGE, True),
    "rest approvals": Target(_rest(lambda c: runs.read_approvals(c, "o/n", 1)), dumped(seeds.APPROVALS), FORGE, True),
    "rest checks": Target(_rest(lambda c: runs.read_concluded(c, "o/n", SHA)), dumped(seeds.CHECK_RUNS), FORGE, True),
    "rest environment": Target(_rest(lambda c: protection.read_environment(c, "o/n", "release")),
                               dumped(seeds.ENVIRONMENT), FORGE, True),
    "rest pages": Target(_rest(lambda c: [candidates.release_from_rest(r) for r in c.pages("/repos/o/n/releases")]),
                         dumped([seeds.RELEASE]), FORGE, True),
    "rest release": Target(_rest(lambda c: candidates.release_from_rest(c.get("/repos/o/n/releases/1").json)),
                           dumped(seeds.RELEASE), FORGE, True),
    "rest rules": Target(_rest(lambda c: protection.add_rulesets(c, "o/n", "main", protection.classic_rules(None))),
                         dumped(seeds.RULES), FORGE, True),
    "rest run": Target(_rest(lambda c: runs.read_run(c, "o/n", 1)), dumped(seeds.RUN), FORGE, True),
    "rest runs": Target(_rest(lambda c: runs.read_runs(c, "o/n", "w.yml")), dumped({"workflow_runs": [seeds.RUN]}),
                        FORGE, True),
    "spec": Target(_spec, (seeds.SPEC_1, seeds.SPEC_2, seeds.SPEC_3), (DamagedError,), True),
    "strict_json": Target(_strict, (seeds.PLAN, b'[1,-2.5e3,"\\ud83d\\ude00",true,null,{}]'), (DamagedError,), True),
    "terminal": Target(_terminal, SUBJECTS),
    "urls": Target(_address, (b"https://api.github.com/repos", b"http://127.0.0.1:80/x", b"http://[::1]:1/")),
    "version": Target(_version, (b"v1.2.3", b"v0.1.0-beta.12")),
    "workflow": Target(_workflow, (seeds.WORKFLOW,), (workflows.WorkflowError,),
                       words=(b"&a ", b"*a", b"&a [*a]", b"strategy: {matrix: {a: [1,2], include: [1]}}\n", b"needs: ",
                              b"matrix:", b"- ", b": ", b"{", b"[", b"!!python/x ", b"<<: ")),
    "wiring": Target(_wiring, (seeds.WORKFLOW,), (DamagedError,),
                     words=(b"&a ", b"*a", b"[*a]", b"needs: ", b"- ", b": ", b"{", b"[", b"!!python/x ", b"<<: ",
                            b"${{ ", b" }}", b"secrets.", b"uses: ", b"\\ud800", b"\t", b"? ", b"|\n")),
    "world": Target(_world, (seeds.WORLD,), (UsageError,), words=(b"[[", b"= {", b'"', b"..", b"/etc")),
}  # fmt: skip
