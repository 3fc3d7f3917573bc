"""The workflows of a home repository: publication, the operator's commands by button or clock, the weekly audit."""

from __future__ import annotations

import json

from ms_release.config import Product
from ms_release.core.names import is_safe_name
from ms_release.errors import UsageError
from ms_release.render import workflow_steps as step
from ms_release.render.workflow_files import SHIP_MINUTES, job
from ms_release.render.workflow_steps import indent

_INPUTS = {
    "tag": "The release, for example v1.2.0",
    "plan": "Digest of the merged plan, 64 hexadecimal digits",
    "seal": "Seal over plan, release commit and candidates, 64 hexadecimal digits",
}
_ORDER = {"TAG": "${{ inputs.tag }}", "PLAN": "${{ inputs.plan }}", "SEAL": "${{ inputs.seal }}"}
_TOKEN = {"GH_TOKEN": "${{ github.token }}"}
# A job's own token sees neither drafts of other repositories nor protection, and the pull requests that it opens start
# no checks (G5): all of this is done as an App, where there is one.
_APP = {
    "MS_APP_ID": "${{ secrets.MS_APP_ID }}",
    "MS_APP_INSTALLATION": "${{ secrets.MS_APP_INSTALLATION }}",
    "MS_APP_KEY": "${{ secrets.MS_APP_KEY }}",
}
# Exit 4 says that somebody must act first: no failure of the job.
_WAITING = '|| code=$?\n[ "${code:-0}" -eq 4 ] || exit "${code:-0}"'
_READS = {"actions": "read", "checks": "read", "contents": "read", "pull-requests": "read"}


def publish(product: Product, *, drafts: bool) -> str:
    """Publishes one release. `drafts`: some candidates are seen only with push right to their repository."""
    lines = [
        "# Publishes one release. Started by `ms release publish`, approved by a release manager, built by nobody: the",
        "# bytes are those of the candidates that the plan names.",
        "name: Publish",
        "run-name: Publish ${{ inputs.tag }} · plan ${{ inputs.plan }} · seal ${{ inputs.seal }}",
        "",
        "on:",
        "  workflow_dispatch:",
        "    inputs:",
    ]
    for name, description in _INPUTS.items():
        lines += indent([f"{name}:", f"  description: {description}", "  required: true", "  type: string"], 6)
    lines += [
        "",
        "permissions: {}",
        "",
        "# One at a time, in the order in which they were asked for; none is ever cancelled by the next.",
        "concurrency:",
        "  group: publish",
        "  cancel-in-progress: false",
        "  queue: max",
        "",
        "jobs:",
        "  # Fetches the candidates, checks them against the seal, lays out the files. Holds no signing key.",
        *job("assemble", SHIP_MINUTES, {"contents": "read"}, _assemble(product, drafts)),
        "",
        "  # Waits for the approval, then signs, uploads, compares and publishes. Runs nothing but the release tool.",
        *job(
            "promote",
            SHIP_MINUTES,
            {"contents": "write", "actions": "read"},
            _promote(product),
            "needs: assemble",
            f"environment: {_plain(product.environment)}",
        ),
    ]
    return "\n".join(lines) + "\n"


def _assemble(product: Product, drafts: bool) -> list[str]:
    hidden = {"MS_CANDIDATES_TOKEN": "${{ secrets.MS_CANDIDATES_TOKEN }}", **_APP} if drafts else {}
    script = f'ms-release {product.id} assemble "$TAG" --plan-digest "$PLAN" --seal "$SEAL" --out {step.DIST}'
    return [
        *step.checkout(fetch_depth="0"),
        *step.tool(),
        *step.run("Assemble", script, {**_TOKEN, **hidden, **_ORDER}),
        *step.upload(step.DIST),
    ]


def _promote(product: Product) -> list[str]:
    script = f'ms-release {product.id} promote "$TAG" --plan-digest "$PLAN" --seal "$SEAL" --dir {step.DIST}'
    key = {"MS_MANIFEST_KEY": "${{ secrets.MS_MANIFEST_KEY }}"}
    return [
        *step.checkout(fetch_depth="0"),
        *step.download(),
        *step.tool(),
        *step.run("Promote", script, {**_TOKEN, **key, **_ORDER}),
    ]


def train(product: Product) -> str:
    """The operator's commands: by button whichever is chosen, by clock only the one that changes nothing."""
    script = "\n".join(
        (
            'case "$COMMAND" in',
            "  status) set -- status ;;",
            f'  plan | prepare | publish) set -- {product.id} "$COMMAND" --channel "$CHANNEL" --auto ;;',
            '  *) echo "unknown command" >&2; exit 2 ;;',
            "esac",
            f'ms-release "$@" {_WAITING}',
        )
    )
    env = {**_TOKEN, **_APP, "COMMAND": "${{ inputs.command || 'plan' }}", "CHANNEL": "${{ inputs.channel || 'beta' }}"}
    lines = [
        "# The commands that an operator types, run here. Every Monday: what would be released, which changes nothing.",
        "# Whatever is published from here waits for the approval of its environment like everything else.",
        "name: Release train",
        "run-name: Release train · ${{ inputs.command || 'plan' }} ${{ inputs.channel || 'beta' }}",
        "",
        "on:",
        "  schedule:",
        '    - cron: "23 6 * * 1"',
        "  workflow_dispatch:",
        "    inputs:",
        *indent(_choice("command", "What to do", "status", "plan", "prepare", "publish"), 6),
        *indent(_choice("channel", "Where to", "beta", "stable"), 6),
        "",
        "permissions: {}",
        "",
        "concurrency:",
        "  group: release-train",
        "  cancel-in-progress: false",
        "",
        "jobs:",
        *job("train", SHIP_MINUTES, _READS, [*step.checkout(), *step.tool(), *step.run("Run", script, env)]),
    ]
    return "\n".join(lines) + "\n"


def audit() -> str:
    """The weekly audit of SPEC 1.6, which brings its record by pull request."""
    env = {**_TOKEN, **_APP}
    lines = [
        "# Every release reads the last audit, and refuses one that is older than seven days. It must see what only an",
        "# administrator sees: with the App of the secrets, or its gates say UNKNOWN. Red = a rule does not hold.",
        "name: Policy audit",
        "",
        "on:",
        "  schedule:",
        '    - cron: "17 4 * * 1,4"',
        "  workflow_dispatch:",
        "",
        "permissions: {}",
        "",
        "concurrency:",
        "  group: policy-audit",
        "  cancel-in-progress: false",
        "",
        "jobs:",
        *job(
            "audit",
            SHIP_MINUTES,
            _READS,
            [*step.checkout(), *step.tool(), *step.run("Audit", f"ms-release policy audit --record {_WAITING}", env)],
        ),
    ]
    return "\n".join(lines) + "\n"


def _plain(environment: str) -> str:
    """The name as YAML. Raises UsageError for one that the run would decide (its protection would be another's)."""
    if "${{" in environment or not environment.isprintable():
        raise UsageError(
            f"{environment[:80]!a} cannot be the name of an environment (key product.environment)",
            remedy="Write the name as the forge shows it.",
        )
    return environment if is_safe_name(environment) and environment[0].isalpha() else json.dumps(environment)


def _choice(name: str, description: str, *options: str) -> list[str]:
    choices = [f"    - {option}" for option in options]
    return [f"{name}:", f"  description: {description}", "  required: true", "  type: choice", "  options:", *choices]
