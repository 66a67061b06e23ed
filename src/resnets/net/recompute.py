"""Recomputation: a block keeps its input alone and computes the rest again when gradients need it.

Chen et al. 2016 (arXiv:1604.06174). It costs one more forward pass, and most of the memory of a step goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from resnets.net.layers import BatchNorm


def recomputed(stage: nn.Module, x: Tensor) -> Tensor:
    """Return stage(x), of which nothing is kept for the backward pass but what enters each block.

    The second pass draws what the first drew, and moves no running statistics.
    """
    for block in stage.children():
        x = _recomputed(block, x)
    return x


def _recomputed(block: nn.Module, x: Tensor) -> Tensor:
    draws = bool(getattr(block, "drop", 0.0))
    if torch.compiler.is_compiling():  # a compiled graph computes values again, and nothing else
        y: Tensor = checkpoint(block, x, use_reentrant=False, preserve_rng_state=draws)
        return y
    passes = partial(_passes, block)
    y = checkpoint(block, x, use_reentrant=False, preserve_rng_state=draws, context_fn=passes)
    return y


def _passes(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _statistics_stay(block)


@contextmanager
def _statistics_stay(block: nn.Module) -> Iterator[None]:
    """Let norms that use the batch move copies, so that they compute what they did; the others do not move at all."""
    norms = [module for module in block.modules() if isinstance(module, BatchNorm)]
    before = [(norm, norm.update_statistics, dict(norm.named_buffers(recurse=False))) for norm in norms]
    for norm, _, buffers in before:
        if norm.training if norm.batch_statistics is None else norm.batch_statistics:
            for name, buffer in buffers.items():
                setattr(norm, name, buffer.clone())
        else:
            norm.update_statistics = False
    try:
        yield
    finally:
        for norm, update, buffers in before:
            norm.update_statistics = update
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
