"""Architecture -> Plan: all channel arithmetic of the package, done once and nowhere else."""

from __future__ import annotations

from functools import lru_cache

from resnets.spec.architecture import Architecture, Role
from resnets.spec.plan import (
    Block,
    Conv,
    Gate,
    HeadPlan,
    Linear,
    Norm,
    Plan,
    Pool,
    Shortcut,
    Stage,
    StemPlan,
    Unit,
)


@lru_cache(maxsize=256)
def plan(arch: Architecture) -> Plan:
    """Resolve an architecture: every channel, stride, group and name, decided once.

    Raises `ValueError` for facts that fit one by one but not together.
    """
    stages: list[Stage] = []
    channels = arch.stem_width
    for index in range(len(arch.blocks)):
        stage = _stage(arch, index, channels)
        stages.append(stage)
        channels = stage.out_channels
    return Plan(
        architecture=arch,
        stem=_stem(arch),
        stages=tuple(stages),
        norm=_norm(arch, "norm", channels) if arch.order == "pre" else None,
        head=_head(arch, channels),
    )


def _stem(arch: Architecture) -> StemPlan:
    """The 7x7/2 of Table 1, the three 3x3 of ResNet-C, or section 4.2's single 3x3."""
    half = arch.stem_width // 2
    rows = {  # kernel, stride, out_channels
        "imagenet": ((7, 2, arch.stem_width),),
        "deep": ((3, 2, half), (3, 1, half), (3, 1, arch.stem_width)),
        "cifar": ((3, 1, arch.stem_width),),
    }[arch.stem]
    units: list[Unit] = []
    channels = arch.in_channels
    for number, (kernel, stride, out_channels) in enumerate(rows, 1):
        conv = _conv(arch, "stem", f"stem.conv{number}", channels, out_channels, kernel, stride)
        # The first pre-activation block normalises what the stem gives it.
        bare = arch.order == "pre" and number == len(rows)
        units.append(Unit(conv=conv, norm=None if bare else _norm(arch, f"stem.norm{number}", out_channels)))
        channels = out_channels
    pool = Pool(name="stem.pool", kind="max", kernel=3, stride=2, padding=arch.pool_padding, fill=arch.pool_fill)
    return StemPlan(units=tuple(units), pool=None if arch.stem == "cifar" else pool)


def _stage(arch: Architecture, index: int, in_channels: int) -> Stage:
    """Blocks of one width; the first or the last of them strides."""
    count = arch.blocks[index]
    striding = 0 if arch.stride_in == "first" else count - 1
    blocks: list[Block] = []
    channels = in_channels
    for number in range(count):
        stride = arch.strides[index] if number == striding else 1
        block = _block(arch, f"stages.{index}.{number}", channels, arch.widths[index], stride, first=number == 0)
        blocks.append(block)
        channels = block.out_channels
    return Stage(
        name=f"stages.{index}",
        level=f"C{index + 2}",
        out_channels=channels,
        stride=arch.strides[index],
        blocks=tuple(blocks),
    )


def _block(arch: Architecture, name: str, in_channels: int, width: int, stride: int, *, first: bool) -> Block:
    """One residual unit: its branch F, the gate on it, and the shortcut beside it (Fig. 5)."""
    out_channels = width * arch.expansion
    inner = width * arch.base_width // 64 * arch.cardinality  # Xie et al. 2016: C groups of d channels
    rows: tuple[tuple[int, int, int, int], ...]  # kernel, stride, groups, out_channels
    if arch.block == "basic":
        rows = ((3, stride, 1, inner), (3, 1, 1, out_channels))
    else:
        on_1x1 = arch.stride_on == "1x1"
        rows = (
            (1, stride if on_1x1 else 1, 1, inner),
            (3, 1 if on_1x1 else stride, arch.cardinality, inner),
            (1, 1, 1, out_channels),
        )
    units: list[Unit] = []
    channels = in_channels
    for number, (kernel, step, groups, out) in enumerate(rows, 1):
        role: Role = "last" if number == len(rows) else "inner"
        conv = _conv(arch, role, f"{name}.branch.conv{number}", channels, out, kernel, step, groups)
        normed = channels if arch.order == "pre" else out
        units.append(Unit(conv=conv, norm=_norm(arch, f"{name}.branch.norm{number}", normed)))
        channels = out
    return Block(
        name=name,
        order=arch.order,
        in_channels=in_channels,
        out_channels=out_channels,
        stride=stride,
        branch=tuple(units),
        gate=_gate(arch, f"{name}.branch.gate", out_channels),
        shortcut=_shortcut(arch, f"{name}.shortcut", in_channels, out_channels, stride, first=first),
    )


def _gate(arch: Architecture, name: str, channels: int) -> Gate | None:
    if arch.se_reduction is None:
        return None
    squeezed = max(channels // arch.se_reduction, 1)
    return Gate(
        squeeze=Conv(name=f"{name}.squeeze", in_channels=channels, out_channels=squeezed, kernel=1, bias=True),
        excite=Conv(name=f"{name}.excite", in_channels=squeezed, out_channels=channels, kernel=1, bias=True),
    )


def _shortcut(
    arch: Architecture, name: str, in_channels: int, out_channels: int, stride: int, *, first: bool
) -> Shortcut:
    """Options A, B and C of section 3.3, ResNet-D's pooled projection, or nothing for a plain network."""
    if arch.shortcut == "none":
        return Shortcut(kind="none")
    widens = in_channels != out_channels
    if arch.shortcut == "zero_pad":
        return _zero_pad(arch, name, in_channels, out_channels, stride)
    projects = {"always": True, "first_block": first, "shape_changes": widens or stride > 1}[arch.projects]
    if not projects:
        # Same channels, since only a stage's first block widens; Keras v2 strides in the last one.
        return Shortcut(kind="identity") if stride == 1 else Shortcut(kind="subsample", stride=stride)
    pooled = arch.shortcut == "pooled_projection" and stride > 1
    conv = _conv(arch, "projection", f"{name}.conv", in_channels, out_channels, 1, 1 if pooled else stride)
    norm = _norm(arch, f"{name}.norm", out_channels) if arch.projection_norm else None
    pool = Pool(name=f"{name}.pool", kind="average", kernel=stride, stride=stride, padding="ceil")
    return Shortcut(
        kind="pooled_projection" if pooled else "projection",
        stride=stride,
        pool=pool if pooled else None,
        unit=Unit(conv=conv, norm=norm),
    )


def _zero_pad(arch: Architecture, name: str, in_channels: int, out_channels: int, stride: int) -> Shortcut:
    added = out_channels - in_channels
    if added < 0:
        raise ValueError(
            f"{name}: option A cannot go from {in_channels} to {out_channels} channels; it only adds zero "
            "channels. Give widths that do not shrink, or shortcut='projection'"
        )
    if added == 0:
        return Shortcut(kind="identity") if stride == 1 else Shortcut(kind="subsample", stride=stride)
    before = added // 2 if arch.zero_pad_side == "both" else 0
    return Shortcut(kind="zero_pad", stride=stride, pad=(before, added - before))


def _head(arch: Architecture, channels: int) -> HeadPlan | None:
    if arch.head == "none":
        return None
    hidden = Linear(name="head.hidden", in_features=channels, out_features=arch.head_width)
    mlp = arch.head == "mlp"
    return HeadPlan(
        pooling=arch.head_pooling,
        dropout=arch.dropout if mlp else 0.0,
        hidden=hidden if mlp else None,
        linear=Linear(
            name="head.linear",
            in_features=arch.head_width if mlp else channels,
            out_features=arch.num_classes,
        ),
    )


def _norm(arch: Architecture, name: str, channels: int) -> Norm:
    return Norm(name=name, channels=channels, eps=arch.norm_eps)


def _conv(
    arch: Architecture,
    role: Role,
    name: str,
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
) -> Conv:
    # With stride 1 or a 1x1 kernel, SAME adds what the symmetric rule adds, at every size.
    same = arch.padding == "same" and stride > 1 and kernel > 1
    return Conv(
        name=name,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel=kernel,
        stride=stride,
        groups=groups,
        padding="same" if same else "symmetric",
        bias=role in arch.conv_bias,
    )
