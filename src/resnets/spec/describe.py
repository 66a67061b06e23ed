"""Describe: a Plan and an input size as text or JSON, laid out as the papers print their tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from resnets.spec.count import conv_weights, parameters, receptive_field, weight_layers
from resnets.spec.levels import level_sizes, levels
from resnets.spec.plan import Block, Plan, Unit
from resnets.spec.trace import Size, Step, trace
from resnets.spec.variants import differences_from_row

CONVENTION = "a MAC is one multiply-add of a convolution or linear layer; FLOPs are two for each MAC"


def facts(network: Plan, size: Size) -> dict[str, Any]:
    """Return all that `resnets show` knows of a network at an input of `size` (height, width), JSON-able."""
    arch = network.architecture
    steps = trace(network, size)
    total = sum(step.macs for step in steps)
    layers = weight_layers(network)
    sizes = level_sizes(network, size)
    return {
        "name": arch.name,
        "source": arch.source,
        "differences": _jsonable(differences_from_row(arch)),
        "input": [arch.in_channels, *size],
        "parameters": parameters(network),
        "macs": total,
        "flops": 2 * total,
        "convention": CONVENTION,
        "weight_layers": {"formula": layers.formula, "total": layers.total, "note": layers.note},
        "receptive_field": receptive_field(network),
        "levels": {
            level.name: {
                "channels": level.channels,
                "stride": level.stride,
                "height": sizes[level.name][0],
                "width": sizes[level.name][1],
            }
            for level in levels(network).values()
        },
        "advice": advice(network, size),
        "layers": [_jsonable(asdict(step)) for step in steps],
    }


def advice(network: Plan, size: Size) -> str:
    """Return what to do about an input whose maps collapse, or "" where they do not.

    A map of 1x1 before global pooling has nothing left to average, and its 3x3 convolutions see padding.
    """
    sizes = level_sizes(network, size)
    arch = network.architecture
    gone = [name for name, (height, width) in sizes.items() if max(height, width) == 1]
    if not gone:
        return ""
    stride = levels(network)[gone[0]].stride
    fewer = f"blocks={','.join(map(str, arch.blocks[: len(arch.blocks) - len(gone)]))}"
    ways = [f"a larger --size (from {2 * stride} pixels {gone[0]} is 2x2 or more)"]
    if len(gone) < len(arch.blocks):
        ways.append(f"fewer stages (--set {fewer})")
    if arch.stem != "cifar":
        ways.insert(0, "the small stem (--set stem=cifar)")
    return (
        f"at {size[0]}x{size[1]} the map has shrunk to 1x1 at {gone[0]}: most weights from there on multiply "
        f"padding. Take {', or '.join(ways)}."
    )


def table(network: Plan, size: Size) -> list[tuple[str, str, str, str]]:
    """Return Table 1's rows: level, output, layers, and padding as top/bottom left/right where it acts."""
    rows = [("layer", "output", "what it does", "padding (top/bottom left/right)")]
    steps = trace(network, size)
    by_name = {step.name: step for step in steps}
    for unit in network.stem.units:
        step = by_name[unit.conv.name]
        rows.append((step.level, _size(step.output), _conv(unit), _padding(step)))
    if network.stem.pool:
        step = by_name[network.stem.pool.name]
        rows.append((step.level, _size(step.output), f"3x3 max pool{_stride(step.stride)}", _padding(step)))
    for stage in network.stages:
        for signature, same in groupby(stage.blocks, key=_signature):
            count = len(list(same))
            block = next(block for block in stage.blocks if _signature(block) == signature)
            last = by_name[block.branch[-1].conv.name]
            widest = max((by_name[unit.conv.name] for unit in block.branch), key=lambda s: (s.stride, s.kernel))
            rows.append((stage.level, _size(last.output), f"{signature} x {count}", _padding(widest)))
    for step in steps:
        if step.level == "head":
            what = "global average pool" if step.kind == "average pool" else f"linear, {step.out_channels}"
            rows.append((step.name.removeprefix("head."), _size(step.output), what, ""))
    return rows


def text(network: Plan, size: Size) -> str:
    """Return what `resnets show NAME` prints."""
    found = facts(network, size)
    changed = "".join(f", {key}={value}" for key, value in found["differences"].items())
    layers = found["weight_layers"]
    lines = [
        f"{found['name']}{changed}",
        found["source"],
        "",
        *_columns(table(network, size)),
        "",
        f"input            {found['input'][0]} x {_size(size)}",
        f"weight layers    {layers['formula']}  (stem, stages' branches, head; shortcuts do not count)",
        *([f"                 {layers['note']}"] if layers["note"] else []),
        f"parameters       {found['parameters']:,}",
        f"MACs             {found['macs']:,}  ({found['macs'] / 1e9:.3f} G)",
        f"FLOPs            {found['flops']:,}  ({found['flops'] / 1e9:.3f} G)",
        f"                 {CONVENTION}",
        f"receptive field  {found['receptive_field']} pixels a side at the last map",
        "",
        *_columns(_level_rows(found["levels"])),
    ]
    if found["advice"]:
        lines += ["", found["advice"]]
    return "\n".join(lines)


def block_facts(block: Block) -> dict[str, Any]:
    """Return one block, every number of it, with its sums of weights, JSON-able."""
    return {
        **_jsonable(asdict(block)),
        "branch_weights": conv_weights(block),
        "parameters": parameters(block),
    }


def block_text(block: Block) -> str:
    """Return one block with its sums of weights, and what two 3x3 of its full width would cost instead."""
    rows = [("convolution", "weights", "")]
    for unit in block.branch:
        conv = unit.conv
        shape = f"{conv.kernel}x{conv.kernel} x {conv.in_channels // conv.groups} x {conv.out_channels}"
        weights = parameters([conv]) - (conv.out_channels if conv.bias else 0)
        rows.append((conv.name.rpartition(".")[2], f"{weights:,}", shape))
    lines = [f"{block.name}: {block.in_channels} -> {block.out_channels} channels", "", *_columns(rows), ""]
    own = conv_weights(block)
    lines.append(f"branch weights       {own:,}")
    lines.append(f"all parameters       {parameters(block):,}  (with norms, biases, gate and shortcut)")
    lines.append(f"shortcut             {block.shortcut.kind.replace('_', ' ')}")
    if len(block.branch) == 3:
        wide = 2 * 9 * block.out_channels**2
        lines.append(f"two 3x3 x {block.out_channels} instead  {wide:,}  ({wide / own:.2f} times as many)")
    return "\n".join(lines)


def _level_rows(found: dict[str, dict[str, int]]) -> list[tuple[str, str, str, str]]:
    rows = [("level", "channels", "stride", "size")]
    rows += [
        (name, str(level["channels"]), str(level["stride"]), _size((level["height"], level["width"])))
        for name, level in found.items()
    ]
    return rows


def _signature(block: Block) -> str:
    """What makes blocks of a stage look alike in a table; strides are told apart."""
    inside = "; ".join(_conv(unit) for unit in block.branch)
    gate = f"; SE {block.gate.squeeze.out_channels}" if block.gate else ""
    kind = block.shortcut.kind
    shortcut = "" if kind in ("identity", "none") else f" + {kind.replace('_', ' ')}"
    return f"[{inside}{gate}]{shortcut}"


def _conv(unit: Unit) -> str:
    conv = unit.conv
    groups = f", {conv.groups} groups" if conv.groups > 1 else ""
    return f"{conv.kernel}x{conv.kernel}, {conv.out_channels}{_stride(conv.stride)}{groups}"


def _stride(stride: int) -> str:
    return f" /{stride}" if stride > 1 else ""


def _padding(step: Step) -> str:
    (top, bottom), (left, right) = step.padding
    if not any((top, bottom, left, right)):
        return ""
    return f"{top}/{bottom} {left}/{right}"


def _size(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _jsonable(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _jsonable(value)
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
