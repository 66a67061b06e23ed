"""Infer: the facts of an architecture that the names and shapes of its tensors tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from resnets.spec.architecture import EXPANSION, Role

Shapes = Mapping[str, tuple[int, ...]]
"""Our tensor -> its shape as ours is."""

_BLOCK = re.compile(r"stages\.(\d+)\.(\d+)\.(.+)")


def infer(shapes: Shapes) -> dict[str, Any]:
    """Return every fact that tensors under our names tell, as keyword arguments of an `Architecture`.

    Strides, padding, epsilons and what a shortcut without weights does are not among them. Where nothing projects,
    `shortcut` is left out; where it makes no difference which rule projects, `projects` is.

    Raises `ValueError` naming what is missing or what no network of this family has.
    """
    stages = _stages(shapes)
    first = stages[0][0]
    convs = _numbered(first, "branch.conv")
    if convs not in (2, 3):
        raise ValueError(f"the first block has {convs} convolutions; blocks of 2 or 3 are known")
    block = "basic" if convs == 2 else "bottleneck"
    widths = tuple(_out(stage[0], f"branch.conv{convs}.weight") // EXPANSION[block] for stage in stages)
    return (
        _stem(shapes)
        | {
            "block": block,
            "order": "pre" if "norm.weight" in shapes or "norm.bias" in shapes else "post",
            "blocks": tuple(len(stage) for stage in stages),
            "widths": widths,
        }
        | _groups(first, block, widths[0])
        | _gate(first)
        | _shortcuts(stages)
        | {"conv_bias": _biases(shapes, stages, convs)}
        | _head(shapes)
    )


Parts = Mapping[str, tuple[int, ...]]  # of one block: "branch.conv1.weight" -> shape


def _stages(shapes: Shapes) -> list[list[Parts]]:
    found: dict[tuple[int, int], dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        if match := _BLOCK.fullmatch(name):
            found.setdefault((int(match[1]), int(match[2])), {})[match[3]] = shape
    if not found:
        raise ValueError("it has no residual block")
    stages: list[list[Parts]] = []
    for index in range(max(stage for stage, _ in found) + 1):
        numbers = sorted(block for stage, block in found if stage == index)
        if numbers != list(range(len(numbers))) or not numbers:
            there = ", ".join(map(str, numbers)) or "none"
            raise ValueError(f"conv{index + 2}_x has blocks {there}, counted from 0; one is missing")
        stages.append([found[index, number] for number in numbers])
    return stages


def _stem(shapes: Shapes) -> dict[str, Any]:
    convs = _numbered({name.removeprefix("stem."): 1 for name in shapes if name.startswith("stem.")}, "conv")
    if not convs:
        raise ValueError("it has no stem: its first convolution is missing")
    first = shapes["stem.conv1.weight"]
    kernel, kinds = first[-1], {(7, 1): "imagenet", (3, 3): "deep", (3, 1): "cifar"}
    if len(first) != 4 or (kernel, convs) not in kinds:
        raise ValueError(f"its stem begins with a convolution of shape {first}; known are one 7x7, one 3x3, three 3x3")
    return {
        "stem": kinds[kernel, convs],
        "stem_width": _out(shapes, f"stem.conv{convs}.weight"),
        "in_channels": first[1],
    }


def _groups(first: Parts, block: str, width: int) -> dict[str, Any]:
    """Cardinality and base width of the 3x3 of a bottleneck (Xie et al. 2016, section 3.3)."""
    if block == "basic":
        return {}
    inner = _out(first, "branch.conv1.weight")
    cardinality = inner // max(_side(first, "branch.conv2.weight", 1), 1)
    return {"cardinality": cardinality, "base_width": inner * 64 // max(width * cardinality, 1)}


def _gate(first: Parts) -> dict[str, Any]:
    squeeze = first.get("branch.gate.squeeze.weight")
    return {"se_reduction": squeeze[1] // max(squeeze[0], 1) if squeeze else None}


def _shortcuts(stages: list[list[Parts]]) -> dict[str, Any]:
    """Which blocks project, and whether a norm follows."""
    projecting = [[number for number, block in enumerate(s) if "shortcut.conv.weight" in block] for s in stages]
    if not any(projecting):
        return {}
    facts: dict[str, Any] = {"projection_norm": any("shortcut.norm.weight" in block for s in stages for block in s)}
    if any(len(numbers) > 1 for numbers in projecting):
        return facts | {"projects": "always"}
    if not projecting[0]:
        return facts | {"projects": "shape_changes"}
    stem_out = _side(stages[0][0], "branch.conv1.weight", 1)
    changes = stem_out != _side(stages[0][0], "shortcut.conv.weight", 0)
    return facts if changes else facts | {"projects": "first_block"}


def _biases(shapes: Shapes, stages: list[list[Parts]], convs: int) -> tuple[Role, ...]:
    blocks = [block for stage in stages for block in stage]
    roles: dict[Role, Iterable[bool | None]] = {
        "stem": [f"stem.conv{n}.bias" in shapes for n in range(1, 4) if f"stem.conv{n}.weight" in shapes],
        "inner": [f"branch.conv{n}.bias" in block for block in blocks for n in range(1, convs)],
        "last": [f"branch.conv{convs}.bias" in block for block in blocks],
        "projection": ["shortcut.conv.bias" in block for block in blocks if "shortcut.conv.weight" in block],
    }
    return tuple(role for role, there in roles.items() if any(there))


def _head(shapes: Shapes) -> dict[str, Any]:
    if "head.linear.weight" not in shapes:
        return {"head": "none"}
    facts: dict[str, Any] = {"head": "linear", "num_classes": _out(shapes, "head.linear.weight")}
    if "head.hidden.weight" in shapes:
        facts |= {"head": "mlp", "head_width": _out(shapes, "head.hidden.weight")}
    return facts


def _numbered(names: Mapping[str, object], stem: str) -> int:
    """How many of "conv1.weight", "conv2.weight", ... there are."""
    return sum(f"{stem}{number}.weight" in names for number in range(1, 5))


def _out(shapes: Shapes, name: str) -> int:
    return _side(shapes, name, 0)


def _side(shapes: Shapes, name: str, axis: int) -> int:
    shape = shapes.get(name)
    if shape is None:
        raise ValueError(f"{name} is missing")
    if len(shape) <= axis or shape[axis] < 1:
        raise ValueError(f"{name} has the shape {shape}")
    return shape[axis]
