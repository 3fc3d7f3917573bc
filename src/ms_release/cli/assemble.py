"""`assemble`: in the publishing run, before the approval: fetch the sealed candidates, lay out `dist/`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ms_release.cli.common import Session, Settings, connect, standard_options
from ms_release.render.text import release_text

if TYPE_CHECKING:
    from ms_release.adapters.http import Client
    from ms_release.cli.checkout import Merged
    from ms_release.core.candidate import Candidate
    from ms_release.core.observation import Observation


@click.command()
@click.argument("tag")
@click.option("--plan-digest", required=True, metavar="SHA256", help="The plan that was approved for publication.")
@click.option("--seal", required=True, metavar="SHA256", help="The seal the run was started with.")
@click.option("--out", default="dist", metavar="DIR", help="Where to lay out the files; must be new or empty.")
@standard_options
def assemble(settings: Settings, tag: str, plan_digest: str, seal: str, out: str) -> None:
    """Fetch and verify the candidates of a release and lay out its files.

    Runs in the publishing workflow, in a full checkout of the home repository. The same plan always gives the same
    bytes. Draft candidates of other repositories are read with
    MS_CANDIDATES_TOKEN, or as the App of MS_APP_ID, MS_APP_INSTALLATION and
    MS_APP_KEY, by a token of one hour for these repositories alone.

    \b
    Example:
      ms release content assemble v1.2.0 --plan-digest … --seal … --out dist
    """
    from ms_release.cli.checkout import check_seal, read_merged

    session = Session(settings, "content")
    merged = read_merged(session, tag, plan_digest)
    token = os.environ.get("MS_CANDIDATES_TOKEN", "")
    client = connect(session.config.forge.url, settings.output, token, _needed(session))
    facts = _look(client, merged)
    check_seal(merged, {id: ready.digest for id, ready in facts.ready.items() if ready}, seal)
    dist = _fresh(Path(out))
    with tempfile.TemporaryDirectory() as fetched:
        candidates = _fetch(client, merged, facts, Path(fetched), dist)
        _lay_out(merged, candidates, Path(fetched), dist)
    settings.output.summary(release_text(merged.goal.file, seal))
    names = sorted(p.name for p in dist.iterdir() if p.is_file())
    settings.output.data(f"{tag}: {len(names)} files in {dist}\n" + "\n".join(f"  {name}" for name in names))
    settings.output.document({"tag": tag, "files": names})


def _needed(session: Session) -> tuple[str, ...]:
    """The repositories that an App's token must reach: an installation is that of one owner."""
    home = session.config.home(session.product)
    owner = home.slug.partition("/")[0]
    slugs = [home.slug, *(repo.slug for repo in session.config.components(session.product))]
    return tuple(slug.partition("/")[2] for slug in slugs if slug.partition("/")[0] == owner)


def _look(client: Client, merged: Merged) -> Observation:
    """The facts that the plan stands on, once more; raises StalePlanError when one of them has moved."""
    from ms_release.adapters.candidates import Cache
    from ms_release.adapters.github_read import GitHubReader
    from ms_release.core import stale
    from ms_release.errors import StalePlanError

    facts = GitHubReader(client, Cache(None)).look(merged.goal)
    if moved := stale.moved_facts(merged.goal.plan, merged.goal.config, facts):
        blocked = stale.blocked(merged.goal.plan, moved)
        raise StalePlanError(blocked.cause, remedy=blocked.remedy, next_command=blocked.next_command)
    return facts


def _fresh(dist: Path) -> Path:
    from ms_release.adapters.dist import CANDIDATES
    from ms_release.errors import UsageError

    if dist.exists() and any(dist.iterdir()):
        raise UsageError(
            f"{dist} is not empty", remedy="Name a new directory: a release is never laid out over another."
        )
    (dist / CANDIDATES).mkdir(parents=True)
    return dist


def _fetch(client: Client, merged: Merged, facts: Observation, fetched: Path, dist: Path) -> dict[str, Candidate]:
    from ms_release.adapters.dist import CANDIDATES
    from ms_release.adapters.fetch import Expected, fetch
    from ms_release.core.candidate import MANIFEST_NAME, SIGNATURE_NAME

    candidates = {}
    for pinned in merged.goal.plan.candidates:
        ready = facts.ready[pinned.repo]
        assert ready is not None
        target = fetched / pinned.repo
        expected = Expected(ready.digest, merged.goal.config.policy.candidate_key)
        candidates[pinned.repo] = fetch(client, pinned.slug, ready.release.id, target, expected)
        for name, ending in ((MANIFEST_NAME, ".json"), (SIGNATURE_NAME, ".json.sig")):
            if (target / name).exists():
                (dist / CANDIDATES / f"{pinned.repo}{ending}").write_bytes((target / name).read_bytes())
    return candidates


def _lay_out(merged: Merged, candidates: dict[str, Candidate], fetched: Path, dist: Path) -> None:
    from ms_release.adapters.dist import lay_out
    from ms_release.adapters.hashing import digests
    from ms_release.cli.output import hashing
    from ms_release.core.assembly import render_metadata

    product = merged.goal.product
    lay_out(product, candidates, fetched, dist)
    sums = digests([dist / a.filename for a in product.assets], hashing)
    files = {path.name: (path.stat().st_size, sha256) for path, sha256 in sums.items()}
    for name, data in render_metadata(merged.goal, merged.committed_at, files).items():
        (dist / name).write_bytes(data)
