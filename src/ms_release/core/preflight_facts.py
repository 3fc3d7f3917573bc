"""What `preflight` has looked at, as values."""

from __future__ import annotations

from msgspec import Struct

from ms_release.config import Config, Product
from ms_release.core.observation import Observation
from ms_release.core.rights import Need
from ms_release.core.workflow import Workflow


class Answer(Struct, frozen=True):
    """Whether the token has one right: None = the forge would not say. `sso_url`: where it must be authorised (G41)."""

    need: Need
    allowed: bool | None
    message: str = ""
    sso_url: str = ""


class Token(Struct, frozen=True):
    """What is known of the token. `expires` is the forge's own text, `left` what remains of the hour, by resource.

    `may_push`: whether a rule about who may push to the home branch names this person; None = no such rule is shown.
    """

    kind: str
    login: str
    expires: str = ""
    left: dict[str, int] = {}
    reset: dict[str, str] = {}
    may_push: bool | None = None


class WorkflowSeen(Struct, frozen=True):
    """A workflow file on the branch that it is started on. `state` as the forge says it, "" = the forge has none."""

    slug: str
    file: str
    state: str | None
    sent: tuple[str, ...]
    parsed: Workflow | None = None
    problem: str = ""


class Machine(Struct, frozen=True):
    """This machine: git's version (None = missing), its clock's distance in seconds, bytes free and wanted by path."""

    git: tuple[int, ...] | None
    skew: float
    disk: dict[str, tuple[int, int]]


class Facts(Struct, frozen=True):
    """Everything that `preflight` has looked at; None in a field = it could not be read."""

    config: Config
    product: Product
    config_blob: str
    now: str
    token: Token
    answers: tuple[Answer, ...]
    workflows: tuple[WorkflowSeen, ...]
    ci: tuple[Workflow, ...] | None
    home: Observation | None
    members: dict[str, tuple[str, ...] | None]
    machine: Machine
