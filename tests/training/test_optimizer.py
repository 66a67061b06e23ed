"""Optimizers: what learns, what decays, and by which rule."""

from __future__ import annotations

import pytest
import torch

from resnets.net.freeze import freeze
from resnets.training.optimizer import optimizer
from resnets.training.recipe import recipe
from tests import tiny


def decay_of(network: torch.nn.Module, made: torch.optim.Optimizer) -> dict[str, float]:
    """Name of every parameter that learns -> its weight decay."""
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {names[id(p)]: group["weight_decay"] for group in made.param_groups for p in group["params"]}


def test_as_in_the_paper_everything_decays() -> None:
    """He et al. 2015, section 3.4: a weight decay of 0.0001, on all parameters as in Caffe."""
    network = tiny.network()
    decays = decay_of(network, optimizer(network, recipe("cifar-he2015")))
    assert decays == dict.fromkeys(dict(network.named_parameters()), 1e-4)


def test_without_decay_norms_only_weights_of_convolutions_and_linear_layers_decay() -> None:
    network = tiny.network(conv_bias=("stem", "inner"), shortcut="projection")
    decays = decay_of(network, optimizer(network, recipe("mnist", weight_decay=0.5)))
    assert set(decays) == set(dict(network.named_parameters()))
    weights = {
        f"{name}.weight"
        for name, layer in network.named_modules()
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)
    }
    assert {name for name, decay in decays.items() if decay == 0.5} == weights
    assert {decay for name, decay in decays.items() if name not in weights} == {0.0}


def test_what_is_frozen_is_not_in_the_optimizer() -> None:
    network = tiny.network()
    freeze(network, "C2")
    names = decay_of(network, optimizer(network, recipe("finetune")))
    assert names
    assert not [name for name in names if name.startswith(("stem.", "stages.0."))]
    assert "stages.1.0.branch.conv1.weight" in names


@pytest.mark.parametrize(
    ("name", "kind", "numbers"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.8, "nesterov": True, "lr": 0.3}),
        ("adam", torch.optim.Adam, {"betas": (0.8, 0.999), "lr": 0.3}),
        ("adamw", torch.optim.AdamW, {"betas": (0.8, 0.999), "lr": 0.3}),
    ],
)
def test_the_recipe_chooses_the_rule_and_its_numbers(
    name: str, kind: type[torch.optim.Optimizer], numbers: dict[str, object]
) -> None:
    made = optimizer(tiny.network(), recipe("digits", optimizer=name, lr=0.3, momentum=0.8, nesterov=True))
    assert type(made) is kind
    for group in made.param_groups:
        assert {key: group[key] for key in numbers} == numbers


def test_a_step_of_sgd_is_the_papers_momentum_with_l2_in_the_gradient() -> None:
    network = tiny.network()
    made = optimizer(network, recipe("cifar-he2015"))
    weight = network.stem.conv1.weight
    before, velocity = weight.detach().clone(), torch.zeros_like(weight)
    for _ in range(3):
        gradient = torch.full_like(weight, 0.25)
        weight.grad = gradient.clone()
        velocity = 0.9 * velocity + gradient + 1e-4 * before
        before = before - 0.1 * velocity
        made.step()
    assert torch.allclose(weight, before, atol=1e-7)
