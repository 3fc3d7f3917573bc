"""What can be known about a release before its first write: an ordered table of questions with their exact fixes.

Pure: the facts come from `adapters.preflight_read`. Gates of a plan that do not need a plan are asked again here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from ms_release.core import preflight_setup as setup
from ms_release.core.model import Finding, Outcome
from ms_release.core.preflight_facts import Answer, Facts, Token

SKEW_SECONDS = 300
OLDEST_GIT = (2, 30)
REQUESTS = 200
"""Requests of one release with room for polls: forty, and what waiting costs (tests/scenarios/test_budgets.py)."""
GRAPHQL_POINTS = 100
SOON = timedelta(days=1)
PERMISSIONS = frozenset({"TOKEN", "SSO", "PERMISSION", "MERGE"})
MACHINE = frozenset({"GIT", "CLOCK", "DISK"})


class Question(Struct, frozen=True):
    """A question with the function that answers it."""

    code: str
    question: str
    judge: Callable[[Facts], Iterator[Finding]]


def evaluate(facts: Facts) -> tuple[Finding, ...]:
    """Every question's findings in table order."""
    return tuple(finding for question in QUESTIONS for finding in question.judge(facts))


def exit_code(findings: tuple[Finding, ...]) -> int:
    """5 when a permission is missing, 3 when something else of the forge forbids the release, 6 for this machine."""
    blocking = {finding.code for finding in findings if finding.blocks}
    if blocking & PERMISSIONS:
        return 5
    return 3 if blocking - MACHINE else 6 if blocking else 0


# --- this machine


def _git(facts: Facts) -> Iterator[Finding]:
    version, wanted = facts.machine.git, ".".join(map(str, OLDEST_GIT))
    if version is None:
        yield Finding("GIT", "git", "FAIL", "git is not on PATH", "Install git.")
    elif version < OLDEST_GIT:
        told = ".".join(map(str, version))
        yield Finding("GIT", "git", "FAIL", f"git {told} is older than {wanted}", f"Install git {wanted} or newer.")
    else:
        yield Finding("GIT", "git", "PASS")


def _clock(facts: Facts) -> Iterator[Finding]:
    skew = facts.machine.skew
    if abs(skew) <= SKEW_SECONDS:
        yield Finding("CLOCK", "clock", "PASS")
        return
    way = "ahead of" if skew > 0 else "behind"
    told = f"this machine's clock is {timedelta(seconds=round(abs(skew)))} {way} the forge's"
    yield Finding("CLOCK", "clock", "FAIL", told, "Set it, for example: sudo timedatectl set-ntp true")


def _disk(facts: Facts) -> Iterator[Finding]:
    for path, (free, wanted) in facts.machine.disk.items():
        if free >= wanted:
            yield Finding("DISK", path, "PASS")
        else:
            told = f"{_mebibytes(free)} are free, {_mebibytes(wanted)} are needed"
            yield Finding("DISK", path, "FAIL", told, f"Make room on the disk of {path}.")


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"


# --- the token


def _token(facts: Facts) -> Iterator[Finding]:
    yield token_finding(facts.token, facts.now)


def warnings(token: Token, now: str) -> tuple[Finding, ...]:
    """The cheap part, of what the forge's answers say anyway: a token or an hour that ends before the release may."""
    return tuple(finding for finding in (token_finding(token, now), *rate_findings(token)) if finding.blocks)


def token_finding(token: Token, now: str) -> Finding:
    """Whether the token lives for another day, at the forge's time `now`."""
    what = f"{token.kind} token of @{token.login}" if token.login else f"{token.kind} token"
    ends = moment(token.expires)
    if token.expires and ends is None:
        return Finding("TOKEN", what, "UNKNOWN", "when it expires cannot be read", "Make a new token.")
    if ends is not None and ends - datetime.fromisoformat(now) < SOON:
        remedy = "Make a new one at the forge (Settings, Developer settings), and set GH_TOKEN to it."
        return Finding("TOKEN", what, "FAIL", f"it expires on {ends:%Y-%m-%d at %H:%M} UTC", remedy)
    return Finding("TOKEN", what, "PASS", f"until {ends:%Y-%m-%d}" if ends else "without an end that the forge tells")


def moment(text: str) -> datetime | None:
    """The end of a token as `github-authentication-token-expiration` writes it, in UTC."""
    try:
        return datetime.strptime(text.replace("UTC", "+0000"), "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None


def _rate(facts: Facts) -> Iterator[Finding]:
    yield from rate_findings(facts.token)


def rate_findings(token: Token) -> Iterator[Finding]:
    """Whether enough requests of each kind are left in this hour."""
    for resource, wanted in (("core", REQUESTS), ("graphql", GRAPHQL_POINTS)):
        left = token.left.get(resource)
        if left is None:
            yield Finding("RATE", resource, "NOT_APPLICABLE", "the forge counts no requests")
        elif left >= wanted:
            yield Finding("RATE", resource, "PASS", f"{left} left")
        else:
            reset = token.reset.get(resource, "the hour is over")
            told = f"{left} of the hour's requests are left, a release takes up to {wanted}"
            yield Finding("RATE", resource, "FAIL", told, f"Wait until {reset}.")


def _permissions(facts: Facts) -> Iterator[Finding]:
    seen_sso = set()
    for answer in facts.answers:
        right, slug = answer.need.right, answer.need.slug
        if answer.sso_url:
            if answer.sso_url not in seen_sso:
                seen_sso.add(answer.sso_url)
                told = "this organisation asks for single sign-on of the token"
                yield Finding("SSO", slug.partition("/")[0], "FAIL", told, f"Authorise the token at {answer.sso_url}.")
            continue
        subject = f"{slug} {right.name}"
        if answer.allowed:
            yield Finding("PERMISSION", subject, "PASS")
        elif answer.allowed is None and right.permission == "workflows":
            told = "a token does not tell; only needed when workflow files change during the release"
            yield Finding("PERMISSION", subject, "NOT_APPLICABLE", told)
        else:
            outcome: Outcome = "UNKNOWN" if answer.allowed is None else "FAIL"
            told = f"{right.verb} needs it to {right.purpose}" + (f" ({answer.message})" if answer.message else "")
            yield Finding("PERMISSION", subject, outcome, told, _grant(facts.token.kind, answer))


def _merging(facts: Facts) -> Iterator[Finding]:
    """Whether a person may push where only a team may: what a merge needs beside the permission (github-facts G11)."""
    home = facts.config.home(facts.product)
    if facts.token.may_push is False and facts.token.kind in ("classic", "fine-grained"):
        told = f"@{facts.token.login} is not among those who may push to {home.branch}"
        remedy = f"Let somebody of {facts.config.roles.maintainers} release, or add them to that team."
        yield Finding("MERGE", home.slug, "FAIL", told, remedy)
    elif facts.token.may_push is not None:
        yield Finding("MERGE", home.slug, "PASS")
    else:
        yield Finding("MERGE", home.slug, "NOT_APPLICABLE", "no limit on who may push is shown to this token")


def _grant(kind: str, answer: Answer) -> str:
    """What to click, by the kind of token."""
    right, slug = answer.need.right, answer.need.slug
    label = right.permission.replace("_", " ").capitalize()
    level = "Read and write" if right.level == "write" else "Read-only"
    match kind:
        case "classic" if right.permission == "workflows":
            return "Give the token the scope workflow: gh auth refresh -s workflow"
        case "classic":
            return f"Give the token the scope repo, and its owner write access to {slug}."
        case "app":
            return f"In the App's settings, Permissions: set {label} to {level}; then accept it in the installation."
        case "workflow":
            return f"In the workflow's permissions: {right.permission.replace('_', '-')}: {right.level}"
        case _ if right.permission == "checks":
            return f"A fine-grained token cannot: use a GitHub App with Checks: {level}, or a classic token."
        case _:
            return f"Edit the token: include {slug} and, under Repository permissions, set {label} to {level}."


QUESTIONS: tuple[Question, ...] = (
    Question("GIT", "Is git here, and new enough?", _git),
    Question("CLOCK", "Does this machine agree with the forge about the time?", _clock),
    Question("DISK", "Is there room for what is downloaded?", _disk),
    Question("TOKEN", "What kind of token is it, and how long does it live?", _token),
    Question("RATE", "Are enough requests of this hour left?", _rate),
    Question("PERMISSION", "May the token do what a release does?", _permissions),
    Question("MERGE", "Is this person among those who may push?", _merging),
    Question("GATES", "Do the gates pass that need no plan?", setup.gates),
    Question("REVIEWERS", "Is there somebody else who can approve?", setup.reviewers),
    Question("WORKFLOW", "Would every workflow start with what is sent to it?", setup.workflows),
    Question("PUBLISHING_JOB", "Does the publishing job name the environment?", setup.publishing_job),
    Question("CI_FOR_PULLS", "Will the release pull request get its checks?", setup.ci),
    Question("SIGNING_KEY", "Is the pinned key a key?", setup.signing_key),
    Question("REGISTRIES", "Are the registries reachable?", setup.registries),
)
