"""Three-byte MIDI messages as plain dictionaries, and back."""

from collections.abc import Mapping

# status nibble: name, first value, second value
_KINDS = {
    0x8: ("note_off", "note", "velocity"),
    0x9: ("note_on", "note", "velocity"),
    0xA: ("aftertouch", "note", "pressure"),
    0xB: ("control", "controller", "value"),
}
_STATUS = {names[0]: (status, *names[1:]) for status, names in _KINDS.items()}


class BadMessage(Exception):
    """Not a message that the bridge carries."""


def to_event(message: bytes) -> dict[str, str | int]:
    """`{"type": "control", "channel": 1, "controller": 20, "value": 64}` for the bytes B0 14 40."""
    if len(message) != 3 or message[0] >> 4 not in _KINDS or max(message[1:]) > 127:
        raise BadMessage(f"not a channel message: {message.hex(' ')}")
    kind, first, second = _KINDS[message[0] >> 4]
    return {"type": kind, "channel": (message[0] & 0xF) + 1, first: message[1], second: message[2]}


def to_message(event: Mapping[str, object]) -> bytes:
    """The three bytes of an event; raises BadMessage when a field is missing or out of range."""
    status, *names = _STATUS.get(str(event.get("type")), (None,))
    values = [event.get(name) for name in ("channel", *map(str, names))]
    if status is None or not all(isinstance(value, int) for value in values):
        raise BadMessage(f"not an event: {dict(event)}")
    channel, first, second = (int(str(value)) for value in values)
    if not (1 <= channel <= 16 and 0 <= first <= 127 and 0 <= second <= 127):
        raise BadMessage(f"out of range: {dict(event)}")
    return bytes([int(str(status)) << 4 | channel - 1, first, second])
