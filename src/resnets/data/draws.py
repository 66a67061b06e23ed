"""Draws: chance that depends on the seed, the epoch and the picture, and on nothing else.

Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") is a function from a counter and a key
to random bits. The key is (seed, epoch); the counter holds the picture and the purpose. So any picture's chance is
there at once, in any order, in any process, on any machine.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Purpose = Literal["order", "crop", "pixels", "batch"]
"""Kinds of chance that must not share their numbers: a new kind is added at the end."""


def generator(seed: int, epoch: int, purpose: Purpose, index: int = 0) -> np.random.Generator:
    """Return a generator at its start, for one purpose and one picture (or batch) of an epoch.

    `seed`, `epoch` and `index` are whole numbers from 0 to 2**64 - 1.
    """
    # The lowest of the counter's four words counts up while numbers are drawn.
    counter = np.array([0, get_args(Purpose).index(purpose), 0, index], np.uint64)
    return np.random.Generator(np.random.Philox(key=np.array([seed, epoch], np.uint64), counter=counter))


def uniforms(
    seed: int, epoch: int, purpose: Purpose, indices: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.float64]:
    """Return `count` numbers in [0, 1) for each picture: (N, count), the first that its `generator` would draw."""
    drawn = np.empty((len(indices), count))
    draw = generator(seed, epoch, purpose)
    state = draw.bit_generator.state  # set anew for each picture, in a fifth of a new generator's time
    for row, index in enumerate(indices):
        state["state"]["counter"][3] = index
        draw.bit_generator.state = state
        draw.random(out=drawn[row])
    return drawn
