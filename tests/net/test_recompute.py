"""Recomputation: the same bits, in less memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from resnets.net.depth import stochastic_depth
from resnets.net.freeze import batch_norm_mode, freeze
from resnets.net.network import ResNet, build

NARROW = {"blocks": (2, 2), "stem_width": 4, "widths": (4, 8), "num_classes": 3}
KINDS = ("resnet20_cifar", "resnet164v2_cifar", "plain20_cifar")


def made(kind: str, recompute: bool, prepare: str, channels_last: bool = False) -> dict[str, Tensor]:
    """Two steps of a network: its outputs, its gradients, and all that it then holds."""
    network = build(kind, seed=0, **NARROW).train()
    network.recompute = recompute
    order = torch.channels_last if channels_last else torch.contiguous_format
    network.to(memory_format=order)
    PREPARED[prepare](network)
    found: dict[str, Tensor] = {}
    for step in range(2):
        torch.manual_seed(step)
        x = torch.randn(4, 3, 16, 16).contiguous(memory_format=order)
        with torch.autocast("cpu", torch.bfloat16, enabled=channels_last):
            logits = network(x)
        logits.float().square().sum().backward()
        found |= {f"logits {step}": logits.detach(), f"draw {step}": torch.rand(3)}
    found |= {f"gradient of {name}": p.grad for name, p in network.named_parameters() if p.grad is not None}
    return found | network.state_dict()


PREPARED = {
    "as it is": lambda network: None,
    "stochastic depth": lambda network: stochastic_depth(network, 0.5),
    "frozen": lambda network: freeze(network, "C2"),
    "running statistics that move": lambda network: batch_norm_mode(
        network, batch_statistics=False, update_statistics=True
    ),
    "batch statistics that stay": lambda network: batch_norm_mode(
        network, batch_statistics=True, update_statistics=False
    ),
}


@pytest.mark.parametrize("prepare", PREPARED)
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_gradients_statistics_and_generators_are_the_same_bits(kind: str, prepare: str) -> None:
    if kind == "plain20_cifar" and prepare == "stochastic depth":
        return
    kept, again = made(kind, False, prepare), made(kind, True, prepare)
    assert list(kept) == list(again)
    assert [name for name in kept if not torch.equal(kept[name], again[name])] == []


def test_they_are_the_same_bits_in_bf16_too() -> None:
    kept, again = (made("resnet20_cifar", recompute, "stochastic depth", True) for recompute in (False, True))
    assert [name for name in kept if not torch.equal(kept[name], again[name])] == []


def kept_bytes(network: ResNet) -> int:
    """Bytes that the forward pass keeps for the backward pass."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits = network(torch.randn(8, 3, 32, 32))
    assert logits.requires_grad
    return sum(storages.values())


def test_a_block_keeps_its_input_alone() -> None:
    network = build("resnet20_cifar", seed=0).train()
    whole = kept_bytes(network)
    network.recompute = True
    assert kept_bytes(network) < whole / 3


def test_levels_are_computed_again_too() -> None:
    network = build("resnet20_cifar", seed=0, **NARROW).train()
    x = torch.randn(4, 3, 16, 16)
    network.recompute = True
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor):
        again = network.levels(x)
    network.recompute = False
    assert all(torch.equal(again[level], kept) for level, kept in network.levels(x).items())


@pytest.mark.parametrize(("training", "gradients"), [(False, True), (True, False)])
def test_nothing_is_computed_again_where_there_is_no_training(training: bool, gradients: bool) -> None:
    network = build("resnet20_cifar", seed=0, **NARROW).train(training)
    network.recompute = True
    calls = []
    network.stages[0].register_forward_hook(lambda *_: calls.append(1))  # a stage as a whole: no block by block
    with torch.set_grad_enabled(gradients):
        network(torch.randn(2, 3, 16, 16))
    assert calls == [1]


def test_a_network_that_recomputes_has_the_same_names() -> None:
    network = build("resnet20_cifar", device="meta")
    names = list(network.state_dict())
    network.recompute = True
    assert list(network.state_dict()) == names


def test_compiled_code_moves_the_statistics_once_too() -> None:
    torch.compiler.reset()
    kept, again = (build("resnet20_cifar", seed=0, **NARROW).train() for _ in range(2))
    again.recompute = True
    x = torch.randn(4, 3, 16, 16)
    kept(x).square().sum().backward()
    torch.compile(again, backend="aot_eager")(x).square().sum().backward()
    for name, tensor in kept.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, msg=name)
    for mine, theirs in zip(kept.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)
    torch.compiler.reset()
