"""Optimizers: which numbers learn, which of them decay, and by which rule."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from resnets.training.recipe import Recipe


def optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer over everything that learns.

    Weights of convolutions and linear layers decay; norms and biases only with `decay_norms`.
    """
    learning = [p for p in network.parameters() if p.requires_grad]
    flat = [p for p in learning if p.ndim <= 1 and not recipe.decay_norms]
    bare = {id(p) for p in flat}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in learning if id(p) not in bare], "weight_decay": recipe.weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov)
        case "adam":
            return torch.optim.Adam(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999))
        case "adamw":
            return torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999))
