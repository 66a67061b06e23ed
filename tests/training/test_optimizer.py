"""Optimizers: what learns, what decays, and by which rule."""

from __future__ import annotations

import copy

import pytest
import torch

from resnets.net.freeze import freeze, thaw
from resnets.training.lamb import Lamb
from resnets.training.optimizer import optimizer
from resnets.training.recipes import recipe
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
        ("lamb", Lamb, {"betas": (0.8, 0.999), "lr": 0.3, "eps": 1e-6}),
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


RULES = ("sgd", "adam", "adamw", "lamb")


@pytest.mark.parametrize("decay_norms", [False, True])
def test_the_heads_groups_have_their_own_scale(decay_norms: bool) -> None:
    network = tiny.network()
    made = optimizer(network, recipe("finetune", head_lr=10.0, lr=0.02, decay_norms=decay_norms))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    scales = {names[id(p)]: (group["scale"], group["lr"]) for group in made.param_groups for p in group["params"]}
    assert {name for name, scale in scales.items() if scale[0] == 10.0} == {"head.linear.weight", "head.linear.bias"}
    assert set(scales.values()) == {(1.0, 0.02), (10.0, 0.2)}
    assert set(scales) == set(names.values())


def test_every_group_has_a_scale_of_one_where_the_head_is_as_all() -> None:
    made = optimizer(tiny.network(), recipe("finetune"))
    assert [group["scale"] for group in made.param_groups] == [1.0, 1.0]


def learn(network: torch.nn.Module, made: torch.optim.Optimizer, step: int) -> None:
    made.zero_grad()
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
    network.train()(x).square().sum().backward()
    made.step()


@pytest.mark.parametrize("name", RULES)
def test_what_is_frozen_until_later_is_in_it_and_begins_when_it_has_a_gradient(name: str) -> None:
    network = tiny.network()
    freeze(network, "C2")
    made = optimizer(network, recipe("finetune-staged", optimizer=name, lr=1e-3))
    assert set(decay_of(network, made)) == set(dict(network.named_parameters()))
    before = network.stem.conv1.weight.detach().clone()
    for step in range(2):
        learn(network, made, step)
    assert torch.equal(network.stem.conv1.weight, before)
    thaw(network)
    learn(network, made, 2)
    assert not torch.equal(network.stem.conv1.weight, before)


def test_sgd_that_begins_later_takes_the_step_that_sgd_takes_first() -> None:
    network = tiny.network()
    freeze(network, "C2")
    made = optimizer(network, recipe("finetune-staged"))
    learn(network, made, 0)
    thaw(network)
    other = copy.deepcopy(network)
    fresh = torch.optim.SGD(other.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=1e-4, fused=True)
    learn(network, made, 1)
    learn(other, fresh, 1)
    assert torch.equal(network.stem.conv1.weight, other.stem.conv1.weight)


@pytest.mark.parametrize("name", RULES[:3])  # LAMB is compared with timm's, in tests/agreement
def test_fused_or_not_a_step_is_torchs(name: str) -> None:
    network, other = tiny.network(), tiny.network()
    made = optimizer(network, recipe("mnist-notes", optimizer=name))
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    plain = kind(other.parameters(), lr=1e-4, weight_decay=0.0, **({"momentum": 0.9} if name == "sgd" else {}))
    for step in range(4):
        learn(network, made, step)
        learn(other, plain, step)
    for mine, theirs in zip(network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", RULES)
def test_it_goes_on_from_a_state_as_a_checkpoint_holds_it_to_the_last_bit(
    name: str, order: torch.memory_format
) -> None:
    """A checkpoint keeps contiguous tensors; a fused step would read them in the weights' own memory order."""
    asked = recipe("finetune", optimizer=name, lr=1e-3)

    def run(stop: int | None) -> dict[str, torch.Tensor]:
        network = tiny.network().to(memory_format=order)
        made = optimizer(network, asked)
        for step in range(5):
            if step == stop:
                state = made.state_dict()["state"]
                kept = {i: {key: value.contiguous().clone() for key, value in e.items()} for i, e in state.items()}
                made = optimizer(network, asked)
                made.load_state_dict({"state": kept, "param_groups": made.state_dict()["param_groups"]})
            learn(network, made, step)
        return network.state_dict()

    whole, stopped = run(None), run(3)
    assert [key for key in whole if not torch.equal(whole[key], stopped[key])] == []


@pytest.mark.parametrize("name", RULES)
def test_a_gradient_in_another_memory_order_is_the_same_gradient(name: str) -> None:
    def run(order: torch.memory_format) -> torch.Tensor:
        network = tiny.network().to(memory_format=torch.channels_last)
        made = optimizer(network, recipe("finetune", optimizer=name, lr=1e-3))
        chance = torch.Generator().manual_seed(0)
        for _ in range(3):
            for p in network.parameters():
                gradient = torch.randn(p.shape, generator=chance)
                p.grad = gradient.to(memory_format=order) if p.ndim == 4 else gradient
            made.step()
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    assert torch.equal(run(torch.contiguous_format), run(torch.channels_last))


@pytest.mark.parametrize("name", RULES)
def test_every_entry_of_every_state_is_a_tensor(name: str) -> None:
    network = tiny.network()
    made = optimizer(network, recipe("finetune", optimizer=name))
    learn(network, made, 0)
    states = made.state_dict()["state"]
    assert len(states) == len(list(network.parameters()))
    assert {type(value) for state in states.values() for value in state.values()} == {torch.Tensor}
