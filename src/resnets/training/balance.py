"""Balance: what the loss does about classes of which there are many pictures, or few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from resnets.training.recipe import Imbalance

LARGEST_WEIGHT = 100.0
"""Of several classes, the most that a picture which shows one weighs against those that do not, or the other way."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What each class weighs in the loss, and how frequent it is; None where that does not matter."""

    weights: Tensor | None = None  # (K,) float32
    log_prior: Tensor | None = None  # (K,) float32, natural logarithms of shares

    def to(self, device: torch.device) -> Balance:
        """Return the same numbers on a device."""
        moved = (None if tensor is None else tensor.to(device) for tensor in (self.weights, self.log_prior))
        return Balance(*moved)


def balance(labels: npt.NDArray[np.int64 | np.bool_] | Tensor, num_classes: int, imbalance: Imbalance) -> Balance:
    """Return the balance of a source's labels: int64 (N,), one class each, or bool (N, K), several.

    "weights", one class: inverse frequency, of mean 1 over the training pictures. A class without a picture weighs 1.
    "weights", several classes: negatives / positives of each, from 1/100 to 100 (`pos_weight` of torch's BCE). A class
    that no picture shows, or that all show, weighs 1.
    "logits", one class: the logarithm of each class's share, which the loss adds to the logits, so that the network
    learns what is left when the frequencies are taken away (Menon et al. 2020, arXiv:2007.07314, eq. 10, tau = 1). A
    class without a picture counts as if it had one. Several classes raise `ValueError`: each has its own prior.
    "ignore" and "sampler": nothing; a sampler changes which pictures are drawn, not what they weigh.
    """
    shown = torch.as_tensor(labels)
    several = shown.ndim == 2
    counts = shown.sum(0) if several else torch.bincount(shown, minlength=num_classes)
    if len(counts) != num_classes:
        raise ValueError(f"the labels have {len(counts)} classes and the network {num_classes}")
    if imbalance == "logits":
        if several:
            raise ValueError(
                "imbalance='logits' is for one class for each picture, and these pictures have several; "
                "allowed: ignore, weights"
            )
        present = counts.clamp(min=1).double()
        return Balance(log_prior=(present / present.sum()).log().float())
    if imbalance != "weights":
        return Balance()
    weights = _positive_weights(counts, len(shown)) if several else _inverse_frequencies(counts)
    return Balance(weights=weights.float())


def _inverse_frequencies(counts: Tensor) -> Tensor:
    present = counts > 0
    each = counts.sum().double() / (present.sum() * counts.clamp(min=1))
    return torch.where(present, each, 1.0)


def _positive_weights(counts: Tensor, pictures: int) -> Tensor:
    ratio = (pictures - counts).double() / counts.clamp(min=1)
    mixed = (counts > 0) & (counts < pictures)
    return torch.where(mixed, ratio.clamp(1 / LARGEST_WEIGHT, LARGEST_WEIGHT), 1.0)
