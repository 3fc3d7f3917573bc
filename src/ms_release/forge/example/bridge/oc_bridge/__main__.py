"""The command line: `decode` and `encode`, stdin to stdout."""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from oc_bridge import __version__, cobs, midi

DEFAULT = {"channels": list(range(1, 17)), "max_frame": 64}


def decode(stream: bytes, config: dict[str, object]) -> Iterator[str]:
    """JSON lines of the frames in `stream`; a damaged frame is reported on stderr and skipped."""
    for frame in filter(None, stream.split(b"\0")):
        try:
            if len(frame) > int(str(config["max_frame"])):
                raise cobs.BadFrame(f"longer than {config['max_frame']} bytes")
            event = midi.to_event(cobs.decode(frame))
        except (cobs.BadFrame, midi.BadMessage) as damage:
            print(f"skipped a frame: {damage}", file=sys.stderr)
            continue
        if event["channel"] in list(config["channels"]):  # type: ignore[call-overload]
            yield json.dumps(event)


def encode(lines: str) -> bytes:
    """Frames, each closed by a zero byte, of JSON lines."""
    return b"".join(cobs.encode(midi.to_message(json.loads(line))) + b"\0" for line in lines.splitlines())


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="oc-bridge", description="Serial MIDI frames to JSON lines and back.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--config", type=Path, help="see config/default.toml")
    parser.add_argument("command", choices=["decode", "encode"])
    options = parser.parse_args(argv)
    if options.command == "encode":
        try:
            sys.stdout.buffer.write(encode(sys.stdin.read()))
        except (midi.BadMessage, ValueError) as bad:
            print(bad, file=sys.stderr)
            return 2
        return 0
    config = DEFAULT | (tomllib.loads(options.config.read_text("utf-8")) if options.config else {})
    for line in decode(sys.stdin.buffer.read(), config):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
