"""`release/plan.md`, the playbook's PLAN: what starts a release of a repository, what it must pass, how to go back."""

from __future__ import annotations

from ms_release.config import Config, Product, Repo
from ms_release.core.project import Gate
from ms_release.core.sanitize import terminal_line


def plan_document(config: Config, repo: Repo, gates: tuple[Gate, ...], files: tuple[tuple[str, str, str], ...]) -> str:
    """The document; `files` are name, what starts it, and its jobs."""
    products = [p for p in config.products if repo.id in (*p.repos, p.home)]
    lines = [
        f"# How {repo.id} is released",
        "",
        f"Releases are taken from `{repo.branch}`. Versions are tags `vX.Y.Z` and `vX.Y.Z-beta.N`; they never move.",
        "",
        "## Triggers and jobs",
        "",
        "| workflow | started by | jobs |",
        "|---|---|---|",
        *(f"| `{name}` | {started} | {jobs} |" for name, started, jobs in files),
        "",
        "## Gates",
        "",
        "A commit is releasable when the checks of the configuration are green on exactly it: "
        + ", ".join(f"{_code(check.name)} ({_code(check.app)})" for check in repo.checks)
        + ".",
        "",
    ]
    for gate in gates:
        lines += [f"- {gate.name}", "", *(f"      {line}" for line in gate.command.split("\n")), ""]
    lines += ["## Artifacts", "", *_artifacts(repo, products), ""]
    lines += ["## Environments", "", *_environments(config, products), ""]
    lines += ["## Going back", "", *_rollback(products)]
    return "\n".join(lines) + "\n"


def _artifacts(repo: Repo, products: list[Product]) -> list[str]:
    lines = []
    if repo.candidate is not None:
        lines.append(
            f"The gate `build` fills `{repo.wire.artifacts}/`. `{repo.candidate.workflow}` does so once for a commit, "
            f"and ships it as a {repo.candidate.visibility} release `rc-…`."
        )
    for product in products:
        if product.home == repo.id:
            lines += [f"Published by `{product.id}`:", ""]
            lines += [f"- `{asset.filename}` ({asset.kind})" for asset in product.assets]
            lines += ["- `manifest.json`, `manifest.json.sig`, `checksums.txt`"]
    return lines or ["None: nothing of this repository is published."]


def _environments(config: Config, products: list[Product]) -> list[str]:
    managers = config.roles.release_managers
    return [
        f"- {_code(p.environment)} of `{config.home(p).slug}` guards `{p.workflow}`: approved by {_code(managers)}, "
        "never by whoever asked for the release."
        for p in products
    ] or ["None."]


def _rollback(products: list[Product]) -> list[str]:
    lines = [
        "Go back when `verify` ends with exit 7 (the bytes are not those that were approved), when the program does",
        "not start or loses data of its users, or when a key or a right was stolen. Nothing is deleted, no tag is",
        "moved.",
        "",
    ]
    for product in products:
        lines += [
            "Before the publication is approved: give the version up.",
            "",
            f"    ms release {product.id} cancel TAG",
            "",
            "Afterwards: publish the commits of the last good release again, under a higher version. They are in its",
            "plan, `release-plans/TAG.json`; their candidates are found again, so the bytes are the same. It waits for",
            "the same approval.",
            "",
            f"    ms release {product.id} publish --channel stable --repo ID=SHA --watch",
            f"    ms release {product.id} verify TAG",
        ]
    return lines if products else ["Nothing of this repository is published."]


def _code(text: str) -> str:
    """A word of the configuration as code: one line, and no end of the code or of a table's cell within."""
    return f"`{terminal_line(text).replace('`', '').replace('|', '')}`"
