"""A proposed configuration as a commented `ms-release.toml`: every value with its reason, the unsure ones marked."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from ms_release.config import AssetRule, InstallSet
from ms_release.core.proposal import Proposal, ProposedApp, ProposedRepo
from ms_release.core.proposal_checks import Note
from ms_release.core.sanitize import terminal_line

CHECK = "CHECK:"
"""Marks what somebody must look at; `grep CHECK: ms-release.toml` lists it."""
_WIDTH = 116
_ESCAPES = {'"': '\\"', "\\": "\\\\"}


def toml(proposal: Proposal) -> str:
    """The whole file."""
    parts = [
        *_head(proposal),
        *(line for repo in proposal.repos for line in _repo(proposal, repo)),
        *_left_out(proposal),
        *_product(proposal),
        *(line for app in proposal.apps for line in _app(app)),
        *_rules(proposal),
    ]
    return "\n".join(parts) + "\n"


def string(text: str) -> str:
    """A TOML basic string: everything invisible is escaped, half characters become U+FFFD."""
    clean = text.encode("utf-8", "replace").decode()
    return '"' + "".join(_ESCAPES.get(c, c if c.isprintable() else _escape(c)) for c in clean) + '"'


def _escape(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def comment(text: str, *, check: bool = False) -> list[str]:
    """One remark, wrapped; text from outside in it can neither end the comment nor steer a terminal."""
    shown = terminal_line(text.encode("utf-8", "replace").decode())
    lead = f"{CHECK} " if check else ""
    return [f"# {line}" for line in textwrap.wrap(lead + shown, _WIDTH)]


def _notes(notes: Iterable[Note], key: str) -> list[str]:
    return [line for note in notes if note.key == key for line in comment(note.text, check=note.check)]


def _array(texts: Iterable[str]) -> str:
    return "[" + ", ".join(map(string, texts)) + "]"


def _head(proposal: Proposal) -> list[str]:
    lines = [
        *comment(f"How {proposal.organisation} is released: proposed by `ms release init` from what it has."),
        *comment(
            f"Look at every line that is marked {CHECK[:-1]}, correct it and take the mark away. Then plan with it"
        ),
        *comment("(nothing is written on the forge), and put it on the default branch of the home repository."),
    ]
    if proposal.unread:
        lines += ["#", *comment("What this token could not read, so that it is not in here:")]
        lines += [line for text in proposal.unread for line in comment(f"- {text}", check=True)]
    lines += ["", "[config]", "schema = 1", *_notes(proposal.notes, "home"), f"home = {string(proposal.home)}"]
    if proposal.server != "https://github.com":
        lines += ["", "[forge]", f"url = {string(proposal.server)}"]
    return [*lines, "", *_title("repositories")]


def _title(text: str) -> list[str]:
    return [f"# ── {text} ".ljust(80, "─"), ""]


def _repo(proposal: Proposal, repo: ProposedRepo) -> list[str]:
    checks = ", ".join(f"{{ name = {string(c.name)}, app = {string(c.app)} }}" for c in repo.checks)
    lines = [
        "[[repo]]",
        *_notes(repo.notes, "id"),
        f"id = {string(repo.id)}",
        f"url = {string(f'{proposal.server}/{repo.slug}')}",
        *_notes(repo.notes, "branch"),
        f"branch = {string(repo.branch)}",
        *_notes(repo.notes, "select"),
        f"select = {string(repo.select)}",
        *_notes(repo.notes, "checks"),
        f"checks = [{checks}]",
    ]
    if repo.candidate is not None:
        workflow, visibility = string(repo.candidate.workflow), string(repo.candidate.visibility)
        lines += _notes(repo.notes, "candidate")
        lines.append(f"candidate = {{ workflow = {workflow}, visibility = {visibility} }}")
    return [*lines, ""]


def _left_out(proposal: Proposal) -> list[str]:
    if not proposal.left_out:
        return []
    listed = [line for one in proposal.left_out for line in comment(f"- {one.slug}: {one.why}")]
    return [*comment("Not proposed:"), *listed, ""]


def _product(proposal: Proposal) -> list[str]:
    assets = proposal.assets
    lines = [
        *_title("the product"),
        "[[product]]",
        'id = "content"',
        'kind = "content"',
        f"repos = {_array(proposal.components)}",
        f"home = {string(proposal.home_id)}",
        *_notes(proposal.notes, "environment"),
        f"environment = {string(proposal.environment)}",
        *_notes(proposal.notes, "workflow"),
        f"workflow = {string(proposal.workflow)}",
        'trigger = "dispatch"',
        "",
        *comment("Files that are published: one artifact of a candidate (`from`), or a zip of several (`members`)."),
        *_notes(assets.notes, "assets"),
        "",
        *(line for asset in assets.assets for line in _asset(asset)),
    ]
    lines += [*comment("What an installer takes together."), *_notes(assets.notes, "install_sets"), ""]
    return [*lines, *(line for one in assets.install_sets for line in _install_set(one))]


def _platform(system: str | None, arch: str | None) -> list[str]:
    pairs = (("os", system), ("arch", arch))
    return [f"{key} = {string(value)}" for key, value in pairs if value is not None]


def _asset(asset: AssetRule) -> list[str]:
    lines = [
        "[[product.assets]]",
        f"id = {string(asset.id)}",
        f"kind = {string(asset.kind)}",
        *_platform(asset.os, asset.arch),
        f"filename = {string(asset.filename)}",
    ]
    if asset.source is not None:
        return [*lines, f"from = {string(asset.source)}", ""]
    members = [f"    {{ path = {string(m.path)}, from = {string(m.source)} }}," for m in asset.members]
    return [*lines, "members = [", *members, "]", ""]


def _install_set(one: InstallSet) -> list[str]:
    lead = ["[[product.install_sets]]", f"id = {string(one.id)}", *_platform(one.os, one.arch)]
    return [*lead, f"assets = {_array(one.assets)}", ""]


def _app(app: ProposedApp) -> list[str]:
    """A product of its own, as a comment: which keys it will need is for the reader to see, not yet to be read."""
    facts = {"id": app.id, "environment": app.environment, "workflow": app.workflow, "trigger": app.trigger}
    text = (
        f"{app.slug} looks like a product of its own: {app.workflow} publishes it from an environment, and it carries "
        f"its version in {', '.join(app.version_files)}. Only products of the kind content are proposed; its facts:"
    )
    return [*comment(text), *comment(", ".join(f"{key} = {string(value)}" for key, value in facts.items())), ""]


def _rules(proposal: Proposal) -> list[str]:
    return [
        *_title("rules and people"),
        "[policy]",
        *comment("The Ed25519 public key of the published manifests, base64. Its private half is the secret"),
        *comment(f"MS_MANIFEST_KEY of the environment {proposal.environment}, and nowhere else."),
        *_notes(proposal.notes, "manifest_key"),
        f"manifest_key = {string(proposal.manifest_key)}",
        "",
        "[roles]",
        *comment("Maintainers merge, plan and publish; release managers approve what others requested."),
        *_notes(proposal.notes, "maintainers"),
        f"maintainers = {string(proposal.maintainers)}",
        *_notes(proposal.notes, "release_managers"),
        f"release_managers = {string(proposal.release_managers)}",
    ]
