"""The words on a drawing, as the papers print them: `3×3 conv, 64, /2`."""

from __future__ import annotations

from resnets.spec.plan import Block, Conv, Pool, Shortcut

UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))

SHORTCUTS = {
    "none": "no shortcut",
    "identity": "identity",
    "subsample": "subsampled",
    "zero_pad": "option A, zero-padded",
    "projection": "projection, 1×1",
    "pooled_projection": "average pool and 1×1",
}
"""What each kind of shortcut is called."""


def conv_words(conv: Conv, noun: str = "") -> str:
    """Return what a convolution's box says; C is the number of groups (Xie et al. 2016, Table 1).

    >>> conv_words(Conv(name="c", in_channels=64, out_channels=128, kernel=3, stride=2, groups=32), " conv")
    '3×3 conv, 128, C=32, /2'
    """
    groups = f", C={conv.groups}" if conv.groups > 1 else ""
    return f"{conv.kernel}×{conv.kernel}{noun}, {conv.out_channels}{groups}{stride_words(conv.stride)}"


def pool_words(pool: Pool) -> str:
    """Return what a pool's box says."""
    kind = {"max": "max pool", "average": "avg pool"}[pool.kind]
    return f"{pool.kernel}×{pool.kernel} {kind}{stride_words(pool.stride)}"


def stride_words(stride: int) -> str:
    """Return `, /2` for a stride of 2, and nothing for 1."""
    return f", /{stride}" if stride > 1 else ""


def padding_words(shortcut: Shortcut) -> str:
    """Return how many zero channels option A adds, and where if not all after."""
    before, after = shortcut.pad
    return f"zero-pad, {before} + {after}" if before else f"zero-pad, +{after}"


def size_words(size: tuple[int, int]) -> str:
    """Return height × width in pixels."""
    return f"{size[0]}×{size[1]}"


def short_count(count: int) -> str:
    """Return a large number to three figures with its unit.

    >>> short_count(25_557_032), short_count(73_728), short_count(640)
    ('25.6 M', '73.7 k', '640 ')
    """
    for unit, letter in UNITS:
        if count >= unit:
            value = count / unit
            decimals = 2 if value < 10 else 1 if value < 100 else 0
            return f"{value:.{decimals}f} {letter}"
    return f"{count} "


def block_kind(block: Block) -> str:
    """Return `bottleneck` or `basic block`, with what sets it apart."""
    kind = "bottleneck" if len(block.branch) == 3 else "basic block"
    plain = "plain " if block.shortcut.kind == "none" else ""
    pre = "pre-activation " if block.order == "pre" else ""
    return f"{plain}{pre}{kind}{' with SE' if block.gate else ''}"


def changes_shape(block: Block) -> bool:
    """Say whether what leaves a block has another shape than what enters it."""
    return block.in_channels != block.out_channels or block.stride > 1
