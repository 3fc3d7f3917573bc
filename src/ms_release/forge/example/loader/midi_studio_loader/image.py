"""Checks that bytes are a MIDI Studio firmware image: magic, length, CRC."""

import zlib
from dataclasses import dataclass

from midi_studio_loader.hexfile import DamagedImage

_HEADER = 8  # "MSFW", format, number of controls, length of the table (2 bytes)


@dataclass(frozen=True)
class Image:
    """A verified firmware image."""

    controls: int
    crc: int
    data: bytes


def verify(data: bytes) -> Image:
    """The image in `data`; raises DamagedImage with the first thing that is wrong."""
    if data[:4] != b"MSFW":
        raise DamagedImage("not a MIDI Studio firmware image")
    if len(data) < _HEADER + 4 or len(data) != _HEADER + int.from_bytes(data[6:8], "little") + 4:
        raise DamagedImage("the image does not have the length that it claims")
    stored = int.from_bytes(data[-4:], "little")
    if zlib.crc32(data[:-4]) != stored:
        raise DamagedImage("wrong CRC")
    return Image(controls=data[5], crc=stored, data=data)
