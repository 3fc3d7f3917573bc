"""What `announce` wants next: the release's body with one marked block of links, decisions and capsules in it."""

from __future__ import annotations

from collections.abc import Iterator

from ms_release.core.action import Act, Blocked, Done, EditRelease, Next, Wait
from ms_release.core.announcement import BEGIN, END, split
from ms_release.core.ledger import Recorded, read_recorded
from ms_release.core.links import link, page
from ms_release.core.model import digest
from ms_release.core.notes import range_link
from ms_release.core.observation import Observation, Release
from ms_release.core.plan import Plan, ledger_path, notes_path, spec_path
from ms_release.core.publish import published
from ms_release.core.sanitize import commit_subject, markdown
from ms_release.core.trailers import trailers
from ms_release.core.train import Train, release_marker

BODY_LIMIT = 125_000
"""Characters that the forge takes as a release's body (github-facts G35)."""
_TRAILERS = (("Decision-ID", "Decisions"), ("Capsule", "Capsules"))


def next_announce(goal: Train, facts: Observation) -> Next:
    """Decide from the facts alone; the ledger entry is what tells which plan, seal and bytes the release has.

    Raises DamagedError for an entry that is none.
    """
    plan = goal.plan
    released = published(goal, facts)
    if released is None and (given_up := facts.home.given_up(plan.tag)):
        return Blocked(f"{plan.tag} is {given_up}", "There is nothing to announce.", "ms release status")
    where = ledger_path(plan.tag)
    entry = facts.home.texts.get(where)
    if released is None or entry is None:
        missing = "the publication" if released is None else "the ledger entry"
        again = f"ms release {plan.product} publish --channel {plan.channel} --auto --watch"
        return Wait("record", f"{missing} of {plan.tag}", "a maintainer", next_command=again)
    recorded = read_recorded(entry, where)
    return _different(goal, recorded, released) or _edit(goal, recorded, released)


def _different(goal: Train, recorded: Recorded, released: Release) -> Blocked | None:
    """Nobody is led to a release that is not the recorded one."""
    now = {(a.name, a.size, (a.digest or "").removeprefix("sha256:")) for a in released.assets}
    odd = sorted({name for name, *_ in now ^ {(a.name, a.size, a.sha256) for a in recorded.assets}})
    if (recorded.tag, recorded.plan) != (goal.plan.tag, goal.file.digest):
        odd = ["the plan"]
    if not odd:
        return None
    return Blocked(
        f"{odd[0]} of {goal.plan.tag} is not what the ledger records",
        "Tell the release managers now; nothing was announced.",
        f"ms release {goal.plan.product} verify {goal.plan.tag}",
    )


def _edit(goal: Train, recorded: Recorded, released: Release) -> Next:
    plan = goal.plan
    parts = split(released.body)
    if parts is None:
        return Blocked(
            f"the marks of the announcement in the release {plan.tag} are broken: one pair or none is expected",
            f"Edit the release: delete everything from “{BEGIN}” to “{END}” with all such lines.",
        )
    marker = release_marker(recorded.plan, recorded.seal)
    if not any(marker in part for part in parts):
        return Wait(
            "record",
            f"the plan marker in the body of {plan.tag}, which somebody has removed: {marker}",
            "a release manager",
            # `publish` would begin the next release: this one is recorded
            next_command=f"ms release {plan.product} verify {plan.tag}",
        )
    before, after = parts
    body = f"{before}{block(goal, recorded)}{after}"
    if body == released.body:
        return Done(f"{plan.tag} is announced")
    if len(body) > BODY_LIMIT:
        return Blocked(
            f"the body of {plan.tag} would have {len(body)} characters; the forge takes {BODY_LIMIT}",
            "Nothing was written. Shorten what stands around the announcement.",
        )
    return Act((EditRelease(plan.home, plan.tag, released.id, digest(released.body), body),))


def block(goal: Train, recorded: Recorded) -> str:
    """The announcement with its marks: a pure function of plan, configuration and ledger entry."""
    parts = ["\n".join(rows) for rows in (_artifacts(goal, recorded), _records(goal, recorded), _changes(goal.plan))]
    parts += ["\n".join((f"**{title}**", "", *rows)) for key, title in _TRAILERS if (rows := _said(goal.plan, key))]
    return "\n\n".join((BEGIN, *parts, END))


def _artifacts(goal: Train, recorded: Recorded) -> Iterator[str]:
    home = goal.config.home(goal.product).url
    yield "**Artifacts**"
    yield ""
    for asset in sorted(recorded.assets, key=lambda asset: asset.name):
        address = page(home, "releases", "download", recorded.tag, asset.name)
        yield f"- {link(markdown(asset.name), address)} (sha256 `{asset.sha256[:12]}`)"


def _records(goal: Train, recorded: Recorded) -> Iterator[str]:
    home = goal.config.home(goal.product).url
    yield "**Records**"
    yield ""
    files = {"plan": goal.plan.path, "spec": spec_path(recorded.tag), "notes": notes_path(recorded.tag)}
    for name, path in files.items():
        yield f"- {link(name, page(home, 'blob', recorded.commit, path))}"
    yield f"- {link('ledger entry', page(home, 'blob', goal.plan.branch, ledger_path(recorded.tag)))}"


def _changes(plan: Plan) -> Iterator[str]:
    yield f"**Changes since {markdown(plan.previous or 'the beginning')}**"
    yield ""
    changed = [repo for repo in plan.changes if repo.from_sha != repo.to_sha]
    yield from (f"- {markdown(repo.repo_id)}: {range_link(repo)}" for repo in changed)
    if not changed:
        yield "No repository changed."


def _said(plan: Plan, key: str) -> list[str]:
    """Each value of a trailer once, with the repositories whose commits carry it."""
    told: dict[str, dict[str, None]] = {}
    for repo in plan.changes:
        for commit in repo.commits:
            for value in trailers(commit.body, key):
                told.setdefault(commit_subject(value), {})[repo.repo_id] = None
    return [f"- {markdown(value)} ({', '.join(map(markdown, repos))})" for value, repos in told.items()]
