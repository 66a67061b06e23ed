"""FileError: what reading or writing a file raises when the file cannot be what was asked for."""

from __future__ import annotations


class FileError(ValueError):
    """A file is absent, too large, cut short, damaged, or of another kind than was asked for."""
