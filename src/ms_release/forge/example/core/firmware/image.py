"""Turns controls into a firmware image, and an image into Intel HEX."""

import zlib

from firmware.layout import KINDS, Control

FORMAT = 1
BASE = 0x6000_0000  # where the controller's flash begins


def render(controls: list[Control]) -> bytes:
    """The image: header, one four-byte entry a control, CRC-32."""
    table = b"".join(bytes([KINDS[c.kind], c.channel - 1, c.cc, int(c.latch)]) for c in controls)
    body = b"MSFW" + bytes([FORMAT, len(controls)]) + len(table).to_bytes(2, "little") + table
    return body + zlib.crc32(body).to_bytes(4, "little")


def to_hex(image: bytes) -> str:
    """Intel HEX of an image that lies at BASE; 16 bytes a line."""
    lines = [_record(0, (BASE >> 16).to_bytes(2, "big"), kind=4)]
    lines += [_record(at, image[at : at + 16]) for at in range(0, len(image), 16)]
    return "\n".join([*lines, _record(0, b"", kind=1)]) + "\n"


def _record(address: int, data: bytes, kind: int = 0) -> str:
    raw = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return ":" + (raw + bytes([-sum(raw) & 0xFF])).hex().upper()
