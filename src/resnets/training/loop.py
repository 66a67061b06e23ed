"""The loop: batch, logits, loss, gradient, step; and between them, someone who watches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from resnets.data.loader import Batch, Loader
from resnets.net.network import ResNet
from resnets.training.precision import autocast, lay_out
from resnets.training.recipe import Recipe
from resnets.training.schedule import rate


@dataclass(kw_only=True, slots=True)
class State:
    """A run under way. `seconds` counts training alone; `loss` and `right` add up since the last report."""

    network: ResNet
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    device: torch.device
    total: int  # steps of the whole run
    step: int = 0
    epoch: int = 0  # whole passes behind us
    seconds: float = 0.0
    lr: float = 0.0
    waited: float = 0.0  # of `seconds` since the last report: for pictures
    reported: float = 0.0  # `seconds` at the last report
    loss: float = 0.0
    right: int = 0
    seen: int = 0


class Diverged(FloatingPointError):
    """The loss is no longer a number."""


class Watcher(Protocol):
    """Looks at a run as it goes."""

    def step(self, state: State) -> None:
        """See the run after a step."""

    def epoch(self, state: State) -> None:
        """See the run at the end of a pass over the pictures, or of the run."""


def fit(state: State, loader: Loader, watcher: Watcher) -> None:
    """Train from `state.epoch` until `state.total` steps are done, in place.

    Order, augmentation and dropout of an epoch depend on the seed and the epoch alone, so a run that starts
    again at the beginning of an epoch goes on as if it had never stopped.
    """
    while state.step < state.total:
        torch.manual_seed(state.recipe.seed + state.epoch)
        state.network.train()
        start = time.perf_counter()
        for batch in loader.epoch(state.epoch):
            train_step(state, batch)
            state.seconds += time.perf_counter() - start
            state.waited += batch.waited
            watcher.step(state)
            if state.step == state.total:
                break
            start = time.perf_counter()
        state.epoch += 1
        watcher.epoch(state)


def train_step(state: State, batch: Batch) -> None:
    """Learn from one batch, in place; raise `Diverged` when the loss is no longer a number."""
    recipe = state.recipe
    images = lay_out(batch.images, recipe.precision, state.device)
    labels = batch.labels
    state.lr = rate(recipe, (state.step + 0.5) / state.total)  # in the middle of the step
    for group in state.optimizer.param_groups:
        group["lr"] = state.lr
    with autocast(recipe.precision, state.device):
        logits = state.network(images)
    loss = _loss(logits.float(), batch, recipe.label_smoothing)
    value = loss.item()
    if not isfinite(value):
        raise Diverged(
            f"the loss became {value} at step {state.step + 1} with a learning rate of {state.lr:.3g}; "
            f"train again with a lower --lr, such as {recipe.lr / 3:.2g}, or with --precision fp32"
        )
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.step += 1
    state.loss += value * len(labels)
    state.right += int((logits.detach().argmax(1) == labels).sum())
    state.seen += len(labels)


def _loss(logits: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """The cross-entropy; where pictures were mixed, that of both labels in the shares of the mixture."""
    if not len(batch):  # all of one process's pictures are bad; it still takes part
        return logits.sum()
    if batch.partners is None or batch.share is None:
        return F.cross_entropy(logits, batch.labels, label_smoothing=smoothing)
    each = partial(F.cross_entropy, logits, label_smoothing=smoothing, reduction="none")
    own, other = each(batch.labels), each(batch.labels[batch.partners])
    return (batch.share * own + (1 - batch.share) * other).mean()
