"""`promote`: in the publishing run, behind the environment: check the approval and every byte, sign, publish last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ms_release.cli.common import Session, Settings, standard_options

if TYPE_CHECKING:
    from ms_release.adapters.github_read import GitHubReader
    from ms_release.cli.checkout import Merged
    from ms_release.core.action import Ask, Watch
    from ms_release.core.observation import Observation
    from ms_release.core.promote import DistFile, Promotion


@click.command()
@click.argument("tag")
@click.option("--plan-digest", required=True, metavar="SHA256", help="The plan that was approved.")
@click.option("--seal", required=True, metavar="SHA256", help="The seal that was approved.")
@click.option("--dir", "directory", default="dist", metavar="DIR", help="What `assemble` laid out.")
@standard_options
def promote(settings: Settings, tag: str, plan_digest: str, seal: str, directory: str) -> None:
    """Publish what was assembled and approved.

    Runs in the publishing workflow, behind the protected environment. Refuses approvals by whoever requested the
    release, and files that the sealed candidates do not hold. MS_MANIFEST_KEY signs the manifest.

    \b
    Example:
      ms release content promote v1.2.0 --plan-digest … --seal … --dir dist
    """
    from ms_release.cli.checkout import read_merged
    from ms_release.core.promote import Promotion, next_promote
    from ms_release.core.train import release_body
    from ms_release.operate import Operation

    session = Session(settings, "content")
    merged = read_merged(session, tag, plan_digest)
    dist = Path(directory)
    _check_bytes(merged, dist, seal)
    reader = session.reader
    _check_approval(merged, reader, seal)
    _sign(session, dist)
    promotion = Promotion(merged.goal, merged.release_commit, seal, release_body(merged.goal, seal), _files(dist))
    operation = Operation(_Sight(reader, promotion), session.writer(dist), session.clock, session.output)
    done = operation.run(lambda facts: next_promote(promotion, facts), watch=False)
    settings.output.data(done.message)
    settings.output.document({"tag": tag, "performed": [each.key for each in operation.performed]})


class _Sight:
    """Looking at the home repository, and at the release that carries our marker."""

    def __init__(self, reader: GitHubReader, promotion: Promotion) -> None:
        self._reader = reader
        self._promotion = promotion

    def look(self) -> Observation:
        from ms_release.core.train import release_marker

        facts = self._reader.look(self._promotion.goal, components=False)
        marker = release_marker(self._promotion.goal.file.digest, self._promotion.seal)
        for release in facts.home.releases:
            if marker in release.body:
                facts = self._reader.add_digests(facts, release)
        return facts

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        raise AssertionError(f"promotion of {facts.home.slug} needs no {ask.what}")

    def changed(self, watch: Watch) -> bool:
        raise AssertionError(f"promotion waits for nothing, not for {watch.kind}")


def _check_bytes(merged: Merged, dist: Path, seal: str) -> None:
    from ms_release.adapters.dist import contents, read_candidates
    from ms_release.cli.checkout import check_seal
    from ms_release.core.assembly import compare_metadata, compare_origin
    from ms_release.errors import IntegrityError

    product = merged.goal.product
    sealed = read_candidates(dist, product.repos, merged.goal.config.policy.candidate_key)
    check_seal(merged, {repo: digest for repo, (_, digest) in sealed.items()}, seal)
    candidates = {repo: candidate for repo, (candidate, _) in sealed.items()}
    problems = list(compare_origin(product, candidates, contents(product, dist)))
    if not problems:
        files = {f.name: (f.size, f.sha256) for f in _files(dist)}
        problems = list(compare_metadata(merged.goal, merged.committed_at, files))
    if problems:
        raise IntegrityError(
            f"dist is not what was sealed: {problems[0]}", remedy="Nothing was published. Assemble again."
        )


def _check_approval(merged: Merged, reader: GitHubReader, seal: str) -> None:
    from ms_release.core.approval import check_approvals
    from ms_release.core.train import run_title
    from ms_release.errors import BlockedError, UsageError

    number = os.environ.get("GITHUB_RUN_ID", "")
    if not number.isdigit():
        raise UsageError(
            "this is no workflow run", remedy="`promote` runs in the publishing workflow only; start it by `publish`."
        )
    facts, run = reader.look_at_run(merged.goal, int(number))
    if run.title != run_title(merged.goal.plan, merged.goal.file.digest, seal):
        raise BlockedError(
            "this run was started under another name than its plan and seal", remedy="Start it by `publish`."
        )
    problems = list(check_approvals(merged.goal, facts, run))
    if problems:
        raise BlockedError(problems[0], remedy="Nothing was published. Another release manager must approve it.")


def _sign(session: Session, dist: Path) -> None:
    from ms_release.adapters.signing import public_of, sign
    from ms_release.core.verify import MANIFEST, SIGNATURE
    from ms_release.errors import CredentialError, IntegrityError

    seed = os.environ.get("MS_MANIFEST_KEY", "")
    if not seed:
        raise CredentialError(
            "there is no signing key", remedy="Give the environment's secret MS_MANIFEST_KEY to this job."
        )
    if public_of(seed) != session.config.policy.manifest_key:
        raise IntegrityError(
            "the signing key is not the pinned one",
            remedy="Compare MS_MANIFEST_KEY with manifest_key in the configuration.",
        )
    (dist / SIGNATURE).write_text(sign(seed, (dist / MANIFEST).read_bytes()))


def _files(dist: Path) -> tuple[DistFile, ...]:
    from ms_release.adapters.hashing import digests
    from ms_release.cli.output import hashing
    from ms_release.core.promote import DistFile

    files = sorted(p for p in dist.iterdir() if p.is_file())
    sums = digests(files, hashing)
    return tuple(DistFile(p.name, p.stat().st_size, sums[p]) for p in files)
