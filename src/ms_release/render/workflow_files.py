"""The workflows of every repository: `ci.yml`, whose jobs are the gates, and `candidate.yml`, which builds once."""

from __future__ import annotations

from ms_release.config import Repo
from ms_release.core.candidate_identity import input_name
from ms_release.core.project import Found, Gate
from ms_release.render import workflow_steps as step
from ms_release.render.workflow_steps import indent

CI_MINUTES = 30
BUILD_MINUTES = 60
SHIP_MINUTES = 20
CI_DAYS = 7


def ci(repo: Repo, gates: tuple[Gate, ...], found: Found) -> str:
    """One job for each gate, side by side: a job that another one could skip would count as passed (G17)."""
    lines = [
        "# Every pull request and every commit of the release branch: each gate is a job of its own.",
        "name: CI",
        "",
        "on:",
        "  pull_request:",
        "  push:",
        f'    branches: ["{repo.branch}"]',
        "  workflow_dispatch:",
        "",
        "permissions: {}",
        "",
        "# A new push to a pull request makes its old run useless. Every other run is evidence for its commit: it has",
        "# a group of its own, because a group holds one waiting run only and would cancel the one before it.",
        "concurrency:",
        f"  group: ci-${{{{ {step.PULL_REQUEST} && github.ref || github.run_id }}}}",
        f"  cancel-in-progress: ${{{{ {step.PULL_REQUEST} }}}}",
        "",
        "jobs:",
    ]
    for number, gate in enumerate(gates):
        steps = [
            *step.checkout(),
            *step.toolchain(gate, found, cached=True),
            *step.run(gate.name, gate.command),
        ]
        if gate.name == "build":
            steps += step.upload(repo.wire.artifacts, CI_DAYS)
        lines += [*([""] if number else []), *job(gate.name, CI_MINUTES, {"contents": "read"}, steps)]
    return "\n".join(lines) + "\n"


def candidate(repo: Repo, build: Gate, found: Found, inputs: dict[str, str], signed: bool) -> str:
    """Builds one commit, once, from nothing; a second job, which runs nothing of the repository, may write.

    `inputs` are the repositories that the build reads, id → `owner/name`; they are checked out into `inputs/<id>`.
    """
    assert repo.candidate is not None
    lines = [
        "# Builds one commit, once. What is published later is these bytes: nothing is ever built again.",
        "name: Candidate",
        "run-name: Candidate ${{ inputs.tag }}",
        "",
        "on:",
        "  workflow_dispatch:",
        "    inputs:",
        *indent(_input("sha", "The commit to build"), 6),
        *indent(_input("tag", "The tag of the candidate"), 6),
    ]
    for id, slug in inputs.items():
        lines += indent(_input(input_name(id), f"The commit of {slug} that the build reads"), 6)
    lines += [
        "",
        "permissions: {}",
        "",
        "concurrency:",
        "  group: candidate-${{ inputs.tag }}",
        "  cancel-in-progress: false",
        "",
        "jobs:",
        "  # No cache and no secret: whoever fills the one or reads the other would decide what is published.",
        *job("build", BUILD_MINUTES, {"contents": "read"}, _building(repo, build, found, inputs)),
        "",
        "  # The job that may write runs nothing of the repository: only the release tool, on the files built above.",
        *job("publish", SHIP_MINUTES, {"contents": "write"}, _shipping(repo, inputs, signed), "needs: build"),
    ]
    return "\n".join(lines) + "\n"


def _building(repo: Repo, build: Gate, found: Found, inputs: dict[str, str]) -> list[str]:
    steps = step.checkout(ref="${{ inputs.sha }}")
    for id, slug in inputs.items():
        steps += step.checkout(repository=slug, ref=f"${{{{ inputs.{input_name(id)} }}}}", path=f"inputs/{id}")
    return [
        *steps,
        *step.toolchain(build, found, cached=False),
        *step.run("Build", build.command),
        *step.upload(repo.wire.artifacts),
    ]


def _shipping(repo: Repo, inputs: dict[str, str], signed: bool) -> list[str]:
    assert repo.candidate is not None
    env = {"GH_TOKEN": "${{ github.token }}", "SHA": "${{ inputs.sha }}", "TAG": "${{ inputs.tag }}"}
    if signed:
        env["MS_CANDIDATE_KEY"] = "${{ secrets.MS_CANDIDATE_KEY }}"
    command = f'ms-release candidate build --dir {step.DIST} --sha "$SHA" --tag "$TAG"'
    options = [f"--visibility {repo.candidate.visibility}"]
    for id, slug in inputs.items():
        name = f"INPUT_{input_name(id)}".upper().replace("-", "_")
        env[name] = f"${{{{ inputs.{input_name(id)} }}}}"
        options.append(f'--input "{slug}=${name}"')
    options += [f'--recipe "{path}"' for path in repo.candidate.recipe]
    script = " \\\n  ".join([command, *options]) if len(options) > 1 else f"{command} {options[0]}"
    return [*step.download(), *step.tool(), *step.run("Publish the candidate", script, env)]


def job(key: str, minutes: int, permissions: dict[str, str], steps: list[str], *more: str) -> list[str]:
    """A job as lines within `jobs:`; `more` are further lines of it, such as `needs: build`."""
    head = [f"{key}:", *indent(more, 2), "  runs-on: ubuntu-latest", f"  timeout-minutes: {minutes}"]
    head += ["  permissions:", *(f"    {name}: {level}" for name, level in permissions.items()), "  steps:"]
    return indent([*head, *indent(steps, 4)], 2)


def _input(name: str, description: str) -> list[str]:
    return [f"{name}:", f"  description: {description}", "  required: true", "  type: string"]
