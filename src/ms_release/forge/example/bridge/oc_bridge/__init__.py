"""Translates between MIDI messages on a serial line and JSON lines."""

__version__ = "0.9.1"
