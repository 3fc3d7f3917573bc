"""The loader accepts a good image and nothing else."""

import contextlib
import io
import tempfile
import unittest
import zlib
from pathlib import Path

from midi_studio_loader.__main__ import main
from midi_studio_loader.hexfile import DamagedImage, parse
from midi_studio_loader.image import verify

TABLE = bytes([1, 0, 20, 0])
BODY = b"MSFW" + bytes([1, 1]) + len(TABLE).to_bytes(2, "little") + TABLE
IMAGE = BODY + zlib.crc32(BODY).to_bytes(4, "little")


def record(address: int, data: bytes, kind: int = 0) -> str:
    """One Intel HEX line."""
    raw = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return ":" + (raw + bytes([-sum(raw) & 0xFF])).hex().upper()


END = record(0, b"", kind=1)


class HexFile(unittest.TestCase):
    def test_records_are_joined_and_holes_filled(self) -> None:
        self.assertEqual(parse("\n".join([record(0, b"ab"), record(4, b"ef"), END])), b"ab\xff\xffef")

    def test_extended_addresses(self) -> None:
        self.assertEqual(parse("\n".join([record(0, b"\x60\x00", kind=4), record(0, b"x"), END])), b"x")

    def test_damage_is_named(self) -> None:
        good = record(0, b"ab")
        for text, words in {
            good[:-1] + "0\n" + END: "line 1: wrong checksum",
            good[1:] + "\n" + END: "line 1: not a complete record",
            good[:-2] + "\n" + END: "line 1: not a complete record",
            ":zz": "line 1: not hexadecimal",
            record(0, b"", kind=9): "record type 9",
            good: "cut off",
            END: "no data",
        }.items():
            with self.subTest(words), self.assertRaisesRegex(DamagedImage, words):
                parse(text)


class Image(unittest.TestCase):
    def test_good(self) -> None:
        self.assertEqual(verify(IMAGE).controls, 1)

    def test_damaged(self) -> None:
        for data, words in {
            b"ELF" + IMAGE[3:]: "not a MIDI Studio",
            IMAGE[:-1]: "length",
            IMAGE[:8] + b"\xee" + IMAGE[9:]: "CRC",
        }.items():
            with self.subTest(words), self.assertRaisesRegex(DamagedImage, words):
                verify(data)


class CommandLine(unittest.TestCase):
    def test_flash_writes_the_image_and_nothing_when_damaged(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            image, device = Path(folder, "firmware.hex"), Path(folder, "device.bin")
            quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
            with quiet[0], quiet[1]:
                image.write_text(record(0, IMAGE[:-1]) + "\n" + END)
                self.assertEqual(main(["flash", str(image), "--to", str(device)]), 2)
                self.assertFalse(device.exists())
                image.write_text(record(0, IMAGE) + "\n" + END)
                self.assertEqual(main(["flash", str(image), "--to", str(device)]), 0)
            self.assertEqual(device.read_bytes(), IMAGE)


if __name__ == "__main__":
    unittest.main()
