"""Layouts are checked, images carry a right CRC, HEX lines a right checksum."""

import tempfile
import unittest
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
from firmware.image import render, to_hex
from firmware.layout import BadLayout, Control, read

KNOB = '{ id = "a", kind = "knob", channel = 1, cc = 20 }'


class Layouts(unittest.TestCase):
    def test_every_shipped_layout_is_good(self) -> None:
        for file in sorted((ROOT / "controls").glob("*.toml")):
            with self.subTest(file.name):
                self.assertGreater(len(read(file)), 0)

    def test_bad_layouts_are_refused(self) -> None:
        for entries, words in {
            KNOB.replace("knob", "wheel"): "unknown kind",
            KNOB.replace("channel = 1", "channel = 17"): "unknown kind, channel",
            KNOB.replace("cc = 20", "cc = 128"): "controller number",
            KNOB + "," + KNOB.replace('"a"', '"b"'): "a and b send the same",
            "": "not 0",
        }.items():
            with self.subTest(words), tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "layout.toml")
                file.write_text(f"control = [{entries}]")
                with self.assertRaisesRegex(BadLayout, words):
                    read(file)


class Images(unittest.TestCase):
    def test_image(self) -> None:
        image = render([Control("a", "button", 2, 80, latch=True)])
        self.assertEqual(image[:8], b"MSFW\x01\x01\x04\x00")
        self.assertEqual(image[8:12], bytes([2, 1, 80, 1]))
        self.assertEqual(image[12:], zlib.crc32(image[:12]).to_bytes(4, "little"))

    def test_hex(self) -> None:
        lines = to_hex(bytes(range(20))).splitlines()
        self.assertEqual(lines[0], ":02000004600 09A".replace(" ", ""))
        self.assertEqual(lines[-1], ":00000001FF")
        self.assertEqual([int(line[1:3], 16) for line in lines[1:-1]], [16, 4])
        for line in lines:
            self.assertEqual(sum(bytes.fromhex(line[1:])) & 0xFF, 0)


if __name__ == "__main__":
    unittest.main()
