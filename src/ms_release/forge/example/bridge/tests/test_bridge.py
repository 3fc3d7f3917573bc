"""What goes in comes out again; what is damaged is skipped."""

import contextlib
import io
import json
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).parents[1]
from oc_bridge import cobs, midi
from oc_bridge.__main__ import DEFAULT, decode, encode


class Cobs(unittest.TestCase):
    def test_round_trip(self) -> None:
        for data in [b"", b"\0", b"a", b"\0\0a\0", bytes(range(256)), b"x" * 254, b"x" * 254 + b"\0", b"y" * 600]:
            with self.subTest(length=len(data)):
                frame = cobs.encode(data)
                self.assertNotIn(0, frame)
                self.assertEqual(cobs.decode(frame), data)

    def test_cut_off(self) -> None:
        with self.assertRaises(cobs.BadFrame):
            cobs.decode(cobs.encode(b"abc")[:-1])


class Midi(unittest.TestCase):
    def test_every_kind_goes_round(self) -> None:
        for status in (0x80, 0x91, 0xA2, 0xBF):
            message = bytes([status, 20, 64])
            self.assertEqual(midi.to_message(midi.to_event(message)), message)

    def test_bad_events(self) -> None:
        good = {"type": "control", "channel": 1, "controller": 20, "value": 64}
        for change in ({"type": "song"}, {"channel": 0}, {"value": 128}, {"controller": None}):
            with self.subTest(change), self.assertRaises(midi.BadMessage):
                midi.to_message(good | change)


class Bridge(unittest.TestCase):
    def test_there_and_back(self) -> None:
        lines = [json.dumps(midi.to_event(bytes([0x90, note, 100]))) for note in (0, 60, 127)]
        self.assertEqual(list(decode(encode("\n".join(lines)), DEFAULT)), lines)

    def test_channels_and_damage_are_left_out(self) -> None:
        stream = encode(json.dumps(midi.to_event(b"\xb1\x07\x01"))) + b"\x09bad\0" + b"\x01" * 99 + b"\0"
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(len(list(decode(stream, DEFAULT))), 1)
            self.assertEqual(list(decode(stream, DEFAULT | {"channels": [1]})), [])
        self.assertIn("cut off", errors.getvalue())
        self.assertIn("longer than 64", errors.getvalue())

    def test_the_shipped_configuration_is_the_default(self) -> None:
        self.assertEqual(tomllib.loads((ROOT / "config/default.toml").read_text("utf-8")), DEFAULT)


if __name__ == "__main__":
    unittest.main()
