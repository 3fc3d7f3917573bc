"""`wire`: the workflows of one repository and its release/plan.md, written from the configuration, or only compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ms_release.cli import following
from ms_release.cli.common import Settings, load_config, standard_options
from ms_release.errors import BlockedError, UsageError

if TYPE_CHECKING:
    from ms_release.config import Config, Repo
    from ms_release.core.marked import Generated

LARGEST = 1 << 20


@dataclass(frozen=True)
class Checkout:
    """One repository's checkout: what its files are, and what the generated ones should be."""

    folder: Path
    config: Config
    repo: Repo
    made: tuple[Generated, ...]
    texts: dict[str, str | None]


@click.command()
@click.argument("path", metavar="[PATH]", default=".")
@click.option("--repo", "repo_id", metavar="ID", help="Which repository of the configuration this is.")
@click.option("--check", is_flag=True, help="Change nothing; name what differs, with exit 3.")
@standard_options
def wire(settings: Settings, path: str, repo_id: str | None, check: bool) -> None:
    """Write a repository's workflows and its release/plan.md.

    PATH is a checkout (default: here); which repository it is, its remote says, or --repo. What stands between the
    marks of a file is generated; what is around them stays. A file without marks is never overwritten.

    \b
    Examples:
      ms release wire
      ms release wire --check
      ms release wire --repo core --config ../distribution/ms-release.toml ../core
    """
    from ms_release.adapters.project_files import look
    from ms_release.core.marked import drift
    from ms_release.render.wire import files_of, unproven

    folder = Path(path)
    if not folder.is_dir():
        raise UsageError(f"there is no directory {path}", remedy="Name the checkout of a repository.")
    _, config = load_config(settings.config_file)
    repo = _repo(config, folder, repo_id)
    found = look(folder)
    made = files_of(config, repo, found)
    texts = {file.path: _read(folder, file) for file in made}
    notes = [
        f"no gate is called {name}, which the configuration waits for (another workflow must make it)"
        for name in unproven(repo, found)
    ]
    there = Checkout(folder, config, repo, made, texts)
    differs = [line for file in made for line in drift(file, texts[file.path])]
    body: dict[str, Any] = {"repo": repo.id, "files": [file.path for file in made], "drift": differs, "notes": notes}
    if check:
        _check(settings, there, body)
    else:
        _write(settings, there, body)


def _repo(config: Config, folder: Path, id: str | None) -> Repo:
    """The repository that a checkout is of. Raises UsageError when nothing says so."""
    from ms_release.cli.init import remote_of, slug_of

    if id is not None:
        return config.repo(id)
    remote = remote_of(folder)
    for repo in config.repos:
        if (slug_of(remote, repo.url) or "").casefold() == repo.slug.casefold():
            return repo
    raise UsageError(
        "no remote called origin says which repository this is",
        remedy=f"Name it: one of {', '.join(repo.id for repo in config.repos)}.",
        next_command=following.again({"--repo": config.repos[0].id}),
    )


def _read(folder: Path, file: Generated) -> str | None:
    from ms_release.adapters.checkout_files import read_within
    from ms_release.errors import DamagedError

    data = read_within(folder, file.path, LARGEST)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError:
        raise DamagedError(f"{file.path} is not UTF-8 text", remedy="Move it away.") from None


def _broken_rules(there: Checkout, new: dict[str, str]) -> list[str]:
    """The rules of wiring that the whole files break, with what people wrote around the generated part."""
    from ms_release.core.wiring import judge_file, role_of
    from ms_release.core.workflow import FOLDER

    lines = []
    for path, text in {**there.texts, **new}.items():
        if text is not None and path.startswith(f"{FOLDER}/"):
            name = path.rpartition("/")[2]
            found = judge_file(role_of(there.config, there.repo, name), text.encode())
            lines += [f"{name}: {f.message} ({f.code})" for f in found if f.outcome in ("FAIL", "UNKNOWN")]
    return lines


def _check(settings: Settings, there: Checkout, body: dict[str, Any]) -> None:
    output = settings.output
    body |= {"broken": _broken_rules(there, {}), "changed": []}
    _show_notes(settings, body["notes"])
    wrong = [*body["drift"], *body["broken"]]
    if not wrong:
        output.document(body)
        output.data(f"{there.repo.id}: {len(there.made)} files are as they should be")
        return
    output.data("\n".join(wrong))
    output.hold(body)
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    raise BlockedError(
        f"the workflows of {there.repo.id} are not what the configuration asks for: {wrong[0]}{more}",
        remedy="Write them again, look at the difference, and bring it by pull request.",
        next_command=following.without("--check"),
    )


def _write(settings: Settings, there: Checkout, body: dict[str, Any]) -> None:
    """Decide the text of every file before the first is written: a file that is not ours stops all of them."""
    from ms_release.adapters.checkout_files import write_within
    from ms_release.core.marked import drift, merge

    output = settings.output
    texts = there.texts
    new = {file.path: merge(file, texts[file.path]) for file in there.made if drift(file, texts[file.path])}
    for path, text in new.items():
        write_within(there.folder, path, text.encode())
        output.say(f"wrote {path}")
    body |= {"broken": _broken_rules(there, new), "changed": list(new)}
    _show_notes(settings, [*body["notes"], *body["broken"]])
    output.document(body)
    output.data("\n".join([*body["drift"], f"{there.repo.id}: {len(new)} of {len(there.made)} files written"]))


def _show_notes(settings: Settings, notes: list[str]) -> None:
    for note in notes:
        settings.output.say(f"note: {note}")
