"""The command line: `check` and `flash`."""

import argparse
import sys
from pathlib import Path

from midi_studio_loader import __version__
from midi_studio_loader.hexfile import DamagedImage, parse
from midi_studio_loader.image import verify


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="midi-studio-loader", description="Flash a MIDI Studio firmware image.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="verify an image")
    check.add_argument("image", type=Path)
    flash = commands.add_parser("flash", help="verify an image and write it to the device")
    flash.add_argument("image", type=Path)
    flash.add_argument("--to", type=Path, required=True, metavar="DEVICE")
    options = parser.parse_args(argv)
    try:
        image = verify(parse(options.image.read_text("ascii")))
        if options.command == "flash":
            options.to.write_bytes(image.data)
    except (DamagedImage, UnicodeDecodeError) as damage:
        print(f"{options.image}: {damage}", file=sys.stderr)
        return 2
    except OSError as failure:
        print(f"{failure.filename}: {failure.strerror}", file=sys.stderr)
        return 1
    print(f"{len(image.data)} bytes, {image.controls} controls, CRC {image.crc:08x}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
