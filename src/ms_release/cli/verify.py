"""`verify`: a published release seen from outside, with no trust in what the publishing run said."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli.common import Session, Settings, standard_options

if TYPE_CHECKING:
    from ms_release.core.audit import Trace
    from ms_release.core.observation import Home, Observation, Release
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

    Without a tag, the newest published release. The ledger is held against the entries that this machine has seen
    before; one that is right for the first time is remembered. What is wrong is told with when and by whom it was
    changed, as far as the forge knows.

    \b
    Examples:
      ms release content verify v1.2.0
      ms release content verify --all
    """
    from urllib.parse import urlsplit

    from ms_release.adapters.kept_ledger import KeptLedger, state_directory
    from ms_release.cli.approve import check_tag
    from ms_release.core.audit import audit
    from ms_release.errors import IntegrityError

    if tag is not None:
        check_tag(tag)
    session = Session(settings, "content")
    home, entries = _read_ledger(session)
    kept = KeptLedger(state_directory(), urlsplit(session.client.api_url).netloc, home.slug)
    recorded = audit(home, entries, kept.read())
    results: dict[str, tuple[list[str], int]] = {}
    for each in tags_of(home, recorded, tag, every):
        results[each] = _verify(session, each, home, recorded.get(each, ()), entries.get(each))
        if each in entries and not results[each][0]:
            kept.keep(each, entries[each])
    rows = [_row(session, home, each, *result) for each, result in results.items()]
    for row in rows:
        settings.output.data(_told(row))
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


def _read_ledger(session: Session) -> tuple[Home, dict[str, str]]:
    """The home repository, and every ledger entry in it by tag."""
    from ms_release.core.plan import ledger_path

    facts = session.reader.look_at_home(session.config, session.product)
    paths = {ledger_path(tag): tag for tag in facts.home.ledger}
    texts = session.reader.add_texts(facts, tuple(paths)).home.texts
    return facts.home, {tag: texts[path] for path, tag in paths.items() if path in texts}


def _row(session: Session, home: Home, tag: str, problems: list[str], count: int) -> dict[str, Any]:
    """What is told of one release; where something is wrong, also who changed what, as far as the forge knows."""
    from ms_release.adapters import traces
    from ms_release.core.plan import ledger_path

    found: list[Trace] = []
    if problems and problems != [UNRECORDED]:
        found += traces.of_file(session.client, home, ledger_path(tag))
        for release in home.releases:
            if release.tag == tag and not release.draft:
                found += traces.of_release(session.client, home, release.id)
    listed = [{"what": t.what, "when": t.when, "who": t.who} for t in found]
    return {"tag": tag, "problems": problems, "files": count, "traces": listed}


def _told(row: dict[str, Any]) -> str:
    if not row["problems"]:
        return f"{row['tag']}: {row['files']} files are what was planned, approved and recorded"
    lines = [f"{row['tag']}: " + "; ".join(row["problems"])]
    lines += [f"  {t['what']}: {t['when']}" + (f", by {t['who']}" if t["who"] else "") for t in row["traces"]]
    return "\n".join(lines)


def _unrecorded(session: Session, tag: str) -> WaitingError:
    """The release is as planned; only its evidence is still on its way."""
    from ms_release.errors import WaitingError

    channel = "beta" if "-beta." in tag else "stable"
    return WaitingError(
        f"{tag} is what was planned, but {UNRECORDED} yet",
        remedy="A maintainer must finish it; then run the same command again.",
        next_command=f"ms release {session.product.id} publish --channel {channel} --auto --watch",
    )


def tags_of(home: Home, recorded: Mapping[str, tuple[str, ...]], tag: str | None, every: bool) -> tuple[str, ...]:
    """The releases that are looked at, lowest version first: those that were published here, or are recorded."""
    from ms_release.core.audit import in_order
    from ms_release.errors import UsageError

    if tag is not None:
        return (tag,)
    published = {r.tag for r in home.releases if not r.draft}
    planned = in_order({*(published & set(home.plans)), *recorded})
    if not planned:
        raise UsageError("nothing is published yet", remedy="See what stands.", next_command="ms release status")
    return planned if every else (planned[-1],)


def _verify(
    session: Session, tag: str, home: Home, recorded: tuple[str, ...], entry: str | None
) -> tuple[list[str], int]:
    """The problems of one release, and how many files it has; `recorded` are those that the ledger tells of it."""
    from ms_release.cli.approve import read_train
    from ms_release.core.action import Ask
    from ms_release.core.publish import published
    from ms_release.core.verify import compare_release
    from ms_release.errors import UsageError

    if recorded and not any(r.tag == tag and not r.draft for r in home.releases):
        return list(recorded), 0
    goal = read_train(session, tag)
    facts = session.reader.look(goal)
    if published(goal, facts) is None:
        raise UsageError(f"{tag} is not published", remedy="See where it stands.", next_command="ms release status")
    for what in ("published", "runs"):
        facts = session.reader.answer(facts, goal, Ask(what))
    released = published(goal, facts)
    assert released is not None
    problems = [*recorded, *compare_release(goal, facts, released)]
    ledger = _compare_ledger(goal, facts, released, entry)
    if not (recorded and ledger == [UNRECORDED]):  # the audit has said already that it was there
        problems += ledger
    problems += _compare_bytes(session, goal, released)
    return problems, len(released.assets)


def _compare_ledger(goal: Train, facts: Observation, released: Release, recorded: str | None) -> list[str]:
    from ms_release.core.audit import compare_entry
    from ms_release.core.ledger import make_entry

    entry = make_entry(goal, facts, released)
    ours = [run for run in facts.runs or () if goal.file.digest in run.title]
    if not isinstance(entry, bytes) and all(run.status == "completed" for run in ours):
        return [entry.cause]
    if recorded is None:
        pull = facts.evidence_change.pull if facts.evidence_change else None
        if pull is not None and pull.state == "MERGED":
            return [f"its ledger entry was taken away after #{pull.number} had brought it"]
        return [UNRECORDED]
    if not isinstance(entry, bytes):
        return [entry.cause]
    return [problem] if (problem := compare_entry(recorded, entry)) else []


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
