"""State: a run under way, as the loop changes it and as those who watch see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from resnets.net.network import ResNet
from resnets.net.world import ALONE, World
from resnets.training.balance import Balance
from resnets.training.checkpoint import Progress
from resnets.training.ema import Ema
from resnets.training.recipe import Recipe


@dataclass(kw_only=True, slots=True)
class State:
    """A run under way. What is worth keeping of it is `progress`, the modules and the optimizer's state."""

    network: ResNet
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    device: torch.device
    total: int  # steps of the whole run
    world: World = ALONE
    balance: Balance = field(default_factory=Balance)
    ema: Ema | None = None
    scaler: torch.amp.GradScaler | None = None
    progress: Progress = field(default_factory=Progress)
    forward: Callable[[Tensor], Tensor] | None = None  # the network as it is run: compiled, or in parallel
    lr: float = 0.0  # of the last step

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.progress.step

    @property
    def done(self) -> float:
        """The share of the run that is done."""
        return self.progress.step / self.total

    def is_over(self) -> bool:
        """Say whether the last step is done, or validation has not become better for too long."""
        patience = self.recipe.patience
        return self.step >= self.total or (patience is not None and self.progress.since_best >= patience)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The networks that a checkpoint keeps."""
        networks: dict[str, nn.Module] = {"network": self.network}
        return networks if self.ema is None else {**networks, "ema": self.ema.network}

    @property
    def judged(self) -> ResNet:
        """The network that is evaluated, and that becomes the model: the mean of weights, where one is kept."""
        return self.network if self.ema is None else self.ema.network


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a step saw last: a part of its batch, for those who look closer."""

    images: Tensor  # (n, C, H, W), as the network was given them
    labels: Tensor  # (n, ...)
    logits: Tensor  # (n, K) float32
    loss: float  # the mean of the whole step, over all processes


def scaler_state(scaler: torch.amp.GradScaler | None) -> dict[str, Any]:
    """Return what a scaler of gradients has learnt, JSON-able."""
    return {} if scaler is None else dict(scaler.state_dict())
