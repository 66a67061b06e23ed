"""LAMB: Adam's step, made as long for each layer as the layer's weights are large.

You et al. 2019 (arXiv:1904.00962), Algorithm 2, as "ResNet strikes back" trained with it (arXiv:2110.00476) through
timm's `lamb`, which follows NVIDIA's: the whole gradient is cut to an L2 norm of 1 first, and what does not decay is
not adapted to its layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

LONGEST = 1.0
"""The L2 norm over all gradients that a longer one is cut to."""


class Lamb(torch.optim.Optimizer):
    """LAMB over groups that each have their own "lr", "betas", "eps" and "weight_decay".

    Every entry of its state is a tensor, `step` too, so a checkpoint can hold it; a parameter's `step` counts its own
    steps, so that one which learns later starts as all did. Gradients are not changed.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]] | Iterable[Tensor],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change every parameter that has a gradient, in place."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        learning = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        gradients = [p.grad for params in learning for p in params if p.grad is not None]
        if not gradients:
            return loss
        excess = (torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))) / LONGEST).clamp_(min=1.0)
        for group, params in zip(self.param_groups, learning, strict=True):
            if params:
                self._step_of_group(group, params, excess)
        return loss

    def _step_of_group(self, group: dict[str, Any], params: list[Tensor], excess: Tensor) -> None:
        states = [self._state_of(p) for p in params]
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        steps = [int(state["step"]) for state in states]
        means, squares = [state["exp_avg"] for state in states], [state["exp_avg_sq"] for state in states]
        gradients = torch._foreach_div([p.grad for p in params if p.grad is not None], excess)
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_div_(roots, [(1 - beta2**step) ** 0.5 for step in steps])
        torch._foreach_add_(roots, group["eps"])
        updates = torch._foreach_div(means, [1 - beta1**step for step in steps])
        torch._foreach_div_(updates, roots)
        if decay:
            torch._foreach_add_(updates, params, alpha=decay)
            torch._foreach_mul_(updates, _trust(torch._foreach_norm(params), torch._foreach_norm(updates)))
        torch._foreach_add_(params, updates, alpha=-group["lr"])

    def _state_of(self, p: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[p]
        if not state:
            state |= {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
            self.state[p] = state
        state["step"] += 1
        return state


def _trust(weights: tuple[Tensor, ...], updates: tuple[Tensor, ...]) -> list[Tensor]:
    """How long each update should be, as a multiple; 1 where weights or update are all zero."""
    weight, update = torch.stack(weights), torch.stack(updates)
    trust = torch.where((weight > 0) & (update > 0), weight / update, 1.0)
    return list(trust.unbind())
