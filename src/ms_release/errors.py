"""Every way a command can end badly: one class per documented exit code, each saying cause, remedy and next command.

SPEC 3 lists the codes. Exceptions are caught once, in `cli.main`; anything that is not an `MsError` is a bug (exit 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ms_release.core.model import Finding


class MsError(Exception):
    """Base of all endings that are not success: one sentence of `cause`, one of `remedy`, a `next_command` to type.

    `findings` are what it stands on, where gates have spoken: they are escalated (SPEC 8).
    """

    exit_code = 1

    def __init__(
        self, cause: str, *, remedy: str = "", next_command: str = "", findings: tuple[Finding, ...] = ()
    ) -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy
        self.next_command = next_command
        self.findings = findings


class UsageError(MsError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class DamagedError(MsError):
    """A file that must be exact (a plan, a specification) is not what it says it is."""

    exit_code = 2


class BlockedError(MsError):
    """A gate, a failed or rejected run, or drift forbids going on."""

    exit_code = 3


class StalePlanError(BlockedError):
    """A fact that the plan stands on has changed: the cause names it as "was A, is B"."""


class OvertakenError(StalePlanError):
    """Somebody else did it between our look and our write: what is due now must be decided anew."""


class WaitingError(MsError):
    """Somebody or something else has to act first; the same command goes on later."""

    exit_code = 4


class CredentialError(MsError):
    """No token, a refused token, or a permission that is missing."""

    exit_code = 5


class ForgeError(MsError):
    """The forge failed or cannot be reached."""

    exit_code = 6


class UnknownOutcomeError(ForgeError):
    """A write was sent and its answer lost: look for its effect, never send it again blindly (github-facts G7)."""


class MachineError(MsError):
    """This machine failed: disk, a missing program, a file that cannot be read."""

    exit_code = 6


class IntegrityError(MsError):
    """Bytes are not the bytes that were promised."""

    exit_code = 7


class Interrupted(MsError):
    """Stopped by a signal; `exit_code` is 130 for SIGINT and 143 for SIGTERM."""

    def __init__(self, exit_code: int) -> None:
        name = {130: "SIGINT", 143: "SIGTERM"}.get(exit_code, "a signal")
        super().__init__(
            f"stopped by {name}", remedy="Nothing is lost: the same command goes on where this one stopped."
        )
        self.exit_code = exit_code
