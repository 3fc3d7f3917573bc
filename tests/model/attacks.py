"""What somebody with too many rights, or a stolen token, may do to a release on its way."""

from __future__ import annotations

from msgspec.structs import replace

from core.world import RED, check, sha, sha256
from model.actors import lay_out, read_merged
from model.forge import HOME, Dist, Forge, Publishing
from model.story import Move, Pick, Story
from ms_release.core import action
from ms_release.core.observation import Release
from ms_release.core.plan import make_file, parse_file, plan_path
from ms_release.core.train import release_marker


def push(story: Story, pick: Pick) -> None:
    """Push a file to a release branch."""
    if names := _branches(story.forge):
        story.forge.push(pick.one(names), {pick.one(("extra.txt", "release-notes/x.md")): b"more"})


def edit_plan(story: Story, pick: Pick) -> None:
    """Edit a plan on its branch, or on the home branch past its protection; with another digest, or with its own."""
    places = [(name, story.forge.branches[name].changes) for name in _branches(story.forge)] + [("", story.forge.main)]
    branch, files = pick.one(places)
    plans = [path for path in files if path.startswith("release-plans/")]
    if not plans:
        return
    path = pick.one(plans)
    if pick.one((True, False)):
        edited = files[path].replace(b'"notes"', b'"notes" ')
    else:
        file = parse_file(files[path], path)
        other = replace(file.plan, **pick.one(({"notes": "x"}, {"reason": "y"}, {"pins": file.plan.pins[:1]})))
        edited = make_file(other, created_at=file.created_at, created_by="mallory").data
    if branch:
        story.forge.push(branch, {path: edited})
    else:
        story.forge.commit({path: edited})


def tag(story: Story, pick: Pick) -> None:
    """Create the tag of a release, or move it."""
    if tags := _tags(story.forge):
        story.forge.tags[pick.one(tags)] = pick.one((sha("elsewhere"), story.forge.head))


def candidate(story: Story, pick: Pick) -> None:
    """Delete a candidate, build it again, or put other assets into it."""
    found = [(repo, commit) for repo, all in story.forge.ready.items() for commit in all]
    if not found:
        return
    repo, commit = pick.one(found)
    ready = story.forge.ready[repo]
    match pick.one(("delete", "replace", "assets", "damage")):
        case "delete":
            del ready[commit]
        case "replace":
            story.forge.make_candidate(repo, commit)
        case "assets":
            ready[commit] = replace(ready[commit], digest=sha256(f"other {story.forge.number()}"))
        case _:
            ready[commit] = replace(ready[commit], problems=("an asset is missing",))


def protection(story: Story, pick: Pick) -> None:
    """Loosen the rules of the home branch or the environment."""
    forge = story.forge
    rule = pick.one(("pull_request", "strict", "checks", "self", "bypass", "reviewers", "branches"))
    match rule:
        case "self":
            forge.environment = replace(forge.environment, prevent_self_review=False)
        case "bypass":
            forge.environment = replace(forge.environment, can_admins_bypass=True)
        case "reviewers":
            forge.environment = replace(forge.environment, reviewers=pick.one(((), ("studio/maintainers",))))
        case "branches":
            forge.environment = replace(forge.environment, branches=())
        case "checks":
            forge.rules = replace(forge.rules, checks=())
        case _:
            forge.rules = replace(forge.rules, **{rule: False})


def configuration(story: Story, pick: Pick) -> None:
    """Change the configuration on the home branch, or take the change back."""
    story.forge.config = sha("other") if story.forge.config != sha("other") else sha("third")


def rerun(story: Story, pick: Pick) -> None:
    """Run a check of a pinned commit again, to red, to green, or not to its end."""
    repo = pick.one(("core", "loader"))
    commit = sha(pick.one(story.forge.components[repo][::-1]))
    id = story.forge.number()
    made = (check(id), check(id, conclusion="failure"), check(id, status="in_progress", conclusion=None))
    story.forge.checks[commit] = pick.one(((*story.forge.checks[commit], pick.one(made)), RED))


def rerun_in_time(story: Story, pick: Pick) -> None:
    """Run a check again to red while a run is queued whose first job has not looked yet."""
    if queued := [p for p in story.forge.runs if p.run.status == "queued"]:
        text = story.forge.main.get(plan_path(pick.one(queued).inputs["tag"]), b"")
        pinned = [commit for commit in story.forge.checks if commit.encode() in text]
        if pinned:
            commit = pick.one(pinned)
            story.forge.checks[commit] += (check(story.forge.number(), conclusion="failure"),)


def type_in_time(story: Story, pick: Pick) -> None:
    """Somebody plans another release just before one is published, and goes on after it: no attack, but a race."""
    due = [each for job in story.promoting.values() for each in job.operation.due]
    if any(isinstance(each, action.PublishRelease) for each in due):
        who, channel = pick.one((0, 1)), pick.one((0, 2))
        story.type(Pick(who + 2 * (3 + 4 * channel)))
        story.run(Pick(0))
        story.step(Pick(who))


def foreign(story: Story, pick: Pick) -> None:
    """Create a release or draft for a tag: with or without our marker, with or without files."""
    forge = story.forge
    tags = [(p.inputs["tag"], p.inputs["plan"], p.inputs["seal"]) for p in forge.runs]
    if tags:
        name, digest, seal = pick.one(tags)
        body = pick.one(("", release_marker(digest, seal)))
        made = Release(forge.number(), name, pick.one((True, True, False)), True, (), body)
        forge.releases.append(made)
        if pick.one((True, False)):
            forge.add_asset(made, pick.one(("firmware.hex", "evil.exe")), b"evil")


def dispatch(story: Story, pick: Pick) -> None:
    """Start a publishing run: for the true plan and seal, or for others."""
    known = [p.inputs for p in story.forge.runs]
    if known:
        inputs = dict(pick.one(known))
        change = pick.one(("", "plan", "seal", "tag"))
        if change:
            inputs[change] = "v9.9.9" if change == "tag" else pick.one((sha256("x"), pick.one(known)[change]))
        story.forge.perform("mallory", action.DispatchWorkflow(HOME, "publish.yml", "main", inputs, ""))


def body(story: Story, pick: Pick) -> None:
    """Edit the text of a release."""
    if story.forge.releases:
        release = pick.one(story.forge.releases)
        story.forge.change_release(release, body=pick.one(("", "evil", release.body + "!")))


def assets(story: Story, pick: Pick) -> None:
    """Replace, add or delete an asset of a release or draft."""
    found = [r for r in story.forge.releases if r.assets]
    if found:
        release = pick.one(found)
        name = pick.one([a.name for a in release.assets])
        match pick.one(("replace", "add", "delete")):
            case "replace":
                story.forge.add_asset(release, name, b"evil")
            case "add":
                story.forge.add_asset(release, "evil.exe", b"evil")
            case _:
                story.forge.change_release(release, assets=tuple(a for a in release.assets if a.name != name))


def dist(story: Story, pick: Pick) -> None:
    """Swap what a run has laid out, before its second job takes it."""
    found = [p for p in story.forge.runs if p.dist is not None and p.live]
    if not found:
        return
    publishing = pick.one(found)
    old = publishing.dist
    assert old is not None
    contents, files = dict(old.contents), dict(old.files)
    match pick.one(("asset", "candidate", "manifest.json", "checksums.txt", "evil.exe")):
        case "asset":
            other = _other_dist(story.forge, publishing)
            publishing.dist = Dist(old.sealed, other.contents, other.files)
        case "candidate":
            publishing.dist = _other_dist(story.forge, publishing)
        case name:
            publishing.dist = Dist(old.sealed, contents, files | {name: b"evil"})


def _other_dist(forge: Forge, publishing: Publishing) -> Dist:
    """What would be laid out for another candidate of core: its bytes, and everything that follows from them."""
    goal = read_merged(forge, publishing).goal
    assert publishing.dist is not None
    return lay_out(goal, tuple(sorted({**publishing.dist.sealed, "core": sha256("evil")}.items())))


def close(story: Story, pick: Pick) -> None:
    """Close a pull request."""
    if pulls := [p for p in story.forge.pulls if p.state == "OPEN"]:
        pull = pick.one(pulls)
        story.forge.perform("mallory", action.ClosePullRequest(HOME, pull.url, pull.number))


def _branches(forge: Forge) -> list[str]:
    return [name for name in forge.branches if name.startswith("release/")]


def _tags(forge: Forge) -> list[str]:
    return [name.removeprefix("release/") for name in _branches(forge)]


ATTACKS: tuple[Move, ...] = (
    push, edit_plan, tag, candidate, protection, configuration, rerun, rerun_in_time, foreign, dispatch, body, assets,
    dist, close, Story.review_by_hand,
)  # fmt: skip
