"""Buffers: memory is used again when nobody looks at it, and never before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from resnets.data.buffers import KEPT, Buffers


def places(buffers: Buffers, count: int) -> set[int]:
    """Where the next tensors lie, all of which are in use at a time."""
    held = [buffers.take((4, 3)) for _ in range(count)]
    return {tensor.data_ptr() for tensor in held}


def test_memory_that_was_let_go_is_used_again() -> None:
    buffers = Buffers()
    first = places(buffers, KEPT)
    assert len(first) == KEPT
    assert places(buffers, KEPT) == first
    assert buffers.take((2, 3)).data_ptr() in first


@pytest.mark.parametrize(
    "look",
    [
        lambda tensor: tensor,
        lambda tensor: tensor[1:],
        lambda tensor: tensor.numpy(),
        lambda tensor: tensor.permute(1, 0)[0].detach(),
        lambda tensor: np.asarray(tensor)[:1, :1],
        lambda tensor: (torch.ones(4, 3, requires_grad=True) * tensor).sum(),
        lambda tensor: tensor.untyped_storage(),
        lambda tensor: torch.nn.Parameter(tensor),
    ],
)
def test_memory_that_somebody_still_looks_at_is_left_alone(look: Callable[[torch.Tensor], Any]) -> None:
    buffers = Buffers()
    tensor = buffers.take((4, 3)).fill_(7)
    place, seen = tensor.data_ptr(), look(tensor)
    del tensor
    assert place not in places(buffers, KEPT - 1)
    del seen
    assert place in places(buffers, KEPT)


def test_a_larger_batch_gets_memory_of_its_own_and_few_are_kept() -> None:
    buffers = Buffers()
    buffers.take((2, 3))
    assert buffers.take((5, 5)).shape == (5, 5)
    held = [buffers.take((5, 5)) for _ in range(10)]
    assert len({tensor.data_ptr() for tensor in held}) == 10
    assert len(buffers._pieces) == KEPT
