"""Buffers: memory for batches that is used again once nobody looks at it any more.

A batch of numbers is tens of megabytes. The system hands such a piece out page by page and clears each first, which
takes longer than filling it; a piece that is used again costs nothing.
"""

from __future__ import annotations

import math
import sys

import numpy as np
import numpy.typing as npt
import torch

KEPT = 3
"""Pieces at a time: one that is worked on, one that is made, and one that is let go late."""


class Buffers:
    """Float32 tensors on the CPU, each in memory that no tensor in use shares."""

    def __init__(self) -> None:
        self._pieces: list[npt.NDArray[np.float32]] = []

    def take(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Return a tensor of this shape, its numbers not set."""
        count = math.prod(shape)
        for place in range(len(self._pieces)):
            # A tensor made of an array holds it until the last view of the tensor is gone. Two more know it: the
            # list, and the function that counts.
            if self._pieces[place].size >= count and sys.getrefcount(self._pieces[place]) <= 2:
                return torch.from_numpy(self._pieces[place])[:count].view(shape)
        piece = np.empty(count, np.float32)
        self._pieces = [piece, *self._pieces[: KEPT - 1]]
        return torch.from_numpy(piece).view(shape)
