"""Consistent Overhead Byte Stuffing: a message without zero bytes, so that zero can end it."""


class BadFrame(Exception):
    """The bytes are not a COBS frame."""


def encode(data: bytes) -> bytes:
    """The frame of a message, without the closing zero."""
    frame = bytearray()
    for block in data.split(b"\0"):
        while len(block) >= 254:
            frame += b"\xff" + block[:254]
            block = block[254:]
        frame += bytes([len(block) + 1]) + block
    return bytes(frame)


def decode(frame: bytes) -> bytes:
    """The message of a frame; raises BadFrame."""
    data, at = bytearray(), 0
    while at < len(frame):
        length = frame[at]
        block = frame[at + 1 : at + length]
        if length == 0 or len(block) != length - 1:
            raise BadFrame("a block is cut off")
        data += block
        at += length
        if length < 255 and at < len(frame):
            data.append(0)
    return bytes(data)
