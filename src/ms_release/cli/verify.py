"""`verify`: a published release seen from outside, with no trust in what the publishing run said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ms_release.cli.common import Session, Settings, standard_options

if TYPE_CHECKING:
    from ms_release.core.observation import Observation, Release
    from ms_release.core.train import Train
    from ms_release.errors import WaitingError

UNRECORDED = "its ledger entry is not merged"
ASSET_LIMIT = 2 * 1024**3


@click.command()
@click.argument("tag", required=False)
@click.option("--all", "every", is_flag=True, help="Every published release that was planned here.")
@standard_options
def verify(settings: Settings, tag: str | None, every: bool) -> None:
    """Check a published release: tag, plan, seal, signature, ledger, and every byte.

    Without a tag, the newest published release.

    \b
    Examples:
      ms release content verify v1.2.0
      ms release content verify --all
    """
    from ms_release.errors import IntegrityError

    session = Session(settings, "content")
    tags = chosen_tags(session, tag, every)
    results = {each: _verify(session, each) for each in tags}
    for each, (problems, count) in results.items():
        settings.output.data(
            f"{each}: "
            + ("; ".join(problems) if problems else f"{count} files are what was planned, approved and recorded")
        )
    rows = [{"tag": each, "problems": problems, "files": count} for each, (problems, count) in results.items()]
    if bad := [each for each, (problems, _) in results.items() if problems]:
        settings.output.hold({"releases": rows})
        if all(results[each][0] == [UNRECORDED] for each in bad):
            raise _unrecorded(session, bad[0])
        bad = [each for each in bad if results[each][0] != [UNRECORDED]]
        first = results[bad[0]][0][0]
        raise IntegrityError(
            f"{bad[0]} is not what was planned: {first}",
            remedy="Tell the release managers now.",
            next_command="ms release status",
        )
    settings.output.document({"releases": rows})


def _unrecorded(session: Session, tag: str) -> WaitingError:
    """The release is as planned; only its evidence is still on its way."""
    from ms_release.errors import WaitingError

    channel = "beta" if "-beta." in tag else "stable"
    return WaitingError(
        f"{tag} is what was planned, but {UNRECORDED} yet",
        remedy="A maintainer must finish it; then run the same command again.",
        next_command=f"ms release {session.product.id} publish --channel {channel} --auto --watch",
    )


def chosen_tags(session: Session, tag: str | None, every: bool) -> tuple[str, ...]:
    """The tag that was given, else the newest published one, or every one, oldest first. Raises UsageError for none."""
    from ms_release.core.version import parse_tag
    from ms_release.errors import UsageError

    if tag is not None:
        return (tag,)
    facts = session.reader.look_at_home(session.config, session.product)
    published = {r.tag for r in facts.home.releases if not r.draft}
    planned = sorted(v for v in map(parse_tag, facts.home.plans) if v and v.tag in published)
    if not planned:
        raise UsageError("nothing is published yet", remedy="See what stands.", next_command="ms release status")
    return tuple(v.tag for v in planned) if every else (planned[-1].tag,)


def _verify(session: Session, tag: str) -> tuple[list[str], int]:
    from ms_release.cli.approve import read_train
    from ms_release.core.action import Ask
    from ms_release.core.publish import published
    from ms_release.core.verify import compare_release
    from ms_release.errors import UsageError

    goal = read_train(session, tag)
    facts = session.reader.look(goal)
    if published(goal, facts) is None:
        raise UsageError(f"{tag} is not published", remedy="See where it stands.", next_command="ms release status")
    for what in ("published", "runs"):
        facts = session.reader.answer(facts, goal, Ask(what))
    released = published(goal, facts)
    assert released is not None
    problems = list(compare_release(goal, facts, released))
    problems += _compare_ledger(session, goal, facts, released)
    problems += _compare_bytes(session, goal, released)
    return problems, len(released.assets)


def _compare_ledger(session: Session, goal: Train, facts: Observation, released: Release) -> list[str]:
    from ms_release.core.ledger import make_entry
    from ms_release.core.plan import ledger_path

    path = ledger_path(goal.plan.tag)
    recorded = session.reader.add_texts(facts, (path,)).home.texts.get(path)
    entry = make_entry(goal, facts, released)
    ours = [run for run in facts.runs or () if goal.file.digest in run.title]
    if not isinstance(entry, bytes) and all(run.status == "completed" for run in ours):
        return [entry.cause]
    if recorded is None:
        return [UNRECORDED]
    if not isinstance(entry, bytes):
        return [entry.cause]
    return [] if recorded.encode() == entry else ["its ledger entry says something else than the forge"]


def _compare_bytes(session: Session, goal: Train, released: Release) -> list[str]:
    problems = []
    for asset in released.assets:
        session.output.wait(f"downloading {asset.name}")
        with open(os.devnull, "wb") as nowhere:  # only hashed
            path = f"/repos/{goal.plan.home}/releases/assets/{asset.id}"
            sha256, size = session.client.download(path, nowhere, max_bytes=ASSET_LIMIT)
        if size != asset.size or asset.digest != f"sha256:{sha256}":
            problems.append(f"asset {asset.name} downloads with other bytes than the forge announces")
    return problems
