"""Questions of `preflight` about what is set up on the forge: gates, reviewers, workflows, checks, keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from ms_release.core import gates as plan_gates
from ms_release.core.model import Finding, Outcome, Pin
from ms_release.core.preflight_facts import Facts, WorkflowSeen
from ms_release.core.selection import ACTIONS

PLANLESS = frozenset({"PIN_GREEN", "PIN_ON_BRANCH", "CANDIDATE", "TAG_FREE"})
"""Gates that are about a plan: there is none yet."""
_FIRST = "Mend the permissions above."


def gates(facts: Facts) -> Iterator[Finding]:
    """The gates of a plan that need no plan."""
    home = facts.config.home(facts.product)
    if facts.home is None:
        for code in ("CONFIG", "HOME_PROTECTED", "ENVIRONMENT", "AUDIT", "EVIDENCE"):
            told = "the home repository could not be read"
            yield Finding(code, home.slug, "UNKNOWN", told, _FIRST)
        return
    pins = tuple(Pin(r.id, r.slug, r.url, r.branch, "", "head", "") for r in facts.config.components(facts.product))
    subject = plan_gates.Subject(facts.config, facts.product, "", pins, (), facts.config_blob, facts.home)
    yield from plan_gates.evaluate(subject, without=PLANLESS)


def reviewers(facts: Facts) -> Iterator[Finding]:
    """Somebody other than who asks must be able to approve; an empty team never will (faults F24, F25)."""
    environment = facts.home.home.environment if facts.home else None
    name = facts.product.environment
    if environment is None or not environment.reviewers:
        yield Finding("REVIEWERS", name, "NOT_APPLICABLE", "it has no readable reviewers")
        return
    hidden = [who for who in environment.reviewers if "/" in who and facts.members.get(who) is None]
    people = {
        one for who in environment.reviewers for one in (facts.members.get(who) or (() if "/" in who else (who,)))
    }
    empty = [who for who in environment.reviewers if facts.members.get(who) == ()]
    settings = "In the environment's settings, name a reviewer, or add people to the team."
    others = people - {facts.token.login}
    if others:
        yield Finding("REVIEWERS", name, "PASS", ", ".join(f"@{one}" for one in sorted(others)))
    elif hidden:
        told = f"the members of {', '.join(hidden)} are not shown to this token"
        yield Finding("REVIEWERS", name, "NOT_APPLICABLE", told)
    elif people:
        told = f"@{facts.token.login} is the only reviewer, and nobody approves a release of their own"
        yield Finding("REVIEWERS", name, "FAIL", told, settings)
    else:
        yield Finding("REVIEWERS", name, "FAIL", f"nobody is in {', '.join(empty)}", settings)


def workflows(facts: Facts) -> Iterator[Finding]:
    """Every workflow that a release starts."""
    for seen in facts.workflows:
        subject = f"{seen.slug} {seen.file}"
        problem, remedy = _workflow_problem(seen)
        if problem:
            outcome: Outcome = "UNKNOWN" if seen.state is None else "FAIL"
            yield Finding("WORKFLOW", subject, outcome, problem, remedy)
        else:
            yield Finding("WORKFLOW", subject, "PASS")


def _workflow_problem(seen: WorkflowSeen) -> tuple[str, str]:
    """Why a dispatch with what we send would be refused (github-facts G4, faults F30); "" when it would not."""
    if seen.state is None:
        return f"it could not be read: {seen.problem}", _FIRST
    if seen.state == "":
        return "there is no such workflow on the branch", "Merge the file, or correct its name in ms-release.toml."
    if seen.state != "active":
        return f"it is {seen.state.replace('_', ' ')}", f"Type: gh workflow enable {seen.file} -R {seen.slug}"
    if seen.parsed is None:
        return f"it cannot be understood: {seen.problem}", "Correct the file."
    if "workflow_dispatch" not in seen.parsed.triggers:
        return "it cannot be started by name", "Add the trigger workflow_dispatch to it."
    inputs = seen.parsed.inputs
    if missing := [name for name in seen.sent if name not in inputs]:
        return f"it does not take the input {missing[0]}", f"Declare the inputs {', '.join(seen.sent)}."
    if more := [name for name, required in inputs.items() if required and name not in seen.sent]:
        return f"it requires the input {more[0]}, which nobody sends", f"Take {more[0]} away, or give it a default."
    return "", ""


def publishing_job(facts: Facts) -> Iterator[Finding]:
    """A misspelt environment is made by the forge when it is first named, unprotected (github-facts G29)."""
    publishing = facts.workflows[0] if facts.workflows else None
    name = facts.product.environment
    if publishing is None or publishing.parsed is None:
        yield Finding("PUBLISHING_JOB", name, "NOT_APPLICABLE", "the publishing workflow could not be read")
        return
    named = {job.environment for job in publishing.parsed.jobs if job.environment}
    if name in named:
        yield Finding("PUBLISHING_JOB", name, "PASS")
    else:
        told = f"no job of {publishing.file} names it" + (f" ({', '.join(sorted(named))})" if named else "")
        yield Finding("PUBLISHING_JOB", name, "FAIL", told, f"Write environment: {name} in the job that publishes.")


def ci(facts: Facts) -> Iterator[Finding]:
    """Whether the release pull request will get the checks that it must have (github-facts G5)."""
    home = facts.config.home(facts.product)
    if facts.token.kind == "workflow":
        told = "pull requests that a workflow's own token opens start no checks"
        remedy = "Run it with an App's token (MS_APP_ID, MS_APP_INSTALLATION, MS_APP_KEY) or a person's."
        yield Finding("CI_FOR_PULLS", home.slug, "FAIL", told, remedy)
        return
    ours = [check.name for check in home.checks if check.app == ACTIONS]
    if facts.ci is None:
        yield Finding("CI_FOR_PULLS", home.slug, "UNKNOWN", "its workflows could not be read", _FIRST)
        return
    started = [w for w in facts.ci if "pull_request" in w.triggers]
    # a name that only a run can tell is taken to be the right one
    made = {job.name or job.key for w in started for job in w.jobs}
    open_named = any("${{" in name for name in made) or any(job.uses for w in started for job in w.jobs)
    if missing := [name for name in ours if name not in made and not open_named]:
        told = f"no job called {missing[0]} runs for pull requests"
        yield Finding("CI_FOR_PULLS", home.slug, "FAIL", told, f"Add pull_request to the workflow of {missing[0]}.")
    else:
        yield Finding("CI_FOR_PULLS", home.slug, "PASS")


def signing_key(facts: Facts) -> Iterator[Finding]:
    """That the public key is one. Whether the job holds its other half is only seen in the job, before it publishes."""
    for name, key in (
        ("manifest_key", facts.config.policy.manifest_key),
        ("candidate_key", facts.config.policy.candidate_key),
    ):
        if not key and name == "candidate_key":
            yield Finding("SIGNING_KEY", name, "NOT_APPLICABLE", "candidates are not signed")
        elif not is_public_key(key):
            remedy = f"Write base64 of the 32 bytes of the key into policy.{name} of ms-release.toml."
            yield Finding("SIGNING_KEY", name, "FAIL", "it is no Ed25519 public key", remedy)
        else:
            yield Finding("SIGNING_KEY", name, "PASS", "whether the job holds its other half is checked in the job")


def is_public_key(text: str) -> bool:
    """Whether this is base64 of 32 bytes."""
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def registries(facts: Facts) -> Iterator[Finding]:
    """Those that the configuration names."""
    yield Finding("REGISTRIES", facts.product.id, "NOT_APPLICABLE", "the configuration names none")
