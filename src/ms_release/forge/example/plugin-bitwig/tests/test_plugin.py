"""The mapping fits the script, and the archive is complete and reproducible."""

import json
import tempfile
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
from build import build


class Mapping(unittest.TestCase):
    def setUp(self) -> None:
        self.mapping = json.loads((ROOT / "src/mapping.json").read_text("utf-8"))
        self.script = (ROOT / "src/midi_studio.control.js").read_text("utf-8")

    def test_controllers_exist(self) -> None:
        self.assertIn(self.mapping["channel"], range(1, 17))
        for number in self.mapping["controls"]:
            self.assertIn(int(number), range(128))

    def test_no_action_is_mapped_twice_and_each_is_in_the_script(self) -> None:
        actions = list(self.mapping["controls"].values())
        self.assertEqual(len(actions), len(set(actions)))
        for action in actions:
            self.assertIn(f'"{action.rstrip("1234")}', self.script)


class Archive(unittest.TestCase):
    def test_same_sources_same_bytes(self) -> None:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            first, second = build(Path(one)), build(Path(two))
            self.assertEqual(first.read_bytes(), second.read_bytes())
            with zipfile.ZipFile(first) as archive:
                self.assertIn(json.loads(archive.read("manifest.json"))["main"], archive.namelist())
                self.assertIn("mapping.json", archive.namelist())


if __name__ == "__main__":
    unittest.main()
