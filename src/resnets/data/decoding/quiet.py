"""Quiet: Pillow's warnings of damaged metadata, kept from the user of a picture that decodes all the same."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_stack = ExitStack()
_inside = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out Pillow's warnings while inside, in any number of threads at once.

    The filters of warnings belong to the whole process, so the first thread in changes them and the last one
    out puts them back: each doing it for itself would put back what another had changed.
    """
    global _inside
    with _lock:
        if not _inside:
            _stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _stack.close()
