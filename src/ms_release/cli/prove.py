"""`prove`: the gates of a commit, run in clean clones here or by the forge's runners; how often each fails, and why."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Settings, connect, load_config, standard_options
from ms_release.cli.escalating import issue_option
from ms_release.config import DEFAULT_FILE, WireRule
from ms_release.errors import BlockedError, MachineError, MsError, UsageError

if TYPE_CHECKING:
    from ms_release.adapters.http import Client
    from ms_release.cli.output import Output
    from ms_release.config import Config, Repo
    from ms_release.core.flaky import Flip
    from ms_release.core.model import Finding
    from ms_release.core.project import Gate
    from ms_release.core.prove import Attempt, Proof

LOGS = ".ms/prove"
WORKFLOW = "ci.yml"


@dataclass
class Bench:
    """What is proven here: a commit of the repository in this directory, under its configuration if there is one."""

    output: Output
    place: Path
    sha: str
    config: Config | None
    repo: Repo | None
    _client: Client | None = field(default=None)

    @property
    def name(self) -> str:
        """What findings call the repository."""
        return self.repo.id if self.repo else self.place.name

    @property
    def at(self) -> str:
        """The commit, for people."""
        return self.sha[:7]

    @property
    def client(self) -> Client:
        """The connection, made when it is first needed."""
        if self._client is None:
            assert self.config is not None
            self._client = connect(self.config.forge.url, self.output)
        return self._client


@click.command()
@click.option("--ref", default="HEAD", metavar="R", help="The commit, branch or tag to prove (default HEAD).")
@click.option("--repeat", type=click.IntRange(1, 100), default=1, metavar="N", help="Try each gate N times.")
@click.option("--gate", "names", multiple=True, metavar="NAME", help="Only this gate; may be repeated.")
@click.option("--fail-fast", is_flag=True, help="Stop everything at the first failure.")
@click.option("--remote", is_flag=True, help="Run ci.yml on the forge, on the branch --ref, and wait for its end.")
@issue_option
@standard_options
def prove(settings: Settings, remote: bool, open_issue: bool, **asked: Any) -> None:
    """Run the gates of a commit in clean clones, and say which ones fail, how often and why.

    Typed in a clone of the repository. Each attempt sees a fresh checkout, PATH and a HOME of its own; gates run side
    by side. With --repeat, a gate that does not always say the same is flaky; so is a check that the forge has seen
    fail and succeed at this commit.

    \b
    Examples:
      ms release prove
      ms release prove --ref main --gate test --repeat 5
      ms release prove --remote --ref main
    """
    from ms_release.core import prove as core

    bench = _bench(settings, asked["ref"])
    findings: tuple[Finding, ...] = ()
    if remote:
        attempts = _run_there(bench, asked)
        names = dict.fromkeys(attempt.gate for attempt in attempts)
    else:
        gates, findings = _prepare(bench, asked["names"])
        attempts = _run(bench, gates, asked["repeat"], fail_fast=asked["fail_fast"])
        names = dict.fromkeys(gate.name for gate in gates)
    proofs = core.prove(names, attempts)
    flips = _history(bench)
    rate = bench.config.policy.flaky_rate if bench.config else 0.0
    findings += core.findings(bench.name, bench.at, proofs)
    _show(bench, proofs, flips, findings)
    _end(bench, proofs, flips, (*findings, *_flipped(bench, flips, rate)), open_issue=open_issue)


def _bench(settings: Settings, ref: str) -> Bench:
    from ms_release.adapters import git
    from ms_release.adapters.credentials import endpoints
    from ms_release.cli.init import slug_of

    place = Path.cwd()
    sha = git.rev_parse(place, ref)
    if sha is None:
        raise UsageError(f"{ref!a} is no commit of this clone", remedy="Fetch it, or name another.")
    named = settings.config_file != Path(DEFAULT_FILE)
    config = load_config(settings.config_file)[1] if named or settings.config_file.exists() else None
    settings.output.config = config
    repo = None
    if config is not None:
        server = endpoints(os.environ, config.forge.url).server
        code, out = git.run(place, ["config", "--get", "remote.origin.url"])
        slug = slug_of(out.decode(errors="replace").strip(), server) if code == 0 else None
        repo = next((r for r in config.repos if r.slug.casefold() == (slug or "").casefold()), None)
        if repo is None:
            raise UsageError(
                f"no repository of {settings.config_file} is this clone",
                remedy="Type it in a clone of one of its repositories.",
            )
    return Bench(settings.output, place, sha, config, repo)


def _prepare(bench: Bench, names: tuple[str, ...]) -> tuple[tuple[Gate, ...], tuple[Finding, ...]]:
    """The gates of the commit, and what its manifests say. Raises UsageError, and MachineError for what is missing."""
    import tempfile

    from ms_release.adapters.gate_runs import clone, missing_programs
    from ms_release.adapters.project_files import look, texts
    from ms_release.core import skew
    from ms_release.core.project import gates_of

    with tempfile.TemporaryDirectory(prefix="ms-prove-") as folder:
        tree = Path(folder) / "tree"
        clone(bench.place, bench.sha, tree)
        gates = gates_of(bench.repo.wire if bench.repo else WireRule(), look(tree))
        judged = skew.judge(bench.name, texts(tree, skew.MANIFESTS))
    known = [gate.name for gate in gates]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{unknown[0]!a} is no gate of this repository", remedy=f"Its gates: {', '.join(known)}.")
    wanted = tuple(gate for gate in gates if not names or gate.name in names)
    for program, gate in missing_programs(wanted).items():
        raise MachineError(f"the gate {gate} needs {program}, which is not on PATH", remedy=f"Install {program}.")
    return wanted, (judged,) if judged and judged.blocks else ()


def _run(bench: Bench, gates: tuple[Gate, ...], repeat: int, *, fail_fast: bool) -> list[Attempt]:
    from ms_release.adapters.gate_runs import GateRuns
    from ms_release.core.prove import Attempt

    output, ended, total = bench.output, list[Attempt](), len(gates) * repeat
    runs = GateRuns(bench.place, bench.sha, Path(LOGS) / bench.sha[:12])
    with closing(runs.run(gates, repeat, fail_fast=fail_fast)) as attempts:  # however this ends, so do they
        for attempt in attempts:
            if attempt is None:
                busy = ", ".join(f"{name} ({seconds:.0f} s)" for (name, _), seconds in runs.running().items())
                output.wait(f"{len(ended)} of {total} done; running {busy}")
                continue
            ended.append(attempt)
            which = f" {attempt.number}/{repeat}" if repeat > 1 else ""
            said = "failed" if attempt.exit else "passed"
            output.say(f"{attempt.gate}{which} {said} after {attempt.seconds:.1f} s")
    return ended


def _run_there(bench: Bench, asked: dict[str, Any]) -> list[Attempt]:
    """The same question to the forge's runners. Raises UsageError without a configuration or a branch."""
    from ms_release.adapters import git, remote_proof
    from ms_release.adapters.system import Clock
    from ms_release.core.prove import Attempt

    if bench.repo is None or asked["names"]:
        raise UsageError("--remote runs the jobs of ci.yml", remedy="Use it with a configuration and without --gate.")
    branch = asked["ref"]
    if branch == "HEAD":
        code, out = git.run(bench.place, ["symbolic-ref", "--quiet", "--short", "HEAD"])
        if code:
            raise UsageError("no branch is checked out", remedy="Name one with --ref: a run starts on a branch.")
        branch = out.decode().strip()
    client, slug, ended = bench.client, bench.repo.slug, list[Attempt]()
    for number in range(1, asked["repeat"] + 1):
        run_id = remote_proof.start(client, slug, WORKFLOW, branch)
        bench.output.say(f"started {WORKFLOW} of {slug} on {branch}: run {run_id}")
        run = remote_proof.await_end(client, slug, run_id, Clock(), bench.output.wait)
        if number > 1 and run.head_sha != bench.sha:
            raise BlockedError(
                f"{branch} moved to {run.head_sha[:7]} while {bench.at} was proven",
                remedy="Prove a branch that stands still.",
            )
        bench.sha = run.head_sha
        ended += remote_proof.attempts(client, slug, run_id, number, Path(LOGS))
        bench.output.say(f"run {run_id} ended with {run.conclusion}: {run.url}")
        if run.conclusion != "success" and all(attempt.exit != 1 for attempt in ended if attempt.number == number):
            ended.append(Attempt(WORKFLOW, number, None, 0.0, ""))  # it ended otherwise than by a red job
        if asked["fail_fast"] and run.conclusion != "success":
            break
    return ended


def _history(bench: Bench) -> tuple[Flip, ...] | None:
    """What the forge has seen of this commit; None where it cannot be asked, which is said."""
    from ms_release.adapters.attempts import of_commit
    from ms_release.core.flaky import flips

    if bench.repo is None:
        return None
    try:
        return flips(of_commit(bench.client, bench.repo.slug, bench.sha))
    except MsError as error:
        if error.exit_code > 128:
            raise
        bench.output.say(f"earlier attempts on the forge were not read: {error.cause}")
        return None


def _flipped(bench: Bench, flips: tuple[Flip, ...] | None, rate: float) -> tuple[Finding, ...]:
    from ms_release.core.flaky import findings

    return findings(bench.name, bench.at, flips or (), rate)


def _show(bench: Bench, proofs: tuple[Proof, ...], flips: tuple[Flip, ...] | None, skewed: tuple[Finding, ...]) -> None:
    from ms_release.adapters.files import read_limited
    from ms_release.core.prove import telling

    marks = {"green": "ok", "red": "NO", "flaky": "~~", "stopped": "--"}
    data = bench.output.data
    data(f"Gates of {bench.name} at {bench.at}")
    for proof in proofs:
        rate = f", failed in {proof.failed} of {proof.attempts}" if proof.attempts > 1 else ""
        data(f"  {marks[proof.verdict]}  {proof.gate}: {proof.verdict}{rate} ({proof.seconds:.1f} s)")
        if proof.verdict in ("red", "flaky"):
            said = read_limited(Path(proof.log), 1 << 25).decode(errors="replace")
            data("\n".join((*(f"      {line}" for line in telling(said)), f"      all of it: {proof.log}")))
    for flip in flips or ():
        data(f"  ~~  {flip.name} by {flip.app}: failed in {flip.failed} of {flip.attempts} attempts on the forge")
    for finding in skewed:
        if finding.code == "VERSION_SKEW":
            data(f"  NO  {finding.code} {finding.subject}: {finding.message}")


def _end(
    bench: Bench,
    proofs: tuple[Proof, ...],
    flips: tuple[Flip, ...] | None,
    found: tuple[Finding, ...],
    *,
    open_issue: bool,
) -> None:
    from ms_release.cli.escalating import escalating

    document: dict[str, Any] = {
        "sha": bench.sha,
        "gates": [
            {
                "name": p.gate, "verdict": p.verdict, "failed": p.failed, "attempts": p.attempts, "seconds": p.seconds,
                "log": p.log,
            }
            for p in proofs
        ],
        "history": None if flips is None else [
            {"name": f.name, "app": f.app, "failed": f.failed, "attempts": f.attempts} for f in flips
        ],
    }  # fmt: skip
    if not found:
        bench.output.document(document)
        return
    bench.output.hold(document)
    first, count = found[0], len(found)
    cause = f"{first.code} {first.subject}: {first.message}" + (f"; and {count - 1} more" if count > 1 else "")
    error = BlockedError(cause, remedy=first.remedy, findings=found)
    if bench.config is None:
        raise error
    with escalating(bench.output, bench.config, lambda: bench.client, open_issue=open_issue):
        raise error
