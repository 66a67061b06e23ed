"""Parts: what is left of the batches of a plan where pictures are bad, and how parts of one are joined to others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resnets.data.order import Indices


@dataclass(frozen=True, slots=True)
class Part:
    """The good pictures of one planned batch, or of two that were joined."""

    images: Tensor
    indices: Indices
    after: int
    partners: Tensor | None = None
    share: Tensor | None = None


def without_singles(parts: Iterator[Part]) -> Iterator[Part]:
    """Join a batch that bad pictures have left with one to the next, or the last one to the one before."""
    ready: Part | None = None
    single: Part | None = None
    for part in parts:
        whole = part if single is None else _joined(single, part)
        single = None
        if len(whole.indices) == 1:
            single = whole
            continue
        if ready is not None:
            yield ready
        ready = whole
    if single is not None:
        ready = single if ready is None else _joined(ready, single)
    if ready is not None:
        yield ready


def _joined(first: Part, second: Part) -> Part:
    images = torch.cat([first.images, second.images])
    indices = np.concatenate([first.indices, second.indices])
    if first.share is None and second.share is None:
        return Part(images, indices, second.after)
    (partners, share), (more_partners, more_share) = map(_mixed, (first, second))
    partners = torch.cat([partners, more_partners + len(first.indices)])
    return Part(images, indices, second.after, partners, torch.cat([share, more_share]))


def _mixed(part: Part) -> tuple[Tensor, Tensor]:
    """The partners and shares of a part; a part that was not mixed is wholly itself."""
    if part.partners is None or part.share is None:
        count, device = len(part.indices), part.images.device
        return torch.arange(count, device=device), torch.ones(count, device=device)
    return part.partners, part.share
