"""A hostile sample: bytes, and the documented exit code that the program must end with (SPEC 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

SECONDS = 1.0
"""What reading one sample may take."""
MEMORY = 64 << 20
"""Bytes that reading one sample may take on top."""


@dataclass(frozen=True)
class Sample:
    """`exit`: 0 = harmless after all, and then it must really be read."""

    name: str
    data: bytes
    exit: int


@dataclass(frozen=True)
class Kind:
    """One class of input: how the program reads it, and the samples."""

    read: Callable[[bytes], object]
    samples: Callable[[], Iterator[Sample]]
