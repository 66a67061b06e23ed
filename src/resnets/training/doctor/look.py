"""Looks: what a rule is shown of a run, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from resnets.training.doctor.finding import Finding
from resnets.training.doctor.probe import Habit, Probe
from resnets.training.recipe import Recipe

SHOWN = 3
"""Layers that a sentence names; the finding lists all."""

Confusion = tuple[tuple[int, ...], ...]
"""confusion[t][p]: pictures of class t that were answered p."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What a network was like: a number for each tensor's bits, what did not learn, which norms stood still."""

    step: int
    prints: Mapping[str, int]  # of parameters and running statistics, by name
    frozen: frozenset[str]  # parameters without a gradient
    resting: frozenset[str]  # norms whose running statistics are not updated


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """Means of the loss: over the first steps the doctor saw, and since the last epoch."""

    first: float = 0.0
    latest: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One look at a run, or at a network alone. What was not looked at is None."""

    network: nn.Module
    norms: Mapping[str, _BatchNorm]
    habits: Mapping[str, Habit]  # what each norm does in training
    step: int = 0
    seen: int = 0  # steps since the doctor came
    recipe: Recipe | None = None
    classes: tuple[str, ...] = ()
    fresh_head: bool = False
    several: bool = False
    left_alone: frozenset[str] = frozenset()  # norms that the recipe freezes
    images: Tensor | None = None  # (N, C, H, W)
    labels: Tensor | None = None  # (N,), or (N, num_classes) with several classes a picture
    logits: Tensor | None = None  # (N, num_classes)
    loss: float = 0.0
    losses: Losses = field(default_factory=Losses)
    probe: Probe | None = None
    first: Snapshot | None = None
    before: Snapshot | None = None
    now: Snapshot | None = None
    done: float = 0.0  # share of the run
    confusion: Confusion | None = None
    confusion_before: Confusion | None = None
    waited: float = 0.0
    seconds: float = 0.0
    epochs: int = 0  # that the doctor has seen the end of


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a rule found. Of one rule and cause it is said once, and again when it became much worse."""

    finding: Finding
    badness: float = 1.0
    cause: str = ""


def snapshot(network: nn.Module, norms: Mapping[str, _BatchNorm], habits: Mapping[str, Habit], step: int) -> Snapshot:
    """Return what a network is like now; one pass over its numbers, and one answer from the device."""
    parameters = dict(network.named_parameters())
    tensors: dict[str, Tensor] = dict(parameters)
    for name, norm in norms.items():
        assert norm.running_mean is not None and norm.running_var is not None
        tensors |= {f"{name}.running_mean": norm.running_mean, f"{name}.running_var": norm.running_var}
    with torch.no_grad():
        sums = [_bits(tensor).sum(dtype=torch.int64) for tensor in tensors.values()]
        numbers = torch.stack(sums).tolist() if sums else []
    return Snapshot(
        step=step,
        prints=dict(zip(tensors, numbers, strict=True)),
        frozen=frozenset(name for name, parameter in parameters.items() if not parameter.requires_grad),
        resting=frozenset(name for name, habit in habits.items() if not habit.update),
    )


def moved(name: str, before: Snapshot, now: Snapshot) -> bool:
    """Say whether a norm's running statistics or a parameter are other numbers than before."""
    names = [name] if name in now.prints else [f"{name}.running_mean", f"{name}.running_var"]
    return any(before.prints.get(each) != now.prints[each] for each in names)


def listed(names: tuple[str, ...]) -> str:
    """Return the first names as a part of a sentence."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _bits(tensor: Tensor) -> Tensor:
    kinds = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return tensor.detach().view(kinds[tensor.element_size()])
