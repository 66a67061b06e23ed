"""Losses: from logits and what a picture shows to one number for each picture, in nats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.data.loader import Batch
from resnets.training.balance import Balance
from resnets.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Targets:
    """What each picture shows. Where pictures were mixed, `share` of it its own label and the rest the other's."""

    labels: Tensor  # (N,) int64 one class, or (N, K) bool several
    others: Tensor | None = None  # of the pictures that were mixed in, alike
    share: Tensor | None = None  # (N,) float32, in [0, 1]

    def part(self, start: int, stop: int) -> Targets:
        """Return those of pictures `start` to `stop` of the batch."""
        parts = (None if part is None else part[start:stop] for part in (self.others, self.share))
        return Targets(self.labels[start:stop], *parts)


def targets(batch: Batch) -> Targets:
    """Return what the pictures of a whole batch show; a part of it then needs no other part."""
    if batch.partners is None or batch.share is None:
        return Targets(batch.labels)
    return Targets(batch.labels, batch.labels[batch.partners], batch.share)


def losses(logits: Tensor, targets: Targets, recipe: Recipe, balance: Balance) -> Tensor:
    """Return the loss of each picture in nats: (N, K) float32 logits -> (N,).

    Their sum over all parts and processes, divided by the number of pictures, is the loss of a batch; no part has to
    know the others. Pictures of several classes are always learnt by binary cross-entropy, of which a picture's loss
    is the mean over the classes. Raises `ValueError` for log priors without a softmax to add them to.
    """
    smoothing, threshold = recipe.label_smoothing, recipe.bce_threshold
    if targets.labels.ndim == 2:
        shown = _mixed(targets, partial(_several, logits, smoothing))
        return _binary(logits, shown, threshold, balance.weights)
    if recipe.loss == "bce":
        if balance.log_prior is not None:
            raise ValueError("imbalance='logits' needs loss='cross_entropy'; with loss='bce' take imbalance='weights'")
        each = _binary(logits, _mixed(targets, partial(_one, logits, smoothing)), threshold)
        return each if balance.weights is None else each * _mixed(targets, balance.weights.to(logits).__getitem__)
    if balance.log_prior is not None:
        logits = logits + balance.log_prior.to(logits)
    weights = None if balance.weights is None else balance.weights.to(logits)
    entropy = partial(F.cross_entropy, logits, weight=weights, label_smoothing=smoothing, reduction="none")
    return _mixed(targets, entropy)


def _mixed(targets: Targets, of: Callable[[Tensor], Tensor]) -> Tensor:
    """A function of the labels; where pictures were mixed, of both labels in the shares of the mixture."""
    own = of(targets.labels)
    if targets.others is None or targets.share is None:
        return own
    share = targets.share.to(own).reshape(-1, *[1] * (own.ndim - 1))
    return share * own + (1 - share) * of(targets.others)


def _one(logits: Tensor, smoothing: float, labels: Tensor) -> Tensor:
    """(N,) int64 -> (N, K): what is taken from the one class is spread over all, as in timm and in a softmax's loss."""
    low = smoothing / logits.shape[1]
    return torch.full_like(logits, low).scatter_(1, labels[:, None], 1 - smoothing + low)


def _several(logits: Tensor, smoothing: float, labels: Tensor) -> Tensor:
    """(N, K) bool -> (N, K): each class moves towards 1/2 on its own, as in timm."""
    return labels.to(logits) * (1 - smoothing) + smoothing / 2


def _binary(logits: Tensor, shown: Tensor, threshold: float, weights: Tensor | None = None) -> Tensor:
    """The mean over the classes, as in timm; with a threshold (its --bce-target-thresh) what exceeds it counts as 1."""
    if threshold:
        shown = (shown > threshold).to(shown)
    weights = None if weights is None else weights.to(logits)
    return F.binary_cross_entropy_with_logits(logits, shown, pos_weight=weights, reduction="none").mean(1)
