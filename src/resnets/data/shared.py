"""Shared: arrays that worker processes look at rather than copy.

A forked worker sees its parent's memory as it is. One that is started afresh (forkserver, spawn) is sent everything
pickled, and four workers would hold a million paths four times; so for them an array moves, once, into an anonymous
file that all of them map.
"""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
import weakref
from multiprocessing import context, reduction
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST_BYTES = 1 << 16
"""Of an array that is worth a file; a smaller one is sent."""


class SharedArray:
    """A holder of an array that nobody changes any more."""

    __slots__ = ("__weakref__", "_descriptor", "array")

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array
        self._descriptor: int | None = None

    @classmethod
    def of(cls, array: npt.NDArray[Any]) -> SharedArray:
        """Return the holder by which an array that stays where it is, such as labels, goes to every worker."""
        known = _MOVED.get(id(array))
        if known is None:
            known = cls(array)
            if _is_for_a_worker(array):
                known._move()
                _MOVED[id(array)] = known
                weakref.finalize(array, _MOVED.pop, id(array), None).atexit = False
        return known

    def __reduce__(self) -> tuple[Any, ...]:
        if sys.platform == "win32" or not _is_for_a_worker(self.array):
            return SharedArray, (self.array,)
        descriptor = self._move() if self._descriptor is None else self._descriptor
        return _attached, (reduction.DupFd(descriptor), self.array.dtype, self.array.shape)

    def _move(self) -> int:
        """Put the array into an anonymous file, and look at it there from now on."""
        array = np.ascontiguousarray(self.array)
        descriptor = _anonymous_file()
        try:
            os.truncate(descriptor, array.nbytes)
            mapped = _mapped(descriptor, array.dtype, array.shape, mmap.PROT_READ | mmap.PROT_WRITE)
            mapped[...] = array
        except BaseException:
            os.close(descriptor)
            raise
        mapped.flags.writeable = False
        self._keep(mapped, descriptor)
        return descriptor

    def _keep(self, array: npt.NDArray[Any], descriptor: int) -> None:
        self.array, self._descriptor = array, descriptor
        weakref.finalize(self, os.close, descriptor).atexit = False


_MOVED: dict[int, SharedArray] = {}
"""What workers look at in place of an array, by the array's id, for as long as it is there."""


def _is_for_a_worker(array: npt.NDArray[Any]) -> bool:
    # multiprocessing says so while it pickles for a process that it is about to start, and only then.
    is_starting = sys.platform != "win32" and context.get_spawning_popen() is not None
    return is_starting and array.nbytes >= LEAST_BYTES


def _anonymous_file() -> int:
    if sys.platform == "linux":
        # Not in /dev/shm, of which a container has 64 MB, and which the batches need.
        return os.memfd_create("resnets-shared")
    descriptor, path = tempfile.mkstemp(prefix="resnets-shared-")
    os.unlink(path)
    return descriptor


def _mapped(descriptor: int, dtype: np.dtype[Any], shape: tuple[int, ...], access: int) -> npt.NDArray[Any]:
    assert sys.platform != "win32", "there an array is sent as a copy"
    return np.frombuffer(mmap.mmap(descriptor, 0, prot=access), dtype).reshape(shape)


def _attached(sent: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> SharedArray:
    """Return, in a worker, the array that its parent has moved."""
    descriptor = sent.detach()
    shared = SharedArray(_mapped(descriptor, dtype, shape, mmap.PROT_READ))
    shared._keep(shared.array, descriptor)
    return shared
