"""FetchError: what fetching raises when it was asked for something possible and could not be done."""

from __future__ import annotations


class FetchError(OSError):
    """Fetching failed: no connection, a server that refuses, or bytes that are not the published ones."""


class NotThere(FetchError):
    """The server has no such file; another of the same weight set may be there."""


class Unreachable(FetchError):
    """The server could not be reached, or not long enough."""
