"""A lock between processes, so that ten workers that want the same weights fetch them once."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from resnets.weights.hub.errors import FetchError

WAIT = 0.2
"""Seconds between two looks at a lock that another process holds."""


@contextlib.contextmanager
def held(path: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold the lock file `path` while the block runs, waiting for whoever holds it.

    The operating system gives the lock back when its holder ends, even when it is killed. The wait ends because
    a holder's own work is bounded by its timeouts. Raises `FetchError` where the file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _taken(descriptor, path):
            sleep(WAIT)
        yield
    finally:
        os.close(descriptor)  # which also gives the lock back


def _taken(descriptor: int, path: Path) -> bool:
    try:
        return _take(descriptor)
    except OSError as error:
        raise FetchError(
            f"{path.parent} lies on a file system without locks ({error.strerror}), where two processes could mix "
            "their bytes; set RESNETS_CACHE to a folder on a local disk"
        ) from None


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
