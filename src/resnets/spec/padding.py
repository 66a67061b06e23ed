"""Padding rules: a rule becomes numbers only once the size of the input is known."""

from __future__ import annotations

from resnets.spec.architecture import PoolPaddingRule


def padding(rule: PoolPaddingRule, size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the pixels added before and after one axis of `size` pixels.

    symmetric: (k - 1) / 2 on both sides, whatever the size (PyTorch, Caffe's convolutions).
    same: TensorFlow's SAME; just enough for ceil(size / stride) windows, the odd pixel after.
    ceil: Caffe's pooling; nothing before, and after as much as the last, partial window needs.

    >>> padding("same", 224, 3, 2), padding("same", 225, 3, 2), padding("symmetric", 224, 3, 2)
    ((0, 1), (1, 1), (1, 1))
    """
    if rule == "symmetric":
        return (kernel - 1) // 2, (kernel - 1) // 2
    if rule == "same":
        needed = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        return needed // 2, needed - needed // 2
    windows = max(-(-(size - kernel) // stride), 0) + 1
    return 0, max((windows - 1) * stride + kernel - size, 0)


def out_size(rule: PoolPaddingRule, size: int, kernel: int, stride: int) -> int:
    """Return the pixels of one axis after a window of `kernel` moved by `stride` over `size` pixels."""
    return (size + sum(padding(rule, size, kernel, stride)) - kernel) // stride + 1
