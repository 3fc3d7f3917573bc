"""Files of which a marked part is generated: what people write around it stays, and what differs in it has a name."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ms_release.core import yaml_text
from ms_release.errors import BlockedError, DamagedError

_BEGIN, _END = "ms-release wire: begin", "ms-release wire: end"
_TOLD = f"{_BEGIN} (generated up to “end”: write above or below, then `ms release wire` keeps it)"


class Generated(Struct, frozen=True):
    """One file that is to be: its path below the repository, and the generated part of it.

    `gates`: its jobs are gates, and are called so.
    """

    path: str
    body: str
    gates: bool = False

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]

    @property
    def _signs(self) -> tuple[str, str]:
        return ("<!-- ", " -->") if self.path.endswith(".md") else ("# ", "")

    @property
    def part(self) -> str:
        """The generated part with its marks."""
        before, after = self._signs
        return f"{before}{_TOLD}{after}\n{self.body}{before}{_END}{after}\n"


def merge(made: Generated, existing: str | None) -> str:
    """The file's new text. Raises BlockedError for a file that is not ours, DamagedError for broken marks."""
    if existing is None:
        return made.part
    before, _, after = _split(made, existing)
    return f"{before}{made.part}{after}"


def drift(made: Generated, existing: str | None) -> tuple[str, ...]:
    """What differs from the generated part, a line each, beginning with the file's name. Nothing = nothing."""
    if existing is None:
        return (f"{made.name}: the file is missing",)
    try:
        _, part, _ = _split(made, existing)
    except (BlockedError, DamagedError) as error:
        return (error.cause,)
    if part.replace("\r\n", "\n") == made.part:
        return ()
    if not made.path.endswith((".yml", ".yaml")):
        return (f"{made.name}: the generated part differs",)
    return tuple(f"{made.name}: {line}" for line in _differences(made, part))


def _split(made: Generated, text: str) -> tuple[str, str, str]:
    """What is before, within (marks included) and behind the marks."""
    lines = text.splitlines(keepends=True)
    before, after = made._signs
    begins = [n for n, line in enumerate(lines) if line.startswith(f"{before}{_BEGIN}")]
    ends = [n for n, line in enumerate(lines) if line.rstrip("\r\n") == f"{before}{_END}{after}"]
    if not begins and not ends:
        raise BlockedError(
            f"{made.name}: the file exists, and was not written by wire",
            remedy="Move it away, type the command again, and put back around the marks what only you have.",
        )
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise DamagedError(
            f"{made.name}: its marks are broken: one begin and one end are expected",
            remedy="Restore the two lines, or delete the generated part with both of them and move the file away.",
        )
    first, last = begins[0], ends[0] + 1
    return "".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:])


def _differences(made: Generated, part: str) -> list[str]:
    try:
        old, new = (_mapping(yaml_text.load(text.encode(), made.name)) for text in (part, made.part))
    except DamagedError as error:
        return [f"the generated part is damaged ({error.cause})"]
    was, now = _mapping(old.pop("jobs", None)), _mapping(new.pop("jobs", None))
    noun = "gate" if made.gates else "job"
    found = [f"the {noun} {key} was removed, or is new" for key in now if key not in was]
    found += [f"the {noun} {key} was added, or is no longer wanted" for key in was if key not in now]
    for key in now:
        if key in was and was[key] != now[key]:
            keys = ", ".join(_changed(_mapping(was[key]), _mapping(now[key]))) or "value"
            found.append(f"the {noun} {key} was changed: {keys}")
    found += [f"{key} was changed" for key in _changed(old, new)]
    return found or ["comments or layout were changed"]


def _changed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [key for key in dict.fromkeys((*new, *old)) if old.get(key) != new.get(key) or (key in old) != (key in new)]


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
