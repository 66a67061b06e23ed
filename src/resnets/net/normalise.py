"""Normalise: from pixels to the numbers that a network takes."""

from __future__ import annotations

import torch

from resnets.spec.preprocess import Preprocess


def normalise(batch: torch.Tensor, preprocess: Preprocess, out: torch.Tensor | None = None) -> torch.Tensor:
    """Return a (N, C, H, W) batch in [0, 255], uint8 or float32, as (batch / 255 - mean) / std in float32.

    `out` is memory of that shape and type to be used for it.

    The batch is red, green, blue. For colour="bgr" its channels are turned round first, so mean and std are
    in the order that the network sees. The batch given is not changed.
    """
    if preprocess.colour == "bgr":
        batch = batch.flip(1)
    mean, std = (
        torch.tensor(values, dtype=torch.float32, device=batch.device).view(1, -1, 1, 1)
        for values in (preprocess.mean, preprocess.std)
    )
    numbers = batch.to(torch.float32, copy=True) if out is None else out.copy_(batch)
    return numbers.div_(255).sub_(mean).div_(std)
