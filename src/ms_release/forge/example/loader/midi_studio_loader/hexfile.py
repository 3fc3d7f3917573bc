"""Intel HEX text to bytes, with every checksum verified."""


class DamagedImage(Exception):
    """The text is not a complete, correct Intel HEX file, or not a firmware image."""


def parse(text: str) -> bytes:
    """The bytes of an Intel HEX file, from its lowest address on; holes are filled with 0xFF as flash is."""
    memory: dict[int, int] = {}
    base = 0
    for number, line in enumerate(text.split(), start=1):
        kind, address, data = _record(line, number)
        if kind == 0:
            memory.update({base + address + i: byte for i, byte in enumerate(data)})
        elif kind == 1:
            if not memory:
                raise DamagedImage("the file holds no data")
            return bytes(memory.get(at, 0xFF) for at in range(min(memory), max(memory) + 1))
        elif kind == 4:
            base = int.from_bytes(data, "big") << 16
        else:
            raise DamagedImage(f"line {number}: record type {kind} is not supported")
    raise DamagedImage("the end record is missing: the file is cut off")


def _record(line: str, number: int) -> tuple[int, int, bytes]:
    """Type, address and data of one line `:LLAAAATT…CC`."""
    try:
        raw = bytes.fromhex(line.removeprefix(":"))
    except ValueError:
        raise DamagedImage(f"line {number}: not hexadecimal") from None
    if not line.startswith(":") or len(raw) < 5 or len(raw) != raw[0] + 5:
        raise DamagedImage(f"line {number}: not a complete record")
    if sum(raw) & 0xFF:
        raise DamagedImage(f"line {number}: wrong checksum")
    return raw[3], int.from_bytes(raw[1:3], "big"), raw[4:-1]
