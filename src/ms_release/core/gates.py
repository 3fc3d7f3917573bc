"""The gates: an ordered table of pure functions, each one question with a verdict, a message and a remedy.

An empty list of gates is an error, a fact that could not be read is UNKNOWN, and UNKNOWN blocks (SPEC 1.6). Facts that
only an administrator can read come from the audit record in the home repository, at most seven days old.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ms_release.config import Config, Product
from ms_release.core import strict_json
from ms_release.core.model import CandidatePin, Finding, Outcome, Pin, Waiver
from ms_release.core.observation import Observation
from ms_release.core.selection import judge
from ms_release.errors import BlockedError, DamagedError

PROTECTION = frozenset({"HOME_PROTECTED", "ENVIRONMENT"})
AUDIT_DAYS = 7
AUDIT_PATH = "release/policy-audit.json"
AUDIT_SCHEMA = "ms-policy-audit/v1"
_REPAIR = "Let an administrator repair it: ms release policy apply."
_RECORD = "Let an administrator type: ms release policy audit --record."


class Subject(Struct, frozen=True):
    """What the gates look at: one intended release and the facts about it."""

    config: Config
    product: Product
    tag: str
    pins: tuple[Pin, ...]
    candidates: tuple[CandidatePin, ...]
    config_blob: str
    facts: Observation


class Gate(Struct, frozen=True):
    """A question with the function that answers it."""

    code: str
    question: str
    judge: Callable[[Subject], Iterator[Finding]]


def evaluate(subject: Subject, *, without: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """Every gate's findings in table order, waivers applied. Raises BlockedError if a gate had nothing to say.

    `without` names gates whose facts this look does not hold yet and that are judged later, before the effects that
    depend on them.
    """
    findings: list[Finding] = []
    for gate in GATES:
        if gate.code in without:
            continue
        own = [_waive(f, subject.config.waivers, subject.facts.now) for f in gate.judge(subject)]
        if not own:
            raise BlockedError(
                f"gate {gate.code} found nothing to judge",
                remedy="An empty gate proves nothing; check the configuration.",
            )
        findings += own
    return tuple(findings)


def _waive(finding: Finding, waivers: tuple[Waiver, ...], now: str) -> Finding:
    if finding.outcome != "FAIL":
        return finding
    for waiver in waivers:
        if waiver.covers(finding.code, finding.subject, now):
            return Finding(
                finding.code,
                finding.subject,
                "FAIL",
                f"{finding.message}; waived: {waiver.reason}",
                finding.remedy,
                waiver.approver,
            )
    return finding


def _pins_green(subject: Subject) -> Iterator[Finding]:
    for pin in subject.pins:
        repo = subject.config.repo(pin.repo)
        missing = {(c.name, c.app) for c in repo.checks} - {(e.check, e.app) for e in pin.evidence}
        facts = subject.facts.repos.get(pin.repo)
        commit = facts.commit(pin.sha) if facts else None
        problem = judge(commit, repo.checks)[0] if commit else "unknown: the commit could not be read"
        if pin.stands_on_evidence and problem.startswith(("missing", "unknown")):
            problem = ""
        if missing:
            yield Finding("PIN_GREEN", pin.repo, "FAIL", f"no evidence for {min(missing)[0]}", "Pin a green commit.")
        elif problem.startswith("unknown"):
            yield Finding("PIN_GREEN", pin.repo, "UNKNOWN", f"{pin.sha[:7]}: {problem}", "Check read access.")
        elif problem:
            yield Finding(
                "PIN_GREEN", pin.repo, "FAIL", f"{pin.sha[:7]} is not green: {problem}", "Pin a green commit."
            )
        else:
            yield Finding("PIN_GREEN", pin.repo, "PASS", f"{pin.sha[:7]} is green")


def _pins_reachable(subject: Subject) -> Iterator[Finding]:
    for pin in subject.pins:
        facts = subject.facts.repos.get(pin.repo)
        contained = facts.contains(pin.sha) if facts else None
        if contained is None:
            yield Finding(
                "PIN_ON_BRANCH",
                pin.repo,
                "UNKNOWN",
                f"whether {pin.ref} holds {pin.sha[:7]} was not read",
                "Check read access.",
            )
        elif contained:
            yield Finding("PIN_ON_BRANCH", pin.repo, "PASS", f"{pin.ref} holds {pin.sha[:7]}")
        else:
            yield Finding(
                "PIN_ON_BRANCH", pin.repo, "FAIL", f"{pin.sha[:7]} is not on {pin.ref}", "Pin a commit of the branch."
            )


def _candidates(subject: Subject) -> Iterator[Finding]:
    for candidate in subject.candidates:
        ready = subject.facts.ready.get(candidate.repo)
        facts = subject.facts.repos.get(candidate.repo)
        same = [r for r in (facts.releases or () if facts else ()) if r.tag == candidate.tag]
        if candidate.repo not in subject.facts.ready:
            remedy = "A draft needs push access to be seen."
            yield Finding("CANDIDATE", candidate.repo, "UNKNOWN", "its releases could not be read", remedy)
        elif len(same) > 1:
            ids = ", ".join(str(r.id) for r in same)
            message = f"several releases share {candidate.tag}: {ids}"
            yield Finding("CANDIDATE", candidate.repo, "FAIL", message, "Delete all but the right one, by id.")
        elif candidate.state == "ready" and (ready is None or ready.problems):
            message = f"{candidate.tag}: {ready.problems[0] if ready else 'gone'}"
            yield Finding("CANDIDATE", candidate.repo, "FAIL", message, "Plan again: it will be built again.")
        else:
            state = "ready" if ready and not ready.problems else "to be built"
            yield Finding("CANDIDATE", candidate.repo, "PASS", f"{candidate.tag} is {state}")


def _tag_free(subject: Subject) -> Iterator[Finding]:
    home, tag = subject.facts.home, subject.tag
    if tag in home.tags:
        yield Finding(
            "TAG_FREE",
            tag,
            "FAIL",
            f"the tag exists at {home.tags[tag][:7]}",
            "Tags never move; choose a higher version.",
        )
    elif any(r.tag == tag and not r.draft for r in home.releases):
        yield Finding("TAG_FREE", tag, "FAIL", "a release of that name is published", "Choose a higher version.")
    else:
        yield Finding("TAG_FREE", tag, "PASS", "the version is free")


def _home_protected(subject: Subject) -> Iterator[Finding]:
    home = subject.facts.home
    wanted = {c.name for c in subject.config.home(subject.product).checks}
    if home.rules is None:
        yield Finding(
            "HOME_PROTECTED",
            home.slug,
            "UNKNOWN",
            "the rules of its branch could not be read",
            "Read access to the repository is needed.",
        )
        return
    problems = [
        *(f"check {name} is not required" for name in sorted(wanted - set(home.rules.checks))),
        *(["a pull request is not required"] if not home.rules.pull_request else []),
        *(["required checks are not strict"] if home.rules.strict is False else []),
        *(["force pushes are allowed"] if not home.rules.blocks_force_push else []),
        *(["deletion is allowed"] if not home.rules.blocks_deletion else []),
    ]
    if problems and not home.rules.complete:
        why = f"{home.branch}: this token sees no protection ({'; '.join(problems)})"
        remedy = "Use a token that may push, or let an administrator repair it: ms release policy apply."
        yield Finding("HOME_PROTECTED", home.slug, "UNKNOWN", why, remedy)
    elif problems:
        yield Finding(
            "HOME_PROTECTED",
            home.slug,
            "FAIL",
            f"{home.branch}: {'; '.join(problems)}",
            _REPAIR,
        )
    elif home.rules.strict is None and not _audited(subject, "CHECKS_STRICT"):
        yield Finding(
            "HOME_PROTECTED",
            home.slug,
            "UNKNOWN",
            "whether required checks are strict was not read",
            _RECORD,
        )
    else:
        yield Finding("HOME_PROTECTED", home.slug, "PASS", f"{home.branch} is protected")


def _environment(subject: Subject) -> Iterator[Finding]:
    facts, name = subject.facts.home.environment, subject.product.environment
    if facts is None:
        yield Finding(
            "ENVIRONMENT",
            name,
            "UNKNOWN",
            "the environment is missing or unreadable",
            "Create it with reviewers; a workflow would make it unprotected.",
        )
        return
    problems = [
        *(["it has no required reviewers"] if not facts.reviewers else []),
        *(["every branch may deploy to it"] if facts.branches == () else []),
        *(["administrators can bypass it"] if facts.can_admins_bypass else []),
    ]
    if problems:
        yield Finding("ENVIRONMENT", name, "FAIL", "; ".join(problems), _REPAIR)
    elif facts.branches is None:
        yield Finding(
            "ENVIRONMENT", name, "UNKNOWN", "which branches may deploy to it was not read", "Check read access."
        )
    elif facts.can_admins_bypass is None and not _audited(subject, "ENVIRONMENT_NO_BYPASS"):
        yield Finding(
            "ENVIRONMENT",
            name,
            "UNKNOWN",
            "whether administrators can bypass it was not read",
            _RECORD,
        )
    else:
        yield Finding("ENVIRONMENT", name, "PASS", f"reviewed by {', '.join(facts.reviewers)}")
    if facts.prevent_self_review:
        yield Finding("SELF_APPROVAL", name, "PASS", "nobody approves their own release")
    else:
        outcome: Outcome = "UNKNOWN" if facts.prevent_self_review is None else "FAIL"
        yield Finding(
            "SELF_APPROVAL",
            name,
            outcome,
            "self-review is not prevented",
            "Turn on “prevent self-review”, or record a waiver.",
        )


def _audit(subject: Subject) -> Iterator[Finding]:
    home = subject.facts.home
    record = read_audit(home.audit)
    if record is None:
        yield Finding("AUDIT", home.slug, "UNKNOWN", f"{AUDIT_PATH} is missing or unreadable", _RECORD)
        return
    age = _age(record["audited_at"], subject.facts.now)
    if age < -timedelta(days=1):  # a day for an auditor's clock; beyond it the record would never grow old
        yield Finding(
            "AUDIT",
            home.slug,
            "UNKNOWN",
            f"the audit record of {record['audited_at'][:10]} is from the future",
            _RECORD,
        )
    elif age > timedelta(days=AUDIT_DAYS):
        yield Finding(
            "AUDIT",
            home.slug,
            "FAIL",
            f"the audit record of {record['audited_at'][:10]} is older than {AUDIT_DAYS} days",
            _RECORD,
        )
    for slug in (home.slug, *(pin.slug for pin in subject.pins)):
        entries = record["repos"].get(slug)
        waived = [e["code"] for e in entries or () if e["outcome"] == "FAIL" and _is_waived(subject, slug, e["code"])]
        bad = [e for e in entries or () if e["outcome"] not in ("PASS", "NOT_APPLICABLE") and e["code"] not in waived]
        if not entries:
            yield Finding("AUDIT", slug, "UNKNOWN", "the audit record does not mention it", _RECORD)
        elif bad:
            worst = next((e for e in bad if e["outcome"] != "UNKNOWN"), bad[0])
            outcome: Outcome = "UNKNOWN" if worst["outcome"] == "UNKNOWN" else "FAIL"
            yield Finding(
                "AUDIT",
                slug,
                outcome,
                f"audited: {worst['code']} is {worst['outcome']}",
                f"{_REPAIR} Then audit again, with --record.",
            )
        else:
            exempt = f"; waived: {', '.join(waived)}" if waived else ""
            yield Finding("AUDIT", slug, "PASS", f"audited on {record['audited_at'][:10]}{exempt}")


def _is_waived(subject: Subject, slug: str, code: str) -> bool:
    """Whether a rule that the audit found broken is waived today, whatever the record says about waivers."""
    repos = [repo.id for repo in subject.config.repos if repo.slug == slug]
    environments = [p.environment for p in subject.config.products if p.home in repos]
    names = (slug, *repos, *environments)
    return any(w.covers(code, name, subject.facts.now) for w in subject.config.waivers for name in names)


def _evidence(subject: Subject) -> Iterator[Finding]:
    open_tags = missing_evidence(subject.facts)
    if open_tags:
        tag = open_tags[0]
        yield Finding(
            "EVIDENCE",
            tag,
            "FAIL",
            f"the evidence of {tag} is not merged yet",
            f"Finish it: `publish` on the channel of {tag}.",
        )
    else:
        yield Finding("EVIDENCE", subject.product.id, "PASS", "every published release has its ledger entry")


def _configuration(subject: Subject) -> Iterator[Finding]:
    home = subject.facts.home
    if home.config_blob is None:
        yield Finding(
            "CONFIG",
            home.slug,
            "UNKNOWN",
            f"{home.branch} holds no ms-release.toml",
            "Merge the configuration into the home repository.",
        )
    elif home.config_blob != subject.config_blob:
        yield Finding(
            "CONFIG",
            home.slug,
            "FAIL",
            "the local configuration differs from the one that counts",
            f"Use the copy on {home.branch}, or merge yours.",
        )
    else:
        yield Finding("CONFIG", home.slug, "PASS", "the configuration is the one on the protected branch")


GATES: tuple[Gate, ...] = (
    Gate("CONFIG", "Is the configuration the one on the protected branch?", _configuration),
    Gate("PIN_GREEN", "Did every required check of every pin succeed?", _pins_green),
    Gate("PIN_ON_BRANCH", "Is every pin on its branch?", _pins_reachable),
    Gate("CANDIDATE", "Is every candidate complete, or can it be built?", _candidates),
    Gate("TAG_FREE", "Is the version free?", _tag_free),
    Gate("HOME_PROTECTED", "Is the home branch protected?", _home_protected),
    Gate("ENVIRONMENT", "Does the environment wait for a second person?", _environment),
    Gate("AUDIT", "Is the policy audit fresh and clean?", _audit),
    Gate("EVIDENCE", "Is the evidence of the last release merged?", _evidence),
)


def missing_evidence(facts: Observation) -> tuple[str, ...]:
    """Published releases that were planned here and have no ledger entry on the default branch yet."""
    published = {r.tag for r in facts.home.releases if not r.draft}
    return tuple(t for t in facts.home.plans if t in published and t not in facts.home.ledger)


def read_audit(data: bytes | None) -> dict[str, Any] | None:
    """The audit record, or None where it is missing or not what it should be."""
    try:
        record = strict_json.parse(data or b"")
        entries = all(
            isinstance(e["code"], str) and isinstance(e["outcome"], str) for es in record["repos"].values() for e in es
        )
        zoned = datetime.fromisoformat(record["audited_at"]).tzinfo is not None
        return record if record["schema"] == AUDIT_SCHEMA and entries and zoned else None
    except (DamagedError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _audited(subject: Subject, code: str) -> bool:
    """Whether the audit record says PASS for a rule that only administrators can read."""
    record = read_audit(subject.facts.home.audit)
    entries = record["repos"].get(subject.facts.home.slug, []) if record else []
    return any(e["code"] == code and e["outcome"] == "PASS" for e in entries)


def _age(then: str, now: str) -> timedelta:
    return datetime.fromisoformat(now) - datetime.fromisoformat(then)
