"""Optimizers: which numbers learn, which of them decay, and by which rule."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from resnets.training.lamb import Lamb
from resnets.training.recipe import Recipe


def optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer over everything that learns, now or, with `thaw`, later.

    Weights of convolutions and linear layers decay; norms and biases only with `decay_norms`. A group's "scale" is
    what multiplies the schedule's rate there: `head_lr` in the head's groups, else 1. The order of the parameters
    depends on the recipe and the network's names alone, so a checkpoint's numbers find their way back.
    """
    learning = [(name, p) for name, p in network.named_parameters() if p.requires_grad or recipe.thaw is not None]
    groups = []
    for is_head, is_bare in product((False, True), repeat=2):
        params = [
            p
            for name, p in learning
            if is_head == (recipe.head_lr != 1 and name.startswith("head."))
            and is_bare == (p.ndim <= 1 and not recipe.decay_norms)
        ]
        scale = recipe.head_lr if is_head else 1.0
        facts = {"lr": recipe.lr * scale, "scale": scale, "weight_decay": 0.0 if is_bare else recipe.weight_decay}
        groups.append({"params": params, **facts})
    made = _rule([group for group in groups if group["params"]], recipe)
    made.register_step_pre_hook(_lay_out_gradients)
    made.register_load_state_dict_post_hook(_lay_out_state)
    return made


def _rule(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    # One kernel for a whole step, about a third of the time of torch's default on a CPU; the same bits every time.
    lr, betas, fused = recipe.lr, (recipe.momentum, 0.999), True
    match recipe.optimizer:
        case "sgd":
            made = torch.optim.SGD(groups, lr=lr, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused)
            if recipe.momentum:  # there from the start, so that what is frozen now may begin later than the others
                for p in _parameters(made):
                    made.state[p]["momentum_buffer"] = torch.zeros_like(p)
            return made
        case "adam":
            return torch.optim.Adam(groups, lr=lr, betas=betas, fused=fused)
        case "adamw":
            return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused)
        case "lamb":
            return Lamb(groups, lr=lr, betas=betas)


def _parameters(made: torch.optim.Optimizer) -> Iterator[Tensor]:
    return (p for group in made.param_groups for p in group["params"])


# A fused step walks through memory and not through a tensor: what it reads for a parameter has to lie as that lies.
# Nobody checks, and a gradient or a momentum in another memory order would silently be that of other weights.


def _lay_out_gradients(made: torch.optim.Optimizer, *_: object) -> None:
    for p in _parameters(made):
        if p.grad is not None:
            p.grad = _like(p.grad, p)


def _lay_out_state(made: torch.optim.Optimizer) -> None:
    for p, state in made.state.items():
        state |= {name: _like(entry, p) for name, entry in state.items() if entry.shape == p.shape}


def _like(tensor: Tensor, p: Tensor) -> Tensor:
    """The same numbers in the memory order of p; the tensor itself where that is so already."""
    matters = [(tensor.stride(d), p.stride(d)) for d in range(p.ndim) if p.shape[d] > 1]
    return tensor if all(a == b for a, b in matters) else torch.empty_like(p).copy_(tensor)
