"""docs/runbook.md from the configuration, so that the runbook cannot lie about names, checks and people (SPEC 11)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ms_release.config import Config, Product, Repo, parse
from ms_release.core.escalation import ROUTES, role_name
from ms_release.core.gates import AUDIT_DAYS
from ms_release.core.sanitize import markdown
from ms_release.errors import BlockedError, MsError, UsageError

CONFIG = Path("ms-release.example.toml")
PAGE = Path("docs/runbook.md")
COMMAND = "python -m ms_release.render.runbook --write"

HEADER = f"""\
# Runbook

Rendered from `{CONFIG}` by `{COMMAND}`; do not edit.

Who does what, in which order, and what to do when something fails. Every command can be stopped at any point and typed
again: it looks at the forge and does only what is missing.
"""

# What is seen, the exit code, what it means, what to type then; words in braces are filled from the configuration.
FAILURES = (
    (
        "a check of a component failed",
        "3",
        "That commit is not released. Mend it by a pull request, or name a green commit with `--repo`.",
        "{plan}",
    ),
    (
        "a candidate could not be built",
        "3",
        "Look at its run. Once mended, the same command builds it again; the version is not lost. If the commit itself "
        "cannot be built, give the version up and plan with a mended one.",
        "{prepare}",
    ),
    (
        "a check of the release pull request failed",
        "3",
        "Nothing was merged. Look at the check in {home}, run it again there, then the same command.",
        "{publish}",
    ),
    (
        "the forge refuses to merge",
        "4, 5",
        "Nothing was merged. The message is the forge's own: a review that is missing, a conversation that is open, a "
        "right that this person lacks. Whoever may settles it; then the same command.",
        "{prepare}",
    ),
    (
        "somebody pushed to the release branch",
        "3",
        "Nothing was merged. The message names the file. See who pushed; give the version up and plan again.",
        "{cancel}",
    ),
    (
        "the plan is stale (“was A, is B”)",
        "3",
        "A fact that the plan stands on has changed. Nothing was published. A plan is never edited: plan again.",
        "{plan}",
    ),
    (
        "somebody else holds the version",
        "3",
        "Two people planned at once; the branch `release/TAG` decides. Continue their plan (`--auto` does), or plan a "
        "higher version with `--tag`.",
        "`ms release status`",
    ),
    (
        "the publishing run failed",
        "3",
        "Look at the run. Once mended, the same command starts a new one under the same plan and seal; it needs a new "
        "approval.",
        "{publish}",
    ),
    (
        "the signing key is missing or another one",
        "3",
        "Nothing was published, no tag was made. An administrator gives `MS_MANIFEST_KEY` to {environment} again; then "
        "the same command, for a new approval.",
        "{publish}",
    ),
    (
        "the runner died while it published",
        "3",
        "Nothing is public: the draft becomes so last, when it is complete. The same command starts a run that goes on "
        "with this draft; it needs a new approval.",
        "{publish}",
    ),
    (
        "somebody cancelled the publishing run",
        "3",
        "Ask them why. The same command starts a new run; to give the release up for good, cancel it here too.",
        "{publish}",
    ),
    (
        "nobody approves",
        "4",
        "Nothing is wrong. Ask {managers}, other than those who requested it, to approve.",
        "{approve}",
    ),
    (
        "nobody approved within 30 days",
        "3",
        "The forge has ended the run. Ask {managers} first; the same command starts a new one. An audit record that "
        "has grown old meanwhile must be made anew before.",
        "{publish}",
    ),
    (
        "the release was rejected",
        "3",
        "Nothing was published, and that version is burned. Talk to the one who rejected it, then plan again: the next "
        "version is taken.",
        "{plan}",
    ),
    (
        "a release should not come out after all",
        "0",
        "As long as it is not published, a maintainer gives it up: its pull request is closed, its run ended, its plan "
        "marked, its version burned. Candidates stay, for the next plan.",
        "{cancel}",
    ),
    (
        "a command was killed, or the machine died",
        "130, 143",
        "Type the same command again, on any machine, by anybody who may: the state is on the forge.",
        "{publish}",
    ),
    (
        "published is not what was planned",
        "7, 3",
        "Tell {managers} now and touch nothing: not the release, not the tag. The command lists what differs.",
        "{verify}",
    ),
    (
        "a fact could not be read",
        "3, 5",
        "Unknown blocks. The message names the fact and the permission; use a token that may read it.",
        "`ms release preflight`",
    ),
    (
        "the forge is down or its limit is reached",
        "6",
        "Nothing was sent twice. Wait as long as the message says, then type the same command.",
        "{publish}",
    ),
)

FAILING = """\
Every ending says what was done and what was not, who acts, and the next command. These are the ones there are; each is
played through by a test, up to the release that comes out after all.
"""

CALLS = """\
What the operator cannot settle alone is said at the end of a command, stands under `escalations` in its JSON, and with
`--open-issue` becomes one issue in the home repository. A fact that could not be read is a permission that is missing.
"""


def render_runbook(config: Config) -> str:
    """The whole page, Markdown, for the organisation that the configuration describes."""
    parts = [HEADER, _roles(config), _rules(config), _repositories(config), _everyday(config)]
    for product in config.products:
        parts += [_flow(config, product), _afterwards(product), _failures(config, product)]
    parts += [_calls(config), _waivers(config)]
    return "\n".join(parts)


def _roles(config: Config) -> str:
    rows = [
        ("contributor", "everybody with write access", "branch, open pull requests", "push to a protected branch"),
        (
            "maintainer",
            _code(config.roles.maintainers),
            "merge green pull requests; plan, prepare, publish, cancel, verify, announce",
            "bypass the protection; approve a release that they requested",
        ),
        (
            "release manager",
            _code(config.roles.release_managers),
            f"approve {_listed(sorted({_code(p.environment) for p in config.products}))}",
            "approve anything but the plan and seal shown",
        ),
    ]
    return "## Roles\n\n" + _table(("role", "who", "may", "may not"), rows)


def _rules(config: Config) -> str:
    homes = _listed(sorted({_code(config.home(p).slug) for p in config.products}))
    return f"""\
## Rules nobody can switch off

1. Nobody merges untested code: everybody goes through pull requests, maintainers and administrators too.
2. A branch that releases are made from is protected: required checks on the newest base, a pull request, conversations
   resolved, no force push, no deletion, administrators included. `ms release policy audit` holds every repository to
   it, and `ms release policy apply` repairs what does not hold. A release reads the record of the last audit, at most
   {AUDIT_DAYS} days old, and looks at {homes} itself.
3. No approval, no publication: stable and beta alike. Whoever planned, opened, merged or started a release does not
   approve it.
4. Built once: what is published are the bytes of candidates, never of a fresh build.
5. There is no bypass. A deviation is a waiver in the configuration, dated, reviewed, and printed wherever it applies.
6. A fact that could not be read blocks, as a fact that is wrong does.
7. Tags never move, published files are never replaced, a plan is never edited.
"""


def _repositories(config: Config) -> str:
    rows = [
        (_code(r.id), _code(r.slug), _code(r.branch), _chosen(r, config), _checks(r), _candidate(r))
        for r in config.repos
    ]
    head = ("id", "repository", "branch", "commit of a release", "must be green", "candidate")
    return "## Repositories\n\n" + _table(head, rows)


def _chosen(repo: Repo, config: Config) -> str:
    if all(repo.id not in product.repos for product in config.products):
        return "holds the plans"
    return {
        "head": "the newest",
        "latest-green": "the newest green one",
        "carry": "that of the release before, until `--repo` names another",
    }[repo.select]


def _checks(repo: Repo) -> str:
    return _listed([f"{_code(check.name)} by {_code(check.app)}" for check in repo.checks])


def _candidate(repo: Repo) -> str:
    return f"{_code(repo.candidate.workflow)}, {repo.candidate.visibility}" if repo.candidate else "none"


def _everyday(config: Config) -> str:
    product = config.products[0]
    return f"""\
## Every day

1. Branch, commit, open a pull request. Its checks run; a maintainer merges it when they are green.
2. The checks run again on the merged commit. Only a commit whose own checks succeeded is ever released.
3. Candidates are built once per commit, when a release first needs them. Which commits have theirs:

   ```sh
   ms release candidate list --product {_word(product.id)}
   ```

4. Where every product stands, who acts next and what to type: `ms release status`.
5. Whether a release would go through, before anything is written: `ms release preflight`.
6. Every {AUDIT_DAYS} days at the latest an administrator types `ms release policy audit --record`, or a workflow does
   that `ms release wire` writes.
"""


def _flow(config: Config, product: Product) -> str:
    say, environment = f"ms release {_word(product.id)}", _code(product.environment)
    home = config.home(product)
    return f"""\
## Releasing {_code(product.id)}

Pinned: {_listed([_code(id) for id in product.repos])}.
Released from {_code(home.slug)} by the workflow {_code(product.workflow)}, behind the
environment {environment}. `beta` may be `stable` everywhere below.

1. **Plan.** Nothing is written on the forge. Read the pins with their reasons, the gates, and what would happen:

   ```sh
   {say} plan --channel beta --auto
   ```

   To pin another commit, name it; it is checked like any other:

   ```sh
   {say} plan --channel beta --auto --repo {_word(product.repos[0])}=FULL_COMMIT_ID
   ```

2. **Prepare.** Missing candidates are built; the plan goes through a pull request on {_code(home.branch)}:

   ```sh
   {say} prepare --channel beta --auto --watch
   ```

3. **Publish.** The workflow is started and stands still in front of {environment}:

   ```sh
   {say} publish --channel beta --auto --watch
   ```

4. **Approve**, as another person of {_code(config.roles.release_managers)}. Compare plan digest and seal with what
   was announced, then type the tag:

   ```sh
   {say} approve TAG
   ```

   The workflow signs and publishes, and `publish` compares the result with the plan, byte by byte, and records it in
   the ledger by a pull request.
"""


def _afterwards(product: Product) -> str:
    say = f"ms release {_word(product.id)}"
    return f"""\
**Promote a beta** to stable, the same commits and the same bytes under a new approval:

```sh
{say} publish --channel stable --auto --from TAG --watch
```

**Give it up** before it is published, by `{say} cancel TAG`: its version is burned.

**Roll back** to the commits and bytes of an older release, [under a higher version](rollback.md) and the same approval:

```sh
{say} rollback --to TAG --reason "presets are lost"
```

**Verify** at any time, with `{say} verify --all` everything that was ever released.
`{say} announce TAG` writes [links](announce.md) into a recorded release's text.
"""


def _failures(config: Config, product: Product) -> str:
    say = f"ms release {_word(product.id)}"
    words = {
        "plan": f"`{say} plan --channel beta --auto`",
        "prepare": f"`{say} prepare --channel beta --auto --watch`",
        "publish": f"`{say} publish --channel beta --auto --watch`",
        "approve": f"`{say} approve TAG`",
        "cancel": f"`{say} cancel TAG`",
        "verify": f"`{say} verify TAG`",
        "environment": _code(product.environment),
        "managers": _code(config.roles.release_managers),
        "home": _code(config.home(product).slug),
    }
    rows = [tuple(cell.format_map(words) for cell in row) for row in FAILURES]
    table = _table(("what you see", "exit", "what it means, what to do", "then"), rows)
    return f"## What if something fails ({_code(product.id)})\n\n{FAILING}\n{table}"


def _calls(config: Config) -> str:
    rows = []
    for route in ROUTES:
        who = dict.fromkeys(_code(config.roles.named(role)) for role in route.roles)
        codes = _listed([_code(code) for code in route.codes])
        rows.append(
            (route.about, codes, " / ".join(map(role_name, route.roles)), _listed([*who]), _code(route.command))
        )
    return f"## Whom to call\n\n{CALLS}\n{_table(('finding', 'codes', 'role', 'who', 'see it'), rows)}"


def _waivers(config: Config) -> str:
    if not config.waivers:
        return "## Waivers\n\nThere is none.\n"
    rows = [(_code(w.code), _code(w.subject), markdown(w.reason), _code(w.approver), w.expires) for w in config.waivers]
    return "## Waivers\n\n" + _table(("code", "subject", "reason", "approved by", "dead after"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _listed(words: list[str]) -> str:
    return ", ".join(words)


def _code(text: str) -> str:
    """A name as code; what could end the code or the table cell is left out of names by no forge, so it is replaced."""
    return f"`{_word(text)}`"


def _word(text: str) -> str:
    return "".join(char if char.isprintable() and char not in "`|" else "?" for char in text)


def main(arguments: list[str]) -> int:
    """`--write` the page below the current directory, or `--check` it. Raises BlockedError when it differs."""
    if arguments not in (["--check"], ["--write"]):
        raise UsageError("say --check or --write", next_command=COMMAND)
    text = render_runbook(parse(CONFIG.read_text(encoding="utf-8"), str(CONFIG)))
    if arguments == ["--write"]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        raise BlockedError(f"{PAGE} does not say what {CONFIG} says", remedy="Render it again.", next_command=COMMAND)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MsError as error:
        sys.stderr.write(f"error: {error.cause}\n  next: {error.next_command}\n")
        sys.exit(error.exit_code)
