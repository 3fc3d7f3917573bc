"""Reads firmware images and writes them to a MIDI Studio controller."""

__version__ = "1.2.0"
