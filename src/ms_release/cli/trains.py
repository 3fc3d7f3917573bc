"""Carrying a plan out: which plan `prepare` and `publish` are about, and the loop that brings it to its goal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ms_release.cli import following
from ms_release.cli.common import Session, Settings
from ms_release.cli.noticing import token_warnings
from ms_release.core.action import Action, Ask, Done, Next, Wait, Watch
from ms_release.core.observation import Observation
from ms_release.core.train import Train
from ms_release.errors import BlockedError, DamagedError, StalePlanError, UsageError, WaitingError
from ms_release.ports import Reader

if TYPE_CHECKING:
    from ms_release.cli.planner import Continued, Nothing, Planned

Decider = Callable[[Train, Observation], Next]
Found = tuple[Train, Observation | None] | str
"""The plan that is meant, with what was just read of it; a text when there is nothing to do."""
Finder = Callable[[Session, dict[str, Any]], Found]


class TrainSight:
    """Looking at one plan on its way."""

    def __init__(self, reader: Reader, goal: Train, first: Observation | None = None) -> None:
        self._reader = reader
        self._goal = goal
        self._first = first

    def look(self) -> Observation:
        """The facts now; the first time those of the moment before, if planning has just read them."""
        first, self._first = self._first, None
        return first or self._reader.look(self._goal)

    def answer(self, facts: Observation, ask: Ask) -> Observation:
        """The same facts with those that were asked for."""
        return self._reader.answer(facts, self._goal, ask)

    def changed(self, watch: Watch) -> bool:
        """Whether a watched resource has changed."""
        return self._reader.changed(watch)


def find_train(session: Session, options: dict[str, Any]) -> Found:
    """The plan that is meant, with what was just read of it: a file, the one under way, or a new one.

    A text when there is nothing to release.

    Raises BlockedError when a gate forbids the new plan.
    """
    from ms_release.cli.plan import make_intent
    from ms_release.cli.planner import Planner, parse_pairs, read_notes, read_plan

    if options["plan_file"] is not None:
        choosing = ("channel", "auto", "tag", "bump", "source", "repos", "refs")
        if any(options[name] for name in choosing):
            raise UsageError("a plan file already says channel, version and commits", remedy="Use --plan alone.")
        return read_plan(options["plan_file"], session, read_notes(options["notes_file"])), None
    found = Planner(session, make_intent(options), parse_pairs(options["refs"], "--ref"), replan=False).plan()
    return settle(session, found)


def settle(session: Session, found: Planned | Continued | Nothing) -> Found:
    """What planning has found, as what is to be carried out. Raises BlockedError when a gate forbids the new plan."""
    from ms_release.cli.planner import Continued, Nothing
    from ms_release.core.predict import has_branch, untouched

    match found:
        case Nothing():
            return f"nothing to release: {found.tag} is exactly what would be released now"
        case Continued():
            session.output.say(f"continuing {found.goal.plan.tag}, planned by @{found.goal.file.created_by}")
            return found.goal, found.facts
        case _:
            if blocking := found.draft.blocking:
                first = blocking[0]
                raise BlockedError(
                    f"{first.code} {first.subject}: {first.message}",
                    remedy=first.remedy,
                    next_command=f"ms release {session.product.id} plan --channel {found.goal.plan.channel} --auto",
                    findings=blocking,
                )
            session.output.say(f"planned {found.goal.plan.tag}, plan {found.goal.file.digest[:12]}")
            return found.goal, None if has_branch(found.goal, found.facts) else untouched(found.goal, found.facts)


def carry_out(
    settings: Settings, options: dict[str, Any], verb: str, decide: Decider, find: Finder = find_train
) -> None:
    """`prepare`, `publish` or `rollback`: bring the plan to the verb's goal, or say what would happen."""
    try:
        _carry_out(settings, options, (verb, decide), find)
    except WaitingError as error:
        error.next_command = error.next_command or following.again({"--watch": ""})
        raise


def _carry_out(settings: Settings, options: dict[str, Any], wanted: tuple[str, Decider], find: Finder) -> None:
    verb, decide = wanted
    session = Session(settings, "content")
    found = find(session, options)
    if isinstance(found, str):
        settings.output.data(found)
        settings.output.document({"verb": verb, "nothing": True})
        return
    goal, first = found
    sight = TrainSight(session.reader, goal, first)
    if options["dry_run"]:
        _dry_run(settings, goal, sight, decide)
        return
    for warning in token_warnings(session):
        session.output.say(f"{warning.code}: {warning.message}. {warning.remedy}")
    performed: list[Action] = []
    try:
        done = _run(session, goal, sight, (verb, decide), performed, watch=options["watch"])
    except StalePlanError as error:
        if (theirs := _held_by(session, goal)) is None:
            raise
        file = theirs.file
        if not options["auto"]:
            since = f"@{file.created_by} since {file.created_at}, plan {file.digest[:12]}"
            error.cause = f"{error.cause} (held by {since})"
            raise
        session.output.say(f"continuing {theirs.plan.tag}: @{file.created_by} was faster")
        goal, sight = theirs, TrainSight(session.reader, theirs)
        done = _run(session, goal, sight, (verb, decide), performed, watch=options["watch"])
    product, tag = goal.plan.product, goal.plan.tag
    if verb == "prepare":
        due = f"ms release {product} publish --channel {goal.plan.channel} --auto --watch"
    else:
        due = f"ms release {product} verify {tag}"
    settings.output.data(f"{done.message}")
    settings.output.document(
        {
            "verb": verb,
            "tag": tag,
            "digest": goal.file.digest,
            "release_commit": done.release_commit or None,
            "performed": [each.key for each in performed],
            "next": settings.output.next(due),
        }
    )


def _run(
    session: Session,
    goal: Train,
    sight: TrainSight,
    verb: tuple[str, Decider],
    performed: list[Action],
    *,
    watch: bool,
) -> Done:
    """The loop of one plan; what it does is added to `performed`, however it ends."""
    from ms_release.operate import Operation

    name, decide = verb
    operation = Operation(sight, session.writer(), session.clock, session.output)
    try:
        return operation.run(lambda facts: decide(goal, facts), watch=watch)
    except BlockedError as error:
        error.next_command = error.next_command or _after(goal, name, error)
        raise
    finally:
        performed += operation.performed


def _held_by(session: Session, goal: Train) -> Train | None:
    """Somebody else's plan of the same version, where the forge holds that one instead of ours."""
    from ms_release.core.plan import parse_file

    reader = session.reader
    tag = goal.plan.tag
    text = reader.read_plans(reader.look_at_home(session.config, session.product), (tag,)).get(tag)
    if text is None or text.encode() == goal.file.data:
        return None
    try:
        file = parse_file(text.encode(), goal.plan.path)
    except DamagedError:
        return None
    return replace(goal, file=file) if file.plan.product == goal.plan.product else None


def _after(goal: Train, verb: str, error: BlockedError) -> str:
    """What to type where the decision names nothing: the same again, once the cause is mended."""
    if isinstance(error, StalePlanError):
        return "ms release status"
    return f"ms release {goal.plan.product} {verb} --channel {goal.plan.channel} --auto --watch"


def _dry_run(settings: Settings, goal: Train, sight: TrainSight, decide: Decider) -> None:
    from ms_release.core.foretell import assume
    from ms_release.operate import foresee
    from ms_release.render.text import action_lines

    def assumed(facts: Observation, wait: Wait) -> Observation | None:
        return assume(facts, wait, goal) if wait.awaited in ("candidates", "checks") else None

    actions, end = foresee(sight, lambda facts: decide(goal, facts), assumed)
    settings.output.data(
        "\n".join((f"{goal.plan.tag}: what would happen", *action_lines(actions), f"  then: {_words(end)}"))
    )
    settings.output.document(
        {
            "tag": goal.plan.tag,
            "actions": [each.key for each in actions],
            "then": _words(end),
            "next": settings.output.next(following.without("--dry-run")),
        }
    )


def _words(end: Next) -> str:
    match end:
        case Done():
            return end.message
        case Wait():
            return f"waiting for {end.reason}"
        case _:
            return getattr(end, "cause", "")
