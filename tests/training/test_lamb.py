"""LAMB: the paper's step by hand, and a state that a checkpoint can hold. timm's is in tests/agreement."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from resnets.training.lamb import Lamb

SHAPES = ((6, 4, 3, 3), (6,), (3, 6))


def parameters() -> list[torch.nn.Parameter]:
    chance = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=chance, dtype=torch.float64)) for shape in SHAPES]


def lamb(params: list[torch.nn.Parameter]) -> Lamb:
    bare = [p for p in params if p.ndim == 1]
    groups = [{"params": [p for p in params if p.ndim > 1], "weight_decay": 0.02}, {"params": bare}]
    return Lamb([group for group in groups if group["params"]], lr=0.01)


def give_gradients(params: list[torch.nn.Parameter], step: int, size: float = 1.0) -> None:
    chance = torch.Generator().manual_seed(step)
    for p in params:
        p.grad = size * torch.randn(p.shape, generator=chance, dtype=p.dtype)


@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_steps_are_the_papers_with_the_gradient_cut_to_a_length_of_one(size: float) -> None:
    """You et al. 2019, Algorithm 2, with phi(z) = z."""
    params = parameters()
    made = lamb(params)
    weights = [p.detach().clone() for p in params]
    m, v = ([torch.zeros_like(p) for p in weights] for _ in range(2))
    for step in range(1, 6):
        give_gradients(params, step, size)
        gradients = [p.grad for p in params]
        length = torch.cat([g.flatten() for g in gradients]).norm()
        for i, g in enumerate(gradients):
            cut = g / max(1.0, float(length))
            m[i] = 0.9 * m[i] + 0.1 * cut
            v[i] = 0.999 * v[i] + 0.001 * cut**2
            r = (m[i] / (1 - 0.9**step)) / ((v[i] / (1 - 0.999**step)).sqrt() + 1e-6)
            if weights[i].ndim > 1:
                r = r + 0.02 * weights[i]
                r = r * weights[i].norm() / r.norm()
            weights[i] = weights[i] - 0.01 * r
        made.step()
    for p, expected in zip(params, weights, strict=True):
        torch.testing.assert_close(p.detach(), expected, rtol=1e-12, atol=1e-12)


def test_the_gradients_are_not_changed() -> None:
    params = parameters()
    give_gradients(params, 1)
    before = [p.grad.clone() for p in params]
    lamb(params).step()
    assert all(torch.equal(p.grad, kept) for p, kept in zip(params, before, strict=True))


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_weights_of_zero_and_gradients_of_zero_are_no_division(size: float) -> None:
    p = torch.nn.Parameter(torch.zeros(3, 3))
    p.grad = torch.full((3, 3), size)
    Lamb([p], lr=0.1, weight_decay=0.1).step()
    assert p.isfinite().all()
    assert bool(p.any()) == bool(size)


def test_every_entry_of_its_state_is_a_tensor() -> None:
    params = parameters()
    made = lamb(params)
    give_gradients(params, 1)
    made.step()
    state = made.state_dict()["state"]
    assert len(state) == len(params)
    assert {key: type(value) for entries in state.values() for key, value in entries.items()} == dict.fromkeys(
        ("step", "exp_avg", "exp_avg_sq"), Tensor
    )


def test_it_goes_on_from_its_state_as_if_it_had_never_stopped() -> None:
    def run(stop: int | None) -> list[Tensor]:
        params = parameters()
        made = lamb(params)
        for step in range(6):
            if step == stop:
                kept = made.state_dict()
                made = lamb(params)
                made.load_state_dict(kept)
            give_gradients(params, step)
            made.step()
        return [p.detach() for p in params]

    assert all(torch.equal(a, b) for a, b in zip(run(None), run(3), strict=True))


def test_what_learns_later_counts_its_own_steps() -> None:
    params = parameters()
    made = lamb(params)
    give_gradients(params[1:], 1)
    made.step()
    give_gradients(params, 2)
    made.step()
    assert [int(made.state[p]["step"]) for p in params] == [1, 2, 2]


def test_without_a_gradient_nothing_moves() -> None:
    params = parameters()
    lamb(params).step()
    assert all(torch.equal(p, q) for p, q in zip(params, parameters(), strict=True))
