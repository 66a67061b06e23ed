"""Counting: parameters, multiply-adds, weight layers and receptive field, as sums over a Plan."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from resnets.spec.levels import down_path
from resnets.spec.plan import Block, Conv, Linear, Norm, Plan, block_layers, layer_tensors

TRAINED = ("weight", "bias")


def layer_parameters(layer: Conv | Norm | Linear) -> int:
    """Return the trained numbers of one layer; running statistics are not parameters."""
    return sum(prod(shape) for name, shape in layer_tensors(layer).items() if name.endswith(TRAINED))


def parameters(layers: Plan | Block | Iterable[Conv | Norm | Linear]) -> int:
    """Return the number of trained parameters of a network, a block or some layers."""
    match layers:
        case Plan():
            layers = layers.layers()
        case Block():
            layers = block_layers(layers)
    return sum(layer_parameters(layer) for layer in layers)


def conv_weights(block: Block) -> int:
    """Return the weights of a block's branch convolutions alone: the 69,632 of a 256-64-256 bottleneck."""
    return sum(prod(layer_tensors(unit.conv)[f"{unit.conv.name}.weight"]) for unit in block.branch)


def layer_macs(layer: Conv | Linear, size: tuple[int, int]) -> int:
    """Return the multiply-adds of a layer whose output has `size` (height, width) pixels.

    One for each weight and each place it is applied; biases, norms, ReLUs and pools count nothing, as in the
    papers and in torchvision's tables.
    """
    weights = prod(next(iter(layer_tensors(layer).values())))
    return weights if isinstance(layer, Linear) else weights * size[0] * size[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightLayers:
    """Why a network's name has its number: `formula` comes to `total`; `note` says where the name differs."""

    formula: str
    total: int
    note: str


def weight_layers(network: Plan) -> WeightLayers:
    """Count the layers with weights on the way through the branches (section 4.1); shortcuts do not count.

    >>> from resnets.spec.variants import VARIANTS
    >>> from resnets.spec.resolve import plan
    >>> weight_layers(plan(VARIANTS["resnet101"])).formula
    '1 + 9 + 12 + 69 + 9 + 1 = 101'
    """
    stem = len(network.stem.units)
    stages = [sum(len(block.branch) for block in stage.blocks) for stage in network.stages]
    head = 0 if network.head is None else 2 if network.head.hidden else 1
    terms = [stem, *stages, *([head] if head else [])]
    total = sum(terms)
    return WeightLayers(
        formula=f"{' + '.join(map(str, terms))} = {total}",
        total=total,
        note=_naming_note(network, stem, stages, head),
    )


def _naming_note(network: Plan, stem: int, stages: list[int], head: int) -> str:
    arch = network.architecture
    number = re.search(r"\d{2,}", arch.name)
    notes: list[str] = []
    if arch.stem == "cifar" and len(set(arch.blocks)) == 1 and len(stages) == 3:
        per_block = len(network.stages[0].blocks[0].branch)
        notes.append(f"{3 * per_block}n + 2 with n = {arch.blocks[0]}: three stages of n blocks of {per_block} layers")
    if stem > 1:
        notes.append(f"the name counts the stem's {stem} convolutions as one, the 7x7 they replace")
    if head == 0:
        notes.append("the name also counts the classifier's layer, which is left out here")
    if head > 1:
        notes.append(f"the name counts the classifier as one layer, and this one has {head}")
    if number and int(number[0]) != 1 + sum(stages) + 1:
        notes.append(
            f"the name speaks of {number[0]} layers, {int(number[0]) - 2} of them in the stages, "
            f"and the stages here, {arch.blocks}, have {sum(stages)}"
        )
    return "; ".join(notes)


def receptive_field(network: Plan) -> int:
    """Return the side in pixels of the input that one place of the last map can see, padding left aside."""
    field, jump = 1, 1
    for _, layer in down_path(network):
        field += (layer.kernel - 1) * jump
        jump *= layer.stride
    return field
