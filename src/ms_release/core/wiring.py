"""The rules that the workflow files of a release repository must keep: pure, one function each, a table of them.

They are those of SPEC 7 and of the incidents behind it: who can start a publication, what may run beside a secret, and
what a green run is worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from msgspec import Struct

from ms_release.config import Config, Repo
from ms_release.core.candidate_identity import input_name
from ms_release.core.model import Finding, Outcome
from ms_release.core.wiring_jobs import (
    SETUP_ACTION,
    TRUSTED,
    action_of,
    caches,
    fetches_code,
    is_pinned,
    named_secrets,
    secrets_of,
    signing_secrets,
    unsafe_expressions,
    writes,
)
from ms_release.core.workflow import Job, Workflow, expressions, parse
from ms_release.errors import DamagedError

PUBLISH_INPUTS = ("tag", "plan", "seal")
CANDIDATE_INPUTS = ("sha", "tag")
_CLOSE = 0.75
_DERIVES = re.compile(
    r"-pubout\b|\bpublic_key\(\)|\bssh-keygen\b[^\n|;&]* -y\b|\bcosign public-key\b|\bminisign\b[^\n|;&]* -R\b"
    r"|\bage-keygen\b[^\n|;&]* -y\b|\bSigningKey\([^\n]*\)\.verify_key|\bderive[_-]?(?:public|verif)"
)
_PUBLIC_NAME = re.compile(r"(?:^|_)(?:PK|PUB|PUBKEY|PUBLIC|VERIFY|VERIFICATION)(?:_|$)", re.IGNORECASE)
_PART = r"(?:\.|\[\s*['\"])"
_HEAD = re.compile(
    rf"github{_PART}(?:head_ref|event['\"\]]*{_PART}(?:pull_request['\"\]]*{_PART}(?:head|merge_commit_sha)"
    rf"|workflow_run['\"\]]*{_PART}head))",
    re.IGNORECASE,
)
_STRANGERS = frozenset({"pull_request_target", "workflow_run", "issue_comment"})
"""Events that strangers cause and whose jobs have the rights of the repository."""


class Role(Struct, frozen=True):
    """What the configuration says of one workflow file. `environment` guards its publication, where it is one.

    `inputs`: those that the program hands over when it starts the file; None = the program does not start it.
    """

    slug: str
    file: str
    environment: str = ""
    environments: frozenset[str] = frozenset()
    inputs: tuple[str, ...] | None = None

    @property
    def publishes(self) -> bool:
        """Whether a product is published by this file."""
        return bool(self.environment)

    @property
    def releases(self) -> bool:
        """Whether what it makes is promoted or published: a publishing or a candidate workflow."""
        return self.inputs is not None


class Look(Struct, frozen=True):
    """What one rule looks at."""

    workflow: Workflow
    role: Role

    @property
    def guarded(self) -> tuple[Job, ...]:
        """The jobs beside which nothing foreign may run: they sign, or they publish."""
        return tuple(j for j in self.workflow.jobs if signing_secrets(j) or self.publishes(j))

    def publishes(self, job: Job) -> bool:
        """Whether a job can change what users get: it stands behind an environment, or writes in a release workflow."""
        may = writes(job, self.workflow)
        return bool(job.environment) or (self.role.releases and bool(may & {"contents", "packages", "*"}))


Problem = tuple[str, str]  # what is, and the remedy
Rule = Callable[[Look], Iterator[Problem]]


def role_of(config: Config, repo: Repo, file: str) -> Role:
    """What a file of a repository is, by the products and the candidate that name it."""
    products = [p for p in config.products if p.home == repo.id and p.workflow == file]
    candidate = repo.candidate is not None and repo.candidate.workflow == file
    return Role(
        slug=repo.slug,
        file=file,
        environment=products[0].environment if products else "",
        environments=frozenset(p.environment for p in config.products if p.home == repo.id),
        inputs=PUBLISH_INPUTS if products else candidate_inputs(repo) if candidate else None,
    )


def candidate_inputs(repo: Repo) -> tuple[str, ...]:
    """What a repository's candidate workflow is started with."""
    return (*CANDIDATE_INPUTS, *(input_name(id) for id in (repo.candidate.inputs if repo.candidate else ())))


def judge(config: Config, repo: Repo, files: Mapping[str, bytes | None]) -> tuple[Finding, ...]:
    """Every rule for every workflow file of a repository, by bare name; None = the file could not be read.

    A rule that finds nothing says PASS once per file, and nothing where it does not apply; the subject is
    `owner/name:file`. A file that the configuration names and that is not among `files` is a FAIL.
    """
    named = [p.workflow for p in config.products if p.home == repo.id]
    named += [repo.candidate.workflow] if repo.candidate else []
    found = [
        Finding("WIRE_FILE", f"{repo.slug}:{name}", "FAIL", "the configuration names it, and it is not there",
                "Write it: ms release wire.")
        for name in dict.fromkeys(named) if name not in files
    ]  # fmt: skip
    for name, data in sorted(files.items()):
        found += judge_file(role_of(config, repo, name), data)
    return tuple(found)


@lru_cache(maxsize=64)  # an audit asks for one rule after the other
def judge_file(role: Role, data: bytes | None) -> tuple[Finding, ...]:
    """Every rule for one file. What cannot be read or understood is UNKNOWN (SPEC 1.6)."""
    subject = f"{role.slug}:{role.file}"
    if data is None:
        return (Finding("WIRE_FILE", subject, "UNKNOWN", "it could not be read", "Check read access."),)
    try:
        look = Look(parse(data, role.file), role)
    except DamagedError as error:
        return (Finding("WIRE_FILE", subject, "UNKNOWN", error.cause, error.remedy),)
    found = [Finding("WIRE_FILE", subject, "PASS", "it is a workflow")]
    for code, (applies, rule) in RULES.items():
        if not applies(look):
            continue
        problems = list(rule(look))
        outcome: Outcome = "FAIL" if problems else "PASS"
        found += [Finding(code, subject, outcome, *problem) for problem in problems or [("", "")]]
    return tuple(found)


def _dispatch(look: Look) -> Iterator[Problem]:
    """F30: no trigger, inputs that changed."""
    wanted = look.role.inputs or ()
    if "workflow_dispatch" not in look.workflow.triggers:
        yield "it has no workflow_dispatch trigger: nobody can start it", f"Add one with {', '.join(wanted)}."
        return
    inputs = look.workflow.inputs
    if missing := [name for name in wanted if name not in inputs]:
        yield f"it takes no input {missing[0]}", f"Its inputs are {', '.join(wanted)}."
    if extra := [name for name, required in inputs.items() if required and name not in wanted]:
        yield f"it requires the input {extra[0]}, which the program does not know", "Make it optional, or remove it."


def _group(look: Look) -> Iterator[Problem]:
    """G23: a run that waits for its approval, or is halfway, must not be cancelled by the next one."""
    remedy = "concurrency: { group: publish, cancel-in-progress: false, queue: max }"
    group = look.workflow.concurrency
    if group is None:
        yield "it has no concurrency group: two publications can run at once", remedy
        return
    if group.cancels is not False:
        yield "a new run cancels the one in progress", remedy
    if expressions(group.group):
        yield f"its group is {group.group[:80]}: one for each tag or branch, not one for all", remedy
    elif not group.waits:
        yield "a third run cancels the one that waits (no queue: max)", remedy
    for job in look.workflow.jobs:
        if job.concurrency is not None and job.concurrency.cancels is not False:
            yield f"job {job.key}: a new run cancels the one in progress", remedy


def _shell(look: Look) -> Iterator[Problem]:
    """Text of others must not become shell, nor any text where bytes are made that are published (F43)."""
    for job in look.workflow.jobs:
        for number, step in enumerate(job.steps, 1):
            scripts = [step.run, step.inputs.get("script", "")]
            pasted = [e for text in scripts for e in expressions(text)]
            bad = pasted if look.role.releases else unsafe_expressions(pasted)
            if bad:
                yield (
                    f"job {job.key}, step {number}: ${{{{ {bad[0][:80]} }}}} is pasted into the shell",
                    "Hand it over as env: and write the variable in double quotes.",
                )


def _cache(look: Look) -> Iterator[Problem]:
    """A cache may have been filled by a pull request (TanStack 2026-05): not where bytes are built or signed."""
    jobs = look.workflow.jobs if look.role.releases else look.guarded
    for job in jobs:
        for what in caches(job):
            yield f"job {job.key} restores a cache ({what})", "Build and publish from nothing: take the cache out."


def _third_party(look: Look) -> Iterator[Problem]:
    """Whoever controls an action or a package beside a signing key has the key (tj-actions 2025-03)."""
    for job in look.guarded:
        foreign = [step.uses for step in job.steps if step.uses and action_of(step.uses) not in TRUSTED]
        foreign += [job.uses] if job.uses else []
        foreign += [f"the image {image}" for image in job.images]
        foreign += [line for step in job.steps for line in fetches_code(step.run)]
        for what in foreign:
            yield (
                f"job {job.key} signs or publishes, and runs {what[:80]}",
                f"Do that in an earlier job, and hand over files; here only {SETUP_ACTION} and GitHub's own.",
            )


def _secrets(look: Look) -> Iterator[Problem]:
    """A secret in a job with foreign code is that code's secret."""
    for job in look.workflow.jobs:
        if job in look.guarded:
            continue
        names = secrets_of(job)
        foreign = [step.uses for step in job.steps if step.uses and action_of(step.uses) not in TRUSTED]
        foreign += [job.uses] if job.uses else []
        foreign += [f"the image {image}" for image in job.images]
        if names and foreign:
            yield (
                f"job {job.key} has {min(names)} and runs {foreign[0][:80]}",
                "Give the secret to a job that runs nothing foreign.",
            )


def _environment(look: Look) -> Iterator[Problem]:
    """The approval is the environment's: whatever publishes must stand behind it, by its exact name."""
    wanted = look.role.environment
    remedy = f"environment: {wanted}"
    if all(job.environment != wanted for job in look.workflow.jobs):
        yield f"no job has the environment {wanted}: nobody is asked", remedy
    for job in look.workflow.jobs:
        guarded = signing_secrets(job) or writes(job, look.workflow) & {"contents", "packages", "id-token", "*"}
        if guarded and job.environment != wanted:
            behind = f"stands behind {job.environment[:80]}" if job.environment else "has no environment"
            yield f"job {job.key} can publish, and {behind}", remedy


def _environment_name(look: Look) -> Iterator[Problem]:
    """A name that is missing on the forge is created by the run, unprotected (G29)."""
    known = look.role.environments
    for job in look.workflow.jobs:
        name = job.environment
        if not name or name in known:
            continue
        if expressions(name):
            yield f"job {job.key}: its environment is decided by whoever starts it", "Write the name."
        elif close := _close_to(name, known):
            yield (
                f"job {job.key}: the environment {name[:80]} is not {close}; if missing it is made, unprotected",
                f"environment: {close}",
            )


def _close_to(name: str, known: frozenset[str]) -> str:
    """The configured name that this one was probably meant to be."""
    from difflib import SequenceMatcher

    def likeness(other: str) -> float:
        return SequenceMatcher(None, name.casefold(), other.casefold(), autojunk=False).ratio()

    best = max(sorted(known), key=likeness, default="")
    return best if best and likeness(best) >= _CLOSE else ""


def _verify_key(look: Look) -> Iterator[Problem]:
    """A signature checked with a key that comes from the signing key proves nothing about who signed."""
    remedy = "Verify with the key of the configuration (policy.manifest_key), which is reviewed."
    for job in look.workflow.jobs:
        if not (names := signing_secrets(job)):
            continue
        for step in job.steps:
            if found := _DERIVES.search(step.run):
                yield f"job {job.key} makes the public key from {min(names)} ({found[0][:40]})", remedy
            for name, value in {**look.workflow.env, **job.env, **step.env}.items():
                if _PUBLIC_NAME.search(name) and named_secrets(value) & names:
                    yield f"job {job.key}: {name[:80]} is a secret that also signs", remedy


def _pins(look: Look) -> Iterator[Problem]:
    """Tags and branches move (Trivy 2026-03)."""
    for job in look.workflow.jobs:
        for uses in (*((job.uses,) if job.uses else ()), *(s.uses for s in job.steps if s.uses), *job.images):
            if not is_pinned(uses, image=uses in job.images):
                yield f"job {job.key} uses {uses[:100]}", "Pin the full commit, and the version as a comment."


def _permissions(look: Look) -> Iterator[Problem]:
    """What nobody says is what the repository's settings happen to allow."""
    top = look.workflow.permissions
    if top is None and any(job.permissions is None for job in look.workflow.jobs):
        yield "it does not say its permissions", "Write permissions: {} at the top, and what each job needs in it."
    if top is not None and (wide := sorted(name for name, level in top.items() if level == "write")):
        yield (
            f"every job may write {'everything' if wide == ['*'] else wide[0]}",
            "Give the right to the one job that needs it.",
        )
    for job in look.workflow.jobs:
        if (job.permissions or {}).get("*") == "write":
            yield f"job {job.key} may write everything", "Name what it writes."


def _target(look: Look) -> Iterator[Problem]:
    """Code of a stranger with the rights of the repository (nx 2025-08, TanStack 2026-05)."""
    if not look.workflow.triggers.keys() & _STRANGERS:
        return
    for job in look.workflow.jobs:
        for step in job.steps:
            around = (look.workflow.env, job.env, step.env, step.inputs)
            taken = "\n".join([step.run, *(value for each in around for value in each.values())])
            if _HEAD.search(taken) or "refs/pull/" in taken or re.search(r"\bgh pr checkout\b", taken):
                yield (
                    f"job {job.key} fetches the head of a pull request with the rights of this repository",
                    "Use the event pull_request.",
                )


def _always(_look: Look) -> bool:
    return True


def _publishing(look: Look) -> bool:
    return look.role.publishes


def _started(look: Look) -> bool:
    return look.role.releases


def _guarding(look: Look) -> bool:
    return look.role.releases or bool(look.guarded)


RULES: dict[str, tuple[Callable[[Look], bool], Rule]] = {
    "WIRE_DISPATCH": (_started, _dispatch),
    "WIRE_GROUP": (_publishing, _group),
    "WIRE_ENVIRONMENT": (_publishing, _environment),
    "WIRE_ENVIRONMENT_NAME": (_always, _environment_name),
    "WIRE_VERIFY_KEY": (_guarding, _verify_key),
    "WIRE_CACHE": (_guarding, _cache),
    "WIRE_THIRD_PARTY": (_guarding, _third_party),
    "WIRE_SECRETS": (_always, _secrets),
    "WIRE_SHELL": (_always, _shell),
    "WIRE_PINS": (_always, _pins),
    "WIRE_PERMISSIONS": (_always, _permissions),
    "WIRE_TARGET": (_always, _target),
}
"""Code → where the rule applies, and the rule. A waiver names the code and `owner/name:file`."""
