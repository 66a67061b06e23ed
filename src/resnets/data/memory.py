"""Memory: the pictures of an array source as one tensor, at the size and in the channels of a network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from resnets.data.decoding.colour import to_channels
from resnets.data.decoding.picture import pixels
from resnets.data.decoding.transform import is_identity
from resnets.data.source import ArraySource, Source
from resnets.spec.preprocess import Preprocess

MAX_BYTES = 1 << 30
"""Of resized pictures kept in memory; a larger set is resized again in every epoch. MNIST fits at 133x133."""


def in_memory(source: Source, preprocess: Preprocess, workers: int) -> torch.Tensor | None:
    """Return all pictures of a source as (N, C, H, W) uint8, or None where they are in files or too large.

    Pictures that are the network's size already are only rearranged. C is the preprocess's channels, except
    that grey pictures stay at one channel: a batch of them is spread over three when it is made.
    """
    if not isinstance(source, ArraySource):
        return None
    if is_identity(source.size, preprocess):
        kept = torch.from_numpy(np.array(source.pixels.transpose(0, 3, 1, 2), order="C"))
        return to_channels(kept, 1) if preprocess.channels == 1 else kept
    height, width = preprocess.size
    if len(source) * preprocess.channels * height * width > MAX_BYTES:
        return None
    resized = torch.empty((len(source), preprocess.channels, height, width), dtype=torch.uint8)

    def resize(index: int) -> None:
        resized[index] = torch.from_numpy(pixels(source.raw(index), preprocess))

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for _ in pool.map(resize, range(len(source))):
            pass
    return resized
