"""The loop: batch, logits, loss, gradient, step; and between them, someone who watches."""

from __future__ import annotations

import time
from hashlib import sha256
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor

from resnets.data.loader import Batch, Loader
from resnets.net.freeze import thaw
from resnets.training.loss import Targets, losses, targets
from resnets.training.memory import OUT_OF_MEMORY, in_smaller_parts, parts
from resnets.training.parallel import run_forward, shares, sums_gradients, takes_part
from resnets.training.precision import autocast, lay_out
from resnets.training.schedule import rate, side, thawed
from resnets.training.state import Seen, State


class Diverged(FloatingPointError):
    """The loss is no longer a number."""


class Watcher(Protocol):
    """Looks at a run as it goes."""

    def step(self, state: State, seen: Seen) -> None:
        """See the run after a step."""

    def epoch(self, state: State) -> None:
        """See the run at the end of a pass over the pictures, or of the run."""


def fit(state: State, loader: Loader, watcher: Watcher, until: int | None = None) -> None:
    """Train from where `state.progress` stands until the run is over (or step `until` is done), in place.

    Order and augmentation depend on the seed, the epoch and the picture alone, what a network leaves out at random on
    the seed, the step and the process. So a run that starts again at any step goes on as if it had never stopped.
    """
    progress = state.progress
    end = state.total if until is None else until
    while not state.is_over() and progress.step < end:
        size = side(state.recipe, progress.epoch_step / state.total, loader.preprocess.size)
        batches = (loader if size == loader.preprocess.size else loader.resized(size)).epoch(
            progress.epoch, progress.batch
        )
        start = time.perf_counter()
        for batch in batches:
            seen = _step(state, batch)
            progress.batch = batch.after
            progress.seconds += time.perf_counter() - start
            progress.waited += batch.waited
            if seen is not None:
                watcher.step(state, seen)
            if state.is_over() or progress.step >= end:
                break
            start = time.perf_counter()
        if progress.step >= end and until is not None:
            return
        progress.epoch, progress.batch, progress.epoch_step = progress.epoch + 1, 0, progress.step
        watcher.epoch(state)


def _step(state: State, batch: Batch) -> Seen | None:
    """A step; where memory runs out, the same step again in smaller parts."""
    while True:
        try:
            return train_step(state, batch)
        except OUT_OF_MEMORY as error:
            in_smaller_parts(state, len(batch), error)


def train_step(state: State, batch: Batch) -> Seen | None:
    """Learn from one batch, in place; raise `Diverged` when the loss is no longer a number.

    None, and no step, where no process has a picture of it: all are bad.
    """
    recipe, world, progress = state.recipe, state.world, state.progress
    mine = shares(world, len(batch))
    count = sum(mine)
    if not count:
        return None
    done = (progress.step + 0.5) / state.total  # in the middle of the step
    if recipe.thaw is not None and thawed(recipe, done) and thaw(state.network):
        state.forward = None  # what runs it in parallel knows only what learnt when it was made
    state.network.train()
    state.lr = rate(recipe, done)
    for group in state.optimizer.param_groups:
        group["lr"] = state.lr * group["scale"]
    torch.manual_seed(_chance(recipe.seed, progress.step, world.rank))  # of dropout and stochastic depth
    images, labels = lay_out(batch.images, recipe.precision, state.device), targets(batch)
    total, seen = torch.zeros(2, dtype=torch.float64), None  # loss and right answers
    state.optimizer.zero_grad()
    cuts = parts(len(batch), progress.accumulate, min(mine))
    for number, (start, stop) in enumerate(cuts, 1):
        with sums_gradients(state, last=number == len(cuts)):
            seen = _learn(state, images[start:stop], labels.part(start, stop), count, total)
    loss, right = world.sum(total).tolist()
    loss /= count
    if not isfinite(loss):
        raise Diverged(
            f"the loss became {loss} at step {progress.step + 1} with a learning rate of {state.lr:.3g}; "
            f"train again with a lower --lr, such as {recipe.lr / 3:.2g}, or with --precision fp32"
        )
    _update(state)
    progress.step += 1
    progress.loss += loss * count
    progress.right += int(right)
    progress.seen += count
    assert seen is not None
    return Seen(images=seen[0], labels=seen[1].labels, logits=seen[2], loss=loss)


def _chance(seed: int, step: int, process: int) -> int:
    """A seed of 32 bits, which is what torch's generator keeps of one; sums would give seed 1 what seed 0 has later."""
    return int.from_bytes(sha256(f"{seed} {step} {process}".encode()).digest()[:4], "big")


def _learn(state: State, images: Tensor, labels: Targets, count: int, total: Tensor) -> tuple[Tensor, Targets, Tensor]:
    """Add the gradient of one part of a batch of `count`, and its loss and right answers to `total`."""
    with takes_part(state, images) as (images, weight):
        with autocast(state.recipe.precision, state.device):
            logits = run_forward(state, images).float()
        each = losses(logits, labels, state.recipe, state.balance) if weight else logits.sum(1) * 0
        loss = each.sum() * (state.world.size / count)  # the mean of the whole batch, once processes are averaged
        (loss if state.scaler is None else state.scaler.scale(loss)).backward()  # type: ignore[no-untyped-call]
    logits = logits.detach()
    if weight:
        total += torch.tensor([each.sum().item(), right_answers(logits, labels.labels)], dtype=torch.float64)
    return images, labels, logits


def right_answers(logits: Tensor, labels: Tensor) -> int:
    """Return how many pictures are answered rightly: by the class, or, where there may be several, by all of them."""
    if labels.dtype == torch.bool:
        return int(((logits > 0) == labels).all(1).sum())
    return int((logits.argmax(1) == labels).sum())


def _update(state: State) -> None:
    """Take the step that the gradients ask for."""
    if state.scaler is not None:
        state.scaler.unscale_(state.optimizer)
    if state.recipe.clip is not None:
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), state.recipe.clip)
    if state.scaler is None:
        state.optimizer.step()
    else:
        state.scaler.step(state.optimizer)
        state.scaler.update()
    if state.ema is not None:
        state.ema.update(state.network, state.step + 1)
