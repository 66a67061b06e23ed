"""Probes: what a network answers with the batch's statistics and with the running ones, and leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

MOST_PICTURES = 64
"""Of a probe: enough for the statistics of the deepest maps, and two forward passes that are soon over."""


@dataclass(frozen=True, slots=True)
class Habit:
    """Which statistics a norm normalises with, and whether its running ones move."""

    batch: bool
    update: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the statistics of a batch are from a norm's running ones, in the median channel.

    `shift` is the distance of the means in running standard deviations, `ratio` the batch's variance over the
    running one. `distance` is Bhattacharyya's between the two normal distributions, the mean over channels: 0
    where they are equal, and it grows with the square of a shift and the logarithm of a ratio.
    """

    layer: str
    shift: float
    ratio: float
    distance: float


@dataclass(frozen=True, slots=True)
class Probe:
    """The logits (N, num_classes) of the same pictures with either statistics, and the norms, most different first."""

    batch: Tensor
    running: Tensor
    drifts: tuple[Drift, ...]


def norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Return every batch norm of a network that keeps running statistics, by name."""
    found = ((name, module) for name, module in network.named_modules() if isinstance(module, _BatchNorm))
    return {name: norm for name, norm in found if norm.running_mean is not None and norm.running_var is not None}


def habit(norm: _BatchNorm, *, training: bool) -> Habit:
    """Return what a norm does in training mode or in evaluation: ours by its switches, torch's by the mode."""
    batch = getattr(norm, "batch_statistics", None)
    update = getattr(norm, "update_statistics", None)
    return Habit(training if batch is None else batch, training if update is None else update)


def probe(network: nn.Module, images: Tensor, training: dict[str, Habit]) -> Probe:
    """Ask a network about pictures (N, C, H, W) twice: with the statistics of training, and with those of evaluation.

    `training` says which norms use the batch's statistics in training. Dropout and stochastic depth are off both
    times, so that nothing but the norms can make a difference. At most `MOST_PICTURES` are asked about.

    Parameters, buffers, modes and generators are afterwards what they were.
    """
    kept = norms(network)
    always = {name: norm for name, norm in kept.items() if habit(norm, training=False).batch}
    inside = {name: norm for name, norm in kept.items() if name in always or training[name].batch}
    weight = next(network.parameters())
    images = images[:MOST_PICTURES].to(weight.device, weight.dtype)
    drifts: dict[str, Tensor] = {}
    with torch.no_grad(), _as_asked(network), torch.autocast(images.device.type, enabled=False):
        with _own_statistics(always, {}):
            running = _logits(network(images))
        with _own_statistics(inside, drifts):
            batch = _logits(network(images))
    measured = (Drift(name, *values.tolist()) for name, values in drifts.items())
    return Probe(batch, running, tuple(sorted(measured, key=lambda drift: -drift.distance)))


def _logits(answer: object) -> Tensor:
    answer = getattr(answer, "logits", answer)
    if not isinstance(answer, Tensor) or answer.ndim != 2:
        given = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ValueError(f"the network's answer is {given}; the doctor knows logits alone: (N, num_classes)")
    return answer.float()


@contextmanager
def _as_asked(network: nn.Module) -> Iterator[None]:
    """Put every module into evaluation, with no running statistics moving; afterwards all is as it was."""
    modes = [(module, module.training) for module in network.modules()]
    switched: list[Any] = [norm for norm in norms(network).values() if hasattr(norm, "batch_statistics")]
    habits = [(norm, norm.batch_statistics, norm.update_statistics) for norm in switched]
    device = next(network.parameters()).device
    places = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(places, device_type="cuda" if device.type == "cpu" else device.type):
        try:
            for module, _ in modes:
                module.training = False  # not eval(): a network may have its own idea of what that means
            for norm in switched:
                norm.batch_statistics = norm.update_statistics = False
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            for norm, batch, update in habits:
                norm.batch_statistics, norm.update_statistics = batch, update


@contextmanager
def _own_statistics(some: dict[str, _BatchNorm], drifts: dict[str, Tensor]) -> Iterator[None]:
    """Let some norms normalise with the statistics of what they meet, and write down how far these are from their own.

    The two buffers are exchanged for others, never written to: whatever a kind of norm does besides (an activation,
    say), it goes on doing.
    """
    own = {name: (norm.running_mean, norm.running_var) for name, norm in some.items()}

    def meet(name: str, norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        x = given[0].float()
        var, mean = torch.var_mean(x, [axis for axis in range(x.ndim) if axis != 1], correction=0)
        kept_mean, kept_var = own[name]
        assert isinstance(norm, _BatchNorm) and kept_mean is not None and kept_var is not None
        drifts[name] = _drift(mean, var, kept_mean.float(), kept_var.float(), norm.eps)
        norm.running_mean, norm.running_var = mean.to(kept_mean.dtype), var.to(kept_var.dtype)

    handles = [
        norm.register_forward_pre_hook(lambda norm, given, name=name: meet(name, norm, given))
        for name, norm in some.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for name, norm in some.items():
            norm.running_mean, norm.running_var = own[name]


def _drift(mean: Tensor, var: Tensor, kept_mean: Tensor, kept_var: Tensor, eps: float) -> Tensor:
    ours, theirs = var + eps, kept_var + eps
    shift, ratio = (mean - kept_mean).abs() / theirs.sqrt(), ours / theirs
    distance = (mean - kept_mean) ** 2 / (ours + theirs) / 4 + (
        (ours + theirs) / (2 * (ours * theirs).sqrt())
    ).log() / 2
    return torch.stack([shift.median(), ratio.median(), distance.mean()])
