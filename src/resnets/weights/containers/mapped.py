"""Mapped files: a whole file as a view, of which only what is looked at comes into memory."""

from __future__ import annotations

import mmap
from pathlib import Path

from resnets.files import byte_ranges


def mapped(path: Path) -> memoryview:
    """Return a view of a file's bytes, which is gone when nobody refers to it; raise `FileError` as `opened` does."""
    with byte_ranges.opened(path) as file:
        if byte_ranges.length(file) == 0:  # which cannot be mapped
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
