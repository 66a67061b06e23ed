"""What a block computes, step by step: its branch, its gate, its shortcut, and the equation they make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from math import prod

from resnets.page.colours import GATE, NEUTRAL, NORM, RELU, WEIGHT
from resnets.page.labels import conv_words, padding_words, pool_words, stride_words
from resnets.spec.plan import Block, Conv, Unit, layer_tensors

TINTS = {"weight": WEIGHT, "norm": NORM, "relu": RELU, "projection": WEIGHT, "gate": GATE, "move": NEUTRAL}
"""The colours of each role; `move` is what has no weights: pools, subsampling, zero channels."""

CARRIED = {
    "identity": "{}",
    "subsample": "subsample({})",
    "zero_pad": "zero-pad({})",
    "projection": "project({})",
    "pooled_projection": "project(avg({}))",
}
"""What a kind of shortcut adds, of what it starts from."""

PROJECTIONS = ("projection", "pooled_projection")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One box: its words, its role (a key of `TINTS`), and a second line in small print."""

    words: str
    role: str
    detail: str = ""


NORM_STEP = Step(words="BN", role="norm")
RELU_STEP = Step(words="ReLU", role="relu")


def branch_steps(block: Block, *, counts: bool) -> tuple[Step, ...]:
    """Return the steps of F; `counts` adds the product that gives each convolution's weights."""
    units = [list(_unit(unit, "weight", counts=counts)) for unit in block.branch]
    if block.order == "pre":  # BN, ReLU, weight
        return tuple(step for weight, norm in units for step in (norm, RELU_STEP, weight))
    return (*chain(*([*unit, RELU_STEP] for unit in units[:-1])), *units[-1])


def gate_steps(block: Block) -> tuple[Step, ...]:
    """Return the steps of squeeze and excitation (Hu et al. 2017, Fig. 3); none without a gate."""
    if block.gate is None:
        return ()
    return (
        Step(words="global avg pool", role="move"),
        Step(words=conv_words(block.gate.squeeze), role="gate"),
        RELU_STEP,
        Step(words=conv_words(block.gate.excite), role="gate"),
        Step(words="sigmoid", role="relu"),
    )


def shortcut_steps(block: Block, *, counts: bool) -> tuple[Step, ...]:
    """Return what a shortcut does on its way; nothing for an identity."""
    shortcut = block.shortcut
    match shortcut.kind:
        case "none" | "identity":
            return ()
        case "subsample" | "zero_pad":
            subsample = Step(words=f"subsample{stride_words(shortcut.stride)}", role="move")
            pad = Step(words=padding_words(shortcut), role="move")
            return (*([subsample] if shortcut.stride > 1 else []), *([pad] if any(shortcut.pad) else []))
        case "projection" | "pooled_projection":
            assert shortcut.unit is not None
            pool = [Step(words=pool_words(shortcut.pool), role="move")] if shortcut.pool else []
            return (*pool, *_unit(shortcut.unit, "projection", counts=counts))


def starts_after_relu(block: Block) -> bool:
    """Say whether the shortcut leaves after the first ReLU: a pre-activation block's projection."""
    return block.order == "pre" and block.shortcut.kind in PROJECTIONS


def equation(block: Block) -> str:
    """Return what the block computes, on one line.

    >>> from resnets.spec.resolve import plan
    >>> from resnets.spec.variants import VARIANTS
    >>> equation(plan(VARIANTS["resnet50"]).blocks[0])
    'y = ReLU(F(x) + project(x))'
    """
    start = "ReLU(BN(x))" if starts_after_relu(block) else "x"
    kind = block.shortcut.kind
    total = "F(x)" if kind == "none" else f"F(x) + {CARRIED[kind].format(start)}"
    return f"y = {total}" if block.order == "pre" else f"y = ReLU({total})"


def weights(conv: Conv) -> tuple[int, ...]:
    """Return the shape of a convolution's weight as the papers write it: height, width, in, out."""
    out_channels, in_channels, height, width = layer_tensors(conv)[f"{conv.name}.weight"]
    return height, width, in_channels, out_channels


def _unit(unit: Unit, role: str, *, counts: bool) -> Iterator[Step]:
    shape = weights(unit.conv)
    detail = f"{'×'.join(map(str, shape))} = {prod(shape):,}" if counts else ""
    yield Step(words=conv_words(unit.conv), role=role, detail=detail)
    if unit.norm:
        yield NORM_STEP
