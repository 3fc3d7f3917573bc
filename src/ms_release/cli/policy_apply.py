"""`policy apply`: what is due, shown and asked for first, then made one by one, then audited again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ms_release.cli import following
from ms_release.cli.common import Settings, connect, load_config
from ms_release.errors import BlockedError, CredentialError, UsageError

if TYPE_CHECKING:
    from ms_release.adapters.policy.write import PolicyWriter
    from ms_release.cli.policy_audit import Audited
    from ms_release.config import Config
    from ms_release.core.policy.edit import Cannot, Edit, Repair


def run(settings: Settings, names: tuple[str, ...], *, yes: bool) -> None:
    """Repair what this token may. Raises BlockedError for drift left, CredentialError where all of it needs rights."""
    from ms_release.adapters.policy.write import PolicyWriter
    from ms_release.cli.policy_audit import look
    from ms_release.render.policy import audit_text, repair_text

    _, config = load_config(settings.config_file)
    client = connect(config.forge.url, settings.output)
    before = look(settings, config, client, names)
    writer = PolicyWriter(client)
    repair = plan(config, before, writer)
    settings.output.data(repair_text(repair))
    settings.output.hold({**before.document(), "planned": [_told(edit) for edit in repair.edits], "performed": []})
    if repair.edits and not yes:
        _confirm(repair)
    done, refused = perform(settings, writer, repair)
    after = look(settings, config, client, names) if done else before
    cannot = (*repair.cannot, *refused)
    document = {
        **after.document(),
        "performed": [_told(edit) for edit in done],
        "not_possible": [
            {"repo": one.slug, "code": one.code, "why": one.why, "who": one.who, "permission": one.needs}
            for one in cannot
        ],
    }
    settings.output.data(audit_text(after.verdicts, every=settings.output.verbose > 0))
    ending = _ending(after, cannot)
    if ending is not None:
        settings.output.hold(document)
        raise ending
    following_command = settings.output.next("ms release policy audit --record")
    settings.output.document({**document, "next": following_command})


def plan(config: Config, audited: Audited, writer: PolicyWriter) -> Repair:
    """What is due in all repositories. Reads the resources that will be changed, nothing else."""
    from ms_release.core.policy.base import Subject
    from ms_release.core.policy.edit import Repair
    from ms_release.core.policy.plan import paths_for, repair

    subjects = [
        Subject(config, repo, audited.seen.repos[repo.id]) for repo in config.repos if repo.id in audited.seen.repos
    ]
    bodies = writer.read(path for one in subjects for path in paths_for(one, audited.verdicts[one.repo.slug]))
    found = Repair()
    for one in subjects:
        found += repair(one, audited.verdicts[one.repo.slug], bodies)
    return found.once()


def perform(settings: Settings, writer: PolicyWriter, repair: Repair) -> tuple[list[Edit], list[Cannot]]:
    """One after the other: what was done, and what was refused, which does not stop the others.

    Raises what the client raises where the forge cannot be reached, or nobody knows what became of a change.
    """
    from ms_release.core.policy.edit import Cannot
    from ms_release.render.policy import sentence

    done, refused = [], []
    for edit in repair.edits:
        settings.output.say(sentence(edit))
        try:
            writer.perform(edit)
        except CredentialError as error:
            who = f"somebody with {edit.needs}"
            refused += [Cannot(edit.slug, reason.code, error.cause, who, edit.needs) for reason in edit.reasons]
        except BlockedError as error:
            who = f"an administrator of {edit.slug}"
            refused += [Cannot(edit.slug, reason.code, error.cause, who) for reason in edit.reasons]
        else:
            done.append(edit)
            settings.output.hold({"performed": [_told(one) for one in done]})
    return done, refused


def _told(edit: Edit) -> dict[str, Any]:
    changes = [{"code": reason.code, "was": reason.was, "will": reason.will} for reason in edit.reasons]
    return {"key": edit.key, "repo": edit.slug, "layer": edit.layer, "changes": changes}


def _ending(after: Audited, cannot: tuple[Cannot, ...]) -> BlockedError | CredentialError | None:
    """0, 3 for drift that is left, 5 where all that is left needs rights that this token does not have."""
    left = [(slug, v) for slug, found in after.verdicts.items() for v in found if v.blocks]
    if not left:
        return None
    lacking = {(one.slug, one.code): one for one in cannot if one.needs}
    if all(verdict.permission or (slug, verdict.code) in lacking for slug, verdict in left):
        who = sorted(
            {one.who for one in lacking.values()} | {f"a token with {v.permission}" for _, v in left if v.permission}
        )
        return CredentialError(
            f"rules that this token may neither see nor change: {len(left)}",
            remedy=f"It takes {'; '.join(who)}.",
            next_command=following.again(),
        )
    by_hand = sorted(
        {f"{one.who}: {one.why}" for one in cannot if (one.slug, one.code) in {(s, v.code) for s, v in left}}
    )
    return BlockedError(
        f"rules that still do not hold: {len(left)}",
        remedy=". ".join(by_hand)[:600] or "See the table; then run the same command again.",
        next_command="ms release policy audit",
    )


def _confirm(repair: Repair) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            f"nobody confirms the {len(repair.edits)} changes: nothing was changed",
            remedy="There is no terminal to ask on: say --yes.",
            next_command=following.again({"--yes": ""}),
        )
    sys.stderr.write(f"Make these {len(repair.edits)} changes? Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise UsageError(
            "the changes were not confirmed: nothing was changed",
            remedy="Run the command again and type yes.",
            next_command=following.again(),
        )
