"""`init`: look at an organisation and propose its configuration. Reads only; what it writes is one local file."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from ms_release.cli.common import Settings, cache_directory, connect, standard_options
from ms_release.cli.following import here
from ms_release.errors import CredentialError, MachineError, UsageError

if TYPE_CHECKING:
    from ms_release.adapters.organisation import OrganisationReader
    from ms_release.core.proposal import Proposal

PUBLIC = "https://github.com"
STDOUT = "-"


@click.command()
@click.argument("organisation", metavar="[ORG]", required=False)
@click.option("--out", metavar="FILE", help="The file to write (default that of --config); - for stdout.")
@standard_options
def init(settings: Settings, organisation: str | None, out: str | None) -> None:
    """Propose an ms-release.toml from what an organisation has.

    Looks at its repositories, their checks, workflows, candidates, environments and teams; a read token is enough.
    Every value comes with the reason for it; what is not sure, or could not be read, is marked CHECK. Without ORG it is
    that of the clone's remote, else the only one of the token. A file that exists is never overwritten.

    \b
    Examples:
      ms release init my-organisation
      ms release init my-organisation --out -
    """
    from ms_release.adapters import credentials
    from ms_release.adapters.candidates import Cache
    from ms_release.adapters.files import write_new
    from ms_release.adapters.organisation import OrganisationReader
    from ms_release.render.proposal import toml

    target = Path(out) if out and out != STDOUT else settings.config_file if out is None else None
    if target is not None:
        _refuse_existing(target, organisation)
    output = settings.output
    server = credentials.endpoints(os.environ, PUBLIC).server
    client = connect(PUBLIC, output)
    reader = OrganisationReader(client, Cache(cache_directory() / "candidates"), output.say)
    login = organisation or _own_organisation(server, reader)
    proposal = _propose(reader, login, server)
    text = toml(proposal)
    if target is not None:
        write_new(target, text.encode())
    _show(settings, proposal, text, target)


def _refuse_existing(target: Path, organisation: str | None) -> None:
    if os.path.lexists(target):
        words = shlex.join((*([organisation] if organisation else []), "--out", f"new-{target.name}"))
        raise UsageError(
            f"{target} exists, and is not overwritten",
            remedy="Move it away, or write another file and compare the two.",
            next_command=f"ms release init {words}",
        )


def _own_organisation(server: str, reader: OrganisationReader) -> str:
    """The organisation of the clone that this is typed in, else the only one of the token. Raises UsageError."""
    if found := _of_remote(server):
        return found
    try:
        known = reader.organisations()
    except CredentialError:
        known = ()
    if len(known) == 1:
        return known[0]
    listed = f"this token knows {', '.join(known)}" if known else "this token shows none"
    raise UsageError(
        f"no organisation is named, and there is no clone of one here; {listed}",
        remedy="Name it, as the first word." if known else "Name it, or use a token of a member.",
        next_command=f"ms release init {known[0]}" if known else "ms release init --help",
    )


def _of_remote(server: str) -> str | None:
    """The owner in the address of the remote `origin`, if that is on this forge."""
    return owner_of(remote_of(Path.cwd()), server)


def remote_of(folder: Path) -> str:
    """The address of a clone's remote `origin`; "" where there is none."""
    from ms_release.adapters.git import run

    try:
        code, out = run(folder, ["config", "--get", "remote.origin.url"])
    except MachineError:
        return ""
    return out.decode(errors="replace").strip() if code == 0 else ""


def owner_of(remote: str, server: str) -> str | None:
    """The owner of a remote's address on that forge: https://HOST/OWNER/NAME, ssh://git@HOST/… or git@HOST:…

    None for another host (a token must not follow a remote there) and for anything else.
    """
    slug = slug_of(remote, server)
    return slug.partition("/")[0] if slug else None


def slug_of(remote: str, server: str) -> str | None:
    """`owner/name` in a remote's address on that forge, in the same forms; None for another host."""
    from ms_release.core.names import is_slug

    here = urlsplit(server)
    if "://" not in remote:
        remote = "ssh://" + remote.replace(":", "/", 1)
    try:
        there = urlsplit(remote)
        same = there.hostname == here.hostname and (there.scheme == "ssh" or there.port == here.port)
    except ValueError:
        return None
    slug = there.path.strip("/").removesuffix(".git")
    return slug if same and is_slug(slug) else None


def _propose(reader: OrganisationReader, login: str, server: str) -> Proposal:
    """Look, and look closer at what the first look found."""
    from msgspec.structs import replace

    from ms_release.core import proposal as core
    from ms_release.core.proposal_components import find_components
    from ms_release.core.proposal_facts import Papers
    from ms_release.core.proposal_home import find_home, named_elsewhere, paper_paths, read_papers

    seen = reader.survey(login)
    if not seen.repos and not seen.left_out:
        raise CredentialError(
            f"this token sees no repository of {login!a}", remedy="Check the name, and what the token may read."
        )
    home, home_note = find_home(seen)
    papers = Papers()
    if home is not None:
        papers = read_papers(home, reader.texts(home, paper_paths(home)))
    if elsewhere := named_elsewhere(seen, papers):
        more = reader.look(elsewhere)
        seen = replace(
            seen,
            repos=(*seen.repos, *more.repos),
            left_out=(*(one for one in seen.left_out if one.slug not in elsewhere), *more.left_out),
            unread=(*seen.unread, *more.unread),
        )
    components = tuple(
        replace(component, repo=reader.add_rules(component.repo)) for component in find_components(seen, papers, home)
    )
    found = core.Found(seen, reader.add_rules(home) if home else None, home_note, papers, components)
    homes = (found.home,) if found.home else ()
    details = reader.details(login, homes, tuple(c.repo for c in components))
    return core.propose(found, details, server)


def _show(settings: Settings, proposal: Proposal, text: str, target: Path | None) -> None:
    output = settings.output
    following = "ms release plan --channel beta --auto"
    if target is not None and str(target) != "ms-release.toml":
        following += f" --config {shlex.quote(str(target))}"
    checks = proposal.to_check
    repos: list[dict[str, Any]] = [
        {
            "id": r.id,
            "repo": r.slug,
            "branch": r.branch,
            "select": r.select,
            "checks": [{"name": c.name, "app": c.app} for c in r.checks],
            "candidate": {"workflow": r.candidate.workflow, "visibility": r.candidate.visibility}
            if r.candidate
            else None,
        }
        for r in proposal.repos
    ]
    output.document(
        {
            "organisation": proposal.organisation,
            "file": str(target) if target else None,
            "home": proposal.home,
            "repos": repos,
            "check": list(checks),
            "unread": list(proposal.unread),
            "left_out": [{"repo": one.slug, "why": one.why} for one in proposal.left_out],
            "toml": text,
            "next": here(following),
        }
    )
    if target is None:
        output.data(text.rstrip("\n"))
        return
    output.data("\n".join(_summary(proposal, target, following)))


def _summary(proposal: Proposal, target: Path, following: str) -> list[str]:
    from ms_release.cli.output import clean

    width = max(len(repo.id) for repo in proposal.repos)
    lines = [f"home           {proposal.home}"]
    for repo in proposal.repos:
        names = ", ".join(check.name for check in repo.checks)
        role = "home" if repo.candidate is None else repo.select
        lines.append(f"  {repo.id.ljust(width)}  {role:<12}  {names}")
    lines += [f"not proposed   {one.slug}: {one.why}" for one in proposal.left_out]
    lines += [f"not readable   {text}" for text in proposal.unread]
    lines += [f"CHECK          {text}" for text in proposal.to_check]
    count = len(proposal.to_check)
    lines.append(f"\nwritten to {target}" + (f"; {count} places are marked CHECK" if count else ""))
    return [*(clean(line) for line in lines), f"next: {here(following)}"]
