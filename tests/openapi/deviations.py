"""Where the forge, or GitHub itself, does not do what GitHub's description says; each with its reason."""

from __future__ import annotations

from typing import Any

# Statuses that any operation may have, whatever is documented for it.
GENERAL = {
    400: "a body that is no JSON, or an unknown version of the API",
    401: "no credentials, or bad ones",
    403: "too few rights, or a limit that is used up",
    404: "not there, or not for these eyes",
    413: "a body that is too big",
    422: "a body that is not valid",
    429: "a limit that is used up",
}

_ARTIFACT = "GET /repos/{owner}/{repo}/actions/artifacts/{artifact_id}/{archive_format}"
_OWN_STORAGE = "the address that the 302 gives; on GitHub it is a storage service's"

# (operation, status) → why
STATUSES: dict[tuple[str, int], str] = {
    (_ARTIFACT, 200): _OWN_STORAGE,
    ("GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs", 200): _OWN_STORAGE,
    ("GET /repos/{owner}/{repo}/actions/runs/{run_id}/logs", 200): _OWN_STORAGE,
}

# Operations that answer with something else than JSON when the request's Accept header asks for it → what
NOT_JSON: dict[str, str] = {
    "GET /repos/{owner}/{repo}/commits/{ref}": "application/vnd.github.sha",
    "GET /repos/{owner}/{repo}/contents/{path}": "application/vnd.github.raw",
    "GET /repos/{owner}/{repo}/git/blobs/{file_sha}": "application/vnd.github.raw",
}

# (operation and status, field), as globs → why
FIELDS: dict[tuple[str, str], str] = {
    ("* /repos/{owner}/{repo}/environments*", "*can_admins_bypass"): "GitHub sends it without describing it (G26)",
    ("* 422", "status"): "GitHub sends it with every refusal and describes it for those without `errors` only",
    (
        "* /repos/{owner}/{repo}/branches/{branch}/protection 200",
        "restrictions.apps[[]].permissions.*",
    ): "an app has more permissions than the few that are described here; everywhere else any is allowed",
}

# (field, value), the field as a glob → why
VALUES: dict[tuple[str, Any], str] = {
    (
        "*state",
        "starter",
    ): "an asset of which not every byte came (G35); the description has only `uploaded` and `open`",
}

# (operation, status) → the schema instead of the described one, which cannot be meant.
CORRECTED: dict[tuple[str, str], dict[str, Any]] = {
    # the account of each is described as a user and an enterprise at once; a single installation's as one of them
    ("GET /app/installations", "200"): {"type": "array", "items": {"$ref": "#/schemas/installation"}},
}

# Operations that are served and that no test needs to ask for.
UNUSED: dict[str, str] = {}
