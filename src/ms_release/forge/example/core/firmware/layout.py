"""Reads a layout: the controls of the device and what each one sends."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

KINDS = {"knob": 1, "button": 2, "fader": 3}


class BadLayout(Exception):
    """The layout asks for something that the device cannot do."""


@dataclass(frozen=True)
class Control:
    """One control: its kind, MIDI channel (1 to 16), controller number (0 to 127), and whether it latches."""

    id: str
    kind: str
    channel: int
    cc: int
    latch: bool = False


def read(file: Path) -> list[Control]:
    """The controls of a layout file in its order; raises BadLayout."""
    controls = [Control(**entry) for entry in tomllib.loads(file.read_text("utf-8"))["control"]]
    taken: dict[tuple[int, int], str] = {}
    for control in controls:
        if control.kind not in KINDS or not 1 <= control.channel <= 16 or not 0 <= control.cc <= 127:
            raise BadLayout(f"{file.name}: {control.id} has an unknown kind, channel or controller number")
        other = taken.setdefault((control.channel, control.cc), control.id)
        if other != control.id:
            raise BadLayout(f"{file.name}: {other} and {control.id} send the same controller")
    if not 0 < len(controls) <= 64:
        raise BadLayout(f"{file.name}: a device has 1 to 64 controls, not {len(controls)}")
    return controls
