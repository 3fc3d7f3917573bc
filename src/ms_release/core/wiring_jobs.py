"""What one job of a workflow may do and what it runs: the vocabulary of the wiring rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ms_release.core.workflow import Job, Step, Workflow

SETUP_ACTION = "ms-release/setup"
TRUSTED = frozenset(
    "actions/checkout actions/upload-artifact actions/download-artifact actions/attest "
    f"actions/create-github-app-token {SETUP_ACTION}".split()
)
"""The actions that may run beside a secret: the forge's own, which do nothing but what they say, and this tool."""

_SHA = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
# Expressions do not care about capital letters, and the forge keeps the names of secrets in them.
_SECRET = re.compile(r"\bsecrets\s*(?:\.\s*([A-Za-z_]\w*)|\[\s*['\"]([A-Za-z_]\w*)['\"]\s*\])", re.IGNORECASE)
_EVERY_SECRET = re.compile(r"\(\s*secrets\s*[,)]|\bsecrets\s*(?:\[\s*[^'\"\s]|\.\s*\*)", re.IGNORECASE)
_SIGNS = re.compile(
    r"MS_(?:MANIFEST|CANDIDATE)_KEY|(?:^|_)(?:SK|SIGN|SIGNING|PRIVATE|SEED|GPG|PGP)(?:_|$)", re.IGNORECASE
)
# Values that only the forge makes; everything else may hold what a stranger wrote, or what an earlier step read.
_SAFE = re.compile(
    r"(?:github\.(?:sha|run_id|run_number|run_attempt|repository|repository_id|repository_owner|event_name|workspace"
    r"|server_url|api_url|graphql_url|action_path|job|actor_id|event\.(?:number|pull_request\.number))"
    r"|runner\.\w+|job\.status|strategy\.job-(?:index|total))"
)
# Any call of these, wherever flags stand, but for the one that publishes.
_FETCHES = re.compile(
    r"(?<![\w./-])(?:(?:npm|npx|pnpm|pnpx|yarn|pip3?|pipx|uvx?|cargo|gem|bundle|brew|apt|apt-get|curl|wget)"
    r"(?![\w./-])(?!(?:\s+-\S+)*\s+(?:publish|stage|push)\b)"
    r"|(?:go|docker)(?=(?:\s+-\S+)*\s+(?:install|run|get|pull)\b))(?:[ \t]+[\w-]+)?"
)
# Input of an action that switches its cache on, and the words that leave it off; * = on unless switched off.
_CACHING = {
    "actions/setup-node": ("cache", {"", "false"}),
    "actions/setup-python": ("cache", {"", "false"}),
    "actions/setup-java": ("cache", {"", "false"}),
    "actions/setup-dotnet": ("cache", {"", "false"}),
    "pnpm/action-setup": ("cache", {"", "false"}),
    "ruby/setup-ruby": ("bundler-cache", {"", "false"}),
    "actions/setup-go": ("cache", {"false"}),
    "astral-sh/setup-uv": ("enable-cache", {"false"}),
    "gradle/actions/setup-gradle": ("cache-disabled", set[str]()),
}
_CACHES = frozenset({"actions/cache", "actions/cache/restore", "swatinem/rust-cache", "mozilla-actions/sccache-action"})


def action_of(uses: str) -> str:
    """`owner/name[/path]` of a `uses:` text, without its version and in small letters: the forge ignores their case."""
    return uses.partition("@")[0].casefold()


def is_pinned(uses: str, *, image: bool = False) -> bool:
    """Whether what is used can never change: a full commit, the digest of an image, or a path of the same commit."""
    if image or uses.startswith("docker://"):
        return bool(_DIGEST.fullmatch(uses))
    return uses.startswith("./") or bool(_SHA.fullmatch(uses.partition("@")[2]))


def writes(job: Job, workflow: Workflow) -> frozenset[str]:
    """The scopes in which a job may write, as far as the file says; "*" for all of them."""
    said = workflow.permissions if job.permissions is None else job.permissions
    return frozenset(name for name, level in (said or {}).items() if level == "write")


def named_secrets(text: str) -> frozenset[str]:
    """The names of the secrets in a text, as the forge keeps them: in capital letters."""
    return frozenset((first or second).upper() for first, second in _SECRET.findall(text))


def secrets_of(job: Job) -> frozenset[str]:
    """The names of the secrets that a job mentions, but for its own token; "*" when it takes all of them."""
    names = named_secrets(job.text)
    every = bool(_EVERY_SECRET.search(job.text)) or (bool(job.uses) and "inherit" in job.text.split("\n"))
    return frozenset(names - {"GITHUB_TOKEN"} | ({"*"} if every else set()))


def signing_secrets(job: Job) -> frozenset[str]:
    """Those that sign, by their names."""
    return frozenset(name for name in secrets_of(job) if _SIGNS.search(name))


def unsafe_expressions(found: Iterable[str]) -> list[str]:
    """The expressions whose value may be text of somebody else."""
    return [text for text in found if not _SAFE.fullmatch(text)]


def fetches_code(script: str) -> Iterator[str]:
    """The commands in a script that fetch or run code that is not the forge's or this tool's."""
    for found in _FETCHES.finditer(script):
        yield f"“{' '.join(found[0].split())}”"


def caches(job: Job) -> Iterator[str]:
    """The steps that restore a cache. An expression counts: somebody else decides it."""
    for step in job.steps:
        if _restores(step):
            yield action_of(step.uses)


def _restores(step: Step) -> bool:
    action = action_of(step.uses)
    if action in _CACHES:
        return True
    if action not in _CACHING:
        return False
    if action == "actions/setup-node" and step.inputs.get("package-manager-cache") != "false":
        return True  # it caches by itself since version 5
    name, off = _CACHING[action]
    value = step.inputs.get(name, "")
    return value != "true" if name == "cache-disabled" else value not in off
